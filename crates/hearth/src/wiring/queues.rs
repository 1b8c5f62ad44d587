//! Queues → gateway's table → supervisor: which process runs a worker's `queue` handler. R2 → queues: what happens in
//! buckets.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use hearth_gateway::{RouteTable, Served};
use hearth_model::{AccountId, Dialect, VersionChoice, WorkerId, WorkerName};
use hearth_queues::{Format, Outgoing, Queues, Undone, Workers};
use hearth_r2::{Listeners, Notification};
use hearth_rpc::Event;
use hearth_store::Store;
use hearth_supervisor::{Instances, NoHandler, QueueBatch, QueueEnded, SendError, Supervisor};
use parking_lot::Mutex;

use super::Losses;

/// Runs handlers in the versions that serve.
pub struct Consumers {
    store: Store,
    table: Arc<RouteTable>,
    supervisor: Supervisor,
    losses: Arc<Losses>,
    /// Workers that were found by name, so that the store is not asked for each batch.
    found: Mutex<HashMap<(AccountId, String), WorkerId>>,
}

impl Consumers {
    /// Over these parts.
    pub fn new(
        store: Store,
        table: Arc<RouteTable>,
        supervisor: Supervisor,
        losses: Arc<Losses>,
    ) -> Arc<Self> {
        Arc::new(Self { store, table, supervisor, losses, found: Mutex::default() })
    }

    async fn find(&self, account: &AccountId, script: &str) -> Option<Arc<Served>> {
        let key = (account.clone(), script.to_owned());
        let known = self.found.lock().get(&key).copied();
        if let Some(served) = known.and_then(|id| self.table.worker(id)) {
            return Some(served);
        }
        let name: WorkerName = script.parse().ok()?;
        let id = self.store.worker_by_name(account, Dialect::Workers, &name).await.ok()?.id;
        self.found.lock().insert(key, id);
        self.table.worker(id)
    }
}

#[async_trait]
impl Workers for Consumers {
    async fn deliver(
        &self,
        account: &AccountId,
        script: &str,
        batch: &QueueBatch,
    ) -> Result<QueueEnded, Undone> {
        let nobody = |text: &str| Undone::NotDelivered(text.to_owned());
        let served = self.find(account, script).await;
        let served = served.ok_or_else(|| nobody("The worker does not exist."))?;
        let split = served.worker.split.as_ref().ok_or_else(|| nobody("The worker has no deployment."))?;
        let version = split.choose(VersionChoice::default(), rand::random());
        let lease = self.supervisor.acquire(served.worker.id, version).await;
        let lease = lease.map_err(|error| Undone::NotDelivered(error.to_string()))?;
        let began = SystemTime::now();
        let answer = lease.queue(batch).await;
        self.losses.note(&answer, lease.instance().key, began, || Event::Queue {
            queue: batch.queue.clone(),
            batch_size: u32::try_from(batch.messages.len()).unwrap_or(u32::MAX),
        });
        answer.map_err(|error| match error {
            SendError::Died(death) => Undone::Failed(death.explanation().to_owned()),
            SendError::Connection { source } if source.is::<NoHandler>() => {
                Undone::NotDelivered(source.to_string())
            }
            SendError::Connection { source } => Undone::Failed(source.to_string()),
        })
    }
}

/// Sends what happens in buckets to the queues that want to know.
pub struct BucketEvents(pub Queues);

#[async_trait]
impl Listeners for BucketEvents {
    async fn notify(&self, queue: &str, notification: &Notification) -> Result<(), String> {
        let body = serde_json::to_vec(notification).map_err(|error| error.to_string())?;
        let message = Outgoing { format: Format::Json, body: body.into(), delay: None };
        self.0.send(queue, vec![message]).await.map(drop).map_err(|refusal| refusal.message)
    }

    fn name(&self, account: &AccountId, queue: &str) -> Option<String> {
        self.0.name(account, queue)
    }
}
