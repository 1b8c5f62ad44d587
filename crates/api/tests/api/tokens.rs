//! Tokens: how they are made, seen, changed and ended, and that nobody gives away what he has not.

use hearth_model::Role;
use http::Method;
use serde_json::{Value, json};

use crate::support::{CODE, Hearth, TOKEN};

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
        let verify = format!("{base}/verify");
        let verified = hearth.call_as(value, Method::GET, &verify, "").await;
        assert_eq!(verified.result()["id"], id);

        let shown = hearth.get(&format!("{base}/{id}")).await;
        assert_eq!(shown.result()["name"], "r2");
        assert!(shown.result().get("value").is_none());
        let listed = hearth.get(&base).await;
        assert!(listed.result().as_array().unwrap().iter().any(|token| token["id"] == id));
        hearth.delete(&format!("{base}/{id}")).await.result();
        assert_eq!(hearth.get(&format!("{base}/{id}")).await.status, 404);
        assert_eq!(hearth.call_as(value, Method::GET, &verify, "").await.status, 401);
    }
}

#[tokio::test]
async fn permission_groups_are_found_by_name() {
    let hearth = Hearth::start().await;
    let groups = hearth.get("user/tokens/permission_groups").await;
    assert!(groups.result().as_array().unwrap().len() > 30);
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
    with("/policies/0/resources", json!({"com.cloudflare.api.account.zone.*": "*"}));
    with("/policies/0/resources", json!({"com.cloudflare.api.user.me": "*"}));
    with("/policies/0/resources", json!({}));
    with("/policies", json!([]));
    with("/name", json!(" "));
    with("/condition", json!({"request_ip": {"in": ["10.0.0.0/40"]}}));
    with("/condition", json!({"request_country": {"in": ["NL"]}}));
    with("/status", json!("paused"));
    with("/expires_on", json!("tomorrow"));
    with("/surprise", json!(1));
    for body in cases {
        let answer = hearth.post("user/tokens", body.clone()).await;
        assert_eq!(answer.status, 400, "{body}");
    }
    let nowhere = wanted(ITEM_WRITE, "com.cloudflare.edge.r2.bucket.ffff_default_b".to_owned());
    assert_eq!(hearth.post("user/tokens", nowhere).await.status, 404);
}

fn account(id: impl std::fmt::Display) -> String {
    format!("com.cloudflare.api.account.{id}")
}

#[tokio::test]
async fn nobody_gives_away_what_he_has_not() {
    let hearth = Hearth::start().await;
    let other = hearth.store.create_account("other").await.unwrap();
    let foreign = hearth.token_of(&other.id).await;
    let ours = wanted(ITEM_WRITE, bucket(&hearth, "b"));
    let base = format!("accounts/{}/tokens", other.id);
    let refused = hearth.call_as(&foreign, Method::POST, &base, ours.to_string()).await;
    assert_eq!(refused.status, 403);
    let own = wanted(ITEM_WRITE, format!("com.cloudflare.edge.r2.bucket.{}_default_b", other.id));
    let made = hearth.call_as(&foreign, Method::POST, &base, own.to_string()).await;
    let (value, id) = (made.result()["value"].as_str().unwrap().to_owned(), made.result()["id"].clone());
    // Below our account a token for another one is neither made nor seen; an account's token is no person.
    let at_home = format!("accounts/{}/tokens", hearth.account);
    assert_eq!(hearth.post(&at_home, own.clone()).await.status, 403);
    for path in
        [format!("{at_home}/{}", id.as_str().unwrap()), format!("user/tokens/{}", id.as_str().unwrap())]
    {
        assert_eq!(hearth.get(&path).await.status, 404, "{path}");
    }
    assert_eq!(hearth.call_as(&foreign, Method::GET, "user/tokens", "").await.status, 403);
    let admin = hearth.get("user/tokens").await.result()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(hearth.delete(&format!("user/tokens/{admin}")).await.status, 409);
    // And a token without that right makes none.
    let again = hearth.call_as(&value, Method::POST, &base, own.to_string()).await;
    assert_eq!(again.status, 403);
}

#[tokio::test]
async fn a_token_makes_no_token_that_is_more_than_itself() {
    let hearth = Hearth::start().await;
    let (_, developer) = hearth.person("dev@corp.test", Role::Developer).await;
    let (_, admin) = hearth.person("admin@corp.test", Role::Admin).await;
    hearth.person("owner@corp.test", Role::Owner).await;
    let base = format!("accounts/{}/tokens", hearth.account);
    let post = async |token: &str, path: &str, body: &Value| {
        hearth.call_as(token, Method::POST, path, body.to_string()).await
    };
    let kv_write = |resource| wanted("f7f0eda5697f475c90846e879bab8666", resource);
    let tokens_write = |resource| wanted("5bc3f8b21c554832afc660159ab75fa4", resource);
    // A developer has tokens of their own, and none of the account's; an admin both.
    let own = post(&developer, "user/tokens", &kv_write(account(&hearth.account))).await;
    let own = own.result()["value"].as_str().unwrap().to_owned();
    assert_eq!(post(&developer, &base, &kv_write(account(&hearth.account))).await.status, 403);
    let refused = post(&developer, "user/tokens", &tokens_write(account(&hearth.account))).await;
    assert!(refused.error().2.contains("account_tokens.write"), "{}", refused.body);
    let kv = format!("accounts/{}/storage/kv/namespaces", hearth.account);
    assert_eq!(hearth.call_as(&own, Method::GET, "user/tokens", "").await.status, 403);
    assert_eq!(
        hearth.call_as(&own, Method::GET, &kv, "").await.status,
        404,
        "there is no KV in this test, but a right"
    );
    assert_eq!(hearth.call_as(&own, Method::GET, "accounts", "").await.result()[0]["id"], hearth.account);

    // A token with no right but to make tokens: what it makes has no other either, and it rolls none that has.
    let makes = post(&admin, &base, &tokens_write(account(&hearth.account))).await;
    let makes = makes.result()["value"].as_str().unwrap().to_owned();
    assert_eq!(post(&makes, &base, &tokens_write(account(&hearth.account))).await.status, 200);
    assert_eq!(post(&makes, &base, &kv_write(account(&hearth.account))).await.status, 403);
    let rich = post(&admin, &base, &kv_write(account("*"))).await;
    let rich = rich.result()["id"].as_str().unwrap().to_owned();
    let roll = format!("{base}/{rich}/value");
    assert_eq!(hearth.call_as(&makes, Method::PUT, &roll, "{}").await.status, 403);
    let changed = kv_write(account(&hearth.account)).to_string();
    assert_eq!(hearth.call_as(&makes, Method::PUT, &format!("{base}/{rich}"), changed).await.status, 403);
    assert_eq!(hearth.call_as(&admin, Method::PUT, &roll, "{}").await.status, 200);
    assert_eq!(hearth.call_as(&makes, Method::DELETE, &format!("{base}/{rich}"), "").await.status, 200);
}

#[tokio::test]
async fn a_token_is_changed_and_rolled() {
    let hearth = Hearth::start().await;
    let (user, ann) = hearth.person("ann@corp.test", Role::Owner).await;
    for (base, maker) in [
        ("user/tokens".to_owned(), ann.as_str()),
        (format!("accounts/{}/tokens", hearth.account), ann.as_str()),
        ("user/tokens".to_owned(), TOKEN),
    ] {
        let call = async |method, path: &str, body: Value| {
            hearth.call_as(maker, method, path, body.to_string()).await
        };
        let mut body = wanted(STORAGE_READ, account(&hearth.account));
        body["condition"] = json!({"request_ip": {"in": ["10.0.0.0/8"], "not_in": ["10.1.0.0/16"]}});
        body["expires_on"] = json!("2100-01-01T00:00:00Z");
        let mut made = call(Method::POST, &base, body).await.result().clone();
        let value = made.as_object_mut().unwrap().remove("value").unwrap();
        let one = format!("{base}/{}", made["id"].as_str().unwrap());
        let used = hearth.call_as(value.as_str().unwrap(), Method::GET, "accounts", "").await;
        assert_eq!(used.error().1, 9109, "from an address that is not known");
        // What was read can be sent back; what is left out is taken away.
        let mut same = call(Method::PUT, &one, made.clone()).await.result().clone();
        assert!(same["modified_on"].as_str() > made["modified_on"].as_str());
        same["modified_on"] = made["modified_on"].clone();
        same["policies"][0]["id"] = made["policies"][0]["id"].clone();
        assert_eq!(same, made);
        let fewer = json!({"name": "new", "policies": made["policies"], "status": "disabled"});
        let fewer = call(Method::PUT, &one, fewer).await.result().clone();
        assert_eq!((fewer["status"].as_str(), fewer["name"].as_str()), (Some("disabled"), Some("new")));
        assert!(fewer.get("condition").is_none() && fewer.get("expires_on").is_none());
        let disabled = hearth.call_as(value.as_str().unwrap(), Method::GET, "accounts", "").await;
        assert_eq!(disabled.status, 401);
        let active = json!({"name": "new", "policies": made["policies"], "status": "active"});
        call(Method::PUT, &one, active).await.result();
        assert_eq!(hearth.call_as(value.as_str().unwrap(), Method::GET, "accounts", "").await.status, 200);
        let rolled = call(Method::PUT, &format!("{one}/value"), json!({})).await.result().clone();
        assert_eq!(hearth.call_as(value.as_str().unwrap(), Method::GET, "accounts", "").await.status, 401);
        assert_eq!(hearth.call_as(rolled.as_str().unwrap(), Method::GET, "accounts", "").await.status, 200);
    }
    // A token of a person has no rights of another.
    let tokens_read =
        |user: &str| wanted("0cc3a61731504c89b99ec1be78b77aa0", format!("com.cloudflare.api.user.{user}"));
    let post =
        async |body: Value| hearth.call_as(&ann, Method::POST, "user/tokens", body.to_string()).await.status;
    assert_eq!(post(tokens_read(user.as_str())).await, 200);
    assert_eq!(post(tokens_read(&"0".repeat(32))).await, 400);
}

#[tokio::test]
async fn a_token_for_one_worker_is_for_that_one() {
    let hearth = Hearth::start().await;
    let mut tags = Vec::new();
    for name in ["one", "two"] {
        tags.push(hearth.deploy(name, json!({}), CODE).await.result()["tag"].as_str().unwrap().to_owned());
    }
    let inside = |tag: &str| json!({format!("com.cloudflare.edge.worker.script.{tag}"): "*"});
    let mut body = wanted("e086da7e2179491d91ee5f35b3ca210a", account(&hearth.account));
    body["policies"][0]["resources"][account(&hearth.account)] = inside(&tags[0]);
    let made = hearth.post("user/tokens", body.clone()).await;
    assert_eq!(made.result()["policies"][0]["resources"], body["policies"][0]["resources"]);
    let token = made.result()["value"].as_str().unwrap();
    let status = async |method, path: &str| {
        hearth.call_as(token, method, &hearth.uri(path)[11..], "{}").await.status.as_u16()
    };
    for (method, path, expected) in [
        (Method::GET, "W/scripts/one/settings".to_owned(), 200),
        (Method::GET, "W/scripts/ONE/settings".to_owned(), 200),
        (Method::GET, format!("W/workers/{}", tags[0]), 200),
        (Method::GET, "W/scripts/two/settings".to_owned(), 403),
        (Method::GET, format!("W/workers/{}", tags[1]), 403),
        (Method::DELETE, "W/scripts/two".to_owned(), 403),
        (Method::GET, "W/scripts/three/settings".to_owned(), 403),
        (Method::GET, "W/scripts".to_owned(), 403),
        (Method::GET, "W/domains".to_owned(), 403),
        (Method::DELETE, "W/scripts/one".to_owned(), 200),
    ] {
        assert_eq!(status(method.clone(), &path).await, expected, "{method} {path}");
    }
    // One that is made again under that name is another one.
    hearth.deploy("one", json!({}), CODE).await.result();
    assert_eq!(status(Method::GET, "W/scripts/one/settings").await, 403);
    body["policies"][0]["resources"][account(&hearth.account)] = inside(&tags[0]);
    assert_eq!(hearth.post("user/tokens", body).await.code(), 10007);
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
        if ["/tokens/verify", "/tokens/permission_groups"].contains(&below) {
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
    assert_eq!(hearth.call_as(token, Method::GET, "zones", "").await.result(), &json!([]));
    for path in ["installation/egress", "user/tokens"] {
        assert_eq!(hearth.call_as(token, Method::GET, path, "").await.status, 403, "{path}");
    }
}
