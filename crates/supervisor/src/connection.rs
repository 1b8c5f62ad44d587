//! One connection to an instance, driven by the request that is on it.
//!
//! A connection has no task of its own: whoever waits for the response polls the connection too. That saves two
//! wake-ups and a task per request, and a pooled connection is looked at right before it is used again.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::runtime;

use crate::RequestBody;
use crate::instance::{Instance, Phase};
use crate::stream::InstanceStream;

/// Idle connections kept for one instance; more are closed when their response ends.
const MAX_IDLE_CONNECTIONS: usize = 256;

/// A connection that was used more recently than this is not one that an idle timeout is about to close.
const FRESH: Duration = Duration::from_secs(1);

type Driver = Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>;

/// An HTTP/1.1 connection to an instance.
pub(crate) struct PooledConnection {
    sender: SendRequest<RequestBody>,
    /// None once it has ended.
    driver: Option<Driver>,
    idle_since: Instant,
    /// Where its socket is registered: used from another runtime, every event would cross threads.
    runtime: runtime::Id,
}

impl PooledConnection {
    /// A connection over a stream.
    pub(crate) async fn new(stream: UnixStream) -> hyper::Result<Self> {
        let (sender, driver) = http1::handshake(TokioIo::new(InstanceStream::new(stream))).await?;
        Ok(Self {
            sender,
            driver: Some(Box::pin(driver.with_upgrades())),
            idle_since: Instant::now(),
            runtime: runtime::Handle::current().id(),
        })
    }

    /// Whether it belongs to this runtime.
    pub(crate) fn belongs_to(&self, runtime: runtime::Id) -> bool {
        self.runtime == runtime
    }

    /// Whether it can take a request now.
    pub(crate) fn is_usable(&mut self, cx: &mut Context<'_>) -> bool {
        self.drive(cx);
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Whether it has been idle for so long that its peer may be closing it this moment.
    pub(crate) fn may_be_stale(&self) -> bool {
        self.idle_since.elapsed() >= FRESH
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some(driver) = &mut self.driver
            && driver.as_mut().poll(cx).is_ready()
        {
            // Its error, if any, reaches the response that was on it.
            self.driver = None;
        }
    }

    /// Sends a request and waits for the response's head.
    pub(crate) async fn exchange(
        mut self,
        instance: &Arc<Instance>,
        request: Request<RequestBody>,
    ) -> Result<Response<ResponseBody>, TrySendError<Request<RequestBody>>> {
        let mut response = std::pin::pin!(self.sender.try_send_request(request));
        let driver = &mut self.driver;
        let response = std::future::poll_fn(|cx| {
            if let Some(connection) = driver
                && connection.as_mut().poll(cx).is_ready()
            {
                *driver = None;
            }
            response.as_mut().poll(cx)
        })
        .await?;
        let (parts, incoming) = response.into_parts();
        if parts.status == StatusCode::SWITCHING_PROTOCOLS
            && let Some(driver) = self.driver.take()
        {
            // The upgrade is handed over by the driver's last poll, where its error goes too.
            tokio::spawn(driver);
        }
        let body = ResponseBody { incoming, connection: Some(self), instance: Arc::clone(instance) };
        Ok(Response::from_parts(parts, body))
    }
}

impl fmt::Debug for PooledConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PooledConnection").field("open", &self.driver.is_some()).finish_non_exhaustive()
    }
}

/// A second copy of a request that may be sent twice: bodyless, and of a method without effects.
pub(crate) fn repeatable(request: &Request<RequestBody>) -> Option<Request<RequestBody>> {
    let safe = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !safe || !matches!(request.body(), RequestBody::Empty) {
        return None;
    }
    let mut copy = Request::new(RequestBody::Empty);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

/// The body of an instance's response. Polling it moves the connection; dropping it gives the connection back if
/// the response has ended, and closes it if not.
#[derive(Debug)]
pub struct ResponseBody {
    incoming: Incoming,
    connection: Option<PooledConnection>,
    instance: Arc<Instance>,
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = self.get_mut();
        // What has been read comes first: the connection may wait for room to read on.
        if let Poll::Ready(frame) = Pin::new(&mut this.incoming).poll_frame(cx) {
            return Poll::Ready(frame);
        }
        if let Some(connection) = &mut this.connection {
            connection.drive(cx);
        }
        Pin::new(&mut this.incoming).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        // The last bytes may have been taken before the connection saw that the response was over.
        if connection.is_usable(&mut Context::from_waker(Waker::noop()))
            && *self.instance.phase.borrow() == Phase::Serving
        {
            connection.idle_since = Instant::now();
            let mut idle = self.instance.idle_connections.lock();
            if idle.len() < MAX_IDLE_CONNECTIONS {
                idle.push(connection);
            }
        }
    }
}
