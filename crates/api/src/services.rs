//! `/workers/services/:name`: whether a worker exists, and its deletion. Not found is 10090 here.

use axum::extract::State;
use hearth_model::{Dialect, WorkerName};
use hearth_store::{Account, Entity, StoreError, Worker};
use serde_json::{Value, json};

use crate::auth::InAccount;
use crate::envelope::Reply;
use crate::error::{ApiError, code};
use crate::params::Params;
use crate::query::Query;
use crate::state::Api;
use crate::view;

/// `GET services/:worker`: the existence probe of every deploy.
pub(crate) async fn get(
    State(api): State<Api>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let worker = find(&api, &account, &params.worker()?).await?;
    let version = api.serving_version(worker.id).await?;
    let environment = json!({
        "environment": "production",
        "created_on": worker.created_on.to_string(),
        "modified_on": worker.modified_on.to_string(),
        "script": view::script(&worker, version.as_ref()),
    });
    Ok(Reply::new(json!({
        "id": worker.name,
        "default_environment": environment,
        "environments": [environment],
        "created_on": worker.created_on.to_string(),
        "modified_on": worker.modified_on.to_string(),
        "usage_model": "standard",
    })))
}

/// `DELETE services/:worker`.
pub(crate) async fn delete(
    State(api): State<Api>,
    InAccount(account): InAccount,
    params: Params,
    query: Query,
) -> Result<Reply, ApiError> {
    let name = params.worker()?;
    let _writer = api.lock(&account, &name).await;
    let worker = find(&api, &account, &name).await?;
    worker.check_spelling(&name)?;
    remove(&api, &account, &worker, query.flag("force")).await
}

/// Deletes a worker. Without `force` not one that others bind: their calls would fail from now on. The caller holds
/// the worker's lock.
pub(crate) async fn remove(
    api: &Api,
    account: &Account,
    worker: &Worker,
    force: bool,
) -> Result<Reply, ApiError> {
    let references = api.store().references(&account.id, &worker.name).await?;
    if !force && !references.is_empty() {
        let names: Vec<&str> = references.iter().map(WorkerName::as_str).collect();
        return Err(ApiError::bad_request(
            code::STILL_REFERENCED,
            format!(
                "Worker '{}' is bound by other Workers ({}). Delete it with force=true, or remove the bindings first.",
                worker.name,
                names.join(", ")
            ),
        ));
    }
    api.remove(worker.id).await?;
    Ok(Reply::null())
}

/// What refers to a worker, as wrangler's delete asks.
pub(crate) fn references(services: &[WorkerName]) -> Value {
    let incoming: Vec<Value> =
        services.iter().map(|service| json!({"service": service, "environment": "production"})).collect();
    json!({
        "services": {"incoming": incoming, "outgoing": [], "pages_function": false},
        "durable_objects": [],
        "dispatch_outbounds": [],
    })
}

async fn find(api: &Api, account: &Account, name: &WorkerName) -> Result<Worker, ApiError> {
    match api.store().worker_by_name(&account.id, Dialect::Workers, name).await {
        Err(StoreError::NotFound { what: Entity::Worker, .. }) => Err(ApiError::service_not_found()),
        other => Ok(other?),
    }
}
