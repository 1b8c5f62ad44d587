use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use hearth_model::AccountId;
use hearth_store::Store;
use hearth_supervisor::{QueueBatch, QueueEnded};
use jiff::Timestamp;
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{Undone, Workers};
use crate::rules::{Consumer, ConsumerKind};
use crate::{Config, Format, Outgoing, QueueSettings, Queues};

/// How a batch ends.
type End = dyn Fn(&QueueBatch) -> Result<QueueEnded, Undone> + Send + Sync;

/// Handlers of which the test says how they end.
struct Fake {
    end: Box<End>,
    /// Each batch takes one before it ends.
    ends: Semaphore,
    running: AtomicUsize,
    most: AtomicUsize,
    /// How often each message came, and its last number of attempts.
    came: Mutex<HashMap<String, (usize, u32)>>,
}

#[async_trait]
impl Workers for Fake {
    async fn deliver(&self, _: &AccountId, _: &str, batch: &QueueBatch) -> Result<QueueEnded, Undone> {
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(running, Ordering::SeqCst);
        for message in &batch.messages {
            let mut came = self.came.lock();
            let entry = came.entry(message.id.clone()).or_default();
            *entry = (entry.0 + 1, message.attempts);
        }
        self.ends.acquire().await.expect("it is never closed").forget();
        self.running.fetch_sub(1, Ordering::SeqCst);
        (self.end)(batch)
    }
}

struct Bench {
    _folder: TempDir,
    queues: Queues,
    account: AccountId,
    fake: Arc<Fake>,
    stop: CancellationToken,
}

fn well(_: &QueueBatch) -> Result<QueueEnded, Undone> {
    Ok(QueueEnded { outcome: "ok".to_owned(), ..QueueEnded::default() })
}

impl Bench {
    async fn new(
        ends: usize,
        end: impl Fn(&QueueBatch) -> Result<QueueEnded, Undone> + Send + Sync + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let account = store.bootstrap(None).await.unwrap().account.id;
        let queues = Queues::open(Config::new(folder.path().join("queues")), store).await.unwrap();
        let fake = Arc::new(Fake {
            end: Box::new(end),
            ends: Semaphore::new(ends),
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            came: Mutex::default(),
        });
        let stop = CancellationToken::new();
        queues.begin(Arc::clone(&fake) as _, stop.clone());
        Self { _folder: folder, queues, account, fake, stop }
    }

    /// Makes a queue with a worker for its consumer.
    async fn consumed(&self, name: &str, max_concurrency: Option<u32>, dead: Option<&str>) -> String {
        let consumer = Consumer {
            id: "c".to_owned(),
            created_on: Timestamp::UNIX_EPOCH,
            dead_letter_queue: dead.map(str::to_owned),
            max_retries: 1,
            retry_delay: 0,
            batch_size: 10,
            kind: ConsumerKind::Worker { script: "w".to_owned(), max_wait_time_ms: 0, max_concurrency },
        };
        let settings = QueueSettings { consumer: Some(consumer), ..QueueSettings::default() };
        self.queues.create(&self.account, name, &settings).await.unwrap().id
    }

    async fn send(&self, queue: &str, count: usize) {
        let message = || Outgoing { format: Format::Json, body: "1".into(), delay: None };
        self.queues.send(queue, (0..count).map(|_| message()).collect()).await.unwrap();
    }

    async fn count(&self, queue: &str) -> u64 {
        self.queues.metrics(queue).await.unwrap().count
    }

    async fn until(&self, what: &str, is_so: impl AsyncFn() -> bool) {
        let looking = async {
            while !is_so().await {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let found = tokio::time::timeout(Duration::from_secs(60), looking).await;
        assert!(found.is_ok(), "it never came to this: {what}");
    }

    fn came(&self) -> Vec<(usize, u32)> {
        self.fake.came.lock().values().copied().collect()
    }
}

#[tokio::test]
async fn a_backlog_is_worked_on_by_several_at_a_time_but_not_by_more_than_may() {
    for (max, expected) in [(None, 8), (Some(2), 2)] {
        let bench = Bench::new(0, well).await;
        let queue = bench.consumed("q", max, None).await;
        bench.send(&queue, 200).await;
        bench.until("enough at a time", async || bench.fake.most.load(Ordering::SeqCst) >= expected).await;
        bench.fake.ends.add_permits(1000);
        bench.until("all done", async || bench.count(&queue).await == 0).await;
        let most = bench.fake.most.load(Ordering::SeqCst);
        assert!(max.is_none_or(|max| most <= max as usize), "{most} at a time, {max:?} may");
        assert!(bench.came().iter().all(|came| *came == (1, 1)));
        assert_eq!(bench.came().len(), 200);
    }
}

#[tokio::test]
async fn nothing_is_delivered_while_the_queue_is_paused() {
    let bench = Bench::new(1000, well).await;
    let queue = bench.consumed("q", None, None).await;
    let pause = async |paused: bool| {
        let change = move |settings: &mut QueueSettings| {
            settings.delivery_paused = paused;
            Ok::<(), hearth_store::StoreError>(())
        };
        bench.queues.change(&bench.account, &queue, change).await.unwrap();
    };
    pause(true).await;
    bench.send(&queue, 20).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!((bench.came().len(), bench.count(&queue).await), (0, 20));
    pause(false).await;
    bench.until("all done", async || bench.count(&queue).await == 0).await;
}

#[tokio::test]
async fn nobody_to_deliver_to_costs_no_attempt() {
    let tries = AtomicUsize::new(0);
    let bench = Bench::new(1000, move |batch| match tries.fetch_add(1, Ordering::SeqCst) {
        0..3 => Err(Undone::NotDelivered("nobody".to_owned())),
        _ => well(batch),
    })
    .await;
    let queue = bench.consumed("q", Some(1), None).await;
    bench.send(&queue, 5).await;
    bench.until("all done", async || bench.count(&queue).await == 0).await;
    assert!(bench.came().iter().all(|(times, attempts)| *times == 4 && *attempts == 1), "{:?}", bench.came());
}

#[tokio::test]
async fn what_fails_too_often_goes_to_the_dead_letter_queue() {
    let failed = |_: &QueueBatch| Err(Undone::Failed("its process ended".to_owned()));
    let bench = Bench::new(1000, failed).await;
    let dead = bench.queues.create(&bench.account, "dead", &QueueSettings::default()).await.unwrap().id;
    let queue = bench.consumed("q", None, Some("dead")).await;
    bench.send(&queue, 25).await;
    bench.until("all dead", async || bench.count(&dead).await == 25 && bench.count(&queue).await == 0).await;
    assert!(bench.came().iter().all(|came| *came == (2, 2)), "{:?}", bench.came());
}

#[tokio::test]
async fn what_runs_at_the_stop_is_recorded() {
    let bench = Bench::new(0, well).await;
    let queue = bench.consumed("q", Some(1), None).await;
    bench.send(&queue, 10).await;
    bench.until("it runs", async || bench.fake.running.load(Ordering::SeqCst) == 1).await;
    bench.stop.cancel();
    bench.send(&queue, 10).await;
    bench.fake.ends.add_permits(1000);
    bench.queues.stop().await;
    assert_eq!(bench.count(&queue).await, 10, "what came later waits for the next start");
    assert_eq!(bench.came().len(), 10);
}
