//! What is refused, and what is stopped.

use super::*;

const FULL: &str = "database or disk is full: SQLITE_FULL";

pub fn space(account_quota: Option<u64>, reserve: u64) -> Space {
    let folder = std::env::temp_dir();
    let config = hearth_space::Config { folder, account_quota, reserve: Some(reserve) };
    Space::new(config).expect("a disk")
}

#[tokio::test]
async fn what_is_over_an_accounts_quota_is_refused_until_something_is_deleted() {
    const QUOTA: u64 = 100 * 4096;
    let space = space(Some(QUOTA), 0);
    let account = "a".parse().expect("an id");
    let bench = bench_with(|config| config.space = space.clone(), Arc::new(NoArchive));
    let id = bench.database().await;
    let other = bench.database().await;
    for id in [id, other] {
        space.opened(&id.to_string(), &account, hearth_space::Kind::D1);
        bench.run(id, "CREATE TABLE t (b)").await.expect("runs");
    }
    // One statement, several, and one that is larger than all there is.
    let insert = "INSERT INTO t VALUES (zeroblob(40000))";
    for _ in 0..9 {
        bench.run(id, insert).await.expect("runs");
    }
    assert_eq!(refused(bench.run(id, insert).await), FULL);
    assert_eq!(refused(bench.run(id, &format!("DELETE FROM t; {}", [insert; 11].join(";"))).await), FULL);
    let endless = "WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 10000) \
                   INSERT INTO t SELECT zeroblob(4000) FROM n";
    assert_eq!(refused(bench.run(id, endless).await), FULL);
    assert_eq!(refused(bench.run(other, &[insert; 2].join(";")).await), FULL, "another of the account's");
    let used = space.used(&account);
    assert!((9 * 40_000..=QUOTA).contains(&used), "{used}");
    assert_eq!(
        bench.run(id, "SELECT count(*) AS n FROM t").await.expect("reading goes on"),
        json!([{ "n": 9 }])
    );
    bench.run(id, "DELETE FROM t").await.expect("deleting goes on");
    assert!(space.used(&account) < used / 4, "{}", space.used(&account));
    bench.run(other, &[insert; 8].join(";")).await.expect("what was deleted is room for others");
    // What is free in the file is not the database's own any more.
    assert_eq!(refused(bench.run(id, &[insert; 4].join(";")).await), FULL);
    bench.d1.delete(other).await.expect("is deleted");
    bench.run(id, &[insert; 4].join(";")).await.expect("runs");
}

#[tokio::test]
async fn the_disks_reserve_is_not_for_databases() {
    let full = bench_with(|config| config.space = space(None, u64::MAX), Arc::new(NoArchive));
    let id = full.database().await;
    assert_eq!(refused(full.run(id, "CREATE TABLE t (a)").await), FULL);
    assert_eq!(full.run(id, "SELECT 1 AS n").await.expect("reading goes on"), json!([{ "n": 1 }]));

    // One that was made before the disk was full.
    let bench = bench();
    let id = bench.database().await;
    bench.run(id, "CREATE TABLE t (a); INSERT INTO t VALUES (1), (2)").await.expect("runs");
    bench.d1.shut_down().await;
    let config = Config { spares: 0, ..Config::new(bench.folder.path().to_owned()) };
    let config = Config { space: space(None, u64::MAX), ..config };
    let d1 = D1::new(config, Arc::clone(&bench.children) as _, Arc::new(NoArchive));
    let full = Bench { d1, ..bench };
    for sql in ["UPDATE t SET a = 3", "REPLACE INTO t VALUES (3)", "CREATE INDEX i ON t (a)"] {
        assert_eq!(refused(full.run(id, sql).await), FULL, "{sql}");
    }
    full.run(id, "DELETE FROM t WHERE a = 1").await.expect("deleting goes on");
    full.run(id, "DROP TABLE t").await.expect("dropping goes on");
}

/// What reaches a file, a transaction or the build.
#[tokio::test]
async fn what_leaves_the_database_is_refused() {
    let bench = bench();
    let id = bench.database().await;
    bench.run(id, "CREATE TABLE t (a)").await.expect("runs");
    for sql in [
        "ATTACH '/etc/passwd' AS x",
        "ATTACH ':memory:' AS x",
        "VACUUM INTO '/tmp/x'",
        "PRAGMA journal_mode = DELETE",
        "PRAGMA temp_store_directory = '/'",
        "PRAGMA hard_heap_limit = 0",
        "PRAGMA locking_mode = NORMAL",
        "PRAGMA wal_checkpoint",
        "PRAGMA wal_autocheckpoint = 1",
        "SELECT load_extension('/x')",
        "SELECT * FROM pragma_database_list",
        "SELECT fts3_tokenizer('simple')",
        "CREATE TEMP TABLE x (a)",
        "CREATE VIRTUAL TABLE x USING fts4(a)",
        "CREATE TABLE _cf_x (a)",
        "SELECT * FROM dbstat",
        "SELECT sqlite_version()",
        "BEGIN",
        "END",
        "SAVEPOINT a",
        "EXPLAIN ATTACH 'x' AS y",
        "CREATE TRIGGER z AFTER INSERT ON t BEGIN SELECT load_extension('/x'); END; INSERT INTO t VALUES (1)",
    ] {
        assert!(matches!(bench.run(id, sql).await, Err(D1Error::Sql(_))), "{sql}");
    }
    assert_eq!(refused(bench.run(id, "ATTACH 'x' AS y").await), "not authorized: SQLITE_AUTH");
    for own in ["BEGIN", "COMMIT", "ROLLBACK"] {
        assert!(
            refused(bench.run(id, own).await).starts_with("To execute a transaction, please use"),
            "{own}"
        );
    }
    assert_eq!(bench.children.started.load(Ordering::Relaxed), 1, "none of it ended the engine");
}

#[tokio::test]
async fn what_takes_too_long_is_stopped_and_named() {
    let bench = bench_with(|config| config.query_timeout = Duration::from_millis(500), Arc::new(NoArchive));
    let id = bench.database().await;
    bench.run(id, "CREATE TABLE t (a)").await.expect("runs");
    let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)";
    assert!(matches!(
        bench.run(id, &format!("{endless} SELECT count(*) FROM n")).await,
        Err(D1Error::Timeout)
    ));
    let outcome = bench.run(id, &format!("{endless} INSERT INTO t SELECT i FROM n")).await;
    assert!(matches!(outcome, Err(D1Error::Timeout | D1Error::Memory)), "{outcome:?}");
    assert_eq!(bench.run(id, "SELECT count(*) AS n FROM t").await.expect("runs"), json!([{ "n": 0 }]));
    assert_eq!(bench.children.started.load(Ordering::Relaxed), 1, "the engine stopped it itself");
}

#[tokio::test]
async fn what_is_too_large_is_stopped_and_named() {
    let bench = bench();
    let id = bench.database().await;
    assert_eq!(
        refused(bench.run(id, "SELECT hex(zeroblob(450000000))").await),
        "string or blob too big: SQLITE_TOOBIG"
    );
    let large = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
                 SELECT hex(zeroblob(100000)) AS x FROM n";
    let outcome = bench.run(id, large).await;
    assert!(
        matches!(&outcome, Err(D1Error::Sql(text)) if text.contains("larger than")),
        "{:.200}",
        format!("{outcome:?}")
    );
    assert_eq!(bench.run(id, "SELECT 1 AS n").await.expect("runs"), json!([{ "n": 1 }]));
    assert_eq!(bench.children.started.load(Ordering::Relaxed), 1, "the engine stopped it itself");
}

#[tokio::test]
async fn what_takes_too_much_memory_is_stopped_and_named() {
    let bench = bench();
    let id = bench.database().await;
    let sorted = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
                  SELECT zeroblob(500000) AS x FROM n ORDER BY i % 7";
    let outcome = bench.run(id, sorted).await;
    assert!(matches!(outcome, Err(D1Error::Memory)), "{outcome:?}");
    assert_eq!(bench.run(id, "SELECT 1 AS n").await.expect("runs"), json!([{ "n": 1 }]));
    assert_eq!(bench.children.started.load(Ordering::Relaxed), 1, "the engine stopped it itself");
}

#[tokio::test]
async fn too_many_who_wait_are_told() {
    let bench = Arc::new(bench_with(
        |config| {
            config.max_queue = 2;
            config.query_timeout = Duration::from_millis(800);
            config.queue_timeout = Duration::from_millis(300);
        },
        Arc::new(NoArchive),
    ));
    let id = bench.database().await;
    bench.run(id, "CREATE TABLE t (a)").await.expect("runs");
    let slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let asked: Vec<_> = (0..4)
        .map(|_| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { bench.run(id, slow).await })
        })
        .collect();
    let mut told = Vec::new();
    for answer in asked {
        told.push(refused(answer.await.expect("ends")));
    }
    told.sort();
    assert_eq!(told.iter().filter(|text| text.contains("Too many requests queued")).count(), 1, "{told:?}");
    assert_eq!(told.iter().filter(|text| text.contains("queued for too long")).count(), 2, "{told:?}");
    assert_eq!(told.iter().filter(|text| text.contains("exceeded timeout")).count(), 1, "{told:?}");
}
