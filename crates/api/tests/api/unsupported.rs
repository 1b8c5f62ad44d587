//! What is not there yet says so by name.

use http::Method;
use serde_json::json;

use crate::support::{CODE, Hearth, TOKEN};

#[tokio::test]
async fn resources_are_refused_by_name() {
    let hearth = Hearth::start().await;
    hearth.deploy("demo", json!({}), CODE).await.result();
    let account = &hearth.account;
    for (method, path, name) in [
        (Method::GET, format!("accounts/{account}/hyperdrive/configs?page=1"), "Hyperdrive"),
        (Method::PUT, format!("accounts/{account}/workflows/w"), "Workflows"),
        (Method::GET, "W/dispatch/namespaces".to_owned(), "Workers for Platforms"),
        (Method::POST, "W/workers/demo/previews".to_owned(), "wrangler preview"),
    ] {
        let answer = hearth.call_as(TOKEN, method, &path, "{}").await;
        assert_eq!((answer.status.as_u16(), answer.code()), (400, 10501), "{path}");
        assert!(answer.error().2.contains(name) && answer.error().2.contains("not supported"), "{path}");
    }
}
