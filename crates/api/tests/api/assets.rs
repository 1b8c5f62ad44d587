//! Uploads of static assets, as far as they need no data plane.

use std::time::Duration;

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::{CODE, Hearth};

/// As Cloudflare's documentation of uploads without wrangler makes it.
fn hash(content: &str) -> String {
    hex::encode(Sha256::digest(content))[..32].to_owned()
}

async fn session(hearth: &Hearth, worker: &str, files: &[(&str, &str)]) -> Value {
    let files = files
        .iter()
        .map(|(path, content)| ((*path).to_owned(), json!({"hash": hash(content), "size": content.len()})));
    let manifest: serde_json::Map<String, Value> = files.collect();
    let path = format!("W/scripts/{worker}/assets-upload-session");
    hearth.post(&path, json!({"manifest": manifest})).await.result().clone()
}

/// Uploads one content, and returns the token that makes a version once it was the last.
async fn put(hearth: &Hearth, token: &str, content: &str) -> Option<String> {
    upload_to(hearth, &hearth.account, token, content).await
}

async fn upload_to(hearth: &Hearth, account: &str, token: &str, content: &str) -> Option<String> {
    let uri = format!("/client/v4/accounts/{account}/workers/assets/upload/{}", hash(content));
    let request = Request::post(uri).header("authorization", format!("Bearer {token}"));
    let answer = hearth.send(request.body(Body::from(content.to_owned())).unwrap()).await;
    assert!(answer.status.is_success(), "{}", answer.body);
    let jwt = answer.body["result"]["jwt"].as_str().map(str::to_owned);
    assert_eq!(jwt.is_some(), answer.status == StatusCode::CREATED);
    jwt
}

async fn upload(hearth: &Hearth, worker: &str, files: &[(&str, &str)]) -> String {
    let begun = session(hearth, worker, files).await;
    let mut jwt = begun["jwt"].as_str().unwrap().to_owned();
    let token = jwt.clone();
    for content in begun["buckets"].as_array().unwrap().iter().flat_map(|bucket| bucket.as_array().unwrap()) {
        let (_, text) = files.iter().find(|(_, text)| hash(text) == *content).unwrap();
        jwt = put(hearth, &token, text).await.unwrap_or(jwt);
    }
    jwt
}

#[tokio::test]
async fn what_no_version_and_no_upload_needs_is_removed() {
    let hearth = Hearth::start().await;
    let jwt = upload(&hearth, "kept", &[("/a", "in a version"), ("/b", "too")]).await;
    hearth.deploy("kept", json!({"assets": {"jwt": jwt}}), CODE).await.result();
    let begun = session(&hearth, "pending", &[("/c", "announced"), ("/d", "missing")]).await;
    assert_eq!(put(&hearth, begun["jwt"].as_str().unwrap(), "announced").await, None);
    let all = hearth.assets.collect_garbage(Duration::ZERO).await.unwrap();
    assert_eq!(all, (0, 0));

    let jwt = upload(&hearth, "gone", &[("/e", "of another worker"), ("/a", "in a version")]).await;
    hearth.deploy("gone", json!({"assets": {"jwt": jwt}}), CODE).await.result();
    hearth.delete("W/scripts/gone?force=true").await.result();
    // Its upload keeps it until that has ended.
    assert_eq!(hearth.assets.collect_garbage(Duration::ZERO).await.unwrap(), (0, 0));
    hearth.end_sessions();
    let removed = hearth.assets.collect_garbage(Duration::ZERO).await.unwrap();
    assert_eq!(removed, (2, ("of another worker".len() + "announced".len()) as u64));
    let again = session(&hearth, "next", &[("/a", "in a version"), ("/e", "of another worker")]).await;
    assert_eq!(again["buckets"], json!([[hash("of another worker")]]), "what was removed has to come again");
}

#[tokio::test]
async fn a_session_is_over_when_it_has_ended_and_outlives_its_memory() {
    let hearth = Hearth::start().await;
    let begun = session(&hearth, "demo", &[("/a", "one"), ("/b", "two")]).await;
    let token = begun["jwt"].as_str().unwrap();
    assert_eq!(put(&hearth, token, "one").await, None);
    // Others drive it out of memory; what came before is known all the same.
    for _ in 0..20 {
        session(&hearth, "demo", &[("/x", "never")]).await;
    }
    let jwt = put(&hearth, token, "two").await.expect("it is complete");
    hearth.deploy("demo", json!({"assets": {"jwt": jwt}}), CODE).await.result();
    let script = hearth.get("W/scripts").await.result()[0].clone();
    assert_eq!(script["has_assets"], true);

    hearth.end_sessions();
    let answer = hearth.deploy("demo", json!({"assets": {"jwt": jwt}}), CODE).await;
    assert!(answer.error().2.contains("has expired"), "{}", answer.body);
}

#[tokio::test]
async fn a_binding_and_a_worker_without_code_need_files() {
    let hearth = Hearth::start().await;
    let binding = json!({"bindings": [{"name": "FILES", "type": "assets"}]});
    let answer = hearth.deploy("demo", binding, CODE).await;
    assert!(answer.error().2.contains("FILES"), "{}", answer.body);
    let answer = hearth.deploy("demo", json!({"keep_assets": true}), CODE).await;
    answer.result();
    let answer = hearth.deploy("demo", json!({"assets": {"config": {}}}), CODE).await;
    assert!(answer.error().2.contains("keep_assets"), "{}", answer.body);
}

#[tokio::test]
async fn what_one_account_uploaded_another_has_to_upload_itself() {
    let hearth = Hearth::start().await;
    upload(&hearth, "demo", &[("/a", "mine")]).await;
    let other = hearth.store.create_account("other").await.unwrap().id;
    let manifest = json!({"manifest": {"/a": {"hash": hash("mine"), "size": 4}}});
    let path = format!("accounts/{other}/workers/scripts/demo/assets-upload-session");
    let begun = hearth.post(&path, manifest).await.result().clone();
    assert_eq!(begun["buckets"], json!([[hash("mine")]]));

    // And its token opens nothing of the first account.
    let token = begun["jwt"].as_str().unwrap();
    let uri = format!("/client/v4/accounts/{}/workers/assets/upload/{}", hearth.account, hash("mine"));
    let request = Request::post(uri).header("authorization", format!("Bearer {token}"));
    let answer = hearth.send(request.body(Body::from("mine")).unwrap()).await;
    assert_eq!(answer.error().0, 401);
    let jwt = upload_to(&hearth, other.as_str(), token, "mine").await;
    let refused = hearth.deploy("demo", json!({"assets": {"jwt": jwt}}), CODE).await;
    assert!(refused.error().2.contains("assets.jwt"), "{}", refused.body);
}

#[tokio::test]
async fn files_of_a_version_are_listed_by_their_paths() {
    let hearth = Hearth::start().await;
    let list = "W/scripts/demo/hearth/assets";
    assert_eq!(hearth.get(list).await.code(), 10007);
    hearth.deploy("demo", json!({}), CODE).await.result();
    assert_eq!(hearth.get(list).await.result(), &json!([]), "a version without files");
    let before = hearth.get("W/scripts/demo/versions").await.result()["items"][0]["id"].clone();

    let files = [("/img/b.txt", "bb"), ("/Index.txt", "i"), ("/img/a.txt", "a")];
    let jwt = upload(&hearth, "demo", &files).await;
    hearth.deploy("demo", json!({"assets": {"jwt": jwt}}), CODE).await.result();
    let paths = |answer: &Value| -> Vec<String> {
        let files = answer.as_array().unwrap();
        files.iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect()
    };
    let all = hearth.get(list).await;
    assert_eq!(paths(all.result()), ["/Index.txt", "/img/a.txt", "/img/b.txt"]);
    assert_eq!(all.result()[2]["hash"], hash("bb"));
    assert_eq!(all.result()[2]["size"], 2);
    let page = hearth.get(&format!("{list}?search=IMG&page=2&per_page=1")).await;
    assert_eq!(paths(page.result()), ["/img/b.txt"]);
    assert_eq!(page.body["result_info"]["total_count"], 2);
    let past = hearth.get(&format!("{list}?page=9")).await;
    assert_eq!((past.result(), &past.body["result_info"]["total_count"]), (&json!([]), &json!(3)));

    let older = format!("{list}?version_id={}", before.as_str().unwrap());
    assert_eq!(hearth.get(&older).await.result(), &json!([]));
    hearth.deploy("other", json!({}), CODE).await.result();
    let others = format!("W/scripts/other/hearth/assets?version_id={}", before.as_str().unwrap());
    assert_eq!(hearth.get(&others).await.code(), 10210, "a version of another worker");
    assert_eq!(hearth.get(&format!("{list}?version_id=none")).await.code(), 10210);
}
