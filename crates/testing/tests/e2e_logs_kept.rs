//! Logs that are kept, asked for over the Workers Observability endpoints.

use std::time::Duration;

use hearth_testing::{Form, Hearth, Options, Project, tests_folder};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

const TELEMETRY: &str = "/accounts/:a/workers/observability/telemetry";
const PATIENCE: Duration = Duration::from_secs(30);

/// `tests/apps/tail` with its logs kept.
async fn deployed(hearth: &Hearth, observability: &str) -> Project {
    let project = hearth.app("tail");
    let with = format!("workers_dev = true\nobservability = {observability}");
    project.edit("wrangler.toml", "workers_dev = true", &with);
    project.wrangler(&["deploy"]).await.expect_ok();
    project
}

fn query(view: &str, parameters: Value) -> Value {
    json!({
        "queryId": "test", "view": view, "limit": 100, "parameters": parameters,
        "timeframe": { "from": 1_700_000_000_000_i64, "to": 4_000_000_000_000_i64 },
    })
}

async fn ask(hearth: &Hearth, body: Value) -> Value {
    hearth.api("POST", &format!("{TELEMETRY}/query"), Some(body)).await.result().clone()
}

fn filter(key: &str, operation: &str, kind: &str, value: Value) -> Value {
    json!({ "key": key, "operation": operation, "type": kind, "value": value })
}

/// Asks until so many events are there: they are written a moment after their invocation has ended.
async fn events(hearth: &Hearth, parameters: Value, count: usize) -> Vec<Value> {
    let began = Instant::now();
    loop {
        let result = ask(hearth, query("events", parameters.clone())).await;
        let events = result["events"]["events"].as_array().expect("a list").clone();
        if events.len() >= count {
            assert_eq!(events.len(), count, "{events:#?}");
            return events;
        }
        assert!(began.elapsed() < PATIENCE, "{count} events were awaited: {events:#?}");
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_did_can_be_asked_for() {
    let mut hearth = Hearth::start().await;
    // The settings come after the version that they are for: wrangler updates them last.
    hearth.app("tail").wrangler(&["deploy"]).await.expect_ok();
    let host = hearth.host("tail");
    hearth.get(&host, "/log").await;
    deployed(&hearth, "{ enabled = true }").await;
    let mut rays = Vec::new();
    for path in ["/log?token=abc", "/json", "/throw", "/call", "/log"] {
        let answer = hearth.get_with(&host, path, &[("authorization", "Bearer secret")]).await;
        rays.push(answer.header("cf-ray").split('-').next().unwrap_or_default().to_owned());
    }
    let all = events(&hearth, json!({}), 13).await;
    assert!(
        all.windows(2).all(|pair| pair[0]["$metadata"]["id"].as_str() > pair[1]["$metadata"]["id"].as_str()),
        "newest first"
    );
    let invocations = filter("$metadata.type", "eq", "string", json!("cf-worker-event"));
    let found = events(&hearth, json!({ "filters": [invocations.clone()] }), 6).await;
    let first = found.iter().find(|one| one["$metadata"]["requestId"] == rays[0]).expect("the first request");
    assert_eq!(
        (&first["$workers"]["outcome"], &first["$workers"]["eventType"]),
        (&json!("ok"), &json!("fetch"))
    );
    assert_eq!(first["$workers"]["event"]["request"]["headers"]["authorization"], "REDACTED");
    assert_eq!(
        (&first["$metadata"]["trigger"], &first["$metadata"]["service"]),
        (&json!("GET /log"), &json!("tail"))
    );

    // By request id, level, outcome, field, and text.
    let of = |key: &str, value: Value| json!({ "filters": [filter(key, "eq", "string", value)] });
    events(&hearth, of("$metadata.requestId", json!(rays[0])), 3).await;
    let errors = events(&hearth, of("$metadata.level", json!("error")), 2).await;
    assert!(
        errors.iter().any(|one| one["$metadata"]["error"] == "RangeError: thrown in fetch"),
        "{errors:#?}"
    );
    assert!(errors.iter().any(|one| {
        one["source"]["exception"]["stack"].as_str().is_some_and(|stack| stack.contains("index.js:"))
    }));
    events(&hearth, of("$workers.outcome", json!("exception")), 2).await;
    let object =
        events(&hearth, json!({ "filters": [filter("source.user_id", "eq", "number", json!(123))] }), 1)
            .await;
    assert_eq!(object[0]["source"], json!({ "user_id": 123, "kind": "json", "level": "log" }));
    events(&hearth, json!({ "needle": { "value": "A NEEDLE" } }), 2).await;
    events(&hearth, json!({ "needle": { "value": "A NEEDLE", "matchCase": true } }), 0).await;
    events(&hearth, of("$metadata.service", json!("other")), 0).await;
    let past =
        json!({ "queryId": "x", "view": "events", "parameters": {}, "timeframe": { "from": 1, "to": 2 } });
    assert_eq!(ask(&hearth, past).await["events"]["count"], 0);

    // Pages follow each other.
    let mut page = query("events", json!({}));
    page["limit"] = json!(5);
    let mut ids = Vec::new();
    loop {
        let result = ask(&hearth, page.clone()).await;
        assert_eq!(result["events"]["count"], 13);
        let part: Vec<_> = result["events"]["events"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| one["$metadata"]["id"].clone())
            .collect();
        let Some(last) = part.last().cloned() else { break };
        page["offset"] = last;
        ids.extend(part);
    }
    assert_eq!(ids, all.iter().map(|one| one["$metadata"]["id"].clone()).collect::<Vec<_>>());

    // Invocations whole, whichever event was meant.
    let whole = ask(&hearth, query("invocations", of("$metadata.level", json!("warn")))).await;
    let whole = whole["invocations"].as_object().expect("an object");
    assert_eq!(whole.len(), 2);
    assert_eq!(whole[&rays[0]].as_array().expect("a list").len(), 3);

    // Calculations in groups.
    let calculation = json!({
        "calculations": [
            { "operator": "count", "alias": "n" },
            { "operator": "p95", "key": "$workers.wallTimeMs", "keyType": "number" },
            { "operator": "max", "key": "$workers.event.response.status", "keyType": "number" },
        ],
        "filters": [invocations],
        "groupBys": [{ "type": "string", "value": "$workers.eventType" }],
        "orderBy": { "value": "n", "order": "desc" },
    });
    let result = ask(&hearth, query("calculations", calculation)).await;
    let aggregates =
        |index: usize| result["calculations"][index]["aggregates"].as_array().expect("a list").clone();
    let groups: Vec<_> =
        aggregates(0).iter().map(|one| (one["groups"][0]["value"].clone(), one["value"].clone())).collect();
    assert_eq!(groups, [(json!("fetch"), json!(5)), (json!("jsrpc"), json!(1))]);
    assert!(aggregates(1)[0]["value"].as_f64().is_some_and(|ms| ms >= 0.0), "{result}");
    assert_eq!(aggregates(2)[0]["value"], 200);

    let keys = hearth
        .api("POST", &format!("{TELEMETRY}/keys"), Some(json!({ "keyNeedle": { "value": "user_id" } })))
        .await;
    assert_eq!(
        (&keys.result()[0]["key"], &keys.result()[0]["type"]),
        (&json!("source.user_id"), &json!("number"))
    );
    let values = json!({ "datasets": [], "key": "$workers.outcome", "type": "string", "timeframe": { "from": 0, "to": 4_000_000_000_000_i64 } });
    let values = hearth.api("POST", &format!("{TELEMETRY}/values"), Some(values)).await;
    let values: Vec<_> =
        values.result().as_array().expect("a list").iter().map(|one| one["value"].clone()).collect();
    assert_eq!(values, ["ok", "exception"]);

    // A restart keeps them, and so does a kill.
    hearth.stop().await;
    hearth.start_again().await;
    events(&hearth, json!({}), 13).await;
    hearth.get(&host, "/log").await;
    events(&hearth, json!({}), 16).await;
    hearth.kill().await;
    hearth.start_again().await;
    events(&hearth, json!({}), 16).await;

    // Switched off again: what is there stays, and nothing more comes.
    let settings = "/accounts/:a/workers/scripts/tail/script-settings";
    hearth.api("PATCH", settings, Some(json!({ "observability": { "enabled": false } }))).await.result();
    hearth.get(&host, "/log").await;
    sleep(Duration::from_millis(500)).await;
    events(&hearth, json!({}), 16).await;
}

/// One account's logs are nobody else's, though their workers have one name.
#[tokio::test(flavor = "multi_thread")]
async fn logs_are_an_accounts_own() {
    let mut hearth = Hearth::start().await;
    deployed(&hearth, "{ enabled = true }").await;
    hearth.get(&hearth.host("tail"), "/log").await;
    events(&hearth, json!({}), 3).await;
    hearth.stop().await;
    let second = "b".repeat(32);
    {
        let database = rusqlite::Connection::open(hearth.data().join("hearth.db")).expect("the metadata");
        let sql = "INSERT INTO accounts SELECT ?1, 'second', 'second', 0, created_on FROM accounts LIMIT 1";
        database.execute(sql, [&second]).expect("an account");
    }
    hearth.start_again().await;
    let telemetry = format!("/accounts/{second}/workers/observability/telemetry");
    let count = async |hearth: &Hearth| {
        let answer =
            hearth.api("POST", &format!("{telemetry}/query"), Some(query("events", json!({})))).await;
        answer.result()["events"]["count"].as_i64().expect("a count")
    };
    assert_eq!(count(&hearth).await, 0);
    let keys = hearth.api("POST", &format!("{telemetry}/keys"), Some(json!({}))).await;
    assert_eq!(keys.result(), &json!([]));
    let source = std::fs::read_to_string(tests_folder("apps/tail/index.js")).expect("the worker's source");
    let metadata = json!({ "main_module": "index.js", "compatibility_date": "2026-01-01", "observability": { "enabled": true } });
    let form = Form::default().metadata(&metadata.to_string()).part(
        "index.js",
        "application/javascript+module",
        &source,
    );
    let scripts = format!("/accounts/{second}/workers/scripts/tail");
    hearth.api_form("PUT", &scripts, form.finish()).await.result();
    hearth.api("POST", &format!("{scripts}/subdomain"), Some(json!({ "enabled": true }))).await.result();
    assert_eq!(hearth.get(&hearth.host("tail.second"), "/json").await.status, 200);
    let began = Instant::now();
    while count(&hearth).await != 2 {
        assert!(began.elapsed() < PATIENCE, "the second account's own");
        sleep(Duration::from_millis(50)).await;
    }
    events(&hearth, json!({}), 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sampling_and_invocation_logs_are_honoured() {
    let hearth = Hearth::start().await;
    deployed(&hearth, "{ enabled = true, head_sampling_rate = 0.5 }").await;
    let host = hearth.host("tail");
    for _ in 0..200 {
        hearth.get(&host, "/json").await;
    }
    sleep(Duration::from_secs(1)).await;
    let counted =
        ask(&hearth, query("calculations", json!({ "calculations": [{ "operator": "count" }] }))).await;
    let total = &counted["calculations"][0]["aggregates"][0];
    assert_eq!(total["sampleInterval"], 2);
    // Two events of each; half of 200 requests within far more than six deviations.
    let count = total["value"].as_i64().expect("a count");
    assert!((200..600).contains(&count), "{count} estimated for 400");
    let settings = "/accounts/:a/workers/scripts/tail/script-settings";
    let only_logs = json!({ "observability": { "enabled": true, "logs": { "enabled": true, "invocation_logs": false } } });
    hearth.api("PATCH", settings, Some(only_logs)).await.result();
    let before = counted["statistics"]["rows_read"].as_u64().expect("a count");
    hearth.get(&host, "/json").await;
    hearth.get(&host, "/quiet").await;
    sleep(Duration::from_secs(1)).await;
    let after = ask(&hearth, query("calculations", json!({}))).await["statistics"]["rows_read"].as_u64();
    assert_eq!(after, Some(before + 1), "one line, and no invocation");
}

/// The oldest goes when an account has as much as it may.
#[tokio::test(flavor = "multi_thread")]
async fn an_accounts_logs_are_bounded() {
    let config = "[logs]\naccount-mb = 4\n".to_owned();
    let hearth = Hearth::start_with(Options { config, ..Options::default() }).await;
    deployed(&hearth, "{ enabled = true }").await;
    let host = hearth.host("tail");
    hearth.get(&host, "/log").await;
    events(&hearth, json!({ "needle": { "value": "careful" } }), 1).await;
    // 20 lines of 2 KB each.
    for _ in 0..400 {
        hearth.get(&host, "/long").await;
    }
    // A flood loses invocations on its way, which is said on the log: the last one is asked until it is there.
    let last = json!({ "filters": [filter("source.user_id", "eq", "number", json!(123))] });
    let began = Instant::now();
    while ask(&hearth, query("events", last.clone())).await["events"]["count"] == 0 {
        assert!(began.elapsed() < PATIENCE, "the newest are kept");
        hearth.get(&host, "/json").await;
        sleep(Duration::from_millis(200)).await;
    }
    let folder = hearth.data().join("observe").join(hearth.account());
    let files = std::fs::read_dir(&folder).expect("logs are kept there").flatten();
    let bytes: u64 = files.map(|file| file.metadata().map_or(0, |meta| meta.len())).sum();
    assert!(bytes < 8 << 20, "{bytes} bytes of about 16 MB that were logged");
    events(&hearth, json!({ "needle": { "value": "careful" } }), 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_asked_is_said() {
    let hearth = Hearth::start().await;
    for (path, body, word) in [
        ("query", json!({ "queryId": "saved" }), "saved"),
        ("query", json!({ "parameters": {} }), "timeframe"),
        ("query", query("traces", json!({})), "traces"),
        ("query", query("events", json!({ "filters": [{ "key": "a", "operation": "like" }] })), "like"),
        (
            "query",
            query("calculations", json!({ "calculations": [{ "operator": "mode", "key": "a" }] })),
            "mode",
        ),
        ("values", json!({ "timeframe": { "from": 1, "to": 2 } }), "key"),
    ] {
        let error = hearth.api("POST", &format!("{TELEMETRY}/{path}"), Some(body)).await.error();
        assert!(error.0 == 400 && error.2.contains(word), "{error:?}");
    }
    let other = hearth.api("GET", "/accounts/:a/workers/observability/destinations", None).await.error();
    assert!(other.2.contains("Workers Observability"), "{other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_took_along_is_kept() {
    let hearth = Hearth::start().await;
    deployed(&hearth, "{ enabled = true }").await;
    let answer = hearth.get(&hearth.host("tail"), "/heap").await;
    assert_eq!(answer.status, 503, "{}", answer.text());
    let outcome = filter("$workers.outcome", "eq", "string", json!("exceededMemory"));
    let error = filter("$metadata.error", "eq", "string", json!("Error: Worker exceeded memory limit."));
    let kept = events(&hearth, json!({ "filters": [outcome, error] }), 1).await;
    let ray = answer.header("cf-ray").split('-').next().unwrap_or_default();
    assert_eq!(kept[0]["$metadata"]["requestId"], ray);
}
