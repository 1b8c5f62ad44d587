//! The task that delivers one queue's messages. Each of its turns records what ended and takes what is due in one
//! transaction, while other batches are with their handlers.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hearth_supervisor::{QueueBatch, QueueEnded, QueueMessage, QueueMetrics};
use serde_json::value::{RawValue, to_raw_value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::pace::Pace;
use super::verdict::{ending, settle};
use super::{Undone, Workers};
use crate::message_id;
use crate::queues::{Queue, Queues};
use crate::rules::{Consumer, ConsumerKind, ENDLESS, MAX_CONCURRENCY};
use crate::store::{EngineError, Format, Holder, Message, Metrics, Settled, Take};

/// How long a handler may take: Cloudflare's limit.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// How long a batch is its handler's alone, in milliseconds: longer than that may take.
const LEASE: i64 = 16 * 60 * 1000;
/// Bytes after which a batch takes no more messages.
const BATCH_BYTES: usize = 4 << 20;
/// How long a turn waits that storage has refused.
const PATIENCE: Duration = Duration::from_secs(1);

/// What every pump needs.
#[derive(Clone)]
pub(crate) struct Pump {
    pub(crate) queues: Queues,
    pub(crate) workers: Arc<dyn Workers>,
    /// Bytes of bodies that may be with handlers, of all queues.
    pub(crate) memory: Arc<Semaphore>,
    pub(crate) stop: CancellationToken,
}

/// A batch that has come back.
struct Ended {
    batch: Vec<Message>,
    outcome: Result<QueueEnded, Undone>,
    retry_delay: u32,
}

/// What a pump knows between its turns.
struct State {
    running: JoinSet<Ended>,
    /// What has ended and is not recorded yet.
    settled: Vec<Settled>,
    pace: Pace,
    /// Nothing is taken before.
    rest: Instant,
}

/// What a turn found.
enum Turn {
    /// There may be more to do at once.
    Again,
    /// Nothing until a time, or until so many messages have arrived, counted from a number.
    Wait { until: Option<Instant>, arrivals: u64 },
}

impl Pump {
    /// Delivers a queue's messages until the queue is gone or the server stops. `queue` says how it is set.
    pub(crate) async fn run(self, mut queue: watch::Receiver<Arc<Queue>>) {
        let id = queue.borrow().id.clone();
        let Ok(mut arrived) = self.queues.engine().arrivals(&id) else { return };
        let mut state =
            State { running: JoinSet::new(), settled: Vec::new(), pace: Pace::new(), rest: Instant::now() };
        loop {
            let seen = *arrived.borrow_and_update();
            let now = Arc::clone(&queue.borrow_and_update());
            let turn = match self.turn(&now, &mut state).await {
                Ok(turn) => turn,
                Err(EngineError::NoQueue) => return,
                Err(error) => {
                    tracing::error!(%error, queue = %now.name, "a queue cannot be read");
                    Turn::Wait { until: Some(Instant::now() + PATIENCE), arrivals: u64::MAX }
                }
            };
            let Turn::Wait { until, arrivals } = turn else { continue };
            let enough = seen.saturating_add(arrivals);
            tokio::select! {
                Some(ended) = state.running.join_next(), if !state.running.is_empty() => {
                    self.came_back(&now, &mut state, ended);
                }
                changed = queue.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    // What was wrong with the consumer may be right now.
                    state.rest = Instant::now();
                }
                _ = arrived.wait_for(|arrived| *arrived >= enough) => {}
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {}
                () = self.stop.cancelled() => break,
            }
        }
        let last = Arc::clone(&queue.borrow());
        self.finish(&last, state).await;
    }

    /// Waits for the handlers that run, and records how they ended.
    async fn finish(&self, queue: &Queue, mut state: State) {
        while let Some(ended) = state.running.join_next().await {
            self.came_back(queue, &mut state, ended);
        }
        if let Err(error) = self.exchange(queue, &mut state, None).await {
            tracing::warn!(%error, queue = %queue.name, "messages that were delivered last are delivered again");
        }
    }

    fn came_back(&self, queue: &Queue, state: &mut State, ended: Result<Ended, tokio::task::JoinError>) {
        // A panic leaves the lease to end by itself.
        let Ok(ended) = ended else { return };
        let how = ending(&ended.outcome);
        let outcome = match &ended.outcome {
            Ok(ended) => ended.outcome.as_str(),
            Err(Undone::NotDelivered(_)) => "not delivered",
            Err(Undone::Failed(_)) => "failed",
        };
        let error = match &ended.outcome {
            Err(Undone::NotDelivered(text) | Undone::Failed(text)) => Some(text.as_str()),
            Ok(_) => None,
        };
        tracing::info!(
            target: "access", queue = %queue.name, messages = ended.batch.len(), outcome, error, "queue"
        );
        state.settled.extend(settle(&ended.batch, &ended.outcome, ended.retry_delay));
        let rest = Instant::now() + state.pace.ended(how);
        state.rest = state.rest.max(rest);
    }

    async fn turn(&self, queue: &Queue, state: &mut State) -> Result<Turn, EngineError> {
        // Whatever else has ended is recorded in the same transaction.
        while let Some(ended) = state.running.try_join_next() {
            self.came_back(queue, state, ended);
        }
        let idle = Turn::Wait { until: None, arrivals: u64::MAX };
        let Some((consumer, wait, most)) = worker(queue) else {
            self.exchange(queue, state, None).await?;
            return Ok(idle);
        };
        let running = u32::try_from(state.running.len()).unwrap_or(u32::MAX);
        let free = state.pace.concurrency.min(most).saturating_sub(running);
        let is_resting = state.rest > Instant::now();
        if free == 0 || is_resting {
            self.exchange(queue, state, None).await?;
            let until = is_resting.then_some(state.rest);
            return Ok(Turn::Wait { until, arrivals: u64::MAX });
        }
        let Ok(room) = Arc::clone(&self.memory).try_acquire_many_owned(BATCH_BYTES as u32) else {
            // Other queues have it; none of them for long.
            self.exchange(queue, state, None).await?;
            return Ok(Turn::Wait { until: Some(Instant::now() + PATIENCE / 20), arrivals: u64::MAX });
        };
        let size = consumer.batch_size as usize;
        let take = Take {
            batches: 1,
            messages: size,
            bytes: BATCH_BYTES,
            wait,
            lease: LEASE,
            holder: Holder::Worker,
        };
        let (taken, metrics) = self.exchange(queue, state, Some(take)).await?;
        let Some(batch) = taken.batches.into_iter().next() else {
            let missing = size.saturating_sub(taken.ready).max(1);
            // The first one of a batch says when it must go.
            let arrivals = if taken.ready == 0 { 1 } else { missing as u64 };
            let until = taken.wake.map(|at| Instant::now() + self.queues.until(at));
            return Ok(Turn::Wait { until, arrivals });
        };
        state.pace.taken(taken.ready, size, most);
        self.start(queue, consumer, state, batch, metrics, room);
        Ok(Turn::Again)
    }

    /// Records what has ended and takes what is asked for.
    async fn exchange(
        &self,
        queue: &Queue,
        state: &mut State,
        take: Option<Take>,
    ) -> Result<(crate::store::Taken, Metrics), EngineError> {
        if state.settled.is_empty() && take.is_none() {
            return Ok(Default::default());
        }
        let consumer = queue.settings.consumer.as_ref();
        let patience = consumer.map_or(ENDLESS, Consumer::patience);
        let exchanged =
            self.queues.engine().exchange(&queue.id, state.settled.clone(), take, patience).await?;
        state.settled.clear();
        if exchanged.given_up > 0 {
            self.queues.bury(&queue.id);
        }
        Ok((exchanged.taken, exchanged.metrics))
    }

    fn start(
        &self,
        queue: &Queue,
        consumer: &Consumer,
        state: &mut State,
        batch: Vec<Message>,
        metrics: Metrics,
        mut room: OwnedSemaphorePermit,
    ) {
        let bytes: usize = batch.iter().map(|message| message.body.len()).sum();
        // One message may have more than the batch's bytes; the rest goes back.
        drop(room.split(BATCH_BYTES.saturating_sub(bytes)));
        let event = event(queue, &batch, metrics);
        let script = consumer.script().unwrap_or_default().to_owned();
        let (workers, account) = (Arc::clone(&self.workers), queue.account.clone());
        let retry_delay = consumer.retry_delay;
        state.running.spawn(async move {
            let _room = room;
            let delivery = workers.deliver(&account, &script, &event);
            let outcome = timeout(LONGEST, delivery).await.unwrap_or_else(|_| {
                Err(Undone::Failed(format!("It took longer than {} minutes.", LONGEST.as_secs() / 60)))
            });
            Ended { batch, outcome, retry_delay }
        });
    }
}

/// The queue's consumer if it is a worker that may be given something: how long a batch waits in milliseconds, and how
/// many run at a time at most.
fn worker(queue: &Queue) -> Option<(&Consumer, i64, u32)> {
    let consumer = queue.settings.consumer.as_ref().filter(|_| !queue.settings.delivery_paused)?;
    match &consumer.kind {
        ConsumerKind::Worker { max_wait_time_ms, max_concurrency, .. } => {
            Some((consumer, i64::from(*max_wait_time_ms), max_concurrency.unwrap_or(MAX_CONCURRENCY)))
        }
        ConsumerKind::HttpPull { .. } => None,
    }
}

/// A batch as the dispatcher takes it.
fn event(queue: &Queue, batch: &[Message], metrics: Metrics) -> QueueBatch {
    let message = |message: &Message| {
        let (mut body, mut bytes, mut v8) = (None, None, None);
        match message.format {
            Format::Json => body = raw(&message.body),
            Format::Text => body = to_raw_value(&String::from_utf8_lossy(&message.body)).ok(),
            Format::Bytes => bytes = Some(BASE64_STANDARD.encode(&message.body)),
            Format::V8 => v8 = Some(BASE64_STANDARD.encode(&message.body)),
        }
        QueueMessage {
            id: message_id(&message.id),
            timestamp: message.timestamp,
            attempts: message.attempts,
            body,
            bytes,
            v8,
        }
    };
    QueueBatch {
        queue: queue.name.clone(),
        messages: batch.iter().map(message).collect(),
        metrics: QueueMetrics {
            backlog_count: metrics.count,
            backlog_bytes: metrics.bytes,
            oldest_message_timestamp: metrics.oldest,
        },
    }
}

/// JSON that was judged when it was sent.
fn raw(body: &[u8]) -> Option<Box<RawValue>> {
    let text = std::str::from_utf8(body).ok()?.to_owned();
    RawValue::from_string(text).ok()
}
