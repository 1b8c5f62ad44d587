//! The rate limit binding, `tests/apps/ratelimit`.

use hearth_testing::{Answer, Dev, Form, Hearth};
use serde_json::{Value, json};

/// `/?binding=…&options=…&times=…`, as a URL wants it.
fn path(binding: &str, options: Option<&Value>, times: usize) -> String {
    let options = options.map_or(String::new(), |options| {
        let text: String = options.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("&options={text}")
    });
    format!("/?binding={binding}{options}&times={times}")
}

async fn calls(hearth: &Hearth, worker: &str, binding: &str, key: &str, times: usize) -> Vec<bool> {
    let path = path(binding, Some(&json!({ "key": key })), times);
    answers(&hearth.get(&hearth.host(worker), &path).await)
}

fn answers(answer: &Answer) -> Vec<bool> {
    let list = answer.json();
    let list = list.as_array().unwrap_or_else(|| panic!("no list: {}", answer.text())).iter();
    list.map(|one| one.as_bool().unwrap_or_else(|| panic!("{}", answer.text()))).collect()
}

/// What is no call of a limit, and what each is told: `wrangler dev` says the same.
fn wrong() -> Vec<(Option<Value>, &'static str)> {
    vec![
        (None, "Error: invalid rate limit options"),
        (Some(json!(null)), "Error: invalid rate limit options"),
        (Some(json!("key")), "Error: invalid rate limit options"),
        (Some(json!({ "key": 1 })), "Error: invalid key: 1"),
        (Some(json!({ "key": "k", "other": 1, "more": 2 })), "Error: bad rate limit options: [more,other]"),
        (Some(json!({ "key": "k", "period": 30 })), "Error: unsupported period: 30"),
        (Some(json!({ "key": "k", "limit": "3" })), "Error: limit must be a number: 3"),
        (Some(json!({ "key": "k", "delta": 0 })), "RangeError: delta must be non-zero"),
    ]
}

async fn say_so(worker: &str, ask: impl AsyncFn(&str) -> Answer) {
    for (options, expected) in wrong() {
        let answer = ask(&path("LIMIT", options.as_ref(), 1)).await;
        assert_eq!(answer.json(), json!([expected]), "{worker}: {options:?}");
    }
    // Without a key all calls share one.
    let answer = ask(&path("OTHER", Some(&json!({})), 4)).await;
    assert_eq!(answers(&answer), [true, true, true, false], "{worker}");
    // A call may count for more, and have a limit of its own.
    let answer = ask(&path("SHORT", Some(&json!({ "key": "heavy", "delta": 5, "limit": 6 })), 3)).await;
    assert_eq!(answers(&answer), [true, true, false], "{worker}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_passes_as_often_as_its_namespace_lets_it() {
    let hearth = Hearth::start().await;
    let project = hearth.app("ratelimit");
    let output = project.wrangler(&["deploy"]).await.expect_ok();
    assert!(output.contains("LIMIT") && output.contains("3 requests/60s"), "{output}");
    let renamed = hearth.app("ratelimit");
    renamed.edit("wrangler.jsonc", "\"name\": \"ratelimit\"", "\"name\": \"ratelimit-two\"");
    renamed.wrangler(&["deploy"]).await.expect_ok();

    assert_eq!(calls(&hearth, "ratelimit", "LIMIT", "a", 4).await, [true, true, true, false]);
    assert_eq!(calls(&hearth, "ratelimit", "LIMIT", "b", 1).await, [true], "another key");
    assert_eq!(calls(&hearth, "ratelimit", "OTHER", "a", 1).await, [true], "another namespace");
    assert_eq!(calls(&hearth, "ratelimit", "SAME", "a", 1).await, [false], "a binding to the same");
    assert_eq!(calls(&hearth, "ratelimit-two", "LIMIT", "a", 1).await, [false], "another worker's process");
    let many = (0..20).map(|_| calls(&hearth, "ratelimit", "LIMIT", "many", 1));
    let passed = futures::future::join_all(many).await.into_iter().flatten().filter(|passed| *passed).count();
    assert_eq!(passed, 3, "of calls at the same time");
    say_so("hearth", async |path: &str| hearth.get(&hearth.host("ratelimit"), path).await).await;

    // A period is over some time: its end is waited for, not asserted.
    assert_eq!(calls(&hearth, "ratelimit", "SHORT", "c", 3).await, [true, true, false]);
    while calls(&hearth, "ratelimit", "SHORT", "c", 1).await != [true] {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_cloudflare_does_not_have_is_refused_by_name() {
    let hearth = Hearth::start().await;
    for simple in
        [json!({ "limit": 3, "period": 30 }), json!({ "limit": 0, "period": 10 }), json!({ "limit": 3 })]
    {
        let metadata = json!({
            "main_module": "index.js",
            "compatibility_date": "2026-01-01",
            "bindings": [{ "type": "ratelimit", "name": "LIMIT", "namespace_id": "1", "simple": simple }],
        });
        let form = Form::default().metadata(&metadata.to_string());
        let form = form.part("index.js", "application/javascript+module", "export default {}");
        let (status, code, message) = hearth.upload("bad", form.finish()).await.error();
        assert_eq!((status, code), (400, 10021), "{message}");
        assert!(message.contains("LIMIT") && message.contains("period"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrangler_dev_says_the_same() {
    let hearth = Hearth::start().await;
    let project = hearth.app("ratelimit");
    let dev: Dev = project.dev().await;
    say_so("wrangler dev", async |path: &str| dev.get(path).await.expect("it answers")).await;
}
