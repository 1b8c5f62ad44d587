//! The Cache API and `fetch`'s cache, `tests/apps/cache`: calls whose results stand in its `cases.json`, on Hearth and on
//! `wrangler dev`; what keeps accounts apart, survives a restart, is bounded, and is purged.

mod second_account;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use hearth_testing::{Answer, Hearth, Options, Project};
use http::{Request, header};
use second_account::{Second, second_account};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

// ---- what each call gives ----------------------------------------------------------------------------------

fn cases(project: &Project) -> Vec<Value> {
    let text = fs::read_to_string(project.path().join("cases.json")).expect("the cases are there");
    serde_json::from_str(&text).expect("the cases are JSON")
}

/// What a case gives: `dev` stands where `wrangler dev` gives something else, with the reason as `why`.
fn expected(case: &Value, on_dev: bool) -> Value {
    let case = case.as_object().expect("a case is an object");
    match (case.get("dev").filter(|_| on_dev), case.get("throws")) {
        (Some(dev), _) => json!({ "gives": dev }),
        (None, Some(throws)) => json!({ "throws": throws }),
        (None, None) => json!({ "gives": case["gives"] }),
    }
}

async fn compare(project: &Project, on_dev: bool, ask: impl AsyncFn(&str) -> Answer) {
    let mut faults = Vec::new();
    for (number, case) in cases(project).iter().enumerate() {
        assert!(case.get("dev").is_none() || case["why"].is_string(), "a difference has a reason: {case}");
        let (found, expected) = (ask(&format!("/run?case={number}")).await, expected(case, on_dev));
        // Where what it gives cannot be written down, that it differs can.
        let is_as_expected = match &expected["gives"]["$differs"] {
            Value::Bool(true) => found.json() != self::expected(case, false),
            _ => found.json() == expected,
        };
        if !is_as_expected {
            faults.push(format!("{number} {}: {} instead of {expected}", case["what"], found.text()));
        }
    }
    assert!(faults.is_empty(), "{} calls differ:\n{}", faults.len(), faults.join("\n"));
}

async fn deployed(hearth: &Hearth) -> Project {
    let project = hearth.app("cache");
    project.wrangler(&["deploy"]).await.expect_ok();
    project
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_gives_what_cases_json_says() {
    let hearth = Hearth::start().await;
    let project = deployed(&hearth).await;
    compare(&project, false, async |path: &str| hearth.get(&hearth.host("cache"), path).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrangler_dev_differs_only_where_cases_json_says_so() {
    let hearth = Hearth::start().await;
    let project = hearth.app("cache");
    let dev = project.dev().await;
    compare(&project, true, async |path: &str| dev.get(path).await.expect("it answers")).await;
}

// ---- whose it is and how long it stays ---------------------------------------------------------------------

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn ask(hearth: &Hearth, host: &str, call: &str, url: &str, more: &[(&str, &str)]) -> String {
    let more: String = more.iter().map(|(name, value)| format!("&{name}={}", encoded(value))).collect();
    let answer = hearth.get(host, &format!("/{call}?url={}{more}", encoded(url))).await;
    assert_eq!(answer.status, 200, "{call} {url}: {}", answer.text());
    answer.text()
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_and_their_purges_are_apart_and_a_restart_loses_nothing() {
    const URL: &str = "https://made-up.test/a";
    let mut hearth = Hearth::start().await;
    deployed(&hearth).await;
    let Second { id: second, token } = second_account(&mut hearth).await;
    let project = hearth.app("cache").env("CLOUDFLARE_ACCOUNT_ID", Some(&second));
    let project = project.env("CLOUDFLARE_API_TOKEN", Some(&token));
    project.wrangler(&["deploy"]).await.expect_ok();
    let (mine, theirs) = (hearth.host("cache"), hearth.host("cache.second"));

    ask(&hearth, &mine, "put", URL, &[("body", "mine")]).await;
    assert_eq!(ask(&hearth, &theirs, "match", URL, &[]).await, "miss");
    assert_eq!(ask(&hearth, &theirs, "delete", URL, &[]).await, "false");
    ask(&hearth, &theirs, "put", URL, &[("body", "theirs")]).await;
    let large = "x".repeat(500_000);
    ask(&hearth, &mine, "put", "https://made-up.test/large", &[("size", "500000")]).await;
    for restart in ["none", "stop", "kill"] {
        match restart {
            "stop" => hearth.stop().await,
            "kill" => hearth.kill().await,
            _ => {}
        }
        if restart != "none" {
            hearth.start_again().await;
            // What is stored is looked through in the background; a delete waits for that.
            ask(&hearth, &mine, "delete", "https://made-up.test/none", &[]).await;
        }
        assert_eq!(ask(&hearth, &mine, "match", URL, &[]).await, "mine", "{restart}");
        assert_eq!(ask(&hearth, &theirs, "match", URL, &[]).await, "theirs", "{restart}");
        assert!(ask(&hearth, &mine, "match", "https://made-up.test/large", &[]).await == large, "{restart}");
    }

    // A token of the second account cannot purge a zone of the first, and its purges reach its own entries only.
    let mut zones = Vec::new();
    for (account, name) in [(hearth.account().to_owned(), "mine.test"), (second, "theirs.test")] {
        let zone = json!({ "name": name, "account": { "id": account } });
        let zone = hearth.api("POST", "/zones", Some(zone)).await.result()["id"].clone();
        zones.push(format!("/zones/{}/purge_cache", zone.as_str().expect("an id")));
    }
    let everything = Bytes::from(json!({ "purge_everything": true }).to_string());
    let by = |zone: usize, token: Option<&'static str>| {
        let (path, token) =
            (zones[zone].clone(), token.map_or(Some(hearth.token()), Some).filter(|token| !token.is_empty()));
        let (hearth, body) = (&hearth, everything.clone());
        async move { hearth.api_raw("POST", &path, "application/json", body, token).await }
    };
    assert_eq!(by(0, Some("")).await.error().0, 401);
    assert_eq!(by(0, Some("a-token-of-the-second-account")).await.error().0, 404);
    by(1, Some("a-token-of-the-second-account")).await.result();
    assert_eq!(ask(&hearth, &mine, "match", URL, &[]).await, "mine");
    assert_eq!(ask(&hearth, &theirs, "match", URL, &[]).await, "miss");
    by(0, None).await.result();
    assert_eq!(ask(&hearth, &mine, "match", URL, &[]).await, "miss");
    hearth.kill().await;
    hearth.start_again().await;
    ask(&hearth, &mine, "delete", "https://made-up.test/none", &[]).await;
    assert_eq!(ask(&hearth, &mine, "match", URL, &[]).await, "miss", "what was purged does not come back");
}

fn on_disk(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            if entry.path().is_dir() {
                on_disk(&entry.path())
            } else {
                entry.metadata().map_or(0, |of| of.len())
            }
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_stays_as_small_as_it_is_set() {
    let config = "[cache]\nmemory-mb = 1\ndisk-mb = 8\n".to_owned();
    let hearth = Hearth::start_with(Options { config, ..Options::default() }).await;
    deployed(&hearth).await;
    let host = hearth.host("cache");
    ask(&hearth, &host, "put", "https://x.test/kept", &[("body", "kept")]).await;
    for number in 0..60 {
        ask(&hearth, &host, "put", &format!("https://x.test/{number}"), &[("size", "300000")]).await;
        assert_eq!(
            ask(&hearth, &host, "match", "https://x.test/kept", &[]).await,
            "kept",
            "what is used stays"
        );
        let used = on_disk(&hearth.data().join("cache"));
        assert!(used <= 8 << 20, "{used} bytes after {number}");
    }
    assert_eq!(ask(&hearth, &host, "match", "https://x.test/0", &[]).await, "miss", "the oldest went");
    assert_ne!(ask(&hearth, &host, "match", "https://x.test/59", &[]).await, "miss");
    ask(&hearth, &host, "put", "https://x.test/too-large", &[("size", "9000000")]).await;
    assert_eq!(ask(&hearth, &host, "match", "https://x.test/too-large", &[]).await, "miss");
}

// ---- fetch -------------------------------------------------------------------------------------------------

/// An origin on loopback that counts what it is asked: `/a.js` may be cached, `/etag.js` is asked about each time.
struct Origin {
    port: u16,
    asked: Arc<AtomicUsize>,
}

impl Origin {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let asked = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let number = counted.fetch_add(1, Ordering::SeqCst) + 1;
                tokio::spawn(async move {
                    let mut head = vec![0; 8192];
                    let length = stream.read(&mut head).await.unwrap_or(0);
                    let head = String::from_utf8_lossy(&head[..length]).to_lowercase();
                    let (status, headers) = if head.contains("if-none-match: \"e\"") {
                        ("304 Not Modified", "ETag: \"e\"\r\nCache-Control: max-age=1\r\n")
                    } else if head.contains("/etag.js") {
                        ("200 OK", "ETag: \"e\"\r\nCache-Control: max-age=1\r\n")
                    } else if head.contains("/private.js") {
                        ("200 OK", "Cache-Control: private\r\n")
                    } else if head.contains("/404.js") {
                        ("404 Not Found", "")
                    } else {
                        ("200 OK", "Cache-Tag: Tag-A, tag-b\r\nCache-Control: max-age=600\r\n")
                    };
                    let body =
                        if status.starts_with("304") { String::new() } else { format!("answer {number}") };
                    let length = body.len();
                    let answer = format!(
                        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                    );
                    let _ = stream.write_all(answer.as_bytes()).await;
                });
            }
        });
        Self { port, asked }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fetch_is_answered_from_the_cache_as_cloudflare_does_and_never_past_the_policy() {
    let (hearth, origin) = (Hearth::start().await, Origin::start().await);
    deployed(&hearth).await;
    let host = hearth.host("cache");
    let fetch = async |path: &str, cf: &str| {
        let (text, before) =
            (ask(&hearth, &host, "fetch", &origin.url(path), &[("cf", cf)]).await, origin.asked());
        (text, before)
    };
    assert!(fetch("/a.js", "{}").await.0.starts_with("403 "), "nothing is open yet");
    let port = origin.port.to_string();
    let open = ["egress", "allow", "127.0.0.1", "--port", &port];
    let _ = hearth.operator(&open);

    assert_eq!(fetch("/a.js", "{}").await, ("200 MISS answer 1".to_owned(), 1));
    assert_eq!(fetch("/a.js", "{}").await, ("200 HIT answer 1".to_owned(), 1));
    for number in [2, 3] {
        assert_eq!(fetch("/page", "{}").await, (format!("200 DYNAMIC answer {number}"), number));
    }
    assert_eq!(fetch("/page", r#"{"cacheTtl":600}"#).await, ("200 MISS answer 4".to_owned(), 4));
    assert_eq!(fetch("/page", r#"{"cacheEverything":true}"#).await, ("200 HIT answer 4".to_owned(), 4));
    for number in [5, 6] {
        assert_eq!(fetch("/private.js", "{}").await, (format!("200 BYPASS answer {number}"), number));
    }
    let forced = r#"{"cacheTtlByStatus":{"200-299":600}}"#;
    assert_eq!(fetch("/private.js", forced).await, ("200 MISS answer 7".to_owned(), 7));
    assert_eq!(fetch("/private.js", "{}").await.0, "200 HIT answer 7");
    assert_eq!(fetch("/404.js", "{}").await.0, "404 MISS answer 8");
    assert_eq!(fetch("/404.js", "{}").await.0, "404 HIT answer 8");
    assert_eq!(fetch("/keyed", r#"{"cacheKey":"k","cacheEverything":true}"#).await.0, "200 MISS answer 9");
    assert_eq!(fetch("/else", r#"{"cacheKey":"k","cacheEverything":true}"#).await.0, "200 HIT answer 9");
    let no_store = ask(&hearth, &host, "fetch", &origin.url("/a.js"), &[("mode", "no-store")]).await;
    assert_eq!(no_store, "200 BYPASS answer 10");
    assert_eq!(fetch("/a.js", "{}").await.0, "200 HIT answer 1");

    // Stale after a second; how long that takes is not asserted.
    assert_eq!(fetch("/etag.js", "{}").await.0, "200 MISS answer 11");
    let mut again = fetch("/etag.js", "{}").await.0;
    while again == "200 HIT answer 11" {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        again = fetch("/etag.js", "{}").await.0;
    }
    assert_eq!(again, "200 REVALIDATED answer 11");

    // caches.default does not show what only fetch was judged for; deleting there forgets it.
    assert_eq!(ask(&hearth, &host, "match", &origin.url("/a.js"), &[]).await, "miss");
    let _ = hearth.operator(&["egress", "remove", "127.0.0.1"]);
    let asked = origin.asked();
    let refused = fetch("/a.js", "{}").await.0;
    assert!(refused.starts_with("403 ") && !refused.contains("answer"), "{refused}");
    let _ = hearth.operator(&open);
    assert_eq!(fetch("/a.js", "{}").await, ("200 HIT answer 1".to_owned(), asked));
    assert_eq!(ask(&hearth, &host, "delete", &origin.url("/a.js"), &[]).await, "true");
    assert!(fetch("/a.js", "{}").await.0.starts_with("200 MISS"));
    let inside = ask(&hearth, &host, "fetch", &format!("http://{host}/a.js"), &[]).await;
    assert!(
        !inside.contains("HIT") && !inside.contains("MISS"),
        "workers of this installation run each time: {inside}"
    );
}

// ---- purges ------------------------------------------------------------------------------------------------

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_reaches_what_it_names() {
    let (hearth, origin) = (Hearth::start().await, Origin::start().await);
    deployed(&hearth).await;
    let _ = hearth.operator(&["egress", "allow", "127.0.0.1", "--port", &origin.port.to_string()]);
    let host = hearth.host("cache");
    let account = json!({ "id": hearth.account() });
    let mut zones = Vec::new();
    for name in ["shop.test", "blog.test"] {
        let made = hearth.api("POST", "/zones", Some(json!({ "name": name, "account": account }))).await;
        zones.push(made.result()["id"].as_str().expect("an id").to_owned());
    }
    let urls = [
        "https://shop.test/a",
        "https://shop.test/a/b",
        "https://shop.test/c",
        "https://www.shop.test/a",
        "https://blog.test/a",
        "https://cache.local/product:1",
        "https://cache.local/user:1",
    ];
    let fetched = origin.url("/a.js");
    let fill = async || {
        for url in urls {
            let tag = if url.ends_with("/a") { "first" } else { "others" };
            ask(&hearth, &host, "put", url, &[("body", "there"), ("tag", tag)]).await;
        }
        ask(&hearth, &host, "fetch", &fetched, &[]).await;
    };
    let left = async || {
        let mut left = Vec::new();
        for url in urls {
            if ask(&hearth, &host, "match", url, &[]).await != "miss" {
                left.push(url);
            }
        }
        let answer = ask(&hearth, &host, "fetch", &fetched, &[]).await;
        left.extend(answer.starts_with("200 HIT").then_some("fetched"));
        left
    };
    let without = |gone: &[&str]| -> Vec<&str> {
        urls.iter().copied().chain(["fetched"]).filter(|url| !gone.contains(url)).collect()
    };
    let purge = async |zone: usize, body: Value| {
        hearth.api("POST", &format!("/zones/{}/purge_cache", zones[zone]), Some(body)).await
    };
    for (body, gone) in [
        (json!({ "files": ["https://shop.test/a"] }), vec!["https://shop.test/a"]),
        (
            json!({ "files": [{ "url": "https://shop.test/c", "headers": { "CF-Device-Type": "mobile" } }, fetched] }),
            vec!["https://shop.test/c", "fetched"],
        ),
        (json!({ "prefixes": ["shop.test/a"] }), vec!["https://shop.test/a", "https://shop.test/a/b"]),
        (json!({ "prefixes": ["cache.local/product:"] }), vec!["https://cache.local/product:1"]),
        (json!({ "hosts": ["www.shop.test"] }), vec!["https://www.shop.test/a"]),
        (json!({ "tags": ["FIRST"] }), vec!["https://shop.test/a", "https://www.shop.test/a"]),
        (json!({ "tags": ["tag-b"] }), vec!["fetched"]),
        (json!({ "purge_everything": true }), without(&["https://blog.test/a"])),
    ] {
        fill().await;
        assert_eq!(left().await, without(&[]), "all of it is there before {body}");
        let done = purge(0, body.clone()).await;
        assert_eq!(done.result(), &json!({ "id": zones[0] }), "{body}");
        assert_eq!(left().await, without(&gone), "{body}");
    }
    assert!(!ask(&hearth, &host, "match", "https://blog.test/a", &[]).await.is_empty());
    purge(1, json!({ "hosts": ["blog.test"] })).await.result();
    assert_eq!(ask(&hearth, &host, "match", "https://blog.test/a", &[]).await, "miss");

    for (body, code) in [
        (json!({}), 1012),
        (json!({ "files": "https://shop.test/a" }), 1014),
        (json!({ "files": ["https://blog.test/a"] }), 1016),
        (json!({ "files": ["nonsense"] }), 1016),
    ] {
        let error = purge(0, body.clone()).await.error();
        assert_eq!((error.0, error.1), (400, code), "{body}: {}", error.2);
    }
    let absent = format!("/zones/{}/purge_cache", "0".repeat(32));
    let absent = hearth.api("POST", &absent, Some(json!({ "purge_everything": true }))).await;
    assert_eq!(absent.error().0, 404);
}

// ---- the guide's samples -----------------------------------------------------------------------------------

async fn post(hearth: &Hearth, worker: &str, path: &str, body: &Value) -> Answer {
    let request = Request::post(path).header(header::HOST, hearth.host(worker));
    hearth.send(request.body(body.to_string().into()).expect("a request")).await.expect("an answer")
}

/// `CacheStrategy` and `CacheManager`, with KV and D1 behind them, and their `invalidate` by the purge endpoint.
#[tokio::test(flavor = "multi_thread")]
async fn the_guides_caches() {
    let hearth = Hearth::start().await;
    let project = hearth.app("guide-cache");
    let made = project.wrangler(&["kv", "namespace", "create", "CACHE_KV"]).await.expect_ok();
    let id =
        made.split_once("id = \"").and_then(|(_, rest)| rest.split_once('"')).expect("an id").0.to_owned();
    let zone = json!({ "name": "guide.test", "account": { "id": hearth.account() } });
    let zone =
        hearth.api("POST", "/zones", Some(zone)).await.result()["id"].as_str().expect("an id").to_owned();
    for (from, to) in [
        ("xxxxxx", id.as_str()),
        ("zzzzzz", &zone),
        ("http://api.test", &format!("http://localhost:{}", hearth.address().port())),
    ] {
        project.edit("wrangler.toml", from, to);
    }
    project.wrangler(&["deploy"]).await.expect_ok();
    let get = async |path: &str| hearth.get(&hearth.host("guide-cache"), path).await;
    let counted = async |path: &str| get(path).await.json()["fetched"].clone();

    // CacheStrategy: the origin, then the edge; with the edge deleted KV, whose answer says nothing of freshness.
    assert_eq!(counted("/strategy/products/1").await, json!(1));
    assert_eq!(counted("/strategy/products/1").await, json!(1));
    let from = async |path: &str| get(path).await.header("x-from").to_owned();
    assert_eq!(from("/strategy/products/1").await, "edge");
    assert_eq!(post(&hearth, "guide-cache", "/forget", &json!({ "key": "product:1" })).await.text(), "true");
    assert_eq!(from("/strategy/products/1").await, "kv");
    assert_eq!(from("/strategy/products/1").await, "edge", "KV's answer was put without Cache-Control");
    assert_eq!(counted("/strategy/products/2").await, json!(2));

    // CacheManager, and the way to purge what it has.
    assert_eq!(counted("/manager/settings").await, json!(3));
    assert_eq!(from("/manager/settings").await, "edge");
    assert!(get("/manager/settings").await.headers.contains_key("date"));
    let done = post(
        &hearth,
        "guide-cache",
        "/invalidate",
        &json!({ "pattern": "settings", "token": hearth.token() }),
    )
    .await;
    assert_eq!(done.status, 403, "a worker is a stranger to the control host: {}", done.text());
    let purge = json!({ "prefixes": ["https://cache.local/settings"] });
    hearth.api("POST", &format!("/zones/{zone}/purge_cache"), Some(purge)).await.result();
    assert_eq!(counted("/manager/settings").await, json!(4), "edge and KV are empty");
}
