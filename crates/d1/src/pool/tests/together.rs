//! Queries that come at once: each is a transaction and gets its own answer, whatever the others do.

use rustix::process::{Pid, Signal, kill_process};
use tokio::task::JoinHandle;

use super::*;

const ENDLESS: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

/// Asks these at once, in their order, while something before them keeps the database busy: they wait in the queue, and
/// are put to the engine together.
async fn at_once(
    bench: &Arc<Bench>,
    id: DatabaseId,
    sqls: &[String],
) -> Vec<JoinHandle<Result<Value, D1Error>>> {
    let slot = slot::slot(&bench.d1.0, id);
    let seat = slot::seat(&bench.d1.0, &slot).await.expect("nobody has it");
    let mut asked = Vec::new();
    for sql in sqls {
        let (bench, sql) = (Arc::clone(bench), sql.clone());
        asked.push(tokio::spawn(async move { bench.run(id, &sql).await }));
        tokio::task::yield_now().await;
    }
    drop(seat);
    asked
}

async fn outcomes(asked: Vec<JoinHandle<Result<Value, D1Error>>>) -> Vec<Result<Value, D1Error>> {
    futures::future::join_all(asked).await.into_iter().map(|outcome| outcome.expect("ends")).collect()
}

async fn bench_and_table(change: impl FnOnce(&mut Config)) -> (Arc<Bench>, DatabaseId, Arc<Notes>) {
    let notes = Arc::new(Notes::default());
    let bench = Arc::new(bench_with(change, Arc::clone(&notes) as _));
    let id = bench.database().await;
    bench.run(id, "CREATE TABLE t (a UNIQUE)").await.expect("runs");
    (bench, id, notes)
}

#[tokio::test]
async fn each_is_a_transaction_of_its_own() {
    let (bench, id, notes) = bench_and_table(|_| {}).await;
    let before = notes.committed.lock().len();
    // Every fifth fails, and takes nothing of the others with it.
    let insert = |n: u32| match n % 5 {
        4 => format!("INSERT INTO t VALUES ({n}), ({n}) RETURNING a"),
        _ => format!("INSERT INTO t VALUES ({n}) RETURNING a"),
    };
    let sqls: Vec<_> = (0..100).map(insert).collect();
    for (n, outcome) in outcomes(at_once(&bench, id, &sqls).await).await.into_iter().enumerate() {
        match n % 5 {
            4 => assert!(refused(outcome).starts_with("UNIQUE constraint failed"), "{n}"),
            _ => assert_eq!(outcome.expect("runs"), json!([{ "a": n }]), "the answer is the caller's own"),
        }
    }
    assert_eq!(bench.run(id, "SELECT count(*) AS n FROM t").await.expect("runs"), json!([{ "n": 80 }]));
    let committed = notes.committed.lock()[before..].to_vec();
    assert_eq!(committed.len(), 80, "each can be travelled to");
    assert!(committed.windows(2).all(|pair| pair[0] < pair[1]), "{committed:?}");
}

#[tokio::test]
async fn who_is_slow_holds_up_nobody_before_and_is_stopped_for_those_behind() {
    let (bench, id, _) = bench_and_table(|config| config.query_timeout = Duration::from_millis(800)).await;
    let insert = |n: u32| format!("INSERT INTO t VALUES ({n})");
    let sqls = [insert(0), insert(1), ENDLESS.to_owned(), insert(2), insert(3)];
    let mut asked = at_once(&bench, id, &sqls).await;
    let behind = asked.split_off(2);
    for outcome in outcomes(asked).await {
        outcome.expect("is answered");
    }
    assert!(!behind[0].is_finished(), "the slow one still runs");
    let mut outcomes = outcomes(behind).await;
    assert!(matches!(outcomes.remove(0), Err(D1Error::Timeout)));
    for outcome in outcomes {
        outcome.expect("runs after it");
    }
    assert_eq!(bench.run(id, "SELECT count(*) AS n FROM t").await.expect("runs"), json!([{ "n": 4 }]));
    assert_eq!(bench.children.started.load(Ordering::Relaxed), 1, "by the same engine");
}

#[tokio::test]
async fn who_has_not_begun_when_the_engine_dies_is_asked_again() {
    let (bench, id, _) = bench_and_table(|_| {}).await;
    let insert = |n: u32| format!("INSERT INTO t VALUES ({n})");
    let asked = at_once(&bench, id, &[insert(0), ENDLESS.to_owned(), insert(1), insert(2)]).await;
    while !asked[0].is_finished() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let pid = bench.children.pids.lock()[0].cast_signed();
    kill_process(Pid::from_raw(pid).expect("a pid"), Signal::KILL).expect("is killed");
    let outcomes = outcomes(asked).await;
    let told: Vec<_> =
        outcomes.iter().map(|outcome| outcome.as_ref().map(|_| ()).map_err(ToString::to_string)).collect();
    let died = Err(D1Error::Died.to_string());
    assert_eq!(told, [Ok(()), died, Ok(()), Ok(())]);
    assert_eq!(
        bench.run(id, "SELECT group_concat(a) AS all_of_them FROM t").await.expect("runs"),
        json!([{ "all_of_them": "0,1,2" }])
    );
    assert_eq!(bench.children.started.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn what_waits_behind_a_slow_one_for_too_long_never_runs() {
    let limits = |config: &mut Config| {
        config.query_timeout = Duration::from_millis(700);
        config.queue_timeout = Duration::from_millis(300);
    };
    let (bench, id, _) = bench_and_table(limits).await;
    let asked = at_once(&bench, id, &[ENDLESS.to_owned(), "INSERT INTO t VALUES (1)".to_owned()]).await;
    let told: Vec<_> = outcomes(asked).await.into_iter().map(refused).collect();
    assert_eq!(told, [D1Error::Timeout.to_string(), D1Error::QueuedTooLong.to_string()]);
    assert_eq!(bench.run(id, "SELECT count(*) AS n FROM t").await.expect("runs"), json!([{ "n": 0 }]));
}

#[tokio::test]
async fn who_goes_away_takes_only_his_own_query_along() {
    let (bench, id, _) = bench_and_table(|_| {}).await;
    let sqls: Vec<_> = (0..60).map(|n| format!("INSERT INTO t VALUES ({n}) RETURNING a")).collect();
    let asked = at_once(&bench, id, &sqls).await;
    // Whoever leads, some of those who go were in front of him and some behind.
    for gone in asked.iter().step_by(3) {
        gone.abort();
    }
    for (n, outcome) in futures::future::join_all(asked).await.into_iter().enumerate() {
        match outcome {
            Ok(answer) => assert_eq!(answer.expect("runs"), json!([{ "a": n }])),
            Err(_) => assert_eq!(n % 3, 0, "{n} waited"),
        }
    }
    let kept = bench.run(id, "SELECT count(*) AS n FROM t").await.expect("runs")[0]["n"].as_u64();
    assert!(kept >= Some(40), "{kept:?}");
}

#[tokio::test]
async fn together_they_grow_no_further_than_one_may() {
    const ROOM: u64 = 60 * 4096;
    let space = limits::space(Some(ROOM), 0);
    let (bench, id, _) = bench_and_table(|config| config.space = space.clone()).await;
    space.opened(&id.to_string(), &"a".parse().expect("an id"), hearth_space::Kind::D1);
    bench.run(id, "SELECT 1").await.expect("runs");
    let sqls: Vec<_> = (0..20).map(|n| format!("INSERT INTO t VALUES (zeroblob(40000 + {n}))")).collect();
    let outcomes = outcomes(at_once(&bench, id, &sqls).await).await;
    let taken = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!((1..=6).contains(&taken), "{taken} of 20 fit into {ROOM} bytes");
    let size = bench.d1.size(id).await.expect("is known").bytes;
    assert!(size <= ROOM, "{size}");
}

#[tokio::test]
async fn what_is_large_goes_alone() {
    let (bench, id, _) = bench_and_table(|_| {}).await;
    let large =
        |n: u32| format!("INSERT INTO t VALUES ('{n}{}') RETURNING length(a) AS n", "x".repeat(60_000));
    let sqls: Vec<_> = (0..30).map(large).collect();
    for (n, outcome) in outcomes(at_once(&bench, id, &sqls).await).await.into_iter().enumerate() {
        assert_eq!(outcome.expect("runs"), json!([{ "n": 60_000 + if n < 10 { 1 } else { 2 } }]));
    }
    // Answers that are larger than what the engine holds back.
    let sqls = vec!["SELECT a FROM t LIMIT 20".to_owned(); 20];
    for outcome in outcomes(at_once(&bench, id, &sqls).await).await {
        assert_eq!(outcome.expect("runs").as_array().expect("rows").len(), 20);
    }
}
