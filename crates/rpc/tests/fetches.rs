//! `fetch` between two real workerd processes through Rust, and Hearth's own fetches.

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::Bench;
use hearth_rpc::{DebugPort, Entrypoint, FetchError};
use http::Request;
use http_body_util::{BodyExt as _, Full};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_arrives_whole() {
    let (bench, version) = Bench::new().await;
    for binding in ["DEFAULT", "RPC", "NAMED"] {
        let seen = bench.run(binding, "fetch").await;
        assert_eq!(seen["status"], 200, "{binding}: {seen}");
        assert_eq!(seen["method"], "POST");
        assert_eq!(seen["url"], "https://callee.test/path?q=1", "{binding}");
        assert_eq!(seen["body"], "sent");
        assert_eq!(seen["cf"], json!({"colo": "TST"}), "{binding}");
        let headers = seen["headers"].to_string();
        assert!(headers.contains("x-a"), "{binding}: {headers}");
        assert!(!headers.contains("x-hearth") && !headers.contains("forwarded"), "{binding}: {headers}");
    }
    assert_eq!(bench.run("NAMED", "fetch").await["props"], json!({"who": "named", "n": 2}));
    bench.router.until_leases(&version, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_stream_and_statuses_pass() {
    let (bench, version) = Bench::new().await;
    assert_eq!(bench.run("NAMED", "upload").await, 3 << 20);
    assert_eq!(bench.run("NAMED", "flood").await, 3 << 20);
    let echo = bench.run("NAMED", "echo").await;
    let expected =
        json!({"status": 201, "text": "Echoed", "n": 3 << 20, "header": "ü", "cookies": ["a=1", "b=2"]});
    assert_eq!(echo, expected);
    assert_eq!(bench.run("NAMED", "drip").await, json!(["drip 0\n", "drip 1\n", "drip 2\n"]));
    assert_eq!(bench.run("NAMED", "none").await, json!([204, null]));
    assert_eq!(bench.run("NAMED", "head").await, json!([200, ""]));
    assert_eq!(bench.run("NAMED", "throws").await, json!([500, "Internal Server Error"]));
    bench.router.until_leases(&version, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websockets_pass() {
    let (bench, version) = Bench::new().await;
    let props = json!({"who": "named", "n": 2}).to_string();
    for (binding, hello, props) in
        [("DEFAULT", "hi null", "null"), ("NAMED", "hi {\"who\":\"named\",\"n\":2}", &*props)]
    {
        let seen = bench.run(binding, "socket").await;
        let long = 100_001 + props.len();
        assert_eq!(seen, json!([101, "yes", hello, 300_000, long, [4001, "asked to"]]), "{binding}");
    }
    bench.router.until_leases(&version, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_cancels_the_callee() {
    let (bench, version) = Bench::new().await;
    for case in ["/NAMED/hang", "/NAMED/hangInCall"] {
        let socket = bench.caller_http.clone();
        let hanging = tokio::spawn(async move { common::run(&socket, case).await });
        bench.router.until_leases(&version, 1).await;
        let first = bench.run("NAMED", "ticks").await;
        tokio::time::timeout(Duration::from_secs(10), async {
            while bench.run("NAMED", "ticks").await == first {}
        })
        .await
        .expect("the callee ticks");
        hanging.abort();
        bench.router.until_leases(&version, 0).await;
        tokio::time::timeout(Duration::from_secs(10), async {
            let mut last = json!(-1);
            loop {
                let now = bench.run("NAMED", "ticks").await;
                if now == last {
                    break;
                }
                last = now;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
        .await
        .expect("what the callee does for it is cancelled");
    }
    assert_eq!(bench.run("NAMED", "forever").await, "cancelled");
    bench.router.until_leases(&version, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_debug_port_takes_fetches_of_our_own() {
    let (bench, version) = Bench::new().await;
    let port = DebugPort::new(&version.debug, &bench.threads);
    let named = Entrypoint {
        service: "main".to_owned(),
        name: Some("Named".to_owned()),
        props_json: Some("[1,{\"a\":\"ü\"}]".to_owned()),
        cf_json: Some("{\"colo\":\"HRT\"}".to_owned()),
    };
    let request =
        || Request::post("https://some.test/x?y").body(Full::new(Bytes::from_static(b"hello"))).unwrap();
    let response = port.fetch(named.clone(), request()).await.expect("an answer");
    let body = response.into_body().collect().await.expect("body").to_bytes();
    let seen: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(seen["props"], json!([1, {"a": "ü"}]));
    assert_eq!(seen["cf"], json!({"colo": "HRT"}));
    assert_eq!(seen["url"], "https://some.test/x?y");
    assert_eq!(seen["body"], "hello");

    let missing = Entrypoint { name: Some("Missing".to_owned()), ..named.clone() };
    let error = port.fetch(missing, request()).await.err();
    assert!(matches!(&error, Some(FetchError::Exception(text)) if text.contains("Missing")), "{error:?}");
    let nowhere = DebugPort::new(bench.dir.path().join("nowhere.sock"), &bench.threads);
    assert!(matches!(nowhere.fetch(named, request()).await, Err(FetchError::Connect(_))));
}
