//! The public face: one [`Egress`] per installation, one served socket per instance.

use std::convert::Infallible;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use tokio::net::UnixListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{Config, Policy, Resolver, SystemResolver};

/// Any error of a body's stream.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A response body, streamed.
pub type Body = BoxBody<Bytes, BoxError>;

/// Who is calling: the worker version behind one egress socket.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The account's id.
    pub account: String,
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
    /// called worker. For a WebSocket, answer 101 with an upgrade in the response's extensions
    /// (`hyper::upgrade::OnUpgrade`), as hyper's client does.
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
    pub(crate) resolver: Arc<dyn Resolver>,
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
        Ok(Arc::new(Self { config, policy: ArcSwap::from_pointee(policy), internal, resolver }))
    }

    /// Replaces the installation's rules. The next request is judged by them, on a pooled connection too; what is
    /// already streaming goes on.
    pub fn set_policy(&self, policy: Policy) {
        self.policy.store(Arc::new(policy));
    }

    /// Serves one instance's `egress.sock` until the handle is dropped. Needs a tokio runtime.
    #[must_use]
    pub fn serve(self: &Arc<Self>, listener: UnixListener, origin: Arc<Origin>) -> ServeHandle {
        let origin = Arc::new(ArcSwap::from(origin));
        let token = CancellationToken::new();
        let egress = self.clone();
        let served = origin.clone();
        tokio::spawn(token.clone().run_until_cancelled_owned(async move {
            let _: Infallible = egress.accept(listener, served).await;
        }));
        ServeHandle { origin, _stop: token.drop_guard() }
    }

    async fn accept(self: Arc<Self>, _listener: UnixListener, _origin: Arc<ArcSwap<Origin>>) -> Infallible {
        std::future::pending().await
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
