//! RPC between two real workerd processes through Rust. This also holds our schema against the pinned binary.

mod common;

use common::Bench;
use hearth_rpc::RouteError;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_rpc_carries_arrives() {
    let (bench, version) = Bench::new().await;
    for (case, expected) in [
        ("add", json!(5)),
        ("version", json!("v1")),
        ("callback", json!(100)),
        ("target", json!(42)),
        ("counter", json!(6)),
        ("pipelined", json!(7)),
        ("stub", json!(3)),
        ("streamOut", json!(64 * 65536)),
        ("streamIn", json!(4 << 20)),
        ("reflected", json!([42, 8])),
        ("streamBack", json!(1 << 20)),
        ("big", json!(true)),
        ("response", json!([418, "z", "a body"])),
        ("request", json!("POST https://example.test/p b posted")),
    ] {
        for binding in ["DEFAULT", "RPC", "NAMED"] {
            assert_eq!(bench.run(binding, case).await, expected, "{binding} {case}");
        }
    }
    bench.router.until_leases(&version, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn props_and_entrypoint_are_the_callees() {
    let (bench, _version) = Bench::new().await;
    assert_eq!(bench.run("RPC", "props").await, json!({}));
    assert_eq!(bench.run("PROPS", "props").await, json!({"who": "default", "n": 1}));
    assert_eq!(bench.run("NAMED", "props").await, json!({"who": "named", "n": 2}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_are_the_same_as_over_a_direct_connection() {
    let (bench, _version) = Bench::new().await;
    let direct = bench.run("DIRECT", "errors").await;
    assert_eq!(direct["TypeError"]["class"], "TypeError");
    assert_eq!(direct["custom"]["code"], "E_CUSTOM");
    assert_eq!(direct["cause"]["cause"], "TypeError: inner");
    assert_eq!(bench.run("NAMED", "errors").await, direct);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_call_says_why_and_nothing_else() {
    let (bench, _version) = Bench::new().await;
    let refusal = RouteError::unavailable("The worker \"shop\" is overloaded.").with_internal("pid 4711");
    *bench.router.refuse.lock().unwrap() = Some(refusal);
    let error = bench.run("RPC", "attempt").await;
    assert_eq!(error["string"], "Error: The worker \"shop\" is overloaded.");
    assert_eq!(error["error"], true);
    assert!(!error.to_string().contains("4711"));
    let response = bench.run("DEFAULT", "refused").await;
    assert_eq!(response, json!([503, "The worker \"shop\" is overloaded.\n"]));
    *bench.router.refuse.lock().unwrap() = None;
    assert_eq!(bench.run("RPC", "attempt").await, "v1");
    let error = bench.run("MISSING", "attempt").await;
    assert!(error["message"].as_str().unwrap().contains("Missing"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_binding_does_not_carry_is_refused() {
    let (bench, version) = Bench::new().await;
    for binding in ["DEFAULT", "NAMED"] {
        let seen = bench.run(binding, "events").await;
        for address in ["callee.test:80", "svc-named:1"] {
            let error = seen[address].as_str().expect("an answer");
            assert!(error.contains("cannot connect to the specified address"), "{binding} {address}: {seen}");
        }
        for event in ["scheduled", "queue", "email", "tail"] {
            let error = format!("TypeError: The RPC receiver does not implement the method \"{event}\".");
            assert_eq!(seen[event], error, "{binding}");
        }
        assert!(seen["alarm"].as_str().expect("an answer").contains("reserved method"), "{binding}: {seen}");
    }
    bench.router.until_leases(&version, 0).await;
}
