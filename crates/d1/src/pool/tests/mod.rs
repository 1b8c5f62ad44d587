//! The pool over real engine processes: plain children, each this very test binary.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::net::UnixStream;

mod limits;
mod together;

use super::*;
use crate::NoArchive;

/// Not a test: what a child runs.
#[test]
#[ignore = "the engine that the other tests start"]
fn engine() {
    use std::os::fd::AsFd;
    let socket = std::io::stdin().as_fd().try_clone_to_owned().expect("a descriptor");
    crate::engine::serve(socket.into()).expect("serves");
}

#[derive(Default)]
struct Children {
    pids: Mutex<Vec<u32>>,
    started: AtomicUsize,
}

struct Plain(Mutex<Child>);

#[async_trait]
impl Spawn for Children {
    async fn spawn(&self, folder: Option<&Path>) -> std::io::Result<Started> {
        let (ours, theirs) = UnixStream::pair()?;
        let theirs = theirs.into_std()?;
        theirs.set_nonblocking(false)?;
        let child = Command::new(std::env::current_exe()?)
            .args(["--exact", "pool::tests::engine", "--ignored", "--nocapture"])
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .spawn()?;
        self.pids.lock().push(child.id());
        self.started.fetch_add(1, Ordering::Relaxed);
        let folder = folder.map(Path::to_owned);
        Ok(Started { socket: ours, process: Box::new(Plain(Mutex::new(child))), folder })
    }

    fn shows_later(&self) -> bool {
        true
    }
}

#[async_trait]
impl Process for Plain {
    async fn show(&self, folder: &Path) -> std::io::Result<PathBuf> {
        Ok(folder.to_owned())
    }

    async fn kill(&self) -> Ended {
        let mut child = self.0.lock();
        let _ = child.kill();
        let _ = child.wait();
        Ended::Other
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let mut child = self.0.lock();
        let _ = child.kill();
        let _ = child.wait();
    }
}

struct Bench {
    d1: D1,
    children: Arc<Children>,
    folder: tempfile::TempDir,
}

fn bench_with(change: impl FnOnce(&mut Config), archive: Arc<dyn Archive>) -> Bench {
    let folder = tempfile::tempdir().expect("a folder");
    let mut config = Config { spares: 0, ..Config::new(folder.path().to_owned()) };
    change(&mut config);
    let children = Arc::new(Children::default());
    let d1 = D1::new(config, Arc::clone(&children) as _, archive);
    Bench { d1, children, folder }
}

fn bench() -> Bench {
    bench_with(|_| {}, Arc::new(NoArchive))
}

impl Bench {
    async fn database(&self) -> DatabaseId {
        let id = DatabaseId::random();
        self.d1.create(id).await.expect("is made");
        id
    }

    async fn ask(&self, id: DatabaseId, queries: Value) -> Result<Value, D1Error> {
        let request = Request {
            queries: Bytes::from(queries.to_string()),
            results: Results::Objects,
            shape: Shape::PerQuery,
        };
        let answer = self.d1.query(id, request).await?;
        Ok(serde_json::from_slice(&answer.results).expect("is JSON"))
    }

    async fn run(&self, id: DatabaseId, sql: &str) -> Result<Value, D1Error> {
        Ok(self.ask(id, json!({ "sql": sql })).await?[0]["results"].take())
    }
}

fn refused(outcome: Result<Value, D1Error>) -> String {
    outcome.expect_err("is refused").to_string()
}

#[tokio::test]
async fn a_database_answers_and_lives_on() {
    let bench = bench();
    let id = bench.database().await;
    bench.run(id, "CREATE TABLE t (a INTEGER PRIMARY KEY, b)").await.expect("runs");
    let answer = bench
        .ask(
            id,
            json!([{ "sql": "INSERT INTO t (b) VALUES (?)", "params": ["x"] }, { "sql": "SELECT * FROM t" }]),
        )
        .await
        .expect("runs");
    assert_eq!(answer[0]["meta"]["last_row_id"], 1);
    assert_eq!(answer[0]["meta"]["changes"], 1);
    assert_eq!(answer[0]["meta"]["rows_written"], 1);
    assert_eq!(answer[1]["results"], json!([{ "a": 1, "b": "x" }]));
    assert_eq!(answer[1]["meta"]["rows_read"], 1);

    drop(bench.d1.close(id).await.expect("closes"));
    assert_eq!(bench.run(id, "SELECT count(*) AS n FROM t").await.expect("runs"), json!([{ "n": 1 }]));
    assert_eq!(bench.children.started.load(Ordering::Relaxed), 2, "another process after it was closed");
}

#[tokio::test]
async fn a_database_that_nobody_made_is_not_made_by_asking() {
    let bench = bench();
    let id = DatabaseId::random();
    assert!(matches!(bench.run(id, "SELECT 1").await, Err(D1Error::NotFound)));
    assert!(!bench.d1.folder(id).exists());
    let made = bench.database().await;
    bench.run(made, "CREATE TABLE t (a)").await.expect("runs");
    bench.d1.delete(made).await.expect("is deleted");
    assert!(matches!(bench.run(made, "SELECT 1").await, Err(D1Error::NotFound)));
    bench.d1.delete(made).await.expect("is deleted again");
}

#[tokio::test]
async fn a_batch_is_one_transaction() {
    let bench = bench();
    let id = bench.database().await;
    bench.run(id, "CREATE TABLE t (a UNIQUE)").await.expect("runs");
    let both = json!([{ "sql": "INSERT INTO t VALUES (1)" }, { "sql": "INSERT INTO t VALUES (1)" }]);
    assert_eq!(
        refused(bench.ask(id, both).await),
        "UNIQUE constraint failed: t.a: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)"
    );
    assert_eq!(bench.run(id, "SELECT * FROM t").await.expect("runs"), json!([]));
    for verb in ["INSERT OR FAIL", "INSERT OR ROLLBACK", "INSERT"] {
        assert!(bench.run(id, &format!("{verb} INTO t VALUES (1), (1)")).await.is_err());
        assert_eq!(bench.run(id, "SELECT * FROM t").await.expect("runs"), json!([]), "{verb} keeps nothing");
    }
}

#[tokio::test]
async fn an_engine_that_does_not_answer_is_killed() {
    use rustix::process::{Pid, Signal, kill_process};
    let bench = bench_with(|config| config.query_timeout = Duration::from_millis(100), Arc::new(NoArchive));
    let id = bench.database().await;
    bench.run(id, "CREATE TABLE t (a)").await.expect("runs");
    let pid = Pid::from_raw(bench.children.pids.lock()[0].cast_signed()).expect("a pid");
    kill_process(pid, Signal::STOP).expect("stops");
    let stat = format!("/proc/{}/stat", bench.children.pids.lock()[0]);
    while !std::fs::read_to_string(&stat).expect("it is there").contains(") T ") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(matches!(bench.run(id, "SELECT 1").await, Err(D1Error::Timeout)));
    assert_eq!(bench.run(id, "SELECT count(*) AS n FROM t").await.expect("runs"), json!([{ "n": 0 }]));
}

#[tokio::test]
async fn a_killed_engine_loses_nothing_that_was_answered() {
    use rustix::process::{Pid, Signal, kill_process};
    let bench = Arc::new(bench());
    let id = bench.database().await;
    bench.run(id, "CREATE TABLE t (a)").await.expect("runs");
    let killer = tokio::spawn({
        let bench = Arc::clone(&bench);
        async move {
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_millis(60)).await;
                let pid = bench.children.pids.lock().last().copied().expect("one runs");
                let _ = kill_process(Pid::from_raw(pid.cast_signed()).expect("a pid"), Signal::KILL);
            }
        }
    });
    let (mut answered, mut died) = (Vec::new(), 0);
    let mut number = 0;
    while !killer.is_finished() {
        number += 1;
        match bench.run(id, &format!("INSERT INTO t VALUES ({number})")).await {
            Ok(_) => answered.push(number),
            // Killed while it worked, or again and again while it was started.
            Err(D1Error::Died | D1Error::Internal(_)) => died += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(died > 0 && !answered.is_empty(), "{died} died, {} answered", answered.len());
    let kept = bench.run(id, "SELECT a FROM t").await.expect("runs");
    let kept: Vec<i64> = kept.as_array().expect("rows").iter().filter_map(|row| row["a"].as_i64()).collect();
    for number in answered {
        assert!(kept.contains(&number), "{number} was answered and is lost");
    }
    assert_eq!(bench.run(id, "PRAGMA quick_check").await.expect("runs"), json!([{ "quick_check": "ok" }]));
}

#[tokio::test]
async fn who_does_not_wait_disturbs_nobody() {
    let bench = bench();
    let id = bench.database().await;
    bench.run(id, "CREATE TABLE t (a)").await.expect("runs");
    for number in 0..50_u64 {
        let sql = format!("INSERT INTO t VALUES ({number})");
        let _ = tokio::time::timeout(Duration::from_micros(number * 10), bench.run(id, &sql)).await;
        let own = bench.run(id, &format!("SELECT {number} AS n")).await.expect("runs");
        assert_eq!(own, json!([{ "n": number }]), "the answer is the caller's own");
    }
}

#[tokio::test]
async fn more_databases_than_places_take_turns() {
    let bench = bench_with(|config| config.max_active = 2, Arc::new(NoArchive));
    let mut ids = Vec::new();
    for _ in 0..5 {
        let id = bench.database().await;
        bench.run(id, "CREATE TABLE t (a); INSERT INTO t VALUES (1)").await.expect("runs");
        ids.push(id);
    }
    for id in ids {
        assert_eq!(bench.run(id, "SELECT a FROM t").await.expect("runs"), json!([{ "a": 1 }]));
    }
}

#[tokio::test]
async fn who_idles_is_stopped_and_a_spare_takes_over() {
    let bench = bench_with(
        |config| {
            config.idle = Duration::from_millis(200);
            config.spares = 1;
        },
        Arc::new(NoArchive),
    );
    let id = bench.database().await;
    bench.run(id, "CREATE TABLE t (a)").await.expect("runs");
    let log = bench.d1.folder(id).join("database.db-wal");
    let folded = || std::fs::metadata(&log).map_or(0, |log| log.len()) == 0;
    while !folded() || bench.d1.0.slots.lock().contains_key(&id) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let started = bench.children.started.load(Ordering::Relaxed);
    bench.run(id, "SELECT * FROM t").await.expect("runs");
    assert!(started >= 2, "one for the database, one to spare");
}

/// Notes what it is told.
#[derive(Default)]
struct Notes {
    committed: Mutex<Vec<Position>>,
    folded: AtomicU32,
}

#[async_trait]
impl Archive for Notes {
    async fn opened(&self, _: DatabaseId, _: &Path, _: &Path) -> std::io::Result<u32> {
        Ok(self.folded.load(Ordering::Relaxed))
    }

    fn committed(&self, _: DatabaseId, position: Position) {
        self.committed.lock().push(position);
    }

    async fn folding(&self, _: DatabaseId, log: &Path, position: Position) -> std::io::Result<()> {
        let length = std::fs::metadata(log)?.len();
        assert!(length >= 32 + u64::from(position.frame) * (24 + 4096), "header and frames");
        Ok(())
    }

    async fn folded(&self, _: DatabaseId, _: &Path, generation: u32) {
        self.folded.store(generation, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn the_archive_sees_every_commit_and_the_log_before_it_goes() {
    let notes = Arc::new(Notes::default());
    let bench = bench_with(|_| {}, Arc::clone(&notes) as _);
    let id = bench.database().await;
    bench.run(id, "CREATE TABLE t (a)").await.expect("runs");
    bench.run(id, "SELECT * FROM t").await.expect("runs");
    let log = bench.d1.folder(id).join("database.db-wal");
    let room = || std::fs::metadata(&log).map_or(0, |log| log.len());
    let before = room();
    assert!(before > 200 * 4096, "there is room in the log for what comes: {before} bytes");
    bench.run(id, "INSERT INTO t VALUES (1)").await.expect("runs");
    assert_eq!(room(), before, "a commit does not lengthen it");
    assert_eq!(notes.committed.lock().len(), 2, "a read commits nothing");
    let before = bench.d1.position(id).await.expect("is known");
    assert_eq!(notes.committed.lock().last(), Some(&before));

    drop(bench.d1.close(id).await.expect("closes"));
    assert_eq!(bench.d1.position(id).await.expect("is known"), before, "a log that is left is taken up");

    let after = bench.d1.fold(id).await.expect("folds");
    assert_eq!(after, Position { generation: 1, frame: 0 });
    assert_eq!(bench.d1.fold(id).await.expect("folds"), after, "an empty log is not folded");

    // A large transaction makes the log long enough to be folded by itself.
    let many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1100)
                INSERT INTO t SELECT randomblob(4000) FROM n";
    bench.run(id, many).await.expect("runs");
    let position = bench.d1.position(id).await.expect("is known");
    assert_eq!(position, Position { generation: 2, frame: 0 });
    let committed = notes.committed.lock().clone();
    assert!(committed.windows(2).all(|pair| pair[0] < pair[1]), "{committed:?}");
    assert_eq!(bench.run(id, "SELECT count(*) AS n FROM t").await.expect("runs"), json!([{ "n": 1101 }]));
}

fn script(pieces: Vec<&'static str>) -> BoxStream<'static, std::io::Result<Bytes>> {
    futures::stream::iter(pieces.into_iter().map(|piece| Ok(Bytes::from_static(piece.as_bytes())))).boxed()
}

#[tokio::test]
async fn a_script_is_imported_whole_or_not_at_all() {
    let bench = bench();
    let id = bench.database().await;
    let pieces = vec!["CREATE TABLE t (a); INS", "ERT INTO t VALUES ('x;", "y'); INSERT INTO t VALUES ('ü')"];
    let imported = bench.d1.import(id, script(pieces)).await.expect("is imported");
    assert_eq!(imported.summary.statements, 3);
    assert_eq!(bench.run(id, "SELECT a FROM t").await.expect("runs"), json!([{ "a": "x;y" }, { "a": "ü" }]));

    let bad = bench.d1.import(id, script(vec!["DELETE FROM t;", "SELEC 1;", "SELECT 2;"])).await;
    assert!(bad.expect_err("is refused").to_string().starts_with("near \"SELEC\": syntax error"));
    let broken = futures::stream::iter([
        Ok(Bytes::from_static(b"DELETE FROM t;")),
        Err(std::io::Error::other("the client has gone")),
    ]);
    assert!(bench.d1.import(id, broken.boxed()).await.is_err());
    assert_eq!(bench.run(id, "SELECT count(*) AS n FROM t").await.expect("runs"), json!([{ "n": 2 }]));
}

#[tokio::test]
async fn an_export_makes_the_same_database_again() {
    let bench = bench();
    let id = bench.database().await;
    bench
        .run(
            id,
            "CREATE TABLE \"odd \"\"name\" (a INTEGER PRIMARY KEY AUTOINCREMENT, b, c);
             INSERT INTO \"odd \"\"name\" (b, c) VALUES (1.5, x'00ff'), ('it''s
                two lines', NULL), (9223372036854775807, 9e999);
             CREATE INDEX i ON \"odd \"\"name\" (b);
             CREATE VIEW v AS SELECT b FROM \"odd \"\"name\"",
        )
        .await
        .expect("runs");
    let everything = "SELECT quote(a) AS a, quote(b) AS b, quote(c) AS c FROM \"odd \"\"name\"";
    let before = bench.run(id, everything).await.expect("runs");
    let pieces = bench.d1.export(id, ExportOptions::default()).await.expect("begins");
    let pieces: Vec<Bytes> = pieces.map(|piece| piece.expect("a piece")).collect().await;

    let copy = bench.database().await;
    bench
        .d1
        .import(copy, futures::stream::iter(pieces.into_iter().map(Ok)).boxed())
        .await
        .expect("is imported");
    assert_eq!(bench.run(copy, everything).await.expect("runs"), before);
    assert_eq!(bench.d1.size(copy).await.expect("is known").tables, 1);

    // One that is dropped in the middle leaves a database that works.
    let cut = bench.d1.export(id, ExportOptions { no_data: true, ..ExportOptions::default() }).await;
    drop(cut.expect("begins"));
    assert_eq!(bench.run(id, everything).await.expect("runs"), before);
}

#[tokio::test]
async fn a_snapshot_is_a_database_of_its_own() {
    let bench = bench();
    let id = bench.database().await;
    bench.run(id, "CREATE TABLE t (a); INSERT INTO t VALUES (7)").await.expect("runs");
    let to = bench.d1.folder(id).with_extension("copy");
    bench.d1.snapshot(id, &to).await.expect("is copied");
    bench.run(id, "DELETE FROM t").await.expect("runs");
    let copy = rusqlite::Connection::open(&to).expect("opens");
    let value: i64 = copy.query_row("SELECT a FROM t", [], |row| row.get(0)).expect("is there");
    assert_eq!(value, 7);
}
