use std::sync::atomic::AtomicI64;

use bytes::Bytes;
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::store::{Format, Holder, Taken, Verdict};

const PATIENCE: Patience = Patience { attempts: 3, keep_dead: true };

struct Bench {
    folder: TempDir,
    now: Arc<AtomicI64>,
    engine: Embedded,
}

impl Bench {
    fn new() -> Self {
        let (folder, now) = (tempfile::tempdir().unwrap(), Arc::new(AtomicI64::new(1_000_000)));
        let engine = open(folder.path(), &now);
        Self { folder, now, engine }
    }

    fn pass(&self, milliseconds: i64) {
        self.now.fetch_add(milliseconds, Ordering::Relaxed);
    }

    /// As after a crash: nothing of the old engine is used any more.
    fn start_again(self) -> Self {
        let Self { folder, now, engine } = self;
        drop(engine);
        let engine = open(folder.path(), &now);
        Self { folder, now, engine }
    }

    async fn send(&self, bodies: &[&str], delay: i64) {
        let message = |body: &&str| NewMessage {
            id: rand::random(),
            timestamp: self.now.load(Ordering::Relaxed),
            format: Format::Text,
            body: Bytes::copy_from_slice(body.as_bytes()),
            delay,
        };
        self.engine.send("q", bodies.iter().map(message).collect()).await.unwrap();
    }

    async fn take(&self, take: Take) -> Taken {
        self.engine.exchange("q", Vec::new(), Some(take), PATIENCE).await.unwrap().taken
    }

    async fn settle(&self, messages: &[Message], verdict: Verdict) -> Exchanged {
        let settled = messages.iter().map(|message| Settled { lease: message.lease, verdict }).collect();
        self.engine.exchange("q", settled, None, PATIENCE).await.unwrap()
    }

    async fn count(&self) -> u64 {
        self.engine.metrics("q").await.unwrap().count
    }
}

fn open(folder: &Path, now: &Arc<AtomicI64>) -> Embedded {
    let now = Arc::clone(now);
    let clock: Clock = Arc::new(move || now.load(Ordering::Relaxed));
    let config = Config { clock, threads: 2, ..Config::new(folder) };
    Embedded::open(config, ["q".to_owned(), "other".to_owned()]).unwrap()
}

fn a_batch(messages: usize, wait: i64) -> Take {
    Take { batches: 1, messages, bytes: 1 << 20, wait, lease: 60_000, holder: Holder::Worker }
}

fn bodies(taken: &Taken) -> Vec<Vec<String>> {
    let text = |message: &Message| String::from_utf8_lossy(&message.body).into_owned();
    taken.batches.iter().map(|batch| batch.iter().map(text).collect()).collect()
}

#[tokio::test]
async fn a_batch_goes_when_it_is_full_or_has_waited() {
    let bench = Bench::new();
    bench.send(&["a", "b"], 0).await;
    let taken = bench.take(a_batch(3, 5000)).await;
    assert_eq!((taken.batches.len(), taken.ready, taken.wake), (0, 2, Some(1_005_000)));
    bench.send(&["c", "d"], 0).await;
    let taken = bench.take(a_batch(3, 5000)).await;
    assert_eq!((bodies(&taken), taken.ready), (vec![vec!["a".into(), "b".into(), "c".into()]], 1));
    bench.pass(5000);
    assert_eq!(bodies(&bench.take(a_batch(3, 5000)).await), [["d"]]);
    assert_eq!(bench.take(a_batch(3, 0)).await.batches.len(), 0, "somebody has them");
    assert_eq!(bench.count().await, 4);
}

#[tokio::test]
async fn a_batch_has_no_more_bytes_than_it_may_but_one_message_at_least() {
    let bench = Bench::new();
    bench.send(&["aaaa", "bbbb", "cccc"], 0).await;
    let take = Take { batches: 3, bytes: 3, ..a_batch(10, 0) };
    assert_eq!(bodies(&bench.take(take).await), [["aaaa"], ["bbbb"], ["cccc"]]);
}

#[tokio::test]
async fn what_is_acknowledged_is_gone_also_after_a_crash_and_the_rest_comes_again() {
    let bench = Bench::new();
    bench.send(&["a", "b", "c"], 0).await;
    let taken = bench.take(a_batch(10, 0)).await;
    bench.settle(&taken.batches[0][..1], Verdict::Acknowledged).await;
    let bench = bench.start_again();
    let again = bench.take(a_batch(10, 0)).await;
    assert_eq!(bodies(&again), [["b", "c"]]);
    assert_eq!(again.batches[0][0].attempts, 2, "what the crash cut short was an attempt");
    // The first delivery is over: what it says comes too late, but for an acknowledgement.
    let late = bench.settle(&taken.batches[0][1..2], Verdict::Retry(0)).await;
    assert_eq!(late.effective, [false]);
    let late = bench.settle(&taken.batches[0][1..2], Verdict::Acknowledged).await;
    assert_eq!(late.effective, [true]);
    assert_eq!(bench.settle(&again.batches[0], Verdict::Acknowledged).await.effective, [false, true]);
    assert_eq!(bench.count().await, 0);
}

#[tokio::test]
async fn a_clients_lease_outlives_the_server_and_ends_by_itself() {
    let bench = Bench::new();
    bench.send(&["a"], 0).await;
    let pull = Take { holder: Holder::Client, ..a_batch(10, 0) };
    let first = bench.take(pull).await;
    let bench = bench.start_again();
    let none = bench.take(pull).await;
    assert_eq!((none.batches.len(), none.wake), (0, Some(1_060_000)));
    bench.pass(60_000);
    let second = bench.take(pull).await;
    assert_eq!(second.batches[0][0].attempts, 2);
    assert_ne!(first.batches[0][0].lease, second.batches[0][0].lease);
}

#[tokio::test]
async fn a_delay_is_kept_and_a_retry_does_not_wait_for_a_full_batch() {
    let bench = Bench::new();
    bench.send(&["later"], 10_000).await;
    bench.send(&["now"], 0).await;
    let taken = bench.take(a_batch(10, 0)).await;
    assert_eq!((bodies(&taken), taken.wake), (vec![vec!["now".into()]], Some(1_010_000)));
    bench.settle(&taken.batches[0], Verdict::Retry(2000)).await;
    assert_eq!(bench.take(a_batch(10, 60_000)).await.wake, Some(1_002_000));
    bench.pass(2000);
    assert_eq!(bodies(&bench.take(a_batch(10, 60_000)).await), [["now"]]);
    bench.pass(8000);
    assert_eq!(bodies(&bench.take(a_batch(10, 0)).await), [["later"]]);
}

#[tokio::test]
async fn what_was_tried_often_enough_waits_for_the_dead_letter_queue() {
    let bench = Bench::new();
    bench.send(&["a"], 0).await;
    for attempt in 1..=3 {
        let taken = bench.take(a_batch(1, 0)).await;
        assert_eq!(taken.batches[0][0].attempts, attempt);
        let settled = bench.settle(&taken.batches[0], Verdict::Retry(0)).await;
        assert_eq!(settled.given_up, usize::from(attempt == 3));
    }
    bench.send(&["b"], 0).await;
    let dead = bench.engine.dead("q", 10).await.unwrap();
    assert_eq!(dead.len(), 1);
    let left = bench.take(a_batch(10, 0)).await;
    assert_eq!(left.batches[0].len(), 1);
    assert_ne!(left.batches[0][0].id, dead[0].id);
    assert_eq!(bench.engine.remove("q", vec![dead[0].lease.sequence]).await.unwrap(), 1);
    assert_eq!(bench.count().await, 1);
}

#[tokio::test]
async fn a_lease_that_ends_for_the_last_time_gives_the_message_up() {
    let bench = Bench::new();
    bench.send(&["a"], 0).await;
    for _ in 0..3 {
        assert_eq!(bench.take(a_batch(1, 0)).await.batches.len(), 1);
        bench.pass(60_000);
    }
    let drops = Patience { keep_dead: false, ..PATIENCE };
    let exchanged = bench.engine.exchange("q", Vec::new(), Some(a_batch(1, 0)), drops).await.unwrap();
    assert_eq!((exchanged.given_up, exchanged.taken.batches.len(), exchanged.metrics.count), (1, 0, 0));
}

#[tokio::test]
async fn what_was_not_delivered_has_lost_no_attempt() {
    let bench = Bench::new();
    bench.send(&["a"], 0).await;
    for _ in 0..10 {
        let taken = bench.take(a_batch(1, 0)).await;
        assert_eq!(taken.batches[0][0].attempts, 1);
        bench.settle(&taken.batches[0], Verdict::Returned(0)).await;
    }
}

#[tokio::test]
async fn old_messages_are_reclaimed_and_younger_ones_are_not() {
    let bench = Bench::new();
    bench.send(&["old"; 10], 0).await;
    bench.pass(500);
    bench.send(&["young"], 0).await;
    bench.engine.expire("q", 1000).await.unwrap();
    assert_eq!(bench.count().await, 11);
    bench.pass(500);
    bench.engine.expire("q", 1000).await.unwrap();
    assert_eq!(bench.count().await, 1);
    bench.pass(500);
    bench.engine.expire("q", 1000).await.unwrap();
    assert_eq!(bench.count().await, 0);
    bench.send(&["new"], 0).await;
    bench.pass(1000);
    bench.engine.expire("q", 1000).await.unwrap();
    assert_eq!(bench.count().await, 0);
}

#[tokio::test]
async fn a_purge_leaves_nothing_and_what_it_took_comes_not_back() {
    let bench = Bench::new();
    bench.send(&["a", "b"], 0).await;
    let taken = bench.take(a_batch(1, 0)).await;
    bench.engine.purge("q").await.unwrap();
    assert_eq!(bench.settle(&taken.batches[0], Verdict::Retry(0)).await.effective, [false]);
    assert_eq!(bench.engine.metrics("q").await.unwrap(), Metrics::default());
    bench.send(&["c"], 0).await;
    let again = bench.take(a_batch(1, 0)).await;
    assert!(again.batches[0][0].lease.sequence > taken.batches[0][0].lease.sequence);
}

#[tokio::test]
async fn looking_takes_nothing() {
    let bench = Bench::new();
    bench.send(&["a", "b"], 0).await;
    assert_eq!(bench.engine.peek("q", 1).await.unwrap().len(), 1);
    assert_eq!(bench.take(a_batch(10, 0)).await.batches[0].len(), 2);
}

#[tokio::test]
async fn a_deleted_queue_is_gone_at_once_and_its_files_too() {
    let bench = Bench::new();
    bench.send(&["a"], 0).await;
    assert!(bench.folder.path().join("q.db").exists());
    bench.engine.destroy("q").await.unwrap();
    assert!(matches!(bench.engine.metrics("q").await, Err(EngineError::NoQueue)));
    assert_eq!(fs::read_dir(bench.folder.path()).unwrap().count(), 0);
    bench.engine.destroy("q").await.unwrap();
}

#[tokio::test]
async fn leftovers_of_deleted_queues_are_removed_at_the_start() {
    let bench = Bench::new();
    bench.send(&["a"], 0).await;
    for suffix in ["db", "db-wal"] {
        fs::write(bench.folder.path().join(format!("gone.{suffix}")), "x").unwrap();
    }
    let bench = bench.start_again();
    assert!(!bench.folder.path().join("gone.db").exists());
    assert_eq!(bench.count().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_at_the_same_time_share_commits_and_lose_nothing() {
    let bench = Arc::new(Bench::new());
    let send = |_| {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { bench.send(&["a", "b", "c"], 0).await })
    };
    for sending in (0..200).map(send).collect::<Vec<_>>() {
        sending.await.unwrap();
    }
    assert_eq!(bench.count().await, 600);
    let arrived = *bench.engine.arrivals("q").unwrap().borrow();
    assert_eq!(arrived, 600);
}

#[tokio::test]
async fn a_copy_opens_and_holds_what_was_there() {
    let bench = Bench::new();
    bench.send(&["a", "b"], 0).await;
    let copy = tempfile::tempdir().unwrap();
    let to = copy.path().join("queues");
    bench.engine.snapshot(&to).await.unwrap();
    bench.send(&["c"], 0).await;
    assert!(bench.engine.snapshot(&to).await.is_err(), "it would mix two copies");
    let copied = open(&to, &bench.now);
    assert_eq!(copied.metrics("q").await.unwrap().count, 2);
    assert_eq!(copied.metrics("other").await.unwrap().count, 0);
}

#[tokio::test]
async fn a_quota_holds_and_acknowledging_makes_room() {
    let (folder, account) = (tempfile::tempdir().unwrap(), "a".parse().unwrap());
    let settings = hearth_space::Config {
        folder: folder.path().to_owned(),
        account_quota: Some(1000),
        reserve: Some(0),
    };
    let space = Space::new(settings).unwrap();
    space.opened("q", &account, hearth_space::Kind::Queues);
    let config = Config { space, ..Config::new(folder.path()) };
    let engine = Embedded::open(config, ["q".to_owned()]).unwrap();
    let bench = Bench { folder: tempfile::tempdir().unwrap(), now: Arc::default(), engine };
    let large = "x".repeat(800);
    bench.send(&[&large], 0).await;
    let message = NewMessage {
        id: [0; 16],
        timestamp: 0,
        format: Format::Text,
        body: Bytes::from(large.clone()),
        delay: 0,
    };
    assert!(matches!(bench.engine.send("q", vec![message]).await, Err(EngineError::NoRoom(_))));
    let taken = bench.take(a_batch(1, 0)).await;
    bench.settle(&taken.batches[0], Verdict::Acknowledged).await;
    bench.send(&[&large], 0).await;
    drop(folder);
}

#[derive(Debug, Clone)]
enum Step {
    Send(usize, i64),
    Take(usize),
    Settle(usize, Verdict),
    Pass(i64),
    Crash,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1_usize..5, 0_i64..3000).prop_map(|(count, delay)| Step::Send(count, delay)),
        (1_usize..5).prop_map(Step::Take),
        (0_usize..8, 0_i64..3000).prop_map(|(which, delay)| Step::Settle(which, Verdict::Retry(delay))),
        (0_usize..8).prop_map(|which| Step::Settle(which, Verdict::Acknowledged)),
        (0_usize..8).prop_map(|which| Step::Settle(which, Verdict::Returned(0))),
        (0_i64..40_000).prop_map(Step::Pass),
        Just(Step::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    /// Whatever happens: no message is delivered after its acknowledgement, to two at a time, or more often than it may,
    /// and none is lost.
    #[test]
    fn any_history_keeps_the_promise(steps in prop::collection::vec(step(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut bench = Bench::new();
            let (mut sent, mut done) = (0_u64, std::collections::HashSet::new());
            let mut out: Vec<(Message, i64)> = Vec::new();
            for step in steps {
                match step {
                    Step::Send(count, delay) => {
                        bench.send(&vec!["x"; count], delay).await;
                        sent += count as u64;
                    }
                    Step::Take(count) => {
                        let taken = bench.take(a_batch(count, 0)).await;
                        let now = bench.now.load(Ordering::Relaxed);
                        out.retain(|(_, until)| *until > now);
                        for message in taken.batches.into_iter().flatten() {
                            let sequence = message.lease.sequence;
                            prop_assert!(!done.contains(&sequence), "delivered after its end");
                            prop_assert!(out.iter().all(|(other, _)| other.lease.sequence != sequence));
                            prop_assert!(message.attempts <= PATIENCE.attempts);
                            out.push((message, now + 60_000));
                        }
                    }
                    Step::Settle(which, verdict) if !out.is_empty() => {
                        let (message, _) = out.swap_remove(which % out.len());
                        bench.settle(std::slice::from_ref(&message), verdict).await;
                        if verdict == Verdict::Acknowledged {
                            done.insert(message.lease.sequence);
                        }
                    }
                    Step::Settle(..) => {}
                    Step::Pass(time) => bench.pass(time),
                    Step::Crash => {
                        bench = bench.start_again();
                        out.clear();
                    }
                }
                // Those that are given up stay until they are moved.
                prop_assert_eq!(bench.count().await, sent - done.len() as u64);
            }
            Ok(())
        })?;
    }
}
