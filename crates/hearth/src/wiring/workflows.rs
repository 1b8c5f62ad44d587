//! Workflows' API → supervisor: the engine beside a worker.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use hearth_api::{Change, Runtime};
use hearth_model::{WorkerId, Workflow};
use hearth_supervisor::{SendError, Supervisor, WorkflowAnswer, instances_folder};
use hearth_workflows::{Engine, EngineError};
use serde_json::Value;

use super::Platform;

/// The engines of all workers.
pub struct Engines {
    pub supervisor: Supervisor,
    pub platform: Arc<Platform>,
    /// Where workers' storage lies.
    pub objects: PathBuf,
}

#[async_trait]
impl Engine for Engines {
    async fn call(&self, worker: WorkerId, operation: &str, arguments: Value) -> Result<Value, EngineError> {
        let unavailable = |text: &str| EngineError::Unavailable(text.to_owned());
        let lease = self.supervisor.acquire_host(worker).await;
        let lease = lease.map_err(|error| EngineError::Unavailable(error.to_string()))?;
        let lease = lease.ok_or_else(|| unavailable("the worker has no deployment"))?;
        match lease.workflow(operation, &arguments).await {
            Ok(WorkflowAnswer::Result(result)) => Ok(result),
            Ok(WorkflowAnswer::Error(text)) => Err(EngineError::Refused(text)),
            Err(SendError::Died(death)) => Err(unavailable(death.explanation())),
            Err(SendError::Connection { source }) => Err(EngineError::Unavailable(source.to_string())),
        }
    }

    async fn changed(&self, worker: WorkerId) {
        self.platform.changed(Change::Worker(worker)).await;
    }

    async fn forget(&self, worker: WorkerId, workflow: &str) {
        self.changed(worker).await;
        let folder = self.objects.join(Workflow::folder(worker)).join(instances_folder(workflow));
        // The process that had it is told to leave, and the next one does not know of it.
        if let Err(error) = tokio::fs::remove_dir_all(&folder).await
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(%error, folder = %folder.display(), "the storage of a deleted workflow stays behind");
        }
    }
}
