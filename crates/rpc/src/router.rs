//! What this crate asks of the supervisor: which process answers a call.

use std::any::Any;
use std::path::PathBuf;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;

use crate::object::Object;

/// The error of a body or of a request on its way: any error that can cross threads.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A streaming body of unknown origin.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Sends one plain HTTP request to the instance that [`Router::route`] chose.
///
/// Dropping the future or the response's body must cancel the request at the instance. A 101 answer must still carry
/// its `hyper::upgrade::OnUpgrade` extension.
pub type HttpSender =
    Box<dyn FnOnce(Request<Incoming>) -> BoxFuture<'static, Result<Response<Body>, BoxError>> + Send>;

/// Chooses worker version and process for each event.
#[async_trait]
pub trait Router: Send + Sync + 'static {
    /// Whether a binding leads to Durable Objects. Its callers are of the forwarding class (`runtime/objects/forward.js`),
    /// which names the object of each event.
    fn is_namespace(&self, binding: &str) -> bool;

    /// Chooses the callee of one event that arrives on the binding with key `binding`; `object` is what it is for when
    /// the binding [leads to Durable Objects](Self::is_namespace).
    ///
    /// Called once for each event, on whatever thread received it (an [`crate::RpcThreads`] thread for RPC), so it may
    /// wait, as for a process that is starting, but must not block. Dropped when the caller goes away meanwhile.
    async fn route(&self, binding: &str, object: Option<&Object>) -> Result<Callee, RouteError>;
}

/// Where one event goes.
pub struct Callee {
    /// The unix socket given to the instance's `--debug-port`.
    pub debug_socket: PathBuf,
    /// Name of the worker's service in the instance's configuration.
    pub service: String,
    /// Exported entrypoint, `None` for the default export.
    pub entrypoint: Option<String>,
    /// `ctx.props` as JSON text, `None` for an empty object.
    pub props_json: Option<String>,
    /// Dropped when the event has ended: what the supervisor counts as in flight.
    pub lease: Box<dyn Any + Send>,
    /// Resolves when the process is to go: WebSockets are then closed with code 1012.
    pub leaving: BoxFuture<'static, ()>,
    /// Present when the call needs neither entrypoint nor props: plain HTTP to the instance, which is faster. A
    /// WebSocket goes the other way, which knows its messages.
    pub http: Option<HttpSender>,
}

/// Why an event has no callee. The caller's code sees `message` only.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct RouteError {
    /// HTTP status of the answer when the event is a plain `fetch`; RPC callers get an `Error`.
    pub status: StatusCode,
    /// For the caller's code: what is wrong in terms of bindings and workers, no paths, no process ids.
    pub message: String,
    /// For the operator's log.
    pub internal: Option<String>,
}

impl RouteError {
    /// The binding points to a worker, or an entrypoint of it, that does not exist (404).
    pub fn not_found(message: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, message: message.into(), internal: None }
    }

    /// The worker exists but cannot take the event now: overload, a failed start (503).
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, message: message.into(), internal: None }
    }

    /// The callee's account has had as many requests as it may (429).
    pub fn too_many(message: impl Into<String>) -> Self {
        Self { status: StatusCode::TOO_MANY_REQUESTS, message: message.into(), internal: None }
    }

    /// Adds what only the operator may read.
    #[must_use]
    pub fn with_internal(mut self, internal: impl Into<String>) -> Self {
        self.internal = Some(internal.into());
        self
    }
}
