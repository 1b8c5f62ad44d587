//! `hearth backup` of a server that runs, and `hearth restore`.

use std::os::unix::fs::PermissionsExt;

use hearth_testing::{Form, Hearth};
use serde_json::json;

const SOURCE: &str = "export default { fetch: (request, env) => new Response(`BUILD ${env.SECRET}`) };";

async fn deploy(hearth: &Hearth, build: &str) {
    let metadata = json!({
        "main_module": "index.js",
        "compatibility_date": "2026-01-01",
        "bindings": [{ "name": "SECRET", "type": "secret_text", "text": "s3cret" }],
    });
    let source = SOURCE.replace("BUILD", build);
    let form = Form::default().metadata(&metadata.to_string());
    let form = form.part("index.js", "application/javascript+module", source);
    hearth.upload("kept", form.finish()).await.result();
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_from_a_backup_of_a_running_server() {
    let mut hearth = Hearth::start().await;
    deploy(&hearth, "first").await;
    let subdomain = "/accounts/:a/workers/scripts/kept/subdomain";
    hearth.api("POST", subdomain, Some(json!({ "enabled": true }))).await.result();

    let archive = hearth.folder().join("nightly.hearth");
    let archive_name = archive.to_str().expect("the path is UTF-8").to_owned();
    let said = hearth.operator(&["backup", &archive_name]);
    assert!(said.contains("written"), "{said}");
    let mode = archive.metadata().expect("the archive is there").permissions().mode();
    assert_eq!(mode & 0o077, 0, "others may read every secret");

    deploy(&hearth, "second").await;
    assert_eq!(hearth.get(&hearth.host("kept"), "/").await.text(), "second s3cret");
    hearth.kill().await;
    std::fs::rename(hearth.data(), hearth.folder().join("lost")).expect("the data folder can be moved");

    let said = hearth.operator(&["restore", &archive_name]);
    assert!(said.contains("is as it was at 20"), "{said}");
    hearth.start_again().await;
    assert_eq!(hearth.get(&hearth.host("kept"), "/").await.text(), "first s3cret");
    deploy(&hearth, "third").await;
    assert_eq!(hearth.get(&hearth.host("kept"), "/").await.text(), "third s3cret");
}

/// What it answers is every secret of everybody.
#[tokio::test(flavor = "multi_thread")]
async fn only_who_answers_for_the_installation_gets_a_backup() {
    let hearth = Hearth::start().await;
    let answer =
        hearth.get(&format!("localhost:{}", hearth.address().port()), "/client/v4/installation/backup").await;
    assert_eq!(answer.status, 401);
}
