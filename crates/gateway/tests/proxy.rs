//! What passes between client and worker, and what does not.

mod support;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use hearth_gateway::{BoxError, Config, Lost};
use hearth_model::{PublishedVersion, Split, VersionId};
use hearth_supervisor::{AcquireError, Death};
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::channel::Channel;
use http_body_util::{BodyExt as _, StreamBody};
use hyper_util::rt::{TokioExecutor, TokioIo};
use support::{Rig, StubBody, full, get, ok, soon, text, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

/// A body that the test feeds.
fn fed() -> (tokio::sync::mpsc::UnboundedSender<&'static str>, StubBody) {
    let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
    let stream = futures::stream::unfold(receiver, |mut receiver| async move {
        let text: &'static str = receiver.recv().await?;
        Some((Ok::<_, BoxError>(Frame::data(Bytes::from(text))), receiver))
    });
    (sender, StreamBody::new(stream).boxed_unsync())
}

#[tokio::test]
async fn the_worker_sees_who_asks_and_nothing_forged() {
    let rig = Rig::new(Config { colo: "TST".to_owned(), ..Config::default() }).await;
    rig.publish("app", async |request| {
        let mut lines: Vec<String> = request
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        lines.sort();
        ok(format!("{} {}\n{}", request.method(), request.uri(), lines.join("\n")))
    });
    let request = Request::get("/a//b?c=%20")
        .header("host", "app.localhost:8787")
        .header("connection", "x-secret, keep-alive")
        .header("x-secret", "1")
        .header("cf-connecting-ip", "6.6.6.6")
        .header("x-forwarded-for", "6.6.6.6")
        .header("x-hearth-cf", "{\"colo\":\"EVIL\"}")
        .header("accept-encoding", "identity")
        .body(full(""))
        .unwrap();
    let response = rig.fetch(request).await;
    let ray = response.headers()["cf-ray"].to_str().unwrap().to_owned();
    assert_eq!(response.headers()["server"], "hearth");
    assert!(ray.ends_with("-TST") && ray.len() == 20, "{ray}");
    let seen = text(response).await;
    let (head, lines) = seen.split_once('\n').unwrap();
    assert_eq!(head, "GET /a//b?c=%20");
    let lines: Vec<&str> = lines.lines().filter(|line| !line.starts_with("x-hearth-cf: ")).collect();
    let expected = [
        "accept-encoding: gzip, br",
        "cf-connecting-ip: 127.0.0.1",
        "cf-ipcountry: XX",
        &format!("cf-ray: {ray}"),
        "cf-visitor: {\"scheme\":\"http\"}",
        "host: app.localhost:8787",
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: http",
        "x-real-ip: 127.0.0.1",
    ];
    assert_eq!(lines, expected);
    let blob = seen.lines().find_map(|line| line.strip_prefix("x-hearth-cf: ")).unwrap();
    let blob: serde_json::Value = serde_json::from_str(blob).unwrap();
    assert_eq!((&blob["colo"], &blob["clientAcceptEncoding"]), (&"TST".into(), &"identity".into()));
}

#[tokio::test]
async fn a_trusted_proxy_is_believed() {
    let rig =
        Rig::new(Config { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..Config::default() }).await;
    rig.publish("app", async |request| {
        let read = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        ok([read("cf-connecting-ip"), read("x-forwarded-proto"), read("x-forwarded-for")].join(" "))
    });
    let request = Request::get("/")
        .header("host", "app.localhost")
        .header("x-forwarded-for", "6.6.6.6, 2.2.2.2")
        .header("x-forwarded-proto", "https")
        .body(full(""))
        .unwrap();
    assert_eq!(text(rig.fetch(request).await).await, "2.2.2.2 https 6.6.6.6, 2.2.2.2, 127.0.0.1");
}

#[tokio::test]
async fn bodies_stream_both_ways_at_once() {
    let rig = Rig::new(Config::default()).await;
    rig.publish("echo", async |request| {
        let mut response = Response::new(request.into_body().map_err(BoxError::from).boxed_unsync());
        response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
        response
    });
    let (sender, body) = fed();
    sender.send("one").unwrap();
    let mut request = get("echo.localhost", "/");
    *request.method_mut() = Method::POST;
    *request.body_mut() = body;
    let mut response = rig.fetch(request).await;
    for piece in ["one", "two", "three"] {
        if piece != "one" {
            sender.send(piece).unwrap();
        }
        let frame = soon(piece, response.frame()).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece);
    }
    drop(sender);
    assert!(soon("the end", response.frame()).await.is_none());
}

#[tokio::test]
async fn a_client_that_leaves_cancels_the_handler_and_frees_its_place() {
    struct Cancelled(Arc<AtomicUsize>);
    impl Drop for Cancelled {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let rig = Rig::new(Config::default()).await;
    let cancelled = Arc::new(AtomicUsize::new(0));
    let (guard, started) = (Arc::clone(&cancelled), Arc::new(AtomicUsize::new(0)));
    let begun = Arc::clone(&started);
    let (_, instance) = rig.publish("app", move |request| {
        let guard = Cancelled(Arc::clone(&guard));
        begun.fetch_add(1, Ordering::Relaxed);
        async move {
            if request.uri().path() == "/head" {
                std::future::pending::<()>().await;
            }
            let stream = futures::stream::once(async { Ok(Frame::data(Bytes::from("first"))) })
                .chain(futures::stream::pending())
                .inspect(move |_: &Result<_, BoxError>| {
                    let _ = &guard;
                });
            Response::new(StreamBody::new(stream).boxed_unsync())
        }
    });
    for (path, count) in [("/head", 1), ("/body", 2)] {
        let mut stream = rig.connect().await;
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: app.localhost\r\n\r\n").as_bytes())
            .await
            .unwrap();
        until("the handler runs", || started.load(Ordering::Relaxed) == count).await;
        if path == "/body" {
            let mut byte = [0];
            soon("a byte", stream.read_exact(&mut byte)).await.unwrap();
        }
        assert_eq!(instance.in_flight(), 1);
        drop(stream);
        until("the handler is cancelled", || cancelled.load(Ordering::Relaxed) == count).await;
        until("the place is free", || instance.in_flight() == 0).await;
    }
}

#[tokio::test]
async fn a_response_may_come_before_the_upload_has_ended() {
    let rig = Rig::new(Config::default()).await;
    rig.publish("app", async |_| ok("early"));
    let (sender, body) = fed();
    sender.send("beginning").unwrap();
    let mut request = get("app.localhost", "/");
    *request.method_mut() = Method::POST;
    *request.body_mut() = body;
    assert_eq!(text(rig.fetch(request).await).await, "early");
    drop(sender);
    assert_eq!(text(rig.get("app.localhost", "/").await).await, "early");
}

#[tokio::test]
async fn connections_to_the_worker_are_used_again() {
    let rig = Rig::new(Config::default()).await;
    let socket = rig.socket();
    let listener = UnixListener::bind(&socket).unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&accepted);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            count.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                while stream.read(&mut buffer).await.unwrap_or(0) > 0 {
                    // Head and body apart, as a connection that is not done with the head's arrival.
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n").await.unwrap();
                    stream.write_all(b"ok").await.unwrap();
                }
            });
        }
    });
    rig.publish_at("app", &socket);
    for _ in 0..20 {
        assert_eq!(text(rig.get("app.localhost", "/").await).await, "ok");
    }
    assert_eq!(accepted.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_stale_connection_costs_no_request() {
    let rig = Rig::new(Config::default()).await;
    let socket = rig.socket();
    let listener = UnixListener::bind(&socket).unwrap();
    let closed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&closed);
    tokio::spawn(async move {
        loop {
            // One response for each connection, and no word about the connection's end.
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            assert!(stream.read(&mut buffer).await.unwrap() > 0, "a connection without a request");
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
            drop(stream);
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    rig.publish_at("app", &socket);
    for (sent, method) in [Method::GET, Method::POST, Method::GET].into_iter().enumerate() {
        until("the last connection is closed", || closed.load(Ordering::Relaxed) == sent).await;
        let mut request = get("app.localhost", "/");
        *request.method_mut() = method;
        *request.body_mut() = full("body");
        assert_eq!(rig.fetch(request).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a_request_that_was_written_is_not_repeated() {
    let rig = Rig::new(Config::default()).await;
    let socket = rig.socket();
    let listener = UnixListener::bind(&socket).unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            // Reads one request whole and hangs up.
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            if stream.read(&mut buffer).await.unwrap_or(0) > 0 {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    rig.publish_at("app", &socket);
    let mut request = get("app.localhost", "/");
    *request.method_mut() = Method::POST;
    assert_eq!(rig.fetch(request).await.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(requests.load(Ordering::Relaxed), 1);
}

/// A connection that idled may be closed while a request is on its way: what has no effects goes out once more.
#[tokio::test]
async fn after_idling_only_a_request_without_effects_is_repeated() {
    let rig = Rig::new(Config::default()).await;
    let socket = rig.socket();
    let listener = UnixListener::bind(&socket).unwrap();
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            // Answers the first request of a connection, reads the second and hangs up.
            let (mut stream, _) = listener.accept().await.unwrap();
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let _ = stream.read(&mut buffer).await.unwrap();
                count.fetch_add(1, Ordering::Relaxed);
                stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
                if stream.read(&mut buffer).await.unwrap_or(0) > 0 {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    rig.publish_at("app", &socket);
    for (method, status, sent) in
        [(Method::POST, StatusCode::BAD_GATEWAY, 2), (Method::GET, StatusCode::OK, 3)]
    {
        requests.store(0, Ordering::Relaxed);
        assert_eq!(rig.get("app.localhost", "/").await.status(), StatusCode::OK);
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let mut request = get("app.localhost", "/");
        *request.method_mut() = method.clone();
        assert_eq!(rig.fetch(request).await.status(), status, "{method}");
        assert_eq!(requests.load(Ordering::Relaxed), sent, "{method}");
    }
}

#[tokio::test]
async fn http2_by_prior_knowledge_reaches_the_worker() {
    let rig = Rig::new(Config::default()).await;
    rig.publish("app", async |request| {
        let read =
            |name: &str| request.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
        let heads = format!("{} {} {}", read("host"), read("cookie"), request.uri());
        let body = request.into_body().collect().await.unwrap().to_bytes();
        ok(format!("{heads} {}", body.len()))
    });
    let io = TokioIo::new(rig.connect().await);
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post("http://app.localhost/x?y")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(full("12345"))
        .unwrap();
    let response = soon("a response", sender.send_request(request)).await.unwrap();
    assert!(response.headers().contains_key("cf-ray"));
    assert_eq!(text(response).await, "app.localhost a=1; b=2 /x?y 5");
    let mismatch =
        Request::get("http://app.localhost/").header("host", "other.localhost").body(full("")).unwrap();
    let response = soon("a response", sender.send_request(mismatch)).await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn head_expect_and_response_headers() {
    let rig = Rig::new(Config::default()).await;
    rig.publish("app", async |request| {
        assert!(!request.headers().contains_key("expect"));
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let mut response = ok(format!("got {}", body.len()));
        for (name, value) in [("connection", "x-hop"), ("x-hop", "1"), ("keep-alive", "1"), ("x-end", "1")] {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
        response.headers_mut().append("set-cookie", "a=1".parse().unwrap());
        response.headers_mut().append("set-cookie", "b=2".parse().unwrap());
        response
    });
    let mut request = get("app.localhost", "/");
    *request.method_mut() = Method::HEAD;
    let response = rig.fetch(request).await;
    assert_eq!(response.headers()["content-length"], "5");
    assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
    assert!(response.headers().contains_key("x-end"));
    for hop in ["x-hop", "keep-alive"] {
        assert!(!response.headers().contains_key(hop), "{hop}");
    }
    let mut stream = rig.connect().await;
    stream
        .write_all(
            b"PUT / HTTP/1.1\r\nHost: app.localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        )
        .await
        .unwrap();
    let mut line = [0; 25];
    soon("100", stream.read_exact(&mut line)).await.unwrap();
    assert_eq!(line.as_slice(), b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"abc").await.unwrap();
    let mut answer = [0; 12];
    soon("200", stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer.as_slice(), b"HTTP/1.1 200");
}

#[tokio::test]
async fn responses_are_compressed_for_who_accepts_it() {
    let rig = Rig::new(Config::default()).await;
    rig.publish("app", async |_| {
        let mut response = ok("hello ".repeat(1_000));
        response.headers_mut().insert("content-type", "text/html".parse().unwrap());
        response
    });
    let mut request = get("app.localhost", "/");
    request.headers_mut().insert("accept-encoding", "br".parse().unwrap());
    let response = rig.fetch(request).await;
    assert_eq!(response.headers()["content-encoding"], "br");
    let length = soon("a body", response.into_body().collect()).await.unwrap().to_bytes().len();
    assert!(length < 200, "{length}");
    let plain = rig.get("app.localhost", "/").await;
    assert!(!plain.headers().contains_key("content-encoding"));
    assert_eq!(text(plain).await.len(), 6_000);
}

#[tokio::test]
async fn failures_are_told_in_cloudflares_manner() {
    let rig = Rig::new(Config { max_in_flight_per_account: 1, ..Config::default() }).await;
    let unknown = rig.get("nobody.localhost:1", "/").await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    assert!(unknown.headers().contains_key("cf-ray"));
    assert!(text(unknown).await.contains("\"nobody.localhost\""));

    let (mut worker, instance) = rig.publish("app", async |request| {
        if request.uri().path() == "/wait" {
            std::future::pending::<()>().await;
        }
        ok("served")
    });
    // Over the account's cap, and free again.
    let mut waiting = rig.connect().await;
    waiting.write_all(b"GET /wait HTTP/1.1\r\nHost: app.localhost\r\n\r\n").await.unwrap();
    until("one is in flight", || instance.in_flight() == 1).await;
    let refused = rig.get("app.localhost", "/").await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "1");
    assert!(text(refused).await.starts_with("error code: 1105"));

    // It dies of its limits with the request in it.
    instance.bury(Death::Memory);
    drop(waiting);
    until("none is in flight", || instance.in_flight() == 0).await;
    *rig.fleet.refuse.lock() = Some(AcquireError::Died(Death::Stuck));
    let died = rig.get("app.localhost", "/").await;
    assert_eq!(died.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(text(died).await.starts_with("error code: 1102"));
    *rig.fleet.refuse.lock() = Some(AcquireError::Internal("the disk /secret is full".to_owned()));
    let internal = rig.get("app.localhost", "/").await;
    assert_eq!(internal.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!text(internal).await.contains("secret"));

    worker.split = None;
    rig.table.upsert_worker(worker);
    assert!(text(rig.get("app.localhost", "/").await).await.contains("no deployment"));
}

#[tokio::test]
async fn a_process_that_dies_with_a_request_in_it_is_an_1102() {
    let rig = Rig::new(Config::default()).await;
    let socket = rig.socket();
    let listener = UnixListener::bind(&socket).unwrap();
    let (_, instance) = rig.publish_at("app", &socket);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.read_exact(&mut [0; 20]).await.unwrap();
        drop(stream);
        // The sockets close before anybody is told why.
        tokio::time::sleep(Duration::from_millis(20)).await;
        instance.bury(Death::CpuBudget);
    });
    let response = rig.get("app.localhost", "/gone?x").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let ray = response.headers()["cf-ray"].clone();
    assert!(text(response).await.starts_with("error code: 1102"));
    // The process can no longer say that it had this one.
    let lost = std::mem::take(&mut *rig.fleet.lost.lock());
    let [Lost { death: Death::CpuBudget, request, status: None, .. }] = &lost[..] else { panic!("{lost:?}") };
    assert_eq!((&request.method, &*request.url), (&http::Method::GET, "http://app.localhost/gone?x"));
    assert_eq!(request.headers["cf-ray"], ray);
}

#[tokio::test]
async fn a_process_that_dies_in_the_middle_of_a_response_is_told_of() {
    let rig = Rig::new(Config::default()).await;
    let socket = rig.socket();
    let listener = UnixListener::bind(&socket).unwrap();
    let (_, instance) = rig.publish_at("app", &socket);
    for dies in [false, true] {
        let asked = rig.get("app.localhost", "/half");
        let answered = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_exact(&mut [0; 20]).await.unwrap();
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nha").await.unwrap();
            stream
        };
        let (response, stream) = tokio::join!(asked, answered);
        drop(stream);
        assert!(response.into_body().collect().await.is_err());
        if dies {
            instance.bury(Death::Crashed);
            until("it is told", || !rig.fleet.lost.lock().is_empty()).await;
            let lost = std::mem::take(&mut *rig.fleet.lost.lock());
            let [Lost { death: Death::Crashed, status: Some(StatusCode::OK), .. }] = &lost[..] else {
                panic!("{lost:?}")
            };
        } else {
            // Longer than it is waited for the news.
            tokio::time::sleep(Duration::from_millis(700)).await;
            assert!(rig.fleet.lost.lock().is_empty(), "it lives");
        }
    }
}

#[tokio::test]
async fn versions_are_chosen_by_host_key_and_override() {
    let rig = Rig::new(Config::default()).await;
    let (mut worker, _) = rig.publish("app", async |_| ok("old"));
    let old = worker.versions[0].id;
    let new = VersionId::random();
    let socket = rig.socket();
    support::stub(&socket, async |_| ok("new"));
    rig.instance(worker.id, new, &socket);
    worker.versions.insert(
        0,
        PublishedVersion { id: new, label: None, alias: Some("next".to_owned()), assets: false, code: true },
    );
    worker.split = Some(Split::new(vec![(old, 100.0), (new, 0.0)]).unwrap());
    rig.table.upsert_worker(worker.clone());
    assert_eq!(text(rig.get("app.localhost", "/").await).await, "old");
    assert_eq!(text(rig.get("next-app.localhost", "/").await).await, "new");
    assert_eq!(text(rig.get(&format!("{}.app.localhost", new.prefix()), "/").await).await, "new");
    let mut request = get("app.localhost", "/");
    let dictionary = format!("other=\"x\", app=\"{new}\"");
    request.headers_mut().insert("cloudflare-workers-version-overrides", dictionary.parse().unwrap());
    assert_eq!(text(rig.fetch(request).await).await, "new");
    worker.split = Some(Split::new(vec![(old, 50.0), (new, 50.0)]).unwrap());
    rig.table.upsert_worker(worker);
    let mut seen = std::collections::HashSet::new();
    for key in 0..20 {
        let mut answers = std::collections::HashSet::new();
        for _ in 0..3 {
            let mut request = get("app.localhost", "/");
            request.headers_mut().insert("cloudflare-workers-version-key", key.into());
            answers.insert(text(rig.fetch(request).await).await);
        }
        assert_eq!(answers.len(), 1, "a key sticks to its version");
        seen.extend(answers);
    }
    assert_eq!(seen.len(), 2);
}

#[tokio::test]
async fn path_mode_strips_the_workers_name() {
    let rig = Rig::new(Config::default()).await;
    rig.publish("app", async |request| {
        ok(format!("{} {}", request.uri(), request.headers()["x-forwarded-prefix"].to_str().unwrap()))
    });
    assert_eq!(text(rig.get("paths.test", "/app/x?y").await).await, "/x?y /app");
    assert_eq!(rig.get("paths.test", "/other/x").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_control_host_is_apart_and_under_dev_guarded() {
    for dev in [false, true] {
        let config = Config { dev, api_hosts: vec!["api.test".parse().unwrap()], ..Config::default() };
        let rig = Rig::new(config).await;
        for host in [format!("{}", rig.address), "localhost".to_owned()] {
            assert_eq!(text(rig.get(&host, "/x").await).await, "control /x 127.0.0.1");
        }
        let strange = rig.get("api.test", "/x").await.status();
        assert_eq!(strange == StatusCode::FORBIDDEN, dev, "{strange}");
        let mut request = get("localhost", "/x");
        *request.method_mut() = Method::POST;
        request.headers_mut().insert("origin", "https://evil.test".parse().unwrap());
        let strange = rig.fetch(request).await.status();
        assert_eq!(strange == StatusCode::FORBIDDEN, dev, "{strange}");
        // A rebound name is not the control host at all.
        assert_eq!(rig.get("evil.test", "/x").await.status(), StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn shutdown_waits_for_what_is_in_flight() {
    let rig = Rig::new(Config::default()).await;
    let (release, gate) = tokio::sync::watch::channel(false);
    let (_, instance) = rig.publish("app", move |_| {
        let mut gate = gate.clone();
        async move {
            let _ = gate.wait_for(|open| *open).await;
            ok("finished")
        }
    });
    let io = TokioIo::new(rig.connect().await);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let pending = tokio::spawn(sender.send_request(get("app.localhost", "/")));
    until("the request is in", || instance.in_flight() == 1).await;
    rig.shutdown.cancel();
    until("no new connections", || std::net::TcpStream::connect(rig.address).is_err()).await;
    assert!(!rig.served.is_finished());
    release.send(true).unwrap();
    let response = soon("a response", pending).await.unwrap().unwrap();
    assert_eq!(text(response).await, "finished");
    soon("the listener ends", rig.served).await.unwrap();
}

#[tokio::test]
async fn connections_beyond_the_cap_wait() {
    let rig = Rig::new(Config { max_connections: 1, ..Config::default() }).await;
    rig.publish("app", async |_| ok("served"));
    let first = rig.connect().await;
    let mut second = rig.connect().await;
    second.write_all(b"GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n").await.unwrap();
    let mut byte = [0];
    let early = tokio::time::timeout(Duration::from_millis(200), second.read_exact(&mut byte)).await;
    assert!(early.is_err(), "served beyond the cap");
    drop(first);
    soon("its turn", second.read_exact(&mut byte)).await.unwrap();
}

#[tokio::test]
async fn requests_are_counted_by_worker() {
    let rig = Rig::new(Config::default()).await;
    let (worker, _) = rig.publish("app", async |_| ok("12345"));
    text(rig.get("app.localhost", "/").await).await;
    text(rig.get("nobody.localhost", "/").await).await;
    let counted = || {
        let all = rig.gateway.counters();
        let of = |id| all.iter().find(|(worker, _)| *worker == id).map(|(_, seen)| seen.clone());
        (of(Some(worker.id)), of(None))
    };
    until("both are counted", || {
        let (ours, others) = counted();
        ours.is_some_and(|seen| seen.classes[1] == 1 && seen.bytes == 5)
            && others.is_some_and(|seen| seen.classes[3] == 1)
    })
    .await;
    rig.table.upsert_worker(worker.clone());
    assert!(counted().0.is_some_and(|seen| seen.bytes == 5), "a deploy forgets nothing");
    rig.table.remove_worker(worker.id);
    assert_eq!(counted().0, None, "a worker that is deleted is forgotten");
}

#[tokio::test]
async fn an_upload_of_unknown_length_arrives_whole() {
    let rig = Rig::new(Config::default()).await;
    rig.publish("app", async |request| {
        let body = request.into_body().collect().await.unwrap();
        assert!(body.trailers().is_none(), "trailers end at the gateway");
        ok(format!("{}", body.to_bytes().len()))
    });
    let (mut sender, body) = Channel::<Bytes, Infallible>::new(4);
    tokio::spawn(async move {
        for _ in 0..100 {
            sender.send_data(Bytes::from(vec![b'x'; 10_000])).await.unwrap();
        }
        sender
            .send_trailers([("x-end".parse().unwrap(), "1".parse().unwrap())].into_iter().collect())
            .await
            .unwrap();
    });
    let mut request = get("app.localhost", "/");
    *request.method_mut() = Method::POST;
    *request.body_mut() = body.map_err(|never| match never {}).boxed_unsync();
    assert_eq!(text(rig.fetch(request).await).await, "1000000");
}
