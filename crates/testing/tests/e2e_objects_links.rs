//! Durable Objects of another worker (`script_name`): bound, called and lost as on Cloudflare.

use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use hearth_testing::{Hearth, Project};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

async fn both(hearth: &Hearth) -> Project {
    let project = hearth.app("objects-link");
    project.wrangler(&["deploy", "--config", "owner.jsonc"]).await.expect_ok();
    project.wrangler(&["deploy"]).await.expect_ok();
    project
}

async fn ask(hearth: &Hearth, path: &str) -> Value {
    let answer = hearth.get(&hearth.host("caller"), path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    answer.json()
}

/// What differs from `wrangler dev`, which runs all in one process: errors that come from another one are `remote`, and
/// an upgrade that failed has no class over HTTP.
fn comparable(mut seen: Value) -> Value {
    for (name, case) in seen.as_object_mut().expect("cases") {
        let error = if name == "abort" { case.get_mut(0) } else { case.get_mut("thrown") };
        if let Some(error) = error.and_then(Value::as_object_mut) {
            error.remove("remote");
            if name == "socketFails" {
                error.retain(|key, _| key == "message");
            }
        }
    }
    // Made of the namespace's key, which is another one there.
    for name in ["who", "byId", "oddName"] {
        seen[name].as_object_mut().expect("an id").remove("id");
    }
    seen["fetch"][2].as_object_mut().expect("a body").remove("id");
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn another_workers_objects_are_as_on_wrangler_dev() {
    let hearth = Hearth::start().await;
    let project = both(&hearth).await;
    let dev = project.dev_with(&["--config", "wrangler.jsonc", "--config", "owner.jsonc"]).await;
    let simulated = comparable(dev.get("/").await.expect("an answer").json());
    drop(dev);
    let ours = ask(&hearth, "/").await;
    assert_eq!(ours["who"]["name"], "bob", "{ours}");
    // Ids agree, whichever worker makes them.
    let owners = hearth.get(&hearth.host("owner"), "/").await.json();
    assert_eq!(owners, ours["who"]);
    let ours = comparable(ours);
    for (case, expected) in simulated.as_object().unwrap() {
        assert_eq!(&ours[case], expected, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_class_that_is_not_there_is_refused() {
    let hearth = Hearth::start().await;
    let project = hearth.app("objects-link");
    let refused = project.wrangler(&["deploy"]).await.expect_failure();
    assert!(refused.contains("[code: 10061]") && refused.contains("'owner'"), "{refused}");
    project.wrangler(&["deploy", "--config", "owner.jsonc"]).await.expect_ok();
    project.edit("wrangler.jsonc", "\"Room\"", "\"Hall\"");
    let refused = project.wrangler(&["deploy"]).await.expect_failure();
    assert!(refused.contains("[code: 10061]") && refused.contains("Hall"), "{refused}");
    // A worker that names itself means itself, on a first deploy too.
    project.edit(
        "owner.jsonc",
        "\"class_name\": \"Room\"",
        "\"class_name\": \"Room\", \"script_name\": \"alone\"",
    );
    project.edit("owner.jsonc", "\"name\": \"owner\"", "\"name\": \"alone\"");
    project.wrangler(&["deploy", "--config", "owner.jsonc"]).await.expect_ok();
    assert_eq!(hearth.get(&hearth.host("alone"), "/").await.json()["name"], "bob");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_survive_swaps_of_the_owner_and_a_restart() {
    let mut hearth = Hearth::start().await;
    let project = both(&hearth).await;
    let host = hearth.host("caller");
    let counting = hearth.get(&host, "/tally/150");
    let swaps = async {
        for n in 0..3 {
            tokio::time::sleep(Duration::from_millis(200)).await;
            let var = format!("N:{n}");
            project.wrangler(&["deploy", "--config", "owner.jsonc", "--var", &var]).await.expect_ok();
        }
    };
    let (counted, ()) = tokio::join!(counting, swaps);
    let seen = counted.json();
    let (acknowledged, lost) = (seen["acknowledged"].as_u64().unwrap(), seen["lost"].as_u64().unwrap());
    assert_eq!(acknowledged + lost, 150, "{seen}");
    // Only a call that was in the object when it had to go may fail, and it may have been counted.
    assert!(lost <= 3, "{seen}");
    let stored = ask(&hearth, "/tallied").await.as_u64().unwrap();
    assert!((acknowledged..=acknowledged + lost).contains(&stored), "{stored}: {seen}");
    hearth.kill().await;
    hearth.start_again().await;
    // The owner sleeps; the call starts it.
    assert_eq!(ask(&hearth, "/tallied").await, json!(stored));
    assert_eq!(ask(&hearth, "/version").await["name"], "bob");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_that_dies_is_an_error_of_the_call_only() {
    let hearth = Hearth::start().await;
    let project = hearth.app("objects-link");
    project.edit("owner.jsonc", "\"main\"", "\"limits\": { \"cpu_ms\": 500 }, \"main\"");
    project.wrangler(&["deploy", "--config", "owner.jsonc"]).await.expect_ok();
    project.wrangler(&["deploy"]).await.expect_ok();
    assert_eq!(ask(&hearth, "/tally/5").await, json!({"acknowledged": 5, "lost": 0}));
    for death in ["/spin", "/hoard"] {
        let error = ask(&hearth, death).await;
        assert_eq!(error["thrown"]["message"], "Network connection lost.", "{death}: {error}");
        assert_eq!(error["thrown"]["retryable"], true, "{death}: {error}");
        assert_eq!(ask(&hearth, "/tallied").await, 5, "{death}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_into_another_workers_object_is_closed_with_1012_at_a_swap() {
    let hearth = Hearth::start().await;
    let project = both(&hearth).await;
    let mut socket = hearth.websocket(&hearth.host("caller"), "/chat").await;
    socket.send(Message::text("hi")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("echo hi"));
    project.wrangler(&["deploy", "--config", "owner.jsonc", "--var", "N:1"]).await.expect_ok();
    match socket.next().await.unwrap().unwrap() {
        Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1012),
        other => panic!("{other:?}"),
    }
    let mut socket = hearth.websocket(&hearth.host("caller"), "/chat").await;
    socket.send(Message::text("again")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("echo again"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_owner_is_deleted_by_force_only() {
    let hearth = Hearth::start().await;
    let project = both(&hearth).await;
    assert_eq!(ask(&hearth, "/tally/2").await, json!({"acknowledged": 2, "lost": 0}));
    let owner = "/accounts/:a/workers/scripts/owner";
    for path in [owner, "/accounts/:a/workers/services/owner", &format!("{owner}?force=false")] {
        let (status, code, text) = hearth.api("DELETE", path, None).await.error();
        assert_eq!((status, code), (400, 10064), "{path}");
        assert!(text.contains("(caller)"), "{text}");
    }
    assert_eq!(ask(&hearth, "/tallied").await, 2, "nothing was deleted");
    // wrangler says who uses it and asks; where nobody can answer, it takes that for a yes.
    let delete = ["delete", "--config", "owner.jsonc"];
    let said = project.wrangler(&delete).await.expect_ok();
    let used = "Worker caller (production) has a binding to the Durable Object Namespace \"owner_Room\"";
    assert!(said.contains(used), "{said}");
    assert_eq!(hearth.get(&hearth.host("owner"), "/").await.status, 404);
    let lost = ask(&hearth, "/tallied").await;
    assert!(lost["thrown"]["message"].as_str().is_some_and(|text| text.contains("not deployed")), "{lost}");

    // What is deployed under that name later is another worker, with objects of its own.
    project.wrangler(&["deploy", "--config", "owner.jsonc"]).await.expect_ok();
    project.wrangler(&["deploy"]).await.expect_ok();
    assert_eq!(ask(&hearth, "/tally/1").await, json!({"acknowledged": 1, "lost": 0}));
    let said = project.wrangler(&["delete", "--force", "--config", "owner.jsonc"]).await.expect_ok();
    assert!(!said.contains(used), "it does not ask: {said}");
    assert_eq!(hearth.get(&hearth.host("owner"), "/").await.status, 404);
    // Nobody uses the caller.
    hearth.api("DELETE", "/accounts/:a/workers/scripts/caller", None).await.result();
}
