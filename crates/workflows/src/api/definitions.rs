//! Workflows themselves, and their versions.

use axum::extract::State;
use hearth_api::{ApiError, InAccount, Json, PageQuery, Params, Query, Reply, store_page};
use hearth_model::{WorkerName, Workflow};
use hearth_store::ResourceKind;
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Calls, Found, INVALID};

pub(super) async fn list(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    query: Query,
) -> Result<Reply, ApiError> {
    let window = PageQuery::from_query(&query).window(10);
    let page = calls.api.store().resources(ResourceKind::Workflow, &account.id, store_page(&window)).await?;
    let mut items = Vec::new();
    for resource in page.items {
        items.push(calls.with_script(resource).await?.view());
    }
    let info = window.info(items.len(), page.total);
    Ok(Reply::page(items, info))
}

/// A workflow; with how many of its instances have which status.
pub(super) async fn show(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let found = calls.find(&account, &params).await?;
    let mut shown = found.view();
    // A worker whose process does not start has its workflows all the same.
    if let Ok(counts) = calls.call(&found, "counts", json!({})).await {
        let counted = counts.as_array().into_iter().flatten();
        shown["instances"] = counted
            .filter_map(|row| Some((row["status"].as_str()?.to_owned(), row["count"].clone())))
            .collect::<Map<_, _>>()
            .into();
    }
    Ok(Reply::new(shown))
}

/// A workflow as it is to be.
#[derive(Deserialize)]
pub(super) struct Wanted {
    script_name: WorkerName,
    class_name: String,
    #[serde(default)]
    limits: Option<Value>,
    #[serde(default)]
    default_retention: Option<Value>,
    #[serde(default)]
    schedules: Vec<Value>,
}

pub(super) async fn put(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    params: Params,
    Json(wanted): Json<Wanted>,
) -> Result<Reply, ApiError> {
    let name = params.get("workflow");
    if !Workflow::is_name(name) {
        return Err(ApiError::bad_request(INVALID, format!("A workflow must have {}.", Workflow::NAME_RULE)));
    }
    if !wanted.schedules.is_empty() {
        return Err(ApiError::not_supported(
            "Schedules of a workflow (create an instance in a `scheduled` handler instead) are",
        ));
    }
    let worker = calls.api.worker(&account, &wanted.script_name).await?;
    let workflow = Workflow {
        worker: worker.id,
        class_name: wanted.class_name,
        limits: wanted.limits,
        default_retention: wanted.default_retention,
    };
    let before = calls.find(&account, &params).await.ok();
    if let Some(found) = before.as_ref().filter(|found| found.workflow.worker != worker.id) {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            INVALID,
            format!(
                "The workflow {name:?} belongs to the worker {}, with which its instances are kept. Delete it there first, or choose another name.",
                found.script_name
            ),
        ));
    }
    let resource = calls.api.store().put_workflow(&account.id, name, &workflow).await?;
    if before.is_none_or(|found| found.workflow != workflow) {
        calls.engine.changed(worker.id).await;
    }
    Ok(Reply::new(Found { resource, workflow, script_name: worker.name }.view()))
}

pub(super) async fn delete(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let found = calls.find(&account, &params).await?;
    // A worker that does not run has no instances that do.
    if let Err(error) = calls.call(&found, "clear", json!({})).await {
        tracing::warn!(
            ?error,
            workflow = found.resource.name,
            "instances of a deleted workflow were not ended"
        );
    }
    calls.api.store().delete_resource(ResourceKind::Workflow, &account.id, &found.resource.id).await?;
    calls.engine.forget(found.workflow.worker, &found.resource.name).await;
    Ok(Reply::new(json!({ "status": "ok", "success": true })))
}

/// A workflow's versions are its worker's, the newest first.
pub(super) async fn versions(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    params: Params,
    query: Query,
) -> Result<Reply, ApiError> {
    let found = calls.find(&account, &params).await?;
    let window = PageQuery::from_query(&query).window(10);
    let versions = calls.api.store().versions(found.workflow.worker, store_page(&window)).await?;
    let shown: Vec<Value> = versions
        .items
        .iter()
        .map(|version| version_view(&found, &version.id.to_string(), version.created_on))
        .collect();
    let info = window.info(shown.len(), versions.total);
    Ok(Reply::page(shown, info))
}

pub(super) async fn version(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let found = calls.find(&account, &params).await?;
    let version = calls.api.store().version(found.workflow.worker, params.version()?).await?;
    Ok(Reply::new(version_view(&found, &version.id.to_string(), version.created_on)))
}

fn version_view(found: &Found, id: &str, created_on: Timestamp) -> Value {
    json!({
        "id": id,
        "workflow_id": found.resource.id,
        "class_name": found.workflow.class_name,
        "created_on": created_on.to_string(),
        "modified_on": created_on.to_string(),
    })
}
