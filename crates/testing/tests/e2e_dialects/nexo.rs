//! `/api/functions`, `/stats` and `/fn/*`.

use std::time::Duration;

use hearth_testing::{Hearth, Options};
use serde_json::{Value, json};

use crate::{call, curl, curl_json};

/// A handler that says what it got.
const ECHO: &str = "async function handler(request, { env }) {
  const sent = request.method === 'GET' ? null : await request.json();
  return {
    path: new URL(request.url).pathname,
    method: request.method,
    kind: request.headers['content-type'] ?? null,
    own: request.headers.get('X-Own'),
    body: request.body,
    sent,
    key: env.get('KEY') ?? null,
  };
}";

/// Answers in every way that there is.
const ANSWERS: &str = "function handler(request) {
  switch (new URL(request.url).search) {
    case '?text': return 'plain';
    case '?null': return null;
    case '?response': return new Response('made', { status: 418, headers: { 'X-Own': 'yes' } });
    case '?bytes': return new Uint8Array([1, 2]);
    case '?list': return [1, 'a'];
    case '?circle': { const a = {}; a.a = a; return a; }
    case '?function': return () => 1;
    default: throw new RangeError('too far');
  }
}";

async fn create(hearth: &Hearth, function: Value) -> Value {
    let answer = call(hearth, "POST", "/api/functions", &function).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_s_calls_work() {
    let hearth = Hearth::start().await;
    let made = curl_json(
        &hearth,
        r#"curl -X POST http://localhost:3000/api/functions \
  -H "Content-Type: application/json" \
  -d '{
    "name": "hello-world",
    "route": "/api/hello",
    "methods": ["GET", "POST"],
    "code": "function handler(request) { return { message: \"Hello!\" }; }"
  }'"#,
    )
    .await;
    assert_eq!((&made["name"], &made["route"]), (&json!("hello-world"), &json!("/api/hello")));
    assert_eq!(made["methods"], json!(["GET", "POST"]));
    assert_eq!(made["code"], "function handler(request) { return { message: \"Hello!\" }; }");
    let answer = curl_json(&hearth, "curl http://localhost:3000/fn/api/hello").await;
    assert_eq!(answer, json!({"message": "Hello!"}));
    assert_eq!(curl_json(&hearth, "curl http://localhost:3000/health").await, json!({"status": "ok"}));

    // The sample of a handler, which the document does not send.
    let sample = "function handler(request, { env }) {
  return {
    message: \"Hello from Nexo!\",
    timestamp: new Date().toISOString()
  };
}";
    create(&hearth, json!({"name": "sample", "code": sample})).await;
    let answer = curl_json(&hearth, "curl http://localhost:3000/fn/sample").await;
    assert_eq!(answer["message"], "Hello from Nexo!");
    assert!(answer["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_gets_the_request_and_its_environment_and_answers_as_it_likes() {
    let hearth = Hearth::start().await;
    let echo = json!({"name": "echo", "route": "/e/cho/", "code": ECHO, "env": {"KEY": "value"}});
    let id = create(&hearth, echo).await["id"].as_str().expect("an id").to_owned();
    let sent = curl_json(
        &hearth,
        r#"curl -X PUT -H 'content-type: application/json' -H 'x-own: 1' -d '{"a":1}' http://localhost/fn/e/cho?q"#,
    )
    .await;
    let expected = json!({
        "path": "/fn/e/cho", "method": "PUT", "kind": "application/json", "own": "1", "body": "{\"a\":1}",
        "sent": {"a": 1}, "key": "value",
    });
    assert_eq!(sent, expected);

    let change = json!({"env": {"KEY": "other"}, "methods": ["post"], "route": "/moved"});
    let changed = call(&hearth, "PUT", &format!("/api/functions/{id}"), &change).await.json();
    assert_eq!((&changed["route"], &changed["env"]["KEY"]), (&json!("/moved"), &json!("other")));
    assert_eq!((changed["code"].as_str(), &changed["methods"]), (Some(ECHO), &json!(["POST"])));
    assert_eq!(hearth.get("localhost", "/fn/e/cho").await.status, 404);
    let refused = hearth.get("localhost", "/fn/moved").await;
    assert_eq!((refused.status, refused.header("allow")), (405, "POST"));

    let invoked = json!({"body": [1], "headers": {"X-Own": "2"}});
    let invoked = call(&hearth, "POST", &format!("/api/functions/{id}/invoke"), &invoked).await.json();
    assert_eq!((&invoked["status"], &invoked["body"]["sent"]), (&json!(200), &json!([1])));
    assert_eq!((&invoked["body"]["own"], &invoked["body"]["key"]), (&json!("2"), &json!("other")));
    assert!(invoked["duration_ms"].is_f64() && invoked["cold_start"].is_boolean(), "{invoked}");
    assert_eq!(invoked["headers"]["content-type"], "application/json");

    create(&hearth, json!({"name": "answers", "code": ANSWERS})).await;
    for (query, status, kind, body) in [
        ("text", 200, "text/plain;charset=UTF-8", "plain"),
        ("null", 204, "", ""),
        ("response", 418, "text/plain;charset=UTF-8", "made"),
        ("bytes", 200, "application/octet-stream", "\u{1}\u{2}"),
        ("list", 200, "application/json", "[1,\"a\"]"),
        ("throws", 500, "application/json", "RangeError: too far"),
        ("circle", 500, "application/json", "circular"),
        ("function", 500, "application/json", "no JSON"),
    ] {
        let answer = hearth.get("localhost", &format!("/fn/answers?{query}")).await;
        assert_eq!((answer.status, answer.header("content-type")), (status, kind), "{query}");
        assert!(answer.text().contains(body), "{query}: {}", answer.text());
    }

    // What a request was is counted once its last byte is sent.
    let expected = json!({"total": 10, "errors": 3, "in_flight": 0});
    let counted = async {
        loop {
            let stats = call(&hearth, "GET", "/stats", &Value::Null).await.json();
            if stats["requests"] == expected {
                return stats;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let stats = tokio::time::timeout(Duration::from_secs(30), counted).await.expect("all are counted");
    assert_eq!((&stats["functions"], &stats["isolates"]["max"]), (&json!(2), &json!(100)));
    assert!(stats["latency_ms"]["p99"].as_f64() >= stats["latency_ms"]["p50"].as_f64(), "{stats}");
    let own = call(&hearth, "GET", &format!("/api/functions/{id}/stats"), &Value::Null).await.json();
    assert_eq!(own["requests"]["total"], 2);
}

/// Functions answer on the control host, where people are signed in, and are nobody's there.
#[tokio::test(flavor = "multi_thread")]
async fn a_function_neither_sees_nor_makes_a_session_and_its_pages_are_apart() {
    let hearth = Hearth::start().await;
    let code = "function handler(request) {
      const headers = new Headers({ 'content-type': 'text/html', 'content-security-policy': 'default-src *' });
      for (const name of ['hearth_session', '__Host-hearth_session', 'own']) {
        headers.append('set-cookie', `${name}=chosen; Path=/`);
      }
      return new Response(request.headers.get('cookie') ?? 'none', { headers });
    }";
    create(&hearth, json!({"name": "apart", "code": code})).await;
    let cookies = "a=1; hearth_session=secret; __Host-hearth_session=secret; b=2";
    let answer = hearth.get_with("localhost", "/fn/apart", &[("cookie", cookies)]).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "a=1; b=2"), "{}", answer.text());
    let alone = hearth.get_with("localhost", "/fn/apart", &[("cookie", "hearth_session=secret")]).await;
    assert_eq!(alone.text(), "none");
    let all = |name: &str| -> Vec<String> {
        let values = answer.headers.get_all(name).iter();
        values.map(|value| value.to_str().expect("it is text").to_owned()).collect()
    };
    assert_eq!(all("set-cookie"), ["own=chosen; Path=/"]);
    let policies = all("content-security-policy");
    let apart = |policy: &&String| policy.starts_with("sandbox ") && !policy.contains("allow-same-origin");
    assert!(policies.iter().any(|policy| apart(&policy)), "{policies:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_survive_a_restart_and_bad_ones_are_refused() {
    let mut hearth = Hearth::start().await;
    let hello = "function handler() { return 'hello'; }";
    let made = create(&hearth, json!({"name": "hello", "route": "/hello", "code": hello})).await;
    let path = format!("/api/functions/{}", made["id"].as_str().expect("an id"));
    // The worker of that name is somebody else.
    hearth.deploy("hello", "export default { fetch: () => new Response('worker') }").await;
    assert_eq!(hearth.get(&hearth.host("hello"), "/").await.text(), "worker");
    hearth.kill().await;
    hearth.start_again().await;
    assert_eq!(curl(&hearth, "curl http://localhost:3000/fn/hello").await, "hello");
    assert_eq!(hearth.get(&hearth.host("hello"), "/").await.text(), "worker");
    let metrics = call(&hearth, "GET", "/metrics", &Value::Null).await.text();
    for name in ["worker=\"hello\"", "worker=\"nexo/hello\""] {
        assert!(metrics.contains(name), "{name}: {metrics}");
    }

    let other = |field: &str, value: Value| {
        let mut body = json!({"name": "other", "route": "/other", "code": hello});
        body[field] = value;
        body
    };
    for (method, path, body, status, says) in [
        ("POST", "/api/functions", other("route", json!("/hello/")), 409, "/hello"),
        ("POST", "/api/functions", other("name", json!("HELLO")), 409, "HELLO"),
        ("POST", "/api/functions", other("name", json!("a b")), 400, "`name`"),
        ("POST", "/api/functions", other("name", Value::Null), 400, "`name`"),
        ("POST", "/api/functions", other("code", Value::Null), 400, "`code`"),
        ("POST", "/api/functions", other("code", json!("function handler( {")), 400, "SyntaxError"),
        ("POST", "/api/functions", other("code", json!("function other() {}")), 400, "`handler`"),
        ("POST", "/api/functions", other("code", json!("export const a = 1")), 400, "`handler`"),
        (
            "POST",
            "/api/functions",
            other("code", json!("throw new Error('at start');function handler(){}")),
            400,
            "at start",
        ),
        ("POST", "/api/functions", other("route", json!("other")), 400, "`route`"),
        ("POST", "/api/functions", other("methods", json!(["BREW"])), 400, "`methods`"),
        ("POST", "/api/functions", other("env", json!({"A": []})), 400, "`env.A`"),
        ("POST", "/api/functions", other("memory", json!(1)), 400, "`memory`"),
        ("PUT", &path, json!({"name": "other"}), 400, "`name`"),
        ("GET", "/api/functions/0123", Value::Null, 404, "0123"),
        ("PUT", "/api/functions/0123", json!({}), 404, "0123"),
        ("DELETE", "/api/functions/0123", Value::Null, 404, "0123"),
        ("POST", "/api/functions/0123/invoke", json!({}), 404, "0123"),
        ("POST", &format!("{path}/invoke"), json!({"path": "x"}), 400, "`path`"),
    ] {
        let answer = call(&hearth, method, path, &body).await;
        let shown = answer.json();
        assert_eq!(answer.status, status, "{method} {path} {body}: {shown}");
        assert!(shown["error"].as_str().is_some_and(|text| text.contains(says)), "{path} {body}: {shown}");
    }
    let listed = call(&hearth, "GET", "/api/functions", &Value::Null).await.json();
    assert_eq!((&listed["total"], &listed["functions"][0]["name"]), (&json!(1), &json!("hello")));
    let deleted = call(&hearth, "DELETE", &path, &Value::Null).await;
    assert_eq!(deleted.status, 200);
    assert_eq!(hearth.get("localhost", "/fn/hello").await.status, 404);
    create(&hearth, other("route", json!("/hello"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn beyond_the_bound_requests_wait_and_then_are_refused() {
    let env = vec![("NEXO_MAX_CONCURRENT".to_owned(), "1".to_owned())];
    let hearth = Hearth::start_with(Options { env, ..Options::default() }).await;
    let slow = "async function handler(request) {
      await scheduler.wait(Number(new URL(request.url).search.slice(1)));
      return 'done';
    }";
    create(&hearth, json!({"name": "slow", "code": slow})).await;
    let (first, second) =
        tokio::join!(hearth.get("localhost", "/fn/slow?500"), hearth.get("localhost", "/fn/slow?500"));
    assert_eq!((first.text(), second.text()), ("done".to_owned(), "done".to_owned()));
    // Another account's functions have a bound of their own.
    let team = hearth.api("POST", "/accounts", Some(json!({"name": "team"}))).await.result()["id"].clone();
    let body = json!({"name": "theirs", "code": "function handler() { return 'theirs'; }"}).to_string();
    let request = http::Request::post("/api/functions").header("host", "localhost");
    let request = request.header("authorization", format!("Bearer {}", hearth.token()));
    let request = request.header("hearth-account", team.as_str().expect("an id"));
    let made = hearth.send(request.body(body.into()).expect("a request")).await.expect("an answer");
    assert_eq!(made.status, 201, "{made:?}");
    let (first, second, theirs) = tokio::join!(
        hearth.get("localhost", "/fn/slow?14000"),
        hearth.get("localhost", "/fn/slow?14000"),
        async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            hearth.get("localhost", "/fn/theirs").await
        },
    );
    assert_eq!(theirs.text(), "theirs");
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 503]);
    let refused = if first.status == 503 { first } else { second };
    assert_eq!(refused.header("retry-after"), "1");
}
