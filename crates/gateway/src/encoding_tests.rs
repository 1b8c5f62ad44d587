use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn map(lines: &[(&'static str, &str)]) -> HeaderMap {
    lines.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
}

fn planned(accept: &str, lines: &[(&'static str, &str)], length: Option<u64>) -> Plan {
    let accept = map(&[("accept-encoding", accept)]);
    plan(true, &Method::GET, &accept, StatusCode::OK, &map(lines), length)
}

#[test]
fn the_clients_preference_decides() {
    let json = [("content-type", "application/json; charset=utf-8")];
    for (accept, expected) in [
        ("gzip, deflate, br, zstd", Plan::Encode(Coding::Brotli)),
        ("gzip, zstd", Plan::Encode(Coding::Zstd)),
        ("gzip;q=1.0, br;q=0.5", Plan::Encode(Coding::Gzip)),
        ("br;q=0, gzip", Plan::Encode(Coding::Gzip)),
        ("*", Plan::Encode(Coding::Brotli)),
        ("*;q=0", Plan::Keep),
        ("deflate", Plan::Keep),
        ("identity", Plan::Keep),
        ("", Plan::Keep),
    ] {
        assert_eq!(planned(accept, &json, None), expected, "{accept}");
    }
}

#[test]
fn only_what_gains_is_compressed() {
    for (kind, expected) in [
        ("text/html", true),
        ("TEXT/CSS; charset=x", true),
        ("image/svg+xml", true),
        ("application/ld+json", true),
        ("text/event-stream", false),
        ("image/png", false),
        ("application/octet-stream", false),
        ("", false),
    ] {
        let encodes = planned("gzip", &[("content-type", kind)], Some(5_000)) != Plan::Keep;
        assert_eq!(encodes, expected, "{kind}");
    }
    let html = ("content-type", "text/html");
    assert_eq!(planned("gzip", &[html], Some(1_023)), Plan::Keep);
    assert_eq!(planned("gzip", &[html, ("cache-control", "public, No-Transform")], None), Plan::Keep);
    assert_eq!(planned("gzip", &[html, ("content-range", "bytes 0-1/2")], None), Plan::Keep);
    let off =
        plan(false, &Method::GET, &map(&[("accept-encoding", "gzip")]), StatusCode::OK, &map(&[html]), None);
    assert_eq!(off, Plan::Keep);
    let head =
        plan(true, &Method::HEAD, &map(&[("accept-encoding", "gzip")]), StatusCode::OK, &map(&[html]), None);
    assert_eq!(head, Plan::Keep);
}

#[test]
fn what_the_worker_encoded_is_decoded_only_for_who_cannot() {
    for (accept, encoding, expected) in [
        ("gzip", "gzip", Plan::Keep),
        ("br", "gzip", Plan::Decode(Coding::Gzip)),
        ("", "br", Plan::Decode(Coding::Brotli)),
        ("gzip;q=0", "x-gzip", Plan::Decode(Coding::Gzip)),
        ("", "gzip, br", Plan::Keep),
        ("", "compress", Plan::Keep),
        ("", "identity", Plan::Keep),
    ] {
        assert_eq!(planned(accept, &[("content-encoding", encoding)], None), expected, "{accept} {encoding}");
    }
}

#[tokio::test]
async fn what_is_encoded_can_be_decoded_again() {
    let text = "hello ".repeat(10_000);
    for coding in Coding::OFFERED {
        let mut headers = map(&[("content-length", "60000"), ("etag", "\"x\""), ("vary", "Origin")]);
        let body = apply(Plan::Encode(coding), &mut headers, Body::full(text.clone()));
        assert_eq!(headers[header::CONTENT_ENCODING], coding.name());
        assert_eq!(headers[header::ETAG], "W/\"x\"");
        assert_eq!(headers.get_all(header::VARY).iter().collect::<Vec<_>>(), ["Origin", "Accept-Encoding"]);
        assert!(!headers.contains_key(header::CONTENT_LENGTH));
        let encoded = body.collect().await.unwrap().to_bytes();
        assert!(encoded.len() < 2_000, "{coding:?} {}", encoded.len());
        let body = apply(Plan::Decode(coding), &mut headers, Body::full(encoded));
        assert!(!headers.contains_key(header::CONTENT_ENCODING));
        assert_eq!(body.collect().await.unwrap().to_bytes(), text);
    }
}

#[tokio::test]
async fn a_stream_is_flushed_when_it_pauses() {
    for coding in Coding::OFFERED {
        let (mut sender, body) = http_body_util::channel::Channel::<Bytes, BoxError>::new(1);
        let mut headers = HeaderMap::new();
        let encoded = apply(Plan::Encode(coding), &mut headers, body);
        let mut decoded = apply(Plan::Decode(coding), &mut headers, encoded);
        for piece in ["first", "second"] {
            sender.send_data(Bytes::from(piece)).await.unwrap();
            let frame = tokio::time::timeout(Duration::from_secs(10), decoded.frame()).await;
            let frame = frame.unwrap_or_else(|_| panic!("{coding:?} holds {piece} back"));
            assert_eq!(frame.unwrap().unwrap().into_data().unwrap(), piece);
        }
    }
}

proptest! {
    #[test]
    fn no_header_makes_planning_panic(accept in "[ -~]{0,40}", kind in "[ -~]{0,40}", encoding in "[ -~]{0,10}") {
        planned(&accept, &[("content-type", &kind), ("content-encoding", &encoding)], None);
    }
}
