//! A place in an instance, held for as long as a request, a call or a WebSocket is in it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use hearth_model::{VersionId, WorkerId};
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use tokio::net::UnixStream;

use crate::Death;
use crate::connection::{PooledConnection, ResponseBody, repeatable};
use crate::function::FunctionError;
use crate::instance::{Instance, Phase};

/// Gives places in instances: the supervisor, or a stand-in in tests.
pub trait Instances: Send + Sync + 'static {
    /// A place in a process that runs this version; starts one if none runs.
    fn acquire(&self, worker: WorkerId, version: VersionId) -> BoxFuture<'_, Result<Lease, AcquireError>>;

    /// The same for what may stay long, as a WebSocket does: not in a process that leaves as soon as the worker is less
    /// busy.
    fn acquire_lasting(
        &self,
        worker: WorkerId,
        version: VersionId,
    ) -> BoxFuture<'_, Result<Lease, AcquireError>> {
        self.acquire(worker, version)
    }
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
    /// The account has as many processes as it may, or as much memory in them, and all are in use. 503 with
    /// `Retry-After`.
    #[error("{0}")]
    Quota(&'static str),
    /// A process was started and died of its limits before it was ready.
    #[error("the worker could not start: {}", .0.explanation())]
    Died(Death),
    /// There is nothing to start: the version has static assets alone.
    #[error("the version has no code")]
    NoCode,
    /// The function's code does not load.
    #[error("the function does not start: {0}")]
    Refused(FunctionError),
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
    /// Whether dropping it gives the place back: not when somebody else has it already.
    held: bool,
    lasting: bool,
}

impl Lease {
    /// Takes a place. None: the process takes no new work.
    pub fn take(instance: Arc<Instance>) -> Option<Self> {
        // Counted first and looked at second: whoever drains looks in the other order, so one sees the other.
        instance.in_flight.fetch_add(1, Ordering::SeqCst);
        let lease = Self { instance, held: true, lasting: false };
        if *lease.instance.phase.borrow() != Phase::Serving {
            return None;
        }
        lease.instance.served.fetch_add(1, Ordering::Relaxed);
        Some(lease)
    }

    /// Takes the only place of a function's process. None: somebody has it, or the process takes no new work.
    pub(crate) fn take_alone(instance: &Arc<Instance>) -> Option<Self> {
        instance.in_flight.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst).ok()?;
        if *instance.phase.borrow() != Phase::Serving {
            instance.in_flight.store(0, Ordering::SeqCst);
            return None;
        }
        Some(Self::alone(instance))
    }

    /// The place that the caller has.
    pub(crate) fn alone(instance: &Arc<Instance>) -> Self {
        instance.served.fetch_add(1, Ordering::Relaxed);
        *instance.last_used.lock() = tokio::time::Instant::now();
        Self { instance: Arc::clone(instance), held: true, lasting: false }
    }

    /// Says that it is for something that may stay long and do little.
    pub(crate) fn lasts(mut self) -> Self {
        self.instance.lasting.fetch_add(1, Ordering::Relaxed);
        self.lasting = true;
        self
    }

    /// Forgets the place without giving it back.
    pub(crate) fn leave(mut self) {
        self.held = false;
    }

    /// The process.
    pub fn instance(&self) -> &Arc<Instance> {
        &self.instance
    }

    /// Sends one request over a pooled connection. The response may carry an upgrade (`hyper::upgrade::on`).
    ///
    /// Dropping the future, or the response's body before its end, closes the connection, which is how a client's
    /// disconnect reaches the worker.
    ///
    /// A request goes out a second time only over a fresh connection, when the pooled one turned out to be closed
    /// and either nothing of the request had been written or it is a bodyless GET, HEAD or OPTIONS.
    ///
    /// # Errors
    /// [`SendError`].
    pub async fn send(&self, request: Request<RequestBody>) -> Result<Response<ResponseBody>, SendError> {
        let instance = &self.instance;
        if instance.turns.is_none() {
            return self.exchange(request).await;
        }
        let watched = instance.watched.load(Ordering::Relaxed);
        let visit = instance.visits.begin(&request, instance.served() == 1, watched);
        let answered = self.exchange(request).await;
        match (&visit, &answered) {
            (Some(visit), Ok(response)) => visit.answered(response.status()),
            (Some(visit), Err(SendError::Connection { .. })) => visit.forget(),
            // The process's end is what became of it.
            (Some(_), Err(SendError::Died(_))) | (None, _) => {}
        }
        answered
    }

    async fn exchange(&self, request: Request<RequestBody>) -> Result<Response<ResponseBody>, SendError> {
        let Some(connection) = std::future::poll_fn(|cx| Poll::Ready(self.idle_connection(cx))).await else {
            return self.send_afresh(request).await;
        };
        let spare = connection.may_be_stale().then(|| repeatable(&request)).flatten();
        match connection.exchange(&self.instance, request).await {
            Ok(response) => Ok(response),
            Err(mut error) => match error.take_message().or(spare) {
                Some(request) if self.instance.death().is_none() => self.send_afresh(request).await,
                _ => Err(self.explain(error.into_error().into()).await),
            },
        }
    }

    async fn send_afresh(&self, request: Request<RequestBody>) -> Result<Response<ResponseBody>, SendError> {
        let stream = match UnixStream::connect(&self.instance.http_socket).await {
            Ok(stream) => stream,
            Err(error) => return Err(self.explain(error.into()).await),
        };
        let connection = match PooledConnection::new(stream).await {
            Ok(connection) => connection,
            Err(error) => return Err(self.explain(error.into()).await),
        };
        match connection.exchange(&self.instance, request).await {
            Ok(response) => Ok(response),
            Err(error) => Err(self.explain(error.into_error().into()).await),
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
        self.instance.fate().await
    }

    /// A pooled connection that is open as far as can be known: polling it reads what its peer has sent.
    fn idle_connection(&self, cx: &mut Context<'_>) -> Option<PooledConnection> {
        let here = tokio::runtime::Handle::current().id();
        loop {
            let mut connection = {
                let mut idle = self.instance.idle_connections.lock();
                // Newest first, so that the oldest go unused.
                let newest = idle.iter().rposition(|connection| connection.belongs_to(here))?;
                idle.remove(newest)
            };
            if connection.is_usable(cx) {
                return Some(connection);
            }
        }
    }

    pub(crate) async fn explain(&self, source: Box<dyn std::error::Error + Send + Sync>) -> SendError {
        match self.death().await {
            Some(death) => SendError::Died(death),
            None => SendError::Connection { source },
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.held {
            return;
        }
        if let Some(turns) = &self.instance.turns {
            return turns.next(&self.instance);
        }
        if self.lasting {
            self.instance.lasting.fetch_sub(1, Ordering::Relaxed);
        }
        if self.instance.in_flight.fetch_sub(1, Ordering::Relaxed) == 1 {
            *self.instance.last_used.lock() = tokio::time::Instant::now();
        }
    }
}
