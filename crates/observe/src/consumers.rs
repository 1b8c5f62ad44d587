//! What tail workers are told, on its way to them.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth_model::{AccountId, WorkerId, WorkerName};
use hearth_rpc::{Event, TailItem, Trace};
use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::hub::Workers;
use crate::seen::{Seen, arguments};

/// Bytes, about, that may wait for one tail worker; what comes beyond is dropped.
const MAX_BYTES: usize = 8 << 20;

/// Invocations that one call of a `tail` handler gets at most.
const BATCH: usize = 100;

/// Time between two calls. A handler's call is answered before it has done its work, so this is what bounds how many are
/// at work at a time.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a call may take to be answered.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it is said that a tail worker loses something.
const COMPLAIN: Duration = Duration::from_secs(10);

/// The queues of all tail workers.
pub(crate) struct Consumers {
    runtime: Handle,
    queues: Mutex<HashMap<(AccountId, String), Arc<Queue>>>,
}

struct Queue {
    consumer: WorkerName,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    items: VecDeque<(usize, WorkerId, TailItem)>,
    bytes: usize,
    dropped: u64,
    complained: Option<Instant>,
    /// Somebody carries them.
    carried: bool,
}

impl Consumers {
    pub(crate) fn new() -> Self {
        Self { runtime: Handle::current(), queues: Mutex::default() }
    }

    /// Tells a worker of an invocation, if there is room. Never waits.
    pub(crate) fn offer(&self, workers: &Arc<dyn Workers>, consumer: &WorkerName, seen: &Seen) {
        let key = (seen.subject.account.clone(), consumer.folded());
        let queue = {
            let mut queues = self.queues.lock();
            let fresh = || Arc::new(Queue { consumer: consumer.clone(), waiting: Mutex::default() });
            Arc::clone(queues.entry(key).or_insert_with(fresh))
        };
        let begin = queue.waiting.lock().push(seen.subject.worker, item(seen));
        if begin {
            self.runtime.spawn(carry(queue, Arc::clone(workers)));
        }
    }
}

impl Waiting {
    /// True: somebody must begin to carry.
    fn push(&mut self, from: WorkerId, item: TailItem) -> bool {
        let bytes = size(&item.trace);
        if self.bytes + bytes > MAX_BYTES {
            self.dropped += 1;
            return false;
        }
        self.bytes += bytes;
        self.items.push_back((bytes, from, item));
        !std::mem::replace(&mut self.carried, true)
    }

    /// The next batch: invocations of one worker, in their order. None: there is nothing, and nobody carries any more.
    fn batch(&mut self) -> Option<(WorkerId, Vec<TailItem>)> {
        let Some((_, from, _)) = self.items.front() else {
            self.carried = false;
            return None;
        };
        let from = *from;
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Some((bytes, _, item)) = self.items.pop_front_if(|(_, other, _)| *other == from)
        {
            self.bytes -= bytes;
            batch.push(item);
        }
        Some((from, batch))
    }

    /// How many were lost since it was said last, if it is time to say it again.
    fn lost(&mut self) -> Option<u64> {
        let due = self.complained.is_none_or(|at| at.elapsed() > COMPLAIN);
        if self.dropped == 0 || !due {
            return None;
        }
        self.complained = Some(Instant::now());
        Some(std::mem::take(&mut self.dropped))
    }
}

async fn carry(queue: Arc<Queue>, workers: Arc<dyn Workers>) {
    loop {
        let batch = queue.waiting.lock().batch();
        let Some((from, items)) = batch else { return };
        let count = items.len() as u64;
        let delivery = tokio::time::timeout(PATIENCE, workers.deliver(from, &queue.consumer, items)).await;
        let error = match delivery {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => Some("it does not answer".to_owned()),
        };
        let lost = {
            let mut waiting = queue.waiting.lock();
            waiting.dropped += if error.is_some() { count } else { 0 };
            waiting.lost()
        };
        if let Some(count) = lost {
            let error = error.as_deref().unwrap_or("it does not keep up");
            tracing::warn!(consumer = %queue.consumer, %from, count, error, "a tail worker misses invocations");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn item(seen: &Seen) -> TailItem {
    let Seen { subject, trace, .. } = seen;
    let version = subject.version.to_string().replace('-', "");
    TailItem {
        trace: well_formed(trace),
        script: subject.name.to_string(),
        version: u128::from_str_radix(&version, 16).unwrap_or(0),
    }
}

/// A handler would fail on a message that was cut in the middle of its JSON.
fn well_formed(trace: &Arc<Trace>) -> Arc<Trace> {
    if !trace.logs.iter().any(|log| log.truncated) {
        return Arc::clone(trace);
    }
    let mut trace = Trace::clone(trace);
    for log in trace.logs.iter_mut().filter(|log| log.truncated) {
        log.message_json = serde_json::Value::Array(arguments(log)).to_string();
    }
    Arc::new(trace)
}

/// Bytes that a trace takes, about.
fn size(trace: &Trace) -> usize {
    let logs: usize = trace.logs.iter().map(|log| log.message_json.len() + 100).sum();
    let exceptions: usize = trace
        .exceptions
        .iter()
        .map(|one| one.message.len() + one.stack.as_ref().map_or(0, String::len) + 100)
        .sum();
    let event = match &trace.event {
        Some(Event::Fetch(fetch)) => {
            let headers: usize =
                fetch.headers.iter().map(|(name, value)| name.len() + value.len() + 50).sum();
            fetch.url.len() + fetch.cf_json.as_ref().map_or(0, String::len) + headers
        }
        _ => 100,
    };
    500 + logs + exceptions + event
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seen::tests::{quiet, seen, subject};

    #[test]
    fn what_a_slow_consumer_does_not_take_is_dropped_and_counted() {
        let mut waiting = Waiting::default();
        let seen = seen(quiet());
        assert!(waiting.push(seen.subject.worker, item(&seen)));
        let mut pushed = 1;
        while waiting.dropped < 5 {
            assert!(!waiting.push(seen.subject.worker, item(&seen)));
            pushed += 1;
        }
        assert!(waiting.bytes <= MAX_BYTES);
        assert_eq!(waiting.lost(), Some(5));
        assert_eq!(waiting.lost(), None);
        let mut taken = 0;
        while let Some((_, batch)) = waiting.batch() {
            assert!(batch.len() <= BATCH);
            taken += batch.len();
        }
        assert_eq!((taken + 5, waiting.bytes), (pushed, 0));
        assert!(waiting.push(seen.subject.worker, item(&seen)), "it is carried again");
    }

    #[test]
    fn a_batch_is_of_one_worker() {
        let mut waiting = Waiting::default();
        let seen = seen(quiet());
        let other = subject("other").worker;
        for from in [seen.subject.worker, seen.subject.worker, other, seen.subject.worker] {
            waiting.push(from, item(&seen));
        }
        let sizes: Vec<usize> =
            std::iter::from_fn(|| waiting.batch()).map(|(_, batch)| batch.len()).collect();
        assert_eq!(sizes, [2, 1, 1]);
    }
}
