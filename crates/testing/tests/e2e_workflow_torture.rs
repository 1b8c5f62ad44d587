//! Kills the server, or the processes of its workers alone, while workflows are created, take their steps, sleep and get
//! events, and looks whether every instance whose creation was answered comes to its end by itself, with every event, and
//! whether a step ran again whose result was recorded.
//!
//! When a result is recorded cannot be seen from outside, but it must be before the next step begins: what began before
//! that must not begin again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearth_testing::{Form, Hearth, send_to, tests_folder};
use http::Request;
use parking_lot::Mutex;
use rand::Rng as _;
use serde_json::{Value, json};

const WORKER: &str = "workflow-torture";
const EVENTS: [&str; 2] = ["first", "second"];
const CREATORS: usize = 2;
const SENDERS: usize = 2;

/// How long after the last kill everything may take: code that was killed goes on within ten seconds, up to its sleep or
/// its end, and each instance was killed up to then.
const PATIENCE: Duration = Duration::from_secs(90);

/// How late a sleep may end: it is killed on its way to the next step now and then, and goes on ten seconds later.
const LATE: Duration = Duration::from_secs(60);

/// Kills of a run. `make torture` asks for more.
fn kills() -> u64 {
    std::env::var("HEARTH_TORTURE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(6)
}

#[derive(Clone)]
struct Created {
    id: String,
    /// Milliseconds that it sleeps.
    sleep: u64,
    with_events: bool,
}

struct Target {
    address: SocketAddr,
    host: String,
    namespace: String,
    /// Instances whose creation was answered.
    created: Mutex<Vec<Created>>,
    /// Events that were not answered yet.
    due: Mutex<VecDeque<(String, usize)>>,
    /// Events that were answered.
    sent: Mutex<usize>,
}

impl Target {
    async fn post(&self, path: String, body: Value) -> bool {
        let request = Request::post(path).header("host", &self.host);
        let request = request.body(Bytes::from(body.to_string())).expect("a valid request");
        matches!(send_to(self.address, request).await, Ok(answer) if answer.status == 200)
    }

    /// Creates one after the other until told to stop.
    async fn create(&self, round: u64, creator: usize, stop: &AtomicBool) {
        for n in 0.. {
            if stop.load(Ordering::Relaxed) {
                return;
            }
            let (id, with_events) = (format!("{round}-{creator}-{n}"), n % 2 == 1);
            let (sleep, work) = {
                let mut random = rand::rng();
                (random.random_range(0..3_000), random.random_range(0..1_500))
            };
            let params = json!({ "sleep": sleep, "work": work, "events": with_events });
            if self.post(format!("/create/{id}"), params).await {
                self.created.lock().push(Created { id: id.clone(), sleep, with_events });
                if with_events {
                    self.due.lock().push_back((id, 0));
                }
            }
            tokio::time::sleep(Duration::from_millis(60)).await;
        }
    }

    /// Sends what is due until told to stop; what is not answered is sent again.
    async fn send(&self, stop: impl Fn() -> bool) {
        while !stop() {
            let next = self.due.lock().pop_front();
            if let Some((id, event)) = next {
                let path = format!("/event/{id}/{}", EVENTS[event]);
                if self.post(path, json!({})).await {
                    *self.sent.lock() += 1;
                    if event + 1 < EVENTS.len() {
                        self.due.lock().push_back((id, event + 1));
                    }
                } else {
                    self.due.lock().push_back((id, event));
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The names below a prefix that workflows wrote. No worker is asked, since asking may set an instance going.
    async fn names(&self, hearth: &Hearth, prefix: &str) -> Vec<String> {
        let (mut names, mut cursor) = (Vec::new(), String::new());
        loop {
            let path = format!(
                "/accounts/:a/storage/kv/namespaces/{}/keys?prefix={prefix}&cursor={cursor}",
                self.namespace
            );
            let page = hearth.api("GET", &path, None).await;
            let found = page.result().as_array().expect("a list").iter();
            names.extend(
                found.filter_map(|key| key["name"].as_str()?.strip_prefix(prefix)).map(str::to_owned),
            );
            match page.body["result_info"]["cursor"].as_str() {
                Some(next) if !next.is_empty() => next.clone_into(&mut cursor),
                _ => return names,
            }
        }
    }
}

async fn deploy(hearth: &Hearth) -> Target {
    let made = json!({ "title": "ledger" });
    let made = hearth.api("POST", "/accounts/:a/storage/kv/namespaces", Some(made)).await;
    let namespace = made.result()["id"].as_str().expect("an id").to_owned();
    let metadata = json!({
        "main_module": "index.js", "compatibility_date": "2026-01-01",
        "bindings": [
            { "name": "LEDGER", "type": "kv_namespace", "namespace_id": namespace },
            { "name": "TORTURE", "type": "workflow", "workflow_name": "torture", "class_name": "Torture" },
        ],
    });
    let source = std::fs::read(tests_folder("apps/workflow-torture/index.js")).expect("the app is there");
    let form = Form::default().metadata(&metadata.to_string());
    let form = form.part("index.js", "application/javascript+module", source);
    hearth.upload(WORKER, form.finish()).await.result();
    let subdomain = format!("/accounts/:a/workers/scripts/{WORKER}/subdomain");
    hearth.api("POST", &subdomain, Some(json!({ "enabled": true }))).await.result();
    Target {
        address: hearth.address(),
        host: hearth.host(WORKER),
        namespace,
        created: Mutex::default(),
        due: Mutex::default(),
        sent: Mutex::default(),
    }
}

/// When each step of each instance began to run, in milliseconds since 1970: the time of each try.
type Starts = HashMap<String, BTreeMap<u32, Vec<u64>>>;

/// Reads what stands below `ran/`: `<instance>/<step>/<time>/<unique>`.
fn starts(ran: &[String]) -> Starts {
    let mut starts = Starts::new();
    for entry in ran {
        let parts: Vec<&str> = entry.split('/').collect();
        let [instance, step, time, _] = parts[..] else { panic!("no worker writes {entry:?}") };
        let (step, time) = (step.parse().expect("a number"), time.parse().expect("a time"));
        starts.entry(instance.to_owned()).or_default().entry(step).or_default().push(time);
    }
    starts
}

/// What began again though a later step of its instance had begun before.
fn ran_too_often(starts: &Starts) -> Vec<String> {
    let mut faults = Vec::new();
    for (instance, steps) in starts {
        let mut next = u64::MAX;
        for (step, times) in steps.iter().rev() {
            let again = times.iter().filter(|time| **time > next).count();
            if again > 0 {
                faults.push(format!(
                    "step {step} of {instance} ran {again} times after its result was recorded"
                ));
            }
            next = times.iter().copied().min().unwrap_or(next).min(next);
        }
    }
    faults
}

/// How long after its time an instance woke that slept between its second step and its third.
fn late(steps: &BTreeMap<u32, Vec<u64>>, sleep: u64) -> Duration {
    let (Some(slept), Some(woke)) = (steps[&2].iter().max(), steps[&3].iter().min()) else {
        return Duration::ZERO;
    };
    Duration::from_millis(woke.saturating_sub(slept + sleep))
}

#[test]
fn a_step_that_runs_again_is_seen() {
    let ran = |entries: &[&str]| {
        let entries: Vec<_> = entries.iter().map(|entry| (*entry).to_owned()).collect();
        ran_too_often(&starts(&entries))
    };
    assert!(ran(&["a/1/10/x", "a/1/15/y", "a/2/15/z", "b/1/99/x"]).is_empty());
    assert_eq!(ran(&["a/1/10/x", "a/3/12/y", "a/1/13/z"]).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_server_or_the_worker_loses_no_step_and_repeats_none() {
    let mut hearth = Hearth::start().await;
    let target = deploy(&hearth).await;
    let began = Instant::now();
    for round in 1..=kills() {
        let load = Duration::from_millis(rand::rng().random_range(50..1_500));
        let stop = AtomicBool::new(false);
        let creators = (0..CREATORS).map(|creator| target.create(round, creator, &stop));
        let senders = (0..SENDERS).map(|_| target.send(|| stop.load(Ordering::Relaxed)));
        let kill = async {
            tokio::time::sleep(load).await;
            // Every other time the server stays, and is to notice.
            if round.is_multiple_of(2) {
                hearth.kill_runtimes();
            } else {
                hearth.kill().await;
            }
            stop.store(true, Ordering::Relaxed);
        };
        tokio::join!(futures::future::join_all(creators), futures::future::join_all(senders), kill);
        if !round.is_multiple_of(2) {
            hearth.start_again().await;
        }
    }
    let killed = Instant::now();
    let created = target.created.lock().clone();
    tokio::time::timeout(PATIENCE, target.send(|| target.due.lock().is_empty()))
        .await
        .expect("events can be sent when nothing is killed");
    let done = loop {
        let done: HashMap<String, String> = target
            .names(&hearth, "done/")
            .await
            .iter()
            .filter_map(|name| name.split_once('/'))
            .map(|(id, brought)| (id.to_owned(), brought.to_owned()))
            .collect();
        let missing: Vec<_> =
            created.iter().map(|one| &one.id).filter(|id| !done.contains_key(*id)).collect();
        if missing.is_empty() {
            break done;
        }
        assert!(
            killed.elapsed() < PATIENCE,
            "{} of {} stand still: {missing:?}",
            missing.len(),
            created.len()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    let settled = killed.elapsed();
    let starts = starts(&target.names(&hearth, "ran/").await);
    let mut faults = ran_too_often(&starts);
    let mut latest = Duration::ZERO;
    for Created { id, sleep, with_events } in &created {
        let brought = EVENTS.map(|event| format!("{event} of {id}")).join("+");
        if *with_events && done[id] != brought {
            faults.push(format!("the events of {id} brought {:?}", done[id]));
        }
        latest = latest.max(late(&starts[id], *sleep));
    }
    let steps = || starts.values().flat_map(BTreeMap::values);
    println!(
        "{} kills in {:.0?}: {} instances, {} events, {} steps that ran {} times; a sleep ended {latest:.1?} late at \
         most, everything was done {settled:.1?} after the last kill",
        kills(),
        began.elapsed(),
        created.len(),
        target.sent.lock(),
        steps().count(),
        steps().map(Vec::len).sum::<usize>(),
    );
    assert!(!created.is_empty() && *target.sent.lock() > 0, "too little was done");
    assert!(latest < LATE, "a sleep ended {latest:?} late");
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}
