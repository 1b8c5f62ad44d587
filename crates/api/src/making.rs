//! What other dialects make with the same means: a version of their own code, deployed at once, and its deployments.

use std::collections::BTreeMap;

use bytes::Bytes;
use hearth_model::{
    CodeUpdate, Compatibility, Deployment, Dialect, Format, Limits, ModuleKind, Split, VersionAssets,
    VersionId, WorkerId, WorkerName,
};
use hearth_store::{Account, Entity, Inserted, StoreError, Subdomain, Worker};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::accept::{Accepted, Call, Candidate, Then};
use crate::auth::Caller;
use crate::error::ApiError;
use crate::runtime::Change;
use crate::state::Api;
use crate::upload::{
    Form, Inherit, PlannedBindings, PlannedModule, ScriptSettings, WantedObjects, plan, resolve_bindings,
    too_large,
};

/// What a dialect makes of what it was sent.
#[derive(Debug, Clone)]
pub struct Making {
    /// The dialect.
    pub dialect: Dialect,
    /// The worker's name in it.
    pub name: WorkerName,
    /// Modules or a service worker.
    pub format: Format,
    /// The modules, in their order.
    pub modules: Vec<(String, ModuleKind, Bytes)>,
    /// Plain variables.
    pub variables: BTreeMap<String, String>,
    /// The version's annotations.
    pub annotations: BTreeMap<String, String>,
    /// Where the worker is served without routes; None: as it was.
    pub subdomain: Option<Subdomain>,
    /// What the dialect keeps of the worker; None: as it was.
    pub settings: Option<Value>,
}

/// A version of a dialect's worker that comes as an upload.
#[derive(Debug, Clone)]
pub struct Publication {
    /// Its id.
    pub id: VersionId,
    /// Code, settings and bindings; None: there are assets alone.
    pub form: Option<Form>,
    /// Its static assets.
    pub assets: VersionAssets,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Whether it gets all traffic.
    pub deploy: bool,
}

impl Api {
    /// A dialect's worker by name, if it exists.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub async fn find_of(
        &self,
        account: &Account,
        dialect: Dialect,
        name: &WorkerName,
    ) -> Result<Option<Worker>, ApiError> {
        match self.store().worker_by_name(&account.id, dialect, name).await {
            Ok(worker) => Ok(Some(worker)),
            Err(StoreError::NotFound { what: Entity::Worker, .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Probes the code, stores it as a version, makes the worker if it is its first, and gives it all traffic. The caller
    /// holds the worker's lock ([`Api::lock`]).
    ///
    /// # Errors
    /// 400 with what the runtime says of the code or what is wrong with a variable; 409 for a name that is taken.
    pub async fn make(
        &self,
        caller: &Caller,
        account: &Account,
        making: Making,
    ) -> Result<Inserted, ApiError> {
        let max = self.config().max_upload_bytes;
        if making.modules.iter().map(|(_, _, content)| content.len() as u64).sum::<u64>() > max {
            return Err(too_large(max));
        }
        let existing = self.find_of(account, making.dialect, &making.name).await?;
        if let Some(worker) = &existing {
            worker.check_spelling(&making.name)?;
        }
        let variable =
            |(name, text): (&String, &String)| json!({"type": "plain_text", "name": name, "text": text});
        let variables: Vec<Value> = making.variables.iter().map(variable).collect();
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let module = |(name, kind, content)| PlannedModule { name, kind, content };
        let candidate = Candidate {
            format: making.format,
            modules: making.modules.into_iter().map(module).collect(),
            bindings: resolve_bindings(&variables, &[], &[], Inherit::Strict)?,
            compatibility: Compatibility::new(Some(Compatibility::FOR_DIALECTS), Vec::new(), today)?,
            limits: Limits::default(),
            annotations: making.annotations,
            trigger: "upload",
            settings: ScriptSettings {
                subdomain: making.subdomain,
                dialect: making.settings,
                ..ScriptSettings::default()
            },
            objects: WantedObjects::default(),
            assets: None,
        };
        let call = Call { api: self, caller, account, dialect: making.dialect, name: &making.name };
        let previous = call.latest(existing.as_ref()).await?;
        let Accepted { worker, version, deployment, .. } =
            call.install(existing, previous, candidate, Then::Deploy).await?;
        Ok(Inserted { worker, version, deployment })
    }

    /// Probes an upload, stores it as a version of a worker, and gives it all traffic if it shall have it. The caller holds
    /// the worker's lock ([`Api::lock`]).
    ///
    /// # Errors
    /// 400 with what the runtime says of the code, or what of the upload does not hold.
    pub async fn publish(
        &self,
        caller: &Caller,
        account: &Account,
        worker: Worker,
        publication: Publication,
    ) -> Result<Inserted, ApiError> {
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let Publication { id, form, assets, annotations, deploy } = publication;
        let mut candidate = Candidate {
            format: Format::Assets,
            modules: Vec::new(),
            bindings: PlannedBindings::default(),
            compatibility: Compatibility::new(Some(Compatibility::FOR_DIALECTS), Vec::new(), today)?,
            limits: Limits::default(),
            annotations,
            trigger: "upload",
            settings: ScriptSettings::default(),
            objects: WantedObjects::default(),
            assets: Some(assets),
        };
        if let Some(form) = form {
            let plan = plan(form, &[], Inherit::Strict, today, self.config().max_upload_bytes)?;
            candidate.format = plan.format;
            candidate.modules = plan.modules;
            candidate.bindings = plan.bindings;
            candidate.compatibility = plan.compatibility;
            candidate.limits = plan.limits;
        }
        let name = worker.name.clone();
        let call = Call { api: self, caller, account, dialect: worker.dialect, name: &name };
        let then = if deploy { Then::Deploy } else { Then::Keep };
        let Accepted { worker, version, deployment, .. } =
            call.install_as(id, Some(worker), None, candidate, then).await?;
        Ok(Inserted { worker, version, deployment })
    }

    /// Gives all traffic of a worker to one of its versions.
    ///
    /// # Errors
    /// 404 for a version that is not the worker's.
    pub async fn give_all(
        &self,
        caller: &Caller,
        account: &Account,
        worker: &Worker,
        version: VersionId,
        trigger: &'static str,
    ) -> Result<Deployment, ApiError> {
        let call = Call { api: self, caller, account, dialect: worker.dialect, name: &worker.name };
        let release = call.release(&BTreeMap::new(), trigger);
        let deployment = self.store().deploy(worker.id, Split::all(version), release).await?;
        self.changed(Change::Deployed(worker.id, CodeUpdate::default())).await;
        Ok(deployment)
    }

    /// Deletes a worker and all that is its own. The caller holds its lock.
    ///
    /// # Errors
    /// 404 when it is gone already.
    pub async fn remove(&self, worker: WorkerId) -> Result<(), ApiError> {
        self.store().delete_worker(worker).await?;
        for change in [Change::WorkerGone(worker), Change::Routes, Change::Domains] {
            self.changed(change).await;
        }
        Ok(())
    }
}
