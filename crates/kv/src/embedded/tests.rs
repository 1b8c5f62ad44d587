//! The engine against a simple model, and what the model cannot show: commits that are shared, files, crashes, limits.

mod shrink;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicI64;

use proptest::prelude::*;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::*;

const NS: &str = "0123456789abcdef0123456789abcdef";

/// An engine with a clock that the test turns.
struct Bed {
    folder: TempDir,
    now: Arc<AtomicI64>,
    engine: Embedded,
}

impl Bed {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = Arc::new(AtomicI64::new(1_000_000));
        let engine = open(folder.path(), &now, change, &[NS]);
        Self { folder, now, engine }
    }

    fn pass(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::Relaxed);
    }

    /// The same folder under another engine, as after a crash: what the first had in memory is gone.
    fn again(&self) -> Embedded {
        open(self.folder.path(), &self.now, |_| {}, &[NS])
    }

    async fn put(&self, key: &str, value: &[u8]) {
        self.engine.put(NS, k(key), Attributes::default(), incoming(value, 1000)).await.unwrap();
    }

    async fn text(&self, key: &str) -> Option<Vec<u8>> {
        read(&self.engine, key).await.map(|(value, _)| value)
    }

    fn files(&self) -> usize {
        fs::read_dir(self.engine.shared.files.folder(NS)).map_or(0, Iterator::count)
    }
}

fn open(folder: &Path, now: &Arc<AtomicI64>, change: impl FnOnce(&mut Config), ids: &[&str]) -> Embedded {
    let now = Arc::clone(now);
    let mut config = Config::new(folder);
    config.clock = Arc::new(move || now.load(Ordering::Relaxed));
    config.sweep_every = Duration::from_millis(20);
    change(&mut config);
    Embedded::open(config, ids.iter().map(|id| (*id).to_owned())).unwrap()
}

fn k(key: &str) -> Key {
    Key::new(key).unwrap()
}

/// A value that comes in pieces, without saying how long it is.
fn incoming(value: &[u8], piece: usize) -> Incoming {
    let pieces: Vec<_> = value.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    Incoming { length: None, pieces: futures::stream::iter(pieces).boxed() }
}

async fn read(engine: &Embedded, key: &str) -> Option<(Vec<u8>, Attributes)> {
    let entry = engine.get(NS, &k(key)).await.unwrap()?;
    let value = match entry.value {
        Value::Whole(value) => value.to_vec(),
        Value::Stream { length, mut pieces } => {
            let mut value = Vec::new();
            while let Some(piece) = pieces.next().await {
                value.extend_from_slice(&piece.unwrap());
            }
            assert_eq!(value.len() as u64, length);
            value
        }
    };
    Some((value, entry.attributes))
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..3000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("it never came to this: {what}");
}

// ---- against a model ---------------------------------------------------------------------------------------

#[derive(Debug, Clone)]
enum Op {
    Put { key: String, size: usize, ttl: Option<i64>, metadata: Option<String> },
    Delete(String),
    Bulk(Vec<(String, Option<usize>)>),
    Get(String),
    GetMany(Vec<String>),
    List { prefix: String, limit: usize },
    Pass(i64),
    Usage,
    Reopen,
}

fn key() -> impl Strategy<Value = String> {
    prop_oneof!["[ab]{1,3}", "[a-b/é\u{10FFFF}\u{1F600}\u{0}~]{1,4}", Just("a".repeat(512)),]
}

fn size() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0..200_usize, 1 => Just(INLINE), 1 => INLINE + 1..INLINE + 400_000]
}

fn op() -> impl Strategy<Value = Op> {
    let metadata = || proptest::option::of(Just("{\"m\":\"é\"}".to_owned()));
    prop_oneof![
        6 => (key(), size(), proptest::option::of(1..100_i64), metadata())
            .prop_map(|(key, size, ttl, metadata)| Op::Put { key, size, ttl, metadata }),
        2 => key().prop_map(Op::Delete),
        1 => proptest::collection::vec((key(), proptest::option::of(0..300_usize)), 0..8).prop_map(Op::Bulk),
        4 => key().prop_map(Op::Get),
        1 => proptest::collection::vec(key(), 1..5).prop_map(Op::GetMany),
        3 => ("[aé]{0,2}", 1..5_usize).prop_map(|(prefix, limit)| Op::List { prefix, limit }),
        1 => (1..60_i64).prop_map(Op::Pass),
        1 => Just(Op::Usage),
        1 => Just(Op::Reopen),
    ]
}

#[derive(Default)]
struct Model(BTreeMap<String, (Vec<u8>, Attributes)>);

impl Model {
    fn live(&self, now: i64) -> impl Iterator<Item = (&String, &(Vec<u8>, Attributes))> {
        self.0.iter().filter(move |(_, (_, attributes))| attributes.expiration.is_none_or(|at| at > now))
    }

    fn get(&self, key: &str, now: i64) -> Option<(Vec<u8>, Attributes)> {
        self.live(now).find(|(name, _)| *name == key).map(|(_, entry)| entry.clone())
    }
}

fn content(size: usize, seed: usize) -> Vec<u8> {
    (0..size).map(|n| (n.wrapping_mul(31).wrapping_add(seed) % 251) as u8).collect()
}

async fn run(ops: Vec<Op>) {
    let mut bed = Bed::new();
    let mut model = Model::default();
    for (step, op) in ops.into_iter().enumerate() {
        let now = bed.now.load(Ordering::Relaxed);
        match op {
            Op::Put { key, size, ttl, metadata } => {
                let value = content(size, step);
                let attributes = Attributes { expiration: ttl.map(|ttl| now + ttl), metadata };
                let put = bed.engine.put(NS, k(&key), attributes.clone(), incoming(&value, 50_000));
                put.await.unwrap();
                model.0.insert(key, (value, attributes));
            }
            Op::Delete(key) => {
                bed.engine.apply(NS, vec![Change::Delete(k(&key))]).await.unwrap();
                model.0.remove(&key);
            }
            Op::Bulk(pairs) => {
                let change = |(key, size): &(String, Option<usize>)| match size {
                    Some(size) => Change::Put {
                        key: k(key),
                        value: content(*size, step).into(),
                        attributes: Attributes::default(),
                    },
                    None => Change::Delete(k(key)),
                };
                bed.engine.apply(NS, pairs.iter().map(change).collect()).await.unwrap();
                for (key, size) in pairs {
                    match size {
                        Some(size) => {
                            model.0.insert(key, (content(size, step), Attributes::default()));
                        }
                        None => drop(model.0.remove(&key)),
                    }
                }
            }
            Op::Get(key) => assert_eq!(read(&bed.engine, &key).await, model.get(&key, now), "{key:?}"),
            Op::GetMany(keys) => {
                let wanted = keys.iter().map(|key| k(key)).collect();
                let found = bed.engine.get_many(NS, wanted, u64::MAX).await.unwrap();
                let found: Vec<_> = found.into_iter().map(|one| one.map(|(v, a)| (v.to_vec(), a))).collect();
                let expected: Vec<_> = keys.iter().map(|key| model.get(key, now)).collect();
                assert_eq!(found, expected);
            }
            Op::List { prefix, limit } => {
                let expected: Vec<_> = model
                    .live(now)
                    .filter(|(key, _)| key.starts_with(&prefix))
                    .map(|(key, (_, attributes))| (key.clone(), attributes.clone()))
                    .collect();
                assert_eq!(list_all(&bed.engine, &prefix, limit).await, expected, "{prefix:?}");
            }
            Op::Pass(seconds) => bed.pass(seconds),
            Op::Usage => {
                // Expired keys count until they are reclaimed.
                let now = bed.now.load(Ordering::Relaxed);
                model.0.retain(|_, (_, attributes)| attributes.expiration.is_none_or(|at| at > now));
                let bytes = |(key, (value, attributes)): (&String, &(Vec<u8>, Attributes))| {
                    (key.len() + value.len() + attributes.metadata.as_ref().map_or(0, String::len)) as u64
                };
                let expected = Usage { keys: model.0.len() as u64, bytes: model.0.iter().map(bytes).sum() };
                until("the usage is that of the model", async || {
                    bed.engine.usage(NS).await.unwrap() == expected
                })
                .await;
                let large = model.0.values().filter(|(value, _)| value.len() > INLINE).count();
                until("only files of values are left", async || bed.files() == large).await;
            }
            Op::Reopen => bed.engine = bed.again(),
        }
    }
}

async fn list_all(engine: &Embedded, prefix: &str, limit: usize) -> Vec<(String, Attributes)> {
    let mut all = Vec::new();
    let mut after = None;
    loop {
        let query = Query { prefix: prefix.to_owned(), after, limit };
        let page = engine.list(NS, query).await.unwrap();
        assert!(page.keys.len() <= limit && (page.complete || !page.keys.is_empty()));
        after = page.keys.last().map(|listed| listed.key.as_str().to_owned());
        all.extend(page.keys.into_iter().map(|listed| (listed.key.into_string(), listed.attributes)));
        if page.complete {
            return all;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn it_does_what_the_model_does(ops in proptest::collection::vec(op(), 1..60)) {
        Runtime::new().unwrap().block_on(run(ops));
    }
}

// ---- what a model cannot show ------------------------------------------------------------------------------

#[tokio::test]
async fn a_list_is_in_the_order_of_utf8_bytes() {
    let bed = Bed::new();
    // In UTF-16, and so for JavaScript's own sort, the last two would stand the other way round.
    let ordered = ["A", "a", "a\u{0}", "a/", "ab", "é", "\u{FFFD}", "\u{1F600}"];
    for key in ordered.iter().rev() {
        bed.put(key, b"x").await;
    }
    let listed: Vec<_> = list_all(&bed.engine, "", 3).await.into_iter().map(|(key, _)| key).collect();
    assert_eq!(listed, ordered);
}

#[tokio::test]
async fn concurrent_writers_share_commits() {
    let bed = Bed::new();
    bed.put("first", b"x").await;
    let before = frames(&bed);
    // Nobody can commit before all wait: their writes are queued under the one thread's nose.
    let gate = bed.engine.shared.connections.take(0, NS, false).unwrap().unwrap();
    gate.execute_batch("BEGIN IMMEDIATE").unwrap();
    let writes: Vec<_> = (0..200)
        .map(|n| {
            let change = Change::Put {
                key: k("same"),
                value: n.to_string().into(),
                attributes: Attributes::default(),
            };
            (n, vec![change])
        })
        .collect();
    let all = futures::future::join_all(writes.into_iter().map(|(_, changes)| bed.engine.apply(NS, changes)));
    let release = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        gate.execute_batch("ROLLBACK").unwrap();
    };
    let (outcomes, ()) = tokio::join!(all, release);
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(bed.text("same").await.unwrap(), b"199", "the last one in the queue wins");
    // The first may have gone alone; each commit writes at least two pages.
    let written = frames(&bed) - before;
    assert!(written <= 12, "{written} pages of 200 writes: they were not shared");
}

/// Pages in the namespace's log.
fn frames(bed: &Bed) -> u64 {
    let log = fs::metadata(bed.folder.path().join(format!("{NS}.db-wal"))).unwrap().len();
    log.saturating_sub(32) / (4096 + 24)
}

#[tokio::test]
async fn what_has_expired_is_never_seen_and_reclaimed() {
    let bed = Bed::with(|config| config.sweep_every = Duration::from_secs(3600));
    let large = vec![7; INLINE + 1];
    for (key, value) in [("small", &b"x"[..]), ("large", &large)] {
        let attributes = Attributes { expiration: Some(1_000_060), metadata: None };
        bed.engine.put(NS, k(key), attributes, incoming(value, 4096)).await.unwrap();
    }
    bed.pass(59);
    assert!(bed.text("small").await.is_some() && bed.text("large").await.is_some());
    bed.pass(1);
    for _ in 0..2 {
        assert!(bed.text("small").await.is_none() && bed.text("large").await.is_none());
    }
    assert!(list_all(&bed.engine, "", 10).await.is_empty());
    assert_eq!(bed.engine.usage(NS).await.unwrap().keys, 2, "nobody has swept yet");
    // An engine that was not there when they were written knows of them too.
    let again = bed.again();
    until("they are reclaimed", async || again.usage(NS).await.unwrap() == Usage::default()).await;
    until("the file too", async || bed.files() == 0).await;
}

#[tokio::test]
async fn a_large_value_streams_and_replacing_it_leaves_no_file() {
    let bed = Bed::new();
    let (first, second) = (content(3_000_000, 1), content(2_000_000, 2));
    bed.put("k", &first).await;
    let entry = bed.engine.get(NS, &k("k")).await.unwrap().unwrap();
    let Value::Stream { mut pieces, .. } = entry.value else { panic!("it is in memory") };
    bed.put("k", &second).await;
    let mut seen = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.unwrap();
        assert!(piece.len() <= 256 << 10);
        seen.extend_from_slice(&piece);
    }
    assert!(seen == first, "who began to read the old value reads it to its end");
    assert!(bed.text("k").await.unwrap() == second);
    until("one file is left", async || bed.files() == 1).await;
    bed.put("k", b"small").await;
    until("none is left", async || bed.files() == 0).await;
}

#[tokio::test]
async fn a_value_that_breaks_off_changes_nothing() {
    let bed = Bed::new();
    bed.put("k", b"old").await;
    for size in [10, INLINE + 10, 3 << 20] {
        let pieces: Vec<Result<Bytes, String>> =
            vec![Ok(content(size, 0).into()), Err("the client went away".to_owned())];
        let value = Incoming { length: None, pieces: futures::stream::iter(pieces).boxed() };
        let error = bed.engine.put(NS, k("k"), Attributes::default(), value).await.unwrap_err();
        assert!(matches!(error, EngineError::Broken(_)), "{error}");
    }
    // A caller that is gone in the middle of it is the same.
    let never = futures::stream::iter([Ok(content(INLINE + 10, 0).into())]).chain(futures::stream::pending());
    let value = Incoming { length: Some(1 << 20), pieces: never.boxed() };
    let put = bed.engine.put(NS, k("k"), Attributes::default(), value);
    assert!(tokio::time::timeout(Duration::from_millis(100), put).await.is_err());
    assert_eq!(bed.text("k").await.unwrap(), b"old");
    until("no file is left", async || bed.files() == 0).await;
}

#[tokio::test]
async fn what_a_crash_left_is_collected_and_nothing_else() {
    let bed = Bed::new();
    bed.put("kept", &content(INLINE + 1, 1)).await;
    let values = bed.engine.shared.files.folder(NS);
    fs::write(values.join("0000000000000000-7"), b"no row names it").unwrap();
    fs::write(bed.folder.path().join("ffff.db"), b"of a namespace that is not there").unwrap();
    fs::create_dir(bed.folder.path().join("ffff.values")).unwrap();
    let again = bed.again();
    until("the orphans are gone", async || bed.files() == 1 && !bed.folder.path().join("ffff.db").exists())
        .await;
    assert!(!bed.folder.path().join("ffff.values").exists());
    assert_eq!(read(&again, "kept").await.unwrap().0, content(INLINE + 1, 1));
}

#[tokio::test]
async fn a_deleted_namespace_takes_nothing_and_leaves_nothing() {
    let bed = Bed::new();
    bed.put("k", &content(INLINE + 1, 1)).await;
    bed.put("small", b"x").await;
    bed.engine.destroy(NS).await.unwrap();
    assert!(matches!(bed.engine.get(NS, &k("small")).await, Err(EngineError::NoNamespace)));
    let put = bed.engine.put(NS, k("k"), Attributes::default(), incoming(b"x", 1)).await;
    assert!(matches!(put, Err(EngineError::NoNamespace)));
    assert!(matches!(bed.engine.usage(NS).await, Err(EngineError::NoNamespace)));
    assert_eq!(fs::read_dir(bed.folder.path()).unwrap().count(), 0);
    bed.engine.destroy(NS).await.unwrap();
}

#[tokio::test]
async fn open_databases_are_bounded_however_many_namespaces_there_are() {
    let bed = Bed::with(|config| {
        (config.readers, config.writers, config.connections) = (2, 2, 8);
    });
    for n in 0..40 {
        let id = format!("namespace-{n}");
        bed.engine.create(&id).await.unwrap();
        bed.engine.put(&id, k("k"), Attributes::default(), incoming(id.as_bytes(), 4)).await.unwrap();
        assert!(bed.engine.shared.connections.open() <= 8);
    }
    for n in 0..40 {
        let id = format!("namespace-{n}");
        let found = bed.engine.get_many(&id, vec![k("k")], 100).await.unwrap();
        assert_eq!(found[0].as_ref().unwrap().0, id.as_bytes());
    }
    assert!(bed.engine.shared.connections.open() <= 8);
}

fn space(account_quota: Option<u64>, reserve: u64) -> hearth_space::Space {
    let folder = std::env::temp_dir();
    let config = hearth_space::Config { folder, account_quota, reserve: Some(reserve) };
    hearth_space::Space::new(config).unwrap()
}

#[tokio::test]
async fn what_is_over_an_accounts_quota_is_refused_until_something_is_deleted() {
    const QUOTA: u64 = 10_000;
    let space = space(Some(QUOTA), 0);
    let account = "a".parse().unwrap();
    space.opened(NS, &account, hearth_space::Kind::Kv);
    let bed = Bed::with(|config| config.space = space.clone());
    let put = async |key: &str, size: usize, announced: bool| {
        let mut value = incoming(&vec![0; size], 100);
        value.length = announced.then_some(size as u64);
        bed.engine.put(NS, k(key), Attributes::default(), value).await
    };
    let is_refused =
        |put| matches!(put, Err(EngineError::NoRoom(hearth_space::Refusal::Quota { quota: QUOTA })));
    put("a", 6_000, true).await.unwrap();
    assert_eq!(space.used(&account), 6_001);
    for (size, announced) in [(4_000, true), (4_000, false), (100_000, false)] {
        assert!(is_refused(put("b", size, announced).await), "{size} {announced}");
    }
    let change = |key: &str| {
        let (key, value) = (k(key), vec![0; 2_000].into());
        Change::Put { key, value, attributes: Attributes::default() }
    };
    assert!(is_refused(bed.engine.apply(NS, vec![change("b"), change("c")]).await));
    put("b", 3_998, false).await.unwrap();
    assert_eq!(space.used(&account), QUOTA);
    assert!(bed.text("a").await.is_some() && bed.text("b").await.is_some());
    bed.engine.apply(NS, vec![Change::Delete(k("a"))]).await.unwrap();
    assert_eq!(space.used(&account), 3_999);
    put("c", 6_000, true).await.unwrap();
}

#[tokio::test]
async fn a_full_queue_is_refused_and_a_full_disk_too() {
    let space = space(None, u64::MAX);
    let bed = Bed::with(|config| config.space = space);
    let put = bed.engine.put(NS, k("k"), Attributes::default(), incoming(b"x", 1)).await;
    assert!(matches!(put, Err(EngineError::NoRoom(hearth_space::Refusal::Disk))));
    let large = incoming(&vec![0; INLINE + 1], 1000);
    let put = bed.engine.put(NS, k("k"), Attributes::default(), large).await;
    assert!(matches!(put, Err(EngineError::NoRoom(hearth_space::Refusal::Disk))));
    assert_eq!(bed.files(), 0);
    // Deleting makes room, so it is never refused for lack of it.
    bed.engine.apply(NS, vec![Change::Delete(k("k"))]).await.unwrap();

    let bed = Bed::with(|config| (config.readers, config.queue) = (1, 1));
    bed.put("k", b"x").await;
    let reads = (0..300).map(|n| {
        let engine = &bed.engine;
        async move { engine.get_many(NS, vec![k(&n.to_string())], 10).await }
    });
    let outcomes = futures::future::join_all(reads).await;
    let refused = outcomes.iter().filter(|one| matches!(one, Err(EngineError::Overloaded))).count();
    assert!(refused > 0 && outcomes.iter().all(|one| matches!(one, Ok(_) | Err(EngineError::Overloaded))));
}

/// A limit on the size of files stands in for a full disk: writes fail in the middle. It holds for the process, which is
/// this test's own (nextest).
#[tokio::test]
async fn a_write_that_fails_in_the_middle_corrupts_nothing() {
    let bed = Bed::new();
    let mut ignored =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(25)).expect("SIGXFSZ");
    for n in 0..50 {
        bed.put(&format!("before-{n}"), &content(1000, n)).await;
    }
    let most = fs::metadata(bed.folder.path().join(format!("{NS}.db-wal"))).unwrap().len() + 100_000;
    rustix::process::setrlimit(
        rustix::process::Resource::Fsize,
        rustix::process::Rlimit { current: Some(most), maximum: None },
    )
    .unwrap();
    let mut kept = Vec::new();
    let mut failed = 0;
    for n in 0..400 {
        let key = format!("key-{n}");
        let put = bed.engine.put(NS, k(&key), Attributes::default(), incoming(&content(20_000, n), 4096));
        match put.await {
            Ok(()) => kept.push((key, n)),
            Err(_) => failed += 1,
        }
    }
    assert!(failed > 0, "the limit was never reached");
    assert!(tokio::time::timeout(Duration::from_secs(5), ignored.recv()).await.is_ok());
    rustix::process::setrlimit(
        rustix::process::Resource::Fsize,
        rustix::process::Rlimit { current: None, maximum: None },
    )
    .unwrap();
    let again = bed.again();
    for (key, n) in kept {
        assert!(read(&again, &key).await.unwrap().0 == content(20_000, n), "{key}");
    }
    bed.put("after", b"room again").await;
    let path = bed.engine.shared.connections.path(NS);
    let check: String = rusqlite::Connection::open(path)
        .unwrap()
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(check, "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_of_one_moment_while_writers_go_on() {
    let bed = Arc::new(Bed::new());
    let (stop, done) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicI64::new(0)));
    let pair = |n: usize| {
        let put = |key: &str, size| Change::Put {
            key: k(key),
            value: content(size, n).into(),
            attributes: Attributes::default(),
        };
        vec![put("a", 100), put("b", INLINE + 100)]
    };
    bed.engine.apply(NS, pair(0)).await.unwrap();
    let writer = tokio::spawn({
        let (bed, stop, done) = (Arc::clone(&bed), Arc::clone(&stop), Arc::clone(&done));
        async move {
            while stop.load(Ordering::Relaxed) == 0 {
                let n = done.fetch_add(1, Ordering::Relaxed) as usize;
                bed.engine.apply(NS, pair(n)).await.unwrap();
            }
        }
    });
    let copies = tempfile::tempdir().unwrap();
    for round in 1..=5_i64 {
        until("the writer is busy", async || done.load(Ordering::Relaxed) > round * 3).await;
        let to = copies.path().join(round.to_string());
        bed.engine.snapshot(&to).await.unwrap();
        assert!(bed.engine.snapshot(&to).await.is_err(), "it is not empty any more");
        let copy = open(&to, &bed.now, |_| {}, &[NS]);
        let (a, b) = (read(&copy, "a").await.unwrap().0, read(&copy, "b").await.unwrap().0);
        assert!(b[..100] == a[..], "both keys were always written together");
    }
    stop.store(1, Ordering::Relaxed);
    writer.await.unwrap();
    until("files that only snapshots needed are gone", async || bed.files() == 1).await;
}
