//! Instances of a workflow.

use axum::body::Bytes;
use axum::extract::State;
use hearth_api::{ApiError, InAccount, Json, PageQuery, Params, Query, Reply};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Calls, INVALID, instance_not_found};
use crate::instance::{rfc3339, view};

/// Entries of a page where the client does not say.
const PER_PAGE: u64 = 50;

pub(super) async fn list(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    params: Params,
    query: Query,
) -> Result<Reply, ApiError> {
    let found = calls.find(&account, &params).await?;
    let window = PageQuery::from_query(&query).window(PER_PAGE);
    let at = |key: &str| -> Result<Option<i64>, ApiError> {
        let Some(text) = query.get(key) else { return Ok(None) };
        let time = text.parse::<Timestamp>().map_err(|_| {
            ApiError::bad_request(INVALID, format!("`{key}` must be a time such as 2026-01-31T23:59:59Z."))
        })?;
        Ok(Some(time.as_millisecond()))
    };
    let wanted = json!({
        "status": query.get("status"),
        "from": at("date_start")?,
        "to": at("date_end")?,
        "ascending": query.get("direction") == Some("asc"),
        "limit": window.limit(),
        "offset": window.offset(),
    });
    let listed = calls.call(&found, "list", wanted).await?;
    let shown: Vec<Value> = listed["instances"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|instance| {
            json!({
                "id": instance["id"],
                "status": instance["status"],
                "version_id": instance["version"],
                "workflow_id": found.resource.id,
                "created_on": rfc3339(&instance["created"]),
                "modified_on": rfc3339(&instance["modified"]),
                "trigger_source": instance["source"],
            })
        })
        .collect();
    let info = window.info(shown.len(), listed["total"].as_u64().unwrap_or(0));
    Ok(Reply::page(shown, info))
}

/// An instance as it is to be.
#[derive(Deserialize)]
pub(super) struct NewInstance {
    #[serde(default)]
    instance_id: Option<String>,
    #[serde(default)]
    params: Option<Value>,
    #[serde(default)]
    instance_retention: Option<Retention>,
}

#[derive(Deserialize)]
pub(super) struct Retention {
    #[serde(default)]
    success_retention: Option<Value>,
    #[serde(default)]
    error_retention: Option<Value>,
}

impl NewInstance {
    /// As the engine takes it.
    fn options(self) -> Value {
        let mut options = Map::new();
        // wrangler sends an id that was not given as an empty text.
        if let Some(id) = self.instance_id.filter(|id| !id.is_empty()) {
            options.insert("id".to_owned(), json!(id));
        }
        if let Some(params) = self.params {
            options.insert("params".to_owned(), params);
        }
        if let Some(kept) = self.instance_retention {
            let mut retention = Map::new();
            if let Some(value) = kept.success_retention {
                retention.insert("successRetention".to_owned(), value);
            }
            if let Some(value) = kept.error_retention {
                retention.insert("errorRetention".to_owned(), value);
            }
            options.insert("retention".to_owned(), Value::Object(retention));
        }
        Value::Object(options)
    }
}

pub(super) async fn create(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    params: Params,
    Json(wanted): Json<NewInstance>,
) -> Result<Reply, ApiError> {
    let found = calls.find(&account, &params).await?;
    let created = calls.call(&found, "create", wanted.options()).await?;
    let id = created["id"].as_str().unwrap_or_default().to_owned();
    let described = calls.call(&found, "describe", json!({ "id": id })).await?;
    Ok(Reply::new(json!({
        "id": id,
        "status": described["record"]["status"],
        "version_id": described["version"],
        "workflow_id": found.resource.id,
    })))
}

pub(super) async fn create_batch(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    params: Params,
    Json(wanted): Json<Vec<NewInstance>>,
) -> Result<Reply, ApiError> {
    let found = calls.find(&account, &params).await?;
    let instances: Vec<Value> = wanted.into_iter().map(NewInstance::options).collect();
    let done = calls.call(&found, "createBatch", json!({ "instances": instances })).await?;
    let created = done["created"].as_array().cloned().unwrap_or_default();
    let shown = created
        .iter()
        .map(|one| json!({ "id": one["id"], "status": "queued", "workflow_id": found.resource.id }))
        .collect();
    Ok(Reply::new(shown))
}

/// Instances by their ids.
#[derive(Deserialize)]
pub(super) struct Ids {
    instances: Vec<String>,
}

pub(super) async fn delete_batch(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    params: Params,
    Json(ids): Json<Ids>,
) -> Result<Reply, ApiError> {
    let found = calls.find(&account, &params).await?;
    Ok(Reply::new(calls.call(&found, "delete", json!({ "instances": ids.instances })).await?))
}

pub(super) async fn terminate_all(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    params: Params,
    query: Query,
) -> Result<Reply, ApiError> {
    let found = calls.find(&account, &params).await?;
    let mut wanted = json!({});
    if let Some(status) = query.get("status") {
        wanted["status"] = json!(status);
    }
    calls.call(&found, "terminateAll", wanted).await?;
    Ok(Reply::new(json!({ "status": "ok" })))
}

pub(super) async fn describe(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let found = calls.find(&account, &params).await?;
    let id = params.get("instance");
    let described = calls.call(&found, "describe", json!({ "id": id })).await?;
    if described.is_null() {
        return Err(instance_not_found());
    }
    Ok(Reply::new(view(&described)))
}

/// What is to become of an instance.
#[derive(Deserialize)]
pub(super) struct NewStatus {
    status: Verb,
    /// `restart` only: the step to begin at.
    #[serde(default)]
    from: Option<Value>,
    /// `terminate` only.
    #[serde(default)]
    rollback: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verb {
    Pause,
    Resume,
    Restart,
    Terminate,
}

pub(super) async fn change_status(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    params: Params,
    Json(wanted): Json<NewStatus>,
) -> Result<Reply, ApiError> {
    let found = calls.find(&account, &params).await?;
    let id = params.get("instance");
    let (operation, arguments) = match wanted.status {
        Verb::Pause => ("pause", json!({ "id": id })),
        Verb::Resume => ("resume", json!({ "id": id })),
        Verb::Terminate => ("terminate", json!({ "id": id, "rollback": wanted.rollback })),
        Verb::Restart => match wanted.from {
            Some(from) => ("restart", json!({ "id": id, "from": from })),
            None => ("restart", json!({ "id": id })),
        },
    };
    calls.call(&found, operation, arguments).await?;
    let described = calls.call(&found, "describe", json!({ "id": id })).await?;
    Ok(Reply::new(json!({
        "status": described["record"]["status"],
        "timestamp": Timestamp::now().to_string(),
    })))
}

/// The body is the payload, whatever it says it is; none is `undefined` for the workflow.
pub(super) async fn send_event(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    params: Params,
    body: Bytes,
) -> Result<Reply, ApiError> {
    let found = calls.find(&account, &params).await?;
    let mut arguments = json!({ "id": params.get("instance"), "type": params.get("event") });
    if !body.is_empty() {
        arguments["payload"] = serde_json::from_slice(&body).map_err(|error| {
            ApiError::bad_request(INVALID, format!("The event's payload is not JSON: {error}"))
        })?;
    }
    calls.call(&found, "event", arguments).await?;
    Ok(Reply::null())
}
