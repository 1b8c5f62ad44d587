//! Who may do what, by every operation; and Cloudflare's SDKs and Terraform's calls, which manage tokens and members.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hearth_testing::{Form, Hearth, tests_folder};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_for_those_who_may_call_it() {
    let hearth = Hearth::start().await;
    let walked = hearth.project(&tests_folder("openapi")).python("authorization.py").await.expect_ok();
    assert!(walked.contains("operations were walked"), "{walked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_sdk_manages_tokens_and_members() {
    let hearth = Hearth::start().await;
    let sdk_from = tests_folder("package.json").display().to_string();
    let clients = hearth.app("clients").env("SDK_FROM", Some(&sdk_from));
    let output = clients.node(&["people.mjs"]).await.expect_ok();
    assert!(output.contains("made, changed, rolled and deleted"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pypi_sdk_and_terraforms_calls_manage_tokens_and_members() {
    let hearth = Hearth::start().await;
    let output = hearth.app("clients").python("people.py").await.expect_ok();
    assert!(output.contains("made, changed, rolled and deleted"), "{output}");
}

/// What lies below a folder and has a text in its path.
fn named(folder: &Path, text: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .flat_map(|path| {
            let own = path.to_string_lossy().contains(text);
            let mut found = if path.is_dir() { named(&path, text) } else { Vec::new() };
            found.extend(own.then_some(path));
            found
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_ends_when_it_has_nothing_and_leaves_nothing() {
    let mut hearth = Hearth::start().await;
    let made = hearth.api("POST", "/accounts", Some(json!({ "name": "team" }))).await;
    let account = made.result()["id"].as_str().expect("an id").to_owned();
    let own = format!("/accounts/{account}");
    let source = "export default { fetch(request, env) { console.log('hello');
        env.POINTS.writeDataPoint({ blobs: ['a'] }); return new Response('hi'); } }";
    let metadata = json!({ "main_module": "index.js", "compatibility_date": "2026-01-01",
        "observability": { "enabled": true },
        "bindings": [{ "type": "analytics_engine", "name": "POINTS", "dataset": "points" }] });
    let form = Form::module(source).metadata(&metadata.to_string()).finish();
    let script = format!("{own}/workers/scripts/hello");
    hearth.api_form("PUT", &format!("{script}?excludeScript=true"), form).await.result();
    let subdomain = json!({ "enabled": true });
    hearth.api("POST", &format!("{script}/subdomain"), Some(subdomain)).await.result();
    let title = json!({ "title": "data" });
    let namespace = hearth.api("POST", &format!("{own}/storage/kv/namespaces"), Some(title)).await;
    let namespace = namespace.result()["id"].as_str().expect("an id").to_owned();
    let namespace_path = format!("{own}/storage/kv/namespaces/{namespace}");
    hearth.api("PUT", &format!("{namespace_path}/values/a"), Some(json!("b"))).await.result();
    assert_eq!(hearth.get(&hearth.host("hello.team"), "/").await.text(), "hi");
    let kept = ["analytics", "observe"].map(|folder| hearth.data().join(folder));
    let began = std::time::Instant::now();
    while kept.iter().any(|folder| named(folder, &account).is_empty()) {
        assert!(began.elapsed() < Duration::from_secs(60), "it has no logs or no points");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    // It has something, and says what.
    let (status, _, why) = hearth.api("DELETE", &own, None).await.error();
    assert!(status == 409 && why.contains("1 workers") && why.contains("kv namespace"), "{status} {why}");
    hearth.api("DELETE", &namespace_path, None).await.result();
    hearth.api("DELETE", &script, None).await.result();
    hearth.api("DELETE", &own, None).await.result();
    assert_eq!(named(&hearth.data(), &account), Vec::<PathBuf>::new());
    assert_eq!(named(&hearth.data(), &namespace), Vec::<PathBuf>::new());
    assert_eq!(hearth.api("GET", &own, None).await.error().0, 404);

    // The server ended after the account had gone and before its files had.
    hearth.kill().await;
    let left = hearth.data().join("observe").join(&account);
    std::fs::create_dir_all(&left).expect("the folder can be written");
    std::fs::write(left.join("1.db"), "x").expect("the folder can be written");
    // As the server's own, who may be another user than the test.
    let owner = std::fs::metadata(hearth.data().join("hearth.db")).expect("it is there");
    for path in [left.clone(), left.join("1.db")] {
        std::os::unix::fs::chown(path, Some(owner.uid()), Some(owner.gid())).expect("the test may");
    }
    hearth.start_again().await;
    assert_eq!(named(&hearth.data(), &account), Vec::<PathBuf>::new());
}
