//! Who may do what, by every operation; and Cloudflare's SDKs and Terraform's calls, which manage tokens and members.

use hearth_testing::{Hearth, tests_folder};

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_is_for_those_who_may_call_it() {
    let hearth = Hearth::start().await;
    let walked = hearth.project(&tests_folder("openapi")).python("authorization.py").await.expect_ok();
    assert!(walked.contains("operations were walked"), "{walked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_npm_sdk_manages_tokens_and_members() {
    let hearth = Hearth::start().await;
    let sdk_from = tests_folder("package.json").display().to_string();
    let clients = hearth.app("clients").env("SDK_FROM", Some(&sdk_from));
    let output = clients.node(&["people.mjs"]).await.expect_ok();
    assert!(output.contains("made, changed, rolled and deleted"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pypi_sdk_and_terraforms_calls_manage_tokens_and_members() {
    let hearth = Hearth::start().await;
    let output = hearth.app("clients").python("people.py").await.expect_ok();
    assert!(output.contains("made, changed, rolled and deleted"), "{output}");
}
