//! Secrets: put, list, delete, bulk, and of versions.

use hearth_model::Dialect;
use http::Method;
use serde_json::{Value, json};

use crate::support::{CODE, Form, Hearth};

fn secret(name: &str, text: &str) -> Value {
    json!({"name": name, "text": text, "type": "secret_text"})
}

async fn names(hearth: &Hearth) -> Vec<String> {
    let list = hearth.get("W/scripts/demo/secrets").await;
    list.result().as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}

async fn texts(hearth: &Hearth) -> Vec<(String, String)> {
    let account = hearth.account.parse().unwrap();
    let worker =
        hearth.store.worker_by_name(&account, Dialect::Workers, &"demo".parse().unwrap()).await.unwrap();
    let latest = hearth.store.latest_version(worker.id).await.unwrap().unwrap();
    hearth.store.secret_texts(worker.id, latest.id).await.unwrap().into_iter().collect()
}

#[tokio::test]
async fn a_secret_is_put_listed_replaced_and_deleted() {
    let hearth = Hearth::start().await;
    hearth.deploy("demo", json!({}), CODE).await.result();
    let put = hearth.put("W/scripts/demo/secrets", secret("A/B key", "one")).await;
    assert_eq!(put.result(), &json!({"name": "A/B key", "type": "secret_text"}));
    assert_eq!(hearth.notes.take_changes().len(), 2, "the deploy and the secret");
    hearth.put("W/scripts/demo/secrets", secret("A/B key", "two")).await.result();
    let list = hearth.get("W/scripts/demo/secrets").await;
    assert_eq!(list.result(), &json!([{"name": "A/B key", "type": "secret_text"}]));
    assert_eq!(texts(&hearth).await, [("A/B key".to_owned(), "two".to_owned())]);
    hearth.get("W/scripts/demo/secrets/A%2FB%20key").await.result();

    let deployments = hearth.get("W/scripts/demo/deployments").await;
    let newest = &deployments.result()["deployments"][0];
    assert_eq!(newest["annotations"]["workers/triggered_by"], "secret");
    let id = newest["versions"][0]["version_id"].as_str().unwrap();
    let version = hearth.get(&format!("W/scripts/demo/versions/{id}")).await;
    assert_eq!(version.result()["annotations"]["workers/triggered_by"], "secret");

    let deleted = hearth.delete("W/scripts/demo/secrets/A%2FB%20key?url_encoded=true").await;
    assert!(deleted.result().is_null());
    assert!(names(&hearth).await.is_empty());
    let missing = hearth.delete("W/scripts/demo/secrets/A%2FB%20key?url_encoded=true").await;
    assert_eq!((missing.status.as_u16(), missing.code()), (404, 10056));
    assert_eq!(hearth.get("W/scripts/demo/secrets/NO").await.code(), 10056);
}

#[tokio::test]
async fn a_missing_worker_is_10007_and_wranglers_draft_is_accepted() {
    let hearth = Hearth::start().await;
    assert_eq!(hearth.put("W/scripts/demo/secrets", secret("A", "1")).await.code(), 10007);
    let draft = Form::default().field("metadata", r#"{"main_module":"demo.js","bindings":[]}"#).module(
        "demo.js",
        "application/javascript+module",
        CODE,
    );
    hearth.form(Method::PUT, "W/scripts/demo", draft).await.result();
    hearth.put("W/scripts/demo/secrets", secret("A", "1")).await.result();
    assert_eq!(names(&hearth).await, ["A"]);
}

#[tokio::test]
async fn bulk_is_a_merge_patch() {
    let hearth = Hearth::start().await;
    let bindings = json!({"bindings": [secret("OLD", "0"), secret("GONE", "0")]});
    hearth.deploy("demo", bindings, CODE).await.result();
    let patch = json!({"secrets": {"A": secret("A", "1"), "GONE": null, "NEVER": null}});
    hearth.patch("W/scripts/demo/secrets-bulk", patch).await.result();
    let expected = [("A", "1"), ("OLD", "0")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(texts(&hearth).await, expected);
    let before = hearth.get("W/scripts/demo/versions").await.body["result_info"]["total_count"].clone();
    hearth.patch("W/scripts/demo/secrets-bulk", json!({"secrets": {"NEVER": null}})).await.result();
    assert_eq!(hearth.get("W/scripts/demo/versions").await.body["result_info"]["total_count"], before);
}

#[tokio::test]
async fn with_a_newer_version_waiting_the_code_is_10215() {
    let hearth = Hearth::start().await;
    let first = hearth.deploy("demo", json!({"bindings": [secret("A", "1")]}), CODE).await;
    let first = first.result()["deployment_id"].as_str().unwrap().to_owned();
    let second = hearth.upload("demo", json!({"keep_bindings": ["secret_text"]}), CODE).await;
    assert_eq!(hearth.put("W/scripts/demo/secrets", secret("A", "2")).await.code(), 10215);
    assert_eq!(hearth.delete("W/scripts/demo/secrets/A").await.code(), 10215);
    let bulk = json!({"secrets": {"A": null}});
    assert_eq!(hearth.patch("W/scripts/demo/secrets-bulk", bulk).await.code(), 10215);
    hearth.release("demo", &[(&first, 50.0), (&second, 50.0)], "").await.result();
    assert_eq!(hearth.put("W/scripts/demo/secrets", secret("A", "2")).await.code(), 10215);
    hearth.release("demo", &[(&second, 100.0)], "").await.result();
    hearth.put("W/scripts/demo/secrets", secret("A", "2")).await.result();
}

#[tokio::test]
async fn a_name_that_a_variable_has_is_10053() {
    let hearth = Hearth::start().await;
    let metadata = json!({"bindings": [{"name": "V", "type": "plain_text", "text": "x"}]});
    hearth.deploy("demo", metadata, CODE).await.result();
    let answer = hearth.put("W/scripts/demo/secrets", secret("V", "1")).await;
    assert_eq!((answer.status.as_u16(), answer.code()), (409, 10053));
    assert!(answer.error().2.contains('V'));
}

#[tokio::test]
async fn what_is_no_secret_is_refused() {
    let hearth = Hearth::start().await;
    hearth.deploy("demo", json!({}), CODE).await.result();
    let put = |body: Value| hearth.put("W/scripts/demo/secrets", body);
    assert_eq!(put(json!({"text": "x"})).await.code(), 10021);
    assert_eq!(put(json!({"name": "A"})).await.code(), 10001);
    assert_eq!(put(secret("A", &"x".repeat(6000))).await.code(), 10021);
    assert_eq!(put(json!({"name": "A", "text": "x", "type": "secret_key"})).await.code(), 10501);
}

#[tokio::test]
async fn versions_secret_makes_a_version_that_waits() {
    let hearth = Hearth::start().await;
    hearth.post("W/workers", json!({"name": "demo"})).await.result();
    let patch = |env: Value| json!({"env": env, "annotations": {"workers/tag": "t"}});
    let none = hearth.patch("W/workers/demo/versions/latest", patch(json!({}))).await;
    assert_eq!((none.status.as_u16(), none.code()), (404, 10222));
    let bindings = json!({"bindings": [secret("A", "1"), secret("B", "2"), {"name": "V", "type": "plain_text", "text": "v"}]});
    hearth.deploy("demo", bindings, CODE).await.result();
    let env = json!({"A": {"type": "secret_text", "text": "new"}, "B": null, "NEVER": null});
    let version = hearth.patch("W/workers/demo/versions/latest", patch(env)).await;
    assert_eq!(version.result()["number"], 2);
    assert_eq!(version.result()["annotations"]["workers/tag"], "t");
    assert_eq!(texts(&hearth).await, [("A".to_owned(), "new".to_owned())]);
    assert!(
        version.result()["resources"]["bindings"]
            .as_array()
            .unwrap()
            .iter()
            .any(|binding| binding["name"] == "V")
    );
    let deployments = hearth.get("W/scripts/demo/deployments").await;
    assert_eq!(deployments.result()["deployments"].as_array().unwrap().len(), 1);
    assert_eq!(names(&hearth).await, ["A", "B"], "what serves has its secrets still");
}
