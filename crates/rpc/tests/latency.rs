//! What a call costs through Rust, beside one over a direct connection between the two processes.

mod common;

use common::Bench;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement, for an optimized build: cargo test -p hearth-rpc --test latency -- --ignored --nocapture"]
async fn sequential_calls() {
    let (bench, _version) = Bench::new().await;
    let (mut direct, mut through) = (Vec::new(), Vec::new());
    for _ in 0..15 {
        direct.push(bench.run("DIRECT", "latency?n=1000").await.as_f64().expect("a number"));
        through.push(bench.run("NAMED", "latency?n=1000").await.as_f64().expect("a number"));
    }
    for (name, mut rounds) in [("direct", direct), ("through Rust", through)] {
        rounds.sort_by(f64::total_cmp);
        println!("{name}: median {} us a call, best {} us", rounds[rounds.len() / 2], rounds[0]);
    }
}
