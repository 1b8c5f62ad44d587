//! Kills the server again and again while Durable Objects write, and looks whether what they acknowledged is there, whole,
//! and whether their alarms ring.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearth_testing::{Form, Hearth, Ledger, send_to, tests_folder};
use http::Request;
use rand::Rng as _;
use serde_json::{Value, json};

const WORKER: &str = "objects-torture";

/// Ways to write: each has an object. `tests/apps/objects-torture` knows what they do.
const WAYS: [&str; 4] = ["pairs", "transaction", "sql", "alarm"];

/// How long after a restart the last alarm may ring: it starts at once.
const LATE: Duration = Duration::from_secs(30);

/// Kills of a run. `make torture` asks for more.
fn kills() -> u64 {
    std::env::var("HEARTH_TORTURE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(6)
}

async fn deploy(hearth: &Hearth) {
    let source = std::fs::read_to_string(tests_folder("apps/objects-torture/index.js")).expect("the source");
    let metadata = json!({
        "main_module": "index.js", "compatibility_date": "2026-11-01",
        "bindings": [{ "name": "PLACES", "type": "durable_object_namespace", "class_name": "Place" }],
        "migrations": { "new_tag": "v1", "new_sqlite_classes": ["Place"] },
    });
    let form = Form::default().metadata(&metadata.to_string());
    hearth
        .api_form(
            "PUT",
            &format!("/accounts/:a/workers/scripts/{WORKER}"),
            form.part("index.js", "application/javascript+module", source).finish(),
        )
        .await
        .result();
    let subdomain = format!("/accounts/:a/workers/scripts/{WORKER}/subdomain");
    hearth.api("POST", &subdomain, Some(json!({ "enabled": true }))).await.result();
}

async fn write(address: SocketAddr, host: &str, way: &str, n: u64) -> bool {
    let request = Request::post(format!("/write/{way}/{n}")).header("host", host);
    let request = request.body(Bytes::new()).expect("a valid request");
    matches!(send_to(address, request).await, Ok(answer) if answer.status == 200)
}

/// What stands in an object: 0 for nothing.
async fn read(hearth: &Hearth, way: &str) -> Vec<u64> {
    let answer = hearth.get(&hearth.host(WORKER), &format!("/read/{way}")).await;
    assert_eq!(answer.status, 200, "{way}: {}", answer.text());
    let found: Vec<Value> = serde_json::from_str(&answer.text()).expect("a list");
    found.iter().map(|number| number.as_u64().unwrap_or(0)).collect()
}

/// Looks at every file of SQLite below a folder, while nobody uses them.
fn check_files(folder: &Path) -> usize {
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            checked += check_files(&path);
        } else if path.extension().is_some_and(|extension| extension == "sqlite") {
            let connection = rusqlite::Connection::open(&path).expect("it opens");
            let said: String =
                connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("it is checked");
            assert_eq!(said, "ok", "{}", path.display());
            checked += 1;
        }
    }
    checked
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_server_loses_no_acknowledged_write_of_an_object() {
    let mut hearth = Hearth::start().await;
    deploy(&hearth).await;
    let (address, host) = (hearth.address(), hearth.host(WORKER));
    let ledger = Ledger::new(WAYS.len());
    let mut files = 0;
    for round in 1..=kills() {
        let load = Duration::from_millis(rand::rng().random_range(20..700));
        ledger.until_killed(&mut hearth, load, |writer, n| write(address, &host, WAYS[writer], n)).await;
        // The jailer ends the workers when Hearth is gone; the next start waits for their locks by itself.
        hearth.start_again().await;
        let began = Instant::now();
        for (writer, way) in WAYS.iter().enumerate() {
            let mut found = read(&hearth, way).await;
            while *way == "alarm" && found[0] != found[1] {
                assert!(began.elapsed() < LATE, "round {round}: armed {}, rang {}", found[0], found[1]);
                tokio::time::sleep(Duration::from_millis(20)).await;
                found = read(&hearth, way).await;
            }
            let possible = ledger.possible(writer);
            let whole = found.iter().all(|number| number == found.first().unwrap_or(&0));
            let is_right = whole && possible.contains(found.first().unwrap_or(&0));
            assert!(is_right, "round {round}, {way}: {found:?}, should be in {possible:?}");
        }
        if round.is_multiple_of(3) {
            hearth.stop().await;
            files += check_files(&hearth.data().join("do"));
            hearth.start_again().await;
        }
    }
    assert!(ledger.acknowledged() > kills(), "too little was written");
    println!("{} kills, {} writes acknowledged, {files} files looked at", kills(), ledger.acknowledged());
}
