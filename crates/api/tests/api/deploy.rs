//! Uploads: `PUT script` and `POST versions`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hearth_api::{ApiConfig, Change};
use hearth_model::Dialect;
use http::Method;
use serde_json::{Value, json};

use crate::support::{Answer, CODE, Form, Hearth};

fn find<'a>(bindings: &'a Value, name: &str) -> Option<&'a Value> {
    bindings.as_array().unwrap().iter().find(|binding| binding["name"] == name)
}

#[tokio::test]
async fn a_first_deploy_makes_worker_version_and_deployment() {
    let hearth = Hearth::start().await;
    assert_eq!(hearth.get("W/services/demo").await.error().0, 404);
    assert_eq!(hearth.get("W/services/demo").await.code(), 10090);
    for path in
        ["secrets", "deployments", "settings", "versions", "script-settings", "subdomain", "references"]
    {
        assert_eq!(hearth.get(&format!("W/scripts/demo/{path}")).await.code(), 10007, "{path}");
    }
    let metadata = json!({
        "bindings": [
            {"name": "V", "type": "plain_text", "text": "x"}, {"name": "S", "type": "secret_text", "text": "hush"},
            {"name": "META", "type": "version_metadata"}, {"name": "SELF", "type": "service", "service": "demo"}
        ],
        "annotations": {"workers/message": "first", "workers/tag": "t1"}, "limits": {"cpu_ms": 100},
        "logpush": true, "observability": {"enabled": true}
    });
    let put = hearth.deploy("demo", metadata, CODE).await;
    let script = put.result();
    let version = script["deployment_id"].as_str().unwrap();
    assert_eq!((&script["id"], &script["startup_time_ms"]), (&json!("demo"), &json!(3)));
    assert_eq!(script["handlers"], json!(["fetch"]));
    assert_eq!(script["tag"].as_str().unwrap().len(), 32);
    assert!(matches!(hearth.notes.take_changes()[..], [Change::Deployed(..)]));

    let service = hearth.get("W/services/demo").await;
    let found = &service.result()["default_environment"]["script"];
    assert_eq!((&found["tag"], &found["last_deployed_from"]), (&script["tag"], &json!("wrangler")));

    let seen = hearth.get(&format!("W/scripts/demo/versions/{version}")).await;
    let seen = seen.result();
    assert_eq!((&seen["number"], &seen["metadata"]["source"]), (&json!(1), &json!("wrangler")));
    assert_eq!(seen["annotations"]["workers/triggered_by"], "upload");
    assert_eq!(seen["resources"]["script_runtime"]["limits"], json!({"cpu_ms": 100}));
    assert_eq!(
        find(&seen["resources"]["bindings"], "S").unwrap(),
        &json!({"name": "S", "type": "secret_text"})
    );
    assert!(!seen.to_string().contains("hush"));

    let deployments = hearth.get("W/scripts/demo/deployments").await;
    let deployment = &deployments.result()["deployments"][0];
    assert_eq!(deployment["versions"], json!([{"version_id": version, "percentage": 100}]));
    assert_eq!(deployment["annotations"]["workers/message"], "first");

    let settings = hearth.get("W/scripts/demo/settings").await;
    assert_eq!(
        (&settings.result()["logpush"], &settings.result()["observability"]["enabled"]),
        (&json!(true), &json!(true))
    );
    let probed = hearth.notes.probed.lock().unwrap();
    assert_eq!(probed[0].modules.len(), 1, "source maps are not launched");
    assert_eq!(probed[0].tag, "t1");
}

#[tokio::test]
async fn an_update_keeps_secrets_and_what_is_inherited() {
    let hearth = Hearth::start().await;
    let secret = |name: &str, text: &str| json!({"name": name, "type": "secret_text", "text": text});
    let first = json!({"bindings": [secret("A", "1"), secret("B", "2"), {"name": "V", "type": "plain_text", "text": "v"}]});
    hearth.deploy("demo", first, CODE).await.result();
    let metadata = json!({
        "keep_bindings": ["secret_text", "secret_key"],
        "bindings": [secret("B", "new"), {"name": "RENAMED", "type": "inherit", "old_name": "A"}]
    });
    let id = hearth.upload("demo", metadata, CODE).await;
    let expected = [("A", "1"), ("B", "new"), ("RENAMED", "1")];
    let expected: BTreeMap<String, String> = expected.map(|(k, v)| (k.into(), v.into())).into();
    assert_eq!(hearth.notes.last_secrets(), expected);
    let account = hearth.account.parse().unwrap();
    let worker =
        hearth.store.worker_by_name(&account, Dialect::Workers, &"demo".parse().unwrap()).await.unwrap();
    assert_eq!(hearth.store.secret_texts(worker.id, id.parse().unwrap()).await.unwrap(), expected);
    let version = hearth.get(&format!("W/scripts/demo/versions/{id}")).await;
    assert!(
        find(&version.result()["resources"]["bindings"], "V").is_none(),
        "variables are not kept unasked"
    );
    // It is not deployed.
    let deployments = hearth.get("W/scripts/demo/deployments").await;
    assert_eq!(deployments.result()["deployments"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_missing_inherit_is_10057_when_strict_and_left_out_when_lax() {
    let hearth = Hearth::start().await;
    let metadata = json!({"bindings": [{"name": "X", "type": "inherit"}]});
    let refused = hearth.deploy("demo", metadata.clone(), CODE).await;
    assert_eq!(refused.code(), 10057);
    assert!(refused.error().2.starts_with("inherit binding 'X' is invalid"));
    assert_eq!(hearth.get("W/services/demo").await.code(), 10090, "nothing was made");
    hearth.form(Method::PUT, "W/scripts/demo", Form::worker(metadata, CODE)).await.result();
}

#[tokio::test]
async fn what_the_runtime_refuses_is_10021_with_its_stack_and_leaves_no_trace() {
    let hearth = Hearth::start().await;
    let refused = hearth.deploy("demo", json!({}), "BROKEN").await;
    assert_eq!(refused.error(), (400, 10021, "Uncaught SyntaxError: Unexpected token\n  at index.js:2:5\n"));
    assert_eq!(hearth.get("W/services/demo").await.code(), 10090);
    assert!(hearth.notes.take_changes().is_empty());

    hearth.deploy("demo", json!({}), CODE).await.result();
    assert_eq!(hearth.deploy("demo", json!({}), "BROKEN").await.code(), 10021);
    assert_eq!(hearth.get("W/scripts/demo/versions").await.result()["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_probe_that_fails_of_itself_is_ours_and_its_reason_stays_here() {
    let hearth = Hearth::start().await;
    let failed = hearth.deploy("demo", json!({}), "UNAVAILABLE").await;
    assert_eq!((failed.status.as_u16(), failed.code()), (500, 10013));
    assert!(!failed.body.to_string().contains("spare"));
}

#[tokio::test]
async fn a_service_binding_needs_its_worker() {
    let hearth = Hearth::start().await;
    let metadata =
        json!({"bindings": [{"name": "OTHER", "type": "service", "service": "other", "entrypoint": "E"}]});
    let refused = hearth.deploy("demo", metadata.clone(), CODE).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (400, 10143));
    assert!(refused.error().2.contains("'OTHER'") && refused.error().2.contains("'other'"));
    hearth.deploy("other", json!({}), CODE).await.result();
    hearth.deploy("demo", metadata, CODE).await.result();

    let references = hearth.get("W/scripts/other/references").await;
    assert_eq!(references.result()["services"]["incoming"][0]["service"], "demo");
    assert_eq!(hearth.get("W/scripts/demo/references").await.result(), &json!({}));
    assert_eq!(hearth.delete("W/services/other").await.code(), 10064);
    hearth.delete("W/services/other?force=true").await.result();
}

#[tokio::test]
async fn deleting_takes_everything_along() {
    let hearth = Hearth::start().await;
    hearth.deploy("demo", json!({}), CODE).await.result();
    hearth.notes.take_changes();
    assert!(hearth.delete("W/services/demo?force=false").await.result().is_null());
    assert!(matches!(
        hearth.notes.take_changes()[..],
        [Change::WorkerGone(_), Change::Routes, Change::Domains]
    ));
    assert_eq!(hearth.get("W/services/demo").await.code(), 10090);
    assert_eq!(hearth.delete("W/services/demo").await.code(), 10090);
    assert_eq!(hearth.delete("W/scripts/demo").await.code(), 10007);
}

async fn refused(hearth: &Hearth, form: Vec<u8>) -> Answer {
    let request = http::Request::builder()
        .method(Method::PUT)
        .uri(hearth.uri("W/scripts/demo"))
        .header("authorization", format!("Bearer {}", crate::support::TOKEN))
        .header("content-type", format!("multipart/form-data; boundary={}", crate::support::BOUNDARY));
    hearth.send(request.body(form.into()).unwrap()).await
}

#[tokio::test]
async fn bad_uploads_get_a_clear_error() {
    let hearth = Hearth::start().await;
    let whole = Form::worker(json!({}), CODE).close();
    let cut = refused(&hearth, whole[..whole.len() / 2].to_vec()).await;
    assert_eq!((cut.status.as_u16(), cut.code()), (400, 10001));
    let bad_json = Form::default().field("metadata", "{not json").close();
    let answer = refused(&hearth, bad_json).await;
    assert_eq!((answer.code(), answer.error().2.contains("JSON")), (10021, true));
    let no_main = Form::default().field("metadata", r#"{"main_module":"a.js"}"#).close();
    assert!(refused(&hearth, no_main).await.error().2.contains("No such module \"a.js\""));
    assert_eq!(refused(&hearth, Vec::new()).await.code(), 10001);
    for (metadata, fragment) in [
        (json!({"compatibility_date": "2999-01-01"}), "2999-01-01"),
        (json!({"compatibility_date": "soon"}), "soon"),
        (json!({"compatibility_flags": ["no such flag"]}), "no such flag"),
        (json!({"bindings": [{"name": "DB", "type": "d1", "id": "x"}]}), "binding DB of type d1"),
        (
            json!({"bindings": [{"name": "C", "type": "durable_object_namespace", "class_name": "C"}]}),
            "Cannot create binding for class 'C'",
        ),
        (json!({"migrations": {"new_tag": "v1", "steps": 7}}), "migrations"),
        (json!({"limits": {"cpu_ms": -1}}), "limits"),
    ] {
        let answer = hearth.deploy("demo", metadata.clone(), CODE).await;
        assert_eq!(answer.status.as_u16(), 400, "{metadata}");
        assert!(answer.error().2.contains(fragment), "{metadata}: {}", answer.error().2);
    }
    assert!(hearth.notes.probed.lock().unwrap().is_empty());
}

#[tokio::test]
async fn names_with_odd_characters_are_refused() {
    let hearth = Hearth::start().await;
    for name in ["a%20b", "a%2Fb", "..%2F..", "%C3%BC", "a.b", "-a", &"a".repeat(64)] {
        let answer = hearth.deploy(name, json!({}), CODE).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, 10016), "{name}");
    }
    assert_eq!(hearth.get("W/services/%FF").await.code(), 7003);
}

#[tokio::test]
async fn a_worker_over_the_limit_is_10027() {
    let hearth = Hearth::with(ApiConfig { max_upload_bytes: 10_000, ..ApiConfig::default() }).await;
    let over = hearth.deploy("demo", json!({}), &"x".repeat(10_001)).await;
    assert_eq!((over.status.as_u16(), over.code()), (413, 10027));
    let far_over = hearth.deploy("demo", json!({}), &"x".repeat(2_000_000)).await;
    assert_eq!((far_over.status.as_u16(), far_over.code()), (413, 10027));
    hearth.deploy("demo", json!({}), &"x".repeat(9_999)).await.result();
}

#[tokio::test]
async fn service_workers_deploy_and_their_script_comes_back() {
    let hearth = Hearth::start().await;
    let metadata =
        json!({"body_part": "worker.js", "bindings": [{"name": "W", "type": "wasm_module", "part": "w"}]});
    let form = Form::default()
        .field("metadata", &metadata.to_string())
        .module("worker.js", "application/javascript", "addEventListener('fetch', () => {})")
        .module("w", "application/wasm", "wasm");
    hearth.form(Method::PUT, "W/scripts/old", form).await.result();
    let script = hearth.get("W/scripts/old").await;
    assert_eq!(script.text, "addEventListener('fetch', () => {})");
    let form = hearth.get("W/scripts/old/content/v2").await;
    assert_eq!(form.headers["cf-entrypoint"], "worker.js");
}

#[tokio::test]
async fn content_can_be_read_and_replaced() {
    let hearth = Hearth::start().await;
    let metadata = json!({"bindings": [{"name": "S", "type": "secret_text", "text": "1"}]});
    let first = hearth.deploy("demo", metadata, CODE).await;
    let first = first.result()["deployment_id"].as_str().unwrap().to_owned();
    let form = Form::worker(json!({}), "export default 2");
    hearth.form(Method::PUT, "W/scripts/demo/content", form).await.result();
    assert_eq!(hearth.notes.last_secrets()["S"], "1");
    let text = |answer: Answer| String::from_utf8(answer.text.to_vec()).unwrap();
    let now = text(hearth.get("W/scripts/demo/content/v2").await);
    assert!(now.contains("export default 2") && !now.contains("source-map"));
    let then = text(hearth.get(&format!("W/scripts/demo/content/v2?version={first}")).await);
    assert!(then.contains(CODE));
    assert_eq!(hearth.get("W/scripts/demo/content/v2?version=nope").await.code(), 10210);
}

#[tokio::test]
async fn versions_of_a_worker_that_is_not_there_are_10007() {
    let hearth = Hearth::start().await;
    let answer = hearth.form(Method::POST, "W/scripts/demo/versions", Form::worker(json!({}), CODE)).await;
    assert_eq!(answer.code(), 10007);
}

#[tokio::test]
async fn a_name_that_differs_in_case_only_is_refused_and_not_an_update() {
    let hearth = Hearth::start().await;
    hearth.deploy("Upper", json!({}), CODE).await.result();
    let second = hearth.deploy("UPPER", json!({}), CODE).await;
    let (status, code, message) = second.error();
    assert_eq!((status, code), (409, 10016));
    assert!(message.contains("`UPPER`") && message.contains("`Upper`"), "{message}");
    let form = Form::worker(json!({}), CODE);
    assert_eq!(hearth.form(Method::POST, "W/scripts/upper/versions", form).await.error().0, 409);
    let secret = json!({"name": "S", "text": "1", "type": "secret_text"});
    let writes = [
        hearth.post("W/workers", json!({"name": "UPPER"})).await,
        hearth.put("W/scripts/upper/secrets", secret).await,
        hearth.delete("W/scripts/upper").await,
        hearth.delete("W/services/upper").await,
    ];
    assert!(writes.iter().all(|answer| answer.error().0 == 409), "{writes:?}");
    let versions = hearth.get("W/scripts/Upper/versions").await;
    assert_eq!(versions.result()["items"].as_array().unwrap().len(), 1);
    hearth.deploy("Upper", json!({}), CODE).await.result();
}

#[tokio::test]
async fn two_deploys_at_once_both_count() {
    let hearth = Hearth::start().await;
    let (a, b) = tokio::join!(hearth.deploy("demo", json!({}), CODE), hearth.deploy("demo", json!({}), CODE));
    assert_eq!(a.result()["tag"], b.result()["tag"]);
    let versions = hearth.get("W/scripts/demo/versions").await;
    let numbers: Vec<u64> = versions.result()["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["number"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [2, 1]);
}

/// How long a call that nothing holds up has to overtake another: far more than it needs.
const OVERTAKING: Duration = Duration::from_millis(500);

#[tokio::test]
async fn a_secret_put_while_a_deploy_is_probed_is_not_lost() {
    let hearth = Hearth::start().await;
    hearth.deploy("demo", json!({}), CODE).await.result();
    let metadata = json!({"keep_bindings": ["secret_text"]});
    let meanwhile = async {
        hearth.notes.probing.notified().await;
        let secret = json!({"name": "S", "text": "1", "type": "secret_text"});
        let put = hearth.put("W/scripts/demo/secrets", secret);
        let open = async {
            tokio::time::sleep(OVERTAKING).await;
            hearth.notes.gate.notify_one();
        };
        tokio::join!(put, open).0
    };
    let (deploy, put) = tokio::join!(hearth.deploy("demo", metadata, "SLOW"), meanwhile);
    deploy.result();
    put.result();
    assert_eq!(hearth.get("W/scripts/demo/secrets").await.result()[0]["name"], "S");
}

#[tokio::test]
async fn a_deploy_whose_client_goes_away_reaches_the_data_plane() {
    let hearth = Arc::new(Hearth::start().await);
    let deploying = tokio::spawn({
        let hearth = hearth.clone();
        async move { hearth.deploy("demo", json!({}), "SLOW").await }
    });
    hearth.notes.probing.notified().await;
    deploying.abort();
    assert!(deploying.await.unwrap_err().is_cancelled());
    hearth.notes.gate.notify_one();
    let arrived = async {
        while hearth.notes.take_changes().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), arrived).await.unwrap();
    hearth.get("W/services/demo").await.result();
}

#[tokio::test]
async fn a_worker_that_takes_mail_is_deployed_with_a_warning() {
    let hearth = Hearth::start().await;
    let code = "export default { fetch() {}, email(message) {} }";
    let answer = hearth.deploy("mail", json!({}), code).await;
    let warning = answer.body["messages"][0]["message"].as_str().unwrap_or_default();
    assert!(warning.contains("email()"), "{answer:?}");
    let quiet = hearth.deploy("quiet", json!({}), CODE).await;
    assert_eq!(quiet.body["messages"], json!([]));
}
