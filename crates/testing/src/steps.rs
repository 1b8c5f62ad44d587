//! `expect.json` of an app: the commands that deploy it and what it must answer, so that a new case is a new folder.

use std::collections::BTreeMap;
use std::fs;

use http::{Request, header};
use serde::Deserialize;
use serde_json::Value;

use crate::{Answer, Hearth, Project, Wrangler};

/// The whole of an `expect.json`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectations {
    /// The worker whose host the requests go to.
    worker: String,
    /// In this order.
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Step {
    Run(Run),
    Ask(Ask),
}

/// A wrangler command.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Run {
    wrangler: Vec<String>,
    /// What stands on its standard input.
    #[serde(default)]
    input: String,
    /// Whether it must fail.
    #[serde(default)]
    fails: bool,
    /// Texts that its output must contain.
    #[serde(default)]
    says: Vec<String>,
    /// Texts that its output must not contain.
    #[serde(default)]
    never_says: Vec<String>,
}

/// A request and its answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    get: String,
    /// The request's headers.
    #[serde(default)]
    with: BTreeMap<String, String>,
    #[serde(default = "ok")]
    status: u16,
    /// The whole body as text.
    text: Option<String>,
    /// The whole body as JSON.
    json: Option<Value>,
    /// The answer's headers that are checked.
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

fn ok() -> u16 {
    200
}

/// Deploys `tests/apps/<name>` as its `expect.json` says and holds its answers against it.
///
/// # Errors
/// The first step that did not go as expected, with what happened instead.
///
/// # Panics
/// If the folder or its `expect.json` is not what this module documents.
pub async fn check_app(hearth: &Hearth, name: &str, wrangler: Wrangler) -> Result<(), String> {
    let project = hearth.app(name).with(wrangler);
    let text = fs::read_to_string(project.path().join("expect.json")).expect("the app has an expect.json");
    let expected: Expectations =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    for step in &expected.steps {
        match step {
            Step::Run(run) => check_run(run, &project).await,
            Step::Ask(ask) => check_ask(ask, hearth, &expected.worker).await,
        }
        .map_err(|fault| format!("{name}: {fault}"))?;
    }
    Ok(())
}

async fn check_run(run: &Run, project: &Project) -> Result<(), String> {
    let args: Vec<&str> = run.wrangler.iter().map(String::as_str).collect();
    let ran = project.wrangler_with_input(&args, &run.input).await;
    if ran.ok == run.fails {
        return Err(format!("should {}:\n{}", if run.fails { "fail" } else { "succeed" }, ran.output));
    }
    for text in &run.says {
        if !ran.output.contains(text.as_str()) {
            return Err(format!("does not say {text:?}:\n{}", ran.output));
        }
    }
    match run.never_says.iter().find(|text| ran.output.contains(text.as_str())) {
        Some(text) => Err(format!("says {text:?}:\n{}", ran.output)),
        None => Ok(()),
    }
}

async fn check_ask(ask: &Ask, hearth: &Hearth, worker: &str) -> Result<(), String> {
    let mut request = Request::get(&ask.get).header(header::HOST, hearth.host(worker));
    for (name, value) in &ask.with {
        request = request.header(name, value);
    }
    let request = request.body(bytes::Bytes::new()).expect("the expectation's headers are valid");
    let answer = hearth.send(request).await.map_err(|error| format!("GET {}: {error:#}", ask.get))?;
    differs(ask, &answer)
        .map_or(Ok(()), |fault| Err(format!("GET {}: {fault}\n{} {}", ask.get, answer.status, answer.text())))
}

fn differs(ask: &Ask, answer: &Answer) -> Option<String> {
    if answer.status != ask.status {
        return Some(format!("status should be {}", ask.status));
    }
    if ask.text.as_ref().is_some_and(|text| *text != answer.text()) {
        return Some(format!("body should be {:?}", ask.text));
    }
    if let Some(json) = &ask.json
        && serde_json::from_slice::<Value>(&answer.body).ok().as_ref() != Some(json)
    {
        return Some(format!("body should be {json}"));
    }
    let (name, value) = ask.headers.iter().find(|(name, value)| answer.header(name) != value.as_str())?;
    Some(format!("header {name} should be {value:?}, is {:?}", answer.header(name)))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn ask(text: &str) -> Ask {
        serde_json::from_str(text).expect("a valid expectation")
    }

    fn answer(status: u16, body: &str) -> Answer {
        let headers = HeaderMap::from_iter([(header::ETAG, "e".parse().expect("a header value"))]);
        Answer { status, headers, body: body.to_owned().into() }
    }

    #[test]
    fn an_answer_that_is_as_expected_passes() {
        let ask = ask(r#"{"get": "/", "status": 201, "json": {"a": [1]}, "headers": {"etag": "e"}}"#);
        assert_eq!(differs(&ask, &answer(201, "{ \"a\": [1] }")), None);
    }

    #[test]
    fn each_difference_is_seen() {
        for expected in [
            r#"{"get": "/", "status": 404}"#,
            r#"{"get": "/", "text": "other"}"#,
            r#"{"get": "/", "json": {"a": 2}}"#,
            r#"{"get": "/", "headers": {"etag": "other"}}"#,
            r#"{"get": "/", "headers": {"absent": "x"}}"#,
        ] {
            assert!(differs(&ask(expected), &answer(200, r#"{"a": 1}"#)).is_some(), "{expected}");
        }
    }

    #[test]
    fn a_misspelt_expectation_is_refused() {
        assert!(serde_json::from_str::<Step>(r#"{"get": "/", "body": "x"}"#).is_err());
    }
}
