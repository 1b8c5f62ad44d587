//! What clients get wrong and is taken all the same (wrangler-api.md 1 and 14).

use axum::body::Body;
use http::{Method, Request};
use serde_json::json;

use crate::support::{CODE, Form, Hearth, TOKEN};

#[tokio::test]
async fn slashes_too_many_do_not_matter() {
    let hearth = Hearth::start().await;
    hearth.deploy("demo", json!({}), CODE).await.result();
    let account = &hearth.account;
    for path in [
        format!("/accounts/{account}/workers/services/demo"),
        format!("accounts/{account}/workers/services/demo/"),
        format!("//accounts//{account}/workers///services/demo//"),
    ] {
        hearth.get(&path).await.result();
    }
    hearth.get("accounts/?page=1").await.result();
}

#[tokio::test]
async fn an_unknown_path_and_a_wrong_method_are_enveloped() {
    let hearth = Hearth::start().await;
    assert_eq!(hearth.get("nothing").await.error(), (404, 7000, "No route for that URI"));
    let answer = hearth.delete("user").await;
    assert_eq!(answer.error(), (405, 7001, "Method DELETE not available for that URI."));
}

#[tokio::test]
async fn the_npm_sdks_form_is_read_in_spite_of_its_content_type() {
    let hearth = Hearth::start().await;
    let form = Form::default()
        .field("metadata[main_module]", "worker.mjs")
        .field("metadata[compatibility_date]", "2026-01-01")
        .field("metadata[bindings][][name]", "V")
        .field("metadata[bindings][][type]", "plain_text")
        .field("metadata[bindings][][text]", "7")
        .part(
            "name=\"files[]\"; filename=\"worker.mjs\"\r\nContent-Type: application/javascript+module",
            CODE,
        );
    let request = Request::builder()
        .method(Method::PUT)
        .uri(hearth.uri("W/scripts/sdk"))
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("user-agent", "Cloudflare/JS 7.3.0")
        .header("content-type", "application/javascript")
        .body(Body::from(form.close()))
        .unwrap();
    let answer = hearth.send(request).await;
    assert_eq!(answer.result()["entry_point"], "worker.mjs");
    let settings = hearth.get("W/scripts/sdk/settings").await;
    assert_eq!(settings.result()["bindings"], json!([{"name": "V", "type": "plain_text", "text": "7"}]));
    let versions = hearth.get("W/scripts/sdk/versions").await;
    assert_eq!(versions.result()["items"][0]["metadata"]["source"], "api");
}

#[tokio::test]
async fn the_pypi_sdk_sends_metadata_last() {
    let hearth = Hearth::start().await;
    let form = Form::default()
        .part("name=\"files\"; filename=\"worker.mjs\"\r\nContent-Type: application/javascript+module", CODE)
        .part("name=\"metadata\"\r\nContent-Type: application/json", r#"{"main_module":"worker.mjs"}"#);
    hearth.form(Method::PUT, "W/scripts/py", form).await.result();
}

#[tokio::test]
async fn json_of_any_content_type_and_none_at_all() {
    let hearth = Hearth::start().await;
    hearth.deploy("demo", json!({}), CODE).await.result();
    for content_type in
        ["text/plain;charset=UTF-8", "application/json; charset=utf-8;", "application/merge-patch+json"]
    {
        let request = Request::builder()
            .method(Method::POST)
            .uri(hearth.uri("W/scripts/demo/subdomain"))
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", content_type);
        hearth.send(request.body(Body::from("{\"enabled\":true}")).unwrap()).await.result();
    }
    for body in ["", "{", "[]", "{\"enabled\":\"yes\"}"] {
        let answer = hearth.call_as(TOKEN, Method::POST, "W/scripts/demo/subdomain", body).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, 10001), "{body:?}");
    }
}

#[tokio::test]
async fn a_bare_script_is_an_upload() {
    let hearth = Hearth::start().await;
    let request = Request::builder()
        .method(Method::PUT)
        .uri(hearth.uri("W/scripts/bare"))
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "application/javascript");
    let answer = hearth.send(request.body(Body::from("addEventListener('fetch', () => {})")).unwrap()).await;
    assert_eq!(answer.result()["has_modules"], false);
}

#[tokio::test]
async fn lists_end_for_every_kind_of_client() {
    let hearth = Hearth::start().await;
    for name in ["a", "b", "c"] {
        hearth.deploy(name, json!({}), CODE).await.result();
    }
    for list in ["W/scripts", "W/workers"] {
        let mut names = Vec::new();
        for page in 1..10 {
            let answer = hearth.get(&format!("{list}?page={page}&per_page=2")).await;
            let items = answer.result().as_array().unwrap().clone();
            if items.is_empty() {
                break;
            }
            names.extend(items);
        }
        assert_eq!(names.len(), 3, "{list}");
        let first = hearth.get(&format!("{list}?per_page=2")).await;
        let cursor = first.body["result_info"]["cursor"].as_str().unwrap().to_owned();
        let second = hearth.get(&format!("{list}?per_page=2&cursor={cursor}")).await;
        assert_eq!(second.result().as_array().unwrap().len(), 1);
        assert!(second.body["result_info"]["cursor"].is_null());
    }
}

#[tokio::test]
async fn the_newer_endpoints_take_a_version_as_one_document() {
    let hearth = Hearth::start().await;
    hearth.post("W/workers", json!({"name": "beta"})).await.result();
    assert_eq!(hearth.get("W/workers/beta/versions/latest").await.code(), 10222);
    let module = json!({"name": "index.js", "content_type": "application/javascript+module", "content_base64": "eA=="});
    let document = json!({
        "main_module": "index.js", "modules": [module], "compatibility_date": "2026-01-01",
        "bindings": [{"name": "S", "type": "secret_text", "text": "hush"}]
    });
    let made = hearth.post("W/workers/beta/versions", document.clone()).await;
    assert_eq!((&made.result()["number"], &made.result()["main_module"]), (&json!(1), &json!("index.js")));
    assert_eq!(made.result()["bindings"], json!([{"name": "S", "type": "secret_text"}]));
    let id = made.result()["id"].as_str().unwrap();
    for path in ["latest", id] {
        assert_eq!(hearth.get(&format!("W/workers/beta/versions/{path}")).await.result()["id"], id);
    }
    assert_eq!(hearth.get("W/scripts/beta/deployments").await.result()["deployments"], json!([]));
    hearth.post("W/workers/beta/versions?deploy=true", document).await.result();
    let list = hearth.get("W/workers/beta/versions").await;
    assert_eq!(list.result().as_array().unwrap().len(), 2);
    assert_eq!(hearth.get("W/workers/beta/versions?page=2").await.result(), &json!([]));
    let bad = json!({"main_module": "index.js", "modules": [{"name": "index.js", "content_base64": "?"}]});
    assert_eq!(hearth.post("W/workers/beta/versions", bad).await.code(), 10021);
}
