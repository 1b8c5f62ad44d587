//! Calls between two real workerd processes through Rust.

mod common;

use common::Bench;
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
        ("big", json!(true)),
        ("response", json!([418, "z", "a body"])),
        ("request", json!("POST https://example.test/p b posted")),
    ] {
        for binding in ["DIRECT", "RPC", "NAMED"] {
            assert_eq!(bench.run(binding, case).await, expected, "{binding} {case}");
        }
    }
    bench.router.until_leases(&version, 0).await;
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors() {
    let (bench, version) = Bench::new().await;
    println!("{:#}", bench.run("DIRECT", "errors").await);
    println!("{:#}", bench.run("RPC", "errors").await);
    println!("{:#}", bench.run("MISSING", "attempt").await);
    println!("{:#}", bench.run("NAMED", "props").await);
    println!("{:#}", bench.run("RPC", "latency?n=1000").await);
    println!("{:#}", bench.run("DIRECT", "latency?n=1000").await);
    bench.router.until_leases(&version, 0).await;
}
