//! `/api/v1/functions`, word for word as its document says; what that leaves open is decided in `seed-readings.md`.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use hearth_api::{ApiError, Caller, InAccount, Operation, Params};
use hearth_model::WorkerId;
use hearth_store::Account;
use http::{Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::audience::Whose;
use crate::call::MAX_EVENT;
use crate::draft::{Draft, MAX_CODE};
use crate::error::Refusal;
use crate::functions::{Function, Functions};
use crate::records::KEPT;

type Answer = Result<Response, Refusal>;

/// Calls that a page of records has unless it is asked for otherwise.
const PAGE: u32 = 50;

/// The operations, with whole paths.
pub fn operations(functions: &Functions) -> Vec<Operation> {
    const ALL: &str = "/api/v1/functions";
    const ONE: &str = "/api/v1/functions/{id}";
    let (get, post) = (Method::GET, Method::POST);
    let all = vec![
        Operation::new(get.clone(), ALL, list, functions),
        Operation::new(post.clone(), ALL, create, functions),
        Operation::new(get.clone(), ONE, show, functions),
        Operation::new(Method::PUT, ONE, update, functions),
        Operation::new(Method::DELETE, ONE, delete, functions),
        Operation::new(post, "/api/v1/functions/{id}/invoke", invoke, functions),
        Operation::new(get.clone(), "/api/v1/functions/{id}/stats", stats, functions),
        Operation::new(get.clone(), "/api/v1/functions/{id}/invocations", invocations, functions),
        Operation::new(get.clone(), "/api/v1/functions/{id}/logs", logs, functions),
        Operation::new(get, "/api/health", health, functions).without_token(),
    ];
    let refused = |error: &ApiError, _: &Params| Refusal::from(error.clone()).into_response();
    // JSON may write each byte of the code as six.
    let most = Some(6 * MAX_CODE + (1 << 20));
    all.into_iter().map(|operation| operation.with_body_limit(most).refused_as(refused)).collect()
}

/// Whether a request to the control host calls a function.
pub fn is_invoke(method: &Method, path: &str) -> bool {
    let id = || path.strip_prefix("/api/v1/functions/")?.strip_suffix("/invoke");
    *method == Method::POST && id().is_some_and(|id| !id.is_empty() && !id.contains('/'))
}

fn shown(status: StatusCode, value: Value) -> Answer {
    Ok((status, Json(value)).into_response())
}

async fn found(functions: &Functions, account: &Account, id: &str) -> Result<Function, Refusal> {
    functions.find(&account.id, id).await
}

async fn health() -> Json<Value> {
    Json(json!({ "status": "ok", "services": { "cloudfunction": "running", "workers": "running" } }))
}

async fn list(State(functions): State<Functions>, InAccount(account): InAccount) -> Answer {
    let all = functions.list(&account.id).await?;
    let shown_all: Vec<Value> = all.iter().map(Function::shown).collect();
    shown(StatusCode::OK, json!({ "total": shown_all.len(), "functions": shown_all }))
}

async fn create(
    State(functions): State<Functions>,
    InAccount(account): InAccount,
    caller: Caller,
    body: Bytes,
) -> Answer {
    let draft = Draft::read(&body)?;
    // To its end, though its client goes away: between the store and the data plane there is no good moment to stop.
    let made = tokio::spawn(async move { functions.create(&caller, account.id, draft).await });
    shown(StatusCode::CREATED, made.await.map_err(Refusal::internal)??.shown())
}

/// What of a function is wanted.
#[derive(Deserialize)]
struct Wanted {
    /// Whether what it was made of is: the document's answer does not have it.
    #[serde(default)]
    source: bool,
}

async fn show(
    State(functions): State<Functions>,
    InAccount(account): InAccount,
    Path(id): Path<String>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Answer {
    let Query(wanted) = wanted.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    let function = found(&functions, &account, &id).await?;
    if !wanted.source {
        return shown(StatusCode::OK, function.shown());
    }
    let source = functions.source(&function.version).await?;
    shown(StatusCode::OK, function.shown_with(&source))
}

async fn update(
    State(functions): State<Functions>,
    InAccount(account): InAccount,
    caller: Caller,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    let draft = Draft::read(&body)?;
    let changed = tokio::spawn(async move { functions.update(&caller, account.id, &id, draft).await });
    shown(StatusCode::OK, changed.await.map_err(Refusal::internal)??.shown())
}

async fn delete(
    State(functions): State<Functions>,
    InAccount(account): InAccount,
    Path(id): Path<String>,
) -> Answer {
    let deleted = tokio::spawn(async move { functions.delete(account.id, &id).await });
    let deleted = deleted.await.map_err(Refusal::internal)??;
    shown(StatusCode::OK, json!({ "id": deleted.worker.id.to_string(), "message": "function deleted" }))
}

async fn invoke(
    State(functions): State<Functions>,
    InAccount(acting): InAccount,
    Path(id): Path<String>,
    body: Bytes,
) -> Answer {
    if body.len() > MAX_EVENT {
        let text = format!("it is larger than {} MiB", MAX_EVENT >> 20);
        return Err(Refusal::field("event", text).with_status(StatusCode::PAYLOAD_TOO_LARGE));
    }
    let unknown = || Refusal::unknown(&id);
    let worker: WorkerId = id.parse().map_err(|_| unknown())?;
    let (account, name, version) = functions.0.config.deployed.function(worker).ok_or_else(unknown)?;
    if account != acting.id {
        return Err(unknown());
    }
    functions.0.config.deployed.arrive(&account)?;
    let whose = Whose { account: &account, function: worker, name: &name, version };
    let answer = functions.invoke(whose, body).await?;
    Ok(([(header::CONTENT_TYPE, "application/json")], answer).into_response())
}

async fn stats(
    State(functions): State<Functions>,
    InAccount(account): InAccount,
    Path(id): Path<String>,
) -> Answer {
    let function = found(&functions, &account, &id).await?;
    shown(StatusCode::OK, functions.0.config.records.stats(function.worker.id).await)
}

#[derive(Deserialize)]
struct Window {
    limit: Option<u32>,
    offset: Option<u32>,
}

/// The page that a query asks for.
fn bounds(window: Result<Query<Window>, QueryRejection>) -> Result<(u32, u32), Refusal> {
    let Query(window) = window.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.body_text()))?;
    Ok((window.limit.unwrap_or(PAGE).clamp(1, KEPT), window.offset.unwrap_or(0)))
}

async fn invocations(
    State(functions): State<Functions>,
    InAccount(account): InAccount,
    Path(id): Path<String>,
    window: Result<Query<Window>, QueryRejection>,
) -> Answer {
    let function = found(&functions, &account, &id).await?;
    let (limit, offset) = bounds(window)?;
    let (records, total) = functions.0.config.records.page(function.worker.id, limit, offset).await;
    shown(StatusCode::OK, json!({ "invocations": records, "total": total }))
}

async fn logs(
    State(functions): State<Functions>,
    InAccount(account): InAccount,
    Path(id): Path<String>,
    window: Result<Query<Window>, QueryRejection>,
) -> Answer {
    let function = found(&functions, &account, &id).await?;
    let (limit, offset) = bounds(window)?;
    let (records, _) = functions.0.config.records.page(function.worker.id, limit, offset).await;
    let lines: Vec<Value> = records
        .iter()
        .flat_map(|record| {
            let line = |text: &str, level: &str| {
                json!({
                    "timestamp": record.started_at,
                    "request_id": record.request_id,
                    "level": level,
                    "message": text,
                })
            };
            let error = record.error.iter().map(move |error| line(&error.to_string(), "error"));
            record.logs.iter().map(move |text| line(text, "info")).chain(error).collect::<Vec<_>>()
        })
        .collect();
    shown(StatusCode::OK, json!({ "logs": lines }))
}
