//! What calls come to: records, statistics, logs, timeouts, memory, several at a time, and what stays after a restart.

use std::time::Duration;

use hearth_testing::Hearth;
use serde_json::{Value, json};

use super::{call, call_json, create, function, invoke, result};

const HANDLERS: [(&str, &str); 2] = [
    (
        "nodejs",
        "const big = [];\n\
         let count = 0;\n\
         exports.handler = async (event) => {\n\
           count += 1;\n\
           console.log('call', count);\n\
           if (event.sleep) await new Promise((done) => setTimeout(done, event.sleep));\n\
           if (event.loop) for (;;) {}\n\
           if (event.fill) for (;;) big.push(Buffer.alloc(1 << 20, 1));\n\
           if (event.throw) throw new RangeError('as asked');\n\
           return { count, key: process.env.KEY, pid: process.pid };\n\
         };",
    ),
    (
        "python",
        "import os, time\n\
         big, count = [], 0\n\
         def handler(event, context):\n    \
             global count\n    \
             count += 1\n    \
             print('call', count)\n    \
             if event.get('sleep'): time.sleep(event['sleep'] / 1000)\n    \
             while event.get('loop'): pass\n    \
             while event.get('fill'): big.append(b'1' * (1 << 20))\n    \
             if event.get('throw'): raise RuntimeError('as asked')\n    \
             return {'count': count, 'key': os.environ.get('KEY'), 'pid': os.getpid()}\n",
    ),
];

/// Asks for something until it is as wanted.
async fn until(hearth: &Hearth, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..200 {
        let found = call(hearth, "GET", path, "").await.json();
        if wanted(&found) {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{path} does not become as wanted: {:#}", call(hearth, "GET", path, "").await.json());
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_are_remembered_with_what_they_took() {
    let mut hearth = Hearth::start().await;
    for (runtime, code) in HANDLERS {
        let fields = json!({
            "name": runtime, "runtime": runtime, "handler": "handler", "code": code, "timeout": 1, "memory": 64,
            "environment": { "KEY": "v" },
        });
        let id = create(&hearth, fields).await;
        let first = invoke(&hearth, &id, json!({})).await;
        assert_eq!((&first["cold_start"], &first["result"]["count"]), (&json!(true), &json!(1)), "{first:#}");
        assert_eq!((&first["result"]["key"], &first["logs"]), (&json!("v"), &json!(["call 1"])), "{first:#}");
        let second = invoke(&hearth, &id, json!({})).await;
        assert_eq!(
            (&second["cold_start"], &second["result"]["count"]),
            (&json!(false), &json!(2)),
            "{second:#}"
        );

        let thrown = invoke(&hearth, &id, json!({ "throw": true })).await;
        assert_eq!(thrown["error"]["message"], "as asked", "{thrown:#}");
        assert!(thrown["error"]["stack"].as_str().unwrap().contains("function."), "{thrown:#}");

        // An endless loop ends its own process; the next call has another.
        let late = invoke(&hearth, &id, json!({ "loop": true })).await;
        assert_eq!(
            (&late["success"], &late["error"]["type"]),
            (&json!(false), &json!("Timeout")),
            "{late:#}"
        );
        assert!(late["error"]["message"].as_str().unwrap().contains("1 s"), "{late:#}");
        assert!(late["duration_ms"].as_f64().unwrap() >= 1000.0, "{late:#}");
        assert_eq!(result(&hearth, &id, json!({})).await["count"], 1);

        let full = invoke(&hearth, &id, json!({ "fill": true })).await;
        assert_eq!(
            (&full["success"], &full["error"]["type"]),
            (&json!(false), &json!("OutOfMemory")),
            "{full:#}"
        );
        assert!(full["memory_mb"].as_f64().unwrap() >= 64.0, "{full:#}");
        assert_eq!(result(&hearth, &id, json!({})).await["count"], 1);

        let path = format!("/api/v1/functions/{id}");
        let stats = until(&hearth, &format!("{path}/stats"), |stats| stats["invocations"] == 7).await;
        assert_eq!(stats["errors"], 3, "{stats:#}");
        assert_eq!(stats["errors_by_type"]["Timeout"], 1, "{stats:#}");
        assert_eq!(stats["errors_by_type"]["OutOfMemory"], 1, "{stats:#}");
        assert!(stats["success_rate"].as_f64().unwrap() < 0.6 && stats["p99_ms"].as_f64().unwrap() >= 1000.0);
        let records = call(&hearth, "GET", &format!("{path}/invocations?limit=3"), "").await.json();
        assert_eq!((&records["total"], records["invocations"].as_array().unwrap().len()), (&json!(7), 3));
        let newest = &records["invocations"][0];
        assert_eq!((&newest["success"], &newest["via"]), (&json!(true), &json!("api")), "{newest:#}");
        assert!(
            newest["started_at"].is_string() && newest["baseline_mb"].as_f64().unwrap() > 1.0,
            "{newest:#}"
        );
        let logs = call(&hearth, "GET", &format!("{path}/logs"), "").await.json();
        let lines = logs["logs"].as_array().unwrap();
        assert!(lines.iter().any(|line| line["message"] == "call 2"), "{logs:#}");
        assert!(lines.iter().any(|line| line["level"] == "error"), "{logs:#}");
    }
    // Functions and what is known of them outlive the server.
    hearth.stop().await;
    hearth.start_again().await;
    let list = call(&hearth, "GET", "/api/v1/functions", "").await.json();
    assert_eq!(list["total"], 2);
    for function in list["functions"].as_array().unwrap() {
        let id = function["id"].as_str().unwrap();
        assert_eq!(result(&hearth, id, json!({})).await["count"], 1);
        let stats = call(&hearth, "GET", &format!("/api/v1/functions/{id}/stats"), "").await.json();
        assert!(stats["invocations"].as_u64().unwrap() >= 7, "{stats:#}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_call_at_a_time_in_a_process_and_more_processes_for_more_calls() {
    let hearth = Hearth::start().await;
    let (runtime, code) = HANDLERS[1];
    let id = function(&hearth, "busy", runtime, code).await;
    // A call that slept in the process of another would take twice as long, and count on.
    let calls = (0..8).map(|_| invoke(&hearth, &id, json!({ "sleep": 1500 })));
    let began = std::time::Instant::now();
    let answers = futures::future::join_all(calls).await;
    let took = began.elapsed();
    assert!(answers.iter().all(|answer| answer["success"] == true), "{answers:#?}");
    let first = answers.iter().filter(|answer| answer["result"]["count"] == 1).count();
    assert!(first > 1, "all had one process");
    println!("8 calls of 1.5 s took {took:?}, in {first} processes");
    // One of them alone would have taken 12 s.
    assert!(took < Duration::from_secs(11), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_takes_over_and_a_bad_one_does_not() {
    let hearth = Hearth::start().await;
    let id = function(&hearth, "versions", "python", "def handler(e, c):\n    return 'one'").await;
    assert_eq!(result(&hearth, &id, json!(null)).await, "one");
    let path = format!("/api/v1/functions/{id}");
    let (status, refused) =
        call_json(&hearth, "PUT", &path, json!({ "code": "def handler(e, c)\n    return 2" })).await;
    assert_eq!((status, &refused["field"]), (400, &json!("code")), "{refused:#}");
    assert!(refused["error"].as_str().unwrap().contains("line 1"), "{refused:#}");
    assert_eq!(result(&hearth, &id, json!(null)).await, "one");
    let (status, changed) =
        call_json(&hearth, "PUT", &path, json!({ "code": "def handler(e, c):\n    return 'two'" })).await;
    assert_eq!((status, &changed["version"]), (200, &json!(2)), "{changed:#}");
    assert_eq!(result(&hearth, &id, json!(null)).await, "two");
    // Another runtime is another version too.
    let fields = json!({ "runtime": "nodejs", "code": "const handler = () => 'three'" });
    assert_eq!(call_json(&hearth, "PUT", &path, fields).await.0, 200);
    assert_eq!(result(&hearth, &id, json!(null)).await, "three");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cron_trigger_calls_a_function() {
    let hearth = Hearth::start().await;
    let code = "def handler(event, context):\n    print(event['cron'], event['scheduledTime'])\n    return 1 / (event['scheduledTime'] % 2)";
    let id = function(&hearth, "nightly", "python", code).await;
    let schedules = "/accounts/:a/workers/scripts/nightly/schedules";
    hearth.api("PUT", schedules, Some(json!([{ "cron": "0 3 * * *" }]))).await.result();
    let run = "/accounts/:a/workers/scripts/nightly/hearth/scheduled";
    for (time, outcome) in [(1_795_000_000_001_i64, "ok"), (1_795_000_000_000, "exception")] {
        let ran = hearth.api("POST", run, Some(json!({ "scheduledTime": time }))).await;
        assert_eq!((&ran.result()["cron"], &ran.result()["outcome"]), (&json!("0 3 * * *"), &json!(outcome)));
    }
    let records = call(&hearth, "GET", &format!("/api/v1/functions/{id}/invocations"), "").await.json();
    let of = |at: usize| records["invocations"][at].clone();
    assert_eq!((&of(1)["via"], &of(1)["success"]), (&json!("cron"), &json!(true)), "{records:#}");
    assert_eq!(of(1)["logs"], json!(["0 3 * * * 1795000000001"]), "{records:#}");
    assert_eq!(of(0)["error"]["type"], "ZeroDivisionError", "{records:#}");
}
