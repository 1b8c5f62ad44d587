//! A request to a worker, made for who manages it: the console's test panel. It comes in where requests from outside do,
//! but no rule about who may come in holds, as for calls that `wrangler dev` would make.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hearth_api::{Api, ApiError, InAccount, Json, Operation, Params, Reply, code};
use hearth_dialects::Processes;
use hearth_openapi::{Document, Family, array, boolean, integer, number, object, post, string};
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use serde::Deserialize;
use serde_json::{Value, json};

const PATH: &str = "/accounts/{account}/workers/scripts/{worker}/hearth/request";

/// Most bytes of an answer's body that are given.
const SHOWN: usize = 1 << 20;

#[derive(Clone)]
struct Trial {
    api: Api,
    processes: Arc<dyn Processes>,
}

/// The request to make.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct Wanted {
    method: String,
    /// With its query.
    path: String,
    headers: Vec<(String, String)>,
    body: String,
    /// A version of the deployment; absent: as the split chooses.
    version: Option<String>,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            method: "GET".to_owned(),
            path: "/".to_owned(),
            headers: Vec::new(),
            body: String::new(),
            version: None,
        }
    }
}

/// The operation.
pub fn operations(api: &Api, processes: Arc<dyn Processes>) -> Vec<Operation> {
    vec![Operation::new(Method::POST, PATH, send, &Trial { api: api.clone(), processes })]
}

async fn send(
    State(trial): State<Trial>,
    InAccount(account): InAccount,
    params: Params,
    Json(wanted): Json<Wanted>,
) -> Result<Reply, ApiError> {
    let worker = trial.api.find_any(&account, params.get("worker")).await?;
    let origin = trial.api.config().worker_url(&worker.name, account.host_label());
    let origin = origin.unwrap_or_else(|| format!("http://{}.localhost", worker.name));
    let request = request(&origin, worker.name.as_str(), wanted)
        .map_err(|why| ApiError::bad_request(code::BAD_BODY, why))?;
    let began = Instant::now();
    let answer = trial.processes.invoke(worker.id, request).await;
    let took = began.elapsed();
    let Some(answer) = answer else {
        let text = "The worker has no deployment. Deploy it, then try again.";
        return Err(ApiError::bad_request(code::NO_VERSIONS, text));
    };
    let response = answer.map_err(|why| ApiError::bad_request(code::BAD_BODY, why))?;
    Ok(Reply::new(view(&response, took.as_secs_f64() * 1000.0)))
}

/// The request, or what is wrong with it.
fn request(origin: &str, name: &str, wanted: Wanted) -> Result<Request<Bytes>, String> {
    let method: Method =
        wanted.method.parse().map_err(|_| format!("`{}` is no HTTP method.", wanted.method))?;
    if !wanted.path.starts_with('/') {
        return Err("`path` begins with `/`.".to_owned());
    }
    let uri: Uri = format!("{origin}{}", wanted.path)
        .parse()
        .map_err(|_| "`path` cannot stand in a URL; encode what is not ASCII or a space.".to_owned())?;
    let mut request = Request::new(Bytes::from(wanted.body));
    *request.method_mut() = method;
    let host = uri.authority().map(ToString::to_string).unwrap_or_default();
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    for (name, value) in wanted.headers {
        let known = HeaderName::try_from(&name).map_err(|_| format!("`{name}` is no name of a header."))?;
        let value =
            HeaderValue::try_from(value).map_err(|_| format!("The value of `{name}` is no header's."))?;
        headers.append(known, value);
    }
    if let Ok(host) = HeaderValue::try_from(host) {
        headers.insert(header::HOST, host);
    }
    if let Some(version) = wanted.version {
        let chosen = HeaderValue::try_from(format!("{name}=\"{version}\""))
            .map_err(|_| "`version` is the id of a version.".to_owned())?;
        headers.insert("cloudflare-workers-version-overrides", chosen);
    }
    Ok(request)
}

fn view(response: &Response<Bytes>, duration_ms: f64) -> Value {
    let headers: Vec<[String; 2]> = response
        .headers()
        .iter()
        .map(|(name, value)| [name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()])
        .collect();
    let body = response.body();
    let shown = body.get(..SHOWN).unwrap_or(body);
    json!({
        "status": response.status().as_u16(),
        "headers": headers,
        "body_base64": STANDARD.encode(shown),
        "body_bytes": body.len(),
        "truncated": shown.len() < body.len(),
        "duration_ms": duration_ms,
    })
}

/// Describes the operation.
pub fn describe(document: &mut Document) {
    let about = "Requests to workers for those who manage them.";
    let mut section = document.section("Trial requests", about, Family::cloudflare());
    let pair = || array(string()).about("A name and a value.");
    let wanted = object()
        .may("method", string().default("GET"))
        .may("path", string().default("/").about("With its query."))
        .may("headers", array(pair()))
        .may("body", string())
        .may(
            "version",
            string().or_null().about("A version of the deployment; absent: as the split chooses."),
        );
    section.add(
        post(PATH, "Send trial request")
            .about("As from outside, but the worker's access rule does not hold.")
            .takes(wanted)
            .gives(
                object()
                    .has("status", integer())
                    .has("headers", array(pair()))
                    .has("body_base64", string().about("At most 1 MiB of it."))
                    .has("body_bytes", integer())
                    .has("truncated", boolean())
                    .has("duration_ms", number().about("Until the last byte.")),
            ),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(path: &str) -> Wanted {
        Wanted { path: path.to_owned(), ..Wanted::default() }
    }

    #[test]
    fn a_request_goes_to_the_worker_whatever_it_says() {
        let headers =
            vec![("Host".to_owned(), "other.example".to_owned()), ("x-a".to_owned(), "1".to_owned())];
        let wanted = Wanted { headers, version: Some("v".to_owned()), ..wanted("/a?b=c") };
        let made = request("http://hello.localhost:8787", "hello", wanted).unwrap();
        assert_eq!(made.uri(), "http://hello.localhost:8787/a?b=c");
        assert_eq!(made.headers()[header::HOST], "hello.localhost:8787");
        assert_eq!(made.headers()["x-a"], "1");
        assert_eq!(made.headers()["cloudflare-workers-version-overrides"], "hello=\"v\"");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for path in ["", "@other.example/", ".evil.example/", "/a b"] {
            assert!(request("http://hello.localhost", "hello", wanted(path)).is_err(), "{path}");
        }
        let bad = Wanted { method: "NO SUCH".to_owned(), ..Wanted::default() };
        assert!(request("http://hello.localhost", "hello", bad).is_err());
        let bad = Wanted { headers: vec![("a b".to_owned(), String::new())], ..Wanted::default() };
        assert!(request("http://hello.localhost", "hello", bad).is_err());
    }

    #[test]
    fn a_long_answer_is_cut() {
        let response = Response::new(Bytes::from(vec![b'x'; SHOWN + 1]));
        let view = view(&response, 1.0);
        assert_eq!(
            (view["truncated"].as_bool(), view["body_bytes"].as_u64()),
            (Some(true), Some(SHOWN as u64 + 1))
        );
    }
}
