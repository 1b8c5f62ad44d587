//! Queues of one installation: their engine, how each is set, and who delivers.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use hearth_api::{Api, Operation};
use hearth_model::AccountId;
use hearth_space::{Kind, Space};
use hearth_store::{Page, Resource, ResourceKind, Store, StoreError};
use http::{Request, Response};
use jiff::Timestamp;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::consume::{Pump, Workers};
use crate::embedded::{Clock, Config, Embedded};
use crate::rules::{QueueSettings, Refusal, check_batch, check_message};
use crate::store::{Engine, EngineError, Format, Metrics, NewMessage};
use crate::{api, wire};

/// The kind of its resources.
pub(crate) const KIND: ResourceKind = ResourceKind::Queue;
/// How often what is too old is looked for.
const SWEEP: Duration = Duration::from_secs(5);
/// Bytes of messages that may be with handlers.
const IN_HANDLERS: usize = 128 << 20;
/// Dead letters that are moved at a time.
const BURY_AT_ONCE: usize = 100;
/// How long dead letters wait that could not be moved.
const BURY_AGAIN: Duration = Duration::from_secs(10);

/// A queue as it is set now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Queue {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) account: AccountId,
    pub(crate) settings: QueueSettings,
}

/// The queues. Clones are the same.
#[derive(Clone)]
pub struct Queues(Arc<Inner>);

struct Inner {
    store: Store,
    engine: Arc<dyn Engine>,
    clock: Clock,
    space: Space,
    known: RwLock<Known>,
    /// Set once there is somebody to deliver to.
    delivery: Mutex<Option<Delivery>>,
    /// Queues whose dead letters somebody moves.
    burying: Mutex<HashSet<String>>,
}

#[derive(Default)]
struct Known {
    by_id: HashMap<String, watch::Sender<Arc<Queue>>>,
    by_name: HashMap<(AccountId, String), String>,
}

struct Delivery {
    pump: Pump,
    tasks: JoinSet<()>,
}

/// A message that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// What its body is.
    pub format: Format,
    /// Its body.
    pub body: bytes::Bytes,
    /// Seconds until it can be delivered; as the queue is set when absent.
    pub delay: Option<u32>,
}

impl Queues {
    /// Opens the embedded engine with the queues that the store knows.
    ///
    /// # Errors
    /// The store or the folder cannot be read; the text is for the operator.
    pub async fn open(config: Config, store: Store) -> Result<Self, EngineError> {
        let failed = |error: &dyn std::fmt::Display| EngineError::Failed(error.to_string());
        let known = store.all_resources(KIND).await.map_err(|error| failed(&error))?;
        let (clock, space) = (Arc::clone(&config.clock), config.space.clone());
        let ids: Vec<_> = known.iter().map(|queue| queue.id.clone()).collect();
        let opened = tokio::task::spawn_blocking(move || Embedded::open(config, ids)).await;
        let engine = opened.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
        let queues = Self(Arc::new(Inner {
            store,
            engine: Arc::new(engine),
            clock,
            space,
            known: RwLock::default(),
            delivery: Mutex::new(None),
            burying: Mutex::default(),
        }));
        for resource in &known {
            queues.learn(resource);
        }
        Ok(queues)
    }

    /// Begins to deliver to workers, to move dead letters and to reclaim what is too old, until told to stop.
    pub fn begin(&self, workers: Arc<dyn Workers>, stop: CancellationToken) {
        let memory = Arc::new(Semaphore::new(IN_HANDLERS));
        let pump = Pump { queues: self.clone(), workers, memory, stop: stop.clone() };
        let mut tasks = JoinSet::new();
        let sweep = stop.run_until_cancelled_owned(self.clone().sweep());
        tasks.spawn(async { sweep.await.unwrap_or_default() });
        let queues: Vec<_> = self.0.known.read().by_id.values().map(watch::Sender::subscribe).collect();
        for queue in queues {
            let id = queue.borrow().id.clone();
            tasks.spawn(pump.clone().run(queue));
            self.bury(&id);
        }
        *self.0.delivery.lock() = Some(Delivery { pump, tasks });
    }

    /// Waits until what was being delivered is recorded, after the stop.
    pub async fn stop(&self) {
        let tasks = self.0.delivery.lock().take().map(|delivery| delivery.tasks);
        if let Some(mut tasks) = tasks {
            while tasks.join_next().await.is_some() {}
        }
    }

    /// Answers a request that workerd makes on a binding to a queue, which it names by its id. `delay` is the binding's
    /// own, in seconds.
    pub async fn serve(
        &self,
        queue: Option<&str>,
        delay: Option<u32>,
        request: Request<Body>,
    ) -> Response<Body> {
        wire::serve(self, queue, delay, request).await
    }

    /// Its operations of Cloudflare's API.
    pub fn operations(&self, api: &Api) -> Vec<Operation> {
        api::operations(self, api)
    }

    /// Sends messages to a queue by its id, all or none. Their sizes together may be more than a batch's.
    ///
    /// # Errors
    /// There is no such queue, a message is too large, or there is no room.
    pub async fn send(&self, queue: &str, messages: Vec<Outgoing>) -> Result<Metrics, Refusal> {
        let settings = self.queue(queue).ok_or(EngineError::NoQueue)?;
        for message in &messages {
            check_message(message.format, &message.body)?;
        }
        let now = (self.0.clock)();
        let usual = settings.settings.delivery_delay;
        let message = |message: Outgoing| NewMessage {
            id: rand::random(),
            timestamp: now,
            format: message.format,
            body: message.body,
            delay: i64::from(message.delay.unwrap_or(usual)) * 1000,
        };
        Ok(self.engine().send(queue, messages.into_iter().map(message).collect()).await?)
    }

    /// As [`Self::send`], within Cloudflare's limits of a batch.
    ///
    /// # Errors
    /// As [`Self::send`], or the batch is too large.
    pub(crate) async fn send_batch(&self, queue: &str, messages: Vec<Outgoing>) -> Result<Metrics, Refusal> {
        check_batch(messages.iter().map(|message| message.body.len()))?;
        self.send(queue, messages).await
    }

    /// The id of an account's queue.
    pub fn id(&self, account: &AccountId, name: &str) -> Option<String> {
        self.0.known.read().by_name.get(&(account.clone(), name.to_owned())).cloned()
    }

    /// The name of an account's queue.
    pub fn name(&self, account: &AccountId, id: &str) -> Option<String> {
        let queue = self.queue(id).filter(|queue| queue.account == *account)?;
        Some(queue.name.clone())
    }

    /// What a queue holds, for whoever counts.
    ///
    /// # Errors
    /// There is no such queue, or storage fails.
    pub async fn metrics(&self, queue: &str) -> Result<Metrics, EngineError> {
        self.engine().metrics(queue).await
    }

    /// What a queue takes on disk, about.
    ///
    /// # Errors
    /// As [`Self::metrics`].
    pub async fn usage(&self, queue: &str) -> Result<u64, EngineError> {
        let metrics = self.metrics(queue).await?;
        Ok(crate::embedded::usage(&metrics))
    }

    /// Writes a consistent copy of every queue into an empty folder, while all else goes on. The copy is a folder that
    /// the embedded engine opens.
    ///
    /// # Errors
    /// The folder is not empty, or something cannot be written.
    pub async fn snapshot(&self, to: &Path) -> Result<(), EngineError> {
        self.engine().snapshot(to).await
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn engine(&self) -> &dyn Engine {
        self.0.engine.as_ref()
    }

    /// How long it is until a time of the engine's.
    pub(crate) fn until(&self, at: i64) -> Duration {
        Duration::from_millis(u64::try_from(at - (self.0.clock)()).unwrap_or(0))
    }

    pub(crate) fn queue(&self, id: &str) -> Option<Arc<Queue>> {
        self.0.known.read().by_id.get(id).map(|queue| Arc::clone(&queue.borrow()))
    }

    /// An account's queues, by name.
    pub(crate) fn of(&self, account: &AccountId) -> Vec<Arc<Queue>> {
        let known = self.0.known.read();
        let mut queues: Vec<_> = known
            .by_id
            .values()
            .map(|queue| Arc::clone(&queue.borrow()))
            .filter(|queue| queue.account == *account)
            .collect();
        queues.sort_by(|a, b| a.name.cmp(&b.name));
        queues
    }

    /// Makes a queue.
    ///
    /// # Errors
    /// The name is taken; the store fails.
    pub(crate) async fn create(
        &self,
        account: &AccountId,
        name: &str,
        settings: &QueueSettings,
    ) -> Result<Resource, StoreError> {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let settings = serde_json::to_value(settings).unwrap_or_default();
        let made = self.0.store.create_resource(KIND, account, &id, name, settings).await?;
        self.0.space.opened(&id, account, Kind::Queues);
        // The embedded engine makes the file with the first message, and knows no failure here.
        if let Err(error) = self.engine().create(&id).await {
            tracing::error!(%error, queue = name, "a queue's storage cannot be made before the next start");
        }
        self.learn(&made);
        Ok(made)
    }

    /// Changes how a queue is set.
    ///
    /// # Errors
    /// There is no such queue; the store fails; what `change` says.
    pub(crate) async fn change<E: From<StoreError> + Send>(
        &self,
        account: &AccountId,
        id: &str,
        change: impl FnOnce(&mut QueueSettings) -> Result<(), E> + Send,
    ) -> Result<Resource, E> {
        let mut refused = None;
        let changed = self.0.store.change_resource(KIND, account, id, |value| {
            let mut settings = settings(value);
            match change(&mut settings) {
                Ok(()) => *value = serde_json::to_value(&settings).unwrap_or_default(),
                Err(error) => refused = Some(error),
            }
        });
        let changed = changed.await?;
        if let Some(error) = refused {
            return Err(error);
        }
        self.learn(&changed);
        Ok(changed)
    }

    /// Gives a queue another name, also where it is another one's dead letter queue.
    ///
    /// # Errors
    /// The name is taken; there is no such queue; the store fails.
    pub(crate) async fn rename(
        &self,
        account: &AccountId,
        id: &str,
        name: &str,
    ) -> Result<Resource, StoreError> {
        let before = self.name(account, id);
        let renamed = self.0.store.rename_resource(KIND, account, id, name).await?;
        self.learn(&renamed);
        for queue in self.resources(account).await? {
            let buries_there = |settings: &QueueSettings| {
                let dead =
                    settings.consumer.as_ref().and_then(|consumer| consumer.dead_letter_queue.as_ref());
                dead.is_some() && dead == before.as_ref()
            };
            if !buries_there(&settings(&queue.settings)) {
                continue;
            }
            self.change(account, &queue.id, |settings| -> Result<(), StoreError> {
                if let Some(consumer) = settings.consumer.as_mut() {
                    consumer.dead_letter_queue = Some(name.to_owned());
                }
                Ok(())
            })
            .await?;
        }
        Ok(renamed)
    }

    /// Deletes a queue and everything in it.
    ///
    /// # Errors
    /// There is no such queue; the store or the engine fails.
    pub(crate) async fn delete(&self, account: &AccountId, id: &str) -> Result<(), hearth_api::ApiError> {
        self.0.store.delete_resource(KIND, account, id).await?;
        {
            let mut known = self.0.known.write();
            known.by_id.remove(id);
            known.by_name.retain(|_, known| known != id);
        }
        self.engine().destroy(id).await.map_err(Refusal::from)?;
        self.0.space.closed(id);
        Ok(())
    }

    /// Takes in how a queue is set now, and tells who delivers it.
    fn learn(&self, resource: &Resource) {
        let queue = Arc::new(Queue {
            id: resource.id.clone(),
            name: resource.name.clone(),
            account: resource.account.clone(),
            settings: settings(&resource.settings),
        });
        let fresh = {
            let mut known = self.0.known.write();
            known.by_name.retain(|_, id| *id != queue.id);
            known.by_name.insert((queue.account.clone(), queue.name.clone()), queue.id.clone());
            match known.by_id.get(&queue.id) {
                Some(sender) => {
                    sender.send_replace(queue);
                    None
                }
                None => {
                    let sender = watch::Sender::new(Arc::clone(&queue));
                    let receiver = sender.subscribe();
                    known.by_id.insert(queue.id.clone(), sender);
                    Some(receiver)
                }
            }
        };
        if let (Some(queue), Some(delivery)) = (fresh, self.0.delivery.lock().as_mut()) {
            delivery.tasks.spawn(delivery.pump.clone().run(queue));
        }
    }

    /// Has a queue's dead letters moved, unless somebody is at it.
    pub(crate) fn bury(&self, id: &str) {
        if !self.0.burying.lock().insert(id.to_owned()) {
            return;
        }
        let (queues, id) = (self.clone(), id.to_owned());
        tokio::spawn(async move {
            let moved = queues.bury_all(&id).await;
            queues.0.burying.lock().remove(&id);
            if let Err(refusal) = moved {
                tracing::warn!(queue = id, reason = refusal.message, "dead letters wait");
                tokio::time::sleep(BURY_AGAIN).await;
                queues.bury(&id);
            }
        });
    }

    /// Moves dead letters: they are deleted once the other queue has them, so that a crash in between sends them twice
    /// rather than never.
    async fn bury_all(&self, id: &str) -> Result<(), Refusal> {
        loop {
            let Some(queue) = self.queue(id) else { return Ok(()) };
            let target =
                queue.settings.consumer.as_ref().and_then(|consumer| consumer.dead_letter_queue.as_ref());
            let Some(target) = target else { return Ok(()) };
            let dead = self.engine().dead(id, BURY_AT_ONCE).await?;
            if dead.is_empty() {
                return Ok(());
            }
            let target = self.id(&queue.account, target).ok_or(EngineError::NoQueue)?;
            let sequences = dead.iter().map(|message| message.lease.sequence).collect();
            let letter = |message: crate::store::Message| NewMessage {
                id: message.id,
                timestamp: message.timestamp,
                format: message.format,
                body: message.body,
                delay: 0,
            };
            self.engine().send(&target, dead.into_iter().map(letter).collect()).await?;
            self.engine().remove(id, sequences).await?;
        }
    }

    /// Has each queue reclaim what is too old, again and again.
    async fn sweep(self) {
        let mut ticks = tokio::time::interval(SWEEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let queues: Vec<_> =
                self.0.known.read().by_id.values().map(|queue| Arc::clone(&queue.borrow())).collect();
            for queue in queues {
                let retention = i64::from(queue.settings.message_retention_period) * 1000;
                match self.engine().expire(&queue.id, retention).await {
                    Ok(()) | Err(EngineError::NoQueue) => {}
                    Err(error) => {
                        tracing::warn!(%error, queue = %queue.name, "old messages are not reclaimed")
                    }
                }
            }
        }
    }

    /// The resource of an account's queue.
    ///
    /// # Errors
    /// There is no such queue; the store fails.
    pub(crate) async fn resource(&self, account: &AccountId, id: &str) -> Result<Resource, StoreError> {
        self.0.store.resource(KIND, account, id).await
    }

    /// An account's resources, by name.
    ///
    /// # Errors
    /// The store fails.
    pub(crate) async fn resources(&self, account: &AccountId) -> Result<Vec<Resource>, StoreError> {
        Ok(self.0.store.resources(KIND, account, Page::ALL).await?.items)
    }

    /// The time, as an answer shows it.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_millisecond((self.0.clock)()).unwrap_or_default()
    }
}

/// The settings that a resource has. What was stored was judged before.
pub(crate) fn settings(value: &serde_json::Value) -> QueueSettings {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| {
        tracing::error!(%error, "a queue's settings cannot be read: it has the usual ones");
        QueueSettings::default()
    })
}
