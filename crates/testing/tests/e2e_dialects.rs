//! The HTTP dialects of the documents that this project starts from, by their own `curl`s and beyond them.

#[path = "e2e_dialects/access.rs"]
mod access;
#[path = "e2e_dialects/accounts.rs"]
mod accounts;
#[path = "e2e_dialects/cli.rs"]
mod cli;
#[path = "e2e_dialects/deploy.rs"]
mod deploy;
#[path = "e2e_dialects/nexo.rs"]
mod nexo;
mod second_account;
#[path = "e2e_dialects/seen.rs"]
mod seen;
#[path = "e2e_dialects/templates.rs"]
mod templates;

use bytes::Bytes;
use hearth_testing::{Answer, Hearth};
use http::{Request, header};
use serde_json::Value;
use tokio::process::Command;

/// Runs a document's command line as it stands there; whatever host and port it names, the server under test gets it. Only
/// management calls carry the token.
async fn curl(hearth: &Hearth, command: &str) -> String {
    let address = hearth.address();
    let script = format!(
        "curl() {{\n\
           case \"$*\" in *//*/api/*) set -- -H \"Authorization: Bearer $TOKEN\" \"$@\";; esac\n\
           command curl -sS --noproxy '*' --connect-to ::{address} \"$@\"\n\
         }}\n{command}"
    );
    let output = Command::new("sh")
        .args(["-c", &script])
        .env("TOKEN", hearth.token())
        .output()
        .await
        .expect("a shell and curl are there");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command}: {errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The same, for an answer in JSON.
async fn curl_json(hearth: &Hearth, command: &str) -> Value {
    let text = curl(hearth, command).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{command}: {error}: {text}"))
}

/// A management call, with the admin's token or another one.
async fn call_as(hearth: &Hearth, token: Option<&str>, method: &str, path: &str, body: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let request = request.body(Bytes::from(body.to_owned())).expect("the test's path is valid");
    hearth.send(request).await.unwrap_or_else(|error| panic!("{method} {path}: {error:#}"))
}

async fn call(hearth: &Hearth, method: &str, path: &str, body: &Value) -> Answer {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    call_as(hearth, Some(hearth.token()), method, path, &body).await
}
