//! Two workerd processes and a router between them.
#![allow(dead_code, missing_docs)]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use hearth_rpc::{Body, Callee, HttpSender, Object, RouteError, Router, RpcThreads, ServeHandle};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{UnixListener, UnixStream};

fn binary() -> PathBuf {
    std::env::var_os("HEARTH_WORKERD")
        .map(PathBuf::from)
        .expect("HEARTH_WORKERD must name the pinned workerd binary; `make test` sets it")
}

/// A workerd process, killed when dropped.
pub struct Workerd {
    child: Child,
}

impl Workerd {
    pub fn start(config: &Path, ready: &Path, extra: &[String]) -> Self {
        let child = Command::new(binary())
            .arg("serve")
            .arg(config)
            .args(extra)
            .stdout(Stdio::inherit())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("workerd starts");
        let mut process = Self { child };
        while std::os::unix::net::UnixStream::connect(ready).is_err() {
            assert!(process.child.try_wait().expect("wait").is_none(), "workerd ended at start");
            std::thread::sleep(Duration::from_millis(2));
        }
        process
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id() as i32).expect("a pid");
        rustix::process::kill_process(pid, signal).expect("signal");
    }

    pub fn exited(&mut self) -> bool {
        self.child.try_wait().expect("wait").is_some()
    }
}

impl Drop for Workerd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A callee version that runs.
pub struct Version {
    pub process: Workerd,
    pub debug: PathBuf,
    pub http: PathBuf,
    pub direct: PathBuf,
}

#[derive(Default)]
pub struct Switch {
    current: Mutex<Option<(PathBuf, PathBuf)>>,
    pub refuse: Mutex<Option<RouteError>>,
    leases: Mutex<HashMap<PathBuf, Arc<AtomicUsize>>>,
    pub routed: AtomicUsize,
}

struct Lease(Arc<AtomicUsize>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Switch {
    pub fn to(&self, version: &Version) {
        *self.current.lock().unwrap() = Some((version.debug.clone(), version.http.clone()));
    }

    pub fn leases(&self, version: &Version) -> usize {
        self.leases.lock().unwrap().get(&version.debug).map_or(0, |count| count.load(Ordering::SeqCst))
    }

    /// Waits until a version has exactly this many events in flight.
    pub async fn until_leases(&self, version: &Version, count: usize) {
        let waited = tokio::time::timeout(Duration::from_secs(10), async {
            while self.leases(version) != count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        if waited.await.is_err() {
            panic!("{} leases instead of {count}", self.leases(version));
        }
    }
}

#[async_trait]
impl Router for Switch {
    fn is_namespace(&self, _: &str) -> bool {
        false
    }

    async fn route(&self, binding: &str, _: Option<&Object>) -> Result<Callee, RouteError> {
        self.routed.fetch_add(1, Ordering::SeqCst);
        if let Some(error) = self.refuse.lock().unwrap().clone() {
            return Err(error);
        }
        let (debug, http) = self.current.lock().unwrap().clone().expect("a current version");
        let count = self.leases.lock().unwrap().entry(debug.clone()).or_default().clone();
        count.fetch_add(1, Ordering::SeqCst);
        let (entrypoint, props_json, plain) = match binding {
            "svc-default" => (None, None, true),
            "svc-over-rpc" => (None, None, false),
            "svc-props" => (None, Some(r#"{"who":"default","n":1}"#), false),
            "svc-named" => (Some("Named"), Some(r#"{"who":"named","n":2}"#), false),
            "svc-missing" => (Some("Missing"), None, false),
            other => panic!("unknown binding {other}"),
        };
        Ok(Callee {
            debug_socket: debug,
            service: "main".to_owned(),
            entrypoint: entrypoint.map(str::to_owned),
            props_json: props_json.map(str::to_owned),
            lease: Box::new(Lease(count)),
            leaving: Box::pin(std::future::pending()),
            http: plain.then(|| sender(http)),
        })
    }
}

fn sender(socket: PathBuf) -> HttpSender {
    Box::new(move |request| {
        Box::pin(async move {
            let stream = UnixStream::connect(socket).await?;
            let (mut send, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection.with_upgrades());
            let response = send.send_request(request).await?;
            Ok(response.map(|body| -> Body { body.map_err(Into::into).boxed_unsync() }))
        })
    })
}

/// A caller and the versions it may reach.
pub struct Bench {
    pub dir: tempfile::TempDir,
    pub router: Arc<Switch>,
    pub threads: RpcThreads,
    pub caller_http: PathBuf,
    caller: Option<Workerd>,
    rpc: Option<ServeHandle>,
    versions: AtomicUsize,
}

impl Bench {
    pub async fn new() -> (Self, Version) {
        let dir = tempfile::tempdir().expect("temp dir");
        std::fs::write(dir.path().join("callee.js"), include_str!("../workers/callee.js")).unwrap();
        std::fs::write(dir.path().join("caller.js"), include_str!("../workers/caller.js")).unwrap();
        let router = Arc::new(Switch::default());
        let threads = RpcThreads::new(1).expect("threads");
        let rpc = dir.path().join("rpc.sock");
        let served =
            hearth_rpc::serve(UnixListener::bind(&rpc).expect("bind"), |_| true, router.clone(), &threads);
        let caller_http = dir.path().join("caller.sock");
        let mut bench = Self {
            dir,
            router,
            threads,
            caller_http,
            caller: None,
            rpc: Some(served),
            versions: AtomicUsize::new(0),
        };
        let first = bench.version();
        bench.router.to(&first);
        bench.start_caller(&first);
        (bench, first)
    }

    pub fn version(&self) -> Version {
        let number = self.versions.fetch_add(1, Ordering::SeqCst) + 1;
        let path = |name: &str| self.dir.path().join(format!("v{number}-{name}.sock"));
        let (debug, http, direct) = (path("debug"), path("http"), path("direct"));
        let config = self.dir.path().join(format!("v{number}.capnp"));
        let text = format!(
            r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "callee.js", esModule = embed "callee.js")], compatibilityDate = "2026-11-01",
    compatibilityFlags = ["enable_request_signal"],
    bindings = [(name = "VERSION", text = "v{number}")]))],
  sockets = [
    (name = "http", address = "unix:{http}", service = "main",
     http = (cfBlobHeader = "X-Hearth-CF", forwardedProtoHeader = "X-Forwarded-Proto")),
    (name = "direct", address = "unix:{direct}", service = "main", http = (capnpConnectHost = "direct"))]);"#,
            http = http.display(),
            direct = direct.display(),
        );
        std::fs::write(&config, text).unwrap();
        let extra = ["--debug-port".to_owned(), format!("unix:{}", debug.display())];
        let process = Workerd::start(&config, &debug, &extra);
        while !http.exists() || !direct.exists() {
            std::thread::sleep(Duration::from_millis(2));
        }
        Version { process, debug, http, direct }
    }

    fn start_caller(&mut self, direct: &Version) {
        let config = self.dir.path().join("caller.capnp");
        let rpc = self.dir.path().join("rpc.sock");
        let mut services = String::new();
        let mut bindings = String::new();
        for (name, key) in [
            ("DEFAULT", "svc-default"),
            ("RPC", "svc-over-rpc"),
            ("PROPS", "svc-props"),
            ("NAMED", "svc-named"),
            ("MISSING", "svc-missing"),
        ] {
            services += &format!(
                r#"(name = "{key}", external = (address = "unix:{rpc}", http = (capnpConnectHost = "{key}",
  cfBlobHeader = "X-Hearth-CF", forwardedProtoHeader = "X-Forwarded-Proto",
  injectRequestHeaders = [(name = "X-Hearth-Binding", value = "{key}")]))),
"#,
                rpc = rpc.display(),
            );
            bindings += &format!(r#"(name = "{name}", service = "{key}"),"#);
        }
        let text = format!(
            r#"using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "caller.js", esModule = embed "caller.js")], compatibilityDate = "2026-11-01",
    bindings = [{bindings} (name = "DIRECT", service = "direct")])),
  (name = "direct", external = (address = "unix:{direct}", http = (capnpConnectHost = "direct"))),
  {services}],
  sockets = [(name = "http", address = "unix:{http}", http = (), service = "main")]);"#,
            direct = direct.direct.display(),
            http = self.caller_http.display(),
        );
        std::fs::write(&config, text).unwrap();
        self.caller = Some(Workerd::start(&config, &self.caller_http, &[]));
    }

    pub fn caller(&mut self) -> &mut Workerd {
        self.caller.as_mut().expect("the caller runs")
    }

    pub fn stop_serving(&mut self) {
        self.rpc = None;
    }

    /// Runs one case of `caller.js` on a binding.
    pub async fn run(&self, binding: &str, case: &str) -> Value {
        run(&self.caller_http, &format!("/{binding}/{case}")).await
    }
}

pub async fn run(socket: &Path, path: &str) -> Value {
    let response = get(socket, path).await;
    let body = response.into_body().collect().await.expect("body").to_bytes();
    serde_json::from_slice(&body)
        .unwrap_or_else(|error| panic!("{path}: {error}: {}", String::from_utf8_lossy(&body)))
}

pub async fn get(socket: &Path, path: &str) -> Response<hyper::body::Incoming> {
    let stream = UnixStream::connect(socket).await.expect("connect");
    let (mut send, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("handshake");
    tokio::spawn(connection);
    let request =
        Request::get(path).header("host", "caller.test").body(Full::<Bytes>::default()).expect("request");
    send.send_request(request).await.expect("an answer")
}
