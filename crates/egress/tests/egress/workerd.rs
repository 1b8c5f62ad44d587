//! A real workerd, named by `HEARTH_WORKERD`, whose every way out is the egress.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use hearth_egress::Config;
use http::header::LOCATION;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Channel, Empty};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use crate::support::{ALL_OPEN, Rig, Setup, Upstream, full, listen, soon, until};

const CONFIG: &str = r#"
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = (
      modules = [(name = "worker.js", esModule = embed "worker.js")],
      compatibilityDate = "2026-08-01",
      globalOutbound = "internet")),
    (name = "internet", external = (address = "unix:egress.sock",
      http = (style = proxy, cfBlobHeader = "X-Hearth-CF")))],
  sockets = [(name = "http", address = "unix:http.sock", service = "main", http = ())]);
"#;

/// A workerd that is killed with the test.
struct Workerd {
    child: Child,
    socket: PathBuf,
}

impl Drop for Workerd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Workerd {
    async fn start(rig: &Rig) -> Self {
        let binary = std::env::var_os("HEARTH_WORKERD")
            .expect("HEARTH_WORKERD must name the workerd binary that this test drives");
        let folder = rig.socket.dir.path();
        std::fs::write(folder.join("config.capnp"), CONFIG).unwrap();
        std::fs::write(folder.join("worker.js"), include_str!("worker.js")).unwrap();
        let child = Command::new(binary)
            .args(["serve", "config.capnp"])
            .current_dir(folder)
            .stdin(Stdio::null())
            .spawn()
            .expect("HEARTH_WORKERD can be run");
        let socket = folder.join("http.sock");
        until("workerd listens", || std::os::unix::net::UnixStream::connect(&socket).is_ok()).await;
        Self { child, socket }
    }

    async fn send<B>(&self, request: Request<B>) -> Response<hyper::body::Incoming>
    where
        B: http_body::Body<Data = Bytes, Error: Into<hearth_egress::BoxError>> + Send + Unpin + 'static,
    {
        let stream = TokioIo::new(UnixStream::connect(&self.socket).await.unwrap());
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        soon("the worker's answer", sender.send_request(request)).await.unwrap()
    }

    async fn get(&self, does: &str, to: &str) -> (StatusCode, String) {
        let uri = format!("/{does}?to={to}");
        let request =
            Request::builder().uri(uri).header("host", "w.test").body(Empty::<Bytes>::new()).unwrap();
        let (parts, body) = self.send(request).await.into_parts();
        let body = soon("the answer's end", body.collect()).await.unwrap().to_bytes();
        (parts.status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn json(&self, does: &str, to: &str) -> serde_json::Value {
        let (_, text) = self.get(does, to).await;
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"))
    }
}

async fn workerd(setup: Setup) -> (Rig, Workerd) {
    let rig = setup.start();
    let workerd = Workerd::start(&rig).await;
    (rig, workerd)
}

#[tokio::test]
async fn a_fetch_arrives_without_what_is_hearths() {
    let upstream = Upstream::greeting().await;
    let (_rig, workerd) = workerd(Setup::default()).await;
    let answer = workerd.get("fetch", &upstream.url("/a?b=c")).await;
    assert_eq!(answer, (StatusCode::OK, "hi".to_owned()));
    let seen = &upstream.seen()[0];
    assert_eq!((&seen.method, seen.uri.to_string()), (&Method::GET, "/a?b=c".to_owned()));
    assert_eq!(seen.headers["host"], upstream.address.to_string());
    for name in seen.headers.keys() {
        assert!(!name.as_str().starts_with("x-hearth-") && name != "cf-ew-via", "{name} has left");
    }
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    let upstream = Upstream::new(|request| async {
        let body = request.into_body().map_err(hearth_egress::BoxError::from);
        Response::new(body.boxed())
    })
    .await;
    let (_rig, workerd) = workerd(Setup::default()).await;
    let (mut sender, body) = Channel::<Bytes, std::io::Error>::new(1);
    let request = Request::post(format!("/fetch?to={}", upstream.url("/")))
        .header("host", "w.test")
        .body(body)
        .unwrap();
    sender.send_data("0".into()).await.unwrap();
    let response = workerd.send(request).await;
    assert_eq!(response.status(), StatusCode::OK);
    let mut echo = response.into_body();
    // The next chunk goes up only after the one before has come down: neither body waits for its end.
    for n in 0..5 {
        let frame = soon("an echo", echo.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), n.to_string());
        sender.send_data((n + 1).to_string().into()).await.unwrap();
    }
    drop(sender);
    let rest = soon("the echo's end", echo.collect()).await.unwrap().to_bytes();
    assert_eq!(rest, "5");
}

#[tokio::test]
async fn a_websocket_client_talks_and_closes() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        while let Some(Ok(message)) = socket.next().await {
            if message.is_text() {
                socket.send(message).await.unwrap();
            }
        }
    });
    let (_rig, workerd) = workerd(Setup::default()).await;
    assert_eq!(
        workerd.json("websocket", &format!("ws://{address}/")).await,
        json!({"closed": 1000, "messages": ["one", "two"]})
    );
}

#[tokio::test]
async fn a_websocket_that_is_declined_is_a_response() {
    let upstream = Upstream::greeting().await;
    let (_rig, workerd) = workerd(Setup::default()).await;
    assert_eq!(workerd.json("upgrade", &upstream.url("/")).await, json!({"status": 200, "socket": false}));
    assert_eq!(upstream.seen()[0].headers["upgrade"], "websocket");
}

#[tokio::test]
async fn a_socket_echoes_and_half_closes() {
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut all = String::new();
        // Read to the end first: what is answered comes after the worker's FIN.
        stream.read_to_string(&mut all).await.unwrap();
        stream.write_all(format!("echo {all}").as_bytes()).await.unwrap();
    });
    let (_rig, workerd) = workerd(Setup::default()).await;
    assert_eq!(workerd.get("connect", &address.to_string()).await, (StatusCode::OK, "echo ping".to_owned()));
}

#[tokio::test]
async fn a_redirect_to_the_metadata_service_is_refused_at_its_own_hop() {
    let upstream = Upstream::new(|_| async {
        let mut response = Response::new(full("gone"));
        *response.status_mut() = StatusCode::FOUND;
        response
            .headers_mut()
            .insert(LOCATION, HeaderValue::from_static("http://169.254.169.254/latest/meta-data/"));
        response
    })
    .await;
    let (_rig, workerd) = workerd(Setup::default()).await;
    let (status, text) = workerd.get("fetch", &upstream.url("/")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(text.contains("169.254.169.254:80 is not permitted"), "{text}");
    assert_eq!(upstream.seen().len(), 1, "the first hop is allowed");
}

const LOOPBACK: &[&str] = &[
    "127.0.0.1",
    "2130706433",
    "017700000001",
    "0x7f.1",
    "127.1",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "0.0.0.0",
    "localhost",
];

async fn assert_refused(workerd: &Workerd, upstream: &Upstream) {
    let port = upstream.address.port();
    for host in LOOPBACK {
        let (status, text) = workerd.get("fetch", &format!("http://{host}:{port}/")).await;
        assert_eq!((status, text.contains("not permitted")), (StatusCode::FORBIDDEN, true), "{host}: {text}");
        let (status, text) = workerd.get("connect", &format!("{host}:{port}")).await;
        let refused = (StatusCode::BAD_GATEWAY, true);
        assert_eq!((status, text.contains("proxy request failed")), refused, "{host}: {text}");
    }
    assert_eq!(upstream.connections(), 0);
}

#[tokio::test]
async fn no_spelling_of_loopback_leads_a_worker_to_loopback() {
    let upstream = Upstream::greeting().await;
    let (_rig, workerd) = workerd(Setup { policy: "{}", ..Setup::default() }).await;
    assert_refused(&workerd, &upstream).await;
}

#[tokio::test]
async fn no_rule_leads_a_worker_to_an_own_listener() {
    let upstream = Upstream::greeting().await;
    let other = Upstream::greeting().await;
    let config = Config { own: vec![upstream.address], ..Config::default() };
    let (_rig, workerd) = workerd(Setup { policy: ALL_OPEN, config, ..Setup::default() }).await;
    assert_refused(&workerd, &upstream).await;
    assert_eq!(workerd.get("fetch", &other.url("/")).await.0, StatusCode::OK, "the rule is in force");
}
