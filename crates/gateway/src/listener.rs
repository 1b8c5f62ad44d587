//! Accepts connections and serves HTTP/1.1 and, by prior knowledge, HTTP/2 on them.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};
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
        let lanes = match Lanes::start(self.config.threads) {
            Ok(lanes) => lanes,
            Err(error) => return tracing::error!(%error, "the gateway's threads cannot be started"),
        };
        let accepting = async {
            loop {
                // The place comes first: what cannot be served yet stays in the kernel's backlog.
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
                match accept(&listener).await {
                    Ok((stream, peer)) => {
                        let connected = Arc::clone(&self).connection(stream, peer, &builder, &shutdown);
                        let task = async move {
                            connected.await;
                            drop(place);
                        };
                        connections.spawn_on(task, lanes.next());
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
        stream: std::net::TcpStream,
        peer: SocketAddr,
        builder: &Arc<auto::Builder<TokioExecutor>>,
        shutdown: &CancellationToken,
    ) -> impl Future<Output = ()> + 'static {
        let (builder, shutdown) = (Arc::clone(builder), shutdown.clone());
        async move {
            // Registered here and not where it was accepted: its events shall wake this thread.
            let Ok(stream) = TcpStream::from_std(stream) else { return };
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

async fn accept(listener: &TcpListener) -> io::Result<(std::net::TcpStream, SocketAddr)> {
    let (stream, peer) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok((stream.into_std()?, peer))
}

/// The threads that connections live on, each with a runtime of its own. A request that passes through never leaves its
/// thread: in a runtime of many threads each event wakes a second one, which costs more than the request's own work.
struct Lanes {
    handles: Vec<Handle>,
    turn: AtomicUsize,
    /// The threads end when this does.
    _stop: DropGuard,
}

impl Lanes {
    fn start(count: usize) -> io::Result<Self> {
        let stop = CancellationToken::new();
        let mut handles = Vec::new();
        for number in 0..count.max(1) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            handles.push(runtime.handle().clone());
            let until = stop.clone();
            std::thread::Builder::new()
                .name(format!("gateway-{number}"))
                .spawn(move || runtime.block_on(until.cancelled()))?;
        }
        Ok(Self { handles, turn: AtomicUsize::new(0), _stop: stop.drop_guard() })
    }

    /// The threads in turn.
    fn next(&self) -> &Handle {
        &self.handles[self.turn.fetch_add(1, Ordering::Relaxed) % self.handles.len()]
    }
}
