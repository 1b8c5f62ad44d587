//! Hostile code hurts itself only: its callers learn why, its neighbour keeps serving, and it is served again after.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use hearth_testing::{Form, Hearth, is_runtime, tests_folder};
use serde_json::json;

async fn upload(hearth: &Hearth, name: &str, source: &str, limits: serde_json::Value) {
    let metadata = json!({ "main_module": "index.js", "compatibility_date": "2026-01-01", "limits": limits });
    let form = Form::default().metadata(&metadata.to_string()).part(
        "index.js",
        "application/javascript+module",
        source,
    );
    hearth.upload(name, form.finish()).await.result();
    let subdomain = format!("/accounts/:a/workers/scripts/{name}/subdomain");
    hearth.api("POST", &subdomain, Some(json!({ "enabled": true }))).await.result();
}

/// Asks the neighbour again and again until told to stop; gives the latencies.
fn neighbour(hearth: &Arc<Hearth>, stop: &Arc<AtomicBool>) -> tokio::task::JoinHandle<Vec<Duration>> {
    let (hearth, stop) = (hearth.clone(), stop.clone());
    tokio::spawn(async move {
        let host = hearth.host("neighbour");
        let mut latencies = Vec::new();
        while !stop.load(Ordering::Relaxed) {
            let began = Instant::now();
            let answer = hearth.get(&host, "/").await;
            latencies.push(began.elapsed());
            assert_eq!((answer.status, answer.text().as_str()), (200, "neighbour"));
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        latencies
    })
}

fn p99(mut latencies: Vec<Duration>) -> Duration {
    latencies.sort_unstable();
    latencies[latencies.len() * 99 / 100]
}

/// Runs something beside the neighbour and says how the neighbour fared.
async fn beside<T>(hearth: &Arc<Hearth>, what: impl Future<Output = T>) -> (T, Duration) {
    let stop = Arc::new(AtomicBool::new(false));
    let asking = neighbour(hearth, &stop);
    let result = what.await;
    stop.store(true, Ordering::Relaxed);
    (result, p99(asking.await.expect("the neighbour answers all along")))
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_code_hurts_itself_only() {
    let hearth = Arc::new(Hearth::start().await);
    let source =
        std::fs::read_to_string(tests_folder("apps/hostile/worker.js")).expect("the worker's source");
    upload(&hearth, "hostile", &source, json!({ "cpu_ms": 200 })).await;
    let good = "export default { fetch: () => new Response('neighbour') }";
    upload(&hearth, "neighbour", good, json!({})).await;
    hearth.get(&hearth.host("neighbour"), "/").await;
    let ((), alone) = beside(&hearth, tokio::time::sleep(Duration::from_secs(2))).await;
    println!("neighbour's p99 alone: {alone:?}");

    let host = hearth.host("hostile");
    for path in ["/loop", "/heap", "/buffers", "/regex", "/yielding"] {
        let (answer, during) = beside(&hearth, hearth.get(&host, path)).await;
        println!("neighbour's p99 beside {path}: {during:?}");
        assert_eq!(answer.status, 503, "{path}: {}", answer.text());
        assert!(answer.text().contains("1102"), "{path}: {}", answer.text());
        let after = hearth.get(&host, "/").await;
        assert_eq!((after.status, after.text().as_str()), (200, "well"), "after {path}");
    }
    // workerd itself allows 10,000 timers, and hyper refuses heads of more than a few hundred KiB.
    for (path, status) in [("/timers", 500), ("/headers", 502), ("/body", 200)] {
        let (answer, during) = beside(&hearth, hearth.get(&host, path)).await;
        println!("neighbour's p99 beside {path}: {during:?}, {} bytes", answer.body.len());
        assert!(answer.status == status || answer.status == 200, "{path}: {}", answer.status);
        assert_eq!(hearth.get(&host, "/").await.status, 200, "after {path}");
    }
    let log = hearth.log();
    for reason in ["reason=\"stuck\"", "reason=\"memory\"", "reason=\"cpu_budget\""] {
        assert!(log.contains(reason), "the log does not say {reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_leaves_no_process_behind_the_next_start() {
    let mut hearth = Hearth::start().await;
    upload(&hearth, "lasting", "export default { fetch: () => new Response('here') }", json!({})).await;
    assert_eq!(hearth.get(&hearth.host("lasting"), "/").await.text(), "here");
    let before = hearth.runtimes();
    assert!(!before.is_empty(), "the worker has a process");
    hearth.kill().await;
    hearth.start_again().await;
    assert_eq!(hearth.get(&hearth.host("lasting"), "/").await.text(), "here", "the deploy was kept");
    let left: Vec<_> = before.into_iter().filter(|pid| is_runtime(*pid)).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}
