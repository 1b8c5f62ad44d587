//! What is counted: the page that Prometheus reads, and the GraphQL node of workers' invocations.

mod second_account;

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use hearth_testing::{Answer, Form, Hearth, Options};
use http::{Request, header};
use second_account::second_account;
use serde_json::{Value, json};

const WORKER: &str = "
    export default {
      async fetch(request, env) {
        const path = new URL(request.url).pathname;
        if (path === '/error') return new Response('no', { status: 500 });
        if (path === '/teapot') return new Response('short', { status: 418 });
        if (path === '/loop') while (true) {}
        if (path === '/kv') { await env.KV.put('a', 'b'); return new Response(await env.KV.get('a')); }
        if (path === '/out') await fetch('https://127.0.0.1:1/').catch(() => {});
        if (request.headers.get('upgrade') === 'websocket') {
          const [client, server] = Object.values(new WebSocketPair());
          server.accept();
          return new Response(null, { status: 101, webSocket: client });
        }
        return new Response('fine');
      },
    };";

async fn scrape(hearth: &Hearth, token: Option<&str>) -> Answer {
    let mut request = Request::builder()
        .uri("/metrics")
        .header(header::HOST, format!("localhost:{}", hearth.address().port()));
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    hearth.send(request.body(Bytes::new()).expect("the request is valid")).await.expect("an answer")
}

/// The samples of the page by name and labels.
async fn samples(hearth: &Hearth) -> HashMap<String, f64> {
    let page = scrape(hearth, Some(hearth.token())).await;
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(page.header("content-type").starts_with("application/openmetrics-text"));
    assert!(page.text().ends_with("# EOF\n"));
    let lines = page.text();
    let samples = lines.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (name, value) = line.rsplit_once(' ').expect("a sample has a value");
        (name.to_owned(), value.parse().expect("a number"))
    });
    samples.collect()
}

/// Looks until a sample is what it has to become: what a killed process was is known a moment after its end.
async fn becomes(hearth: &Hearth, name: &str, fits: impl Fn(f64) -> bool) -> f64 {
    let began = Instant::now();
    loop {
        let samples = samples(hearth).await;
        let value = samples.get(name).copied();
        if let Some(value) = value.filter(|value| fits(*value)) {
            return value;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{name} is {value:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn deploy(hearth: &Hearth) {
    let namespace =
        hearth.api("POST", "/accounts/:a/storage/kv/namespaces", Some(json!({ "title": "counted" }))).await;
    let metadata = json!({
        "main_module": "index.js", "compatibility_date": "2026-01-01", "limits": { "cpu_ms": 200 },
        "bindings": [{ "type": "kv_namespace", "name": "KV", "namespace_id": namespace.result()["id"] }],
    });
    let form = Form::default().metadata(&metadata.to_string()).part(
        "index.js",
        "application/javascript+module",
        WORKER,
    );
    hearth.upload("counted", form.finish()).await.result();
    let path = "/accounts/:a/workers/scripts/counted/subdomain";
    hearth.api("POST", path, Some(json!({ "enabled": true }))).await.result();
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_starts_and_a_kill_are_on_the_page() {
    let hearth = Hearth::start().await;
    deploy(&hearth).await;
    let host = hearth.host("counted");
    for (path, status, times) in
        [("/", 200, 5), ("/error", 500, 2), ("/teapot", 418, 1), ("/kv", 200, 3), ("/out", 200, 1)]
    {
        for _ in 0..times {
            assert_eq!(hearth.get(&host, path).await.status, status, "{path}");
        }
    }
    let labels = format!("worker=\"counted\",account=\"{}\"", hearth.account());
    let named = |name: &str, more: &str| match more {
        "" => format!("hearth_{name}{{{labels}}}"),
        more => format!("hearth_{name}{{{labels},{more}}}"),
    };
    let seen = samples(&hearth).await;
    let value = |name: &str, more: &str| seen.get(&named(name, more)).copied();
    for (status, count) in [("2xx", 9.0), ("4xx", 1.0), ("5xx", 2.0), ("3xx", 0.0), ("disconnected", 0.0)] {
        assert_eq!(value("requests_total", &format!("status=\"{status}\"")), Some(count), "{status}");
    }
    assert_eq!(value("request_duration_seconds_count", ""), Some(12.0));
    assert!(value("request_duration_seconds_sum", "").is_some_and(|sum| sum > 0.0));
    assert_eq!(value("cold_start_duration_seconds_count", ""), Some(1.0));
    assert!(value("cold_start_duration_seconds_sum", "").is_some_and(|sum| sum > 0.0));
    assert_eq!((value("instances", ""), value("egress_requests_total", "")), (Some(1.0), Some(1.0)));
    assert_eq!(value("response_bytes_total", "").map(|bytes| bytes > 20.0), Some(true));
    assert_eq!(seen["hearth_storage_operations_total{kind=\"kv\"}"], 6.0);
    assert_eq!(seen["hearth_storage_operation_errors_total{kind=\"kv\"}"], 0.0);
    assert_eq!(seen["hearth_storage_operation_duration_seconds_count{kind=\"kv\"}"], 6.0);
    assert_eq!(seen["hearth_workers"], 1.0);
    assert!(seen["hearth_requests_total{worker=\"\",account=\"\",status=\"2xx\"}"] > 0.0, "the API's own");
    becomes(&hearth, "hearth_spares", |spares| spares > 0.0).await;

    // A loop is killed: a death with its reason, a second start, and CPU time.
    assert_eq!(hearth.get(&host, "/loop").await.status, 503);
    becomes(&hearth, &named("process_ends_total", "reason=\"stuck\""), |ends| ends == 1.0).await;
    assert_eq!(hearth.get(&host, "/").await.status, 200);
    becomes(&hearth, &named("cold_start_duration_seconds_count", ""), |starts| starts == 2.0).await;
    becomes(&hearth, &named("worker_cpu_seconds_total", ""), |cpu| cpu > 0.15).await;
    becomes(&hearth, &named("worker_memory_bytes", ""), |bytes| bytes > 1e6).await;

    let open = named("websockets", "");
    assert_eq!(samples(&hearth).await[&open], 0.0);
    let url = format!("ws://{}/", hearth.address());
    let mut request =
        tokio_tungstenite::tungstenite::client::IntoClientRequest::into_client_request(url).unwrap();
    request.headers_mut().insert(header::HOST, host.parse().unwrap());
    let stream = tokio::net::TcpStream::connect(hearth.address()).await.unwrap();
    let (socket, _) = tokio_tungstenite::client_async(request, stream).await.expect("a WebSocket");
    assert_eq!(samples(&hearth).await[&open], 1.0);
    drop(socket);
    becomes(&hearth, &open, |open| open == 0.0).await;

    // A worker that is gone takes its series along.
    hearth.api("DELETE", "/accounts/:a/workers/scripts/counted?force=true", None).await.result();
    let left = samples(&hearth).await;
    let left: Vec<_> = left.keys().filter(|name| name.contains("worker=\"counted\"")).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_for_the_installations_token_only() {
    let mut hearth = Hearth::start().await;
    for token in [None, Some("wrong")] {
        assert_eq!(scrape(&hearth, token).await.status, 401);
    }
    let second = second_account(&mut hearth).await;
    let refused = scrape(&hearth, Some(&second.token)).await;
    assert_eq!((refused.status, refused.text().contains("hearth_")), (403, false));
    assert_eq!(scrape(&hearth, Some(hearth.token())).await.status, 200);
    // Not on a worker's host, nor on any other.
    let answer = hearth.get(&hearth.host("nobody"), "/metrics").await;
    assert_eq!(answer.status, 404);

    let dev = Hearth::start_with(Options { args: vec!["--dev".to_owned()], ..Options::default() }).await;
    assert_eq!(scrape(&dev, None).await.status, 200, "a local caller needs none under --dev");
    let page = Request::builder()
        .uri("/metrics")
        .header(header::HOST, format!("localhost:{}", dev.address().port()))
        .header("sec-fetch-site", "cross-site")
        .body(Bytes::new())
        .expect("the request is valid");
    assert_eq!(dev.send(page).await.expect("an answer").status, 401, "a page elsewhere is none");
}

async fn graphql(hearth: &Hearth, account: &str, token: &str, node: &str) -> Value {
    let query =
        format!("query {{ viewer {{ accounts(filter: {{accountTag: $accountTag}}) {{ {node} }} }} }}");
    let body = json!({ "query": query, "variables": { "accountTag": account } });
    let answer =
        hearth.api_raw("POST", "/graphql", "application/json", body.to_string().into(), Some(token)).await;
    answer.body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_asks_for_a_workers_invocations() {
    let mut hearth = Hearth::start().await;
    deploy(&hearth).await;
    let host = hearth.host("counted");
    for (path, times) in [("/", 4), ("/error", 2), ("/out", 1)] {
        for _ in 0..times {
            hearth.get(&host, path).await;
        }
    }
    let node = "workersInvocationsAdaptive(limit: 100, filter: {scriptName: \"counted\"}) {
        sum { requests errors subrequests } quantiles { cpuTimeP50 cpuTimeP99 wallTimeP50 durationP99 }
        dimensions { scriptName status } }";
    let (account, token) = (hearth.account().to_owned(), hearth.token().to_owned());
    let answer = graphql(&hearth, &account, &token, node).await;
    assert_eq!(answer["errors"], Value::Null, "{answer}");
    let groups = &answer["data"]["viewer"]["accounts"][0]["workersInvocationsAdaptive"];
    let of = |status: &str| {
        let mut all = groups.as_array().unwrap().iter();
        all.find(|group| group["dimensions"]["status"] == status)
            .unwrap_or_else(|| panic!("{status}: {answer}"))
            .clone()
    };
    assert_eq!(
        (&of("success")["sum"]["requests"], &of("success")["sum"]["subrequests"]),
        (&json!(5), &json!(1))
    );
    assert_eq!(of("scriptThrewException")["sum"], json!({"requests": 2, "errors": 2, "subrequests": 0}));
    assert!(of("success")["quantiles"]["wallTimeP50"].as_u64().is_some_and(|wall| wall > 0), "{answer}");

    // The minutes outlive a restart, and what comes after it is added.
    hearth.stop().await;
    hearth.start_again().await;
    hearth.get(&host, "/").await;
    let hours = "hours: workersInvocationsAdaptive(orderBy: [datetimeHour_ASC]) { sum { requests } dimensions { datetimeHour scriptName } }";
    let answer = graphql(&hearth, &account, &token, hours).await;
    let hours = answer["data"]["viewer"]["accounts"][0]["hours"]
        .as_array()
        .unwrap_or_else(|| panic!("{answer}"))
        .clone();
    let all: u64 = hours.iter().map(|hour| hour["sum"]["requests"].as_u64().unwrap()).sum();
    assert_eq!((all, &hours[0]["dimensions"]["scriptName"]), (8, &json!("counted")), "{answer}");
    assert!(hours[0]["dimensions"]["datetimeHour"].as_str().unwrap().ends_with(":00:00Z"));

    for _ in 0..3 {
        hearth.get(&host, "/kv").await;
    }
    let kv = "kvOperationsAdaptiveGroups(orderBy: [actionType_ASC]) { sum { requests } dimensions { actionType } }";
    let answer = graphql(&hearth, &account, &token, kv).await;
    let operations = &answer["data"]["viewer"]["accounts"][0]["kvOperationsAdaptiveGroups"];
    let action = |name: &str| json!({ "sum": { "requests": 3 }, "dimensions": { "actionType": name } });
    assert_eq!(operations, &json!([action("read"), action("write")]), "{answer}");

    // Another account sees nothing of it, and asks for nothing but its own.
    let second = second_account(&mut hearth).await;
    let plain = "workersInvocationsAdaptive { sum { requests } }";
    let answer = graphql(&hearth, &second.id, &second.token, plain).await;
    assert_eq!(answer["data"]["viewer"]["accounts"][0]["workersInvocationsAdaptive"], json!([]), "{answer}");
    let answer = graphql(&hearth, &second.id, &second.token, kv).await;
    assert_eq!(answer["data"]["viewer"]["accounts"][0]["kvOperationsAdaptiveGroups"], json!([]), "{answer}");
    let answer = graphql(&hearth, &account, &second.token, plain).await;
    assert!(answer["data"].is_null() && answer["errors"][0]["message"].is_string(), "{answer}");

    for (node, says) in [
        ("httpRequestsAdaptiveGroups { count }", "httpRequestsAdaptiveGroups"),
        ("workersInvocationsAdaptive(filter: {colour: 1}) { count }", "colour"),
        ("workersInvocationsAdaptive { dimensions { country } }", "country"),
        ("workersInvocationsAdaptive { sum { wishes } }", "wishes"),
    ] {
        let answer = graphql(&hearth, &account, &token, node).await;
        let message = answer["errors"][0]["message"].as_str().unwrap_or_default();
        assert!(message.contains(says), "{node}: {answer}");
    }
}
