//! The listener: connections, the service behind them, and how it stops.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hearth_r2::store::R2;
use hearth_store::Store;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::S3ServiceBuilder;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::{Client, Keys, Requests};
use crate::config::Config;
use crate::front::Front;
use crate::host::Names;
use crate::ops::Operations;

/// How long to wait when the machine has no descriptor left: closing connections will free some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Largest body that is XML, in bytes: 1,000 keys of 1,024 bytes each, escaped, is the longest that makes sense.
const XML_BYTES: usize = 8 << 20;
/// Most of a head that is read, in bytes.
const HEAD_BYTES: usize = 64 << 10;

/// The S3 endpoint.
pub struct Endpoint {
    front: Front,
    config: Config,
}

impl Endpoint {
    /// The endpoint over a store's tokens and the buckets.
    pub fn new(store: Store, r2: R2, requests: Arc<dyn Requests>, config: Config) -> Arc<Self> {
        let keys = Keys { store, requests, default_account: config.default_account.clone() };
        let mut limits = S3Config::default();
        limits.xml_max_body_size = XML_BYTES;
        let mut builder = S3ServiceBuilder::new(Operations { r2: r2.clone() });
        builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(limits))));
        builder.set_auth(keys.clone());
        builder.set_access(keys);
        builder.set_host(Names(config.hosts.clone()));
        let front = Front::new(builder.build(), r2, config.hosts.clone(), config.body_timeout);
        Arc::new(Self { front, config })
    }

    /// Serves clients until `shutdown`, then waits for what is in flight, at most the configured grace.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, shutdown: CancellationToken) {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.config.header_read_timeout)
            .max_buf_size(HEAD_BYTES);
        builder.http2().timer(TokioTimer::new()).adaptive_window(true);
        let builder = Arc::new(builder);
        let places = Arc::new(Semaphore::new(self.config.max_connections));
        let connections = TaskTracker::new();
        let accepting = async {
            loop {
                // The place comes first: what cannot be served yet stays in the kernel's backlog.
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                match accept(&listener).await {
                    Ok(stream) => {
                        let connected =
                            Arc::clone(&self).connection(stream, Arc::clone(&builder), shutdown.clone());
                        connections.spawn(async move {
                            connected.await;
                            drop(place);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept an S3 connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        shutdown.run_until_cancelled(accepting).await;
        drop(listener);
        connections.close();
        if tokio::time::timeout(self.config.shutdown_grace, connections.wait()).await.is_err() {
            tracing::warn!(connections = connections.len(), "S3 connections were still busy at shutdown");
        }
    }

    async fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        builder: Arc<auto::Builder<TokioExecutor>>,
        shutdown: CancellationToken,
    ) {
        let client = Client(stream.peer_addr().ok().map(|peer| peer.ip()));
        let service = service_fn(|request| {
            let this = Arc::clone(&self);
            async move { Ok::<_, Infallible>(this.front.handle(request, client).await) }
        });
        let mut serving = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
        // A failed connection is the client's affair: it has been answered or is gone.
        tokio::select! {
            _ = serving.as_mut() => return,
            () = shutdown.cancelled() => serving.as_mut().graceful_shutdown(),
        }
        let _ = serving.await;
    }
}

async fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
