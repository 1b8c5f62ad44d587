//! Live tails, by the unmodified `wrangler tail`, by `hearth tail` and by hand; workers that tail others.

use std::process::Stdio;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use hearth_testing::{Hearth, Printed, Project, Socket};
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

const TAILS: &str = "/accounts/:a/workers/scripts/tail/tails";
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

async fn deployed(hearth: &Hearth) -> Project {
    let project = hearth.app("tail");
    project.wrangler(&["deploy"]).await.expect_ok();
    project
}

/// Starts `wrangler tail` for the app's worker.
fn tail(project: &Project, args: &[&str]) -> Printed {
    Printed::wrangler(project, "tail", args)
}

/// Waits until the worker has so many tails that somebody looks at.
async fn watched(hearth: &Hearth, count: usize) {
    hearth.watched("tail", count).await;
}

async fn ask(hearth: &Hearth, method: &str, path: &str, headers: &[(&str, &str)]) {
    let mut request = Request::builder().method(method).uri(path).header("host", hearth.host("tail"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    hearth.send(request.body(Default::default()).expect("a request")).await.expect("an answer");
}

fn path(message: &Value) -> String {
    let url = message["event"]["request"]["url"].as_str().unwrap_or_default();
    url.split_once("localhost:")
        .and_then(|(_, rest)| rest.find('/').map(|at| rest[at..].to_owned()))
        .unwrap_or_default()
}

/// Opens a tail as wrangler does, unmasked first frame and all that is left out.
async fn open(url: &str) -> Result<Socket, tokio_tungstenite::tungstenite::Error> {
    let mut request = url.into_client_request().expect("a URL");
    request.headers_mut().insert("sec-websocket-protocol", "trace-v1".parse().expect("a value"));
    let authority = request.uri().authority().expect("a host").to_string().replace("localhost", "127.0.0.1");
    let stream = TcpStream::connect(authority).await.expect("the server listens");
    let (socket, answer) = tokio_tungstenite::client_async(request, stream).await?;
    assert_eq!(answer.headers()["sec-websocket-protocol"], "trace-v1");
    Ok(socket)
}

async fn made(hearth: &Hearth, filters: Value) -> (String, String) {
    let tail = hearth.api("POST", TAILS, Some(json!({ "filters": filters }))).await;
    let text = |key: &str| tail.result()[key].as_str().expect("text").to_owned();
    (text("id"), text("url"))
}

/// The next message, or the code of the close frame.
async fn next(socket: &mut Socket) -> Result<Value, u16> {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("something comes") {
            Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).expect("JSON")),
            Some(Ok(Message::Close(Some(frame)))) => return Err(frame.code.into()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrangler_shows_what_each_filter_lets_through() {
    let hearth = Hearth::start().await;
    let project = deployed(&hearth).await;
    let deployments = hearth.api("GET", "/accounts/:a/workers/scripts/tail/deployments", None).await;
    let version = deployments.result()["deployments"][0]["versions"][0]["version_id"].clone();
    let version = version.as_str().expect("a version");
    // Each with what it must show of the requests below.
    let filters: [(&[&str], &[&str]); 8] = [
        (&["--status", "error"], &["/throw"]),
        (&["--method", "POST", "--method", "PUT"], &["/post"]),
        (&["--header", "X-Debug"], &["/header"]),
        (&["--header", "x-debug:on"], &["/header"]),
        (&["--search", "needle"], &["/log"]),
        (&["--ip", "self", "--status", "ok"], &["/call", "/end", "/header", "/log", "/post"]),
        (&["--ip", "198.51.100.7"], &[]),
        (&["--version-id", version, "--method", "PUT", "--method", "POST"], &["/post"]),
    ];
    let mut all = tail(&project, &[]);
    let mut tails = Vec::new();
    for (index, (args, _)) in filters.iter().enumerate() {
        tails.push(tail(&project, args));
        if index % 2 == 1 {
            watched(&hearth, index + 2).await;
        }
    }
    ask(&hearth, "GET", "/log", &[("authorization", "Bearer secret")]).await;
    ask(&hearth, "POST", "/post", &[]).await;
    ask(&hearth, "GET", "/throw", &[]).await;
    ask(&hearth, "GET", "/header", &[("x-debug", "it is on")]).await;
    ask(&hearth, "GET", "/call", &[]).await;
    let cron = "/accounts/:a/workers/scripts/tail/hearth/scheduled";
    hearth
        .api("POST", cron, Some(json!({ "cron": "* * * * *", "scheduledTime": 1_795_000_000_000_i64 })))
        .await
        .result();
    ask(&hearth, "GET", "/end", &[]).await;

    // Six requests, the call of one of them, and the cron trigger.
    let seen = all.until("all of it", |seen| seen.len() == 8).await;
    let of = |wanted: &str| {
        seen.iter()
            .find(|message| path(message) == wanted)
            .unwrap_or_else(|| panic!("no {wanted}: {seen:#?}"))
    };
    let log = of("/log");
    assert_eq!(
        (&log["outcome"], &log["scriptName"], &log["entrypoint"]),
        (&json!("ok"), &json!("tail"), &json!("default"))
    );
    assert_eq!(log["scriptVersion"]["id"], version);
    assert_eq!(log["event"]["request"]["headers"]["authorization"], "REDACTED");
    assert_eq!(log["event"]["response"]["status"], 200);
    assert_eq!(log["logs"][0]["message"], json!(["a needle", { "in": "hay" }]));
    assert_eq!(log["logs"][1]["level"], "warn");
    let throw = of("/throw");
    assert_eq!(throw["outcome"], "exception");
    assert_eq!(
        (&throw["exceptions"][0]["name"], &throw["exceptions"][0]["message"]),
        (&json!("RangeError"), &json!("thrown in fetch"))
    );
    assert!(
        throw["exceptions"][0]["stack"].as_str().is_some_and(|stack| stack.contains("index.js:")),
        "{throw}"
    );
    let called = seen.iter().find(|message| message["event"]["rpcMethod"] == "shout").expect("the call");
    assert_eq!(called["entrypoint"], "Shouter");
    let cron = seen.iter().find(|message| message["event"]["cron"] == "* * * * *").expect("the cron trigger");
    assert_eq!(cron["event"]["scheduledTime"], 1_795_000_000_000_i64);

    for ((args, expected), tail) in filters.iter().zip(&mut tails) {
        let shown = tail.until("what it lets through", |seen| requests(seen).len() >= expected.len()).await;
        sleep(PAUSE).await;
        let shown = [shown, tail.rest()].concat();
        assert_eq!(requests(&shown), *expected, "{args:?}");
    }
}

/// The paths of the requests among messages, in the order of the alphabet.
fn requests(messages: &[Value]) -> Vec<String> {
    let mut paths: Vec<String> = messages.iter().map(path).filter(|path| !path.is_empty()).collect();
    paths.sort();
    paths
}

#[tokio::test(flavor = "multi_thread")]
async fn wrangler_prints_for_people_and_leaves_no_tail_behind() {
    let hearth = Hearth::start().await;
    let project = deployed(&hearth).await;
    let mut command = project.command(&["tail", "tail", "--format", "pretty"]);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("wrangler");
    let mut stdout = child.stdout.take().expect("it was piped");
    watched(&hearth, 1).await;
    ask(&hearth, "GET", "/log", &[]).await;
    let mut text = String::new();
    let read = async {
        let mut chunk = [0; 4096];
        while !text.contains("(warn) careful") {
            let count = stdout.read(&mut chunk).await.expect("it can be read");
            assert!(count > 0, "wrangler ended: {text}");
            text.push_str(&String::from_utf8_lossy(&chunk[..count]));
        }
    };
    timeout(PATIENCE, read).await.expect("the request is shown");
    assert!(text.contains("/log - Ok @ ") && text.contains("(log) a needle { in: 'hay' }"), "{text}");
    let pid = i32::try_from(child.id().expect("it runs")).expect("a pid");
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(pid).expect("a pid"),
        rustix::process::Signal::INT,
    )
    .expect("it can be signalled");
    let status = timeout(PATIENCE, child.wait()).await.expect("it ends").expect("a status");
    assert!(status.success() || status.code().is_none(), "{status}");
    watched(&hearth, 0).await;
    assert_eq!(hearth.api("GET", TAILS, None).await.result(), &json!([]));
}

/// Opening a tail gives the worker another process; who is answered meanwhile does not notice, and the first request
/// after it is seen.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_under_load_is_watched_without_an_error() {
    let hearth = Hearth::start().await;
    deployed(&hearth).await;
    let host = hearth.host("tail");
    assert_eq!(hearth.get(&host, "/before").await.status, 200);
    let stop = tokio_util::sync::CancellationToken::new();
    let load = async {
        let mut count = 0;
        while !stop.is_cancelled() {
            let answer = hearth.get(&host, "/load").await;
            assert_eq!((answer.status, answer.text().as_str()), (200, "GET\n"));
            count += 1;
        }
        count
    };
    let watch = async {
        sleep(Duration::from_millis(300)).await;
        let (id, url) = made(&hearth, json!([{ "header": { "key": "x-first" } }])).await;
        ask(&hearth, "GET", "/first", &[("x-first", "1")]).await;
        let mut socket = open(&url).await.expect("the tail");
        assert_eq!(path(&next(&mut socket).await.expect("a message")), "/first");
        sleep(Duration::from_millis(300)).await;
        hearth.api("DELETE", &format!("{TAILS}/{id}"), None).await.result();
        assert_eq!(next(&mut socket).await, Err(1000));
        stop.cancel();
    };
    let (count, ()) = tokio::join!(load, watch);
    assert!(count > 10, "{count} requests");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_belongs_to_one_worker_one_viewer_and_who_made_it() {
    let mut hearth = Hearth::start().await;
    deployed(&hearth).await;
    hearth.deploy("other", "export default { fetch() { return new Response('other') } }").await;
    let (id, url) = made(&hearth, json!([])).await;
    assert!(id.len() == 32 && url.ends_with(&format!("/tail/{id}")), "{url}");
    let forged = url.replace(&id, &"0".repeat(32));
    assert!(open(&forged).await.is_err(), "an id that nobody made");
    let mut socket = open(&url).await.expect("the tail");
    assert!(open(&url).await.is_err(), "a second viewer");
    hearth.get(&hearth.host("other"), "/").await;
    ask(&hearth, "GET", "/mine", &[]).await;
    assert_eq!(path(&next(&mut socket).await.expect("a message")), "/mine");
    socket.send(Message::Ping("wrangler tail ping".into())).await.expect("it is open");
    let pong = timeout(PATIENCE, socket.next()).await.expect("a pong").expect("open").expect("a frame");
    assert_eq!(pong, Message::Pong("wrangler tail ping".into()));
    // Ending it as another worker's does nothing.
    hearth.api("DELETE", &format!("/accounts/:a/workers/scripts/other/tails/{id}"), None).await.result();
    ask(&hearth, "GET", "/still", &[]).await;
    assert_eq!(path(&next(&mut socket).await.expect("a message")), "/still");
    let more: Vec<_> =
        futures::future::join_all((0..10).map(|_| hearth.api("POST", TAILS, Some(json!({}))))).await;
    let refused: Vec<_> = more.iter().filter(|answer| answer.status == 400).collect();
    assert_eq!(refused.len(), 1, "ten at a time: {more:?}");
    assert!(refused[0].error().2.contains("10 tails"), "{refused:?}");
    assert_eq!(
        hearth.api("POST", "/accounts/:a/workers/scripts/none/tails", Some(json!({}))).await.error().1,
        10007
    );
    let wrong = hearth.api("POST", TAILS, Some(json!({ "filters": [{ "colour": "red" }] }))).await.error();
    assert!(wrong.2.contains("colour"), "{wrong:?}");
    // Another account's tail of a worker of the same name is not this one's.
    let stranger = second_account(&mut hearth).await;
    let tails = format!("/accounts/{stranger}/workers/scripts/tail/tails");
    assert_eq!(hearth.api("POST", &tails, Some(json!({}))).await.error().1, 10007);
    let (_, url) = made(&hearth, json!([])).await;
    let mut socket = open(&url).await.expect("the tail");
    hearth.api("DELETE", "/accounts/:a/workers/scripts/tail?force=true", None).await.result();
    assert_eq!(next(&mut socket).await, Err(1000), "the worker is gone");
}

/// Makes a second account beside the default one: there is no call for it.
async fn second_account(hearth: &mut Hearth) -> String {
    hearth.stop().await;
    let id = "b".repeat(32);
    {
        let database = rusqlite::Connection::open(hearth.data().join("hearth.db")).expect("the metadata");
        let sql = "INSERT INTO accounts SELECT ?1, 'second', 'second', 0, created_on FROM accounts LIMIT 1";
        database.execute(sql, [&id]).expect("an account");
    }
    hearth.start_again().await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_is_sampled_and_the_viewer_is_told() {
    let hearth = Hearth::start().await;
    deployed(&hearth).await;
    let (_, url) = made(&hearth, json!([])).await;
    let mut socket = open(&url).await.expect("the tail");
    let flood = futures::stream::iter(0..3000).for_each_concurrent(32, |_| async {
        assert_eq!(hearth.get(&hearth.host("tail"), "/flood").await.status, 200);
    });
    let watch = async {
        let mut seen = 0;
        loop {
            let message = next(&mut socket).await.expect("a message");
            if message["event"]["type"] == "overload" {
                let text = message["event"]["message"].as_str().expect("a text");
                assert!(text.starts_with("Tail is currently in sampling mode"), "{text}");
                return seen;
            }
            seen += 1;
        }
    };
    let ((), seen) = tokio::join!(flood, watch);
    assert!(seen >= 250, "{seen} messages before it was too much");
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_workers_are_told_and_circles_end() {
    let hearth = Hearth::start().await;
    let producer = hearth.app("tail");
    producer.edit(
        "wrangler.toml",
        "workers_dev = true",
        "workers_dev = true\ntail_consumers = [{ service = \"tail-worker\" }]",
    );
    let refused = producer.wrangler(&["deploy"]).await.expect_failure();
    assert!(refused.contains("does not exist on this account") && refused.contains("10203"), "{refused}");
    hearth.app("tail-worker").wrangler(&["deploy"]).await.expect_ok();
    producer.wrangler(&["deploy"]).await.expect_ok();
    let told = hearth.api("GET", "/accounts/:a/workers/tails/by-consumer/tail-worker", None).await;
    assert_eq!(
        told.result(),
        &json!([{ "producer": { "script": "tail" } }, { "producer": { "script": "tail-worker" } }])
    );

    ask(&hearth, "GET", "/log", &[("authorization", "Bearer secret")]).await;
    ask(&hearth, "GET", "/throw", &[]).await;
    let consumer = hearth.host("tail-worker");
    let seen = async {
        loop {
            let answer = hearth.get(&consumer, "/").await.json();
            let of = |path: &str| {
                let all = answer["seen"].as_array().expect("a list").iter();
                all.filter(|one| {
                    one["script"] == "tail" && one["url"].as_str().is_some_and(|url| url.ends_with(path))
                })
                .cloned()
                .collect::<Vec<_>>()
            };
            let (log, throw) = (of("/log"), of("/throw"));
            if !log.is_empty() && !throw.is_empty() {
                return (log, throw);
            }
            sleep(PAUSE).await;
        }
    };
    let (log, throw) = timeout(PATIENCE, seen).await.expect("it is told");
    assert_eq!((log.len(), throw.len()), (1, 1), "each once");
    assert_eq!(log[0]["logs"][0], json!({ "level": "log", "message": ["a needle", { "in": "hay" }] }));
    assert_eq!(
        (&log[0]["authorization"], &log[0]["unredacted"]),
        (&json!("REDACTED"), &json!("Bearer secret"))
    );
    assert_eq!((&log[0]["status"], &log[0]["entrypoint"]), (&json!(200), &json!("default")));
    assert_eq!(throw[0]["exceptions"], json!(["RangeError: thrown in fetch"]));

    // It is told of its own requests, and not of being told.
    let before = hearth.get(&consumer, "/").await.json()["calls"].as_u64().expect("a count");
    sleep(Duration::from_secs(2)).await;
    let after = hearth.get(&consumer, "/").await.json();
    let calls = after["calls"].as_u64().expect("a count");
    assert!(calls <= before + 2, "{before} calls became {calls}");
    let own = after["seen"].as_array().expect("a list").iter().filter(|one| one["script"] == "tail-worker");
    assert!(own.clone().count() >= 1 && own.clone().all(|one| one["consumed"].is_null()), "{after:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn hearth_tail_shows_the_same() {
    let hearth = Hearth::start().await;
    deployed(&hearth).await;
    let binary = std::env::var_os("HEARTH_BIN").expect("HEARTH_BIN names the binary");
    let child = tokio::process::Command::new(binary)
        .args(["tail", "tail", "--json", "--status", "error"])
        .env("CLOUDFLARE_API_BASE_URL", hearth.api_base())
        .env("CLOUDFLARE_API_TOKEN", hearth.token())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the binary runs");
    let mut shown = Printed::of(child);
    watched(&hearth, 1).await;
    ask(&hearth, "GET", "/log", &[]).await;
    ask(&hearth, "GET", "/throw", &[]).await;
    let seen = shown.until("the failure", |seen| !seen.is_empty()).await;
    assert_eq!(requests(&seen), ["/throw"]);
    ask(&hearth, "GET", "/heap", &[]).await;
    let seen = shown.until("the death", |seen| !seen.is_empty()).await;
    assert_eq!((&*path(&seen[0]), end(&seen[0]).0), ("/heap", "exceededMemory"));
    assert!(hearth.operator(&["tail", "--help"]).contains("hearth tail hello --status error"));
}

/// What a message says of an end that the process could not report.
fn end(message: &Value) -> (&str, &str) {
    let text = |value: &'_ Value| value.as_str().map(str::to_owned);
    let exceptions = message["exceptions"].as_array().expect("a list");
    assert_eq!(exceptions.len(), 1, "{message:#}");
    assert!(text(&exceptions[0]["name"]).is_some_and(|name| name == "Error"), "{message:#}");
    let outcome = message["outcome"].as_str().expect("an outcome");
    (outcome, exceptions[0]["message"].as_str().expect("a message"))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_took_along_is_told() {
    let hearth = Hearth::start().await;
    let project = hearth.app("tail");
    hearth.app("tail-worker").wrangler(&["deploy"]).await.expect_ok();
    let settings = "workers_dev = true\nlimits = { cpu_ms = 300 }\ntail_consumers = [{ service = \"tail-worker\" }]\n\
                    triggers = { crons = [\"1 1 1 1 *\"] }";
    project.edit("wrangler.toml", "workers_dev = true", settings);
    project.wrangler(&["deploy"]).await.expect_ok();
    let mut shown = tail(&project, &[]);
    watched(&hearth, 1).await;

    let cpu = ("exceededCpu", "Worker exceeded CPU time limit.");
    let memory = ("exceededMemory", "Worker exceeded memory limit.");
    for (target, expected) in [("/loop", cpu), ("/heap", memory)] {
        ask(&hearth, "POST", target, &[("authorization", "Bearer secret"), ("x-own", "kept")]).await;
        let seen = shown.until(target, |seen| seen.iter().any(|one| path(one) == target)).await;
        let told: Vec<_> = seen.iter().filter(|one| path(one) == target).collect();
        assert_eq!(told.len(), 1, "{told:#?}");
        assert_eq!(end(told[0]), expected, "{target}");
        let request = &told[0]["event"]["request"];
        assert_eq!((&request["method"], &request["cf"]["colo"]), (&json!("POST"), &json!("HRT")));
        let headers = &request["headers"];
        assert_eq!((&headers["authorization"], &headers["x-own"]), (&json!("REDACTED"), &json!("kept")));
        assert!(told[0]["event"]["response"].is_null(), "{:#}", told[0]);
    }
    // A tail worker is told too.
    let consumer = hearth.host("tail-worker");
    let told = async {
        loop {
            let answer = hearth.get(&consumer, "/").await.json();
            let seen = answer["seen"].as_array().expect("a list");
            let outcomes =
                seen.iter().filter(|one| one["script"] == "tail").map(|one| one["outcome"].clone());
            let outcomes: Vec<_> = outcomes.filter(|outcome| outcome != "ok").collect();
            if outcomes.len() >= 2 {
                return outcomes;
            }
            sleep(PAUSE).await;
        }
    };
    let told = timeout(PATIENCE, told).await.expect("it is told");
    assert_eq!(told, ["exceededCpu", "exceededMemory"]);

    // A cron run that dies.
    let run = "/accounts/:a/workers/scripts/tail/hearth/scheduled";
    hearth.api("POST", run, Some(json!({ "cron": "1 1 1 1 *" }))).await;
    let seen =
        shown.until("the cron run", |seen| seen.iter().any(|one| one["event"]["cron"].is_string())).await;
    let told = seen.iter().find(|one| one["event"]["cron"].is_string()).expect("it was awaited");
    assert_eq!(end(told), cpu);

    // Its response has begun when somebody kills it.
    let request = Request::builder().uri("/drip").header("host", hearth.host("tail"));
    let mut response =
        hearth.open(request.body(Default::default()).expect("a request")).await.expect("an answer");
    let first = response.body_mut().frame().await.expect("a frame").expect("a frame");
    assert!(first.into_data().expect("data").starts_with(b"drop"));
    hearth.kill_runtimes();
    let seen = shown.until("the answer", |seen| seen.iter().any(|one| path(one) == "/drip")).await;
    let told = seen.iter().find(|one| path(one) == "/drip").expect("it was awaited");
    assert_eq!(end(told), ("exception", "The worker's process ended unexpectedly."));
    assert_eq!(told["event"]["response"]["status"], 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_is_no_death() {
    let hearth = Hearth::start().await;
    let project = deployed(&hearth).await;
    let mut shown = tail(&project, &[]);
    watched(&hearth, 1).await;
    let request = Request::builder().uri("/drip").header("host", hearth.host("tail"));
    let response =
        hearth.open(request.body(Default::default()).expect("a request")).await.expect("an answer");
    drop(response);
    ask(&hearth, "GET", "/log", &[]).await;
    let mut seen = shown.until("the next request", |seen| seen.iter().any(|one| path(one) == "/log")).await;
    // Longer than it is waited for the news of a death.
    sleep(Duration::from_secs(1)).await;
    seen.extend(shown.rest());
    let drips: Vec<_> = seen.iter().filter(|one| path(one) == "/drip").collect();
    assert!(drips.len() <= 1, "its process tells of it, and nobody else: {drips:#?}");
    assert!(drips.iter().all(|one| one["exceptions"] == json!([])), "{drips:#?}");
}
