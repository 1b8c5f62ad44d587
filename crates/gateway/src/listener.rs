//! Accepts connections and serves HTTP/1.1 and, by prior knowledge, HTTP/2 on them.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::Gateway;
use crate::gateway::Connection;
use crate::strict::Watched;

/// How long to wait when the machine has no descriptor left: closing connections will free some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Gateway {
    /// Serves clients until `shutdown`, then waits for what is in flight, at most the configured grace.
    /// WebSockets get a close frame.
    pub async fn serve(self: Arc<Self>, listener: TcpListener, shutdown: CancellationToken) {
        let builder = Arc::new(self.builder());
        let places = Arc::new(Semaphore::new(self.config.max_connections));
        let connections = TaskTracker::new();
        let accepting = async {
            loop {
                // The place comes first: what cannot be served yet stays in the kernel's backlog.
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                match accept(&listener).await {
                    Ok((stream, peer)) => {
                        let connected = Arc::clone(&self).connection(stream, peer, &builder, &shutdown);
                        connections.spawn(async move {
                            connected.await;
                            drop(place);
                        });
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        shutdown.run_until_cancelled(accepting).await;
        drop(listener);
        connections.close();
        self.tunnels.close();
        let done = async {
            connections.wait().await;
            self.tunnels.wait().await;
        };
        if tokio::time::timeout(self.config.shutdown_grace, done).await.is_err() {
            tracing::warn!(connections = connections.len(), "connections were still busy at shutdown");
        }
    }

    fn builder(&self) -> auto::Builder<TokioExecutor> {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.config.header_read_timeout)
            .max_buf_size(self.config.max_header_bytes.max(8 << 10));
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(self.config.max_header_bytes).unwrap_or(u32::MAX))
            .max_concurrent_streams(self.config.max_concurrent_streams)
            .keep_alive_interval(self.config.header_read_timeout)
            .adaptive_window(true);
        builder
    }

    fn connection(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        builder: &Arc<auto::Builder<TokioExecutor>>,
        shutdown: &CancellationToken,
    ) -> impl Future<Output = ()> + 'static {
        let (builder, shutdown) = (Arc::clone(builder), shutdown.clone());
        async move {
            let Ok(local) = stream.local_addr() else { return };
            let connection = Connection::new(peer, local, shutdown.clone());
            let io = TokioIo::new(Watched::new(stream, Arc::clone(&connection.tunnel)));
            let service = service_fn(|request| {
                let answer = Arc::clone(&self).handle(Arc::clone(&connection), request);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            let mut serving = std::pin::pin!(builder.serve_connection_with_upgrades(io, service));
            // A failed connection is the client's affair: it has been answered or is gone.
            tokio::select! {
                _ = serving.as_mut() => return,
                () = shutdown.cancelled() => serving.as_mut().graceful_shutdown(),
            }
            let _ = serving.await;
        }
    }
}

async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream, peer))
}
