//! A database, and what is asked of it: shared by the tests of D1.

use std::fs;

use hearth_testing::{Hearth, Project};
use serde_json::{Value, json};

/// A project that binds `app`, which is made for it; its id.
pub async fn project(hearth: &Hearth) -> (Project, String) {
    let project = hearth.app("plain");
    let output = project.wrangler(&["d1", "create", "app"]).await.expect_ok();
    assert!(output.contains("Successfully created DB 'app'"), "{output}");
    let listed = project.wrangler(&["d1", "list", "--json"]).await.expect_ok();
    let id = json_of(&listed)[0]["uuid"].as_str().expect("it is listed").to_owned();
    let config = json!({
        "name": "plain",
        "main": "src/index.js",
        "compatibility_date": "2026-01-01",
        "d1_databases": [{"binding": "DB", "database_name": "app", "database_id": id}],
    });
    for old in ["wrangler.jsonc", "wrangler.toml", "wrangler.json"] {
        let _ = fs::remove_file(project.path().join(old));
    }
    fs::write(project.path().join("wrangler.json"), config.to_string()).expect("the project can be written");
    (project, id)
}

/// The JSON that a command has printed after its first line, which is the command itself.
pub fn json_of(output: &str) -> Value {
    let from =
        output.find("\n[").or_else(|| output.find("\n{")).unwrap_or_else(|| panic!("no JSON: {output}"));
    serde_json::Deserializer::from_str(&output[from..])
        .into_iter::<Value>()
        .next()
        .expect("there is JSON")
        .unwrap_or_else(|error| panic!("{error}: {output}"))
}

/// Runs SQL by the API; the rows of its last statement.
pub async fn query(hearth: &Hearth, id: &str, sql: &str) -> Value {
    let path = format!("/accounts/:a/d1/database/{id}/raw");
    let answer = hearth.api("POST", &path, Some(json!({"sql": sql}))).await;
    let results = answer.result().as_array().expect("an array of results").clone();
    results.last().map_or(Value::Null, |last| last["results"]["rows"].clone())
}

pub async fn execute(project: &Project, sql: &str) -> String {
    project.wrangler(&["d1", "execute", "app", "--remote", "--json", "--command", sql]).await.expect_ok()
}
