//! Workflows: deployed by wrangler, driven by their worker, by another one, by wrangler's every command and by REST; across
//! a kill.

use std::time::Duration;

use bytes::Bytes;
use hearth_testing::{Form, Hearth, Options, Project};
use http::Request;
use serde_json::{Value, json};

const ORDERS: &str = "/accounts/:a/workflows/order/instances";

/// What the worker answers.
async fn ask(hearth: &Hearth, operation: &str, id: &str, body: Value) -> Value {
    let request = Request::post(format!("/{operation}?id={id}"))
        .header("host", hearth.host("flows"))
        .body(Bytes::from(body.to_string()))
        .expect("a request");
    hearth.send(request).await.expect("the worker answers").json()
}

async fn shown(hearth: &Hearth, id: &str) -> Value {
    hearth.api("GET", &format!("{ORDERS}/{id}"), None).await.result().clone()
}

/// Waits until an instance has a status.
async fn until(hearth: &Hearth, id: &str, status: &str) -> Value {
    for _ in 0..600 {
        let instance = shown(hearth, id).await;
        if instance["status"] == status {
            return instance;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{id} is not {status}: {}", shown(hearth, id).await);
}

/// Deploys the app with a KV namespace in which its steps count how often they run.
async fn deployed(hearth: &Hearth) -> Project {
    let made =
        hearth.api("POST", "/accounts/:a/storage/kv/namespaces", Some(json!({ "title": "counts" }))).await;
    let namespace = made.result()["id"].as_str().expect("an id").to_owned();
    let project = hearth.app("workflows");
    let binding =
        format!("workers_dev = true\n\n[[kv_namespaces]]\nbinding = \"COUNTS\"\nid = \"{namespace}\"\n");
    project.edit("wrangler.toml", "workers_dev = true\n", &binding);
    project.wrangler(&["deploy"]).await.expect_ok();
    project
}

/// Waits until a step's code has run so often. Neither the worker nor the instance is asked, which would set it going.
async fn until_counted(hearth: &Hearth, key: &str, times: &str) {
    let namespaces = hearth.api("GET", "/accounts/:a/storage/kv/namespaces", None).await;
    let id = namespaces.result()[0]["id"].as_str().expect("an id").to_owned();
    let (account, key) = (hearth.account(), key.replace('/', "%2F"));
    let path = format!("/client/v4/accounts/{account}/storage/kv/namespaces/{id}/values/{key}");
    let token = format!("Bearer {}", hearth.token());
    let mut counted = String::new();
    for _ in 0..600 {
        counted = hearth.get_with("localhost", &path, &[("authorization", &token)]).await.text();
        if counted == times {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{key} is not {times} but {counted}");
}

/// How often a step's code ran.
async fn count(hearth: &Hearth, key: &str) -> Value {
    hearth.get(&hearth.host("flows"), &format!("/count?id={key}")).await.json()["result"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_takes_its_steps_once_across_a_kill() {
    let mut hearth = Hearth::start().await;
    let _project = deployed(&hearth).await;

    assert_eq!(ask(&hearth, "create", "first", json!({ "count": 3 })).await["result"]["id"], "first");
    let taken = ask(&hearth, "create", "first", json!({ "count": 3 })).await;
    assert!(taken["error"].as_str().is_some_and(|error| error.contains("already exists")), "{taken}");
    let alone = json!({ "count": 1, "sleep": "3 seconds", "unattended": true });
    ask(&hearth, "create", "asleep", alone).await;
    for id in ["first", "asleep"] {
        while shown(&hearth, id).await["step_count"] != 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    hearth.kill().await;
    hearth.start_again().await;

    until_counted(&hearth, "asleep/ship", "1").await;
    ask(&hearth, "event", "first", json!({ "type": "approval", "payload": { "by": "me" } })).await;
    let first = until(&hearth, "first", "complete").await;
    assert_eq!(
        first["output"],
        json!({ "price": 6, "charged": 3, "approval": { "by": "me" }, "workflow": "order" })
    );
    assert_eq!(first["success"], true);
    let steps = first["steps"].as_array().expect("steps");
    let names: Vec<&str> = steps.iter().filter_map(|step| step["name"].as_str()).collect();
    assert_eq!(names, ["price-1", "charge-1", "approval-1", "ship-1"]);
    assert_eq!(steps[1]["attempts"].as_array().map(Vec::len), Some(3), "{}", steps[1]);
    assert_eq!(count(&hearth, "first/price").await, "1", "a step that completed ran again");

    let asleep = until(&hearth, "asleep", "complete").await;
    let rest = &asleep["steps"][2];
    assert_eq!((&rest["name"], &rest["finished"]), (&json!("rest-1"), &json!(true)));
    assert_eq!(count(&hearth, "asleep/ship").await, "1");

    let refused = ask(&hearth, "status", "nobody", json!({})).await;
    assert!(refused["error"].as_str().is_some_and(|error| error.contains("not_found")), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_step_that_was_running_goes_on_by_itself() {
    let mut hearth = Hearth::start().await;
    let _project = deployed(&hearth).await;
    for id in ["server", "process", "deploy"] {
        ask(&hearth, "create", id, json!({ "count": 1, "work": 20_000, "unattended": true })).await;
        until_counted(&hearth, &format!("{id}/work"), "1").await;
        match id {
            "server" => {
                hearth.kill().await;
                hearth.start_again().await;
            }
            "process" => hearth.kill_runtimes(),
            _ => {
                let secret = json!({ "name": "ANY", "type": "secret_text", "text": "thing" });
                let secrets = "/accounts/:a/workers/scripts/flows/secrets";
                hearth.api("PUT", secrets, Some(secret)).await.result();
            }
        }
        until_counted(&hearth, &format!("{id}/ship"), "1").await;
        let ended = until(&hearth, id, "complete").await;
        let work = ended["steps"].as_array().expect("steps").iter().find(|step| step["name"] == "work-1");
        assert_eq!(work.expect("it ran")["attempts"].as_array().map(Vec::len), Some(2), "{ended}");
        assert_eq!(count(&hearth, &format!("{id}/work")).await, "2");
        assert_eq!(count(&hearth, &format!("{id}/price")).await, "1", "a step that completed ran again");
    }
}

/// A process that nobody calls leaves after half a minute here.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_in_which_a_step_runs_stays() {
    let config = "[processes]\nidle-timeout-s = 20\n".to_owned();
    let hearth = Hearth::start_with(Options { config, ..Options::default() }).await;
    let _project = deployed(&hearth).await;
    ask(&hearth, "create", "long", json!({ "count": 1, "work": 34_000, "unattended": true })).await;
    until_counted(&hearth, "long/ship", "1").await;
    assert_eq!(count(&hearth, "long/work").await, "1", "its process was stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn wranglers_every_command() {
    let hearth = Hearth::start().await;
    let project = deployed(&hearth).await;
    let run = async |args: &[&str]| project.wrangler(args).await.expect_ok();

    let listed = run(&["workflows", "list"]).await;
    assert!(listed.contains("order") && listed.contains("failing") && listed.contains("flows"), "{listed}");
    let described = run(&["workflows", "describe", "order"]).await;
    assert!(described.contains("Order") && described.contains("flows"), "{described}");

    run(&["workflows", "trigger", "order", r#"{"count":5}"#, "--id", "one"]).await;
    run(&["workflows", "trigger", "order", r#"{"count":6}"#, "--id", "two"]).await;
    until(&hearth, "two", "waiting").await;
    let instances = run(&["workflows", "instances", "list", "order"]).await;
    assert!(instances.contains("one") && instances.contains("two"), "{instances}");
    let described = run(&["workflows", "instances", "describe", "order", "latest"]).await;
    assert!(described.contains("two") && described.contains("price-1"), "{described}");

    run(&["workflows", "instances", "pause", "order", "two"]).await;
    until(&hearth, "two", "paused").await;
    let paused = run(&["workflows", "instances", "list", "order", "--status", "paused"]).await;
    assert!(paused.contains("two") && !paused.contains("one"), "{paused}");
    run(&["workflows", "instances", "resume", "order", "two"]).await;
    run(&[
        "workflows",
        "instances",
        "send-event",
        "order",
        "two",
        "--type",
        "approval",
        "--payload",
        r#"{"ok":true}"#,
    ])
    .await;
    let two = until(&hearth, "two", "complete").await;
    assert_eq!(two["output"]["approval"], json!({ "ok": true }));
    assert_eq!(two["trigger"]["source"], "api");
    run(&["workflows", "instances", "restart", "order", "two"]).await;
    until(&hearth, "two", "waiting").await;
    run(&["workflows", "instances", "terminate", "order", "two"]).await;
    until(&hearth, "two", "terminated").await;
    run(&["workflows", "instances", "terminate-all", "order"]).await;
    until(&hearth, "one", "terminated").await;
    run(&["workflows", "instances", "delete", "order", "one"]).await;
    let (status, code, _) = hearth.api("GET", &format!("{ORDERS}/one"), None).await.error();
    assert_eq!((status, code), (404, 10400));

    run(&["workflows", "trigger", "failing", "--id", "bad"]).await;
    let path = "/accounts/:a/workflows/failing/instances/bad";
    let failed = loop {
        let instance = hearth.api("GET", path, None).await.result().clone();
        if instance["status"] == "errored" {
            break instance;
        }
    };
    assert_eq!(failed["error"]["message"], "out of stock");
    assert_eq!(
        failed["steps"][0]["attempts"].as_array().map(Vec::len),
        Some(1),
        "it must not be tried again"
    );

    run(&["workflows", "delete", "failing"]).await;
    let (status, code, _) = hearth.api("GET", "/accounts/:a/workflows/failing", None).await.error();
    assert_eq!((status, code), (404, 10200));
    let listed = hearth.api("GET", "/accounts/:a/workflows", None).await;
    assert_eq!(listed.result().as_array().map(Vec::len), Some(1));
    let stored = std::fs::read_dir(hearth.data().join("do")).expect("there is storage").flatten();
    let kept: Vec<_> = stored.map(|folder| folder.path().join("miniflare-workflows-failing")).collect();
    assert!(kept.iter().all(|folder| !folder.exists()), "its storage is still there: {kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_worker_binds_it_and_what_does_not_hold_is_refused() {
    let hearth = Hearth::start().await;
    let caller = hearth.app("workflows-caller");
    let output = caller.wrangler(&["deploy"]).await.expect_failure();
    assert!(output.contains("Deploy \"flows\" first"), "{output}");
    deployed(&hearth).await;
    caller.wrangler(&["deploy"]).await.expect_ok();
    let host = hearth.host("caller");
    assert_eq!(hearth.get(&host, "/create?id=far").await.json(), "far");
    until(&hearth, "far", "waiting").await;
    hearth.get(&host, "/event?id=far").await;
    let far = until(&hearth, "far", "complete").await;
    assert_eq!((&far["output"]["price"], &far["output"]["approval"]), (&json!(8), &json!("from afar")));

    let thief = hearth.app("workflows");
    thief.edit("wrangler.toml", "name = \"flows\"", "name = \"thief\"");
    let output = thief.wrangler(&["deploy"]).await.expect_failure();
    assert!(output.contains("belongs to the Worker flows"), "{output}");
    // wrangler looks at the exports itself; other clients do not.
    let metadata = json!({
        "main_module": "index.js",
        "compatibility_date": "2026-01-01",
        "bindings": [{ "name": "W", "type": "workflow", "workflow_name": "w", "class_name": "Missing" }],
    });
    let form = Form::module("export default {};").metadata(&metadata.to_string()).finish();
    let (status, code, message) = hearth.upload("missing", form).await.error();
    assert_eq!((status, code), (400, 10021), "{message}");
    assert!(message.contains("\"Missing\"") && message.contains("does not export"), "{message}");

    let create = async |body: Value| hearth.api("POST", ORDERS, Some(body)).await;
    let (status, code, _) = create(json!({ "instance_id": "far" })).await.error();
    assert_eq!((status, code), (409, 10405));
    let (status, _, message) = create(json!({ "instance_id": "no spaces" })).await.error();
    assert_eq!(status, 400, "{message}");
    let pause =
        hearth.api("PATCH", &format!("{ORDERS}/far/status"), Some(json!({ "status": "dance" }))).await;
    assert_eq!(pause.error().0, 400);
    let pages = hearth.api("GET", &format!("{ORDERS}?page=2&per_page=1"), None).await;
    assert_eq!(pages.result(), &json!([]), "there is only one instance");

    hearth.api("DELETE", "/accounts/:a/workers/scripts/flows", None).await.result();
    assert_eq!(hearth.api("GET", "/accounts/:a/workflows", None).await.result(), &json!([]));
}
