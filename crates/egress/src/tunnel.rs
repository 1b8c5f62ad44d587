//! Bytes both ways, until it is over for both sides.

use std::io;
use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt, Interest, copy};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;
use tokio::time::sleep;

/// How often a worker that has finished sending is asked whether it is still there.
const PRESENCE_CHECK: Duration = Duration::from_secs(1);

/// Joins the two sides of a WebSocket. The end of either is the end of both: a WebSocket has no half-open state.
pub(crate) async fn websocket(worker: OnUpgrade, upstream: OnUpgrade) {
    let Ok((worker, upstream)) = futures::future::try_join(worker, upstream).await else { return };
    let (mut worker_read, mut worker_write) = tokio::io::split(TokioIo::new(worker));
    let (mut upstream_read, mut upstream_write) = tokio::io::split(TokioIo::new(upstream));
    tokio::select! {
        _ = copy(&mut worker_read, &mut upstream_write) => {}
        _ = copy(&mut upstream_read, &mut worker_write) => {}
    }
    // Close-notify and FIN, so that neither side takes the end for a fault.
    let _ = worker_write.shutdown().await;
    let _ = upstream_write.shutdown().await;
}

/// Joins a `connect()` with its destination. Each direction may end by itself, as with any TCP connection.
pub(crate) async fn connect(worker: OnUpgrade, mut upstream: TcpStream) {
    let Ok(worker) = worker.await else { return };
    // Only unix sockets are served, so this always is one.
    let Ok(parts) = worker.downcast::<TokioIo<UnixStream>>() else { return };
    let mut worker = parts.io.into_inner();
    if upstream.write_all(&parts.read_buf).await.is_ok() {
        // Its end is the tunnel's end, whatever its reason.
        let _ = join(&mut worker, &mut upstream).await;
    }
}

async fn join(worker: &mut UnixStream, upstream: &mut TcpStream) -> io::Result<()> {
    let (mut worker_read, mut worker_write) = worker.split();
    let (mut upstream_read, mut upstream_write) = upstream.split();
    let (sent, all_sent) = oneshot::channel();
    let up = async {
        copy(&mut worker_read, &mut upstream_write).await?;
        upstream_write.shutdown().await?;
        // Gone when the other direction has ended too; then nobody is listening.
        let _ = sent.send(());
        // A worker that only finished sending may wait for the answer; one that is gone must not keep the upstream.
        while !worker_read.ready(Interest::WRITABLE).await?.is_write_closed() {
            sleep(PRESENCE_CHECK).await;
        }
        io::Result::Ok(())
    };
    let down = async {
        copy(&mut upstream_read, &mut worker_write).await?;
        worker_write.shutdown().await?;
        let _ = all_sent.await;
        io::Result::Ok(())
    };
    tokio::select! {
        result = up => result,
        result = down => result,
    }
}
