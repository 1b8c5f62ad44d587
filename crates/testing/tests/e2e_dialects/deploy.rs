//! `/api/deploy` and `/api/rollback`.

use std::time::Duration;

use hearth_testing::{Form, Hearth, Options};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::{call, call_as, curl, curl_json};

const PATIENCE: Duration = Duration::from_secs(60);

/// A public site's stand-in.
async fn site() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut seen = [0; 4096];
            let read = stream.read(&mut seen).await.unwrap_or_default();
            let asked = String::from_utf8_lossy(&seen[..read]).to_ascii_lowercase();
            let body = if asked.contains("host: www.baidu.com") { "<div id=\"wrapper\">" } else { "?" };
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
    });
    port
}

fn code(text: &str) -> String {
    format!("addEventListener('fetch', (event) => event.respondWith(new Response('{text}')));")
}

/// Sends a version and expects that it is taken.
async fn deploy(hearth: &Hearth, name: &str, body: Value) -> Value {
    let answer = call(hearth, "POST", &format!("/api/deploy/{name}"), &body).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

async fn text(hearth: &Hearth, host: &str) -> String {
    hearth.get(&hearth.host(host), "/").await.text()
}

/// Waits until a version is in this state.
async fn reaches(hearth: &Hearth, name: &str, version: &str, state: &str) {
    let wait = async {
        loop {
            let function = call(hearth, "GET", &format!("/api/deploy/{name}"), &Value::Null).await.json();
            let versions = function["versions"].as_array().expect("versions").iter();
            if versions.into_iter().any(|known| known["version"] == version && known["state"] == state) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{name}:{version} is not {state}"));
}

/// Line by line as the document has it; the answers too, but for the two that contradict their own call.
#[tokio::test(flavor = "multi_thread")]
async fn the_document_s_calls_answer_as_it_shows_them() {
    let site = site().await;
    let args = "--base-domain func.local --public-url http://func.local --api-host your-host";
    let options = Options {
        args: args.split(' ').map(str::to_owned).collect(),
        config: format!("[egress.hosts]\n\"www.baidu.com\" = \"127.0.0.1:{site}\"\n"),
        ..Options::default()
    };
    let hearth = Hearth::start_with(options).await;
    let answer = curl_json(
        &hearth,
        r#"curl -X POST "http://your-host:8081/api/deploy/hello" \
-H "Content-Type: application/json" \
-d '{
"runtime": "js",
"code": "addEventListener(\"fetch\", event => { event.respondWith(new Response(\"v1\")) })",
"version": "v1"
}'"#,
    )
    .await;
    assert_eq!(
        answer,
        json!({
            "accessUrl": "http://v1.hello.func.local",
            "alias": "",
            "funcName": "hello",
            "status": "success",
            "subdomain": "v1.hello.func.local",
            "version": "v1"
        })
    );
    assert_eq!(curl(&hearth, "curl http://v1.hello.func.local").await, "v1");

    let answer = curl_json(
        &hearth,
        r#"curl -X POST "http://your-host:8081/api/deploy/hello" \
-H "Content-Type: application/json" \
-d '{
"runtime": "js",
"code": "addEventListener(\"fetch\", event => { event.respondWith(new Response(\"v2\")) })",
"version": "v2",
"alias": "test"
}'"#,
    )
    .await;
    assert_eq!(
        answer,
        json!({
            "accessUrl": "http://v2.hello.func.local",
            "alias": "test",
            "funcName": "hello",
            "status": "success",
            "subdomain": "v2.hello.func.local",
            "version": "v2"
        })
    );
    assert_eq!(curl(&hearth, "curl http://test.hello.func.local").await, "v2");
    assert_eq!(curl(&hearth, "curl http://hello.func.local").await, "v2");

    let answer = curl_json(
        &hearth,
        r#"curl -X POST "http://your-host:8081/api/rollback/hello" \
-H "Content-Type: application/json" \
-d '{
"version": "v1"
}'"#,
    )
    .await;
    assert_eq!(
        answer,
        json!({
            "accessUrl": "http://v1.hello.func.local",
            "alias": "",
            "funcName": "hello",
            "status": "success",
            "targetVersion": "v1"
        })
    );
    assert_eq!(curl(&hearth, "curl http://hello.func.local").await, "v1");

    let answer = curl_json(
        &hearth,
        r#"curl -X POST "http://your-host/api/deploy/envTest" \
-H "Content-Type: application/json" \
-d '{
"runtime": "js",
"code": "addEventListener(\"fetch\", (e) => e.respondWith(new Response(APP_ENV)));",
"version": "v1",
"env_vars": {"APP_ENV": "production"}
}'"#,
    )
    .await;
    // The document shows an alias that its call does not send.
    assert_eq!(
        answer,
        json!({
            "accessUrl": "http://v1.envTest.func.local",
            "alias": "",
            "funcName": "envTest",
            "status": "success",
            "subdomain": "v1.envTest.func.local",
            "version": "v1"
        })
    );
    assert_eq!(curl(&hearth, "curl http://v1.envTest.func.local").await, "production");

    let answer = curl_json(&hearth, r#"curl -X POST "http://your-host/api/deploy/test" \
-H "Content-Type: application/json" \
-d '{
"runtime": "js",
"code": "addEventListener(\"fetch\", (e) => { e.respondWith(handle(e.request)); }); async function handle(r) { try { const res = await fetch(\"http://www.baidu.com\"); if (!res.ok) throw new Error(`HTTP ${res.status}`); const html = await res.text(); return new Response(html, { headers: { \"Content-Type\": \"text/html\" } }); } catch (err) { return new Response(JSON.stringify({ err: err.message }), { status: 500, headers: { \"Content-Type\": \"application/json\" } }); } }",
"version": "v1"
}'"#).await;
    // The document shows the subdomain of a version that was not deployed.
    assert_eq!(
        answer,
        json!({
            "accessUrl": "http://v1.test.func.local",
            "alias": "",
            "funcName": "test",
            "status": "success",
            "subdomain": "v1.test.func.local",
            "version": "v1"
        })
    );
    assert!(curl(&hearth, "curl http://v1.test.func.local").await.contains("<div id=\"wrapper\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_runs_others_are_suspended_and_all_survive_a_restart() {
    let mut hearth = Hearth::start().await;
    let port = hearth.address().port();
    let first =
        json!({"runtime": "js", "code": code("one"), "version": "v1", "alias": "old", "idle_timeout": 1});
    let answer = deploy(&hearth, "test", first.clone()).await;
    assert_eq!(answer["accessUrl"], format!("http://v1.test.localhost:{port}"));
    // A module, and a version that gets its name.
    let module = "export default { fetch: () => new Response('two') }";
    let second = deploy(&hearth, "test", json!({"runtime": "js", "code": module})).await;
    let made_up = second["version"].as_str().expect("a version").to_owned();
    assert_eq!(text(&hearth, &format!("{made_up}.test")).await, "two");
    assert_eq!(text(&hearth, "test").await, "two");
    assert_eq!(text(&hearth, "OLD.Test").await, "one");

    reaches(&hearth, "test", "v1", "suspended").await;
    assert!(hearth.log().contains("suspended test:v1 due to inactivity"));
    reaches(&hearth, "test", &made_up, "running").await;
    assert!(!hearth.log().contains(&format!("suspended test:{made_up}")));
    assert_eq!(text(&hearth, "v1.test").await, "one", "it starts again when it is called");

    let rollback = call(&hearth, "POST", "/api/rollback/test", &json!({"version": "V1"})).await;
    assert_eq!(rollback.json()["targetVersion"], "v1");
    assert_eq!(text(&hearth, "test").await, "one");
    hearth.kill().await;
    hearth.start_again().await;
    reaches(&hearth, "test", "v1", "running").await;
    assert_eq!(text(&hearth, "test").await, "one");
    assert_eq!(text(&hearth, &format!("{made_up}.test")).await, "two");

    // The same once more is no conflict, and is the latest from then on; something else under its name is one.
    let again = json!({"runtime": "js", "code": module, "version": made_up, "alias": "old"});
    assert_eq!(deploy(&hearth, "test", again).await["version"], *made_up);
    assert_eq!(text(&hearth, "test").await, "two");
    assert_eq!(text(&hearth, "old.test").await, "two", "the alias has moved");
    let other = json!({"runtime": "js", "code": code("three"), "version": "v1"});
    let conflict = call(&hearth, "POST", "/api/deploy/test", &other).await;
    assert_eq!((conflict.status, conflict.json()["status"].as_str()), (409, Some("error")));

    let stopped = call(&hearth, "POST", "/api/stop/test", &Value::Null).await.json();
    assert!(stopped["stopped"].as_array().expect("a list").contains(&json!(made_up)), "{stopped}");
    reaches(&hearth, "test", &made_up, "suspended").await;
    assert_eq!(text(&hearth, "test").await, "two");

    let latest = call(&hearth, "DELETE", &format!("/api/deploy/test?version={made_up}"), &Value::Null).await;
    assert_eq!(latest.status, 409, "{}", latest.text());
    let gone = call(&hearth, "DELETE", "/api/deploy/test?version=v1", &Value::Null).await;
    assert_eq!((gone.status, gone.json()["version"].as_str()), (200, Some("v1")));
    assert_eq!(hearth.get(&hearth.host("v1.test"), "/").await.status, 404);
    let all = call(&hearth, "GET", "/api/deploy", &Value::Null).await.json();
    assert_eq!((&all["total"], &all["functions"][0]["latest"]), (&json!(1), &json!(made_up)));
    assert_eq!(call(&hearth, "DELETE", "/api/deploy/test", &Value::Null).await.status, 200);
    assert_eq!(hearth.get(&hearth.host("test"), "/").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_memory_budget_the_oldest_is_no_longer_kept() {
    let config = "[processes]\nmemory-budget-mb = 40\n".to_owned();
    let hearth = Hearth::start_with(Options { config, ..Options::default() }).await;
    // A process takes 10 MiB at least.
    let names = ["first", "second", "third", "fourth", "fifth"];
    for name in names {
        deploy(&hearth, name, json!({"runtime": "js", "code": code(name), "version": "v1"})).await;
    }
    let lost = "first:v1 is no longer kept running: the memory budget is used up";
    let said = async {
        while !hearth.log().contains(lost) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, said).await.unwrap_or_else(|_| panic!("nothing is said of it"));
    reaches(&hearth, "first", "v1", "suspended").await;
    reaches(&hearth, "fifth", "v1", "running").await;
    assert!(!hearth.log().contains("fifth:v1 is no longer"), "the newest is kept");
    for name in names {
        assert_eq!(text(&hearth, name).await, name, "it still answers");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_in_the_dialect_s_words() {
    let hearth = Hearth::start().await;
    let good = json!({"runtime": "js", "code": code("x"), "version": "v1"});
    deploy(&hearth, "envTest", good.clone()).await;
    hearth.deploy("taken", "export default { fetch: () => new Response('worker') }").await;
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    let cases = [
        ("POST", "/api/deploy/a", with("runtime", json!("python")), 400, "`runtime`"),
        ("POST", "/api/deploy/a", with("runtime", Value::Null), 400, "`runtime`"),
        ("POST", "/api/deploy/a", with("code", json!("")), 400, "`code`"),
        ("POST", "/api/deploy/a", with("code", json!(7)), 400, "`code`"),
        ("POST", "/api/deploy/a", with("code", json!("addEventListener(")), 400, "SyntaxError"),
        ("POST", "/api/deploy/a", with("version", json!("1.0")), 400, "`version`"),
        ("POST", "/api/deploy/a", with("alias", json!("a b")), 400, "`alias`"),
        ("POST", "/api/deploy/a", with("alias", json!("v1")), 409, "v1"),
        ("POST", "/api/deploy/a", with("env_vars", json!([])), 400, "`env_vars`"),
        ("POST", "/api/deploy/a", with("env_vars", json!({"A": {}})), 400, "`env_vars.A`"),
        ("POST", "/api/deploy/a", with("idle_timeout", json!(-1)), 400, "`idle_timeout`"),
        ("POST", "/api/deploy/a", with("versoin", json!("v2")), 400, "`versoin`"),
        ("POST", "/api/deploy/a.b", good.clone(), 400, "\"a.b\""),
        ("POST", "/api/deploy/ENVTEST", with("version", json!("v2")), 409, "envTest"),
        ("POST", "/api/deploy/taken", good.clone(), 409, "the worker `taken`"),
        ("POST", "/api/rollback/envTest", json!({}), 400, "`version`"),
        ("POST", "/api/rollback/envTest", json!({"version": "v9"}), 404, "v9"),
        ("POST", "/api/rollback/nobody", json!({"version": "v1"}), 404, "nobody"),
        ("POST", "/api/stop/nobody", Value::Null, 404, "nobody"),
        ("GET", "/api/deploy/nobody", Value::Null, 404, "nobody"),
        ("DELETE", "/api/deploy/envTest?version=v9", Value::Null, 404, "v9"),
    ];
    for (method, path, body, status, says) in cases {
        let answer = call(&hearth, method, path, &body).await;
        let shown = answer.json();
        assert_eq!((answer.status, &shown["status"]), (status, &json!("error")), "{path} {body}: {shown}");
        assert!(shown["error"].as_str().is_some_and(|text| text.contains(says)), "{path} {body}: {shown}");
        let name = path.split(['/', '?']).nth(3).expect("a name");
        assert_eq!(shown["funcName"], name);
    }
    let broken = call_as(&hearth, Some(hearth.token()), "POST", "/api/deploy/a", "{").await;
    assert_eq!((broken.status, broken.json()["status"].as_str()), (400, Some("error")));

    // And the other way round: a worker does not take a function's host. Lists say what is what.
    let worker = Form::module("export default { fetch: () => new Response('x') }").finish();
    let (status, _, message) = hearth.upload("envtest", worker).await.error();
    assert!(status == 409 && message.contains("function of /api/deploy `envTest`"), "{message}");
    let scripts = hearth.api("GET", "/accounts/:a/workers/scripts", None).await;
    let kinds: Vec<_> = scripts.result().as_array().expect("a list").iter().map(|one| &one["kind"]).collect();
    assert_eq!(kinds, ["deploy", "workers"]);
    assert_eq!(call(&hearth, "GET", "/api/deploy", &Value::Null).await.json()["total"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_are_refused() {
    let hearth = Hearth::start().await;
    for (method, path) in [
        ("GET", "/api/deploy"),
        ("GET", "/api/deploy/a"),
        ("POST", "/api/deploy/a"),
        ("DELETE", "/api/deploy/a"),
        ("POST", "/api/rollback/a"),
        ("POST", "/api/stop/a"),
        ("GET", "/stats"),
        ("GET", "/api/functions"),
        ("POST", "/api/functions"),
        ("GET", "/api/functions/a"),
        ("PUT", "/api/functions/a"),
        ("DELETE", "/api/functions/a"),
        ("POST", "/api/functions/a/invoke"),
        ("GET", "/api/functions/a/stats"),
    ] {
        for token in [None, Some("wrong")] {
            let answer = call_as(&hearth, token, method, path, "{}").await;
            assert_eq!(answer.status, 401, "{method} {path}: {}", answer.text());
            assert!(answer.json()["error"].is_string(), "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn under_dev_a_local_caller_needs_no_token_and_a_foreign_page_gets_nothing() {
    let options = Options { args: vec!["--dev".to_owned()], ..Options::default() };
    let hearth = Hearth::start_with(options).await;
    for path in ["/api/deploy", "/api/functions", "/stats", "/api/templates"] {
        assert_eq!(call_as(&hearth, None, "GET", path, "").await.status, 200, "{path}");
        let page = [("Origin", "https://evil.test")];
        assert_eq!(hearth.get_with("localhost", path, &page).await.status, 403, "{path}");
    }
}
