//! Versions, deployments and rollback.

use hearth_api::Change;
use serde_json::json;

use crate::support::{CODE, Hearth};

async fn first(hearth: &Hearth, metadata: serde_json::Value) -> String {
    let answer = hearth.deploy("demo", metadata, CODE).await;
    answer.result()["deployment_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_gradual_deployment_splits_traffic_and_comes_first() {
    let hearth = Hearth::start().await;
    let a = first(&hearth, json!({})).await;
    let b = hearth
        .upload("demo", json!({"annotations": {"workers/tag": "b", "workers/alias": "stage"}}), CODE)
        .await;
    hearth.notes.take_changes();
    let deployed = hearth.release("demo", &[(&a, 30.0), (&b, 70.0)], "").await;
    assert!(deployed.result()["id"].is_string());
    assert!(matches!(hearth.notes.take_changes()[..], [Change::Deployed(..)]));
    let list = hearth.get("W/scripts/demo/deployments").await;
    let newest = &list.result()["deployments"][0];
    let shares = json!([{"version_id": a, "percentage": 30}, {"version_id": b, "percentage": 70}]);
    assert_eq!(newest["versions"], shares);
    assert_eq!(newest["strategy"], "percentage");
    let id = newest["id"].as_str().unwrap();
    assert_eq!(hearth.get(&format!("W/scripts/demo/deployments/{id}")).await.result(), newest);
    assert_eq!(hearth.get("W/scripts/demo/deployments/nope").await.code(), 10210);
    let versions = hearth.get("W/scripts/demo/versions?deployable=true").await;
    assert_eq!(versions.result()["items"][0]["id"], b.as_str());
    assert_eq!(versions.result()["items"][0]["annotations"]["workers/alias"], "stage");
}

#[tokio::test]
async fn shares_that_are_no_whole_are_refused() {
    let hearth = Hearth::start().await;
    let a = first(&hearth, json!({})).await;
    let b = hearth.upload("demo", json!({}), CODE).await;
    for (shares, fragment) in [
        (vec![(a.as_str(), 30.0), (b.as_str(), 60.0)], "90"),
        (vec![(a.as_str(), 130.0), (b.as_str(), -30.0)], "between 0 and 100"),
        (vec![(a.as_str(), 50.0), (a.as_str(), 50.0)], "twice"),
        (vec![], "at least one"),
    ] {
        let answer = hearth.release("demo", &shares, "").await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, 10212));
        assert!(answer.error().2.contains(fragment), "{}", answer.error().2);
    }
    let missing = "0f1e2d3c-0000-4000-8000-000000000000";
    assert_eq!(hearth.release("demo", &[(missing, 100.0)], "").await.code(), 10210);
    assert_eq!(hearth.release("demo", &[("nonsense", 100.0)], "").await.code(), 10210);
    assert_eq!(hearth.release("nobody", &[(&a, 100.0)], "").await.code(), 10007);
    let other = json!({"strategy": "canary", "versions": [{"version_id": a, "percentage": 100}]});
    assert_eq!(hearth.post("W/scripts/demo/deployments", other).await.code(), 10212);
}

#[tokio::test]
async fn a_version_of_another_worker_is_not_there() {
    let hearth = Hearth::start().await;
    first(&hearth, json!({})).await;
    let other = hearth.deploy("other", json!({}), CODE).await;
    let other = other.result()["deployment_id"].as_str().unwrap();
    assert_eq!(hearth.release("demo", &[(other, 100.0)], "").await.code(), 10210);
    assert_eq!(hearth.get(&format!("W/scripts/demo/versions/{other}")).await.code(), 10210);
}

#[tokio::test]
async fn rolling_back_is_said_so_and_needs_force_when_secrets_changed() {
    let hearth = Hearth::start().await;
    let secret = |text: &str| json!({"bindings": [{"name": "S", "type": "secret_text", "text": text}]});
    let a = first(&hearth, secret("1")).await;
    let b = hearth.upload("demo", secret("1"), CODE).await;
    hearth.release("demo", &[(&b, 100.0)], "").await.result();
    let back = hearth.release("demo", &[(&a, 100.0)], "").await;
    assert_eq!(back.result()["annotations"]["workers/triggered_by"], "rollback");
    let forward = hearth.release("demo", &[(&b, 100.0)], "").await;
    assert_eq!(forward.result()["annotations"]["workers/triggered_by"], "promotion");

    hearth
        .put("W/scripts/demo/secrets", json!({"name": "S", "text": "2", "type": "secret_text"}))
        .await
        .result();
    hearth
        .put("W/scripts/demo/secrets", json!({"name": "T", "text": "2", "type": "secret_text"}))
        .await
        .result();
    let refused = hearth.release("demo", &[(&a, 100.0)], "").await;
    assert_eq!((refused.status.as_u16(), refused.code()), (400, 10220));
    assert!(refused.error().2.ends_with("The following secrets have changed: S, T"));
    let forced = hearth.release("demo", &[(&a, 100.0)], "?force=true").await;
    assert_eq!(forced.result()["annotations"]["workers/triggered_by"], "rollback");
}

#[tokio::test]
async fn a_newer_version_with_other_secrets_needs_no_force() {
    let hearth = Hearth::start().await;
    first(&hearth, json!({})).await;
    let patch =
        json!({"env": {"S": {"type": "secret_text", "text": "1"}}, "annotations": {"workers/message": "m"}});
    let version = hearth.patch("W/workers/demo/versions/latest", patch).await;
    let id = version.result()["id"].as_str().unwrap().to_owned();
    assert_eq!(version.result()["annotations"]["workers/message"], "m");
    hearth.release("demo", &[(&id, 100.0)], "").await.result();
}
