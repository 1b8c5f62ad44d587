//! The KV, R2 and D1 samples of the seed guide, `tests/apps/guide-*`, with the commands that the guide gives for them.

use std::fs;
use std::net::SocketAddr;

use bytes::Bytes;
use hearth_testing::{Answer, Hearth, Project, send_to, tests_folder};
use http::{Request, header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What a command printed between two texts.
fn between<'a>(output: &'a str, from: &str, to: &str) -> &'a str {
    let found = output.split_once(from).and_then(|(_, rest)| rest.split_once(to));
    found.unwrap_or_else(|| panic!("no {from:?} … {to:?} in {output}")).0
}

async fn run(project: &Project, command: &str) -> String {
    let args: Vec<&str> = command.split(' ').collect();
    project.wrangler(&args).await.expect_ok()
}

/// Sends a request to a worker.
async fn ask(hearth: &Hearth, worker: &str, method: &str, path: &str, body: impl Into<Bytes>) -> Answer {
    let request = Request::builder().method(method).uri(path).header(header::HOST, hearth.host(worker));
    hearth.send(request.body(body.into()).expect("a request")).await.expect("an answer")
}

/// The answer of one piece of a sample, which must have run.
async fn piece(hearth: &Hearth, worker: &str, name: &str, args: Value) -> Value {
    let method = if args.is_null() { "GET" } else { "POST" };
    let answer = ask(hearth, worker, method, &format!("/{name}"), args.to_string()).await;
    assert_eq!(answer.status, 200, "{name}: {}", answer.text());
    answer.json()
}

// ---- KV ----------------------------------------------------------------------------------------------------

/// `tests/apps/guide-kv`, deployed with a namespace that wrangler has made; the namespace's id.
async fn kv(hearth: &Hearth) -> (Project, String) {
    let project = hearth.app("guide-kv");
    let made = run(&project, "kv namespace create MY_KV").await;
    let id = between(&made, "id = \"", "\"").to_owned();
    project.edit("wrangler.toml", "xxxxxx", &id);
    (project, id)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kv_snippet() {
    let hearth = Hearth::start().await;
    let (project, id) = kv(&hearth).await;
    run(&project, "deploy").await;
    let call = async |name: &str, args: Value| piece(&hearth, "guide-kv", name, args).await;

    let data = json!({ "theme": "dark", "ids": [1, 2, 3], "name": "值" });
    call("write", json!({ "data": data })).await;
    // A large value that is not text.
    fs::write(project.path().join("large.bin"), vec![0xFF; 3 << 20]).expect("the project can be written");
    run(&project, &format!("kv key put large-key --path large.bin --namespace-id {id} --remote")).await;
    let read = call("read", json!({})).await;
    assert_eq!(read, json!({ "value": "value", "jsonValue": data, "streamed": 3 << 20 }));
    let listed = run(&project, &format!("kv key list --prefix key-with --namespace-id {id} --remote")).await;
    let expires = between(&listed, "\"expiration\": ", "\n").trim_end_matches(',').parse::<i64>();
    let lives = expires.unwrap_or_else(|_| panic!("no number of seconds: {listed}")) - now();
    assert!((86_000..=86_400).contains(&lives), "it is to live for a day: {listed}");

    // 250 keys on pages of 100, each page by the cursor of the one before.
    let keys: Vec<String> = (0..250).map(|number| format!("user:{number:03}")).collect();
    let pairs: Vec<Value> = keys.iter().map(|key| json!({ "key": key, "value": "x" })).collect();
    fs::write(project.path().join("users.json"), json!(pairs).to_string()).expect("can be written");
    run(&project, &format!("kv bulk put users.json --namespace-id {id} --remote")).await;
    let (mut found, mut pages, mut cursor) = (Vec::new(), Vec::new(), Value::Null);
    loop {
        let args = if cursor.is_null() { json!({}) } else { json!({ "cursor": cursor }) };
        let list = call("list", args).await;
        let names = list["keys"].as_array().expect("a list").iter();
        let names: Vec<String> = names.map(|key| key["name"].as_str().expect("a name").to_owned()).collect();
        pages.push(names.len());
        found.extend(names);
        cursor = list["cursor"].clone();
        if list["list_complete"] == true {
            break;
        }
    }
    assert_eq!((pages, &found), (vec![100, 100, 50], &keys));
    let written = ask(&hearth, "guide-kv", "POST", "/listAsWritten", "{}").await;
    assert_eq!(written.status, 500, "a cursor that no list gave: {}", written.text());
    assert!(written.text().contains("KV GET failed: 400"), "{}", written.text());

    call("remove", json!({ "keysToDelete": &keys[..200] })).await;
    let left = call("list", json!({})).await;
    let names: Vec<_> = left["keys"].as_array().expect("a list").iter().map(|key| &key["name"]).collect();
    assert_eq!((json!(names), &left["list_complete"]), (json!(keys[200..]), &json!(true)));
    let kept = call("metadata", json!({})).await;
    assert_eq!((&kept["value"], &kept["metadata"]["author"]), (&json!("value"), &json!("user123")));
    assert!(kept["metadata"]["created"].as_i64().is_some_and(|ms| (ms / 1000 - now()).abs() < 600), "{kept}");
}

/// Seconds since 1970.
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    i64::try_from(since.expect("it is after 1970").as_secs()).expect("it is before the end of time")
}

/// The guide's commands around a deploy: a dry run, the history, a way back. Its `rollback [deployment-id]` takes the id of
/// a version. The way back restores the binding too.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_brings_the_namespace_back() {
    let hearth = Hearth::start().await;
    let (project, id) = kv(&hearth).await;
    let dry = run(&project, "deploy --dry-run").await;
    assert!(dry.contains(&format!("env.MY_KV ({id})")), "{dry}");
    assert_eq!(hearth.get(&hearth.host("guide-kv"), "/").await.status, 404, "nothing was deployed");

    let first = run(&project, "deploy").await;
    let first = between(&first, "Current Version ID: ", "\n").to_owned();
    piece(&hearth, "guide-kv", "write", json!({ "data": 1 })).await;
    project.edit("wrangler.toml", &format!("[[kv_namespaces]]\nbinding = \"MY_KV\"\nid = \"{id}\"\n"), "");
    run(&project, "deploy").await;
    let without = ask(&hearth, "guide-kv", "POST", "/metadata", "{}").await;
    assert!(without.text().contains("TypeError: Cannot read properties of undefined"), "{}", without.text());
    let listed = run(&project, "deployments list").await;
    assert!(listed.contains(&first), "{listed}");
    run(&project, &format!("rollback {first} --message back --yes")).await;
    piece(&hearth, "guide-kv", "metadata", json!({})).await;
}

/// `getMiniflareBindings` of the guide's tests, as it is now. It asks wrangler's simulator only.
#[tokio::test(flavor = "multi_thread")]
async fn the_integration_test_of_the_guide() {
    let hearth = Hearth::start().await;
    let wrangler = tests_folder("package.json").display().to_string();
    let output = hearth.app("guide-kv").env("SDK_FROM", Some(&wrangler)).node(&["integration.mjs"]).await;
    assert!(output.expect_ok().contains("processed: yes"));
}

// ---- D1 ----------------------------------------------------------------------------------------------------

/// What the pieces of the D1 sample come to, in their order; `more` runs once the tables are there. What two servers cannot
/// agree on, times, is left out.
async fn d1_pieces(
    call: impl AsyncFn(&str) -> Answer,
    more: impl AsyncFnOnce(),
) -> Vec<(&'static str, u16, Value)> {
    let mut seen = Vec::new();
    let mut more = Some(more);
    for name in [
        "create", "create", "insert", "insert", "query", "json", "transfer", "transfer", "transfer", "index",
        "index", "search",
    ] {
        if name == "search" {
            more.take().expect("there is one search")().await;
        }
        let answer = call(name).await;
        let body = serde_json::from_slice(&answer.body).unwrap_or_else(|_| json!(answer.text()));
        seen.push((name, answer.status, untimed(body)));
    }
    seen
}

/// Keeps the results and what was changed.
fn untimed(mut value: Value) -> Value {
    if let Some(results) = value.as_array_mut() {
        return results.drain(..).map(untimed).collect();
    }
    if let Some(meta) = value.get_mut("meta") {
        // Of a statement that inserts nothing it is whatever the connection inserted last, by whomever.
        let row = (meta["changes"] != 0).then(|| meta["last_row_id"].clone());
        *meta = json!({ "changes": meta["changes"], "last_row_id": row });
    }
    for row in value.get_mut("results").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(at) = row.get_mut("created_at") {
            *at = json!(at.as_str().map(str::len));
        }
    }
    value
}

#[tokio::test(flavor = "multi_thread")]
async fn the_d1_snippet_and_wrangler_dev_comes_to_the_same() {
    let hearth = Hearth::start().await;
    let project = hearth.app("guide-d1");
    let made = run(&project, "d1 create my-database").await;
    project.edit("wrangler.toml", "xxxxxx", between(&made, "database_id = \"", "\""));
    let mut seen = Vec::new();
    for place in ["--remote", "--local"] {
        run(&project, &format!("d1 migrations apply my-database {place}")).await;
        run(&project, &format!("d1 execute my-database {place} --file accounts.sql")).await;
        let posts = async || {
            run(&project, &format!("d1 execute my-database {place} --file posts.sql")).await;
        };
        if place == "--remote" {
            run(&project, "deploy").await;
            let call = async |name: &str| hearth.get(&hearth.host("guide-d1"), &format!("/{name}")).await;
            seen.push(d1_pieces(call, posts).await);
        } else {
            let dev = project.dev().await;
            let call = async |name: &str| dev.get(&format!("/{name}")).await.expect("it answers");
            seen.push(d1_pieces(call, posts).await);
        }
    }
    let [ours, dev] = &seen[..] else { panic!("two places") };
    assert_eq!(ours, dev);

    let ok = |number: usize| (ours[number].1, &ours[number].2["results"]);
    assert_eq!((ours[0].1, ours[1].1), (200, 200), "a table that is there is left alone");
    assert_eq!(ours[2].2["meta"], json!({ "changes": 1, "last_row_id": 1 }));
    assert_eq!(
        ours[3].2,
        "D1_ERROR: UNIQUE constraint failed: users.email: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)"
    );
    let user = json!({
        "id": 1, "email": "user@example.com", "name": "John Doe", "created_at": 19, "metadata": r#"{"role":"admin"}"#
    });
    assert_eq!(ok(4), (200, &json!([user])));
    assert_eq!(ok(5), (200, &json!([{ "id": 1, "name": "John Doe", "role": "admin", "permissions": null }])));
    let changes = |number: usize| {
        let results = ours[number].2.as_array().expect("one result a statement").iter();
        results.map(|one| one["meta"]["changes"].clone()).collect::<Vec<_>>()
    };
    assert_eq!((changes(6), changes(7)), (vec![json!(1); 3], vec![json!(1); 3]));
    assert_eq!((ours[8].1, ours[9].1), (500, 200));
    assert!(ours[8].2.as_str().is_some_and(|text| text.contains("CHECK constraint failed")), "{:?}", ours[8]);
    assert!(
        ours[10].2.as_str().is_some_and(|text| text.contains("posts_fts already exists")),
        "{:?}",
        ours[10]
    );
    let found = ours[11].2["results"].as_array().expect("rows").iter();
    assert_eq!(found.map(|row| &row["title"]).collect::<Vec<_>>(), ["Workers"]);

    // A transfer that fails half way has moved nothing.
    let sql =
        "SELECT (SELECT group_concat(balance) FROM accounts) AS b, (SELECT count(*) FROM transactions) AS n";
    let output = project
        .wrangler(&["d1", "execute", "my-database", "--remote", "--json", "--command", sql])
        .await
        .expect_ok();
    assert_eq!((between(&output, "\"b\": \"", "\""), between(&output, "\"n\": ", "\n")), ("50,200", "2"));
}

// ---- R2 ----------------------------------------------------------------------------------------------------

/// Fetches what a URL names, on this machine.
async fn fetch(url: &str) -> Answer {
    let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("no URL: {url}"));
    let (authority, target) = rest.split_at(rest.find('/').expect("a path"));
    let port = authority.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    let request = Request::get(target).header(header::HOST, authority).body(Bytes::new());
    send_to(SocketAddr::from(([127, 0, 0, 1], port)), request.expect("a request")).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_r2_snippet_and_a_presigned_url() {
    let hearth = Hearth::start().await;
    let project = hearth.app("guide-r2");
    run(&project, "r2 bucket create my-bucket").await;
    run(&project, "deploy").await;
    let call = async |method: &str, name: &str, body: &[u8]| {
        ask(&hearth, "guide-r2", method, &format!("/{name}"), Bytes::copy_from_slice(body)).await
    };
    assert_eq!(call("GET", "read", b"").await.status, 404);

    let pdf: Vec<u8> = (0..300_000_u32).map(|at| (at % 251) as u8).collect();
    let mut form = Vec::new();
    form.extend(b"--b\r\nContent-Disposition: form-data; name=\"user\"\r\n\r\nalice\r\n--b\r\n");
    form.extend(b"Content-Disposition: form-data; name=\"file\"; filename=\"f.pdf\"\r\n\r\n");
    form.extend(&pdf);
    form.extend(b"\r\n--b--\r\n");
    let request = Request::post("/upload")
        .header(header::HOST, hearth.host("guide-r2"))
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=b");
    let sent = hearth.send(request.body(form.into()).expect("a request")).await.expect("an answer");
    assert_eq!(sent.status, 204, "{}", sent.text());

    let read = call("GET", "read", b"").await;
    assert_eq!((read.status, read.header("content-type")), (200, "application/pdf"));
    assert!(read.body == pdf, "{} bytes came back", read.body.len());
    run(&project, "r2 object get my-bucket/path/to/file.pdf --remote --file got.pdf").await;
    assert!(fs::read(project.path().join("got.pdf")).expect("it was downloaded") == pdf);
    let list = call("GET", "list?prefix=path/", b"").await.json();
    let object = &list["objects"][0];
    assert_eq!((&object["key"], &object["size"]), (&json!("path/to/file.pdf"), &json!(pdf.len())));
    let http = json!({ "contentType": "application/pdf", "cacheControl": "public, max-age=31536000" });
    let custom = json!({ "uploadedBy": "alice", "version": "1.0" });
    assert_eq!((&object["httpMetadata"], &object["customMetadata"]), (&http, &custom));
    assert_eq!(call("GET", "list", b"").await.json()["objects"], json!([]));

    let large = vec![7_u8; (5 << 20) * 2 + 12_345];
    let sent = call("POST", "large", &large).await;
    assert_eq!(sent.status, 204, "{}", sent.text());
    run(&project, "r2 object get my-bucket/large-file --remote --file large").await;
    assert!(fs::read(project.path().join("large")).expect("it was downloaded") == large);

    let sign = call("GET", "sign", b"").await;
    assert!(sign.text().contains("createSignedUrl is not a function"), "{}", sign.text());
    let url = presigned(&hearth, "my-bucket", "path/to/file.pdf").await;
    assert!(url.contains("X-Amz-Expires=3600"), "{url}");
    let got = fetch(&url).await;
    assert_eq!((got.status, got.header("content-type")), (200, "application/pdf"), "{}", got.text());
    assert_eq!(got.header("cache-control"), "public, max-age=31536000");
    assert!(got.body == pdf, "{} bytes came back", got.body.len());
    assert_eq!(fetch(&url.replace("3600", "7200")).await.status, 403, "an hour is an hour");

    assert_eq!(call("GET", "remove", b"").await.status, 204);
    assert_eq!((call("GET", "read", b"").await.status, fetch(&url).await.status), (404, 404));
}

/// A URL for an object of a bucket, good for an hour, made by the worker `r2-presign` with a key for that bucket.
async fn presigned(hearth: &Hearth, bucket: &str, object: &str) -> String {
    let policy = json!({
        "effect": "allow",
        "permission_groups": [{ "name": "Workers R2 Storage Bucket Item Read" }],
        "resources": { format!("com.cloudflare.edge.r2.bucket.{}_default_{bucket}", hearth.account()): "*" },
    });
    let made = hearth.api("POST", "/user/tokens", Some(json!({ "name": "s3", "policies": [policy] }))).await;
    let text = |field: &str| made.result()[field].as_str().expect("a token has it").to_owned();
    let project = hearth.app("r2-presign");
    let s3 = format!("http://localhost:{}", hearth.s3_address().port());
    project.edit("wrangler.jsonc", "http://localhost:8788", &s3);
    project.edit("wrangler.jsonc", "_name\": \"r2-presign\"", &format!("_name\": \"{bucket}\""));
    project.edit("wrangler.jsonc", "_NAME\": \"r2-presign\"", &format!("_NAME\": \"{bucket}\""));
    run(&project, "deploy").await;
    let secret = hex::encode(Sha256::digest(text("value")));
    for (name, value) in [("R2_ACCESS_KEY_ID", text("id")), ("R2_SECRET_ACCESS_KEY", secret)] {
        project.wrangler_with_input(&["secret", "put", name], &value).await.expect_ok();
    }
    let answer = hearth.get(&hearth.host("r2-presign"), &format!("/{object}?sign=GET")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}
