//! Objects → gateway's table → supervisor: which process runs a worker's alarms.

use std::sync::Arc;

use async_trait::async_trait;
use hearth_gateway::RouteTable;
use hearth_model::WorkerId;
use hearth_objects::Wake;
use hearth_supervisor::Supervisor;

/// Starts the versions that serve.
pub struct Alarmed {
    pub table: Arc<RouteTable>,
    pub supervisor: Supervisor,
}

#[async_trait]
impl Wake for Alarmed {
    async fn wake(&self, worker: WorkerId) -> Result<(), String> {
        let served = self.table.worker(worker);
        let split = served.as_ref().and_then(|served| served.worker.split.as_ref());
        // The supervisor knows which version of a worker with storage runs; any of them names the worker.
        let Some((version, _)) = split.and_then(|split| split.shares().first().copied()) else {
            return Ok(());
        };
        self.supervisor.warm(worker, version).await.map_err(|error| error.to_string())
    }
}
