//! `/workers/workers`: the newer endpoints that show a worker as one thing (W2 in wrangler-api.md).

use std::collections::BTreeMap;

use axum::extract::State;
use hearth_model::{Dialect, WorkerName};
use hearth_store::{Account, Listing, NewWorker, Subdomain, Worker, WorkerChanges};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::accept::{Call, Candidate, Then, settings_changes};
use crate::auth::{Caller, InAccount};
use crate::envelope::Reply;
use crate::error::ApiError;
use crate::json::Json;
use crate::page::PageQuery;
use crate::params::Params;
use crate::query::Query;
use crate::runtime::Change;
use crate::services::{self, References};
use crate::settings::inherit_all;
use crate::state::{Api, store_page};
use crate::upload::{Inherit, ScriptSettings, WantedObjects, read_annotations, resolve_bindings};
use crate::view;

/// Workers of a page where the client does not say.
const PER_PAGE: u64 = 20;

/// What `PATCH versions/latest` is sent: a merge patch of the newest version.
#[derive(Deserialize)]
pub(crate) struct VersionPatch {
    #[serde(default)]
    env: Option<BTreeMap<String, Option<Map<String, Value>>>>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, Option<String>>>,
}

/// `GET workers`.
pub(crate) async fn list(
    State(api): State<Api>,
    InAccount(account): InAccount,
    query: Query,
) -> Result<Reply, ApiError> {
    let window = PageQuery::from_query(&query).window(PER_PAGE);
    let Listing { items, total } = api.store().workers(&account.id, None, store_page(&window)).await?;
    let mut workers = Vec::with_capacity(items.len());
    for worker in &items {
        workers.push(show(&api, &account, worker).await?);
    }
    let info = window.info(workers.len(), total);
    Ok(Reply::page(workers, info))
}

/// `GET workers/:worker`.
pub(crate) async fn get(
    State(api): State<Api>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let worker = find(&api, &account, &params).await?;
    Ok(Reply::new(show(&api, &account, &worker).await?))
}

/// `POST workers`: a worker without a version.
pub(crate) async fn post(
    State(api): State<Api>,
    InAccount(account): InAccount,
    Json(document): Json<Map<String, Value>>,
) -> Result<Reply, ApiError> {
    let changes = read_changes(&document, None)?;
    let name: WorkerName = document.get("name").and_then(Value::as_str).unwrap_or_default().parse()?;
    let _writer = api.lock(&account, &name).await;
    api.check_tail_workers(&account, &name, &ScriptSettings::read(&document)?).await?;
    let worker = api
        .store()
        .create_worker(NewWorker { account: account.id.clone(), dialect: Dialect::Workers, name }, changes)
        .await?;
    api.changed(Change::Worker(worker.id)).await;
    Ok(Reply::new(show(&api, &account, &worker).await?))
}

/// `PATCH workers/:worker`, and `PUT`, which leaves what it does not name as it is too.
pub(crate) async fn patch(
    State(api): State<Api>,
    InAccount(account): InAccount,
    params: Params,
    Json(document): Json<Map<String, Value>>,
) -> Result<Reply, ApiError> {
    let worker = find(&api, &account, &params).await?;
    if document.get("name").and_then(Value::as_str).is_some_and(|name| name != worker.name.as_str()) {
        return Err(ApiError::not_supported("Giving a Worker another name is"));
    }
    let changes = read_changes(&document, Some(worker.subdomain))?;
    api.check_tail_workers(&account, &worker.name, &ScriptSettings::read(&document)?).await?;
    let worker = api.store().update_worker(worker.id, changes).await?;
    api.changed(Change::Worker(worker.id)).await;
    Ok(Reply::new(show(&api, &account, &worker).await?))
}

/// `DELETE workers/:worker`.
pub(crate) async fn delete(
    State(api): State<Api>,
    InAccount(account): InAccount,
    params: Params,
    query: Query,
) -> Result<Reply, ApiError> {
    let name = find(&api, &account, &params).await?.name;
    let (worker, _writer) = api.to_write(&account, &name).await?;
    services::remove(&api, &account, &worker, query.flag("force")).await
}

/// `PATCH workers/:worker/versions/latest`: a version that differs from the newest one in its environment, and is
/// not deployed. `wrangler versions secret`.
pub(crate) async fn patch_latest(
    State(api): State<Api>,
    InAccount(account): InAccount,
    caller: Caller,
    params: Params,
    Json(patch): Json<VersionPatch>,
) -> Result<Reply, ApiError> {
    let name = find(&api, &account, &params).await?.name;
    let (worker, _writer) = api.to_write(&account, &name).await?;
    let call = Call::new(&api, &caller, &account, &name);
    let previous = call.latest(Some(&worker)).await?.ok_or_else(ApiError::no_versions)?;
    let mut wanted = inherit_all(&previous.bindings);
    for (binding, value) in patch.env.unwrap_or_default() {
        wanted.retain(|old| old["name"] != binding.as_str());
        if let Some(mut object) = value {
            object.insert("name".to_owned(), Value::String(binding));
            wanted.push(Value::Object(object));
        }
    }
    let candidate = Candidate {
        format: previous.format.clone(),
        modules: call.modules_of(&previous).await?,
        bindings: resolve_bindings(&wanted, &[], &previous.bindings, Inherit::Strict)?,
        compatibility: previous.compatibility.clone(),
        limits: previous.limits,
        annotations: read_annotations(patch.annotations.unwrap_or_default())?,
        trigger: "secret",
        settings: ScriptSettings::default(),
        objects: WantedObjects::default(),
        assets: previous.assets.clone(),
    };
    let accepted = call.install(Some(worker), Some(previous), candidate, Then::Keep).await?;
    Ok(Reply::new(view::version(&accepted.worker, &accepted.version)))
}

/// The worker that the path names, by its name or by its id.
pub(crate) async fn find(api: &Api, account: &Account, params: &Params) -> Result<Worker, ApiError> {
    let worker = api.find_any(account, params.get("worker")).await?;
    if worker.dialect == Dialect::Workers { Ok(worker) } else { Err(ApiError::worker_not_found()) }
}

async fn show(api: &Api, account: &Account, worker: &Worker) -> Result<Value, ApiError> {
    let references = match worker.dialect {
        Dialect::Workers => References::to(api, account, worker).await?,
        _ => References::none(worker),
    };
    Ok(view::worker(api.config(), account, worker, references.of_worker()))
}

fn read_changes(
    document: &Map<String, Value>,
    subdomain: Option<Subdomain>,
) -> Result<WorkerChanges, ApiError> {
    let mut changes = settings_changes(ScriptSettings::read(document)?);
    if let Some(given) = document.get("subdomain") {
        let before = subdomain.unwrap_or_default();
        let flag = |key: &str, before: bool| given.get(key).and_then(Value::as_bool).unwrap_or(before);
        let enabled = flag("enabled", before.enabled);
        changes.subdomain =
            Some(Subdomain { enabled, previews_enabled: flag("previews_enabled", before.previews_enabled) });
    }
    Ok(changes)
}
