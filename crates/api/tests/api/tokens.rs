//! Tokens for R2: how they are made, seen and ended, and that they are good for nothing else.

use hearth_store::Scope;
use http::Method;
use serde_json::{Value, json};

use crate::support::{CODE, Hearth};

const ITEM_WRITE: &str = "2efd5506f9c8494dacb1fa10a3e7d5b6";
const STORAGE_READ: &str = "b4992e1108244f5d8bfbd5744320c2e1";

fn wanted(group: &str, resource: String) -> Value {
    let policy =
        json!({"effect": "allow", "permission_groups": [{"id": group}], "resources": {resource: "*"}});
    json!({"name": "r2", "policies": [policy]})
}

fn bucket(hearth: &Hearth, name: &str) -> String {
    format!("com.cloudflare.edge.r2.bucket.{}_default_{name}", hearth.account)
}

#[tokio::test]
async fn a_token_is_shown_once_and_listed_without_its_value() {
    let hearth = Hearth::start().await;
    for base in ["user/tokens".to_owned(), format!("accounts/{}/tokens", hearth.account)] {
        let resource = bucket(&hearth, "photos");
        let made = hearth.post(&base, wanted(ITEM_WRITE, resource.clone())).await;
        let made = made.result();
        let id = made["id"].as_str().unwrap();
        assert_eq!((id.len(), made["status"].as_str()), (32, Some("active")));
        assert_eq!(made["policies"][0]["resources"], json!({resource: "*"}));
        let group = &made["policies"][0]["permission_groups"][0];
        assert_eq!(group, &json!({"id": ITEM_WRITE, "name": "Workers R2 Storage Bucket Item Write"}));
        let value = made["value"].as_str().unwrap();
        let verified = hearth.call_as(value, Method::GET, "user/tokens/verify", "").await;
        assert_eq!(verified.result()["id"], id);

        let shown = hearth.get(&format!("{base}/{id}")).await;
        assert_eq!(shown.result()["name"], "r2");
        assert!(shown.result().get("value").is_none());
        let listed = hearth.get(&base).await;
        assert!(listed.result().as_array().unwrap().iter().any(|token| token["id"] == id));
        hearth.delete(&format!("{base}/{id}")).await.result();
        assert_eq!(hearth.get(&format!("{base}/{id}")).await.status, 404);
        let ended = hearth.call_as(value, Method::GET, "user/tokens/verify", "").await;
        assert_eq!(ended.status, 401);
    }
}

#[tokio::test]
async fn permission_groups_are_found_by_name() {
    let hearth = Hearth::start().await;
    let groups = hearth.get("user/tokens/permission_groups").await;
    assert_eq!(groups.result().as_array().unwrap().len(), 4);
    let one = hearth.get("user/tokens/permission_groups?name=Workers%20R2%20Storage%20Read").await;
    assert_eq!(one.result()[0]["id"], STORAGE_READ);
    let mut by_name = wanted("", bucket(&hearth, "b"));
    by_name["policies"][0]["permission_groups"] = json!([{"name": "Workers R2 Storage Read"}]);
    let made = hearth.post("user/tokens", by_name).await;
    assert_eq!(made.result()["policies"][0]["permission_groups"][0]["id"], STORAGE_READ);
}

#[tokio::test]
async fn what_would_not_be_kept_is_refused() {
    let hearth = Hearth::start().await;
    let good = wanted(ITEM_WRITE, bucket(&hearth, "b"));
    let mut cases = Vec::new();
    let mut with = |pointer: &str, value: Value| {
        let mut body = good.clone();
        match body.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => body[pointer.trim_start_matches('/')] = value,
        }
        cases.push(body);
    };
    with("/policies/0/effect", json!("deny"));
    with("/policies/0/permission_groups/0/id", json!("0".repeat(32)));
    with("/policies/0/resources", json!({"com.cloudflare.api.account.*": "*"}));
    with("/policies/0/resources", json!({}));
    with("/policies", json!([]));
    with("/name", json!(" "));
    with("/condition", json!({"request_ip": {"in": ["10.0.0.0/8"]}}));
    with("/expires_on", json!("tomorrow"));
    with("/surprise", json!(1));
    for body in cases {
        let answer = hearth.post("user/tokens", body.clone()).await;
        assert_eq!(answer.status, 400, "{body}");
    }
    let nowhere = wanted(ITEM_WRITE, "com.cloudflare.edge.r2.bucket.ffff_default_b".to_owned());
    assert_eq!(hearth.post("user/tokens", nowhere).await.status, 404);
}

#[tokio::test]
async fn nobody_gives_away_what_he_has_not() {
    let hearth = Hearth::start().await;
    let other = hearth.store.create_account("other").await.unwrap();
    let scope = Scope::Accounts(vec![other.id.clone()]);
    let foreign = hearth.store.create_token("t", "t@example.com", scope).await.unwrap().text;
    let ours = wanted(ITEM_WRITE, bucket(&hearth, "b"));
    let refused = hearth.call_as(&foreign, Method::POST, "user/tokens", ours.to_string()).await;
    assert_eq!(refused.status, 403);
    let own = wanted(ITEM_WRITE, format!("com.cloudflare.edge.r2.bucket.{}_default_b", other.id));
    let made = hearth.call_as(&foreign, Method::POST, "user/tokens", own.to_string()).await;
    let value = made.result()["value"].as_str().unwrap().to_owned();
    // Below our account a token for another one is neither made nor seen.
    let misplaced = hearth.post(&format!("accounts/{}/tokens", hearth.account), own.clone()).await;
    assert_eq!(misplaced.status, 403);
    let admin = hearth.store.tokens().await.unwrap().into_iter().find(|token| token.is_admin).unwrap();
    let path = format!("user/tokens/{}", admin.id);
    assert_eq!(hearth.call_as(&foreign, Method::DELETE, &path, "").await.status, 404);
    assert_eq!(hearth.delete(&path).await.status, 409);
    // And a token for R2 makes none.
    let again = hearth.call_as(&value, Method::POST, "user/tokens", own.to_string()).await;
    assert_eq!(again.status, 403);
    let seen = hearth.call_as(&value, Method::GET, "user/tokens", "").await;
    assert_eq!(seen.result(), &json!([]));
}

#[tokio::test]
async fn a_token_for_r2_reaches_nothing_else() {
    let hearth = Hearth::start().await;
    hearth.deploy("demo", json!({}), CODE).await.result();
    let resource = format!("com.cloudflare.api.account.{}", hearth.account);
    let made = hearth.post("user/tokens", wanted("bf7481a1826f439697cb59a20b22293e", resource)).await;
    let token = made.result()["value"].as_str().unwrap();
    let account = format!("accounts/{}", hearth.account);
    for operation in hearth_api::operations() {
        let Some(below) = operation.path.strip_prefix("/accounts/{account}") else { continue };
        if below == "/tokens/verify" {
            continue;
        }
        let path = format!("{account}{}", below.replace("{worker}", "demo").replace(['{', '}'], ""));
        let answer = hearth.call_as(token, operation.method.clone(), &path, "{}").await;
        assert_eq!(answer.status, 403, "{} {path}", operation.method);
    }
    let verified = hearth.call_as(token, Method::GET, &format!("{account}/tokens/verify"), "").await;
    assert_eq!(verified.result()["status"], "active");
    let accounts = hearth.call_as(token, Method::GET, "accounts", "").await;
    assert_eq!(accounts.result()[0]["id"], hearth.account);
    for path in ["zones", "user/tokens"] {
        assert_eq!(hearth.call_as(token, Method::GET, path, "").await.result(), &json!([]), "{path}");
    }
    assert_eq!(hearth.call_as(token, Method::GET, "installation/egress", "").await.status, 403);
}
