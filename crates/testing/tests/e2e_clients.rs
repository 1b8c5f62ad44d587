//! Cloudflare's SDKs, and the configuration of the seed guide.

use hearth_testing::{Hearth, tests_folder};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_sdk_uploads_and_lists() {
    let hearth = Hearth::start().await;
    let sdk_from = tests_folder("package.json").display().to_string();
    let output = hearth.app("clients").env("SDK_FROM", Some(&sdk_from)).node(&["sdk.mjs"]).await.expect_ok();
    check(&hearth, &output, "from-npm", "npm sdk").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pypi_sdk_uploads_and_lists() {
    let hearth = Hearth::start().await;
    let output = hearth.app("clients").python("sdk.py").await.expect_ok();
    check(&hearth, &output, "from-pypi", "PyPI sdk").await;
}

async fn check(hearth: &Hearth, output: &str, worker: &str, says: &str) {
    let seen: Value = output
        .lines()
        .find_map(|line| serde_json::from_str(line).ok())
        .unwrap_or_else(|| panic!("the script prints JSON: {output}"));
    assert_eq!(seen, json!({ "names": [worker], "secrets": ["KEY"], "status": "active" }));
    assert_eq!(hearth.get(&hearth.host(worker), "/").await.text(), says);
}

/// What the guide's configuration names and nobody has made is asked for by name, one thing after the other as a person
/// makes them; then it is deployed as it stands, and its environments too.
#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_of_the_guide() {
    let hearth = Hearth::start().await;
    let project = hearth.app("guide-config");
    let deploy = ["deploy", "--env", ""];
    for (says, path, named, id_of, placeholder) in [
        (
            "'xxxxxx' (binding CACHE_KV) not found",
            "/accounts/:a/storage/kv/namespaces",
            json!({ "title": "cache" }),
            "id",
            "binding = \"CACHE_KV\"\nid = \"xxxxxx\"",
        ),
        (
            "You must use a real database",
            "/accounts/:a/d1/database",
            json!({ "name": "my-database" }),
            "uuid",
            "database_id = \"xxxxxx\"",
        ),
    ] {
        let output = project.wrangler(&deploy).await.expect_failure();
        assert!(output.contains(says), "{says}: {output}");
        let made = hearth.api("POST", path, Some(named)).await;
        let id = made.result()[id_of].as_str().expect("what is made has an id").to_owned();
        project.edit("wrangler.toml", placeholder, &placeholder.replace("xxxxxx", &id));
    }
    // wrangler makes a bucket and a queue that are missing by itself. The object's class is the worker's own, which was not
    // there before.
    project.wrangler(&deploy).await.expect_ok();
    assert_eq!(hearth.get(&hearth.host("my-worker"), "/limited").await.text(), "limited");
    let queues = project.wrangler(&["queues", "list"]).await.expect_ok();
    assert!(queues.contains("my-dlq"), "the queue of dead letters was not made: {queues}");
    let env = hearth.get(&hearth.host("my-worker"), "/").await.json();
    assert_eq!((&env["API_VERSION"], &env["FEATURE_FLAG"]), (&json!("v1"), &json!("true")));
    for bound in ["CACHE_KV", "DB", "BUCKET", "MY_QUEUE", "RATE_LIMITER"] {
        assert!(env[bound].is_object(), "{bound} is missing: {env}");
    }

    for (environment, host) in
        [("staging", hearth.host("my-worker-staging")), ("production", "example.com".to_owned())]
    {
        project.wrangler(&["deploy", "--env", environment]).await.expect_ok();
        assert_eq!(hearth.get(&host, "/").await.json(), json!({ "ENVIRONMENT": environment }));
    }
}
