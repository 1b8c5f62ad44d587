//! Cron triggers: set by wrangler, run by the minute and by hand, recorded.

use std::time::Duration;

use hearth_testing::{Form, Hearth};
use serde_json::{Value, json};

const RUNS: &str = "/accounts/:a/workers/scripts/cron/hearth/scheduled";

async fn run(hearth: &Hearth, wanted: Value) -> Value {
    hearth.api("POST", RUNS, Some(wanted)).await.result().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn wranglers_triggers_run_by_the_minute_also_after_a_kill_and_by_hand() {
    let mut hearth = Hearth::start().await;
    hearth.app("cron").wrangler(&["deploy"]).await.expect_ok();

    let ended = run(&hearth, json!({ "scheduledTime": 120_000 })).await;
    assert_eq!((&ended["outcome"], &ended["cron"]), (&json!("ok"), &json!("* * * * *")));
    assert_eq!(ended["scheduled_time"], "1970-01-01T00:02:00Z");
    let seen = hearth.get(&hearth.host("cron"), "/").await.json();
    assert_eq!(seen, json!([["* * * * *", 120_000]]), "its waitUntil had not ended");

    let failed = run(&hearth, json!({ "cron": "0 0 L * *" })).await;
    assert_eq!(failed["outcome"], "exception");
    // Its trace comes after its answer.
    for _ in 0..100 {
        if hearth.log().contains("the month is over") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(hearth.log().contains("the month is over"), "the exception is not in the log");

    hearth.kill().await;
    hearth.start_again().await;
    let due = wait_for_the_minute(&hearth).await;
    assert_eq!(due["outcome"], "ok");
    let time = due["scheduled_time"].as_str().unwrap_or_default();
    assert!(time.ends_with(":00Z"), "{time} is not on the minute");
    let kept = hearth.api("GET", RUNS, None).await;
    let outcomes: Vec<&str> =
        kept.result().as_array().into_iter().flatten().filter_map(|run| run["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["ok", "exception", "ok"], "newest first, and what was before the kill too");
}

/// The first run that nobody asked for.
async fn wait_for_the_minute(hearth: &Hearth) -> Value {
    for _ in 0..130 {
        let runs = hearth.api("GET", RUNS, None).await;
        let runs = runs.result().as_array().cloned().unwrap_or_default();
        if runs.len() > 2 {
            return runs[0].clone();
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("no run within a minute");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_expressions_and_missing_handlers_are_named() {
    let hearth = Hearth::start().await;
    hearth
        .upload("cron", Form::module("export default { fetch: () => new Response('x') }").finish())
        .await
        .result();
    for bad in ["@daily", "* * * *", "61 * * * *", "* * * * 0"] {
        let path = "/accounts/:a/workers/scripts/cron/schedules";
        let (status, code, message) = hearth.api("PUT", path, Some(json!([{ "cron": bad }]))).await.error();
        assert_eq!((status, code), (400, 10100), "{bad}: {message}");
        assert!(message.contains(bad), "{message}");
    }
    let ended = run(&hearth, json!({})).await;
    assert_eq!(ended["outcome"], "canceled");
    assert!(ended["error"].as_str().is_some_and(|error| error.contains("no handler")), "{ended}");
}
