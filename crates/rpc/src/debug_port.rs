//! Hearth's own way into a worker.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;

use crate::callee::{Connection, Target};
use crate::{Body, BoxError, RpcThreads, http_event};

/// Which export of which worker gets an event.
#[derive(Debug, Clone, Default)]
pub struct Entrypoint {
    /// Name of the worker's service in the process's configuration.
    pub service: String,
    /// Exported entrypoint, `None` for the default export.
    pub name: Option<String>,
    /// `ctx.props` as JSON text, `None` for an empty object.
    pub props_json: Option<String>,
    /// `request.cf` as JSON text.
    pub cf_json: Option<String>,
}

impl Entrypoint {
    pub(crate) fn target(&self) -> Target<'_> {
        Target {
            service: &self.service,
            entrypoint: self.name.as_deref(),
            props_json: self.props_json.as_deref(),
        }
    }
}

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The process does not listen: nothing was sent.
    #[error("the worker's process cannot be reached")]
    Connect(#[source] io::Error),
    /// The process went away before it answered.
    #[error("the worker's process went away before it answered: {0}")]
    Disconnected(String),
    /// The worker threw, or has no such entrypoint or handler. Holds workerd's text.
    #[error("the worker failed: {0}")]
    Exception(String),
    /// workerd knows no such method.
    #[error("method {0} cannot be sent to a worker")]
    Method(http::Method),
}

/// The debug port of one workerd process (`--debug-port unix:...`), through which any export can be called with any
/// props. Each event takes a connection of its own.
#[derive(Clone)]
pub struct DebugPort {
    socket: PathBuf,
    threads: RpcThreads,
}

impl DebugPort {
    /// Names the socket; nothing is connected yet.
    pub fn new(socket: impl Into<PathBuf>, threads: &RpcThreads) -> Self {
        Self { socket: socket.into(), threads: threads.clone() }
    }

    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    pub(crate) fn threads(&self) -> &RpcThreads {
        &self.threads
    }

    /// Sends a request to an entrypoint's `fetch` handler.
    ///
    /// `request` has an absolute URI, or a `Host` header and a path (then the scheme is `http`). Bodies stream both
    /// ways. Dropping the future or the answer's body cancels the request. For a WebSocket, the request is one that a
    /// hyper server received, with its `OnUpgrade`; the answer is then the 101 to give back, and the frames pass
    /// without further help.
    ///
    /// # Errors
    /// See [`FetchError`]. What goes wrong after the head of the answer is an error of its body.
    pub async fn fetch<B>(
        &self,
        entrypoint: Entrypoint,
        request: Request<B>,
    ) -> Result<Response<Body>, FetchError>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        self.fetch_until(entrypoint, request, futures::future::pending(), ()).await
    }

    /// As [`Self::fetch`], dropping `held` when the event has ended. A WebSocket is closed when `leaving` resolves.
    pub(crate) async fn fetch_until<B, H>(
        &self,
        entrypoint: Entrypoint,
        request: Request<B>,
        leaving: impl Future<Output = ()> + Send + 'static,
        held: H,
    ) -> Result<Response<Body>, FetchError>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
        H: Send + 'static,
    {
        let request = request.map(|body| -> Body { body.map_err(Into::into).boxed_unsync() });
        let (respond, response) = oneshot::channel();
        let socket = self.socket.clone();
        self.threads.spawn(move || async move {
            let _held = held;
            match Connection::open(&socket).await {
                Ok(connection) => {
                    http_event::run(&connection, &entrypoint, request, leaving, respond).await;
                }
                Err(error) => drop(respond.send(Err(FetchError::Connect(error)))),
            }
        });
        response.await.unwrap_or_else(|_| Err(FetchError::Disconnected("no answer".to_owned())))
    }
}
