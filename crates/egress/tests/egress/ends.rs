//! Who goes away takes the other side along.

use hearth_egress::Config;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};

use crate::support::{Rig, Setup, end, head, listen, next, soon, status};

const SWITCHING: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// A worker's side and an upstream's side of one exchange, which is under way.
struct Pair {
    worker: UnixStream,
    upstream: TcpStream,
}

async fn waiting(rig: &Rig, listener: &TcpListener) -> Pair {
    let address = listener.local_addr().unwrap();
    let worker = rig.socket.raw(&format!("GET http://{address}/ HTTP/1.1")).await;
    let (upstream, _) = next(listener).await;
    Pair { worker, upstream }
}

async fn downloading(rig: &Rig, listener: &TcpListener) -> Pair {
    let Pair { mut worker, mut upstream } = waiting(rig, listener).await;
    upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nfirst").await.unwrap();
    assert_eq!(status(&mut worker).await, 200);
    let mut first = [0; 5];
    soon("the body's begin", worker.read_exact(&mut first)).await.unwrap();
    Pair { worker, upstream }
}

async fn uploading(rig: &Rig, listener: &TcpListener) -> Pair {
    let address = listener.local_addr().unwrap();
    let head = format!("POST http://{address}/ HTTP/1.1\r\nTransfer-Encoding: chunked");
    let mut worker = rig.socket.raw(&head).await;
    worker.write_all(b"5\r\nfirst\r\n").await.unwrap();
    let (mut upstream, _) = next(listener).await;
    let mut first = [0; 10];
    soon("the upload's begin", upstream.read_exact(&mut first)).await.unwrap();
    assert_eq!(&first, b"5\r\nfirst\r\n");
    Pair { worker, upstream }
}

async fn websocket(rig: &Rig, listener: &TcpListener) -> Pair {
    let address = listener.local_addr().unwrap();
    let head = format!("GET http://{address}/ HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket");
    let mut worker = rig.socket.raw(&head).await;
    let (mut upstream, _) = next(listener).await;
    upstream.write_all(SWITCHING).await.unwrap();
    assert_eq!(status(&mut worker).await, 101);
    let mut pair = Pair { worker, upstream };
    pair.talk().await;
    pair
}

async fn tunnel(rig: &Rig, listener: &TcpListener) -> Pair {
    let address = listener.local_addr().unwrap();
    let mut worker = rig.socket.raw(&format!("CONNECT {address} HTTP/1.1")).await;
    let (upstream, _) = soon("a connection", listener.accept()).await.unwrap();
    assert_eq!(status(&mut worker).await, 200);
    let mut pair = Pair { worker, upstream };
    pair.talk().await;
    pair
}

impl Pair {
    async fn talk(&mut self) {
        let mut word = [0; 4];
        self.worker.write_all(b"ping").await.unwrap();
        soon("ping", self.upstream.read_exact(&mut word)).await.unwrap();
        assert_eq!(&word, b"ping");
        self.upstream.write_all(b"pong").await.unwrap();
        soon("pong", self.worker.read_exact(&mut word)).await.unwrap();
        assert_eq!(&word, b"pong");
    }
}

/// An egress on which one more request than the one that is under way finds no room.
fn narrow() -> Rig {
    let config = Config { max_in_flight_per_instance: 1, ..Config::default() };
    Setup { config, ..Setup::default() }.start()
}

/// Waits until what the worker had in flight has left the books, and not only the wire.
async fn room(rig: &Rig) {
    let (free, address) = listen().await;
    soon("room for another", async {
        while rig.socket.status(&format!("CONNECT {address} HTTP/1.1")).await == 503 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    drop(free);
}

macro_rules! worker_leaves {
    ($($name:ident: $start:ident;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let rig = narrow();
            let (listener, _) = listen().await;
            let Pair { worker, mut upstream } = $start(&rig, &listener).await;
            drop(worker);
            end("the upstream's end", &mut upstream).await;
            // The upstream keeps its own side open, and that holds nothing here.
            room(&rig).await;
        }
    )*};
}

worker_leaves! {
    a_worker_that_leaves_before_the_head_cancels_the_request: waiting;
    a_worker_that_leaves_within_the_body_cancels_the_request: downloading;
    a_worker_that_leaves_a_websocket_ends_it: websocket;
    a_worker_that_leaves_a_socket_ends_it: tunnel;
}

#[tokio::test]
async fn an_upload_that_breaks_off_does_not_look_complete() {
    let rig = narrow();
    let (listener, _) = listen().await;
    let Pair { worker, mut upstream } = uploading(&rig, &listener).await;
    drop(worker);
    let mut rest = Vec::new();
    let _ = soon("the upstream's end", upstream.read_to_end(&mut rest)).await;
    assert_eq!(String::from_utf8_lossy(&rest), "", "no last chunk");
    room(&rig).await;
}

#[tokio::test]
async fn a_download_that_breaks_off_does_not_look_complete() {
    let rig = Setup::default().start();
    let (listener, _) = listen().await;
    let Pair { worker: mut client, mut upstream } = waiting(&rig, &listener).await;
    upstream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n").await.unwrap();
    let head = head(&mut client).await.to_lowercase();
    assert!(head.contains("transfer-encoding: chunked"), "{head}");
    drop(upstream);
    let mut rest = Vec::new();
    let _ = soon("the worker's end", client.read_to_end(&mut rest)).await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&rest));
}

#[tokio::test]
async fn an_upstream_that_leaves_ends_the_workers_side() {
    let rig = Setup::default().start();
    let (listener, _) = listen().await;
    for pair in
        [downloading(&rig, &listener).await, websocket(&rig, &listener).await, tunnel(&rig, &listener).await]
    {
        let Pair { mut worker, upstream } = pair;
        drop(upstream);
        end("the worker's end", &mut worker).await;
    }
}

#[tokio::test]
async fn a_socket_that_half_closes_still_hears_the_answer() {
    let rig = Setup::default().start();
    let (listener, _) = listen().await;
    let Pair { mut worker, mut upstream } = tunnel(&rig, &listener).await;
    worker.shutdown().await.unwrap();
    end("the worker's FIN", &mut upstream).await;
    upstream.write_all(b"late").await.unwrap();
    let mut word = [0; 4];
    soon("the late answer", worker.read_exact(&mut word)).await.unwrap();
    assert_eq!(&word, b"late");
}

#[tokio::test]
async fn without_its_handle_an_instance_has_no_way_out() {
    let rig = Setup::default().start();
    let (listener, _) = listen().await;
    let idle = UnixStream::connect(&rig.socket.path).await.unwrap();
    let pairs = [
        waiting(&rig, &listener).await,
        downloading(&rig, &listener).await,
        uploading(&rig, &listener).await,
        websocket(&rig, &listener).await,
        tunnel(&rig, &listener).await,
    ];
    let crate::support::Socket { path, handle, dir: _dir } = rig.socket;
    drop(handle);
    for Pair { mut worker, mut upstream } in pairs {
        end("the worker's end", &mut worker).await;
        end("the upstream's end", &mut upstream).await;
    }
    let mut idle = idle;
    end("the idle connection's end", &mut idle).await;
    soon("the socket's end", async {
        while UnixStream::connect(&path).await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
