//! The OpenAPI document: it is what is served, and real answers are as it says.

use hearth_testing::{Hearth, Options, clean, command, tests_folder};
use serde_json::Value;

/// The document that the server gives is made of its tables of operations, the one that the command prints of what is
/// described: one that is missing on either side is a difference.
#[tokio::test(flavor = "multi_thread")]
async fn the_document_is_what_is_served() {
    let hearth = Hearth::start().await;
    let bearer = format!("Bearer {}", hearth.token());
    let path = "/api/openapi.json";
    let served = hearth.get_with("localhost", path, &[("authorization", &bearer)]).await.json();
    let printed = command().arg("openapi").output().expect("the binary runs");
    assert!(printed.status.success());
    let printed: Value = serde_json::from_slice(&printed.stdout).expect("it prints JSON");
    for (at, other) in [(&served, &printed), (&printed, &served)] {
        for (path, methods) in at["paths"].as_object().expect("there are paths") {
            for (method, operation) in methods.as_object().expect("they have methods") {
                assert_eq!(operation, &other["paths"][path][method], "{method} {path}");
            }
        }
    }
    assert_eq!(served, printed);
    assert_eq!(hearth.get("localhost", path).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_answers_as_the_document_says() {
    let hearth = Hearth::start().await;
    let run = hearth.project(&tests_folder("openapi")).python("every_operation.py").await;
    println!("{}", run.expect_ok());
}

/// What Schemathesis makes up of the document, for the APIs that are not Cloudflare's: no answer may be of the server's
/// failing, or other than the document says. Packages are not for it to install: there is no registry.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: make test-openapi"]
async fn what_schemathesis_makes_up() {
    let config = "[functions]\nnpm-registry = \"http://127.0.0.1:9/\"\npip-index = \"http://127.0.0.1:9/\"\n";
    let hearth = Hearth::start_with(Options { config: config.to_owned(), ..Options::default() }).await;
    let mut command = clean(tests_folder(".venv-openapi/bin/schemathesis"), hearth.folder());
    let checks =
        "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
    command.args(["run", &format!("http://localhost:{}/api/openapi.json", hearth.address().port())]);
    command.args(["--header", &format!("Authorization: Bearer {}", hearth.token())]);
    command.args(["--include-path-regex", "^/(api|stats|health)", "--checks", checks]);
    command.args([
        "--phases",
        "coverage,fuzzing",
        "--max-examples",
        "50",
        "--seed",
        "1",
        "--request-timeout",
        "60",
    ]);
    let output = command.output().await.expect("it is installed: make test-openapi");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}");
    assert!(text.contains("Test cases"), "{text}");
}
