//! What a person does in a day with wrangler: log in, deploy, update, environments, variables, secrets, delete.

use hearth_testing::Hearth;
use serde_json::{Value, json};

async fn answer(hearth: &Hearth, worker: &str) -> Value {
    let answer = hearth.get(&hearth.host(worker), "/").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoami_names_the_account_and_a_bad_token_is_refused() {
    let hearth = Hearth::start().await;
    let project = hearth.app("plain");
    let output = project.wrangler(&["whoami"]).await.expect_ok();
    assert!(output.contains("default") && output.contains(hearth.account()), "{output}");

    // Without an account id it is asked for and, as there is one, taken.
    let project = project.env("CLOUDFLARE_ACCOUNT_ID", None);
    project.wrangler(&["deploy"]).await.expect_ok();

    let project = project.env("CLOUDFLARE_API_TOKEN", Some("wrong"));
    let output = project.wrangler(&["deploy"]).await.expect_failure();
    assert!(output.contains("code: 10000"), "{output}");

    let path = "/accounts/:a/workers/scripts";
    for token in [None, Some("wrong"), Some("")] {
        let refused = hearth.api_raw("GET", path, "", "".into(), token).await;
        let (status, code, _) = refused.error();
        assert_eq!((status, code), (401, 10000), "token {token:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deploy_update_environment_and_kept_vars() {
    let hearth = Hearth::start().await;
    let project = hearth.app("plain");
    let output = project.wrangler(&["deploy", "--env", ""]).await.expect_ok();
    // Wrangler prints the host of the URL that it is given, without its port.
    assert!(output.contains("plain.localhost"), "the URL is ours: {output}");
    assert_eq!(answer(&hearth, "plain").await["word"], "first");

    project.wrangler(&["deploy", "--env", "staging"]).await.expect_ok();
    assert_eq!(answer(&hearth, "plain-staging").await["word"], "staging");
    assert_eq!(answer(&hearth, "plain").await["word"], "first");

    // An update runs the new code at once, and what the configuration no longer names is gone …
    project.wrangler(&["deploy", "--env", "", "--var", "OTHER:x"]).await.expect_ok();
    assert_eq!(answer(&hearth, "plain").await["other"], "x");
    project.edit("src/index.js", "word: env.WORD", "word: env.WORD + '!'");
    project.wrangler(&["deploy", "--env", ""]).await.expect_ok();
    let now = answer(&hearth, "plain").await;
    assert_eq!((&now["word"], &now["other"]), (&json!("first!"), &Value::Null));

    // … unless it is told to keep it.
    project.wrangler(&["deploy", "--env", "", "--var", "OTHER:y"]).await.expect_ok();
    project.wrangler(&["deploy", "--env", "", "--keep-vars"]).await.expect_ok();
    assert_eq!(answer(&hearth, "plain").await["other"], "y");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_come_and_go_and_are_never_shown() {
    let hearth = Hearth::start().await;
    let project = hearth.app("plain");
    let staging = ["--env", ""];
    let run = async |args: &[&str], input: &str| {
        project.wrangler_with_input(&[args, &staging].concat(), input).await.expect_ok()
    };
    // The first secret of a worker that does not exist yet makes a draft of it.
    run(&["secret", "put", "KEY"], "s3same-öffne-dich").await;
    run(&["deploy"], "").await;
    assert_eq!(answer(&hearth, "plain").await["key"], "s3same-öffne-dich");

    let listed = run(&["secret", "list"], "").await;
    assert!(listed.contains("KEY") && !listed.contains("s3same"), "{listed}");
    for path in ["/secrets", "/settings", "/versions", "/deployments"] {
        let shown = hearth.api("GET", &format!("/accounts/:a/workers/scripts/plain{path}"), None).await;
        assert!(!shown.result().to_string().contains("s3same"), "{path}: {shown:?}");
    }

    run(&["secret", "bulk"], r#"{"KEY": "second", "OTHER": "third"}"#).await;
    let now = answer(&hearth, "plain").await;
    assert_eq!((&now["key"], &now["other"]), (&json!("second"), &json!("third")));

    // A deploy keeps secrets, though the configuration does not name them.
    run(&["deploy"], "").await;
    assert_eq!(answer(&hearth, "plain").await["key"], "second");

    run(&["secret", "delete", "KEY"], "y").await;
    let now = answer(&hearth, "plain").await;
    assert_eq!((&now["key"], &now["other"]), (&Value::Null, &json!("third")));

    // On disk too, nothing is readable.
    for entry in std::fs::read_dir(hearth.data()).expect("the data folder can be read") {
        let path = entry.expect("the data folder can be read").path();
        let bytes = std::fs::read(&path).unwrap_or_default();
        assert!(!bytes.windows(5).any(|window| window == b"third"), "{} holds a secret", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_takes_everything_along() {
    let hearth = Hearth::start().await;
    let project = hearth.app("plain");
    project.wrangler(&["deploy", "--env", ""]).await.expect_ok();
    project.wrangler(&["delete", "--force", "--env", ""]).await.expect_ok();
    assert_eq!(hearth.get(&hearth.host("plain"), "/").await.status, 404);
    let list = hearth.api("GET", "/accounts/:a/workers/scripts", None).await;
    assert_eq!(list.result(), &json!([]));
    let (status, code, _) =
        hearth.api("GET", "/accounts/:a/workers/scripts/plain/deployments", None).await.error();
    assert_eq!((status, code), (404, 10007));
    let gone = hearth.api("GET", "/accounts/:a/workers/services/plain", None).await;
    assert_eq!(gone.error().1, 10090);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_brings_everything_back() {
    let mut hearth = Hearth::start().await;
    let project = hearth.app("plain");
    project.wrangler(&["deploy", "--env", "", "--route", "shop.example.com/*"]).await.expect_ok();
    project.wrangler_with_input(&["secret", "put", "KEY", "--env", ""], "sesame").await.expect_ok();
    // A worker with routes has no host below the base domain unless it asks for it.
    assert_eq!(hearth.get(&hearth.host("plain"), "/").await.status, 404);
    let before = hearth.get("shop.example.com", "/a").await.json();
    assert_eq!((&before["key"], &before["path"]), (&json!("sesame"), &json!("/a")));
    let deployments = "/accounts/:a/workers/scripts/plain/deployments";
    let history = hearth.api("GET", deployments, None).await;

    hearth.stop().await;
    hearth.start_again().await;
    assert_eq!(hearth.get("shop.example.com", "/a").await.json(), before);
    assert_eq!(hearth.api("GET", deployments, None).await.result(), history.result());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_right_after_the_answer_loses_nothing() {
    let mut hearth = Hearth::start().await;
    for round in 0..5 {
        hearth.deploy("durable", &format!("export default {{ fetch: () => new Response('{round}') }}")).await;
        hearth.kill().await;
        hearth.start_again().await;
        assert_eq!(hearth.get(&hearth.host("durable"), "/").await.text(), round.to_string());
    }
}
