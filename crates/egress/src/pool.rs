//! Upstream HTTP connections, kept for the next request of the same worker to the same host.
//!
//! A connection is never shared between workers: an upstream may have tied an identity to it. A kept connection
//! remembers the address it leads to, and is taken only if today's policy still permits that address for that host.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::client::conn::{TrySendError, http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;

use crate::destination::Destination;
use crate::upload::Upload;

/// Most idle connections that one worker keeps to one host; more than this at once is a burst.
const MAX_IDLE_PER_KEY: usize = 32;

/// Most header fields of an upstream's response; hyper's own default of 100 is below what some sites send.
const MAX_HEADERS: usize = 512;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub account: String,
    pub worker: String,
    pub destination: Destination,
}

/// One upstream connection, able to take a request.
pub(crate) struct Connection {
    pub address: SocketAddr,
    /// Counts against [`crate::Config::max_connections`] as long as the connection lives.
    pub permit: Arc<OwnedSemaphorePermit>,
    sender: Sender,
}

enum Sender {
    Http1(http1::SendRequest<Upload>),
    Http2(http2::SendRequest<Upload>),
}

impl Connection {
    /// Speaks HTTP over a connected stream.
    pub async fn open<S>(
        stream: S,
        version: Version,
        address: SocketAddr,
        permit: Arc<OwnedSemaphorePermit>,
    ) -> hyper::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let held = permit.clone();
        let io = TokioIo::new(stream);
        let sender = if version == Version::HTTP_2 {
            let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .adaptive_window(true)
                .handshake(io)
                .await?;
            tokio::spawn(async move {
                let _held = held;
                // An error here ends the requests on this connection, and each reports it.
                let _ = connection.await;
            });
            Sender::Http2(sender)
        } else {
            let (sender, connection) = http1::Builder::new().max_headers(MAX_HEADERS).handshake(io).await?;
            tokio::spawn(async move {
                let _held = held;
                let _ = connection.with_upgrades().await;
            });
            Sender::Http1(sender)
        };
        Ok(Self { address, permit, sender })
    }

    pub fn version(&self) -> Version {
        match self.sender {
            Sender::Http1(_) => Version::HTTP_11,
            Sender::Http2(_) => Version::HTTP_2,
        }
    }

    /// Sends a request. The error gives it back if no byte of it has left.
    pub async fn send(
        &mut self,
        request: Request<Upload>,
    ) -> Result<Response<Incoming>, TrySendError<Request<Upload>>> {
        match &mut self.sender {
            Sender::Http1(sender) => sender.try_send_request(request).await,
            Sender::Http2(sender) => sender.try_send_request(request).await,
        }
    }

    fn is_open(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_ready(),
            Sender::Http2(sender) => sender.is_ready(),
        }
    }

    /// Another handle on the same connection, where its protocol carries several requests at once.
    fn share(&self) -> Option<Self> {
        match &self.sender {
            Sender::Http1(_) => None,
            Sender::Http2(sender) => Some(Self {
                address: self.address,
                permit: self.permit.clone(),
                sender: Sender::Http2(sender.clone()),
            }),
        }
    }

    async fn ready(&mut self) -> bool {
        match &mut self.sender {
            Sender::Http1(sender) => sender.ready().await.is_ok(),
            Sender::Http2(sender) => sender.ready().await.is_ok(),
        }
    }
}

struct Kept {
    connection: Connection,
    since: Instant,
}

/// The connections waiting for a request.
#[derive(Default)]
pub(crate) struct Pool {
    kept: Mutex<HashMap<Key, Vec<Kept>>>,
}

impl Pool {
    /// A live connection whose address `permits` still accepts. Those it does not are closed.
    pub fn take(&self, key: &Key, permits: impl Fn(SocketAddr) -> bool) -> Option<Connection> {
        let mut all = self.kept.lock();
        let kept = all.get_mut(key)?;
        kept.retain(|kept| kept.connection.is_open() && permits(kept.connection.address));
        let found = match kept.last_mut() {
            Some(last) => {
                last.since = Instant::now();
                last.connection.share().or_else(|| kept.pop().map(|kept| kept.connection))
            }
            None => None,
        };
        if kept.is_empty() {
            all.remove(key);
        }
        found
    }

    /// Keeps a connection whose response has been read to its end.
    pub fn give_back(self: &Arc<Self>, key: Key, mut connection: Connection) {
        if connection.is_open() {
            return self.keep(key, connection);
        }
        // The upload may still be running, or the connection may be closing: its own task knows.
        let pool = self.clone();
        tokio::spawn(async move {
            if connection.ready().await {
                pool.keep(key, connection);
            }
        });
    }

    /// Offers a new HTTP/2 connection to others while its first request is still running.
    pub fn announce(&self, key: &Key, connection: &Connection) {
        if let Some(shared) = connection.share() {
            self.keep(key.clone(), shared);
        }
    }

    fn keep(&self, key: Key, connection: Connection) {
        let mut all = self.kept.lock();
        let kept = all.entry(key).or_default();
        let already = connection.version() == Version::HTTP_2
            && kept.iter().any(|kept| Arc::ptr_eq(&kept.connection.permit, &connection.permit));
        if !already && kept.len() < MAX_IDLE_PER_KEY {
            kept.push(Kept { connection, since: Instant::now() });
        }
    }

    /// Closes what has been unused for `longest`.
    pub fn sweep(&self, longest: Duration) {
        let now = Instant::now();
        self.kept.lock().retain(|_, kept| {
            kept.retain(|kept| kept.connection.is_open() && now.duration_since(kept.since) < longest);
            !kept.is_empty()
        });
    }

    /// Closes one kept connection, any, to make room. False if there is none.
    pub fn evict_one(&self) -> bool {
        let mut all = self.kept.lock();
        let Some(key) = all.keys().next().cloned() else { return false };
        let Some(kept) = all.get_mut(&key) else { return false };
        kept.pop();
        if kept.is_empty() {
            all.remove(&key);
        }
        true
    }
}
