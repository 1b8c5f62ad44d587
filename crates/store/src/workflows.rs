//! Workflows: resources of the account that belong to a worker.

use hearth_model::{AccountId, NamedWorkflow, WorkerId, Workflow};
use uuid::Uuid;

use crate::resources::resource_of;
use crate::{Entity, Resource, ResourceKind, Result, Store, StoreError, rows};

const KIND: ResourceKind = ResourceKind::Workflow;

impl Store {
    /// Makes a workflow, or sets the one that the worker has of this name.
    ///
    /// # Errors
    /// Conflict when another worker has it: its instances' storage lies with that worker.
    pub async fn put_workflow(
        &self,
        account: &AccountId,
        name: &str,
        workflow: &Workflow,
    ) -> Result<Resource> {
        let settings = rows::to_json(workflow)?;
        let settings =
            serde_json::from_str(&settings).map_err(|error| StoreError::Corrupt(error.to_string()))?;
        let found = match self.resource_by_name(KIND, account, name).await {
            Ok(found) => found,
            Err(StoreError::NotFound { what: Entity::Resource(_), .. }) => {
                return self
                    .create_resource(KIND, account, &Uuid::new_v4().to_string(), name, settings)
                    .await;
            }
            Err(error) => return Err(error),
        };
        if found.settings["worker"] != settings["worker"] {
            return Err(StoreError::conflict(
                Entity::Resource(KIND),
                format!("the workflow {name:?} belongs to another worker, with which its instances are kept"),
            ));
        }
        if found.settings == settings {
            return Ok(found);
        }
        self.change_resource(KIND, account, &found.id, |old| *old = settings).await
    }

    /// All workflows, of all accounts.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub async fn all_workflows(&self) -> Result<Vec<NamedWorkflow>> {
        self.all_resources(KIND).await?.into_iter().map(named).collect()
    }

    /// The workers that have workflows, with their accounts.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub async fn workers_with_workflows(&self) -> Result<Vec<(AccountId, WorkerId)>> {
        let all = self.all_resources(KIND).await?;
        let owner = |found: Resource| {
            let account = found.account.clone();
            Ok((account, named(found)?.workflow.worker))
        };
        let mut owners: Vec<_> = all.into_iter().map(owner).collect::<Result<_>>()?;
        owners.sort_by_key(|(_, worker)| *worker);
        owners.dedup_by_key(|(_, worker)| *worker);
        Ok(owners)
    }

    /// A worker's workflows, by name.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub async fn workflows_of(&self, worker: WorkerId) -> Result<Vec<NamedWorkflow>> {
        let rows = sqlx::query(
            "SELECT * FROM resources WHERE kind = 'workflow' AND settings ->> '$.worker' = ? ORDER BY name",
        )
        .bind(worker.to_string())
        .fetch_all(&mut *self.read().await?)
        .await?;
        rows.iter().map(|row| named(resource_of(row, KIND)?)).collect()
    }
}

fn named(found: Resource) -> Result<NamedWorkflow> {
    let workflow = serde_json::from_value(found.settings);
    let workflow = workflow.map_err(|error| StoreError::Corrupt(format!("{}: {error}", found.name)))?;
    Ok(NamedWorkflow { name: found.name, workflow })
}
