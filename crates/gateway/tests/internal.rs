//! Requests of workers to hosts that this installation serves.

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use hearth_gateway::{Body, Caller, Config, Gateway};
use hearth_model::{PublishedRoute, WorkerId};
use http::{Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use support::{Rig, StubBody, full, ok, soon};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

/// Offers a request as egress does: `Incoming` can only be had from a connection. None: it was given back.
async fn dispatch(rig: &Rig, caller: &Caller, request: Request<StubBody>) -> Option<Response<Body>> {
    dispatch_to(&rig.gateway, caller, request).await
}

async fn dispatch_to(
    gateway: &Arc<Gateway>,
    caller: &Caller,
    request: Request<StubBody>,
) -> Option<Response<Body>> {
    let (ours, theirs) = tokio::io::duplex(1 << 16);
    let (sender, mut arrived) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(
        TokioIo::new(theirs),
        service_fn(move |request: Request<Incoming>| {
            sender.send(request).unwrap();
            std::future::pending::<Result<Response<StubBody>, std::convert::Infallible>>()
        }),
    ));
    let (mut client, connection) = hyper::client::conn::http1::handshake(TokioIo::new(ours)).await.unwrap();
    tokio::spawn(connection);
    let _pending = client.send_request(request);
    let request = soon("the request", arrived.recv()).await.unwrap();
    let dispatched = gateway.dispatch_internal(caller, request);
    soon("a decision", dispatched).await.ok()
}

fn caller(name: &str) -> Caller {
    Caller { id: WorkerId::random(), name: name.to_owned() }
}

fn request(url: &str) -> Request<StubBody> {
    let authority = url.split("//").nth(1).unwrap().split('/').next().unwrap();
    Request::get(url).header("host", authority).body(full("")).unwrap()
}

async fn text(response: Response<Body>) -> String {
    let bytes = soon("a body", response.into_body().collect()).await.unwrap().to_bytes();
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[tokio::test]
async fn a_worker_reaches_another_by_its_host() {
    let rig = Rig::new(Config::default()).await;
    rig.publish("callee", async |request| {
        let read =
            |name: &str| request.headers().get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
        let heads =
            ["cf-worker", "cf-connecting-ip", "cf-ew-via", "x-forwarded-proto", "x-real-ip"].map(read);
        ok(format!("{} {}", request.uri(), heads.join(" ")))
    });
    let mut forged = request("https://callee.localhost/a?b");
    for (name, value) in [("cf-connecting-ip", "6.6.6.6"), ("cf-worker", "admin"), ("cf-ew-via", "3")] {
        forged.headers_mut().insert(name, value.parse().unwrap());
    }
    let response = dispatch(&rig, &caller("caller"), forged).await.unwrap();
    let ours = "2a06:98c0:3600::103";
    assert_eq!(text(response).await, format!("/a?b caller {ours} 3 https {ours}"));
}

#[tokio::test]
async fn what_is_not_ours_is_given_back() {
    let rig = Rig::new(Config { api_hosts: vec!["api.test".parse().unwrap()], ..Config::default() }).await;
    let (worker, _) = rig.publish("app", async |_| ok("reached"));
    // Even a route does not make the control host a worker's, which anybody could then put one before.
    let route = |pattern: &str| PublishedRoute {
        pattern: pattern.parse().unwrap(),
        zone: "example.com".parse().unwrap(),
        worker: Some(worker.id),
    };
    rig.table.set_routes(["localhost/*", "127.0.0.1/*", "api.test/*"].map(route).to_vec());
    for url in ["http://example.com/", "http://localhost/client/v4", "http://127.0.0.1/", "http://api.test/"]
    {
        assert!(dispatch(&rig, &caller("caller"), request(url)).await.is_none(), "{url}");
    }
    let itself = Caller { id: worker.id, name: "app".to_owned() };
    assert!(dispatch(&rig, &itself, request("http://app.localhost/")).await.is_none(), "its own route");
    let namesake = dispatch(&rig, &caller("app"), request("http://app.localhost/")).await;
    assert_eq!(text(namesake.unwrap()).await, "reached", "another account's worker of the same name");
    let missing = dispatch(&rig, &caller("caller"), request("http://nobody.localhost/")).await.unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_circle_ends() {
    let rig = Rig::new(Config { max_hops: 4, ..Config::default() }).await;
    rig.publish("app", async |_| ok("reached"));
    for (hops, code) in [("4", StatusCode::OK), ("5", StatusCode::INTERNAL_SERVER_ERROR)] {
        let mut request = request("http://app.localhost/");
        request.headers_mut().insert("cf-ew-via", hops.parse().unwrap());
        let response = dispatch(&rig, &caller("caller"), request).await.unwrap();
        assert_eq!(response.status(), code);
        if code != StatusCode::OK {
            assert!(text(response).await.starts_with("error code: 1019"));
        }
    }
}

/// A worker that calls `next` by its public host, as long as it is asked to, and answers what that answered.
fn publish_caller(rig: &Rig, name: &'static str, next: &'static str, calls: &Arc<AtomicUsize>) {
    let (gateway, calls) = (Arc::clone(&rig.gateway), Arc::clone(calls));
    let own = Arc::new(OnceLock::<Caller>::new());
    let known = Arc::clone(&own);
    let (worker, _) = rig.publish(name, move |request: Request<Incoming>| {
        let (gateway, calls, known) = (Arc::clone(&gateway), Arc::clone(&calls), Arc::clone(&known));
        async move {
            calls.fetch_add(1, Ordering::Relaxed);
            let (rest, further) = match request.uri().path() {
                "/forever" => ("/forever".to_owned(), true),
                path => {
                    let left: u32 = path[1..].parse().unwrap();
                    (format!("/{}", left.saturating_sub(1)), left > 0)
                }
            };
            if !further {
                tokio::time::sleep(Duration::from_millis(20)).await;
                return ok("the end");
            }
            let call = self::request(&format!("http://{next}.localhost{rest}"));
            let answer = dispatch_to(&gateway, known.get().unwrap(), call).await.unwrap();
            ok(text(answer).await)
        }
    });
    own.set(Caller { id: worker.id, name: name.to_owned() }).unwrap();
}

#[tokio::test]
async fn a_circle_that_passes_nothing_on_ends_too() {
    let rig = Rig::new(Config::default()).await;
    let calls = Arc::default();
    publish_caller(&rig, "a", "b", &calls);
    publish_caller(&rig, "b", "a", &calls);
    let answer = support::text(rig.get("a.localhost", "/forever").await).await;
    assert!(answer.starts_with("error code: 1019"), "{answer}");
    let made = calls.load(Ordering::Relaxed);
    assert!((30..=65).contains(&made), "{made}");
}

#[tokio::test]
async fn calls_back_and_forth_under_load_are_no_circle() {
    let rig = Rig::new(Config::default()).await;
    let calls = Arc::default();
    publish_caller(&rig, "a", "b", &calls);
    publish_caller(&rig, "b", "a", &calls);
    let all = (0..100).map(|_| async { support::text(rig.get("a.localhost", "/4").await).await });
    for answer in futures::future::join_all(all).await {
        assert_eq!(answer, "the end");
    }
    assert_eq!(calls.load(Ordering::Relaxed), 500);
}

#[tokio::test]
async fn websockets_between_workers_hold_their_place_and_drain() {
    let rig = Rig::new(Config::default()).await;
    let (_, instance) = rig.publish("app", async |mut request: Request<Incoming>| {
        let key = derive_accept_key(request.headers()[header::SEC_WEBSOCKET_KEY].as_bytes());
        tokio::spawn(async move {
            let upgraded = hyper::upgrade::on(&mut request).await.unwrap();
            let mut socket =
                WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() || message.is_binary() {
                    socket.send(message).await.unwrap();
                }
            }
        });
        let mut response = Response::new(full(""));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        for (name, value) in
            [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", &key)]
        {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response
    });
    let mut request = request("http://app.localhost/");
    for (name, value) in [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let mut response = dispatch(&rig, &caller("caller"), request).await.unwrap();
    assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
    let upgraded = soon("the upgrade", hyper::upgrade::on(&mut response)).await.unwrap();
    drop(response);
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await;
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(soon("an echo", socket.next()).await.unwrap().unwrap(), Message::text("hello"));
    assert_eq!(instance.in_flight(), 1);
    instance.drain();
    match soon("a close", socket.next()).await.unwrap().unwrap() {
        Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1012),
        other => panic!("{other:?}"),
    }
}
