//! What the store costs: `cargo bench -p hearth-store`. Prints medians and the 99th percentile.

#[path = "../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use hearth_model::ModuleKind;
use hearth_store::NewModule;
use support::{Fixture, many_workers, modules, new_version, release, secret, variable};

const ROUNDS: usize = 300;

#[tokio::main]
async fn main() {
    // Cargo says so when it wants a measurement; test runners that find the binary do not.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    deploys().await;
    launches().await;
    published(100_000).await;
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).ceil() as usize];
    println!("{what:<58} p50 {:>9.3?}  p99 {:>9.3?}", at(0.5), at(0.99));
}

async fn deploys() {
    let fixture = Fixture::new().await;
    let store = &fixture.store;
    let worker = fixture.worker("a").await;
    let (mut blobs, mut inserts) = (Vec::new(), Vec::new());
    for number in 0..ROUNDS {
        let start = Instant::now();
        let code = modules(store, &format!("code {number}")).await;
        blobs.push(start.elapsed());
        let new = new_version(worker, code, vec![variable("V", "v"), secret("S", Some("s"))]);
        let start = Instant::now();
        store.insert_version(new, Some(release())).await.unwrap();
        inserts.push(start.elapsed());
    }
    report("put_modules, 2 new small blobs", blobs);
    report("insert_version with a deployment", inserts);
}

async fn launches() {
    let fixture = Fixture::new().await;
    let worker = fixture.worker("a").await;
    let bindings = || vec![variable("V", "v"), secret("S", Some("s")), secret("T", Some("t"))];
    let mut versions = Vec::new();
    for number in 0..ROUNDS {
        let code = modules(&fixture.store, &format!("code {number}")).await;
        versions
            .push(fixture.store.insert_version(new_version(worker, code, bindings()), None).await.unwrap());
    }
    let content = NewModule {
        name: "index.js".to_owned(),
        kind: ModuleKind::EsModule,
        content: vec![b'x'; 1 << 20].into(),
    };
    let code = fixture.store.put_modules(vec![content]).await.unwrap();
    let large = fixture.store.insert_version(new_version(worker, code, bindings()), None).await.unwrap();
    let fixture = fixture.reopen().await;
    for what in ["launch, nothing in the cache", "launch, cached"] {
        let mut times = Vec::new();
        for inserted in &versions {
            let start = Instant::now();
            fixture.store.launch(inserted.version.id).await.unwrap();
            times.push(start.elapsed());
        }
        report(what, times);
    }
    let start = Instant::now();
    fixture.store.launch(large.version.id).await.unwrap();
    report("launch, 1 MiB of code, nothing in the cache", vec![start.elapsed()]);
}

async fn published(workers: u32) {
    for versions in [1, 10] {
        let fixture = Fixture::new().await;
        many_workers(&fixture, workers, versions).await;
        let fixture = fixture.reopen().await;
        let mut times = Vec::new();
        for _ in 0..3 {
            let start = Instant::now();
            let published = fixture.store.published().await.unwrap();
            times.push(start.elapsed());
            assert_eq!(published.workers.len(), workers as usize);
        }
        report(&format!("published, {workers} workers of {versions} versions"), times);
    }
}
