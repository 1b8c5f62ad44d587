//! Cloudflare's SDKs, and the configuration of the seed guide.

use hearth_testing::{Hearth, tests_folder};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_sdk_uploads_and_lists() {
    let hearth = Hearth::start().await;
    let sdk_from = tests_folder("package.json").display().to_string();
    let output = hearth.app("clients").env("SDK_FROM", Some(&sdk_from)).node("sdk.mjs").await.expect_ok();
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

/// What the guide's configuration uses and this Hearth lacks, or what it names and nobody has made, is refused by name,
/// one thing after the other as a person takes them out; what is left is deployed and runs.
#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_of_the_guide() {
    let hearth = Hearth::start().await;
    let project = hearth.app("guide-config");
    let lacks = "not supported";
    for (named, says, table) in [
        ("Queues", lacks, "[[queues.producers]]\nbinding = \"MY_QUEUE\"\nqueue = \"my-queue\"\n"),
        (
            "Queues",
            lacks,
            "[[queues.consumers]]\nqueue = \"my-queue\"\nmax_batch_size = 10\nmax_batch_timeout = 30\nmax_retries = 3\ndead_letter_queue = \"my-dlq\"\n",
        ),
        ("R2", lacks, "[[r2_buckets]]\nbinding = \"BUCKET\"\nbucket_name = \"my-bucket\"\n"),
        ("RateLimiter", lacks, "[[migrations]]\ntag = \"v1\"\nnew_classes = [\"RateLimiter\"]\n"),
        (
            "CACHE_KV",
            "'xxxxxx' (binding CACHE_KV) not found",
            "[[kv_namespaces]]\nbinding = \"CACHE_KV\"\nid = \"xxxxxx\"\npreview_id = \"yyyyyy\"\n",
        ),
        (
            "DB",
            "valid `id`",
            "[[d1_databases]]\nbinding = \"DB\"\ndatabase_name = \"my-database\"\ndatabase_id = \"xxxxxx\"\n",
        ),
        (
            "RATE_LIMITER",
            lacks,
            "[[durable_objects.bindings]]\nname = \"RATE_LIMITER\"\nclass_name = \"RateLimiter\"\nscript_name = \"my-worker\"\n",
        ),
    ] {
        let output = project.wrangler(&["deploy", "--env", ""]).await.expect_failure();
        assert!(output.contains(named) && output.contains(says), "{named}: {output}");
        assert_eq!(hearth.get(&hearth.host("my-worker"), "/").await.status, 404, "nothing was deployed");
        project.edit("wrangler.toml", table, "");
    }
    project.wrangler(&["deploy", "--env", ""]).await.expect_ok();
    let vars = hearth.get(&hearth.host("my-worker"), "/").await.json();
    assert_eq!(vars, json!({ "API_VERSION": "v1", "FEATURE_FLAG": "true" }));

    for (environment, host) in
        [("staging", hearth.host("my-worker-staging")), ("production", "example.com".to_owned())]
    {
        project.wrangler(&["deploy", "--env", environment]).await.expect_ok();
        assert_eq!(hearth.get(&host, "/").await.json(), json!({ "ENVIRONMENT": environment }));
    }
}
