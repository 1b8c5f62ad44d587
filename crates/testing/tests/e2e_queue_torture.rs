//! Kills the server while messages are sent, delivered to a worker and pulled by clients, and looks whether every send
//! that was answered is delivered, and nothing is delivered whose acknowledgement was recorded.
//!
//! When a handler's acknowledgement is recorded cannot be seen from outside, but with one batch at a time it must be
//! before the next batch of the same process comes: whatever came in a batch before that must not come again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearth_testing::{Form, Hearth, Ledger, send_to, tests_folder};
use http::Request;
use parking_lot::Mutex;
use rand::Rng as _;
use serde_json::{Value, json};

const WORKER: &str = "queue-torture";
const QUEUES: &str = "/accounts/:a/queues";

/// What writes: each has a writer of its own; the last two pull and acknowledge.
const WAYS: [&str; 6] = ["send", "batch", "rest", "pulled", "puller-a", "puller-b"];

/// Kills of a run. `make torture` asks for more.
fn kills() -> u64 {
    std::env::var("HEARTH_TORTURE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(6)
}

struct Target {
    address: SocketAddr,
    host: String,
    api: String,
    token: String,
    pushed: String,
    pulled: String,
    /// Ids whose acknowledgement over HTTP was answered.
    acknowledged: Mutex<HashSet<String>>,
    /// Bodies that were pulled.
    seen: Mutex<HashSet<String>>,
    /// Bodies whose sending was answered.
    sent: Mutex<Vec<String>>,
    faults: Mutex<Vec<String>>,
}

impl Target {
    async fn call(&self, path: &str, body: Value) -> Option<Value> {
        let request = Request::post(format!("{}/{path}", self.api))
            .header("host", "localhost")
            .header("authorization", format!("Bearer {}", self.token))
            .body(Bytes::from(body.to_string()))
            .expect("a valid request");
        let answer = send_to(self.address, request).await.ok().filter(|answer| answer.status == 200)?;
        Some(answer.json()["result"].clone())
    }

    /// Whether the write was acknowledged.
    async fn write(&self, way: &str, n: u64) -> bool {
        let is_done = self.try_write(way, n).await;
        if is_done {
            match way {
                "batch" => self.sent.lock().extend((1..=5).map(|part| format!("batch {n} {part}"))),
                "puller-a" | "puller-b" => {}
                _ => self.sent.lock().push(format!("{way} {n}")),
            }
        }
        is_done
    }

    async fn try_write(&self, way: &str, n: u64) -> bool {
        match way {
            "rest" => {
                let body = json!({ "body": format!("rest {n}"), "content_type": "text" });
                self.call(&format!("{}/messages", self.pushed), body).await.is_some()
            }
            "puller-a" | "puller-b" => self.pull().await.is_some(),
            _ => {
                let request = Request::get(format!("/{way}/{n}")).header("host", &self.host);
                let request = request.body(Bytes::new()).expect("a valid request");
                send_to(self.address, request).await.is_ok_and(|answer| answer.status == 200)
            }
        }
    }

    /// Pulls some, and acknowledges all but the last of them.
    async fn pull(&self) -> Option<usize> {
        let wanted = json!({ "batch_size": 10, "visibility_timeout_ms": 1000 });
        let pulled = self.call(&format!("{}/messages/pull", self.pulled), wanted).await?;
        let messages = pulled["messages"].as_array().cloned().unwrap_or_default();
        for message in &messages {
            let id = message["id"].as_str().unwrap_or_default();
            if self.acknowledged.lock().contains(id) {
                self.faults.lock().push(format!("{message} was pulled after its acknowledgement"));
            }
        }
        let keep = messages.len().saturating_sub(1).max(1).min(messages.len());
        let acks: Vec<Value> =
            messages[..keep].iter().map(|message| json!({ "lease_id": message["lease_id"] })).collect();
        // What is not acknowledged may be there all the same.
        let bodies = messages[..keep].iter().filter_map(|message| message["body"].as_str());
        self.seen.lock().extend(bodies.map(str::to_owned));
        self.call(&format!("{}/messages/ack", self.pulled), json!({ "acks": acks })).await?;
        for message in &messages[..keep] {
            self.acknowledged.lock().insert(message["id"].as_str().unwrap_or_default().to_owned());
        }
        Some(messages.len())
    }
}

async fn create(hearth: &Hearth, name: &str, consumer: Option<Value>) -> String {
    let made = hearth.api("POST", QUEUES, Some(json!({ "queue_name": name }))).await;
    let id = made.result()["queue_id"].as_str().expect("an id").to_owned();
    if let Some(consumer) = consumer {
        hearth.api("POST", &format!("{QUEUES}/{id}/consumers"), Some(consumer)).await.result();
    }
    id
}

async fn deploy(hearth: &Hearth) -> Target {
    let pull = json!({ "type": "http_pull", "settings": { "max_retries": 100 } });
    let pushed = create(hearth, "pushed", None).await;
    let pulled = create(hearth, "pulled", Some(pull)).await;
    let kv =
        hearth.api("POST", "/accounts/:a/storage/kv/namespaces", Some(json!({ "title": "batches" }))).await;
    let bindings = json!([
        { "name": "PUSHED", "type": "queue", "queue_name": "pushed" },
        { "name": "PULLED", "type": "queue", "queue_name": "pulled" },
        { "name": "KV", "type": "kv_namespace", "namespace_id": kv.result()["id"] },
    ]);
    let metadata =
        json!({ "main_module": "index.js", "compatibility_date": "2026-01-01", "bindings": bindings });
    let source = std::fs::read(tests_folder("apps/queue-torture/index.js")).expect("the app is there");
    let form = Form::default().metadata(&metadata.to_string());
    let form = form.part("index.js", "application/javascript+module", source);
    hearth.upload(WORKER, form.finish()).await.result();
    let subdomain = format!("/accounts/:a/workers/scripts/{WORKER}/subdomain");
    hearth.api("POST", &subdomain, Some(json!({ "enabled": true }))).await.result();
    let settings =
        json!({ "batch_size": 20, "max_wait_time_ms": 0, "max_concurrency": 1, "max_retries": 100 });
    let consumer = json!({ "type": "worker", "script_name": WORKER, "settings": settings });
    hearth.api("POST", &format!("{QUEUES}/{pushed}/consumers"), Some(consumer)).await.result();
    Target {
        address: hearth.address(),
        host: hearth.host(WORKER),
        api: format!("/client/v4/accounts/{}/queues", hearth.account()),
        token: hearth.token().to_owned(),
        pushed,
        pulled,
        acknowledged: Mutex::default(),
        seen: Mutex::default(),
        sent: Mutex::default(),
        faults: Mutex::default(),
    }
}

/// Waits until nothing is left in a queue; `step` helps.
async fn drained(hearth: &Hearth, queue: &str, step: impl AsyncFn()) {
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        step().await;
        let metrics = hearth.api("GET", &format!("{QUEUES}/{queue}/metrics"), None).await;
        if metrics.result()["backlog_count"] == 0 {
            return;
        }
        assert!(Instant::now() < deadline, "messages stay: {metrics:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The batches that the worker was given, in their order: the process that got each, and its messages.
async fn batches(hearth: &Hearth) -> Vec<(String, Vec<(String, String)>)> {
    let (mut all, mut cursor) = (BTreeMap::new(), String::new());
    loop {
        let page = hearth.get(&hearth.host(WORKER), &format!("/batches/{cursor}")).await.json();
        for entry in page["found"].as_array().expect("a list") {
            all.insert(entry[0].as_str().expect("a key").to_owned(), entry[1].clone());
        }
        match page["cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let messages = |batch: &Value| {
        let messages = batch.as_array().expect("a list").iter();
        messages.map(|message| (text(&message[0]), text(&message[1]))).collect()
    };
    let life = |key: &str| key.split(' ').nth(1).expect("three parts").to_owned();
    all.iter().map(|(key, batch)| (life(key), messages(batch))).collect()
}

/// What came again though a later batch of the process that had it shows that it was acknowledged.
fn delivered_too_often(batches: &[(String, Vec<(String, String)>)]) -> Vec<String> {
    let (mut recorded, mut last) = (HashSet::new(), HashMap::new());
    let mut faults = Vec::new();
    for (life, batch) in batches {
        if let Some(before) = last.insert(life, batch) {
            recorded.extend(before.iter().map(|(id, _)| id));
        }
        faults.extend(
            batch
                .iter()
                .filter(|(id, _)| recorded.contains(id))
                .map(|(id, body)| format!("{id} {body} came again")),
        );
    }
    faults
}

#[test]
fn a_message_that_comes_again_is_seen() {
    let batch = |life: &str, id: &str| (life.to_owned(), vec![(id.to_owned(), String::new())]);
    let unrecorded = [batch("a", "1"), batch("b", "1"), batch("b", "2")];
    assert!(delivered_too_often(&unrecorded).is_empty());
    let recorded = [batch("a", "1"), batch("a", "2"), batch("b", "1")];
    assert_eq!(delivered_too_often(&recorded).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_server_loses_no_message_and_brings_none_back() {
    let mut hearth = Hearth::start().await;
    let target = deploy(&hearth).await;
    let ledger = Ledger::new(WAYS.len());
    let began = Instant::now();
    for round in 1..=kills() {
        let load = Duration::from_millis(rand::rng().random_range(50..900));
        ledger.until_killed(&mut hearth, load, |writer, n| target.write(WAYS[writer], n)).await;
        if round.is_multiple_of(3) {
            hearth.start_and_kill(Duration::from_millis(rand::rng().random_range(0..500))).await;
        }
        hearth.start_again().await;
        let faults = target.faults.lock().clone();
        assert!(faults.is_empty(), "after kill {round}:\n{}", faults.join("\n"));
    }
    drained(&hearth, &target.pushed, async || {}).await;
    drained(&hearth, &target.pulled, async || {
        // The server is up; what it refuses is tried again.
        let _ = target.pull().await;
    })
    .await;
    let batches = batches(&hearth).await;
    let came: HashSet<&str> =
        batches.iter().flat_map(|(_, batch)| batch).map(|(_, body)| body.as_str()).collect();
    let mut faults = delivered_too_often(&batches);
    faults.extend(target.faults.lock().iter().cloned());
    let sent = target.sent.lock().clone();
    let is_there = |body: &&String| came.contains(body.as_str()) || target.seen.lock().contains(*body);
    faults.extend(sent.iter().filter(|body| !is_there(body)).map(|body| format!("{body} is lost")));
    for (writer, way) in WAYS.iter().enumerate() {
        assert!(*ledger.possible(writer).start() > 0, "{way} never wrote");
    }
    let deliveries: usize = batches.iter().map(|(_, batch)| batch.len()).sum();
    println!(
        "{} kills in {:.0?}: {} messages sent, {deliveries} deliveries in {} batches, {} acknowledged over HTTP",
        kills(),
        began.elapsed(),
        sent.len(),
        batches.len(),
        target.acknowledged.lock().len()
    );
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
