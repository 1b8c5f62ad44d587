//! Stands around the API and writes down what changes.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::response::IntoResponse;
use hearth_api::session::Peer;
use hearth_api::{ACCOUNT_HEADER, Api, ApiError, Consequence, Consequences, PREFIX};
use http::{HeaderMap, HeaderName, Method, Request, Response, header};
use http_body::Body as _;
use jiff::Timestamp;
use parking_lot::Mutex;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tower::ServiceExt;
use uuid::Uuid;

use crate::entry::{Actor, Entry, Outcome};
use crate::flood::Flood;
use crate::log::Log;
use crate::redact::redact;
use crate::watch::{Watch, watch};
use crate::who;

/// Largest answer that is looked into, in bytes.
pub(crate) const MOST: usize = 256 << 10;

/// Longest text that a client gives of itself, or of what it asks for, in bytes.
const LONGEST: usize = 512;

/// What the OpenAPI document says of an operation that is served.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its method.
    pub method: Method,
    /// Its whole path, as tables of operations write it.
    pub path: String,
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its section.
    pub product: String,
    /// Whether it gives JSON.
    pub gives_json: bool,
}

/// Writes down every call that changes something, or tries to. Clones are the same.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    api: Api,
    log: Log,
    paths: matchit::Router<HashMap<Method, Known>>,
    by_id: HashMap<String, Known>,
    flood: Mutex<Flood>,
    began: Instant,
}

impl Recorder {
    /// Knows these operations.
    ///
    /// # Errors
    /// When two of them clash, which a router of the same would not take either.
    pub fn new(api: Api, log: Log, operations: Vec<Known>) -> Result<Self, matchit::InsertError> {
        let mut by_path: HashMap<String, HashMap<Method, Known>> = HashMap::new();
        let by_id = operations.iter().map(|known| (known.id.clone(), known.clone())).collect();
        for known in operations {
            by_path.entry(known.path.clone()).or_default().insert(known.method.clone(), known);
        }
        let mut paths = matchit::Router::new();
        for (path, methods) in by_path {
            paths.insert(path, methods)?;
        }
        let flood = Mutex::new(Flood::default());
        Ok(Self(Arc::new(Inner { api, log, paths, by_id, flood, began: Instant::now() })))
    }

    /// The API, and what is written down of its calls.
    pub fn around(self, api: Router) -> Router {
        let inner = api;
        Router::new().fallback(move |request: Request<Body>| {
            let (recorder, inner) = (self.clone(), inner.clone());
            async move { recorder.call(request, inner).await }
        })
    }

    async fn call(self, request: Request<Body>, inner: Router) -> Response<Body> {
        let Some(seen) = self.0.see(&request) else { return send(&inner, request).await };
        // What was changed is written down though its client goes away.
        let recorded = tokio::spawn(async move { self.0.record(seen, request, inner).await });
        match recorded.await {
            Ok(response) => response,
            Err(error) => ApiError::internal(error).into_response(),
        }
    }
}

/// A call that is to be written down.
pub(crate) struct Seen {
    pub known: Known,
    watch: Watch,
    /// The variable segments of its path, still encoded.
    segments: Vec<(String, String)>,
}

impl Seen {
    /// A variable segment, still encoded.
    pub fn segment(&self, name: &str) -> Option<&str> {
        self.segments.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Another operation's path with the same segments.
    fn fill(&self, path: &str) -> Option<String> {
        let filled =
            path.split('/').map(|part| match part.strip_prefix('{').and_then(|p| p.strip_suffix('}')) {
                Some(name) => self.segment(name.trim_start_matches('*')).map(str::to_owned),
                None => Some(part.to_owned()),
            });
        Some(filled.collect::<Option<Vec<_>>>()?.join("/"))
    }
}

/// How a thing is looked at, before and after.
#[derive(Clone)]
struct Look {
    request: http::request::Parts,
    at: &'static str,
}

impl Inner {
    /// Whether a call is one that is written down. Where nobody answers, nothing changes.
    fn see(&self, request: &Request<Body>) -> Option<Seen> {
        // A provider sends browsers back by a GET.
        if request.method().is_safe() && !request.uri().path().starts_with("/api/session/oidc/") {
            return None;
        }
        let path = normal(request.uri().path());
        let found = self.paths.at(&path).ok()?;
        let known = found.value.get(request.method())?.clone();
        let watch = watch(&known.method, &known.path)?;
        let segments = found.params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        Some(Seen { known, watch, segments })
    }

    async fn record(&self, seen: Seen, request: Request<Body>, inner: Router) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let caller = who::caller(&self.api, &parts).await;
        let request = Request::from_parts(parts, body);
        let path = normal(request.uri().path()).into_owned();
        let (request, claimed) = match who::signs_in(&seen.known.path) {
            true => who::claimed(request).await,
            false => (request, None),
        };
        let peer = request.extensions().get::<Peer>().copied();
        let mut actor = who::actor(&self.api, caller.as_ref(), request.headers(), peer).await;
        let acting = who::acting(&self.api, &seen.known, caller.as_ref(), request.headers()).await;
        let look = if caller.is_some() { self.look(&seen, &request) } else { None };
        let before = match &look {
            Some(look) => look_at(&inner, look).await,
            None => None,
        };
        let response = send(&inner, request).await;
        let status = response.status().as_u16();
        let (mut response, answered) = open(response).await;
        let consequences = response.extensions_mut().remove::<Consequences>().unwrap_or_default();
        let done = Outcome::of(status) == Outcome::Done;
        // A list shows what else there is, not what was made.
        let kind = kind_of(&seen.known.path);
        let is_list = before.as_ref().is_some_and(|shown| shown.is_array() || shown[&kind].is_array());
        let of_same = seen.known.method == Method::POST && seen.watch == Watch::Same;
        let makes = of_same && (before.is_none() || is_list);
        let before = before.filter(|_| !makes);
        let result = answered.as_ref().map(result);
        if who::signs_in(&seen.known.path) {
            let signed_in = who::signed_in(&self.api, response.headers(), peer).await;
            who::name_visitor(&mut actor, result.filter(|_| done), signed_in.as_ref(), claimed);
        }
        let after = match (&look, seen.watch) {
            _ if !done => None,
            (_, Watch::Call) => None,
            (_, Watch::Answer(at)) => result.and_then(|result| result.pointer(at)).cloned(),
            (Some(look), _) if !makes => match look_at(&inner, look).await {
                None if seen.known.method != Method::DELETE => result.cloned(),
                after => after,
            },
            (None, Watch::Shown { .. }) => None,
            _ if seen.known.method == Method::DELETE => None,
            _ => result.cloned(),
        };
        let shown = before.as_ref().or(result);
        let account = who::account(&self.api, &seen, acting, shown).await;
        let is_data = seen.watch == Watch::Call;
        let named = seen.segments.last().filter(|(name, _)| name != "account");
        let named = named.map(|(_, value)| short(&percent_decode_str(value).decode_utf8_lossy()));
        let made = || {
            let result = result?;
            let id = ["id", "uuid", "name"].into_iter().find_map(|key| result[key].as_str())?;
            Some(short(id))
        };
        let resource_id = match named {
            // What is made below something is not that.
            Some(named) if !makes || !done || !kind_is_last(&seen.known.path) => Some(named),
            named if is_data => named,
            named => made().or(named),
        };
        let beside: Vec<Entry> =
            consequences.0.into_iter().filter_map(|one| self.entry_of(one, &actor)).collect();
        let entry = Entry {
            id: Uuid::now_v7(),
            at: Timestamp::now().as_microsecond(),
            account,
            actor,
            operation: seen.known.id.clone(),
            title: seen.known.title.clone(),
            product: seen.known.product.clone(),
            method: seen.known.method.to_string(),
            path: short(&path),
            resource_type: kind,
            resource_id,
            status,
            code: answered.as_ref().filter(|_| !done).and_then(code_of),
            before: before.map(redact),
            after: after.map(redact),
        };
        self.keep(entry, caller.is_some(), is_data).await;
        for entry in beside {
            self.log.add(entry).await;
        }
        response
    }

    /// What is written down of a change that a call has made beside what it was made for: as if the server had called.
    fn entry_of(&self, change: Consequence, visitor: &Actor) -> Option<Entry> {
        let known = self.by_id.get(change.operation)?;
        let account = change.account.as_ref().map(ToString::to_string).unwrap_or_default();
        let path = known.path.split('/').map(|part| match part {
            "{account}" => account.as_str(),
            part if part.starts_with('{') => change.resource.as_str(),
            part => part,
        });
        let (id, email) = change.person;
        let actor = Actor { kind: "system".to_owned(), id: Some(id), email: Some(email), ..visitor.clone() };
        Some(Entry {
            id: Uuid::now_v7(),
            at: Timestamp::now().as_microsecond(),
            account: change.account.clone(),
            actor,
            operation: known.id.clone(),
            title: known.title.clone(),
            product: known.product.clone(),
            method: known.method.to_string(),
            path: path.collect::<Vec<_>>().join("/"),
            resource_type: kind_of(&known.path),
            resource_id: Some(change.resource.clone()),
            status: 200,
            code: None,
            before: change.before.map(redact),
            after: change.after.map(redact),
        })
    }

    async fn keep(&self, entry: Entry, is_known: bool, is_data: bool) {
        if !is_known && Outcome::of(entry.status) != Outcome::Done {
            let Some(skipped) = self.flood.lock().take(self.began.elapsed()) else { return };
            if skipped > 0 {
                tracing::warn!(skipped, "refused calls of unknown callers are missing from the audit log");
            }
            return self.log.add_soon(entry).await;
        }
        match is_data {
            true => self.log.add_soon(entry).await,
            false => self.log.add(entry).await,
        }
    }

    /// How what a call is about is looked at: by an operation that gives JSON.
    fn look(&self, seen: &Seen, request: &Request<Body>) -> Option<Look> {
        let (path, at) = match seen.watch {
            Watch::Same => (normal(request.uri().path()).into_owned(), ""),
            Watch::Shown { path, at } => (seen.fill(path)?, at),
            Watch::Call | Watch::Answer(_) => return None,
        };
        let found = self.paths.at(&path).ok()?;
        if !found.value.get(&Method::GET)?.gives_json {
            return None;
        }
        let mut asking = Request::get(path).body(()).ok()?;
        *asking.headers_mut() = credentials(request.headers());
        *asking.extensions_mut() = request.extensions().clone();
        Some(Look { request: asking.into_parts().0, at })
    }
}

/// The path as the API routes it.
fn normal(path: &str) -> std::borrow::Cow<'_, str> {
    match path.starts_with(PREFIX) || path.starts_with("//") {
        true => hearth_api::normalize(path),
        false => path.into(),
    }
}

/// Headers that say who asks and in which account, and nothing else.
fn credentials(headers: &HeaderMap) -> HeaderMap {
    const NAMES: [&str; 9] = [
        ACCOUNT_HEADER,
        "authorization",
        "x-auth-key",
        "x-auth-email",
        "cookie",
        "host",
        "origin",
        "sec-fetch-site",
        "user-agent",
    ];
    let mut kept = HeaderMap::new();
    for name in NAMES.map(HeaderName::from_static) {
        for value in headers.get_all(&name) {
            kept.append(name.clone(), value.clone());
        }
    }
    kept
}

async fn send(inner: &Router, request: Request<Body>) -> Response<Body> {
    let Ok(response) = inner.clone().oneshot(request).await;
    response
}

/// What an operation shows; None where it does not, or not to this caller.
async fn look_at(inner: &Router, look: &Look) -> Option<Value> {
    let response = send(inner, Request::from_parts(look.request.clone(), Body::empty())).await;
    if !response.status().is_success() {
        return None;
    }
    let (_, answered) = open(response).await;
    answered.as_ref().map(result)?.pointer(look.at).cloned()
}

/// An answer, and what it says if that is JSON and not large.
async fn open(response: Response<Body>) -> (Response<Body>, Option<Value>) {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let is_json = kind.is_some_and(|kind| kind.starts_with("application/json"));
    let is_small = response.body().size_hint().upper().is_some_and(|bytes| bytes <= MOST as u64);
    if !is_json || !is_small {
        return (response, None);
    }
    let (parts, body) = response.into_parts();
    match to_bytes(body, MOST).await {
        Ok(bytes) => {
            let value = serde_json::from_slice(&bytes).ok();
            (Response::from_parts(parts, Body::from(bytes)), value)
        }
        Err(error) => (ApiError::internal(error).into_response(), None),
    }
}

/// What an answer gives: Cloudflare's stands in an envelope.
fn result(answered: &Value) -> &Value {
    match answered.get("result") {
        Some(result) if answered.get("success").is_some() => result,
        _ => answered,
    }
}

fn code_of(answered: &Value) -> Option<i64> {
    answered["errors"][0]["code"].as_i64().or_else(|| answered["error"]["code"].as_i64())
}

/// The last word of a path that is not variable.
fn kind_of(path: &str) -> String {
    path.rsplit('/').find(|part| !part.starts_with('{')).unwrap_or_default().to_owned()
}

/// Whether it ends with a word: something of that kind is made there.
fn kind_is_last(path: &str) -> bool {
    !path.ends_with('}')
}

/// A text that comes from a client, no longer than is kept of one.
pub(crate) fn short(text: &str) -> String {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_path_is_about() {
        assert_eq!(kind_of("/client/v4/accounts/{account}/workers/scripts/{worker}"), "scripts");
        assert_eq!(kind_of("/client/v4/accounts/{account}/hearth/quotas"), "quotas");
        assert!(kind_is_last("/a/b") && !kind_is_last("/a/{*b}"));
        assert_eq!(short(&"ü".repeat(400)).len(), 512);
    }

    #[test]
    fn a_result_stands_in_an_envelope_or_alone() {
        assert_eq!(result(&json!({"success": true, "result": {"a": 1}})), &json!({"a": 1}));
        assert_eq!(result(&json!({"result": 1})), &json!({"result": 1}));
        assert_eq!(code_of(&json!({"errors": [{"code": 7}]})), Some(7));
        assert_eq!(code_of(&json!({"error": "no"})), None);
    }
}
