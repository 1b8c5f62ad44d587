//! A place in an instance, held for as long as a request, a call or a WebSocket is in it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use hearth_model::{VersionId, WorkerId};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::Death;
use crate::instance::{Instance, Phase};

/// Idle connections kept for one instance; more are closed when their response ends.
const MAX_IDLE_CONNECTIONS: usize = 256;

/// How long a failed request waits to learn that its process has died, and of what. The kernel closes a dead
/// process's sockets before its parent is told, so the failure is seen first.
const DEATH_NOTICE: Duration = Duration::from_millis(500);

/// Gives places in instances: the supervisor, or a stand-in in tests.
pub trait Instances: Send + Sync + 'static {
    /// A place in a process that runs this version; starts one if none runs.
    fn acquire(&self, worker: WorkerId, version: VersionId) -> BoxFuture<'_, Result<Lease, AcquireError>>;
}

/// Why there is no place.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AcquireError {
    /// The version is not there (any more).
    #[error("version {0} does not exist")]
    NoSuchVersion(VersionId),
    /// Too much is in flight for this worker, its account, or the machine. 503 with `Retry-After`.
    #[error("{0}")]
    Overloaded(String),
    /// A process was started and died of its limits before it was ready.
    #[error("the worker could not start: {}", .0.explanation())]
    Died(Death),
    /// It could not be started for a reason that only the operator can mend; the text is for the operator.
    #[error("{0}")]
    Internal(String),
    /// The server is shutting down.
    #[error("the server is shutting down")]
    ShuttingDown,
}

/// Why a request failed in an instance.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The process died while the request was in it.
    #[error("the process ended: {}", .0.label())]
    Died(Death),
    /// The connection failed and the process lives: a request it could not take, or a bug.
    #[error("connection to the process failed: {source}")]
    Connection {
        /// What happened.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// The body of a request to an instance. An enum, so that the usual cases allocate nothing.
#[derive(Debug)]
pub enum RequestBody {
    /// None.
    Empty,
    /// As it arrives from the client.
    Incoming(Incoming),
    /// Anything else.
    Boxed(UnsyncBoxBody<Bytes, io::Error>),
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Incoming(body) => Pin::new(body).poll_frame(cx).map_err(io::Error::other),
            Self::Boxed(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Incoming(body) => body.is_end_stream(),
            Self::Boxed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Incoming(body) => body.size_hint(),
            Self::Boxed(body) => body.size_hint(),
        }
    }
}

/// A place in an instance. Dropping it gives the place back, so it must live until the response's last byte.
#[derive(Debug)]
pub struct Lease {
    instance: Arc<Instance>,
}

impl Lease {
    /// Takes a place. The caller has made sure that there is one.
    pub fn new(instance: Arc<Instance>) -> Self {
        instance.in_flight.fetch_add(1, Ordering::Relaxed);
        instance.served.fetch_add(1, Ordering::Relaxed);
        Self { instance }
    }

    /// The process.
    pub fn instance(&self) -> &Arc<Instance> {
        &self.instance
    }

    /// Sends one request over a pooled connection. The response may carry an upgrade (`hyper::upgrade::on`).
    ///
    /// Dropping the response's body before its end closes the connection, which is how a client's disconnect
    /// reaches the worker.
    ///
    /// # Errors
    /// [`SendError`]. Nothing is retried here: whether a request may be sent twice is the caller's knowledge.
    pub async fn send(&self, request: Request<RequestBody>) -> Result<Response<Incoming>, SendError> {
        let mut connection = match self.idle_connection() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        match connection.send_request(request).await {
            Ok(response) => {
                if response.status() != http::StatusCode::SWITCHING_PROTOCOLS {
                    self.give_back(connection);
                }
                Ok(response)
            }
            Err(source) => Err(self.explain(source.into()).await),
        }
    }

    /// Resolves when the instance no longer takes new work: long-lived streams should end.
    pub async fn draining(&self) {
        let mut phase = self.instance.phase.subscribe();
        // The sender lives in the instance, which this lease keeps alive.
        let _ = phase.wait_for(|phase| *phase != Phase::Serving).await;
    }

    /// Why the process died, waiting a moment for the news. None: it lives.
    pub async fn death(&self) -> Option<Death> {
        let mut phase = self.instance.phase.subscribe();
        let dead = phase.wait_for(|phase| matches!(phase, Phase::Dead(_)));
        match tokio::time::timeout(DEATH_NOTICE, dead).await {
            Ok(_) => self.instance.death(),
            Err(_) => None,
        }
    }

    fn idle_connection(&self) -> Option<http1::SendRequest<RequestBody>> {
        let mut idle = self.instance.idle_connections.lock();
        // Newest first, so that the oldest go unused and can be closed. One that is not ready yet still has a
        // response streaming on it; one that is closed is dropped.
        while let Some(connection) = idle.pop() {
            if connection.is_ready() {
                return Some(connection);
            }
        }
        None
    }

    async fn connect(&self) -> Result<http1::SendRequest<RequestBody>, SendError> {
        let stream = match UnixStream::connect(&self.instance.http_socket).await {
            Ok(stream) => stream,
            Err(error) => return Err(self.explain(error.into()).await),
        };
        let (sender, connection) = match http1::handshake(TokioIo::new(stream)).await {
            Ok(pair) => pair,
            Err(error) => return Err(self.explain(error.into()).await),
        };
        tokio::spawn(async move {
            // Its errors reach the request that was on it.
            let _ = connection.with_upgrades().await;
        });
        Ok(sender)
    }

    /// Puts the connection back once its response has ended; `ready` resolves then.
    fn give_back(&self, mut connection: http1::SendRequest<RequestBody>) {
        let instance = Arc::clone(&self.instance);
        tokio::spawn(async move {
            if connection.ready().await.is_ok() && *instance.phase.borrow() == Phase::Serving {
                let mut idle = instance.idle_connections.lock();
                if idle.len() < MAX_IDLE_CONNECTIONS {
                    idle.push(connection);
                }
            }
        });
    }

    async fn explain(&self, source: Box<dyn std::error::Error + Send + Sync>) -> SendError {
        match self.death().await {
            Some(death) => SendError::Died(death),
            None => SendError::Connection { source },
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.instance.in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            *self.instance.last_used.lock() = tokio::time::Instant::now();
        }
    }
}
