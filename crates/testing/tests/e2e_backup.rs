//! `hearth backup` of a server that runs, and `hearth restore`.

use std::os::unix::fs::PermissionsExt;

use hearth_testing::{Form, Hearth};
use serde_json::{Value, json};

const LARGE: usize = 3 << 20;

/// Keeps what it is told in all three stores, and says what is there.
const SOURCE: &str = "export default {
  async fetch(request, env) {
    const told = new URL(request.url).searchParams.get('keep');
    if (told !== null) {
      await env.KV.put('kept', told);
      await env.R2.put('small', told);
      await env.R2.put('large', told.padEnd(LARGE, '.'));
      await env.DB.exec('CREATE TABLE IF NOT EXISTS kept (text)');
      await env.DB.prepare('INSERT INTO kept VALUES (?)').bind(told).run();
    }
    const rows = await env.DB.prepare('SELECT text FROM kept').all();
    return Response.json({
      build: 'BUILD', secret: env.SECRET, kv: await env.KV.get('kept'),
      small: await (await env.R2.get('small')).text(), large: (await (await env.R2.get('large')).text()).length,
      rows: rows.results.map(({ text }) => text),
    });
  },
};";

async fn deploy(hearth: &Hearth, build: &str, resources: &[Value]) {
    let secret = json!({ "name": "SECRET", "type": "secret_text", "text": "s3cret" });
    let bindings: Vec<Value> = [secret].into_iter().chain(resources.iter().cloned()).collect();
    let metadata =
        json!({ "main_module": "index.js", "compatibility_date": "2026-01-01", "bindings": bindings });
    let source = SOURCE.replace("BUILD", build).replace("LARGE", &LARGE.to_string());
    let form = Form::default().metadata(&metadata.to_string());
    let form = form.part("index.js", "application/javascript+module", source);
    hearth.upload("kept", form.finish()).await.result();
}

async fn resources(hearth: &Hearth) -> Vec<Value> {
    let make = async |path: &str, body: Value| hearth.api("POST", path, Some(body)).await.result().clone();
    let namespace = make("/accounts/:a/storage/kv/namespaces", json!({ "title": "kept" })).await;
    make("/accounts/:a/r2/buckets", json!({ "name": "kept" })).await;
    let database = make("/accounts/:a/d1/database", json!({ "name": "kept" })).await;
    vec![
        json!({ "name": "KV", "type": "kv_namespace", "namespace_id": namespace["id"] }),
        json!({ "name": "R2", "type": "r2_bucket", "bucket_name": "kept" }),
        json!({ "name": "DB", "type": "d1", "id": database["uuid"] }),
    ]
}

fn expected(build: &str, told: &str, rows: &[&str]) -> Value {
    json!({ "build": build, "secret": "s3cret", "kv": told, "small": told, "large": LARGE, "rows": rows })
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_from_a_backup_of_a_running_server() {
    let mut hearth = Hearth::start().await;
    let resources = resources(&hearth).await;
    deploy(&hearth, "first", &resources).await;
    let subdomain = "/accounts/:a/workers/scripts/kept/subdomain";
    hearth.api("POST", subdomain, Some(json!({ "enabled": true }))).await.result();
    let host = hearth.host("kept");
    assert_eq!(hearth.get(&host, "/?keep=before").await.json(), expected("first", "before", &["before"]));

    let archive = hearth.folder().join("nightly.hearth");
    let archive_name = archive.to_str().expect("the path is UTF-8").to_owned();
    let said = hearth.operator(&["backup", &archive_name]);
    assert!(said.contains("written"), "{said}");
    let mode = archive.metadata().expect("the archive is there").permissions().mode();
    assert_eq!(mode & 0o077, 0, "others may read every secret");

    deploy(&hearth, "second", &resources).await;
    let after = expected("second", "after", &["before", "after"]);
    assert_eq!(hearth.get(&host, "/?keep=after").await.json(), after);
    hearth.kill().await;
    std::fs::rename(hearth.data(), hearth.folder().join("lost")).expect("the data folder can be moved");

    let said = hearth.operator(&["restore", &archive_name]);
    assert!(said.contains("is as it was at 20"), "{said}");
    hearth.start_again().await;
    assert_eq!(hearth.get(&host, "/").await.json(), expected("first", "before", &["before"]));
    // What came back is not only to be looked at.
    deploy(&hearth, "third", &resources).await;
    let again = expected("third", "again", &["before", "again"]);
    assert_eq!(hearth.get(&host, "/?keep=again").await.json(), again);
}

/// What it answers is every secret of everybody.
#[tokio::test(flavor = "multi_thread")]
async fn only_who_answers_for_the_installation_gets_a_backup() {
    let hearth = Hearth::start().await;
    let control = format!("localhost:{}", hearth.address().port());
    assert_eq!(hearth.get(&control, "/client/v4/installation/backup").await.status, 401);
}
