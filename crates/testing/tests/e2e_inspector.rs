//! Inspector sessions: a debugger attached to a worker that is deployed, and nobody else.

mod second_account;

use std::process::Stdio;
use std::time::Duration;

use futures::StreamExt as _;
use hearth_testing::{Form, Hearth, Printed, command, tests_folder};
use http::StatusCode;
use second_account::second_account;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

const SESSIONS: &str = "/accounts/:a/workers/scripts/inspected/hearth/inspector";
const PATIENCE: Duration = Duration::from_secs(60);

const SOURCE: &str = r#"
import { DurableObject } from "cloudflare:workers";
export class Counter extends DurableObject {
  async add() {
    const n = ((await this.ctx.storage.get("n")) ?? 0) + 1;
    await this.ctx.storage.put("n", n);
    return n;
  }
}
export default {
  async fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname === "/object") return new Response(`${await env.COUNTER.getByName("one").add()}`);
    if (pathname === "/loop") for (;;);
    let count = 1 + (env.START ?? 0);
    console.log("asked for", pathname);
    count += 0; // here
    return new Response(`count ${count} ${request.headers.get("hearth-inspector")}`);
  },
};
"#;

async fn deployed(hearth: &Hearth) {
    let metadata = json!({
        "main_module": "index.js",
        "compatibility_date": "2026-01-01",
        "bindings": [{ "type": "durable_object_namespace", "name": "COUNTER", "class_name": "Counter" }],
        "migrations": { "new_tag": "v1", "new_sqlite_classes": ["Counter"] },
    });
    let form = Form::module(SOURCE).metadata(&metadata.to_string()).finish();
    hearth.upload("inspected", form).await.result();
    let path = "/accounts/:a/workers/scripts/inspected/subdomain";
    hearth.api("POST", path, Some(json!({ "enabled": true }))).await.result();
}

async fn begun(hearth: &Hearth) -> Value {
    hearth.api("POST", SESSIONS, Some(json!({}))).await.result().clone()
}

fn text<'a>(session: &'a Value, name: &str) -> &'a str {
    session[name].as_str().unwrap_or_else(|| panic!("{name} of {session}"))
}

/// Where requests reach the session.
fn host(session: &Value) -> &str {
    text(session, "url").trim_start_matches("http://")
}

/// Processes with an inspector.
fn inspected(hearth: &Hearth) -> usize {
    let listens = |pid: &u32| {
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.contains("--inspector-addr")
    };
    hearth.runtimes().iter().filter(|pid| listens(pid)).count()
}

/// Attaches as a page of an origin would, or as a program, which names none. The status of a refusal.
async fn attach(url: &str, origin: Option<&str>) -> Result<hearth_testing::Socket, StatusCode> {
    let mut request = url.into_client_request().expect("a URL");
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse().expect("a value"));
    }
    let port = request.uri().port_u16().expect("it has one");
    let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the server listens");
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status()),
        Err(error) => panic!("{error}"),
    }
}

/// `hearth inspect`, with a real debugger on what it prints; it ends its session when it is stopped.
#[tokio::test(flavor = "multi_thread")]
async fn a_debugger_holds_a_request_and_nobody_elses() {
    let hearth = Hearth::start().await;
    deployed(&hearth).await;
    let mut inspect = tokio::process::Command::from(command());
    let mut child = inspect
        .args(["inspect", "inspected", "--json"])
        .env("CLOUDFLARE_API_BASE_URL", hearth.api_base())
        .env("CLOUDFLARE_API_TOKEN", hearth.token())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the binary runs");
    let pid = i32::try_from(child.id().expect("it runs")).expect("a pid");
    let mut stdout = child.stdout.take().expect("it is piped");
    let mut line = String::new();
    let mut reader = tokio::io::BufReader::new(&mut stdout);
    tokio::io::AsyncBufReadExt::read_line(&mut reader, &mut line).await.expect("a line");
    let session: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));

    let (from, worker) = (tests_folder("package.json"), format!("http://{}", hearth.host("inspected")));
    let debugger = hearth.app("inspector").env("CDP_FROM", from.to_str()).env("SESSION", Some(&line));
    let ran = timeout(PATIENCE, debugger.env("WORKER_URL", Some(&worker)).node(&["debug.mjs"])).await;
    let output = ran.expect("it comes to an end").expect_ok();
    let seen: Value = output.lines().find_map(|line| serde_json::from_str(line).ok()).expect("JSON");
    assert_eq!(seen["target"], session["websocket_url"], "what is discovered is what was said");
    assert_eq!(seen["count"], 1, "a variable is read");
    assert_eq!(seen["meanwhile"], "count 1 null", "others are served while it is held");
    assert_eq!((&seen["status"], &seen["text"]), (&json!(200), &json!("count 42 null")));
    assert_eq!(seen["said"], json!([["log", "asked for", "/held"]]), "its own console, and no other's");
    assert!(text(&session, "devtools_url").starts_with("devtools://devtools/bundled/js_app.html?"));

    let all = hearth.api("GET", SESSIONS, None).await;
    assert_eq!(all.result()[0]["id"], session["id"]);
    assert!(!all.result().to_string().contains(text(&session, "websocket_url")), "the key is shown once");
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).expect("a pid"),
        rustix::process::Signal::TERM,
    )
    .expect("it runs");
    let ended = timeout(PATIENCE, child.wait()).await.expect("it ends").expect("it ends");
    assert!(ended.success());
    assert_eq!(hearth.api("GET", SESSIONS, None).await.result(), &json!([]));
    assert_eq!(hearth.get(host(&session), "/").await.status, 404);
    let gone = attach(text(&session, "websocket_url"), None).await.map(drop);
    assert_eq!(gone, Err(StatusCode::NOT_FOUND));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_attaches_and_nothing_is_there_without_a_session() {
    let mut hearth = Hearth::start().await;
    deployed(&hearth).await;
    let other = second_account(&mut hearth).await;
    assert_eq!(inspected(&hearth), 0, "nothing listens without a session");
    let session = begun(&hearth).await;
    let url = text(&session, "websocket_url");
    assert_eq!(inspected(&hearth), 1);

    // Pages, whatever they know.
    for origin in ["http://localhost:8787", "https://evil.example", "null", text(&session, "url")] {
        assert_eq!(attach(url, Some(origin)).await.map(drop), Err(StatusCode::FORBIDDEN), "{origin}");
    }
    let discovery = text(&session, "discovery_host");
    let asked = hearth.get_with(discovery, "/json/list", &[("origin", "https://evil.example")]).await;
    assert_eq!(asked.status, 404);
    // Who knows how to send requests to it, or guesses.
    let (base, key) = url.rsplit_once('/').expect("a key");
    for wrong in [text(&session, "id"), "0", &key[1..], &key.replace(&key[..1], "x")] {
        let url = format!("{base}/{wrong}");
        assert_eq!(attach(&url, None).await.map(drop), Err(StatusCode::NOT_FOUND), "{wrong}");
    }
    let control = format!("localhost:{}", hearth.address().port());
    assert_eq!(hearth.get(&control, "/json/list").await.status, 401, "sessions are not told to anybody");
    // Another account, by any of its ways.
    let path = SESSIONS.replace(":a", hearth.account());
    for (method, path) in [
        ("POST", path.clone()),
        ("GET", path.clone()),
        ("DELETE", format!("{path}/{}", text(&session, "id"))),
    ] {
        let refused =
            hearth.api_raw(method, &path, "application/json", "{}".into(), Some(&other.token)).await;
        assert_eq!(refused.error().0, 403, "{method} {path}");
        let refused = hearth.api_raw(method, &path, "application/json", "{}".into(), None).await;
        assert_eq!(refused.error().0, 401, "{method} {path}");
    }
    let own = SESSIONS.replace(":a", &other.id);
    let refused = hearth.api_raw("POST", &own, "application/json", "{}".into(), Some(&other.token)).await;
    assert_eq!(refused.error().0, 404, "it has no such worker");

    // Debuggers may, Chrome's by its own origin.
    let mut first = attach(url, Some("devtools://devtools")).await.expect("a debugger");
    attach(url, None).await.expect("another one");
    // The session is for its own worker.
    hearth.deploy("neighbour", "export default { fetch: () => new Response('neighbour') }").await;
    let id = text(&session, "id");
    let named = [("hearth-inspector", id)];
    assert_eq!(hearth.get_with(&hearth.host("neighbour"), "/", &named).await.status, 404);
    assert_eq!(hearth.get(&hearth.host(&format!("inspect-{id}.neighbour")), "/").await.status, 404);
    let neighbours = format!("{}/{id}", SESSIONS.replace("/inspected/", "/neighbour/"));
    assert_eq!(hearth.api("DELETE", &neighbours, None).await.error().0, 404, "{neighbours}");
    // Both ways to it; the worker does not see by which.
    let by_header = hearth.get_with(&hearth.host("inspected"), "/", &named).await;
    assert_eq!(by_header.text(), "count 1 null");
    assert_eq!(hearth.get(host(&session), "/").await.text(), "count 1 null");

    // As many as one worker may have.
    begun(&hearth).await;
    assert_eq!(hearth.api("POST", SESSIONS, Some(json!({}))).await.error().0, 409);
    let (status, _, words) = hearth.api("POST", SESSIONS, Some(json!({ "version_id": "0" }))).await.error();
    assert_eq!(status, 400, "{words}");

    // The worker goes, and what was attached with it.
    hearth.api("DELETE", "/accounts/:a/workers/scripts/inspected", None).await.result();
    let end = timeout(PATIENCE, async {
        while let Some(Ok(message)) = first.next().await {
            if matches!(message, Message::Close(_)) {
                break;
            }
        }
    });
    end.await.expect("the debugger is told");
    hearth.api("DELETE", "/accounts/:a/workers/scripts/neighbour", None).await.result();
    let gone = async {
        while inspected(&hearth) > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, gone).await.expect("no process is left of them");
}

/// Durable Objects of a session are its own, and an endless loop ends the session's process alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_touches_no_storage_and_no_neighbour() {
    let hearth = Hearth::start().await;
    deployed(&hearth).await;
    let usual = hearth.host("inspected");
    let session = begun(&hearth).await;
    assert_eq!(hearth.get(&usual, "/object").await.text(), "1");
    assert_eq!(hearth.get(&usual, "/object").await.text(), "2");
    for expected in ["1", "2", "3"] {
        assert_eq!(hearth.get(host(&session), "/object").await.text(), expected, "an object of its own");
    }
    assert_eq!(hearth.get(&usual, "/object").await.text(), "3");

    // What is logged there is seen in tails like everything else that the worker says.
    let mut tail = tokio::process::Command::from(command());
    tail.args(["tail", "inspected", "--json"])
        .env("CLOUDFLARE_API_BASE_URL", hearth.api_base())
        .env("CLOUDFLARE_API_TOKEN", hearth.token());
    let mut tail = Printed::run(tail);
    hearth.watched("inspected", 1).await;
    hearth.get(host(&session), "/seen").await;
    tail.until("the request", |seen| seen.iter().any(|one| one.to_string().contains("/seen"))).await;
}
