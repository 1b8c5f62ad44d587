//! Ours: who may reach a worker from outside, and the access tokens that its rule may ask for. A worker is named by its
//! name or its id, whatever dialect made it.

use axum::extract::State;
use hearth_model::Access;
use hearth_store::{Worker, WorkerChanges, WorkerToken};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::envelope::Reply;
use crate::error::{ApiError, code};
use crate::json::Json;
use crate::named::NamedAny;
use crate::params::Params;
use crate::runtime::Change;
use crate::state::Api;

/// Longest name of a token, in bytes.
const MAX_NAME: usize = 100;

/// What `PUT access` is sent.
#[derive(Deserialize)]
pub(crate) struct Rule {
    rule: String,
}

/// What `POST tokens` is sent.
#[derive(Deserialize)]
pub(crate) struct NewToken {
    name: String,
    expires_on: Option<Timestamp>,
}

/// `GET …/hearth/access`: `{rule: open | token | internal}`.
pub(crate) async fn get(NamedAny { worker, .. }: NamedAny) -> Result<Reply, ApiError> {
    Ok(Reply::new(json!({"rule": worker.access})))
}

/// `PUT …/hearth/access`.
pub(crate) async fn put(
    State(api): State<Api>,
    NamedAny { worker, .. }: NamedAny,
    Json(Rule { rule }): Json<Rule>,
) -> Result<Reply, ApiError> {
    let rule: Access = rule
        .parse()
        .map_err(|error: hearth_model::IdError| ApiError::bad_request(code::BAD_BODY, error.to_string()))?;
    let changes = WorkerChanges { access: Some(rule), ..WorkerChanges::default() };
    let worker = api.store().update_worker(worker.id, changes).await?;
    api.changed(Change::Worker(worker.id)).await;
    Ok(Reply::new(json!({"rule": worker.access})))
}

/// `GET …/hearth/tokens`.
pub(crate) async fn tokens(
    State(api): State<Api>,
    NamedAny { worker, .. }: NamedAny,
) -> Result<Reply, ApiError> {
    let tokens = api.store().worker_tokens(worker.id).await?;
    Ok(Reply::new(tokens.iter().map(view).collect()))
}

/// `POST …/hearth/tokens` `{name, expires_on?}`: the answer is the only place where the token's text stands.
pub(crate) async fn create(
    State(api): State<Api>,
    NamedAny { worker, .. }: NamedAny,
    Json(new): Json<NewToken>,
) -> Result<Reply, ApiError> {
    let name = new.name.trim();
    if name.is_empty() || name.len() > MAX_NAME {
        let text = format!("A token's `name` has 1 to {MAX_NAME} bytes.");
        return Err(ApiError::bad_request(code::BAD_BODY, text));
    }
    if new.expires_on.is_some_and(|expiry| expiry <= Timestamp::now()) {
        let text = "A token's `expires_on` lies in the future: it would open nothing.";
        return Err(ApiError::bad_request(code::BAD_BODY, text));
    }
    let (token, text) = api.store().create_worker_token(worker.id, name, new.expires_on).await?;
    published(&api, &worker).await;
    let mut shown = view(&token);
    shown["token"] = json!(text);
    Ok(Reply::new(shown))
}

/// `DELETE …/hearth/tokens/:token`.
pub(crate) async fn revoke(
    State(api): State<Api>,
    NamedAny { worker, .. }: NamedAny,
    params: Params,
) -> Result<Reply, ApiError> {
    api.store().revoke_worker_token(worker.id, &params.get("token").parse()?).await?;
    published(&api, &worker).await;
    Ok(Reply::null())
}

async fn published(api: &Api, worker: &Worker) {
    api.changed(Change::Worker(worker.id)).await;
}

fn view(token: &WorkerToken) -> Value {
    let expired = token.expires_on.is_some_and(|expiry| expiry <= Timestamp::now());
    json!({
        "id": token.id,
        "name": token.name,
        "created_on": token.created_on.to_string(),
        "expires_on": token.expires_on.map(|expiry| expiry.to_string()),
        "status": if expired { "expired" } else { "active" },
    })
}
