//! Durable Objects of another process: the same calls within one workerd, and from one to another through Rust.

mod common;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use common::Workerd;
use hearth_rpc::{Callee, Object, RouteError, Router, RpcThreads, ServeHandle};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio::sync::watch;

struct Namespace {
    debug: Mutex<PathBuf>,
    leaving: watch::Sender<bool>,
    leases: Arc<AtomicUsize>,
    refuse: Mutex<Option<RouteError>>,
}

struct Lease(Arc<AtomicUsize>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Router for Namespace {
    fn is_namespace(&self, binding: &str) -> bool {
        assert_eq!(binding, "rooms");
        true
    }

    async fn route(&self, _: &str, object: Option<&Object>) -> Result<Callee, RouteError> {
        if let Some(error) = self.refuse.lock().unwrap().clone() {
            return Err(error);
        }
        let object = object.expect("an object is named");
        let mut props = json!({"namespace": "ROOMS", "id": object.id});
        if let Some(name) = &object.name {
            props["name"] = json!(name);
        }
        self.leases.fetch_add(1, Ordering::SeqCst);
        let mut leaving = self.leaving.subscribe();
        Ok(Callee {
            debug_socket: self.debug.lock().unwrap().clone(),
            service: "objects".to_owned(),
            entrypoint: Some("Objects".to_owned()),
            props_json: Some(props.to_string()),
            lease: Box::new(Lease(self.leases.clone())),
            leaving: Box::pin(async move {
                let _ = leaving.wait_for(|leaving| *leaving).await;
            }),
            http: None,
        })
    }
}

struct Bench {
    dir: tempfile::TempDir,
    router: Arc<Namespace>,
    host: Option<Workerd>,
    front: PathBuf,
    alone: PathBuf,
    _processes: Vec<Workerd>,
    _rpc: ServeHandle,
    _threads: RpcThreads,
}

const NAMESPACE: &str = "0123456789abcdef0123456789abcdef";

impl Bench {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("temp dir");
        let runtime = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../runtime/objects");
        for (name, text) in [
            ("objects.js", include_str!("workers/objects.js").to_owned()),
            ("caller.js", include_str!("workers/objects-caller.js").to_owned()),
            (
                "front.js",
                include_str!("workers/objects-caller.js").lines().skip(1).collect::<Vec<_>>().join("\n"),
            ),
            ("forward.js", std::fs::read_to_string(runtime.join("forward.js")).unwrap()),
            ("pass.js", std::fs::read_to_string(runtime.join("pass.js")).unwrap()),
            ("enter.js", std::fs::read_to_string(runtime.join("enter.js")).unwrap()),
            (
                "classes.js",
                "import { forward } from './forward.js'; export const N0 = forward('N0'); export default {};"
                    .into(),
            ),
        ] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let threads = RpcThreads::new(1).expect("threads");
        let rpc = dir.path().join("rpc.sock");
        let router = Arc::new(Namespace {
            debug: Mutex::default(),
            leaving: watch::Sender::new(false),
            leases: Arc::default(),
            refuse: Mutex::default(),
        });
        let listener = UnixListener::bind(&rpc).expect("bind");
        let served = hearth_rpc::serve(listener, |_| true, router.clone(), &threads);
        let front = dir.path().join("front.sock");
        let alone = dir.path().join("alone.sock");
        let mut bench = Self {
            dir,
            router,
            host: None,
            front,
            alone,
            _processes: vec![],
            _rpc: served,
            _threads: threads,
        };
        bench.start_host("first");
        let front = format!(
            r#"
  (name = "main", worker = (modules = [(name = "front.js", esModule = embed "front.js")],
    compatibilityDate = "2026-11-01", bindings = [(name = "ROOMS", durableObjectNamespace = (className = "N0", serviceName = "forward"))])),
  (name = "forward", worker = (compatibilityDate = "2026-11-01",
    modules = [(name = "classes.js", esModule = embed "classes.js"), (name = "forward.js", esModule = embed "forward.js"), (name = "pass.js", esModule = embed "pass.js")],
    bindings = [(name = "N0", service = "rooms")],
    durableObjectNamespaces = [(className = "N0", uniqueKey = "{NAMESPACE}")], durableObjectStorage = (inMemory = void))),
  (name = "rooms", external = (address = "unix:{rpc}", http = (capnpConnectHost = "rooms",
    cfBlobHeader = "X-Hearth-CF", forwardedProtoHeader = "X-Forwarded-Proto",
    injectRequestHeaders = [(name = "X-Hearth-Binding", value = "rooms")])))"#,
            rpc = rpc.display(),
        );
        let alone = format!(
            r#"
  (name = "main", worker = (modules = [(name = "caller.js", esModule = embed "caller.js"), (name = "objects.js", esModule = embed "objects.js")],
    compatibilityDate = "2026-11-01", bindings = [(name = "ROOMS", durableObjectNamespace = "Room")],
    durableObjectNamespaces = [(className = "Room", uniqueKey = "{NAMESPACE}", enableSql = true)], durableObjectStorage = (inMemory = void)))"#
        );
        let (front_socket, alone_socket) = (bench.front.clone(), bench.alone.clone());
        let front = bench.start("front", &front, &front_socket, &[]);
        let alone = bench.start("alone", &alone, &alone_socket, &[]);
        bench._processes.extend([front, alone]);
        bench
    }

    fn start(&self, name: &str, services: &str, ready: &std::path::Path, extra: &[String]) -> Workerd {
        let text = format!(
            r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (services = [{services}],
  sockets = [(name = "http", address = "unix:{socket}", http = (), service = "main")]);"#,
            socket = self.dir.path().join(format!("{name}.sock")).display(),
        );
        let config = self.dir.path().join(format!("{name}.capnp"));
        std::fs::write(&config, text).unwrap();
        Workerd::start(&config, ready, extra)
    }

    fn start_host(&mut self, name: &str) {
        let disk = self.dir.path().join("do");
        std::fs::create_dir_all(&disk).unwrap();
        let services = format!(
            r#"
  (name = "main", worker = (modules = [(name = "objects.js", esModule = embed "objects.js")], compatibilityDate = "2026-11-01",
    durableObjectNamespaces = [(className = "Room", uniqueKey = "{NAMESPACE}", enableSql = true)], durableObjectStorage = (localDisk = "do"))),
  (name = "objects", worker = (modules = [(name = "enter.js", esModule = embed "enter.js"), (name = "pass.js", esModule = embed "pass.js")], compatibilityDate = "2026-11-01",
    bindings = [(name = "ROOMS", durableObjectNamespace = (className = "Room", serviceName = "main"))])),
  (name = "do", disk = (path = "{disk}", writable = true))"#,
            disk = disk.display(),
        );
        let debug = self.dir.path().join(format!("{name}-debug.sock"));
        let extra = ["--debug-port".to_owned(), format!("unix:{}", debug.display())];
        let process = self.start(name, &services, &debug, &extra);
        *self.router.debug.lock().unwrap() = debug;
        self.host = Some(process);
    }

    async fn run(&self, case: &str) -> Value {
        common::run(&self.front, &format!("/{case}")).await
    }

    async fn until_leases(&self, count: usize) {
        let waited = tokio::time::timeout(Duration::from_secs(10), async {
            while self.router.leases.load(Ordering::SeqCst) != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        if waited.await.is_err() {
            panic!("{} leases instead of {count}", self.router.leases.load(Ordering::SeqCst));
        }
    }
}

/// What differs: whose fault it was that an upgrade failed cannot be said over HTTP, and errors of another process are
/// `remote`.
fn comparable(mut seen: Value) -> Value {
    for case in ["abort", "socketFails"] {
        let error = if case == "abort" { &mut seen[case][0] } else { &mut seen[case]["thrown"] };
        error.as_object_mut().expect("an error").remove("remote");
    }
    let error = seen["socketFails"]["thrown"].as_object_mut().expect("an error");
    error.retain(|key, _| key == "message");
    seen
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_of_another_process_is_as_one_of_the_own() {
    let bench = Bench::new().await;
    let alone = comparable(common::run(&bench.alone, "/").await);
    let apart = comparable(bench.run("").await);
    assert_eq!(alone["who"]["name"], "bob");
    assert_eq!(alone["fail"]["thrown"]["code"], "E_CUSTOM");
    assert_eq!(alone["abort"][0]["durableObjectReset"], true);
    assert_eq!(alone["order"].as_array().unwrap().len(), 100);
    for (case, expected) in alone.as_object().unwrap() {
        assert_eq!(&apart[case], expected, "{case}");
    }
    bench.until_leases(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_call_says_why() {
    let bench = Bench::new().await;
    *bench.router.refuse.lock().unwrap() = Some(RouteError::unavailable("Worker chat is overloaded."));
    let seen = bench.run("").await;
    for case in ["who", "fetch", "socket", "callback"] {
        assert_eq!(seen[case]["thrown"]["message"], "Worker chat is overloaded.", "{case}: {seen}");
    }
    *bench.router.refuse.lock().unwrap() = None;
    assert_eq!(bench.run("version").await["name"], "bob");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_dies_is_a_lost_connection_and_the_next_call_meets_its_successor() {
    let mut bench = Bench::new().await;
    assert!(bench.run("increments/3").await.is_number());
    let front = bench.front.clone();
    let call = tokio::spawn(async move { common::run(&front, "/slow").await });
    bench.until_leases(1).await;
    bench.host.as_ref().unwrap().signal(Signal::KILL);
    let error = call.await.unwrap();
    // A lease is taken before the connection: the end comes while it is made, or afterwards.
    let message = error["thrown"]["message"].as_str().unwrap_or_default();
    let lost = ["Network connection lost.", "The worker that this service binding calls is not running."];
    assert!(lost.contains(&message), "{error}");
    assert_eq!(error["thrown"]["retryable"], true, "{error}");
    bench.until_leases(0).await;
    bench.start_host("second");
    assert_eq!(bench.run("version").await["name"], "bob");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_are_closed_in_order_when_the_host_is_to_go() {
    let bench = Bench::new().await;
    let front = bench.front.clone();
    let open = tokio::spawn(async move { common::run(&front, "/closes").await });
    bench.until_leases(1).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    bench.router.leaving.send_replace(true);
    assert_eq!(open.await.unwrap(), 1012);
    bench.until_leases(0).await;
    assert_eq!(bench.run("closed").await, 1012);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_object_finishes_its_work_for_a_caller_that_went_away() {
    let bench = Bench::new().await;
    let front = bench.front.clone();
    let call = tokio::spawn(async move { common::run(&front, "/later").await });
    bench.until_leases(1).await;
    call.abort();
    assert_eq!(bench.router.leases.load(Ordering::SeqCst), 1);
    bench.until_leases(0).await;
    assert_eq!(bench.run("closed").await, "later");
}
