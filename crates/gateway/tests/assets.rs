//! Static assets are answered before any process is asked for.

mod support;

use base64::Engine as _;
use hearth_assets::{Manifest, NewFile, SiteSource};
use hearth_gateway::Config;
use hearth_model::{AssetsConfig, Compatibility, PublishedWorker};
use http::Request;
use support::{Rig, full, get, text};

const PAGE: &str = "<h1>a page</h1>";

/// A worker with one page, whose process is not there.
async fn site(rig: &Rig, name: &str, config: AssetsConfig) -> PublishedWorker {
    let (mut worker, _) = rig.publish_at(name, &rig.socket());
    worker.versions[0].assets = true;
    rig.table.upsert_worker(worker.clone());
    let encoded = base64::engine::general_purpose::STANDARD.encode(PAGE) + "html";
    let content = blake3::hash(encoded.as_bytes()).to_hex()[..32].parse().unwrap();
    let mut incoming = rig.contents.folder(&worker.account).unwrap().receive().unwrap();
    incoming.write(PAGE.as_bytes()).await.unwrap();
    incoming.finish(content, "html").await.unwrap();
    let media_type = Some("text/html".to_owned());
    let file = NewFile { path: "/page.html".to_owned(), content, size: PAGE.len() as u32, media_type };
    let source = SiteSource {
        pages: None,
        account: worker.account.clone(),
        manifest: Manifest::write(&[file]).into(),
        config,
        compatibility: Compatibility { date: "2026-01-01".to_owned(), flags: Vec::new() },
        has_worker: true,
    };
    rig.shelf.lay(worker.versions[0].id, source);
    worker
}

#[tokio::test]
async fn a_file_needs_no_process_and_what_is_no_file_does() {
    let rig = Rig::new(Config::default()).await;
    site(&rig, "site", AssetsConfig::default()).await;
    let page = rig.get("site.localhost", "/page").await;
    assert_eq!(
        (page.status().as_u16(), page.headers()["content-type"].to_str().unwrap()),
        (200, "text/html")
    );
    assert!(page.headers().contains_key("cf-ray"));
    assert_eq!(text(page).await, PAGE);
    assert_eq!(rig.get("site.localhost", "/page.html").await.headers()["location"], "/page");
    // Its process does not listen.
    assert_eq!(rig.get("site.localhost", "/other").await.status(), 502);
    let counted: u64 =
        rig.gateway.counters().iter().filter(|(id, _)| id.is_some()).map(|(_, seen)| seen.classes[1]).sum();
    assert_eq!(counted, 1, "it counts as the worker's");
}

#[tokio::test]
async fn where_the_path_names_the_worker_redirects_do_too() {
    let rig = Rig::new(Config::default()).await;
    let redirects = Some("/out https://other.test/x\n/in /page".to_owned());
    site(&rig, "site", AssetsConfig { redirects, ..AssetsConfig::default() }).await;
    for (path, location) in [
        ("/site/page.html?a=b", "/site/page?a=b"),
        ("/site/in", "/site/page"),
        ("/site/out", "https://other.test/x"),
    ] {
        assert_eq!(rig.get("paths.test", path).await.headers()["location"], location, "{path}");
    }
    assert_eq!(text(rig.get("paths.test", "/site/page").await).await, PAGE);
}

#[tokio::test]
async fn a_version_whose_files_cannot_be_read_is_an_error_and_not_its_worker() {
    let rig = Rig::new(Config::default()).await;
    let (mut worker, _) = rig.publish("site", |_| async { support::ok("from the worker") });
    worker.versions[0].assets = true;
    rig.table.upsert_worker(worker);
    assert_eq!(rig.get("site.localhost", "/").await.status(), 500);
    let post = Request::post("/").header("host", "site.localhost").body(full("x")).unwrap();
    assert_eq!(rig.fetch(post).await.status(), 500);
    assert_eq!(rig.fetch(get("site.localhost", "/")).await.status(), 500);
}
