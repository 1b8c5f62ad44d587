//! The template gallery.

use std::time::Duration;

use hearth_testing::Hearth;
use serde_json::{Value, json};

use crate::{call, call_as};

#[tokio::test(flavor = "multi_thread")]
async fn every_template_is_listed_deployed_and_works() {
    let hearth = Hearth::start().await;
    let listed = call(&hearth, "GET", "/api/templates", &Value::Null).await.json();
    let templates = listed["templates"].as_array().expect("a list");
    assert_eq!(templates.len(), 6);
    for template in templates {
        let id = template["id"].as_str().expect("an id");
        let shown = call(&hearth, "GET", &format!("/api/templates/{id}"), &Value::Null).await.json();
        for file in template["files"].as_array().expect("files") {
            assert!(shown["content"][file.as_str().expect("a path")].is_string(), "{id}: {file}");
        }
        let name = format!("my-{id}");
        let path = format!("/api/templates/{id}/deploy");
        let made = call(&hearth, "POST", &path, &json!({"name": name})).await;
        assert_eq!(made.status, 201, "{id}: {}", made.text());
        assert_eq!(made.json()["url"], format!("http://{}", hearth.host(&name)));
        let again = call(&hearth, "POST", &path, &json!({"name": name})).await;
        assert_eq!(again.status, 409, "{id}: {}", again.text());
    }
    let get = async |name: &str, path: &str| hearth.get(&hearth.host(name), path).await;
    assert_eq!(get("my-hello-world", "/x").await.text(), "Hello World from /x\n");
    assert_eq!(get("my-typescript", "/?name=A").await.json()["message"], "Hello, A!");
    assert_eq!(get("my-scheduled", "/").await.json(), json!({"last": null}));
    let schedules = hearth.api("GET", "/accounts/:a/workers/scripts/my-scheduled/schedules", None).await;
    assert_eq!(schedules.result()["schedules"][0]["cron"], "*/5 * * * *");
    assert_eq!(get("my-api-gateway", "/nowhere").await.json()["routes"], json!(["/example"]));
    assert!(get("my-static-site", "/").await.text().contains("<h1>It works</h1>"));
    assert_eq!(get("my-static-site", "/style.css").await.header("content-type"), "text/css; charset=utf-8");

    let request = http::Request::post("/").header("host", hearth.host("my-queue-consumer"));
    let sent = hearth.send(request.body("news".into()).expect("a request")).await.expect("an answer");
    assert_eq!(sent.status, 202, "{}", sent.text());
    let consumed = async {
        while !hearth.log().contains("my-queue-consumer-queue") || !hearth.log().contains("news") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), consumed)
        .await
        .expect("the queue's consumer says what it got");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused() {
    let hearth = Hearth::start().await;
    for (path, body, status, says) in [
        ("/api/templates/none/deploy", json!({"name": "a"}), 404, "hello-world"),
        ("/api/templates/hello-world/deploy", json!({}), 400, "`name`"),
        ("/api/templates/hello-world/deploy", json!({"name": "a b"}), 400, "`name`"),
    ] {
        let answer = call(&hearth, "POST", path, &body).await;
        assert_eq!(answer.status, status, "{path}: {}", answer.text());
        assert!(answer.json()["error"].as_str().is_some_and(|text| text.contains(says)), "{}", answer.text());
    }
    for (method, path) in [
        ("GET", "/api/templates"),
        ("GET", "/api/templates/hello-world"),
        ("POST", "/api/templates/hello-world/deploy"),
    ] {
        assert_eq!(call_as(&hearth, None, method, path, "{}").await.status, 401, "{path}");
    }
}
