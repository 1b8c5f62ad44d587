//! What is asked of the engine beside a worker.

use async_trait::async_trait;
use hearth_model::WorkerId;
use serde_json::Value;

/// Reaches the engine in a worker's process, which it starts when it sleeps.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Runs an operation of `runtime/workflows/engine.js` and gives its result.
    ///
    /// # Errors
    /// [`EngineError`].
    async fn call(&self, worker: WorkerId, operation: &str, arguments: Value) -> Result<Value, EngineError>;

    /// The worker has other workflows than its process was started with: it is started anew, or not at all before it
    /// is wanted.
    async fn changed(&self, worker: WorkerId);

    /// A workflow is gone: its instances' storage is reclaimed once the process has let go of it.
    async fn forget(&self, worker: WorkerId, workflow: &str);
}

/// Why an operation has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The engine refused it; the text is the engine's and for the caller.
    #[error("{0}")]
    Refused(String),
    /// The process did not start, or ended; the text is for the operator.
    #[error("{0}")]
    Unavailable(String),
}
