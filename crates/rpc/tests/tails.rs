//! Traces from a real workerd. This also holds our description of them against the pinned binary.

mod common;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::Workerd;
use hearth_rpc::{
    DebugPort, Entrypoint, Event, ExecutionModel, Log, LogLevel, Outcome, RpcThreads, TailHandle, TailItem,
    TailReceiver, Trace, TraceSink,
};
use http_body_util::BodyExt as _;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio::sync::mpsc;

/// Keeps everything, or what is not quiet.
struct Keep {
    all: AtomicBool,
    traces: mpsc::UnboundedSender<Trace>,
}

impl TraceSink for Keep {
    fn wants(&self, quiet: bool) -> Option<u8> {
        (!quiet || self.all.load(Ordering::SeqCst)).then_some(0)
    }

    fn take(&self, trace: Trace, _: u8) {
        let _ = self.traces.send(trace);
    }

    fn dropped(&self, count: u64) {
        panic!("{count} traces dropped");
    }
}

struct Tailed {
    dir: tempfile::TempDir,
    process: Workerd,
    receiver: TailReceiver,
    handle: TailHandle,
    sink: Arc<Keep>,
    traces: mpsc::UnboundedReceiver<Trace>,
}

impl Tailed {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        std::fs::write(path("tailed.js"), include_str!("workers/tailed.js")).unwrap();
        let text = format!(
            r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "tailed.js", esModule = embed "tailed.js")], compatibilityDate = "2026-11-01",
    durableObjectNamespaces = [(className = "Room", uniqueKey = "room", enableSql = true)],
    durableObjectStorage = (inMemory = void),
    bindings = [(name = "NAMED", service = (name = "main", entrypoint = "Named")),
      (name = "OBJECT", durableObjectNamespace = "Room")],
    tails = ["tail"])),
  (name = "tail", external = (address = "unix:{tail}", http = (capnpConnectHost = "tail")))],
  sockets = [(name = "http", address = "unix:{http}", service = "main", http = (cfBlobHeader = "X-Hearth-CF"))]);"#,
            tail = path("tail.sock").display(),
            http = path("http.sock").display(),
        );
        std::fs::write(path("config.capnp"), text).unwrap();
        let (traces, kept) = mpsc::unbounded_channel();
        let sink = Arc::new(Keep { all: true.into(), traces });
        let receiver = TailReceiver::new().unwrap();
        let handle =
            receiver.serve(UnixListener::bind(path("tail.sock")).unwrap(), |_| true, Arc::clone(&sink) as _);
        let process = Workerd::start(&path("config.capnp"), &path("http.sock"), &[]);
        Self { process, receiver, handle, sink, traces: kept, dir }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("http.sock")
    }

    async fn get(&self, path: &str) -> u16 {
        let response = common::get(&self.socket(), path).await;
        let status = response.status().as_u16();
        response.into_body().collect().await.unwrap();
        status
    }

    async fn next(&mut self) -> Trace {
        let next = tokio::time::timeout(Duration::from_secs(10), self.traces.recv());
        next.await.expect("a trace").expect("the sink is there")
    }
}

fn lines(logs: &[Log]) -> Vec<(LogLevel, Value)> {
    logs.iter().map(|log| (log.level, serde_json::from_str(&log.message_json).expect("JSON"))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fetch_says_what_came_and_what_was_logged() {
    let mut tailed = Tailed::start();
    assert_eq!(tailed.get("/log").await, 201);
    let trace = tailed.next().await;
    assert_eq!(trace.outcome, Outcome::Ok);
    assert_eq!(trace.response_status, Some(201));
    assert_eq!((trace.entrypoint.as_deref(), trace.truncated), (None, false));
    assert_eq!(trace.execution_model, ExecutionModel::Stateless);
    let Some(Event::Fetch(fetch)) = &trace.event else { panic!("{:?}", trace.event) };
    assert_eq!((fetch.method.as_str(), fetch.url.as_str()), ("GET", "http://caller.test/log"));
    assert_eq!(fetch.header("host"), Some("caller.test"));
    assert_eq!(
        lines(&trace.logs),
        [
            (LogLevel::Log, json!(["hi", {"a": 1}, [2], null, null, "ü"])),
            (LogLevel::Warn, json!(["careful"])),
            (LogLevel::Error, json!(["TypeError: logged"])),
            (LogLevel::Debug, json!(["detail"])),
            (LogLevel::Info, json!(["info"])),
            (LogLevel::Log, json!(["later"])),
        ]
    );
    let info = trace.logs[2].errors[0].as_ref().expect("the argument is an error");
    assert_eq!((info.name.as_str(), info.message.as_str()), ("TypeError", "logged"));
    assert!(info.stack.as_deref().is_some_and(|stack| stack.contains("tailed.js:")), "{info:?}");
    let waited = trace.logs[5].timestamp_ms - trace.event_timestamp_ms;
    assert!((20..10_000).contains(&waited), "{waited} ms between event and the last log");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_caught_has_its_stack() {
    let mut tailed = Tailed::start();
    assert_eq!(tailed.get("/throw").await, 500);
    let trace = tailed.next().await;
    assert_eq!(trace.outcome, Outcome::Exception);
    let [exception] = &trace.exceptions[..] else { panic!("{trace:?}") };
    assert_eq!((exception.name.as_str(), exception.message.as_str()), ("RangeError", "thrown here"));
    assert!(exception.stack.as_deref().is_some_and(|stack| stack.contains("tailed.js:")), "{exception:?}");
    assert_eq!(tailed.get("/reject").await, 200);
    let trace = tailed.next().await;
    assert_eq!(trace.outcome, Outcome::Ok);
    assert_eq!(trace.exceptions[0].message, "rejected later");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_and_objects_are_events_of_their_own() {
    let mut tailed = Tailed::start();
    let mut seen = Vec::new();
    for path in ["/call", "/object"] {
        assert_eq!(tailed.get(path).await, 200);
        seen.extend([tailed.next().await, tailed.next().await]);
    }
    let logged: Vec<_> = seen.into_iter().filter(|trace| !trace.logs.is_empty()).collect();
    let [called, object] = &logged[..] else { panic!("{logged:?}") };
    for trace in [called, object] {
        assert_eq!(trace.event, Some(Event::JsRpc { method: "shout".to_owned() }));
    }
    assert_eq!(called.entrypoint.as_deref(), Some("Named"));
    assert_eq!(called.durable_object_id, None);
    assert_eq!(object.entrypoint.as_deref(), Some("Room"));
    assert_eq!(object.execution_model, ExecutionModel::DurableObject);
    assert_eq!(object.durable_object_id.as_ref().map(String::len), Some(64));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_is_cut_and_the_quiet_may_be_left_out() {
    let mut tailed = Tailed::start();
    tailed.sink.all.store(false, Ordering::SeqCst);
    assert_eq!(tailed.get("/quiet").await, 200);
    assert_eq!(tailed.get("/flood").await, 200);
    let trace = tailed.next().await;
    assert!(trace.truncated && trace.logs.len() < 300, "{} lines", trace.logs.len());
    assert!(trace.logs.last().unwrap().message_json.contains("Log size limit exceeded"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_process_said_last_is_taken_before_the_end() {
    let mut tailed = Tailed::start();
    for _ in 0..50 {
        assert_eq!(tailed.get("/log").await, 201);
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    tailed.process.signal(Signal::KILL);
    drop(tailed.handle);
    tokio::time::timeout(Duration::from_secs(10), tailed.receiver.finished()).await.expect("an end");
    let mut count = 0;
    while tailed.traces.try_recv().is_ok() {
        count += 1;
    }
    assert_eq!(count, 50);
}

/// A worker that tails others gets what workerd itself would give it, the worker's name and version with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn traces_reach_a_tail_handler() {
    let mut tailed = Tailed::start();
    for path in ["/log", "/throw", "/call"] {
        tailed.get(path).await;
    }
    let mut items = Vec::new();
    for _ in 0..4 {
        let (trace, script) = (Arc::new(tailed.next().await), "producer".to_owned());
        items.push(TailItem { trace, script, version: 0x0123_4567_89ab_4def_8123_4567_89ab_cdef });
    }
    let path = |name: &str| tailed.dir.path().join(name);
    std::fs::write(path("tailer.js"), include_str!("workers/tailer.js")).unwrap();
    let text = format!(
        r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "tailer.js", esModule = embed "tailer.js")], compatibilityDate = "2026-11-01"))],
  sockets = [(name = "http", address = "unix:{}", service = "main", http = ())]);"#,
        path("tailer.sock").display()
    );
    std::fs::write(path("tailer.capnp"), text).unwrap();
    let debug = path("tailer-debug.sock");
    let extra = ["--debug-port".to_owned(), format!("unix:{}", debug.display())];
    let _tailer = Workerd::start(&path("tailer.capnp"), &debug, &extra);
    let port = DebugPort::new(&debug, &RpcThreads::new(1).unwrap());
    let entrypoint = || Entrypoint { service: "main".to_owned(), ..Entrypoint::default() };
    port.send_traces(entrypoint(), items).await.expect("delivered");
    let request = http::Request::get("http://tailer/").body(http_body_util::Empty::new()).unwrap();
    let answer = port.fetch(entrypoint(), request).await.expect("an answer");
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let seen: Value = serde_json::from_slice(&body).expect("JSON");
    let of = |path: &str| {
        let all = seen.as_array().expect("a list");
        all.iter()
            .find(|item| item["event"]["request"]["url"] == format!("http://caller.test{path}"))
            .expect(path)
    };
    for item in seen.as_array().unwrap() {
        assert_eq!(item["scriptName"], "producer");
        assert_eq!(item["scriptVersion"]["id"], "01234567-89ab-4def-8123-456789abcdef");
    }
    let logged = of("/log");
    assert_eq!((&logged["outcome"], &logged["entrypoint"]), (&json!("ok"), &json!("default")));
    assert_eq!(logged["event"]["response"]["status"], 201);
    assert_eq!(logged["logs"][0]["message"], json!(["hi", {"a": 1}, [2], null, null, "ü"]));
    assert_eq!(logged["logs"][1]["level"], "warn");
    assert!(logged["eventTimestamp"].as_i64().is_some_and(|at| at > 1_700_000_000_000), "{logged}");
    let thrown = of("/throw");
    assert_eq!(thrown["outcome"], "exception");
    assert_eq!(
        (&thrown["exceptions"][0]["name"], &thrown["exceptions"][0]["message"]),
        (&json!("RangeError"), &json!("thrown here"))
    );
    let called =
        seen.as_array().unwrap().iter().find(|item| item["event"]["rpcMethod"] == "shout").expect("the call");
    assert_eq!(called["entrypoint"], "Named");
}
