//! Functions in Node.js, Python and Go over their REST API, as the document that describes it has it.

mod calls;
mod document;
mod hostile;
mod network;
mod packages;
mod refusals;
mod seen;
mod tls;

use bytes::Bytes;
use hearth_testing::{Answer, Hearth};
use http::{Request, header};
use serde_json::{Value, json};

/// Calls the control host with the admin token.
async fn call(hearth: &Hearth, method: &str, path: &str, body: impl Into<Bytes>) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, format!("localhost:{}", hearth.address().port()))
        .header(header::AUTHORIZATION, format!("Bearer {}", hearth.token()))
        .header(header::CONTENT_TYPE, "application/json")
        .body(body.into())
        .expect("the test's path is valid");
    hearth.send(request).await.unwrap_or_else(|error| panic!("{method} {path} got no answer: {error:#}"))
}

async fn call_json(hearth: &Hearth, method: &str, path: &str, body: Value) -> (u16, Value) {
    let answer = call(hearth, method, path, body.to_string()).await;
    (answer.status, answer.json())
}

/// Makes a function and says its id.
async fn create(hearth: &Hearth, fields: Value) -> String {
    let (status, made) = call_json(hearth, "POST", "/api/v1/functions", fields).await;
    assert_eq!(status, 201, "{made:#}");
    made["id"].as_str().expect("a function has an id").to_owned()
}

/// Makes a function of some code and says its id. The handler is `handler`.
async fn function(hearth: &Hearth, name: &str, runtime: &str, code: &str) -> String {
    create(hearth, json!({ "name": name, "runtime": runtime, "handler": "handler", "code": code })).await
}

/// Calls a function with an event; the answer is there and says what came of it.
async fn invoke(hearth: &Hearth, id: &str, event: Value) -> Value {
    let path = format!("/api/v1/functions/{id}/invoke");
    let (status, answer) = call_json(hearth, "POST", &path, json!({ "event": event })).await;
    assert_eq!(status, 200, "{answer:#}");
    answer
}

/// The result of a call that succeeds.
async fn result(hearth: &Hearth, id: &str, event: Value) -> Value {
    let answer = invoke(hearth, id, event).await;
    assert_eq!(answer["success"], true, "{answer:#}");
    answer["result"].clone()
}
