//! The handlers.

use std::collections::BTreeMap;
use std::time::Instant;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hearth_api::{ApiError, Making, code as codes};
use hearth_gateway::Visit;
use hearth_model::{Dialect, TooMany, Version, WorkerId, WorkerName};
use hearth_store::{Entity, Page, StoreError, Worker, WorkerChanges};
use http::{Method, Request, StatusCode, header};
use serde_json::{Map, Value, json};

use super::routes::{read_methods, read_route};
use super::view::{self, Nexoing, Served};
use super::{Nexo, code};
use crate::fields::{Fields, bad};
use crate::session::Session;

type Call = Session<Nexoing>;

/// `GET /stats`: of the account's functions.
pub(super) async fn stats(State(nexo): State<Nexo>, call: Call) -> Response {
    let account = &call.account.id;
    let counts = nexo.0.tally.all(account);
    let functions = nexo.0.routes.read().count(account);
    let (active, idle) = nexo.0.processes.count(&|worker| nexo.0.routes.read().has(account, worker));
    Json(json!({
        "functions": functions,
        "isolates": {"active": active, "idle": idle, "max": nexo.0.config.max_concurrent},
        "requests": counts.requests(),
        "latency_ms": counts.latency(),
        "uptime_s": nexo.0.tally.uptime(),
    }))
    .into_response()
}

/// `GET /api/functions/:id/stats`.
pub(super) async fn stats_of(State(nexo): State<Nexo>, call: Call) -> Response {
    let found = async {
        let worker = find(&nexo, &call).await?;
        let counts = nexo.0.tally.of(worker.id);
        let (active, idle) = nexo.0.processes.count(&|other| other == worker.id);
        Ok(json!({
            "id": worker.id.to_string(),
            "name": worker.name,
            "isolates": {"active": active, "idle": idle},
            "requests": counts.requests(),
            "latency_ms": counts.latency(),
            "uptime_s": nexo.0.tally.uptime(),
        }))
    };
    answer(&call, StatusCode::OK, found.await)
}

/// `GET /api/functions`.
pub(super) async fn list(State(nexo): State<Nexo>, call: Call) -> Response {
    let listed = async {
        let store = nexo.0.api.store();
        let workers = store.workers(&call.account.id, Some(Dialect::Nexo), Page::ALL).await?.items;
        let mut functions = Vec::with_capacity(workers.len());
        for worker in &workers {
            functions.push(view::function(worker, store.latest_version(worker.id).await?.as_ref()));
        }
        Ok(json!({"total": functions.len(), "functions": functions}))
    };
    answer(&call, StatusCode::OK, listed.await)
}

/// `GET /api/functions/:id`.
pub(super) async fn get(State(nexo): State<Nexo>, call: Call) -> Response {
    let found = async { shown(&nexo, &find(&nexo, &call).await?).await };
    answer(&call, StatusCode::OK, found.await)
}

/// `POST /api/functions`.
pub(super) async fn create(State(nexo): State<Nexo>, call: Call, body: Body) -> Response {
    let created = async {
        let mut wanted = Wanted::read(body, nexo.0.api.config().max_upload_bytes).await?;
        let name = wanted.name.take().ok_or_else(|| bad("`name` is missing."))?;
        let source = wanted.code.take().ok_or_else(|| bad("`code` is missing."))?;
        let served = Served {
            route: wanted.route.take().unwrap_or_else(|| view::default_route(name.as_str())),
            methods: wanted.methods.take().unwrap_or_else(view::all_methods),
        };
        let _turn = nexo.0.changing.lock().await;
        if nexo.0.api.find_of(&call.account, Dialect::Nexo, &name).await?.is_some() {
            let text = format!("The function `{name}` exists already.");
            return Err(ApiError::new(StatusCode::CONFLICT, codes::BAD_WORKER_NAME, text));
        }
        check_free(&nexo, &served.route, None)?;
        let variables = wanted.env.unwrap_or_default();
        let worker = make(&nexo, &call, name, &source, variables, &served).await?;
        nexo.0.routes.write().set(&call.account.id, worker.id, served);
        shown(&nexo, &worker).await
    };
    answer(&call, StatusCode::CREATED, created.await)
}

/// `PUT /api/functions/:id`: changes only what is sent.
pub(super) async fn update(State(nexo): State<Nexo>, call: Call, body: Body) -> Response {
    let updated = async {
        let wanted = Wanted::read(body, nexo.0.api.config().max_upload_bytes).await?;
        let _turn = nexo.0.changing.lock().await;
        let mut worker = find(&nexo, &call).await?;
        if wanted.name.as_ref().is_some_and(|name| name.as_str() != worker.name.as_str()) {
            return Err(bad(format!("`name` cannot be changed; the function is called `{}`.", worker.name)));
        }
        let before = Served::of(&worker);
        let served = Served {
            route: wanted.route.unwrap_or_else(|| before.route.clone()),
            methods: wanted.methods.unwrap_or_else(|| before.methods.clone()),
        };
        check_free(&nexo, &served.route, Some(worker.id))?;
        if wanted.code.is_some() || wanted.env.is_some() {
            let version = nexo.0.api.store().latest_version(worker.id).await?;
            let source = match wanted.code {
                Some(source) => source,
                None => source_of(&nexo, version.as_ref()).await?,
            };
            let variables = wanted.env.unwrap_or_else(|| variables_of(version.as_ref()));
            worker = make(&nexo, &call, worker.name, &source, variables, &served).await?;
        } else if served != before {
            let changes =
                WorkerChanges { dialect_settings: Some(served.settings()), ..WorkerChanges::default() };
            worker = nexo.0.api.store().update_worker(worker.id, changes).await?;
        }
        nexo.0.routes.write().set(&call.account.id, worker.id, served);
        shown(&nexo, &worker).await
    };
    answer(&call, StatusCode::OK, updated.await)
}

/// `DELETE /api/functions/:id`.
pub(super) async fn delete(State(nexo): State<Nexo>, call: Call) -> Response {
    let deleted = async {
        let _turn = nexo.0.changing.lock().await;
        let worker = find(&nexo, &call).await?;
        nexo.0.api.remove(worker.id).await?;
        nexo.0.routes.write().remove(worker.id);
        nexo.0.tally.forget(worker.id);
        Ok(json!({"id": worker.id.to_string(), "deleted": true}))
    };
    answer(&call, StatusCode::OK, deleted.await)
}

/// `POST /api/functions/:id/invoke` `{method?, path?, headers?, body?}`.
pub(super) async fn invoke(State(nexo): State<Nexo>, call: Call, body: Body) -> Response {
    let began = Instant::now();
    // Seconds after which another try is worth it, where there was no room for this one.
    let mut wait = 1;
    let invoked = async {
        let fields = Fields::read(body, nexo.0.api.config().max_upload_bytes).await?;
        let worker = find(&nexo, &call).await?;
        let request = read_request(fields, &Served::of(&worker).route)?;
        let version = nexo.0.api.store().latest_version(worker.id).await?;
        let warm = version.is_some_and(|version| nexo.0.processes.is_running(worker.id, version.id));
        let Some(mut turn) = nexo.turn(&call.account.id, worker.id).await else {
            let text = "Too many functions are running; the call has waited 10 s for its turn.";
            return Err(ApiError::new(StatusCode::SERVICE_UNAVAILABLE, codes::INTERNAL, text));
        };
        let sent = nexo.0.processes.invoke(worker.id, request).await;
        let response = sent
            .ok_or_else(|| unknown(call.param("id")))?
            .map_err(|text| ApiError::new(StatusCode::BAD_GATEWAY, codes::INTERNAL, text))?;
        turn.answered(response.status());
        if let Some(refused) = response.extensions().get::<TooMany>() {
            wait = refused.wait;
            let text = refused.to_string();
            return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, codes::TOO_MANY, text));
        }
        Ok(json!({
            "status": response.status().as_u16(),
            "headers": headers_of(&response),
            "body": body_of(&response),
            "duration_ms": began.elapsed().as_secs_f64() * 1000.0,
            "cold_start": !warm,
        }))
    };
    let mut response = answer(&call, StatusCode::OK, invoked.await);
    if [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(&response.status()) {
        response.headers_mut().insert(header::RETRY_AFTER, http::HeaderValue::from(wait));
    }
    response
}

/// What a function is made of or changed to.
struct Wanted {
    name: Option<WorkerName>,
    route: Option<String>,
    methods: Option<Vec<String>>,
    code: Option<String>,
    env: Option<BTreeMap<String, String>>,
}

impl Wanted {
    async fn read(body: Body, max: u64) -> Result<Self, ApiError> {
        // Text in JSON is longer than the text.
        let mut fields = Fields::read(body, max.saturating_mul(2)).await?;
        let name = fields.text("name")?.map(|name| {
            name.parse().map_err(|_| {
                bad(format!(
                    "`name` {name:?} is not valid: use 1 to {} letters, digits, '-' or '_', beginning with a letter or \
                     digit.",
                    WorkerName::MAX
                ))
            })
        });
        let wanted = Self {
            name: name.transpose()?,
            route: fields.text("route")?.map(|route| read_route(&route)).transpose()?,
            methods: fields.value("methods").map(|methods| read_methods(&methods)).transpose()?,
            code: fields.text("code")?,
            env: fields.variables("env")?,
        };
        fields.end()?;
        Ok(wanted)
    }
}

async fn make(
    nexo: &Nexo,
    call: &Call,
    name: WorkerName,
    source: &str,
    variables: BTreeMap<String, String>,
    served: &Served,
) -> Result<Worker, ApiError> {
    let (format, modules) = code::modules(source);
    let making = Making {
        dialect: Dialect::Nexo,
        name,
        format,
        modules,
        variables,
        annotations: BTreeMap::new(),
        subdomain: None,
        settings: Some(served.settings()),
    };
    let made = nexo.0.api.make(&call.caller, &call.account, making).await;
    made.map(|made| made.worker).map_err(code::explain)
}

fn check_free(nexo: &Nexo, route: &str, for_function: Option<WorkerId>) -> Result<(), ApiError> {
    match nexo.0.routes.read().owner(route) {
        Some(owner) if Some(owner) != for_function => Err(ApiError::new(
            StatusCode::CONFLICT,
            codes::ROUTE_TAKEN,
            // Not a word on whose: it may be another account's.
            format!("The route `{route}` is taken: give the function another `route`."),
        )),
        _ => Ok(()),
    }
}

async fn shown(nexo: &Nexo, worker: &Worker) -> Result<Value, ApiError> {
    let version = nexo.0.api.store().latest_version(worker.id).await?;
    let mut function = view::function(worker, version.as_ref());
    function["code"] = json!(source_of(nexo, version.as_ref()).await?);
    Ok(function)
}

/// The code as it was sent.
async fn source_of(nexo: &Nexo, version: Option<&Version>) -> Result<String, ApiError> {
    let Some(module) = version.and_then(|version| code::module_of(&version.modules)) else {
        return Ok(String::new());
    };
    let content = nexo.0.api.store().module_content(module).await?;
    Ok(code::sent(&String::from_utf8_lossy(&content)).to_owned())
}

fn variables_of(version: Option<&Version>) -> BTreeMap<String, String> {
    let text = |value: Value| value.as_str().map(str::to_owned);
    view::env(version).into_iter().filter_map(|(name, value)| Some((name, text(value)?))).collect()
}

/// The function that the path names, of the caller's account.
async fn find(nexo: &Nexo, call: &Call) -> Result<Worker, ApiError> {
    let text = call.param("id");
    let id: WorkerId = text.parse().map_err(|_| unknown(text))?;
    match nexo.0.api.store().worker(id).await {
        Ok(worker) if worker.account == call.account.id && worker.dialect == Dialect::Nexo => Ok(worker),
        Ok(_) | Err(StoreError::NotFound { what: Entity::Worker, .. }) => Err(unknown(text)),
        Err(error) => Err(error.into()),
    }
}

fn unknown(id: &str) -> ApiError {
    ApiError::not_found(codes::WORKER_NOT_FOUND, format!("There is no function {id:?}."))
}

/// The request that a call describes.
fn read_request(mut fields: Fields, route: &str) -> Result<Request<Bytes>, ApiError> {
    let (body, is_json) = match fields.value("body") {
        None => (Bytes::new(), false),
        Some(Value::String(text)) => (Bytes::from(text), false),
        Some(other) => (Bytes::from(other.to_string()), true),
    };
    let method = match fields.text("method")? {
        Some(text) => text.to_ascii_uppercase().parse().ok().filter(|method| *method != Method::CONNECT),
        None if body.is_empty() => Some(Method::GET),
        None => Some(Method::POST),
    };
    let method = method.ok_or_else(|| bad("`method` is not a method of HTTP."))?;
    if !body.is_empty() && matches!(method, Method::GET | Method::HEAD) {
        return Err(bad(format!("`body` cannot be sent with the method {method}.")));
    }
    let path = fields.text("path")?.unwrap_or_else(|| format!("/fn{route}"));
    let uri = path.starts_with('/').then(|| format!("http://localhost{path}").parse::<http::Uri>().ok());
    let uri =
        uri.flatten().ok_or_else(|| bad(format!("`path` {path:?} is not a path that begins with '/'.")))?;
    let mut request = Request::builder().method(method).uri(uri).header(header::HOST, "localhost");
    if is_json {
        request = request.header(header::CONTENT_TYPE, "application/json");
    }
    let headers = match fields.value("headers") {
        None => Map::new(),
        Some(Value::Object(headers)) => headers,
        Some(_) => return Err(bad("`headers` must be an object of strings.")),
    };
    fields.end()?;
    for (name, value) in headers {
        let text = value.as_str().ok_or_else(|| bad(format!("`headers.{name}` must be a string.")))?;
        request = request.header(name, text);
    }
    request.body(body).map_err(|error| bad(format!("`headers` are not valid: {error}.")))
}

fn headers_of(response: &http::Response<Bytes>) -> Value {
    let pair = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        (name.as_str().to_owned(), json!(String::from_utf8_lossy(value.as_bytes())))
    };
    Value::Object(response.headers().iter().map(pair).collect())
}

/// JSON as what it is, everything else as text.
fn body_of(response: &http::Response<Bytes>) -> Value {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let parsed = kind
        .filter(|kind| kind.starts_with("application/json"))
        .and_then(|_| serde_json::from_slice(response.body()).ok());
    parsed.unwrap_or_else(|| json!(String::from_utf8_lossy(response.body())))
}

fn answer(call: &Call, status: StatusCode, result: Result<Value, ApiError>) -> Response {
    match result {
        Ok(body) => (status, Json(body)).into_response(),
        Err(error) => call.refuse(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn request(call: Value) -> Result<Request<Bytes>, ApiError> {
        let fields = Fields::read(Body::from(call.to_string()), 10_000).await.unwrap();
        read_request(fields, "/api/hello")
    }

    #[tokio::test]
    async fn everything_of_a_call_is_optional() {
        let plain = request(json!({})).await.unwrap();
        assert_eq!((plain.method(), plain.uri().path()), (&Method::GET, "/fn/api/hello"));
        let call = json!({"body": {"a": 1}, "path": "/x?y=1", "headers": {"X-A": "b"}});
        let full = request(call).await.unwrap();
        assert_eq!((full.method(), full.uri().query()), (&Method::POST, Some("y=1")));
        assert_eq!(full.body(), "{\"a\":1}");
        assert_eq!(full.headers()["x-a"], "b");
        assert_eq!(full.headers()["content-type"], "application/json");
    }

    #[tokio::test]
    async fn what_cannot_be_sent_is_named() {
        for (call, field) in [
            (json!({"method": "G T"}), "`method`"),
            (json!({"path": "x"}), "`path`"),
            (json!({"headers": []}), "`headers`"),
            (json!({"headers": {"a": 1}}), "`headers.a`"),
            (json!({"headers": {"a b": "c"}}), "`headers`"),
            (json!({"method": "GET", "body": "x"}), "`body`"),
            (json!({"query": "x"}), "`query`"),
        ] {
            let error = request(call).await.unwrap_err();
            assert!(error.message().contains(field), "{field}: {}", error.message());
        }
    }
}
