//! Settings of the worker, and of its newest version.

use axum::body::Body;
use hearth_api::Change;
use http::{Method, Request};
use serde_json::json;

use crate::support::{CODE, Form, Hearth, TOKEN};

#[tokio::test]
async fn script_settings_belong_to_the_worker() {
    let hearth = Hearth::start().await;
    hearth.deploy("demo", json!({}), CODE).await.result();
    let tags = json!(["cf:service=demo", "cf:environment=staging"]);
    let patch =
        json!({"observability": {"enabled": true, "head_sampling_rate": 0.5}, "tags": tags, "logpush": true});
    let answer = hearth.patch("W/scripts/demo/script-settings", patch.clone()).await;
    assert_eq!(answer.result()["observability"], patch["observability"]);
    hearth
        .patch("W/scripts/demo/script-settings", json!({"observability": {"enabled": false}}))
        .await
        .result();
    let now = hearth.get("W/scripts/demo/script-settings").await;
    assert_eq!((&now.result()["tags"], &now.result()["logpush"]), (&tags, &json!(true)));
    assert_eq!(now.result()["observability"], json!({"enabled": false}));
    let service = hearth.get("W/services/demo").await;
    assert_eq!(service.result()["default_environment"]["script"]["tags"], tags);
    let tailed =
        hearth.patch("W/scripts/demo/script-settings", json!({"tail_consumers": [{"service": "t"}]})).await;
    assert_eq!((tailed.code(), tailed.error().2.contains("Tail Worker \"t\" does not exist")), (10203, true));
    hearth.deploy("t", json!({}), CODE).await.result();
    hearth.notes.take_changes();
    let told = json!({"tail_consumers": [{"service": "t"}, {"service": "demo"}]});
    let tailed = hearth.patch("W/scripts/demo/script-settings", told.clone()).await;
    assert_eq!(tailed.result()["tail_consumers"], told["tail_consumers"]);
    assert!(matches!(hearth.notes.take_changes()[..], [Change::Settings(_)]));
    let refused = hearth.deploy("demo", json!({"tail_consumers": [{"service": "none"}]}), CODE).await;
    assert_eq!(refused.code(), 10203);
    assert_eq!(hearth.patch("W/scripts/nobody/script-settings", json!({})).await.code(), 10007);
}

#[tokio::test]
async fn old_wranglers_put_secrets_through_settings() {
    let hearth = Hearth::start().await;
    let metadata = json!({"bindings": [
        {"name": "A", "type": "secret_text", "text": "1"}, {"name": "V", "type": "plain_text", "text": "v"}
    ]});
    hearth.deploy("demo", metadata, CODE).await.result();
    let settings = json!({"bindings": [
        {"name": "A", "type": "secret_text"}, {"name": "V", "type": "plain_text"},
        {"name": "B", "type": "secret_text", "text": "2"}
    ]});
    let form = Form::default().field("settings", &settings.to_string());
    let answer = hearth.form(Method::PATCH, "W/scripts/demo/settings", form).await;
    assert_eq!(answer.result()["bindings"][1], json!({"name": "V", "type": "plain_text", "text": "v"}));
    assert_eq!(hearth.notes.last_secrets(), [("A".into(), "1".into()), ("B".into(), "2".into())].into());
    let list = hearth.get("W/scripts/demo/deployments").await;
    assert_eq!(list.result()["deployments"].as_array().unwrap().len(), 2);
    let unknown = Form::default().field("settings", r#"{"bindings":[{"name":"NO","type":"secret_text"}]}"#);
    assert_eq!(hearth.form(Method::PATCH, "W/scripts/demo/settings", unknown).await.code(), 10021);
}

#[tokio::test]
async fn settings_change_what_they_name() {
    let hearth = Hearth::start().await;
    hearth.deploy("demo", json!({"limits": {"cpu_ms": 10}}), CODE).await.result();
    let patch = json!({"compatibility_flags": ["nodejs_compat"], "logpush": true});
    let request = Request::builder()
        .method(Method::PATCH)
        .uri(hearth.uri("W/scripts/demo/settings"))
        .header("authorization", format!("Bearer {TOKEN}"))
        .header("content-type", "application/json");
    let answer = hearth.send(request.body(Body::from(patch.to_string())).unwrap()).await;
    assert_eq!(answer.result()["compatibility_flags"], json!(["nodejs_compat"]));
    assert_eq!(
        (&answer.result()["limits"]["cpu_ms"], &answer.result()["logpush"]),
        (&json!(10), &json!(true))
    );
    assert_eq!(answer.result()["compatibility_date"], "2026-01-01");
    hearth.upload("demo", json!({}), CODE).await;
    let form = Form::default().field("settings", r#"{"compatibility_date":"2026-02-01"}"#);
    assert_eq!(hearth.form(Method::PATCH, "W/scripts/demo/settings", form).await.code(), 10214);
    let form = Form::default().field("settings", r#"{"logpush":false}"#);
    let unversioned = hearth.form(Method::PATCH, "W/scripts/demo/settings", form).await;
    assert_eq!(unversioned.result()["logpush"], false);
}
