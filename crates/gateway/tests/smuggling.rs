//! Requests that two readers may read differently are refused and their connection closed.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::BodyExt as _;
use support::{Rig, ok};

/// A worker that counts what reaches it.
async fn rig() -> (Rig, Arc<AtomicUsize>) {
    let rig = Rig::new(Default::default()).await;
    let reached = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&reached);
    rig.publish("app", move |request| {
        count.fetch_add(1, Ordering::Relaxed);
        async move {
            match request.into_body().collect().await {
                Ok(body) => ok(format!("got {}", body.to_bytes().len())),
                Err(_) => ok("got a broken body"),
            }
        }
    });
    (rig, reached)
}

/// Each must be answered 400 and the connection closed, whatever follows; `smuggled` must not be seen as a request.
#[tokio::test]
async fn ambiguous_heads_are_refused() {
    let (rig, reached) = rig().await;
    let body = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: app.localhost\r\n\r\n";
    for (what, head) in [
        ("CL and TE", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        ("TE and CL", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        ("two lengths", "Content-Length: 5\r\nContent-Length: 6\r\n"),
        ("a list of lengths", "Content-Length: 5, 6\r\n"),
        ("a signed length", "Content-Length: +5\r\n"),
        ("obs-fold", "X-A: b\r\n c\r\n"),
        ("a folded encoding", "Transfer-Encoding:\r\n chunked\r\n"),
        ("space before colon", "Transfer-Encoding : chunked\r\n"),
        ("bare CR", "X-A: b\rTransfer-Encoding: chunked\r\n"),
        ("NUL", "X-A: b\0c\r\n"),
        ("another encoding", "Transfer-Encoding: gzip\r\n"),
        ("two encodings", "Transfer-Encoding: gzip, chunked\r\n"),
        ("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        ("chunked not last", "Transfer-Encoding: chunked, identity\r\n"),
        ("a second Host", "Host: other.localhost\r\n"),
        ("the same Host again", "Host: app.localhost\r\n"),
    ] {
        let request = format!("POST / HTTP/1.1\r\nHost: app.localhost\r\n{head}\r\n{body}");
        let answer = rig.raw(&request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{what}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{what}: {answer}");
    }
    assert_eq!(reached.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn ambiguous_targets_are_refused() {
    let (rig, reached) = rig().await;
    for (what, request) in [
        ("no Host", "GET / HTTP/1.1\r\n\r\n"),
        ("an empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
        ("a Host with user", "GET / HTTP/1.1\r\nHost: u@app.localhost\r\n\r\n"),
        ("a Host with path", "GET / HTTP/1.1\r\nHost: app.localhost/x\r\n\r\n"),
        ("no Host in 1.0", "GET / HTTP/1.0\r\n\r\n"),
        ("target against Host", "GET http://app.localhost/ HTTP/1.1\r\nHost: other.localhost\r\n\r\n"),
        ("port against Host", "GET http://app.localhost:1/ HTTP/1.1\r\nHost: app.localhost\r\n\r\n"),
        ("CONNECT", "CONNECT app.localhost:80 HTTP/1.1\r\nHost: app.localhost:80\r\n\r\n"),
        (
            "TE in 1.0",
            "POST / HTTP/1.0\r\nHost: app.localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ),
    ] {
        let answer = rig.raw(request).await;
        assert!(
            answer.starts_with("HTTP/1.1 400 ") || answer.starts_with("HTTP/1.0 400 "),
            "{what}: {answer}"
        );
    }
    assert_eq!(reached.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn bad_chunks_end_the_request_and_the_connection() {
    let (rig, _) = rig().await;
    for chunk in [
        "zz\r\nabc\r\n0\r\n\r\n",
        "-1\r\n",
        "fffffffffffffffff\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        " 3\r\nabc\r\n",
    ] {
        let request = format!(
            "POST / HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}\
             GET /smuggled HTTP/1.1\r\nHost: app.localhost\r\n\r\n"
        );
        let answer = rig.raw(&request).await;
        assert!(!answer.contains("HTTP/1.1 200"), "{chunk:?}: {answer}");
        assert!(answer.matches("HTTP/1.1").count() <= 1, "{chunk:?}: {answer}");
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{chunk:?}: {answer}");
    }
}

#[tokio::test]
async fn clean_requests_of_every_shape_pass_on_one_connection() {
    let (rig, reached) = rig().await;
    let answer = rig
        .raw(
            "POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 71\r\n\r\n\
             \r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\nx\
             POST / HTTP/1.1\r\nHost: app.localhost\r\nTransfer-Encoding: Chunked\r\n\r\n3;a=b\r\nabc\r\n0\r\n\r\n\
             GET http://APP.localhost/ HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\n\r\n",
        )
        .await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 3, "{answer}");
    for got in ["got 71", "got 3", "got 0"] {
        assert!(answer.contains(got), "{answer}");
    }
    assert_eq!(reached.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn large_heads_are_refused() {
    let config = hearth_gateway::Config { max_header_bytes: 16 << 10, ..Default::default() };
    let rig = Rig::new(config).await;
    rig.publish("app", async |_| ok("hello"));
    let head = |size: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: close\r\nX-A: {}\r\n\r\n",
            "a".repeat(size)
        )
    };
    assert!(rig.raw(&head(12 << 10)).await.starts_with("HTTP/1.1 200"));
    assert!(rig.raw(&head(20 << 10)).await.starts_with("HTTP/1.1 431"));
}
