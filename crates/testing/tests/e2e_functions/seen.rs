//! Functions are seen as workers are: by tails, in the logs that are kept, and among what is counted.

use std::time::{Duration, Instant};

use hearth_testing::{Hearth, Printed};
use http::{Request, header};
use serde_json::{Value, json};

use super::{call, call_json, create, invoke, result};

const HANDLERS: [(&str, &str); 3] = [
    (
        "nodejs",
        "exports.handler = (event) => {\n\
           console.log('said in ' + (event.path ?? 'the API'));\n\
           if (event.path === '/loop') for (;;) {}\n\
           if (event.throw || event.path === '/throw') throw new RangeError('as asked');\n\
           return { statusCode: 201, body: 'made', pid: process.pid };\n\
         };",
    ),
    (
        "python",
        "import os\n\
         def handler(event, context):\n    \
             print('said in ' + event.get('path', 'the API'))\n    \
             while event.get('path') == '/loop': pass\n    \
             if event.get('throw') or event.get('path') == '/throw': raise ValueError('as asked')\n    \
             return {'statusCode': 201, 'body': 'made', 'pid': os.getpid()}\n",
    ),
    (
        "go",
        "import (\n\"errors\"\n\"fmt\"\n\"os\"\n)\n\
         func handler(event map[string]interface{}, context map[string]string) (interface{}, error) {\n\
         path, _ := event[\"path\"].(string)\n\
         if path == \"\" { fmt.Println(\"said in the API\") } else { fmt.Println(\"said in \" + path) }\n\
         for path == \"/loop\" {}\n\
         if event[\"throw\"] != nil || path == \"/throw\" { return nil, errors.New(\"as asked\") }\n\
         return map[string]interface{}{\"statusCode\": 201, \"body\": \"made\", \"pid\": os.Getpid()}, nil\n}",
    ),
];

/// A function that answers on a host of its own.
async fn made(hearth: &Hearth, (runtime, code): (&str, &str)) -> String {
    let fields = json!({
        "name": format!("seen-{runtime}"), "runtime": runtime, "handler": "handler", "code": code, "timeout": 1,
        "host": format!("{runtime}.seen.test"),
    });
    create(hearth, fields).await
}

async fn visit(hearth: &Hearth, runtime: &str, path: &str) -> u16 {
    let request = Request::get(path)
        .header(header::HOST, format!("{runtime}.seen.test"))
        .header(header::AUTHORIZATION, "Bearer secret")
        .body(Default::default());
    hearth.send(request.expect("a request")).await.expect("an answer").status
}

#[tokio::test(flavor = "multi_thread")]
async fn tails_show_calls_of_the_api_and_of_visitors() {
    let hearth = Hearth::start().await;
    let project = hearth.app("tail");
    for handler in HANDLERS {
        let runtime = handler.0;
        let name = format!("seen-{runtime}");
        let id = made(&hearth, handler).await;
        let pid = result(&hearth, &id, json!({})).await["pid"].clone();
        // One of the three languages by `hearth tail`, by the function's id.
        let mut tail = match runtime {
            "python" => {
                let mut command = hearth_testing::command();
                command.args(["tail", &id, "--json", "--api", &hearth.api_base(), "--token", hearth.token()]);
                Printed::run(command.into())
            }
            _ => Printed::wrangler(&project, &name, &[]),
        };
        hearth.watched(&name, 1).await;
        let answer = invoke(&hearth, &id, json!({})).await;
        assert_eq!(
            answer["result"]["pid"], pid,
            "{runtime}: who watches a function ends none of its processes"
        );
        assert_eq!(invoke(&hearth, &id, json!({ "throw": true })).await["success"], false);
        assert_eq!(visit(&hearth, runtime, "/made?a=b").await, 201);
        assert_eq!(visit(&hearth, runtime, "/throw").await, 500);
        assert_eq!(visit(&hearth, runtime, "/loop").await, 503, "{runtime}");
        assert_eq!(visit(&hearth, runtime, "/end").await, 201);

        let is_end = |one: &Value| path(one).starts_with("/end");
        let seen = tail.until("the last one", |seen| seen.iter().any(is_end)).await;
        assert_eq!(seen.len(), 6, "{seen:#?}");
        let found = |what: &str, is: &dyn Fn(&Value) -> bool| {
            seen.iter().find(|one| is(one)).unwrap_or_else(|| panic!("no {what}: {seen:#?}")).clone()
        };
        let invoked = found("call", &|one| one["event"]["requestId"] == answer["request_id"]);
        assert_eq!((&invoked["scriptName"], &invoked["outcome"]), (&json!(name), &json!("ok")));
        assert_eq!(invoked["event"]["rpcMethod"], "invoke");
        assert_eq!(invoked["logs"][0]["message"], json!(["said in the API"]));
        let failed = found("failed call", &|one| {
            one["event"]["rpcMethod"] == "invoke" && one["outcome"] == "exception"
        });
        assert_eq!(failed["exceptions"][0]["message"], "as asked", "{failed:#}");
        let made = found("visit", &|one| path(one).starts_with("/made"));
        assert_eq!((&made["outcome"], &made["event"]["response"]["status"]), (&json!("ok"), &json!(201)));
        assert_eq!(made["logs"][0]["message"], json!(["said in /made"]), "{made:#}");
        let request = &made["event"]["request"];
        assert_eq!(
            (&request["method"], &request["headers"]["authorization"]),
            (&json!("GET"), &json!("REDACTED"))
        );
        assert!(
            request["cf"]["colo"].is_string() && request["headers"].get("x-hearth-cf").is_none(),
            "{made:#}"
        );
        assert_eq!(request["url"], format!("http://{runtime}.seen.test/made?a=b"));
        let thrown = found("failed visit", &|one| path(one).starts_with("/throw"));
        assert_eq!(
            (&thrown["outcome"], &thrown["event"]["response"]["status"]),
            (&json!("exception"), &json!(500))
        );
        // Its process was ended, and could not say so.
        let late = found("late visit", &|one| path(one).starts_with("/loop"));
        assert_eq!(late["outcome"], "exceededWallTime", "{late:#}");
        let records = call(&hearth, "GET", &format!("/api/v1/functions/{id}/invocations"), "").await.json();
        let late =
            records["invocations"].as_array().unwrap().iter().find(|one| one["error"]["type"] == "Timeout");
        let late = late.unwrap_or_else(|| panic!("{records:#}"));
        assert!(late["via"] == "http" && late["duration_ms"].as_f64().unwrap() >= 1000.0, "{late:#}");
    }
}

/// Path and query of the request that a message is of.
fn path(message: &Value) -> &str {
    let url = message["event"]["request"]["url"].as_str().unwrap_or_default();
    url.find(".seen.test").map_or("", |at| &url[at + ".seen.test".len()..])
}

#[tokio::test(flavor = "multi_thread")]
async fn logs_are_kept_where_the_settings_say_so() {
    let hearth = Hearth::start().await;
    let id = made(&hearth, HANDLERS[1]).await;
    result(&hearth, &id, json!({})).await;
    let settings = "/accounts/:a/workers/scripts/seen-python/script-settings";
    hearth.api("PATCH", settings, Some(json!({ "observability": { "enabled": true } }))).await.result();
    let answer = invoke(&hearth, &id, json!({})).await;
    invoke(&hearth, &id, json!({ "throw": true })).await;
    visit(&hearth, "python", "/kept").await;
    // Three invocations, what each printed, and what one threw; nothing of what was before.
    let all = kept(&hearth, json!({}), 7).await;
    assert!(all.iter().all(|event| event["$metadata"]["service"] == "seen-python"), "{all:#?}");
    let of = |key: &str, value: &Value| json!({ "filters": [{ "key": key, "operation": "eq", "type": "string", "value": value }] });
    kept(&hearth, of("$metadata.requestId", &answer["request_id"]), 2).await;
    let errors = kept(&hearth, of("$metadata.error", &json!("ValueError: as asked")), 1).await;
    assert_eq!(errors[0]["$workers"]["outcome"], "exception");
    kept(&hearth, of("$metadata.trigger", &json!("GET /kept")), 2).await;
}

/// Asks the kept logs until so many events are there.
async fn kept(hearth: &Hearth, parameters: Value, count: usize) -> Vec<Value> {
    let query = json!({
        "queryId": "test", "view": "events", "limit": 100, "parameters": parameters,
        "timeframe": { "from": 1_700_000_000_000_i64, "to": 4_000_000_000_000_i64 },
    });
    let began = Instant::now();
    loop {
        let path = "/accounts/:a/workers/observability/telemetry/query";
        let answer = hearth.api("POST", path, Some(query.clone())).await;
        let events = answer.result()["events"]["events"].as_array().expect("a list").clone();
        if events.len() >= count {
            assert_eq!(events.len(), count, "{events:#?}");
            return events;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{count} events were awaited: {events:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_starts_and_ends_are_counted_however_they_come() {
    let hearth = Hearth::start().await;
    let id = made(&hearth, HANDLERS[1]).await;
    for event in [json!({}), json!({}), json!({ "throw": true }), json!({ "path": "/loop" })] {
        invoke(&hearth, &id, event).await;
    }
    assert_eq!(visit(&hearth, "python", "/").await, 201);
    let labels = format!("worker=\"functions/seen-python\",account=\"{}\"", hearth.account());
    let page = until(&hearth, &format!("hearth_process_ends_total{{{labels},reason=\"timeout\"}} 1")).await;
    let value = |name: &str, more: &str| {
        let start = format!("hearth_{name}{{{labels}{more}}} ");
        let line =
            page.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("{start}: {page}"));
        line[start.len()..].parse::<f64>().expect("a number")
    };
    assert_eq!(value("requests_total", ",status=\"2xx\""), 3.0);
    assert_eq!(value("requests_total", ",status=\"5xx\""), 2.0);
    assert_eq!(value("request_duration_seconds_count", ""), 5.0);
    assert!(value("request_duration_seconds_sum", "") >= 1.0, "the loop took a second");
    assert_eq!(value("cold_start_duration_seconds_count", ""), 2.0);
    assert!(value("worker_cpu_seconds_total", "") > 0.3, "the loop burned a second");
    assert!(value("response_bytes_total", "") > 0.0);
    let body = json!({
        "query": "query { viewer { accounts(filter: {accountTag: $a}) { \
            workersInvocationsAdaptive(limit: 10, filter: {scriptName: \"functions/seen-python\"}) { \
              sum { requests errors coldStarts processDeaths } dimensions { scriptName } } } } }",
        "variables": { "a": hearth.account() },
    });
    let (_, answer) = call_json(&hearth, "POST", "/client/v4/graphql", body).await;
    let row = &answer["data"]["viewer"]["accounts"][0]["workersInvocationsAdaptive"][0];
    let sum = json!({ "requests": 5, "errors": 2, "coldStarts": 2, "processDeaths": 1 });
    assert_eq!(row["sum"], sum, "{answer:#}");
}

/// The page of what is counted, once a line is on it: what a killed process was is known a moment after its end, and what
/// one has used when it is looked at next.
async fn until(hearth: &Hearth, line: &str) -> String {
    let began = Instant::now();
    loop {
        let page = call(hearth, "GET", "/metrics", "").await.text();
        let used = page
            .lines()
            .any(|l| l.starts_with("hearth_worker_memory_bytes{worker=\"functions/") && !l.ends_with(" 0"));
        if used && page.lines().any(|known| known == line || known == format!("{line}.0")) {
            return page;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{line}: {page}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
