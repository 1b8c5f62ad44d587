//! Cron → gateway's table → supervisor: which process runs a worker's `scheduled` handler, or a function.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use async_trait::async_trait;
use hearth_cron::Runner;
use hearth_functions::Functions;
use hearth_gateway::RouteTable;
use hearth_model::{Dialect, VersionChoice, WorkerId};
use hearth_rpc::Event;
use hearth_supervisor::{Ended, Instances, Scheduled, SendError, Supervisor};

use super::Losses;
use super::functions::outcome_of;

/// Runs handlers in the versions that serve.
pub struct ScheduledRuns {
    table: Arc<RouteTable>,
    supervisor: Supervisor,
    losses: Arc<Losses>,
    /// Set once they are there.
    functions: OnceLock<Functions>,
}

impl ScheduledRuns {
    /// Over these parts.
    pub fn new(table: &Arc<RouteTable>, supervisor: &Supervisor, losses: Arc<Losses>) -> Arc<Self> {
        let (table, supervisor) = (Arc::clone(table), supervisor.clone());
        Arc::new(Self { table, supervisor, losses, functions: OnceLock::new() })
    }

    /// Says who calls functions.
    pub fn begin(&self, functions: Functions) {
        // Set twice would be the same ones again.
        let _ = self.functions.set(functions);
    }
}

#[async_trait]
impl Runner for ScheduledRuns {
    async fn run(&self, worker: WorkerId, event: &Scheduled) -> Result<Ended, String> {
        let served = self.table.worker(worker).ok_or("The worker has no deployment.")?;
        if served.worker.dialect == Dialect::Functions {
            let functions = self.functions.get().ok_or("The server is just starting.")?;
            let error = functions.scheduled(worker, event).await?;
            return Ok(Ended { outcome: outcome_of(error.as_ref()).as_str().to_owned(), no_retry: false });
        }
        let split = served.worker.split.as_ref().ok_or("The worker has no deployment.")?;
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
