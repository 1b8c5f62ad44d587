//! Versions that come and go under callers that stay.

mod common;

use std::time::Duration;

use common::Bench;
use rustix::process::Signal;
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_lasts_as_long_as_its_event() {
    let (bench, version) = Bench::new().await;
    assert_eq!(bench.run("RPC", "add").await, 5);
    bench.router.until_leases(&version, 0).await;
    let mut calls = Vec::new();
    for count in 1..=3 {
        let socket = bench.caller_http.clone();
        calls.push(tokio::spawn(async move { common::run(&socket, "/NAMED/slow?ms=100000").await }));
        bench.router.until_leases(&version, count).await;
    }
    for (ended, call) in calls.into_iter().enumerate() {
        call.abort();
        bench.router.until_leases(&version, 2 - ended).await;
    }
    let before = bench.router.routed.load(std::sync::atomic::Ordering::SeqCst);
    assert_eq!(bench.run("RPC", "slow?ms=200").await, "v1");
    assert_eq!(bench.router.routed.load(std::sync::atomic::Ordering::SeqCst), before + 1);
    bench.router.until_leases(&version, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_caller_keeps_no_old_callee_alive() {
    let (bench, mut old) = Bench::new().await;
    assert_eq!(bench.run("RPC", "version").await, "v1");
    assert_eq!(bench.run("NAMED", "echo").await["n"], 3 << 20);
    bench.router.until_leases(&old, 0).await;
    let new = bench.version();
    bench.router.to(&new);
    old.process.signal(Signal::TERM);
    tokio::time::timeout(Duration::from_secs(10), async {
        while !old.process.exited() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .expect("the old callee exits although its caller stays connected");
    assert_eq!(bench.run("RPC", "version").await, "v2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn swaps_under_load_lose_no_call() {
    let (bench, mut current) = Bench::new().await;
    let socket = bench.caller_http.clone();
    let load = tokio::spawn(async move { common::run(&socket, "/NAMED/many?n=400&width=8").await });
    let mut swaps = 0;
    while !load.is_finished() {
        let next = bench.version();
        bench.router.to(&next);
        bench.router.until_leases(&current, 0).await;
        current.process.signal(Signal::TERM);
        current = next;
        swaps += 1;
    }
    let seen = load.await.unwrap();
    assert_eq!(seen["errors"], json!([]), "{seen}");
    let versions = seen["seen"].as_object().unwrap();
    assert_eq!(versions.values().map(|count| count.as_u64().unwrap()).sum::<u64>(), 3200);
    assert!(swaps >= 2 && versions.len() >= 2, "{swaps} swaps: {seen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_callee_is_an_error_and_the_next_call_goes_elsewhere() {
    let (bench, first) = Bench::new().await;
    for case in ["NAMED/slow?ms=100000", "NAMED/hang", "DEFAULT/slow?ms=100000"] {
        let victim = bench.version();
        bench.router.to(&victim);
        let socket = bench.caller_http.clone();
        let call = tokio::spawn(async move { common::run(&socket, &format!("/{case}")).await });
        bench.router.until_leases(&victim, 1).await;
        victim.process.signal(Signal::KILL);
        let answer = tokio::time::timeout(Duration::from_secs(10), call).await.expect("an answer").unwrap();
        assert_eq!(answer["uncaught"]["error"], true, "{case}: {answer}");
        bench.router.until_leases(&victim, 0).await;
        let error = bench.run("RPC", "attempt").await;
        assert_eq!(error["error"], true, "no process: {error}");
        bench.router.to(&first);
        assert_eq!(bench.run("RPC", "version").await, "v1");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_stubs_hold_the_lease_until_released() {
    let (bench, version) = Bench::new().await;
    let socket = bench.caller_http.clone();
    let held = tokio::spawn(async move { common::run(&socket, "/RPC/heldFor?ms=300").await });
    bench.router.until_leases(&version, 1).await;
    // The first call has returned long before; only the stub it gave is left.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(held.is_finished() || bench.router.leases(&version) == 1);
    assert_eq!(held.await.unwrap(), 2);
    bench.router.until_leases(&version, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_kept_for_a_moment_only() {
    let (bench, version) = Bench::new().await;
    // What the kernel lists under the socket's path: its listener, and each connection that was accepted there.
    let open = || {
        let sockets = std::fs::read_to_string("/proc/net/unix").expect("the kernel lists its sockets");
        sockets.lines().filter(|line| line.ends_with(&*version.debug.to_string_lossy())).count() - 1
    };
    assert_eq!(open(), 0);
    assert!(bench.run("NAMED", "latency?n=50").await.is_number());
    let kept = open();
    assert!((1..10).contains(&kept), "{kept} connections served all calls, and wait for the next");
    let closed = async {
        while open() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), closed)
        .await
        .expect("nobody calls, and nothing stays open");
}
