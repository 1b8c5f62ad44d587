//! Hosts that the installation serves itself.

use async_trait::async_trait;
use hearth_egress::{BoxError, Config, Dispatch, Internal, Origin};
use http::{Method, Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Rig, Setup, Upstream, end, full, head, listen, soon, status};

/// Serves `inside.test`: `/ws` by passing it on to an instance, everything else by saying what it has been given.
struct Inside {
    instance: SocketAddr,
}

#[async_trait]
impl Internal for Inside {
    async fn dispatch(&self, origin: &Origin, request: Request<Incoming>) -> Dispatch {
        if request.uri().host() != Some("inside.test") {
            return Dispatch::NotOurs(request);
        }
        if request.uri().path() != "/ws" {
            let hops = request.headers()["cf-ew-via"].to_str().unwrap().to_owned();
            let (uri, worker) = (request.uri().clone(), &origin.worker);
            let hearths = request.headers().keys().filter(|name| name.as_str().starts_with("x-hearth-"));
            let text = format!("{worker} {uri} {hops} {}", hearths.count());
            let body = request.into_body().collect().await.unwrap().to_bytes();
            let mut response = Response::new(full(format!("{text} {}", String::from_utf8_lossy(&body))));
            response.headers_mut().insert("x-hearth-secret", "1".parse().unwrap());
            return Dispatch::Response(response);
        }
        let stream = TokioIo::new(TcpStream::connect(self.instance).await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        let response = sender.send_request(request).await.unwrap();
        Dispatch::Response(response.map(|body| body.map_err(BoxError::from).boxed()))
    }
}

fn rig(instance: SocketAddr) -> Rig {
    // Nothing but the installation's own hosts can be reached, whatever the name server says.
    Setup { policy: "{}", internal: Arc::new(Inside { instance }), ..Setup::default() }.start()
}

#[tokio::test]
async fn a_host_of_ours_is_answered_inside() {
    let rig = rig("127.0.0.1:1".parse().unwrap());
    let headers = &[("x-hearth-cf", "{}"), ("connection", "x-a"), ("x-a", "1")];
    let answer = rig.socket.fetch(Method::GET, "https://inside.test/a?b", headers).await;
    assert_eq!((answer.status.as_u16(), &*answer.text), (200, "w https://inside.test/a?b 1 0 "));
    assert!(answer.headers.get("x-hearth-secret").is_none());
    let posted =
        Request::post("http://inside.test/").body(http_body_util::Full::<bytes::Bytes>::from("body"));
    let posted = rig.socket.send(posted.unwrap()).await.into_body().collect().await.unwrap();
    assert_eq!(posted.to_bytes(), "w http://inside.test/ 1 0 body");
    // A socket is never a worker's: its destination is judged like any other.
    assert_ne!(rig.socket.status("CONNECT inside.test:443 HTTP/1.1").await, 200);
}

#[tokio::test]
async fn a_chain_of_workers_ends_at_the_hop_limit() {
    let rig = rig("127.0.0.1:1".parse().unwrap());
    let hop =
        async |hops: &str| rig.socket.fetch(Method::GET, "http://inside.test/", &[("cf-ew-via", hops)]).await;
    assert_eq!(hop("15").await.text, "w http://inside.test/ 16 0 ");
    let looped = hop("16").await;
    assert_eq!((looped.status.as_u16(), &*looped.text), (508, "error code: 1019"));
}

#[tokio::test]
async fn the_chains_length_stays_inside() {
    let upstream = Upstream::greeting().await;
    let rig = Setup { internal: Arc::new(Inside { instance: upstream.address }), ..Setup::default() }.start();
    let headers = &[("cf-ew-via", "3")];
    assert_eq!(rig.socket.fetch(Method::GET, &upstream.url("/"), headers).await.status, 200);
    assert!(upstream.seen()[0].headers.get("cf-ew-via").is_none());
}

#[tokio::test]
async fn a_websocket_of_ours_is_joined_and_counts_until_its_end() {
    let (listener, address) = listen().await;
    let config = Config { max_in_flight_per_instance: 1, ..Config::default() };
    let internal = Arc::new(Inside { instance: address });
    let rig = Setup { policy: "{}", config, internal, ..Setup::default() }.start();
    let mut worker = rig
        .socket
        .raw("GET http://inside.test/ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket")
        .await;
    let (mut instance, _) = soon("the instance is asked", listener.accept()).await.unwrap();
    assert!(head(&mut instance).await.to_lowercase().contains("upgrade: websocket"));
    instance
        .write_all(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello",
        )
        .await
        .unwrap();
    assert_eq!(status(&mut worker).await, 101);
    let mut word = [0; 5];
    soon("hello", worker.read_exact(&mut word)).await.unwrap();
    worker.write_all(b"world").await.unwrap();
    soon("world", instance.read_exact(&mut word)).await.unwrap();
    assert_eq!(&word, b"world");
    assert_eq!(rig.socket.get("http://inside.test/").await.status, 503);
    drop(worker);
    end("the instance's side", &mut instance).await;
    soon("room", async { while rig.socket.get("http://inside.test/").await.status != 200 {} }).await;
}
