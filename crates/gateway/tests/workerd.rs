//! The gateway before a real workerd, named by `HEARTH_WORKERD`.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use hearth_gateway::Config;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::json;
use support::{Rig, full, get, soon, text};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

const CONFIG: &str = r#"
using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (
    modules = [(name = "main.js", esModule = embed "main.js")],
    compatibilityDate = "2026-08-01",
    compatibilityFlags = ["enable_request_signal"]))],
  sockets = [(name = "http", address = "unix:http.sock", service = "main",
    http = (forwardedProtoHeader = "X-Forwarded-Proto", cfBlobHeader = "X-Hearth-CF"))]);
"#;

const SCRIPT: &str = r#"
let cancelled = 0, closed = [];
export default { async fetch(request) {
  const url = new URL(request.url);
  switch (url.pathname) {
    case "/who":
      return Response.json({ url: request.url, cf: request.cf, headers: Object.fromEntries(request.headers) });
    case "/throw":
      throw new Error("boom");
    case "/upload":
      return new Response("" + (await request.arrayBuffer()).byteLength);
    case "/early":
      return new Response("early");
    case "/gzip":
      return new Response("packed ".repeat(1000), { headers: { "content-encoding": "gzip" } });
    case "/forever": {
      // Something must be pending, or workerd sees that the stream can never end.
      let timer;
      const stream = new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode("first"));
          timer = setInterval(() => {}, 10);
        },
        cancel() { clearInterval(timer); cancelled++; },
      });
      return new Response(stream, { headers: { "content-type": "text/event-stream" } });
    }
    case "/seen":
      return Response.json({ cancelled, closed });
    case "/ws": {
      const [client, server] = Object.values(new WebSocketPair());
      server.accept();
      server.addEventListener("message", event => server.send("echo " + event.data));
      server.addEventListener("close", event => closed.push(event.code));
      return new Response(null, { status: 101, webSocket: client });
    }
  }
  return new Response("hello");
} };
"#;

/// A workerd that is killed with the test.
struct Workerd(Child);

impl Drop for Workerd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn start(folder: &Path) -> (Workerd, PathBuf) {
    let binary = std::env::var_os("HEARTH_WORKERD")
        .expect("HEARTH_WORKERD must name the workerd binary that this test drives");
    std::fs::write(folder.join("config.capnp"), CONFIG).unwrap();
    std::fs::write(folder.join("main.js"), SCRIPT).unwrap();
    let child = Command::new(binary)
        .args(["serve", "config.capnp"])
        .current_dir(folder)
        .stdin(Stdio::null())
        .spawn()
        .expect("HEARTH_WORKERD can be run");
    let socket = folder.join("http.sock");
    support::until("workerd listens", || std::os::unix::net::UnixStream::connect(&socket).is_ok()).await;
    (Workerd(child), socket)
}

async fn rig() -> (Rig, Workerd) {
    rig_with(Config { colo: "TST".to_owned(), ..Config::default() }).await
}

async fn rig_with(config: Config) -> (Rig, Workerd) {
    let rig = Rig::new(config).await;
    let (workerd, socket) = start(rig.folder.path()).await;
    rig.publish_at("app", &socket);
    (rig, workerd)
}

async fn seen(rig: &Rig) -> serde_json::Value {
    serde_json::from_str(&text(rig.get("app.localhost", "/seen").await).await).unwrap()
}

async fn until_seen(rig: &Rig, field: &str, expected: serde_json::Value) {
    soon(field, async {
        while seen(rig).await[field] != expected {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_script_sees_the_request_as_on_cloudflare() {
    let (rig, _workerd) = rig().await;
    let mut request = get("app.localhost:8787", "/who?a=1");
    request.headers_mut().insert("x-hearth-cf", "{\"colo\":\"EVIL\"".parse().unwrap());
    let who: serde_json::Value = serde_json::from_str(&text(rig.fetch(request).await).await).unwrap();
    assert_eq!(who["url"], "http://app.localhost:8787/who?a=1");
    assert_eq!(who["cf"]["colo"], "TST");
    assert_eq!(who["cf"]["httpProtocol"], "HTTP/1.1");
    assert_eq!(who["headers"]["cf-connecting-ip"], "127.0.0.1");
    assert!(who["headers"].get("x-hearth-cf").is_none(), "workerd keeps the blob to itself");
    assert!(who["headers"].get("connection").is_none());
}

#[tokio::test]
async fn request_cf_comes_from_the_operators_databases() {
    // Made by tests/geo/make.py.
    let file = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/geo").join(name);
    let config = Config {
        mmdb: vec![file("asn.mmdb"), file("city.mmdb")],
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..Config::default()
    };
    let (rig, _workerd) = rig_with(config).await;
    let who = async |client: &str| -> serde_json::Value {
        let mut request = get("app.localhost", "/who");
        request.headers_mut().insert("x-forwarded-for", client.parse().unwrap());
        serde_json::from_str(&text(rig.fetch(request).await).await).unwrap()
    };
    let known = who("81.2.69.142").await;
    for (field, expected) in [
        ("country", json!("DE")),
        ("isEUCountry", json!("1")),
        ("continent", json!("EU")),
        ("city", json!("Köln")),
        ("region", json!("North Rhine-Westphalia")),
        ("regionCode", json!("NW")),
        ("postalCode", json!("50667")),
        ("latitude", json!("50.93750")),
        ("longitude", json!("6.96030")),
        ("timezone", json!("Europe/Berlin")),
        ("asn", json!(64512)),
        ("asOrganization", json!("Example Net")),
    ] {
        assert_eq!(known["cf"][field], expected, "{field}");
    }
    assert_eq!(known["headers"]["cf-ipcountry"], "DE");
    let sixth = who("2001:db8:a::7").await;
    assert_eq!((&sixth["cf"]["country"], &sixth["cf"]["metroCode"]), (&json!("US"), &json!("635")));
    assert!(sixth["cf"].get("asn").is_none() && sixth["cf"].get("isEUCountry").is_none());
    let unknown = who("192.0.2.1").await;
    assert!(unknown["cf"].get("country").is_none(), "{unknown}");
    assert_eq!(unknown["headers"]["cf-ipcountry"], "XX");
}

#[tokio::test]
async fn bodies_errors_and_encodings_pass() {
    let (rig, _workerd) = rig().await;
    assert_eq!(text(rig.fetch(upload("/upload", 3_000_000)).await).await, "3000000");
    let threw = rig.get("app.localhost", "/throw").await;
    assert_eq!(threw.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(text(rig.get("app.localhost", "/").await).await, "hello");
    // The client takes no gzip; another does.
    assert_eq!(text(rig.get("app.localhost", "/gzip").await).await.len(), 7_000);
    let mut request = get("app.localhost", "/gzip");
    request.headers_mut().insert("accept-encoding", "gzip".parse().unwrap());
    let packed = rig.fetch(request).await;
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    assert!(packed.into_body().collect().await.unwrap().to_bytes().len() < 500);
}

fn upload(path: &str, size: usize) -> http::Request<support::StubBody> {
    let mut request = get("app.localhost", path);
    *request.method_mut() = Method::POST;
    *request.body_mut() = full(Bytes::from(vec![0; size]));
    request
}

#[tokio::test]
async fn an_answer_before_the_upload_was_read_is_never_lost() {
    let (rig, _workerd) = rig().await;
    // workerd closes under what it left unread, so writing fails now and then before its answer was read.
    for round in 0..100 {
        let response = rig.fetch(upload("/early", 3_000_000)).await;
        assert_eq!(response.status(), StatusCode::OK, "round {round}");
        assert_eq!(text(response).await, "early", "round {round}");
    }
    assert_eq!(text(rig.get("app.localhost", "/").await).await, "hello");
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_stream() {
    let (rig, _workerd) = rig().await;
    let mut stream = rig.connect().await;
    stream.write_all(b"GET /forever HTTP/1.1\r\nHost: app.localhost\r\n\r\n").await.unwrap();
    let mut read = Vec::new();
    while !String::from_utf8_lossy(&read).contains("first") {
        read.push(soon("the first event", stream.read_u8()).await.unwrap());
    }
    assert_eq!(seen(&rig).await["cancelled"], 0);
    drop(stream);
    until_seen(&rig, "cancelled", 1.into()).await;
}

#[tokio::test]
async fn a_websocket_is_drained_with_1012_at_both_ends() {
    let rig = Rig::new(Config::default()).await;
    let (_workerd, socket) = start(rig.folder.path()).await;
    let (_, instance) = rig.publish_at("app", &socket);
    let request = "ws://app.localhost/ws".into_client_request().unwrap();
    let opened = tokio_tungstenite::client_async(request, rig.connect().await);
    let (mut websocket, _) = soon("a WebSocket", opened).await.unwrap();
    websocket.send(Message::text("hi")).await.unwrap();
    assert_eq!(soon("an echo", websocket.next()).await.unwrap().unwrap(), Message::text("echo hi"));
    instance.drain();
    match soon("a close", websocket.next()).await.unwrap().unwrap() {
        Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1012),
        other => panic!("{other:?}"),
    }
    assert!(soon("the end", websocket.next()).await.is_none_or(|end| end.is_err()));
    support::until("the place is free", || instance.in_flight() == 0).await;
    // The same process under a name of its own tells what its script saw.
    rig.publish_at("witness", &socket);
    let seen = text(rig.get("witness.localhost", "/seen").await).await;
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&seen).unwrap()["closed"],
        serde_json::json!([1012])
    );
}

#[tokio::test]
async fn a_killed_process_is_an_error_page_and_not_a_hang() {
    let (rig, workerd) = rig().await;
    assert_eq!(text(rig.get("app.localhost", "/").await).await, "hello");
    drop(workerd);
    let response = rig.get("app.localhost", "/").await;
    assert_eq!(response.status(), StatusCode::BAD_GATEWAY);
}
