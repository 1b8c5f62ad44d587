//! Kills the server again and again under a mixed load on KV, R2 and D1, through a worker and through REST, and looks
//! whether every acknowledged write is there, whole and not undone.

mod state;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearth_testing::{Hearth, Ledger, send_to};
use http::Request;
use rand::Rng as _;
use serde_json::json;
use state::{State, check_databases};

const WORKER: &str = "torture";

/// Ways to write: each has a writer, whose place has the way's name. `tests/apps/torture` knows what they do.
const WAYS: [&str; 15] = [
    "kv_small",
    "kv_large",
    "kv_delete",
    "kv_bulk",
    "kv_rest",
    "r2_small",
    "r2_large",
    "r2_delete",
    "r2_conditional",
    "r2_multipart",
    "r2_rest",
    "d1_single",
    "d1_batch",
    "d1_delete",
    "d1_rest",
];

/// Kills of a run. `make torture` asks for more.
fn kills() -> u64 {
    std::env::var("HEARTH_TORTURE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(6)
}

/// Where the writers write.
struct Target {
    address: SocketAddr,
    worker: String,
    account: String,
    token: String,
    state: State,
}

impl Target {
    /// Whether the write was acknowledged.
    async fn write(&self, way: &str, n: u64) -> bool {
        let account = format!("/client/v4/accounts/{}", self.account);
        let large = format!("{n} {}", "x".repeat(300_000));
        let request = match way {
            "kv_bulk" => {
                let pair = |place: &str| json!({ "key": format!("{way}-{place}"), "value": n.to_string() });
                let path = format!("{account}/storage/kv/namespaces/{}/bulk", self.state.kv);
                let pairs = ["a", "b", "c"].map(pair);
                (Request::put(path), json!(pairs).to_string())
            }
            "kv_rest" => {
                let path = format!("{account}/storage/kv/namespaces/{}/values/{way}", self.state.kv);
                (Request::put(path), large)
            }
            "r2_rest" => {
                (Request::put(format!("{account}/r2/buckets/{}/objects/{way}", self.state.bucket)), large)
            }
            "d1_rest" => {
                let sql = format!(
                    "DELETE FROM numbers WHERE id = '{way}'; INSERT INTO numbers VALUES ('{way}', {n}); SELECT 1"
                );
                let path = format!("{account}/d1/database/{}/query", self.state.d1);
                (Request::post(path), json!({ "sql": sql }).to_string())
            }
            _ => (Request::post(format!("/write/{way}/{n}")), String::new()),
        };
        let (request, body) = request;
        let request = match way {
            "kv_bulk" | "kv_rest" | "r2_rest" | "d1_rest" => {
                request.header("host", "localhost").header("authorization", format!("Bearer {}", self.token))
            }
            _ => request.header("host", &self.worker),
        };
        let request = request.body(Bytes::from(body)).expect("a valid request");
        match send_to(self.address, request).await {
            Ok(answer) if answer.status == 200 => true,
            Ok(answer) => {
                // A server that dies may fail calls on their way out; anything else comes out when it is read.
                eprintln!("{way} {n}: {} {:.200}", answer.status, answer.text());
                false
            }
            Err(_) => false,
        }
    }

    /// What stands at a writer's place, in the words of what [`state_after`] gives.
    async fn read(&self, hearth: &Hearth, way: &str) -> String {
        let answer = hearth.get(&self.worker, &format!("/read/{way}")).await;
        if answer.status == 200 { answer.text() } else { format!("{}: {}", answer.status, answer.text()) }
    }
}

/// What stands at a place when write `n` was the last one that took effect.
fn state_after(way: &str, n: u64) -> String {
    let is_gone = way.ends_with("_delete") && n.is_multiple_of(2);
    if n == 0 || is_gone { "nothing".to_owned() } else { n.to_string() }
}

#[tokio::test]
#[should_panic(expected = "damaged.db")]
async fn a_damaged_database_is_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("damaged.db");
    let fill = "CREATE TABLE t (a TEXT UNIQUE);
                WITH RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 1000) INSERT INTO t SELECT hex(n) FROM n";
    rusqlite::Connection::open(&path).and_then(|made| made.execute_batch(fill)).expect("it is made");
    assert_eq!(check_databases(folder.path()).await, 1);
    let mut bytes = std::fs::read(&path).expect("it is there");
    bytes[8192..12288].fill(7);
    std::fs::write(&path, bytes).expect("it can be written");
    check_databases(folder.path()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_server_loses_nothing_of_what_it_acknowledged() {
    let mut hearth = Hearth::start().await;
    let state = State::deploy(&hearth, WORKER).await;
    let target = Target {
        address: hearth.address(),
        worker: hearth.host(WORKER),
        account: hearth.account().to_owned(),
        token: hearth.token().to_owned(),
        state,
    };
    let ledger = Ledger::new(WAYS.len());
    let (began, mut databases) = (Instant::now(), 0);
    for round in 1..=kills() {
        let load = Duration::from_millis(rand::rng().random_range(20..700));
        ledger.until_killed(&mut hearth, load, |writer, n| target.write(WAYS[writer], n)).await;
        databases += check_databases(&hearth.data()).await;
        if round.is_multiple_of(3) {
            hearth.start_and_kill(Duration::from_millis(rand::rng().random_range(0..500))).await;
        }
        hearth.start_again().await;
        let mut faults = Vec::new();
        for (writer, way) in WAYS.iter().enumerate() {
            let found = target.read(&hearth, way).await;
            let possible = ledger.possible(writer);
            if !possible.clone().any(|n| state_after(way, n) == found) {
                faults.push(format!("{way}: found {found}, should be of {possible:?}"));
            }
        }
        assert!(faults.is_empty(), "after kill {round} at {load:?}:\n{}", faults.join("\n"));
    }
    let writes: BTreeMap<_, _> =
        WAYS.iter().enumerate().map(|(writer, way)| (way, *ledger.possible(writer).start())).collect();
    println!(
        "{} kills in {:.0?}, {} writes acknowledged, {databases} databases looked at: {writes:?}",
        kills(),
        began.elapsed(),
        ledger.acknowledged()
    );
    assert!(writes.values().all(|acknowledged| *acknowledged > 0), "some never wrote: {writes:?}");
}
