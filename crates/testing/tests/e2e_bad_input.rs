//! Whatever is wrong with an upload, the answer is Cloudflare's envelope with a message that names it, and nothing changes.

use hearth_testing::{Form, Hearth};
use serde_json::{Value, json};

const GOOD: &str = "export default { fetch: () => new Response('good') }";
const MODULE: &str = "application/javascript+module";

/// An upload of [`GOOD`] whose metadata has these keys besides.
fn with(extra: Value) -> Form {
    let mut metadata = json!({ "main_module": "index.js", "compatibility_date": "2026-01-01" });
    for (key, value) in extra.as_object().expect("an object") {
        metadata[key] = value.clone();
    }
    Form::default().metadata(&metadata.to_string()).part("index.js", MODULE, GOOD)
}

fn binding(binding: Value) -> Form {
    with(json!({ "bindings": [binding] }))
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_cannot_be_are_refused_by_name() {
    let hearth = Hearth::start().await;
    hearth.deploy("victim", GOOD).await;
    let module = |source: &str| Form::module(source).finish();
    for (what, form, code, named) in [
        ("truncated", Form::module(GOOD).truncated(), None, ""),
        ("empty form", Form::default().finish(), None, "metadata"),
        ("metadata is no JSON", Form::default().metadata("{").part("index.js", MODULE, GOOD).finish(), None, "metadata"),
        ("metadata is a list", Form::default().metadata("[]").part("index.js", MODULE, GOOD).finish(), None, "metadata"),
        ("main module is missing", with(json!({ "main_module": "other.js" })).finish(), Some(10021), "other.js"),
        ("no main module", Form::default().metadata("{}").part("index.js", MODULE, GOOD).finish(), Some(10021), "main_module"),
        ("date", with(json!({ "compatibility_date": "yesterday" })).finish(), Some(10021), "yesterday"),
        ("future date", with(json!({ "compatibility_date": "2999-01-01" })).finish(), Some(10021), "2999-01-01"),
        ("flag", with(json!({ "compatibility_flags": ["fly"] })).finish(), Some(10021), "fly"),
        ("experimental flag", with(json!({ "compatibility_flags": ["unsafe_module"] })).finish(), Some(10021), "unsafe_module"),
        ("two bindings of a name", with(json!({ "bindings": [
            { "name": "TWICE", "type": "plain_text", "text": "a" }, { "name": "TWICE", "type": "plain_text", "text": "b" }
        ] })).finish(), None, "TWICE"),
        ("unknown binding", binding(json!({ "name": "ODD", "type": "teleport" })).finish(), None, "ODD"),
        ("service nobody has", binding(json!({ "name": "S", "type": "service", "service": "nobody" })).finish(), None, "nobody"),
        ("inherit from nothing", binding(json!({ "name": "WHENCE", "type": "inherit" })).finish(), Some(10057), "WHENCE"),
        ("syntax", module("export default {"), Some(10021), "SyntaxError"),
        ("throw", module("throw new Error('at start')"), Some(10021), "at start"),
        ("missing import", module("import x from './nowhere.js'; export default {}"), Some(10021), "nowhere.js"),
        ("endless start", module("while (true) {}"), Some(10021), ""),
    ] {
        let path = "/accounts/:a/workers/scripts/victim?excludeScript=true&bindings_inherit=strict";
        let (status, got, message) = hearth.api_form("PUT", path, form).await.error();
        assert!((400..500).contains(&status), "{what}: {status} {message}");
        assert!(code.is_none_or(|code| code == got), "{what}: code {got}: {message}");
        assert!(message.contains(named), "{what}: {message}");
    }
    assert_eq!(hearth.get(&hearth.host("victim"), "/").await.text(), "good");
}

#[tokio::test(flavor = "multi_thread")]
async fn bindings_to_what_is_not_there_are_refused_by_name() {
    let hearth = Hearth::start().await;
    for mut unsupported in [
        json!({ "type": "kv_namespace", "namespace_id": "x" }),
        json!({ "type": "r2_bucket", "bucket_name": "b" }),
        json!({ "type": "d1", "id": "x" }),
        json!({ "type": "queue", "queue_name": "q" }),
        json!({ "type": "workflow", "workflow_name": "w", "class_name": "C" }),
        json!({ "type": "hyperdrive", "id": "x" }),
        json!({ "type": "vectorize", "index_name": "x" }),
        json!({ "type": "send_email" }),
        json!({ "type": "browser" }),
        json!({ "type": "ai" }),
        json!({ "type": "images" }),
        json!({ "type": "assets" }),
    ] {
        unsupported["name"] = json!("THE_BINDING");
        let (status, _, message) =
            hearth.upload("worker", binding(unsupported.clone()).finish()).await.error();
        assert!((400..500).contains(&status) && message.contains("THE_BINDING"), "{unsupported}: {message}");
    }
    assert_eq!(hearth.api("GET", "/accounts/:a/workers/scripts", None).await.result(), &json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_over_the_limit_is_refused_and_one_below_is_not() {
    let hearth = Hearth::start().await;
    let sized = |mebibytes: usize| {
        // Not compressible to nothing: Cloudflare's limit is on the compressed size too.
        let filler: String = (0..mebibytes << 16)
            .map(|n: usize| format!("{:016x}", n.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
            .collect();
        format!("{GOOD}\n// {filler}")
    };
    hearth.deploy("large", &sized(5)).await;
    assert_eq!(hearth.get(&hearth.host("large"), "/").await.text(), "good");
    let (status, code, _) = hearth.upload("large", Form::module(&sized(70)).finish()).await.error();
    assert_eq!((status, code), (413, 10027));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_with_odd_characters() {
    let hearth = Hearth::start().await;
    for name in ["a.b", "a%20b", "a%2Fb", "..%2F..%2Fetc", "%C3%BC", "-a", "%00", &"a".repeat(300)] {
        let (status, _, message) = hearth.upload(name, Form::module(GOOD).finish()).await.error();
        assert!((400..500).contains(&status), "{name}: {status} {message}");
    }
    for name in ["a", "a-b", "a1", "1a", "Upper"] {
        hearth.deploy(name, GOOD).await;
        assert_eq!(hearth.get(&hearth.host(name), "/").await.text(), "good", "{name}");
    }
    // A host knows no case, so a second worker could not have a host of its own.
    let newer = "export default { fetch: () => new Response('newer') }";
    let (status, _, message) = hearth.upload("UPPER", Form::module(newer).finish()).await.error();
    assert!(status == 409 && message.contains("`Upper`"), "{status} {message}");
    assert_eq!(hearth.get(&hearth.host("upper"), "/").await.text(), "good");
    let list = hearth.api("GET", "/accounts/:a/workers/scripts", None).await;
    assert_eq!(list.result().as_array().map(Vec::len), Some(5), "{list:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn paths_and_bodies_that_cannot_be() {
    let hearth = Hearth::start().await;
    hearth.deploy("worker", GOOD).await;
    for (method, path, body) in [
        ("GET", "/nowhere", ""),
        ("GET", "/accounts/ffffffffffffffffffffffffffffffff/workers/scripts", ""),
        ("GET", "/accounts/:a/workers/scripts/nobody/settings", ""),
        ("PUT", "/accounts/:a/workers/scripts/worker/secrets", "not json"),
        ("PUT", "/accounts/:a/workers/scripts/worker/secrets", "{}"),
        ("PUT", "/accounts/:a/workers/scripts/worker/schedules", r#"[{"cron": "every now and then"}]"#),
        ("POST", "/accounts/:a/workers/scripts/worker/deployments", "[]"),
        ("PATCH", "/accounts/:a/workers/scripts/worker/script-settings", "7"),
    ] {
        let answer =
            hearth.api_raw(method, path, "application/json", body.into(), Some(hearth.token())).await;
        let (status, _, message) = answer.error();
        assert!((400..500).contains(&status), "{method} {path}: {status} {message}");
    }
    // Paths are forgiving where wrangler is careless.
    for path in ["//accounts/:a/workers/scripts", "/accounts/:a//workers/scripts/"] {
        hearth.api("GET", path, None).await.result();
    }
    // A body on DELETE means nothing and harms nothing.
    let path = "/accounts/:a/workers/scripts/worker";
    hearth.api_raw("DELETE", path, "", "{".into(), Some(hearth.token())).await.result();
}
