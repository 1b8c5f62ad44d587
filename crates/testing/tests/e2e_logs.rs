//! What workers print and throw is on the server's log, with the worker, its version and the request's id.

use std::time::{Duration, Instant};

use hearth_testing::{Form, Hearth, Options, tests_folder};
use serde_json::json;

/// Deploys `tests/apps/logs`, observed or not, and gives its version.
async fn deploy(hearth: &Hearth, limits: serde_json::Value, observed: bool) -> String {
    let source = std::fs::read_to_string(tests_folder("apps/logs/worker.js")).expect("the worker's source");
    let metadata = json!({
        "main_module": "worker.js", "compatibility_date": "2026-11-01", "limits": limits,
        "observability": { "enabled": observed },
        "bindings": [{ "type": "service", "name": "SELF", "service": "logs", "entrypoint": "Shouter" }],
    });
    let form = Form::default().metadata(&metadata.to_string()).part(
        "worker.js",
        "application/javascript+module",
        &source,
    );
    hearth.upload("logs", form.finish()).await.result();
    let scripts = "/accounts/:a/workers/scripts/logs";
    hearth.api("POST", &format!("{scripts}/subdomain"), Some(json!({ "enabled": true }))).await.result();
    let deployments = hearth.api("GET", &format!("{scripts}/deployments"), None).await;
    let version = &deployments.result()["deployments"][0]["versions"][0]["version_id"];
    version.as_str().expect("a deployment has a version").to_owned()
}

/// Waits for lines of the log that hold `text`, and gives the first.
async fn line(hearth: &Hearth, text: &str) -> String {
    let began = Instant::now();
    loop {
        if let Some(line) = hearth.log().lines().find(|line| line.contains(text)) {
            return line.to_owned();
        }
        assert!(began.elapsed() < Duration::from_secs(20), "no line says {text:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Asks for a path, and gives the request's id as the client sees it.
async fn ask(hearth: &Hearth, path: &str, status: u16) -> String {
    let answer = hearth.get(&hearth.host("logs"), path).await;
    assert_eq!(answer.status, status, "{path}: {}", answer.text());
    let ray = answer.header("cf-ray").to_owned();
    ray.split_once('-').expect("CF-Ray is id and colo").0.to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_says_worker_version_and_request() {
    let hearth = Hearth::start().await;
    let version = deploy(&hearth, json!({}), true).await;
    let quiet = ask(&hearth, "/quiet", 200).await;
    for (path, status, said) in [
        (
            "/log",
            200,
            &[
                ("INFO", "said in fetch {\"n\":1}"),
                ("WARN", "said as a warning"),
                ("ERROR", "said in waitUntil TypeError: an error"),
            ][..],
        ),
        (
            "/throw",
            500,
            &[("INFO", "said before the throw"), ("ERROR", "Uncaught RangeError: thrown in fetch")],
        ),
        ("/reject", 200, &[("ERROR", "Uncaught Error: rejected in waitUntil")]),
    ] {
        let id = ask(&hearth, path, status).await;
        let access = line(&hearth, &format!("access: request={id}")).await;
        assert!(access.contains(&format!("version={version}")), "{access}");
        for (level, text) in said {
            let line = line(&hearth, text).await;
            for part in [*level, "worker=\"logs\"", &format!("version={version}"), &format!("request={id}")] {
                assert!(line.contains(part), "{part} is missing: {line}");
            }
        }
    }
    let thrown = line(&hearth, "Uncaught RangeError: thrown in fetch").await;
    assert!(thrown.contains("outcome=\"exception\""), "{thrown}");
    let called = {
        hearth.get(&hearth.host("logs"), "/call").await;
        line(&hearth, "said in a call").await
    };
    assert!(called.contains("event=\"rpc\"") && called.contains("entrypoint=\"Shouter\""), "{called}");

    assert!(thrown.contains("stack=\"") && thrown.contains("worker.js:"), "{thrown}");

    let log = hearth.log();
    let forged = log.lines().find(|line| line.contains("a forged line")).expect("it was logged");
    assert!(forged.contains("said as a warning\\n"), "{forged}");
    for once in ["said in fetch", "said before the throw", "said in a call", "thrown in fetch"] {
        assert_eq!(log.matches(once).count(), 1, "{once:?} stands there once");
    }
    assert_eq!(log.matches(&quiet).count(), 1, "who logs nothing has the access log's line");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_logged_last_is_not_lost() {
    let mut hearth = Hearth::start().await;
    deploy(&hearth, json!({ "cpu_ms": 200 }), true).await;
    assert_eq!(hearth.get(&hearth.host("logs"), "/loop").await.status, 503);
    // A process that is killed sends no trace: its last lines stand where its end does.
    let end = line(&hearth, "exceeded CPU time limit").await;
    assert!(end.contains("said before the end"), "{end}");
    ask(&hearth, "/log", 200).await;
    hearth.stop().await;
    assert!(hearth.log().contains("said in waitUntil"));
}

/// Most workers do not ask for their logs: reporting every invocation would cost each of them.
#[tokio::test(flavor = "multi_thread")]
async fn the_console_of_a_worker_that_is_not_observed_has_no_request() {
    let hearth = Hearth::start().await;
    deploy(&hearth, json!({}), true).await;
    let again = deploy(&hearth, json!({}), false).await;
    ask(&hearth, "/log", 200).await;
    let said = line(&hearth, "said in fetch").await;
    assert!(said.contains("worker=\"logs\"") && said.contains(&format!("version={again}")), "{said}");
    assert!(!said.contains("request="), "{said}");
    ask(&hearth, "/throw", 500).await;
    let thrown = line(&hearth, "thrown in fetch").await;
    assert!(thrown.contains("ERROR"), "{thrown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_can_be_spared_what_workers_say() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("hearth.toml");
    std::fs::write(&config, "[logs]\nworkers = \"none\"\n").expect("a configuration");
    let args = vec!["--config".to_owned(), config.to_string_lossy().into_owned()];
    let hearth = Hearth::start_with(Options { args, ..Options::default() }).await;
    deploy(&hearth, json!({}), true).await;
    let id = ask(&hearth, "/flood", 200).await;
    ask(&hearth, "/throw", 500).await;
    line(&hearth, &format!("access: request={id}")).await;
    assert!(!hearth.log().contains("flood 1 ") && !hearth.log().contains("thrown in fetch"));
}
