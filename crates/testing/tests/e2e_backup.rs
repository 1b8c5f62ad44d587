//! `hearth backup` of a server that runs, and `hearth restore`.

use std::fs::DirEntry;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

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

/// What other users of the machine can read in the data folder, but for what processes of workers share.
fn open_to_others(data: &Path) -> Vec<String> {
    const SHARED: [&str; 2] = ["do", "run"];
    let name = |entry: &DirEntry| entry.file_name().into_string().expect("names are ours");
    let open = |entry: &DirEntry| entry.metadata().expect("it is there").permissions().mode() & 0o044 != 0;
    let entries = std::fs::read_dir(data)
        .expect("the data folder is there")
        .map(|entry| entry.expect("it can be read"));
    entries
        .filter(|entry| open(entry) && !SHARED.contains(&&*name(entry)))
        .map(|entry| name(&entry))
        .collect()
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
    assert_eq!(open_to_others(&hearth.data()), Vec::<String>::new(), "others may read tenants' data");

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

/// Its instances wait for a while or for an event, and say how often their first step ran.
const FLOWS: &str = "import { WorkflowEntrypoint } from 'cloudflare:workers';
let ran = 0;
export class Flow extends WorkflowEntrypoint {
  async run({ payload }, step) {
    const first = await step.do('first', async () => ++ran);
    if (payload.sleep) await step.sleep('nap', payload.sleep);
    const event = payload.sleep ? null : await step.waitForEvent('go', { type: 'go', timeout: '1 hour' });
    return { first, brought: event?.payload ?? null };
  }
}
export default {};";

#[tokio::test(flavor = "multi_thread")]
async fn workflows_go_on_from_a_backup() {
    let mut hearth = Hearth::start().await;
    let metadata = json!({
        "main_module": "index.js", "compatibility_date": "2026-01-01",
        "bindings": [{ "name": "FLOW", "type": "workflow", "workflow_name": "flow", "class_name": "Flow" }],
    });
    let form = Form::default().metadata(&metadata.to_string());
    let form = form.part("index.js", "application/javascript+module", FLOWS);
    hearth.upload("flows", form.finish()).await.result();
    let base = "/accounts/:a/workflows/flow/instances";
    let create = async |hearth: &Hearth, id: &str, params: Value| {
        hearth.api("POST", base, Some(json!({ "instance_id": id, "params": params }))).await.result();
    };
    let send = async |hearth: &Hearth, id: &str, payload: &str| {
        hearth.api("POST", &format!("{base}/{id}/events/go"), Some(json!(payload))).await.result();
    };
    let until = async |hearth: &Hearth, id: &str, status: &str| {
        for _ in 0..600 {
            let instance = hearth.api("GET", &format!("{base}/{id}"), None).await.result().clone();
            if instance["status"] == status {
                return instance["output"].clone();
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("{id} is not {status}");
    };
    create(&hearth, "ended", json!({})).await;
    send(&hearth, "ended", "before").await;
    let ended = until(&hearth, "ended", "complete").await;
    create(&hearth, "waits", json!({})).await;
    create(&hearth, "sleeps", json!({ "sleep": "3 seconds" })).await;
    for id in ["waits", "sleeps"] {
        until(&hearth, id, "waiting").await;
    }

    let archive = hearth.folder().join("flows.hearth");
    let archive = archive.to_str().expect("the path is UTF-8").to_owned();
    assert!(hearth.operator(&["backup", &archive]).contains("written"));
    create(&hearth, "later", json!({})).await;
    send(&hearth, "waits", "lost").await;
    let before = until(&hearth, "waits", "complete").await;
    assert_eq!(before["brought"], "lost");
    hearth.kill().await;
    std::fs::rename(hearth.data(), hearth.folder().join("lost")).expect("the data folder can be moved");
    assert!(hearth.operator(&["restore", &archive]).contains("is as it was at 20"));
    hearth.start_again().await;

    assert_eq!(until(&hearth, "ended", "complete").await, ended);
    until(&hearth, "waits", "waiting").await;
    send(&hearth, "waits", "after").await;
    let waits = until(&hearth, "waits", "complete").await;
    assert_eq!(waits, json!({ "first": before["first"], "brought": "after" }), "its step ran again");
    until(&hearth, "sleeps", "complete").await;
    let listed = hearth.api("GET", base, None).await;
    let mut ids: Vec<_> = listed.result().as_array().expect("a list").iter().map(|one| &one["id"]).collect();
    ids.sort_by_key(|id| id.to_string());
    assert_eq!(ids, ["ended", "sleeps", "waits"]);
    create(&hearth, "new", json!({})).await;
    until(&hearth, "new", "waiting").await;
}

/// What it answers is every secret of everybody.
#[tokio::test(flavor = "multi_thread")]
async fn only_who_answers_for_the_installation_gets_a_backup() {
    let hearth = Hearth::start().await;
    let control = format!("localhost:{}", hearth.address().port());
    assert_eq!(hearth.get(&control, "/client/v4/installation/backup").await.status, 401);
}
