//! Cron → gateway's table → supervisor: which process runs a worker's `scheduled` handler.

use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use hearth_cron::Runner;
use hearth_gateway::RouteTable;
use hearth_model::{VersionChoice, WorkerId};
use hearth_rpc::Event;
use hearth_supervisor::{Ended, Instances, Scheduled, SendError, Supervisor};

use super::Losses;

/// Runs handlers in the versions that serve.
pub struct ScheduledRuns {
    pub table: Arc<RouteTable>,
    pub supervisor: Supervisor,
    pub losses: Arc<Losses>,
}

#[async_trait]
impl Runner for ScheduledRuns {
    async fn run(&self, worker: WorkerId, event: &Scheduled) -> Result<Ended, String> {
        let served = self.table.worker(worker);
        let split = served.as_ref().and_then(|served| served.worker.split.as_ref());
        let split = split.ok_or("The worker has no deployment.")?;
        let version = split.choose(VersionChoice::default(), rand::random());
        let lease = self.supervisor.acquire(worker, version).await.map_err(|error| error.to_string())?;
        let began = SystemTime::now();
        let answer = lease.scheduled(event).await;
        self.losses.note(&answer, lease.instance().key, began, || Event::Scheduled {
            scheduled_time_ms: event.scheduled_time_ms,
            cron: event.cron.clone(),
        });
        answer.map_err(|error| match error {
            SendError::Died(death) => death.explanation().to_owned(),
            SendError::Connection { source } => source.to_string(),
        })
    }
}
