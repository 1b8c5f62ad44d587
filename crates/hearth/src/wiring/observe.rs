//! Observe → supervisor and gateway's table: which processes report, and who is told.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hearth_gateway::RouteTable;
use hearth_model::{VersionChoice, WorkerId, WorkerName};
use hearth_observe::{Hub, Workers};
use hearth_rpc::{DebugPort, Entrypoint, RpcThreads, TailItem};
use hearth_store::{Store, StoreError};
use hearth_supervisor::{Instances, MAIN_SERVICE, Supervisor};

/// What can be seen of workers.
pub struct Seeing {
    table: Arc<RouteTable>,
    supervisor: Supervisor,
    threads: RpcThreads,
}

impl Seeing {
    /// Over these parts.
    pub fn new(table: &Arc<RouteTable>, supervisor: &Supervisor, threads: &RpcThreads) -> Self {
        Self { table: Arc::clone(table), supervisor: supervisor.clone(), threads: threads.clone() }
    }
}

#[async_trait]
impl Workers for Seeing {
    fn trace(&self, worker: WorkerId, wanted: bool) {
        self.supervisor.trace(worker, wanted);
    }

    async fn traced(&self, worker: WorkerId, patience: Duration) -> bool {
        self.supervisor.traced(worker, patience).await
    }

    async fn deliver(&self, from: WorkerId, to: &WorkerName, items: Vec<TailItem>) -> Result<(), String> {
        let served = self.table.sibling(from, to);
        let split =
            served.as_ref().and_then(|served| Some((served.worker.id, served.worker.split.as_ref()?)));
        let (worker, split) = split.ok_or("it does not exist, or has no deployment")?;
        let version = split.choose(VersionChoice::default(), rand::random());
        let lease = self.supervisor.acquire(worker, version).await.map_err(|error| error.to_string())?;
        lease.instance().opened().await.map_err(|death| death.explanation().to_owned())?;
        let port = DebugPort::new(lease.instance().debug_socket(), &self.threads);
        let entrypoint = Entrypoint { service: MAIN_SERVICE.to_owned(), ..Entrypoint::default() };
        port.send_traces(entrypoint, items).await.map_err(|error| error.to_string())
    }
}

/// Tells the hub what every worker's settings ask for, before anything runs.
///
/// # Errors
/// The metadata cannot be read.
pub async fn follow_all(hub: &Hub, store: &Store) -> Result<(), StoreError> {
    for worker in store.watched_workers().await? {
        hub.follow(&worker);
    }
    Ok(())
}
