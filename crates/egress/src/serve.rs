//! The public face: one [`Egress`] per installation, one served socket per instance.

use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::destination::Destination;
use crate::dial::Dialer;
use crate::forward::{Held, Instance};
use crate::pool::Pool;
use crate::rate::Rate;
use crate::{Config, Policy, Resolver, ResponseCache, SystemResolver};

/// Most header fields of a worker's request; hyper's own default is 100.
const MAX_HEADERS: usize = 512;

/// How long to wait after an accept that failed for lack of descriptors, so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Any error of a body's stream.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A response body, streamed.
pub type Body = BoxBody<Bytes, BoxError>;

/// Who is calling: the worker version behind one egress socket.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The account's id.
    pub account: String,
    /// The worker's id.
    pub worker_id: String,
    /// The worker's name.
    pub worker: String,
    /// The version's id.
    pub version: String,
    /// Rules of the account and the worker, merged; they add to the installation's.
    pub policy: Arc<Policy>,
}

/// What became of a request that may be for this installation.
pub enum Dispatch {
    /// Not served here, or it is the caller's own route: it goes out.
    NotOurs(Request<Incoming>),
    /// Served here.
    Response(Response<Body>),
}

/// The hosts that this installation itself serves.
#[async_trait]
pub trait Internal: Send + Sync + 'static {
    /// Offers a request before it leaves. The URI is absolute; hop-by-hop headers (but a WebSocket's `Upgrade`) and
    /// every `X-Hearth-*` header are gone; `CF-EW-Via` holds how many workers the chain has passed and must reach the
    /// called worker. For a WebSocket, answer 101 with a `hyper::upgrade::OnUpgrade` in the response's extensions, as
    /// hyper's client does; the request's own upgrade stays with the egress.
    ///
    /// The control host is never ours here: a worker is a stranger to it.
    async fn dispatch(&self, origin: &Origin, request: Request<Incoming>) -> Dispatch;
}

/// An installation that serves no host.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoInternal;

#[async_trait]
impl Internal for NoInternal {
    async fn dispatch(&self, _origin: &Origin, request: Request<Incoming>) -> Dispatch {
        Dispatch::NotOurs(request)
    }
}

/// What can be wrong with a [`Config`].
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file of certificate authorities cannot be read.
    #[error("egress: cannot read extra_ca_file {path}: {source}")]
    CaFile {
        /// The configured path.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The TLS library accepts none of its own protocol versions.
    #[error("egress: TLS set-up: {0}")]
    Tls(rustls::Error),
    /// The file of certificate authorities holds nothing usable.
    #[error("egress: extra_ca_file {path}: {reason}")]
    CaContent {
        /// The configured path.
        path: std::path::PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// The way out of one installation.
pub struct Egress {
    pub(crate) config: Config,
    pub(crate) policy: ArcSwap<Policy>,
    pub(crate) internal: Arc<dyn Internal>,
    pub(crate) cache: OnceLock<Arc<dyn ResponseCache>>,
    pub(crate) dialer: Dialer,
    pub(crate) pool: Arc<Pool>,
    pub(crate) connections: Arc<Semaphore>,
    sweeping: AtomicBool,
}

impl Egress {
    /// An egress that asks the system's resolver.
    ///
    /// # Errors
    /// When the configured file of certificate authorities cannot be used.
    pub fn new(
        config: Config,
        policy: Policy,
        internal: Arc<dyn Internal>,
    ) -> Result<Arc<Self>, ConfigError> {
        let resolver = Arc::new(SystemResolver::new(config.max_lookups));
        Self::with_resolver(config, policy, internal, resolver)
    }

    /// As [`Egress::new`], with a resolver of the caller's.
    ///
    /// # Errors
    /// When the configured file of certificate authorities cannot be used.
    pub fn with_resolver(
        config: Config,
        policy: Policy,
        internal: Arc<dyn Internal>,
        resolver: Arc<dyn Resolver>,
    ) -> Result<Arc<Self>, ConfigError> {
        Ok(Arc::new(Self {
            dialer: Dialer::new(&config, resolver)?,
            connections: Arc::new(Semaphore::new(config.max_connections)),
            policy: ArcSwap::from_pointee(policy),
            pool: Arc::default(),
            sweeping: AtomicBool::new(false),
            internal,
            cache: OnceLock::new(),
            config,
        }))
    }

    /// Has responses kept there, before anything is served.
    pub fn keep_in(&self, cache: Arc<dyn ResponseCache>) {
        // Set twice would be the same one again.
        let _ = self.cache.set(cache);
    }

    /// Replaces the installation's rules. The next request is judged by them, on a pooled connection too; what is
    /// already streaming goes on.
    pub fn set_policy(&self, policy: Policy) {
        self.policy.store(Arc::new(policy));
    }

    /// Serves one instance's `egress.sock` until the handle is dropped. `admits` says of a connection whether it is that
    /// instance's. Needs a tokio runtime.
    #[must_use]
    pub fn serve(
        self: &Arc<Self>,
        listener: UnixListener,
        admits: impl Fn(&UnixStream) -> bool + Send + Sync + 'static,
        origin: Arc<Origin>,
    ) -> ServeHandle {
        self.start_sweeping();
        let origin = Arc::new(ArcSwap::from(origin));
        let stop = CancellationToken::new();
        let instance = Arc::new(self.instance(Arc::clone(&origin), stop.clone()));
        tokio::spawn(stop.clone().run_until_cancelled_owned(async move {
            let _: Infallible = accept(listener, admits, instance).await;
        }));
        ServeHandle { origin, _stop: stop.drop_guard() }
    }

    /// The way out of an instance whose connections are made for it, not on a socket of its own.
    #[must_use]
    pub fn direct(self: &Arc<Self>, origin: Arc<Origin>) -> Direct {
        Direct(self.instance(Arc::new(ArcSwap::from(origin)), CancellationToken::new()))
    }

    fn instance(self: &Arc<Self>, origin: Arc<ArcSwap<Origin>>, stop: CancellationToken) -> Instance {
        Instance {
            slots: Arc::new(Semaphore::new(self.config.max_in_flight_per_instance)),
            egress: self.clone(),
            origin,
            rate: Mutex::new(Rate::new(self.config.max_requests_per_second_per_instance)),
            stop,
            refusals: Arc::default(),
        }
    }

    fn start_sweeping(self: &Arc<Self>) {
        if self.sweeping.swap(true, Ordering::Relaxed) {
            return;
        }
        let longest = self.config.idle_timeout;
        let pool = Arc::downgrade(&self.pool);
        tokio::spawn(async move {
            loop {
                sleep((longest / 2).max(Duration::from_millis(1))).await;
                let Some(pool) = pool.upgrade() else { return };
                pool.sweep(longest);
            }
        });
    }
}

async fn accept(
    listener: UnixListener,
    admits: impl Fn(&UnixStream) -> bool,
    instance: Arc<Instance>,
) -> Infallible {
    // Twice the requests, so that one too many still gets its 503; past that a process that misbehaves waits in its
    // own backlog instead of taking the installation's descriptors.
    let connections = Arc::new(Semaphore::new(2 * instance.egress.config.max_in_flight_per_instance + 16));
    loop {
        let Ok(permit) = connections.clone().acquire_owned().await else {
            std::future::pending::<()>().await;
            continue;
        };
        match listener.accept().await {
            Ok((stream, _)) if !admits(&stream) => {}
            Ok((stream, _)) => {
                let stop = instance.stop.clone();
                let instance = instance.clone();
                tokio::spawn(stop.run_until_cancelled_owned(async move {
                    let _permit = permit;
                    connection(stream, instance).await;
                }));
            }
            Err(error) => {
                tracing::warn!(%error, "egress: accept failed");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: UnixStream, instance: Arc<Instance>) {
    let service = service_fn(move |request| {
        let instance = instance.clone();
        async move { Ok::<_, Infallible>(instance.handle(request).await) }
    });
    let served = http1::Builder::new()
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "egress: connection of an instance ended early");
    }
}

/// The way out of one instance, connection by connection, under the same policy and limits as a served socket.
pub struct Direct(Instance);

impl Direct {
    /// A TCP connection to a host, a name or an address. It holds its room as long as what is beside it.
    ///
    /// # Errors
    /// When the host cannot be one, the policy or a limit refuses it, or nothing answers.
    pub async fn connect(&self, host: &str, port: u16) -> io::Result<(TcpStream, Held)> {
        let destination = Destination::of_host(host, port).ok_or(io::ErrorKind::InvalidInput)?;
        self.0.dial(destination).await
    }

    /// Whether a name (lower case, no trailing dot) leads anywhere.
    pub async fn knows(&self, name: &str) -> bool {
        self.0.knows(name).await
    }

    /// Replaces what is known of the caller; from the next connection on.
    pub fn set_origin(&self, origin: Arc<Origin>) {
        self.0.origin.store(origin);
    }
}

/// One served socket. Dropping it closes every connection of the instance, both ways.
pub struct ServeHandle {
    origin: Arc<ArcSwap<Origin>>,
    _stop: DropGuard,
}

impl ServeHandle {
    /// Replaces what is known of the caller, its account's and worker's rules above all; from the next request on.
    pub fn set_origin(&self, origin: Arc<Origin>) {
        self.origin.store(origin);
    }
}
