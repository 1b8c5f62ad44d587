//! Nothing answers strangers; nobody reaches another account.

use axum::body::Body;
use hearth_api::{ApiConfig, operations};
use hearth_model::AccountId;
use http::{Method, Request};

use crate::support::{CODE, Hearth, TOKEN};

/// A path of the table with something in its variable segments.
fn concrete(path: &str, account: &str) -> String {
    let segments = path.split('/').map(|segment| match segment {
        "{account}" => account,
        "{version}" | "{deployment}" => "0f1e2d3c-0000-4000-8000-000000000000",
        "{worker}" => "demo",
        other if other.starts_with('{') => "00000000000000000000000000000000",
        other => other,
    });
    format!("/client/v4{}", segments.collect::<Vec<_>>().join("/"))
}

#[tokio::test]
async fn every_operation_is_refused_without_a_good_token() {
    let hearth = Hearth::start().await;
    hearth.deploy("demo", serde_json::json!({}), CODE).await.result();
    let mut checked = 0;
    for operation in operations().into_iter().chain(hearth.assets.operations()) {
        let path = concrete(operation.path, &hearth.account);
        for (name, value) in [
            ("x-nothing", String::new()),
            ("authorization", "Bearer a-token-of-nobody".to_owned()),
            ("authorization", format!("Basic {TOKEN}")),
            ("authorization", format!("Bearer {}", &TOKEN[..TOKEN.len() - 1])),
            ("x-auth-key", "a-key-of-nobody".to_owned()),
        ] {
            let request = Request::builder().method(operation.method.clone()).uri(&path).header(name, value);
            let answer = hearth.send(request.body(Body::from("{}")).unwrap()).await;
            let expected = (401, 10000, "Authentication error");
            assert_eq!(answer.error(), expected, "{} {path}", operation.method);
            checked += 1;
        }
    }
    assert!(checked > 300, "{checked}");
    let unknown = Request::builder().uri("/client/v4/no/such/path").body(Body::empty()).unwrap();
    assert_eq!(hearth.send(unknown).await.code(), 10000);
}

#[tokio::test]
async fn every_account_operation_is_refused_to_other_accounts() {
    let hearth = Hearth::start().await;
    hearth.deploy("demo", serde_json::json!({}), CODE).await.result();
    let other = hearth.store.create_account("other").await.unwrap();
    let token = hearth.token_of(&other.id).await;
    let mut checked = 0;
    for operation in operations().into_iter().filter(|operation| operation.path.contains("{account}")) {
        let path = concrete(operation.path, &hearth.account);
        let path = path.strip_prefix("/client/v4/").unwrap();
        let answer = hearth.call_as(&token, operation.method.clone(), path, "{}").await;
        assert_eq!((answer.status.as_u16(), answer.code()), (403, 10000), "{} {path}", operation.method);
        checked += 1;
    }
    assert!(checked > 50, "{checked}");
    hearth.get("W/services/demo").await.result();
}

#[tokio::test]
async fn zones_of_others_do_not_exist() {
    let hearth = Hearth::start().await;
    let mine: AccountId = hearth.account.parse().unwrap();
    let zone = hearth.store.create_zone(&mine, &"mine.example".parse().unwrap()).await.unwrap();
    let other = hearth.store.create_account("other").await.unwrap();
    let token = hearth.token_of(&other.id).await;
    let id = zone.id.as_str();
    let mut checked = 0;
    for operation in operations().into_iter().filter(|operation| operation.path.contains("{zone}")) {
        let path = operation.path.replace("{zone}", id).replace("{route}", id);
        let body = r#"{"pattern":"mine.example/*"}"#;
        let answer = hearth.call_as(&token, operation.method.clone(), &path[1..], body).await;
        assert_eq!(answer.error(), (404, 7003, format!("Zone `{id}` does not exist.").as_str()), "{path}");
        checked += 1;
    }
    assert_eq!(checked, 7);
    hearth.get(&format!("zones/{id}")).await.result();
    let foreign = format!("zones?account.id={mine}");
    assert_eq!(hearth.call_as(&token, Method::GET, &foreign, "").await.code(), 10000);
    assert_eq!(hearth.call_as(&token, Method::GET, "zones", "").await.result().as_array().unwrap().len(), 0);
}

#[tokio::test]
async fn a_worker_of_another_account_is_not_found_by_its_id() {
    let hearth = Hearth::start().await;
    let answer = hearth.deploy("demo", serde_json::json!({}), CODE).await;
    let id = answer.result()["tag"].as_str().unwrap();
    let other = hearth.store.create_account("other").await.unwrap();
    hearth.get(&format!("W/workers/{id}")).await.result();
    let path = format!("accounts/{}/workers/workers/{id}", other.id);
    for method in [Method::GET, Method::PATCH, Method::DELETE] {
        assert_eq!(hearth.call_as(TOKEN, method, &path, "{}").await.code(), 10007);
    }
}

#[tokio::test]
async fn the_installation_belongs_to_whoever_answers_for_it() {
    let hearth = Hearth::start().await;
    let account: AccountId = hearth.account.parse().unwrap();
    let token = hearth.token_of(&account).await;
    let own = format!("accounts/{}/hearth/egress", hearth.account);
    for (method, path) in [
        (Method::GET, "installation/egress"),
        (Method::PUT, "installation/egress"),
        (Method::PUT, own.as_str()),
    ] {
        let answer = hearth.call_as(&token, method, path, "{\"allow\":[]}").await;
        assert_eq!((answer.status.as_u16(), answer.code()), (403, 10000), "{path}");
    }
    hearth.call_as(&token, Method::GET, &own, "").await.result();
    hearth.put(&own, serde_json::json!({"allow": []})).await.result();
    assert_eq!(hearth.get(&own).await.result(), &serde_json::json!({"allow": []}));
    assert_eq!(hearth.put("installation/egress", serde_json::json!(7)).await.code(), 10001);
    hearth.put(&own, serde_json::Value::Null).await.result();
    assert!(hearth.get(&own).await.result().is_null());
}

#[tokio::test]
async fn the_other_kind_of_credentials_is_good_too() {
    let hearth = Hearth::start().await;
    let request = Request::builder()
        .uri("/client/v4/user")
        .header("x-auth-key", TOKEN)
        .header("x-auth-email", "a@example.com");
    hearth.send(request.body(Body::empty()).unwrap()).await.result();
}

#[tokio::test]
async fn local_callers_need_no_token_under_dev_and_web_pages_do() {
    let hearth = Hearth::with(ApiConfig { require_token: false, ..ApiConfig::default() }).await;
    let call = |name: &'static str, value: &'static str| {
        let request = Request::builder()
            .uri("/client/v4/user/tokens/verify")
            .header("host", "localhost:8787")
            .header(name, value);
        hearth.send(request.body(Body::empty()).unwrap())
    };
    call("x-nothing", "").await.result();
    call("authorization", "Bearer none").await.result();
    // What is shown counts, though nothing would have had to be.
    for (name, value) in [
        ("authorization", "Bearer whatever"),
        ("authorization", "Basic YTpi"),
        ("authorization", "nonsense"),
        ("x-auth-key", "whatever"),
    ] {
        assert_eq!(call(name, value).await.code(), 10000, "{name}: {value}");
    }
    call("origin", "http://localhost:8787").await.result();
    assert_eq!(call("origin", "http://evil.example").await.code(), 10000);
    assert_eq!(call("sec-fetch-site", "cross-site").await.code(), 10000);
}
