//! What a call costs through Rust, beside one over a direct connection between the two processes.

mod common;

use common::Bench;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, for an optimized build: cargo test -p hearth-rpc --test latency -- --ignored --nocapture"]
async fn sequential_calls() {
    let (bench, _version) = Bench::new().await;
    for round in 1..=5 {
        let direct = bench.run("DIRECT", "latency?n=2000").await;
        let through = bench.run("NAMED", "latency?n=2000").await;
        println!("round {round}: direct {direct} us, through Rust {through} us a call");
    }
}
