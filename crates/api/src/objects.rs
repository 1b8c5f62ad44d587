//! What an upload makes of a worker's Durable Objects: decided before the code is probed where it can be, checked
//! against what the code exports afterwards.

use std::collections::HashMap;

use hearth_model::{
    Binding, BindingKind, Exports, Namespace, NamespaceChange, NamespaceId, ObjectExport, ObjectsError,
    ReconcileError, Reconciled, Stranger, WorkerId, check_classes, migrate, reconcile,
};
use hearth_store::Worker;
use http::StatusCode;
use serde_json::json;

use crate::accept::{Call, Then};
use crate::error::{ApiError, code};
use crate::upload::WantedObjects;

/// The namespaces of a version to be.
#[derive(Debug, Default)]
pub(crate) struct PlannedObjects {
    /// What changes.
    pub changes: Vec<NamespaceChange>,
    /// What there is afterwards.
    pub after: Vec<Namespace>,
    /// The migration that was applied.
    pub tag: Option<String>,
    /// What became of `exports`.
    pub reconciled: Option<Reconciled>,
}

impl PlannedObjects {
    /// The other workers whose namespaces change too.
    pub fn others(&self) -> impl Iterator<Item = WorkerId> {
        self.changes.iter().filter_map(|change| match change {
            NamespaceChange::Take { from, .. } => Some(*from),
            NamespaceChange::Give { to, .. } => Some(*to),
            _ => None,
        })
    }
}

impl From<ObjectsError> for ApiError {
    fn from(error: ObjectsError) -> Self {
        let (status, code) = match error {
            ObjectsError::Tag { .. } => (StatusCode::PRECONDITION_FAILED, code::MIGRATION_TAG),
            ObjectsError::Exists(_) => (StatusCode::BAD_REQUEST, code::CLASS_EXISTS),
            ObjectsError::Unknown { .. } | ObjectsError::UnknownSource { .. } => {
                (StatusCode::BAD_REQUEST, code::CLASS_UNKNOWN)
            }
            ObjectsError::NewNotExported(_) => (StatusCode::BAD_REQUEST, code::NEW_CLASS_NOT_EXPORTED),
            ObjectsError::NotExported(_) => (StatusCode::BAD_REQUEST, code::CLASS_NOT_EXPORTED),
            ObjectsError::NotConfigured(_) | ObjectsError::StillBound(_) => {
                (StatusCode::BAD_REQUEST, code::OBJECT_BINDING)
            }
            ObjectsError::Twice(_) => (StatusCode::BAD_REQUEST, code::INVALID_UPLOAD),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<ReconcileError> for ApiError {
    fn from(error: ReconcileError) -> Self {
        let text = error.to_string();
        Self::bad_request(code::EXPORTS_RECONCILIATION, text).with_meta(json!({"details": error.0}))
    }
}

impl Call<'_> {
    /// What can be decided before the code has run: migrations, and the bindings where those say what there is.
    pub(crate) async fn plan_migrations(
        self,
        existing: Option<&Worker>,
        wanted: &WantedObjects,
        bindings: &mut [Binding],
        then: Then,
    ) -> Result<PlannedObjects, ApiError> {
        self.resolve_foreign(bindings).await?;
        let planned = self.plan_namespaces(existing, wanted, then).await?;
        if wanted.exports.is_none() {
            resolve_namespaces(&planned, bindings)?;
        }
        Ok(planned)
    }

    /// Tells bindings to other workers' classes their namespaces.
    async fn resolve_foreign(self, bindings: &mut [Binding]) -> Result<(), ApiError> {
        for Binding { name, kind } in bindings {
            let BindingKind::DurableObjectNamespace {
                class_name,
                script_name: Some(script),
                namespace_id,
                ..
            } = kind
            else {
                continue;
            };
            let found = self.api.store().namespace_by_class(&self.account.id, script, class_name).await?;
            let Some(found) = found else {
                return Err(ApiError::bad_request(
                    code::OBJECT_BINDING,
                    format!(
                        "Cannot create binding {name} for class '{class_name}' in script '{script}' because it is not currently configured to implement Durable Objects. Deploy '{script}' with a migration for the class first."
                    ),
                ));
            };
            *namespace_id = Some(found.namespace.id.to_string());
        }
        Ok(())
    }

    async fn plan_namespaces(
        self,
        existing: Option<&Worker>,
        wanted: &WantedObjects,
        then: Then,
    ) -> Result<PlannedObjects, ApiError> {
        let current = match existing {
            Some(worker) => self.api.store().namespaces_of(worker.id).await?,
            None => Vec::new(),
        };
        let Some(migrations) = &wanted.migrations else {
            return Ok(PlannedObjects { after: current, ..PlannedObjects::default() });
        };
        if then == Then::Keep {
            return Err(migration_in_version());
        }
        let mut strangers = HashMap::new();
        for (script, class) in migrations.sources() {
            let found = self.api.store().namespace_by_class(&self.account.id, script, class).await?;
            let found = found.filter(|found| existing.is_none_or(|worker| worker.id != found.worker));
            let stranger = found.map(|found| Stranger { worker: found.worker, namespace: found.namespace });
            strangers.insert((script, class), stranger);
        }
        let find = |script: &str, class: &str| strangers.get(&(script, class)).cloned().flatten();
        let tag = existing.and_then(|worker| worker.migration_tag.as_deref());
        let (changes, after) = migrate(migrations, tag, &current, find)?;
        Ok(PlannedObjects { changes, after, tag: migrations.new_tag.clone(), reconciled: None })
    }

    /// Holds the plan against what the code exports, of which `exports` of the upload speak too.
    pub(crate) async fn settle_objects(
        self,
        mut planned: PlannedObjects,
        wanted: &WantedObjects,
        exports: &Exports,
        bindings: &mut [Binding],
        then: Then,
    ) -> Result<PlannedObjects, ApiError> {
        if let Some(entries) = &wanted.exports {
            let mut expected = HashMap::new();
            for (class, entry) in entries {
                if let ObjectExport::Transferred { transferred_to: to } = entry {
                    let store = self.api.store();
                    let found = store.expected_namespace(&self.account.id, to, self.name, class).await?;
                    expected.insert((to.as_str(), class.as_str()), found);
                }
            }
            let find = |script: &str, class: &str| expected.get(&(script, class)).cloned().flatten();
            let (changes, after, said) = reconcile(entries, &planned.after, exports, find)?;
            if then == Then::Keep && !changes.is_empty() {
                return Err(migration_in_version());
            }
            planned = PlannedObjects { changes, after, tag: None, reconciled: Some(said) };
            resolve_namespaces(&planned, bindings)?;
        }
        check_classes(exports, &planned.after, &planned.changes)?;
        Ok(planned)
    }
}

/// Tells bindings their namespaces.
fn resolve_namespaces(planned: &PlannedObjects, bindings: &mut [Binding]) -> Result<(), ApiError> {
    for Binding { kind, .. } in bindings {
        let BindingKind::DurableObjectNamespace { class_name, script_name, namespace_id, .. } = kind else {
            continue;
        };
        if script_name.is_some() {
            continue;
        }
        let by_class = planned.after.iter().find(|namespace| namespace.class == *class_name);
        // An inherited binding follows its namespace to the class's new name.
        let by_id = || {
            let id: NamespaceId = namespace_id.as_deref()?.parse().ok()?;
            planned.after.iter().find(|namespace| namespace.id == id)
        };
        let Some(found) = by_class.or_else(by_id) else {
            let deletes = planned.changes.iter().any(|change| matches!(change, NamespaceChange::Delete(_)));
            let class = class_name.clone();
            return Err(match deletes {
                true => ObjectsError::StillBound(class).into(),
                false => ObjectsError::NotConfigured(class).into(),
            });
        };
        found.class.clone_into(class_name);
        *namespace_id = Some(found.id.to_string());
    }
    Ok(())
}

/// Cloudflare applies migrations with the deployment only.
fn migration_in_version() -> ApiError {
    ApiError::bad_request(
        code::MIGRATION_IN_VERSION,
        "Version upload failed. You attempted to upload a version including a Durable Object migration, but migrations must be fully applied by running \"wrangler deploy\".",
    )
}
