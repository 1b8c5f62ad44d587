//! The workflows that an upload declares: those of the worker's own classes, by binding them.

use hearth_model::{BindingKind, EntrypointKind, Exports, WorkerId, WorkerName, Workflow};
use hearth_store::{Entity, ResourceKind, StoreError};

use crate::accept::Call;
use crate::error::ApiError;
use crate::upload::PlannedBindings;

/// A workflow of the worker's own.
pub(crate) struct Declared {
    name: String,
    class: String,
}

impl Call<'_> {
    /// What a candidate declares, once its probe has said what it exports. `worker` is none for one that is new.
    pub(crate) async fn declared_workflows(
        self,
        worker: Option<WorkerId>,
        planned: &PlannedBindings,
        exports: &Exports,
    ) -> Result<Vec<Declared>, ApiError> {
        let mut declared = Vec::new();
        for binding in &planned.bindings {
            let BindingKind::Workflow { workflow_name, class_name, script_name } = &binding.kind else {
                continue;
            };
            if !Workflow::is_name(workflow_name) {
                return Err(ApiError::invalid_upload(format!(
                    "binding {} of type workflow must have as `workflow_name` {}.",
                    binding.name,
                    Workflow::NAME_RULE
                )));
            }
            let own = script_name.as_ref().is_none_or(|name| name.parse().as_ref() == Ok(self.name));
            let owner = self.workflow_owner(workflow_name).await?;
            if !own {
                let script = script_name.as_deref().unwrap_or_default();
                if owner.as_ref().is_none_or(|(_, name)| script.parse().as_ref() != Ok(name)) {
                    return Err(ApiError::invalid_upload(format!(
                        "binding {} of type workflow refers to the workflow {workflow_name:?} of the Worker {script:?}, which was not found. Deploy {script:?} first.",
                        binding.name
                    )));
                }
                continue;
            }
            if let Some((_, name)) = owner.filter(|(id, _)| Some(*id) != worker) {
                return Err(ApiError::invalid_upload(format!(
                    "The workflow {workflow_name:?} (binding {}) belongs to the Worker {name}, with which its instances are kept. Choose another name, or delete it there first: wrangler workflows delete {workflow_name}",
                    binding.name
                )));
            }
            let exported = exports.entrypoints.iter().any(|export| {
                export.name == *class_name
                    && matches!(export.kind, EntrypointKind::Workflow | EntrypointKind::Class)
            });
            if !exported {
                return Err(ApiError::invalid_upload(format!(
                    "binding {} of type workflow refers to the class {class_name:?}, which the Worker does not export as a WorkflowEntrypoint.",
                    binding.name
                )));
            }
            declared.push(Declared { name: workflow_name.clone(), class: class_name.clone() });
        }
        Ok(declared)
    }

    /// Writes down what was declared; settings that the account has made stay.
    pub(crate) async fn keep_workflows(
        self,
        worker: WorkerId,
        declared: Vec<Declared>,
    ) -> Result<(), ApiError> {
        for Declared { name, class } in declared {
            let store = self.api.store();
            let mut workflow =
                match store.resource_by_name(ResourceKind::Workflow, &self.account.id, &name).await {
                    Ok(found) => serde_json::from_value(found.settings).map_err(ApiError::internal)?,
                    Err(StoreError::NotFound { .. }) => Workflow::new(worker, class.as_str()),
                    Err(error) => return Err(error.into()),
                };
            workflow.class_name = class;
            store.put_workflow(&self.account.id, &name, &workflow).await?;
        }
        Ok(())
    }

    /// The worker that has a workflow, if there is one of the name.
    async fn workflow_owner(self, workflow: &str) -> Result<Option<(WorkerId, WorkerName)>, ApiError> {
        let store = self.api.store();
        let found = match store.resource_by_name(ResourceKind::Workflow, &self.account.id, workflow).await {
            Ok(found) => found,
            Err(StoreError::NotFound { what: Entity::Resource(_), .. }) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let workflow: Workflow = serde_json::from_value(found.settings).map_err(ApiError::internal)?;
        let owner = store.worker(workflow.worker).await?;
        Ok(Some((owner.id, owner.name)))
    }
}
