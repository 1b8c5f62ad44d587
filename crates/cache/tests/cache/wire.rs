//! The Cache API.

use axum::body::Body;
use bytes::Bytes;
use http_body::Frame;
use http_body_util::StreamBody;

use crate::support::{CF, Rig};

const URL: &str = "https://x.test/a?b=c";

#[tokio::test]
async fn what_is_put_is_found_until_it_is_stale_or_deleted() {
    let rig = Rig::new();
    assert_eq!((rig.get(URL, &[]).await.status, rig.has(URL).await), (504, false));
    let head =
        "201 Created\r\nContent-Length: 5\r\nX-A: 1\r\nX-A: 2\r\nTransfer-Encoding: chunked\r\nCache-Tag: t";
    let head = format!("{head}\r\nCache-Control: max-age=60");
    // 201 is not among the statuses that RFC 9111 lets a cache understand.
    assert_eq!(rig.put(URL, &head, "hello").await, 413);
    let head = head.replace("201 Created", "203 Taken");
    assert_eq!(rig.put(URL, &head, "hello").await, 204);
    rig.pass(20);
    let answer = rig.get(URL, &[("cache-control", "only-if-cached")]).await;
    assert_eq!((answer.status, answer.text(), answer.is_hit()), (203, "hello", true));
    assert_eq!((answer.header("age"), answer.header("content-length")), ("20", "5"));
    assert!(httpdate::parse_http_date(answer.header("date")).is_ok());
    assert_eq!(answer.headers.get_all("x-a").iter().count(), 2);
    assert!(!answer.headers.contains_key("cache-tag") && !answer.headers.contains_key("transfer-encoding"));
    rig.pass(40);
    assert!(!rig.has(URL).await, "it is stale after 60 s");
    assert_eq!(rig.send("a", "PURGE", URL, &[], "").await.status, 404, "what is stale is not there");
    rig.put(URL, &head, "again").await;
    assert_eq!(rig.get(URL, &[]).await.text(), "again");
    for expected in [200, 404] {
        assert_eq!(rig.send("a", "PURGE", URL, &[], "").await.status, expected);
    }
    assert!(!rig.has(URL).await);
}

#[tokio::test]
async fn what_says_nothing_has_cloudflares_lifetime() {
    let rig = Rig::new();
    for (status, seconds) in [(200, 7200), (302, 1200), (404, 180)] {
        let url = format!("https://x.test/{status}");
        assert_eq!(rig.put(&url, &format!("{status} X"), "x").await, 204, "{status}");
        rig.pass(seconds - 1);
        assert!(rig.has(&url).await, "{status}");
        rig.pass(1);
        assert!(!rig.has(&url).await, "{status}");
    }
}

#[tokio::test]
async fn what_must_not_be_stored_is_refused() {
    let rig = Rig::new();
    for head in [
        "200 OK\r\nCache-Control: no-store",
        "200 OK\r\nCache-Control: private, max-age=9",
        "200 OK\r\nCache-Control: no-cache",
        "200 OK\r\nCache-Control: max-age=0",
        "200 OK\r\nSet-Cookie: a=b",
        "200 OK\r\nVary: *",
        "206 Partial Content\r\nContent-Range: bytes 0-0/9",
        "500 Oops",
        "200 OK\r\nContent-Length: 9",
        "OK",
        "200 OK\r\nno header",
    ] {
        assert_eq!(rig.put(URL, head, "x").await, 413, "{head}");
        assert!(!rig.has(URL).await, "{head}");
    }
    let private = "200 OK\r\nCache-Control: private=Set-Cookie, max-age=9\r\nSet-Cookie: a=b";
    assert_eq!(rig.put(URL, private, "x").await, 204);
    assert!(!rig.get(URL, &[]).await.headers.contains_key("set-cookie"));
    let endless = format!("200 OK\r\nX: {}", "x".repeat(1 << 20));
    assert_eq!(rig.put("https://x.test/endless", &endless, "x").await, 413);
    assert_eq!(rig.send("a", "POST", URL, &[], "").await.status, 405);
    assert_eq!(rig.send("a", "GET", "/no-host", &[], "").await.status, 400);
}

#[tokio::test]
async fn a_body_in_pieces_is_put_together_and_one_that_breaks_off_is_not_stored() {
    let rig = Rig::new();
    let payload = b"HTTP/1.1 200 OK\r\nETag: \"e\"\r\n\r\nhello".to_vec();
    let pieces = |end: Option<std::io::Error>| {
        let bytes = payload.clone().into_iter().map(|byte| Ok(Frame::data(Bytes::from(vec![byte]))));
        Body::new(StreamBody::new(tokio_stream::iter(bytes.chain(end.map(Err)).collect::<Vec<_>>())))
    };
    let broken = pieces(Some(std::io::Error::other("gone")));
    assert_eq!(rig.send("a", "PUT", URL, &[], broken).await.status, 413);
    assert!(!rig.has(URL).await);
    assert_eq!(rig.send("a", "PUT", URL, &[], pieces(None)).await.status, 204);
    assert_eq!(rig.get(URL, &[]).await.text(), "hello");
}

#[tokio::test]
async fn small_and_large_bodies_answer_ranges_and_conditions() {
    let rig = Rig::new();
    for size in [10, 1_000_000] {
        let url = format!("https://x.test/{size}");
        let body: String = (0..size).map(|n| char::from(b'a' + (n % 23) as u8)).collect();
        let head = format!("200 OK\r\nContent-Length: {size}\r\nETag: \"e\"\r\nContent-Type: text/plain");
        assert_eq!(rig.put(&url, &head, &body).await, 204);
        assert_eq!(rig.get(&url, &[]).await.text(), body);
        let part = rig.get(&url, &[("range", &format!("bytes=3-{}", size - 2))]).await;
        assert_eq!((part.status, part.text()), (206, &body[3..size - 1]));
        assert_eq!(part.header("content-range"), format!("bytes 3-{}/{size}", size - 2));
        assert_eq!((part.header("content-length"), part.is_hit()), ((size - 4).to_string().as_str(), true));
        let outside = rig.get(&url, &[("range", &format!("bytes={size}-"))]).await;
        assert_eq!((outside.status, outside.is_hit(), outside.text()), (416, true, ""));
        assert_eq!(outside.header("content-range"), format!("bytes */{size}"));
        let same = rig.get(&url, &[("if-none-match", "\"e\"")]).await;
        assert_eq!((same.status, same.is_hit(), same.header("etag"), same.text()), (304, true, "\"e\"", ""));
    }
}

#[tokio::test]
async fn each_account_and_each_cache_has_its_own() {
    let rig = Rig::new();
    let put = async |account: &str, headers: &[(&str, &str)], body: &str| {
        let payload = format!("HTTP/1.1 200 OK\r\n\r\n{body}");
        assert_eq!(rig.send(account, "PUT", URL, headers, payload).await.status, 204);
    };
    let named = [("cf-cache-namespace", "n")];
    let custom = [(CF, r#"{"cacheKey":"k"}"#)];
    put("a", &[], "default").await;
    for headers in [&named, &custom] {
        assert!(!rig.get(URL, headers).await.is_hit(), "{headers:?}");
    }
    assert!(!rig.send("b", "GET", URL, &[], "").await.is_hit(), "another account finds nothing");
    put("a", &named, "named").await;
    put("a", &custom, "custom").await;
    put("b", &[], "b's").await;
    let found = [
        rig.get(URL, &[]).await,
        rig.get(URL, &named).await,
        rig.get("https://y.test/", &custom).await,
        rig.send("b", "GET", URL, &[], "").await,
    ];
    assert_eq!(found.each_ref().map(super::support::Answer::text), ["default", "named", "custom", "b's"]);
    assert_eq!(rig.send("b", "PURGE", URL, &[], "").await.status, 200);
    assert!(rig.has(URL).await, "what another account deletes is its own");
}

#[tokio::test]
async fn a_response_is_for_requests_like_its_own() {
    let rig = Rig::new();
    for coding in ["gzip", "br"] {
        let payload = format!("HTTP/1.1 200 OK\r\nVary: Accept-Encoding\r\n\r\n{coding}");
        let status = rig.send("a", "PUT", URL, &[("accept-encoding", coding)], payload).await.status;
        assert_eq!(status, 204);
    }
    for coding in ["gzip", "br"] {
        assert_eq!(rig.get(URL, &[("accept-encoding", coding)]).await.text(), coding);
    }
    assert!(!rig.has(URL).await);
    assert_eq!(rig.send("a", "PURGE", URL, &[], "").await.status, 200, "all of them go");
    assert_eq!(rig.cache.usage().entries, 0);
}
