//! Every folder of `tests/apps` that has an `expect.json`, deployed to one server by the real wrangler.

use std::fs;

use futures::StreamExt as _;
use hearth_testing::{Hearth, Wrangler, check_app, tests_folder};

/// Wranglers at a time; each keeps a core busy for a second or two.
const AT_ONCE: usize = 2;

fn apps() -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(tests_folder("apps"))
        .expect("tests/apps can be read")
        .map(|entry| entry.expect("tests/apps can be read").path())
        .filter(|path| path.join("expect.json").exists())
        .map(|path| path.file_name().expect("it has a name").to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn every_app_answers_as_its_folder_says() {
    let hearth = Hearth::start().await;
    let checks = apps().into_iter().map(|name| {
        let hearth = &hearth;
        async move { check_app(hearth, &name, Wrangler::Current).await.err() }
    });
    let faults: Vec<String> = futures::stream::iter(checks)
        .buffer_unordered(AT_ONCE)
        .filter_map(|fault| async { fault })
        .collect()
        .await;
    assert!(faults.is_empty(), "{} apps differ:\n\n{}", faults.len(), faults.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn older_wranglers_deploy_too() {
    let hearth = Hearth::start().await;
    for wrangler in [Wrangler::V4Old, Wrangler::V3] {
        for app in ["older", "service-worker"] {
            check_app(&hearth, app, wrangler).await.unwrap_or_else(|fault| panic!("{wrangler:?}: {fault}"));
        }
        hearth.app("older").with(wrangler).wrangler(&["delete", "--force"]).await.expect_ok();
        assert_eq!(hearth.get(&hearth.host("older"), "/").await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_make_serve_is_what_the_readme_shows() {
    let hearth = Hearth::start().await;
    let project = hearth.project(&hearth_testing::checkout().join("examples/hello"));
    project.wrangler(&["deploy"]).await.expect_ok();
    let host = hearth.host("hello");
    assert_eq!(hearth.get(&host, "/").await.text(), "Hello, world!\n");
    assert_eq!(hearth.get_http2(&host, "/?name=h2").await.text(), "Hello, h2!\n");
}
