//! A gateway on a free port before instances that the test plays.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use hearth_assets::{Contents, Library, SiteSource, Sites};
use hearth_gateway::{
    BoxError, Config, Control, ControlBody, Gateway, Losses, Lost, RouteTable, TableConfig,
};
use hearth_model::{
    AccountId, Dialect, Published, PublishedAccess, PublishedVersion, PublishedWorker, Split, VersionId,
    WorkerId,
};
use hearth_space::Space;
use hearth_supervisor::{AcquireError, Instance, InstanceKey, Instances, Lease};
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio_util::sync::CancellationToken;

/// Long enough for a slow machine; a test that waits so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub type StubBody = UnsyncBoxBody<Bytes, BoxError>;

pub fn full(text: impl Into<Bytes>) -> StubBody {
    Full::new(text.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

pub fn ok(text: impl Into<Bytes>) -> Response<StubBody> {
    Response::new(full(text))
}

/// Waits for something that must happen.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what}: it did not happen"))
}

/// Waits until a condition holds.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    soon(what, async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Instances by version, made by the test.
#[derive(Default)]
pub struct Fleet {
    instances: Mutex<HashMap<VersionId, Arc<Instance>>>,
    pub refuse: Mutex<Option<AcquireError>>,
    pub lost: Mutex<Vec<Lost>>,
}

impl Instances for Fleet {
    fn acquire(&self, _: WorkerId, version: VersionId) -> BoxFuture<'_, Result<Lease, AcquireError>> {
        let refusal = self.refuse.lock().clone();
        let instance = self.instances.lock().get(&version).cloned();
        async move {
            match (refusal, instance) {
                (Some(refusal), _) => Err(refusal),
                (None, None) => Err(AcquireError::NoSuchVersion(version)),
                (None, Some(instance)) => {
                    Lease::take(instance).ok_or(AcquireError::Overloaded("no place".to_owned()))
                }
            }
        }
        .boxed()
    }
}

impl Losses for Fleet {
    fn wants(&self, _: WorkerId) -> bool {
        true
    }

    fn lost(&self, lost: Lost) {
        self.lost.lock().push(lost);
    }
}

pub struct Rig {
    pub gateway: Arc<Gateway>,
    pub table: Arc<RouteTable>,
    pub fleet: Arc<Fleet>,
    pub address: SocketAddr,
    pub shutdown: CancellationToken,
    pub served: tokio::task::JoinHandle<()>,
    pub folder: TempDir,
    pub shelf: Arc<Shelf>,
    pub contents: Contents,
    serial: AtomicUsize,
}

/// The assets of versions, laid there by the test.
#[derive(Default)]
pub struct Shelf(Mutex<HashMap<VersionId, SiteSource>>);

impl Shelf {
    pub fn lay(&self, version: VersionId, source: SiteSource) {
        self.0.lock().insert(version, source);
    }
}

#[async_trait::async_trait]
impl Library for Shelf {
    async fn site(&self, version: VersionId) -> Result<Option<SiteSource>, String> {
        Ok(self.0.lock().get(&version).cloned())
    }
}

struct StubControl;

impl Control for StubControl {
    fn call(&self, request: Request<Incoming>) -> BoxFuture<'static, Response<ControlBody>> {
        let client = *request.extensions().get::<hearth_gateway::Client>().expect("who asks");
        async move { ok(format!("control {} {}", request.uri().path(), client.ip)) }.boxed()
    }
}

impl Rig {
    /// A gateway with the base domain `localhost`.
    pub async fn new(config: Config) -> Self {
        let bases = TableConfig {
            base_domains: vec!["localhost".parse().unwrap()],
            path_hosts: vec!["paths.test".parse().unwrap()],
        };
        let table = Arc::new(RouteTable::new(bases, Published::default()));
        let fleet = Arc::new(Fleet::default());
        let folder = tempfile::tempdir().unwrap();
        let contents = Contents::open(folder.path().join("assets"), Space::unbounded()).unwrap();
        let shelf = Arc::new(Shelf::default());
        let sites = Sites::new(Arc::clone(&shelf) as _, contents.clone());
        let gateway = Gateway::new(
            config,
            Arc::clone(&fleet) as _,
            Arc::clone(&table),
            sites,
            Arc::new(StubControl),
            Arc::clone(&fleet) as _,
        )
        .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let served = tokio::spawn(Arc::clone(&gateway).serve(listener, shutdown.clone()));
        let serial = AtomicUsize::new(0);
        Self { gateway, table, fleet, address, shutdown, served, folder, shelf, contents, serial }
    }

    /// A fresh socket path.
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join(format!("{}.sock", self.serial.fetch_add(1, Ordering::Relaxed)))
    }

    /// A published worker whose one version's process listens on `socket`.
    pub fn publish_at(&self, name: &str, socket: &Path) -> (PublishedWorker, Arc<Instance>) {
        let version = VersionId::random();
        let worker = PublishedWorker {
            id: WorkerId::random(),
            dialect: Dialect::Workers,
            name: name.parse().unwrap(),
            account: AccountId::random(),
            account_label: None,
            subdomain: true,
            previews: true,
            access: PublishedAccess::default(),
            split: Some(Split::all(version)),
            versions: vec![PublishedVersion {
                id: version,
                label: None,
                alias: None,
                assets: false,
                code: true,
            }],
        };
        let instance = self.instance(worker.id, version, socket);
        self.table.upsert_worker(worker.clone());
        (worker, instance)
    }

    pub fn instance(&self, worker: WorkerId, version: VersionId, socket: &Path) -> Arc<Instance> {
        let key = InstanceKey::fused(worker, version);
        let instance = Instance::new(key, 0, socket.to_owned(), PathBuf::new());
        self.fleet.instances.lock().insert(version, Arc::clone(&instance));
        instance
    }

    /// A worker that a function plays.
    pub fn publish<F, R>(&self, name: &str, handler: F) -> (PublishedWorker, Arc<Instance>)
    where
        F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Response<StubBody>> + Send + 'static,
    {
        let socket = self.socket();
        stub(&socket, handler);
        self.publish_at(name, &socket)
    }

    pub async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Writes bytes and reads until the gateway closes the connection.
    pub async fn raw(&self, bytes: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A reset after the answer is a close too.
        let _ = soon("the connection closes", stream.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// One request over a connection of its own.
    pub async fn fetch(&self, request: Request<StubBody>) -> Response<Incoming> {
        let io = TokioIo::new(self.connect().await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        soon("a response", sender.send_request(request)).await.unwrap()
    }

    pub async fn get(&self, host: &str, path: &str) -> Response<Incoming> {
        self.fetch(get(host, path)).await
    }
}

pub fn get(host: &str, path: &str) -> Request<StubBody> {
    Request::get(path).header("host", host).body(full("")).unwrap()
}

pub async fn text(response: Response<Incoming>) -> String {
    let bytes = soon("a body", response.into_body().collect()).await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// An HTTP server on a unix socket.
pub fn stub<F, R>(socket: &Path, handler: F)
where
    F: Fn(Request<Incoming>) -> R + Clone + Send + Sync + 'static,
    R: Future<Output = Response<StubBody>> + Send + 'static,
{
    let listener = UnixListener::bind(socket).unwrap();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let handler = handler.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let answer = handler(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                let builder = hyper::server::conn::http1::Builder::new();
                let _ = builder.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
            });
        }
    });
}
