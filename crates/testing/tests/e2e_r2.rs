//! R2 through the real clients: the binding from inside a worker, against what `wrangler dev` does, wrangler's commands,
//! REST, rules that are carried out, and what outlives a kill.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use hearth_testing::{Answer, Hearth, Project};
use http::{Request, header};
use serde_json::{Value, json};

/// A call of the API whose answer need not be JSON.
async fn raw(
    hearth: &Hearth,
    method: &str,
    path: &str,
    body: impl Into<Bytes>,
    token: Option<&str>,
) -> Answer {
    let path = format!("/client/v4{}", path.replace(":a", hearth.account()));
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, format!("localhost:{}", hearth.address().port()));
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    hearth.send(request.body(body.into()).expect("a request")).await.expect("an answer")
}

const PATIENCE: Duration = Duration::from_secs(60);

/// A server on which the app is deployed.
async fn deployed() -> (Hearth, Project) {
    let hearth = Hearth::start().await;
    let project = hearth.app("r2");
    project.wrangler(&["r2", "bucket", "create", "r2-app"]).await.expect_ok();
    project.wrangler(&["deploy"]).await.expect_ok();
    (hearth, project)
}

/// Where two results differ, by JSON pointer.
fn differences(at: &str, dev: &Value, ours: &Value, found: &mut BTreeMap<String, (Value, Value)>) {
    match (dev, ours) {
        (Value::Object(left), Value::Object(right)) => {
            for key in left.keys().chain(right.keys().filter(|key| !left.contains_key(*key))) {
                let of = |side: &serde_json::Map<String, Value>| side.get(key).cloned().unwrap_or_default();
                differences(&format!("{at}/{key}"), &of(left), &of(right), found);
            }
        }
        _ if dev != ours => {
            found.insert(at.to_owned(), (dev.clone(), ours.clone()));
        }
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_case_of_the_binding_comes_to_what_wrangler_dev_comes_to_but_for_what_is_listed() {
    let (hearth, project) = deployed().await;
    let ours = hearth.get(&hearth.host("r2"), "/all").await;
    assert_eq!(ours.status, 200, "{}", ours.text());
    let ours = ours.json();
    let dev = project.dev().await.get("/all").await.expect("wrangler dev answers").json();
    let mut found = BTreeMap::new();
    differences("", &dev, &ours, &mut found);
    // Each with its reason: `{pointer: {"hearth": what it comes to here, "why": …}}`.
    let text = std::fs::read_to_string(project.path().join("differences.json")).expect("the app lists them");
    let listed: BTreeMap<String, Value> = serde_json::from_str(&text).expect("they are JSON");
    let mut faults = Vec::new();
    for (at, (dev, ours)) in &found {
        // `wrangler dev` knows no storage classes: everywhere it is empty.
        if at.ends_with("/storageClass") && dev == "" && ours == "Standard" {
            continue;
        }
        match listed.get(at) {
            Some(difference) if difference["hearth"] == *ours => {}
            _ => faults.push(format!("{at}\n  wrangler dev: {dev}\n  hearth:       {ours}")),
        }
    }
    let gone = listed.keys().filter(|at| !found.contains_key(*at));
    faults.extend(gone.map(|at| format!("{at} is listed and does not differ")));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let threw: Vec<&String> = ours
        .as_object()
        .expect("cases")
        .iter()
        .filter(|(_, outcome)| outcome.as_str().is_some_and(|text| text.starts_with("threw")))
        .map(|(name, _)| name)
        .collect();
    assert!(threw.is_empty(), "{threw:?}");
}

/// Runs commands in their order; each succeeds, and says what it has to.
async fn run(project: &Project, commands: &[(&[&str], &[&str])]) {
    for (command, says) in commands {
        let output = project.wrangler(command).await.expect_ok();
        for text in *says {
            assert!(output.contains(text), "{command:?} does not say {text:?}:\n{output}");
        }
    }
}

/// Runs a command that has to fail.
async fn refused(project: &Project, command: &[&str], says: &str) {
    let output = project.wrangler(command).await.expect_failure();
    assert!(output.contains(says), "{command:?} does not say {says:?}:\n{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrangler_manages_buckets_and_objects() {
    let hearth = Hearth::start().await;
    let project = hearth.app("r2");
    std::fs::write(project.path().join("file.txt"), "a file\n").expect("written");
    let bulk = json!([{"key": "bulk/1", "file": "file.txt"}, {"key": "bulk/ü 2", "file": "file.txt"}]);
    std::fs::write(project.path().join("bulk.json"), bulk.to_string()).expect("written");
    run(
        &project,
        &[
            (&["r2", "bucket", "create", "photos"], &["Created bucket 'photos'"]),
            (&["r2", "bucket", "create", "cold", "--storage-class", "InfrequentAccess"], &["'cold'"]),
            (&["r2", "bucket", "list"], &["photos", "cold"]),
            (&["r2", "bucket", "info", "cold"], &["InfrequentAccess"]),
            (
                &["r2", "bucket", "update", "storage-class", "cold", "--storage-class", "Standard"],
                &["Standard"],
            ),
            (&["r2", "bucket", "info", "cold"], &["Standard"]),
            (
                &[
                    "r2",
                    "object",
                    "put",
                    "photos/dir/a b.txt",
                    "--file",
                    "file.txt",
                    "--content-type",
                    "text/x",
                    "--cache-control",
                    "max-age=5",
                    "--expires",
                    "Sat, 01 Jan 2033 00:00:00 GMT",
                    "--remote",
                ],
                &["Upload complete."],
            ),
            (&["r2", "object", "get", "photos/dir/a b.txt", "--pipe", "--remote"], &["a file"]),
            (&["r2", "bulk", "put", "photos", "--filename", "bulk.json", "--remote"], &[]),
            (&["r2", "object", "get", "photos/bulk/1", "--pipe", "--remote"], &["a file"]),
            (&["r2", "bucket", "info", "photos", "--json"], &["\"object_count\": \"3\"", "21 B"]),
        ],
    )
    .await;
    let got =
        raw(&hearth, "GET", "/accounts/:a/r2/buckets/photos/objects/dir/a%20b.txt", "", Some(hearth.token()))
            .await;
    assert_eq!(got.text(), "a file\n");
    for (name, value) in [
        ("content-type", "text/x"),
        ("cache-control", "max-age=5"),
        ("expires", "Sat, 01 Jan 2033 00:00:00 GMT"),
    ] {
        assert_eq!(got.header(name), value);
    }
    refused(&project, &["r2", "bucket", "create", "photos"], "[code: 10004]").await;
    refused(&project, &["r2", "bucket", "info", "absent"], "[code: 10006]").await;
    refused(&project, &["r2", "bucket", "delete", "photos"], "[code: 10008]").await;
    refused(&project, &["r2", "object", "get", "photos/absent", "--pipe", "--remote"], "key does not exist")
        .await;
    refused(
        &project,
        &["r2", "object", "put", "absent/x", "--file", "file.txt", "--remote"],
        "bucket does not exist",
    )
    .await;
    run(
        &project,
        &[
            (&["r2", "object", "delete", "photos/dir/a b.txt", "--remote"], &["Delete complete."]),
            (&["r2", "object", "delete", "photos/bulk/1", "--remote"], &[]),
            (&["r2", "object", "delete", "photos/bulk/ü 2", "--remote"], &[]),
            (&["r2", "bucket", "delete", "photos"], &["Deleted bucket photos"]),
        ],
    )
    .await;
    refused(&project, &["r2", "bucket", "info", "photos"], "[code: 10006]").await;
    let left = std::fs::read_dir(hearth.data().join("r2")).expect("there").count();
    assert_eq!(left, 1, "only the bucket `cold` has a folder");
    // A binding to a bucket that is not there: wrangler makes it.
    run(&project, &[(&["deploy"], &["r2-app"]), (&["r2", "bucket", "info", "r2-app"], &["r2-app"])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrangler_sets_a_buckets_rules_and_domains() {
    let hearth = Hearth::start().await;
    let project = hearth.app("r2");
    let cors = json!({"rules": [{"allowed": {"origins": ["https://example.com"], "methods": ["GET"], "headers": ["x-a"]},
        "exposeHeaders": ["etag"], "maxAgeSeconds": 60}]});
    let lock = json!({"rules": [{"id": "set", "enabled": true, "prefix": "s/", "condition": {"type": "Age", "maxAgeSeconds": 9}}]});
    let lifecycle = json!({"rules": [{"id": "set", "enabled": true, "conditions": {"prefix": "s/"},
        "deleteObjectsTransition": {"condition": {"type": "Age", "maxAge": 86400}}}]});
    for (file, rules) in [("cors.json", cors), ("lock.json", lock), ("lifecycle.json", lifecycle)] {
        std::fs::write(project.path().join(file), rules.to_string()).expect("written");
    }
    run(&project, &[(&["r2", "bucket", "create", "b2b"], &[])]).await;
    refused(&project, &["r2", "bucket", "cors", "list", "b2b"], "[code: 10059]").await;
    run(
        &project,
        &[
            (&["r2", "bucket", "cors", "set", "b2b", "--file", "cors.json", "-y"], &[]),
            (&["r2", "bucket", "cors", "list", "b2b"], &["https://example.com", "max_age_seconds:  60"]),
            (&["r2", "bucket", "cors", "delete", "b2b", "-y"], &[]),
            (
                &["r2", "bucket", "lifecycle", "list", "b2b"],
                &["Abort incomplete multipart uploads after 7 days"],
            ),
            (
                &[
                    "r2",
                    "bucket",
                    "lifecycle",
                    "add",
                    "b2b",
                    "mine",
                    "tmp/",
                    "--expire-days",
                    "3",
                    "--ia-transition-days",
                    "2",
                    "--abort-multipart-days",
                    "1",
                    "-y",
                ],
                &[],
            ),
            (&["r2", "bucket", "lifecycle", "list", "b2b"], &["Expire objects after 3 days", "after 7 days"]),
            (&["r2", "bucket", "lifecycle", "remove", "b2b", "--name", "mine"], &[]),
            (&["r2", "bucket", "lifecycle", "set", "b2b", "--file", "lifecycle.json", "-y"], &[]),
            (&["r2", "bucket", "lifecycle", "list", "b2b"], &["Expire objects after 1 day"]),
            (&["r2", "bucket", "lock", "list", "b2b"], &["no lock rules"]),
            (&["r2", "bucket", "lock", "add", "b2b", "age", "a/", "--retention-days", "5", "-y"], &[]),
            (
                &["r2", "bucket", "lock", "add", "b2b", "date", "d/", "--retention-date", "2099-01-01", "-y"],
                &[],
            ),
            (&["r2", "bucket", "lock", "add", "b2b", "ever", "e/", "--retention-indefinite", "-y"], &[]),
            (&["r2", "bucket", "lock", "list", "b2b"], &["after 5 days", "on 2099-01-01", "indefinitely"]),
            (&["r2", "bucket", "lock", "remove", "b2b", "--name", "age"], &[]),
            (&["r2", "bucket", "lock", "set", "b2b", "--file", "lock.json", "-y"], &[]),
            (&["r2", "bucket", "dev-url", "enable", "b2b", "-y"], &[".r2.dev"]),
            (&["r2", "bucket", "dev-url", "get", "b2b"], &["enabled"]),
            (&["r2", "bucket", "dev-url", "disable", "b2b", "-y"], &[]),
            (&["r2", "bucket", "domain", "list", "b2b"], &["no custom domains"]),
            (
                &[
                    "r2",
                    "bucket",
                    "domain",
                    "add",
                    "b2b",
                    "--domain",
                    "d.example.com",
                    "--zone-id",
                    "0",
                    "-y",
                ],
                &["connected successfully"],
            ),
            (
                &["r2", "bucket", "domain", "update", "b2b", "--domain", "d.example.com", "--min-tls", "1.2"],
                &[],
            ),
            (&["r2", "bucket", "domain", "get", "b2b", "--domain", "d.example.com"], &["pending", "1.2"]),
            (&["r2", "bucket", "domain", "remove", "b2b", "--domain", "d.example.com", "-y"], &[]),
            (&["r2", "bucket", "notification", "list", "b2b"], &["b2b"]),
        ],
    )
    .await;
    refused(&project, &["r2", "bucket", "sippy", "get", "b2b"], "Sippy").await;
    refused(&project, &["r2", "bucket", "catalog", "get", "b2b"], "Data Catalog").await;
}

const BUCKET: &str = "/accounts/:a/r2/buckets/b2b";

async fn put(hearth: &Hearth, key: &str, content: impl Into<Bytes>) -> u16 {
    let path = format!("{BUCKET}/objects/{key}");
    raw(hearth, "PUT", &path, content, Some(hearth.token())).await.status
}

async fn get(hearth: &Hearth, key: &str) -> (u16, String) {
    let answer = raw(hearth, "GET", &format!("{BUCKET}/objects/{key}"), "", Some(hearth.token())).await;
    (answer.status, answer.text())
}

async fn with_bucket() -> Hearth {
    let hearth = Hearth::start().await;
    let made = hearth.api("POST", "/accounts/:a/r2/buckets", Some(json!({"name": "b2b"}))).await;
    assert_eq!(made.result()["name"], "b2b");
    hearth
}

#[tokio::test(flavor = "multi_thread")]
async fn rest_takes_any_key_and_large_bodies_and_lists_them() {
    let hearth = with_bucket().await;
    let keys = ["a%20b", "%C3%BC", "x//y", "x/y/", "a%2Fb", "%25", "q%3F%23", "/", "//z"];
    for key in keys {
        assert_eq!(put(&hearth, key, key).await, 200, "{key}");
    }
    for key in keys {
        assert_eq!(get(&hearth, key).await, (200, key.to_owned()));
    }
    let listed = hearth.api("GET", &format!("{BUCKET}/objects"), None).await;
    let names: Vec<&str> =
        listed.result().as_array().unwrap().iter().map(|one| one["key"].as_str().unwrap()).collect();
    assert_eq!(names, ["%", "/", "//z", "a b", "a/b", "q?#", "x//y", "x/y/", "ü"]);
    let large = Bytes::from(vec![7_u8; 40 << 20]);
    assert_eq!(put(&hearth, "large", large.clone()).await, 200);
    let path = format!("{BUCKET}/objects/large");
    let answer = raw(&hearth, "GET", &path, "", Some(hearth.token())).await;
    assert!(answer.body == large);
    assert_eq!(put(&hearth, &"k".repeat(1025), "x").await, 400);
    let deleted = hearth.api("DELETE", &format!("{BUCKET}/objects"), Some(json!(["ü", "%", "absent"]))).await;
    assert_eq!(deleted.result().as_array().unwrap().len(), 3);
    assert_eq!(get(&hearth, "%25").await.0, 404);
    // Another account's token, and none.
    for token in [None, Some("wrong")] {
        assert_eq!(raw(&hearth, "GET", &path, "", token).await.status, 401);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lifecycle_rules_delete_and_locks_hold() {
    let hearth = with_bucket().await;
    for key in ["gone/1", "gone/kept/2", "stays"] {
        assert_eq!(put(&hearth, key, key).await, 200);
    }
    let lock = json!({"rules": [{"id": "l", "enabled": true, "prefix": "gone/kept/", "condition": {"type": "Indefinite"}}]});
    hearth.api("PUT", &format!("{BUCKET}/lock"), Some(lock)).await.result();
    let rule = json!({"rules": [{"id": "past", "enabled": true, "conditions": {"prefix": "gone/"},
        "deleteObjectsTransition": {"condition": {"type": "Date", "date": "2020-01-01T00:00:00Z"}}}]});
    hearth.api("PUT", &format!("{BUCKET}/lifecycle"), Some(rule)).await.result();
    let expired = async {
        while get(&hearth, "gone/1").await.0 != 404 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, expired).await.expect("the object expires");
    assert_eq!(get(&hearth, "gone/kept/2").await.0, 200);
    assert_eq!(get(&hearth, "stays").await.0, 200);
    assert_eq!(put(&hearth, "gone/kept/2", "new").await, 403);
    let path = format!("{BUCKET}/objects/gone/kept/2");
    let refused = raw(&hearth, "DELETE", &path, "", Some(hearth.token())).await;
    assert_eq!(refused.json()["errors"][0]["code"], 10069);
    for (rules, what) in [
        (json!({"rules": [{"id": "", "enabled": true}]}), "lifecycle"),
        (json!({"rules": [{"id": "a", "enabled": true}, {"id": "a", "enabled": true}]}), "lifecycle"),
        (json!({"rules": [{"id": "a", "enabled": true, "condition": {"type": "Never"}}]}), "lock"),
        (json!({"rules": [{"allowed": {"origins": ["*"], "methods": ["FETCH"]}}]}), "cors"),
    ] {
        let path = format!("{BUCKET}/{what}");
        let refused = raw(&hearth, "PUT", &path, rules.to_string(), Some(hearth.token())).await;
        assert_eq!(refused.status, 400, "{what}: {}", refused.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_outlives_a_kill() {
    let mut hearth = with_bucket().await;
    let large = "x".repeat(300_000);
    for number in 0..20 {
        assert_eq!(put(&hearth, &format!("small/{number}"), format!("{number}")).await, 200);
        assert_eq!(put(&hearth, &format!("large/{number}"), format!("{number}{large}")).await, 200);
    }
    hearth.kill().await;
    hearth.start_again().await;
    for number in 0..20 {
        assert_eq!(get(&hearth, &format!("small/{number}")).await, (200, format!("{number}")));
        assert!(get(&hearth, &format!("large/{number}")).await.1 == format!("{number}{large}"));
    }
    let usage = hearth.api("GET", &format!("{BUCKET}/usage"), None).await;
    assert_eq!(usage.result()["objectCount"], "40");
}
