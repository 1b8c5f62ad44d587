//! Upstream connections that are used again, and those that must not be.

use std::time::Duration;

use bytes::Bytes;
use hearth_egress::{Config, Policy};
use http::{Method, Request};
use http_body_util::Full;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};

use crate::support::{
    Answers, LOOPBACK_OPEN, Rig, Setup, Upstream, end, head, listen, next, policy, serve, soon, until,
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/// Asks until the connection that an answer came on is asked again; it is back only after the answer's end.
async fn asked_twice_on_one(rig: &Rig, upstream: &Upstream, url: &str) {
    soon("reuse", async {
        loop {
            assert_eq!(rig.socket.get(url).await.status, 200);
            let seen = upstream.seen();
            let (last, before) = seen.split_last().unwrap();
            if before.iter().any(|seen| seen.connection == last.connection) {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_connection_is_used_again_by_its_own_worker_only() {
    let upstream = Upstream::greeting().await;
    let rig = Setup::default().start();
    asked_twice_on_one(&rig, &upstream, &upstream.url("/")).await;
    let sibling = serve(&rig.egress, "w");
    let before = upstream.connections();
    assert_eq!(sibling.get(&upstream.url("/")).await.status, 200);
    assert_eq!(upstream.connections(), before, "another instance of the same worker shares it");
    let stranger = serve(&rig.egress, "stranger");
    assert_eq!(stranger.get(&upstream.url("/")).await.status, 200);
    assert_eq!(upstream.connections(), before + 1, "another worker does not");
}

#[tokio::test]
async fn a_kept_connection_is_judged_by_todays_policy() {
    let upstream = Upstream::greeting().await;
    let rig = Setup::default().start();
    let url = upstream.url("/");
    asked_twice_on_one(&rig, &upstream, &url).await;
    let asked = upstream.seen().len();
    rig.egress.set_policy(Policy::default());
    assert_eq!(rig.socket.get(&url).await.status, 403);
    assert_eq!(upstream.seen().len(), asked, "nothing has gone out on the kept connection");
    let connections = upstream.connections();
    rig.egress.set_policy(policy(LOOPBACK_OPEN));
    assert_eq!(rig.socket.get(&url).await.status, 200);
    assert_eq!(upstream.connections(), connections + 1, "the refused connection has been closed");
}

#[tokio::test]
async fn a_kept_connection_is_judged_by_todays_rules_of_the_worker() {
    let upstream = Upstream::greeting().await;
    let rig = Setup { policy: "{}", ..Setup::default() }.start();
    let mut origin = (*crate::support::origin("w")).clone();
    origin.policy = policy(LOOPBACK_OPEN).into();
    rig.socket.handle.set_origin(origin.into());
    asked_twice_on_one(&rig, &upstream, &upstream.url("/")).await;
    rig.socket.handle.set_origin(crate::support::origin("w"));
    assert_eq!(rig.socket.get(&upstream.url("/")).await.status, 403);
}

#[tokio::test]
async fn a_kept_connection_is_left_when_the_name_leads_elsewhere() {
    let (before, after) = (Upstream::greeting().await, Upstream::greeting().await);
    let resolver = Answers::new(&[&["127.0.0.1"]]);
    let rig = Setup { resolver: Some(resolver), ..Setup::default() }.start();
    let url = format!("http://moves.test:{}/", before.address.port());
    asked_twice_on_one(&rig, &before, &url).await;
    let moved =
        format!(r#"{{"allow": [{{"net": "127.0.0.0/8"}}], "hosts": {{"moves.test": "{}"}}}}"#, after.address);
    rig.egress.set_policy(policy(&moved));
    assert_eq!(rig.socket.get(&url).await.status, 200);
    assert_eq!(after.seen().len(), 1);
}

#[tokio::test]
async fn an_unused_connection_is_closed_in_the_end() {
    let (listener, address) = listen().await;
    let config = Config { idle_timeout: Duration::from_millis(50), ..Config::default() };
    let rig = Setup { config, ..Setup::default() }.start();
    let url = format!("http://{address}/");
    let (answer, mut upstream) = tokio::join!(rig.socket.get(&url), async {
        let (mut upstream, _) = next(&listener).await;
        upstream.write_all(OK).await.unwrap();
        upstream
    });
    assert_eq!(answer.text, "hi");
    end("the idle connection's end", &mut upstream).await;
}

/// A connection that has served one request and waits in the pool.
async fn kept(rig: &Rig, listener: &TcpListener) -> TcpStream {
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (answer, mut upstream) = tokio::join!(rig.socket.get(&url), async {
        let (mut upstream, _) = next(listener).await;
        upstream.write_all(OK).await.unwrap();
        upstream
    });
    assert_eq!(answer.text, "hi");
    // Seen in the pool by its being taken: what is asked next comes on this connection.
    loop {
        let (answer, another) = tokio::join!(rig.socket.get(&url), async {
            let mut another = tokio::select! {
                _ = head(&mut upstream) => None,
                (stream, _) = next(listener) => Some(stream),
            };
            another.as_mut().unwrap_or(&mut upstream).write_all(OK).await.unwrap();
            another
        });
        assert_eq!(answer.text, "hi");
        match another {
            Some(another) => upstream = another,
            None => return upstream,
        }
    }
}

/// How often an upstream gets a request whose first try ends with a kept connection's end, and what the worker sees.
async fn stale(method: Method, body: &'static str, second_answers: bool) -> (u16, usize) {
    let rig = Setup::default().start();
    let (listener, address) = listen().await;
    let mut upstream = kept(&rig, &listener).await;
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{address}/again"))
        .body(Full::<Bytes>::from(body))
        .unwrap();
    let served = tokio::spawn(async move {
        // The request has arrived, so only the upstream knows whether it has been acted on.
        let first = head(&mut upstream).await;
        assert!(first.contains(" /again "), "{first}");
        drop(upstream);
        let mut tries = 1;
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let again = head(&mut stream).await;
            if again.contains(" /sentinel ") {
                stream.write_all(OK).await.unwrap();
                return tries;
            }
            assert_eq!(again, first, "the second try is the first one's like");
            tries += 1;
            if second_answers {
                stream.write_all(OK).await.unwrap();
            }
        }
    });
    let status = rig.socket.send(request).await.status().as_u16();
    // On a connection of its own, after which nothing of the first request is on its way any more.
    let sentinel = serve(&rig.egress, "sentinel");
    assert_eq!(sentinel.get(&format!("http://{address}/sentinel")).await.status, 200);
    (status, soon("the sentinel", served).await.unwrap())
}

#[tokio::test]
async fn an_idempotent_request_is_tried_again_once() {
    for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::DELETE, Method::PUT] {
        assert_eq!(stale(method.clone(), "", true).await, (200, 2), "{method}");
    }
    assert_eq!(stale(Method::GET, "", false).await, (520, 2), "twice is enough");
}

#[tokio::test]
async fn what_may_have_had_an_effect_is_never_tried_again() {
    assert_eq!(stale(Method::POST, "", true).await, (520, 1));
    assert_eq!(stale(Method::PATCH, "", true).await, (520, 1));
    assert_eq!(stale(Method::PUT, "gone with the first try", true).await, (520, 1));
}

#[tokio::test]
async fn a_kept_connection_that_has_ended_is_no_requests_end() {
    let rig = Setup::default().start();
    let (listener, address) = listen().await;
    drop(kept(&rig, &listener).await);
    let request = Request::post(format!("http://{address}/")).body(Full::<Bytes>::from("x")).unwrap();
    let (response, ()) = tokio::join!(rig.socket.send(request), async {
        let (mut stream, _) = next(&listener).await;
        stream.write_all(OK).await.unwrap();
    });
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn too_much_in_flight_is_503_until_something_ends() {
    let config = Config { max_in_flight_per_instance: 3, ..Config::default() };
    let rig = Setup { config, ..Setup::default() }.start();
    let (listener, address) = listen().await;
    let socket = rig.socket.raw(&format!("CONNECT {address} HTTP/1.1")).await;
    let _tunnel = soon("a connection", listener.accept()).await.unwrap();
    let request = rig.socket.raw(&format!("GET http://{address}/ HTTP/1.1")).await;
    let _waiting = next(&listener).await;
    let mut download = rig.socket.raw(&format!("GET http://{address}/ HTTP/1.1")).await;
    let (mut streaming, _) = next(&listener).await;
    streaming.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegin").await.unwrap();
    assert_eq!(crate::support::status(&mut download).await, 200);
    let upstream = Upstream::greeting().await;
    let refused = rig.socket.get(&upstream.url("/")).await;
    assert_eq!(refused.status, 503);
    assert!(refused.text.contains("this worker instance"), "{}", refused.text);
    assert_eq!(upstream.connections(), 0);
    let other = serve(&rig.egress, "other");
    assert_eq!(other.get(&upstream.url("/")).await.status, 200, "each instance has its own");
    drop((socket, request, download));
    soon("room", async { while rig.socket.get(&upstream.url("/")).await.status != 200 {} }).await;
}

#[tokio::test]
async fn without_connections_left_it_is_503_but_an_idle_one_makes_room() {
    let config = Config { max_connections: 1, ..Config::default() };
    let rig = Setup { config, ..Setup::default() }.start();
    let upstream = Upstream::greeting().await;
    let (listener, address) = listen().await;
    assert_eq!(rig.socket.get(&upstream.url("/")).await.status, 200);
    // The connection before is on its way into the pool, or there already and evicted.
    let tunnel = soon("room by eviction", async {
        loop {
            let mut tunnel = rig.socket.raw(&format!("CONNECT {address} HTTP/1.1")).await;
            if crate::support::status(&mut tunnel).await == 200 {
                return tunnel;
            }
        }
    })
    .await;
    let _held = soon("a connection", listener.accept()).await.unwrap();
    let refused = rig.socket.get(&upstream.url("/")).await;
    assert_eq!(refused.status, 503);
    assert!(refused.text.contains("this installation"), "{}", refused.text);
    drop(tunnel);
    soon("room", async { while rig.socket.get(&upstream.url("/")).await.status != 200 {} }).await;
    until("one connection at a time", || upstream.connections() == 2).await;
}
