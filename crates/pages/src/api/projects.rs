//! `/pages/projects`.

use axum::extract::State;
use hearth_api::{ApiError, InAccount, Json, PageQuery, Params, Query, Reply, store_page};
use hearth_model::Dialect;
use hearth_store::{Entity, Listing, NewWorker, StoreError, Subdomain, WorkerChanges};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Pages, today};
use crate::error::{invalid, project_exists};
use crate::names::read_name;
use crate::settings::Settings;
use crate::token::Claims;

/// Projects of a page where the client does not say.
const PER_PAGE: u64 = 10;

/// `GET projects`.
pub(super) async fn list(
    State(pages): State<Pages>,
    InAccount(account): InAccount,
    query: Query,
) -> Result<Reply, ApiError> {
    let window = PageQuery::from_query(&query).window(PER_PAGE);
    let store = pages.api.store();
    let Listing { items, total } =
        store.workers(&account.id, Some(Dialect::Pages), store_page(&window)).await?;
    let mut projects = Vec::with_capacity(items.len());
    for worker in items {
        projects.push(pages.known_of(&account, worker).await?.project(pages.place(&account)));
    }
    let info = window.info(projects.len(), total);
    Ok(Reply::page(projects, info))
}

/// `POST projects` `{name, production_branch, build_config?, deployment_configs?}`.
pub(super) async fn create(
    State(pages): State<Pages>,
    InAccount(account): InAccount,
    Json(asked): Json<Value>,
) -> Result<Reply, ApiError> {
    let text = asked.get("name").and_then(Value::as_str);
    let name = read_name(text.ok_or_else(|| invalid("A project needs a `name`."))?)?;
    let mut settings = Settings::default();
    let secrets = settings.change(&asked, today())?;
    let new = NewWorker { account: account.id.clone(), dialect: Dialect::Pages, name: name.clone() };
    let changes = WorkerChanges {
        dialect_settings: Some(settings.to_value()),
        subdomain: Some(Subdomain { enabled: true, previews_enabled: true }),
        ..WorkerChanges::default()
    };
    if pages.api.find_of(&account, Dialect::Pages, &name).await?.is_some() {
        return Err(project_exists(name.as_str()));
    }
    let worker =
        pages.api.store().create_project(new, changes, &secrets).await.map_err(|error| match error {
            StoreError::Conflict { what: Entity::Worker, .. } => invalid(error.to_string()),
            other => other.into(),
        })?;
    let known = pages.known_of(&account, worker).await?;
    Ok(Reply::new(known.project(pages.place(&account))))
}

/// `GET projects/:project`.
pub(super) async fn get(
    State(pages): State<Pages>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let known = pages.known(&account, &params).await?;
    Ok(Reply::new(known.project(pages.place(&account))))
}

/// `PATCH projects/:project`: what is not named stays, null removes. The deployments to come have it.
pub(super) async fn patch(
    State(pages): State<Pages>,
    InAccount(account): InAccount,
    params: Params,
    Json(asked): Json<Value>,
) -> Result<Reply, ApiError> {
    let (_writer, worker) = pages.locked(&account, &params).await?;
    let mut settings = Settings::of(&worker.dialect_settings)?;
    let secrets = settings.change(&asked, today())?;
    let worker = pages.api.store().change_project(worker.id, settings.to_value(), &secrets).await?;
    let known = pages.known_of(&account, worker).await?;
    Ok(Reply::new(known.project(pages.place(&account))))
}

/// `DELETE projects/:project`, with its deployments and domains.
pub(super) async fn delete(
    State(pages): State<Pages>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let (_writer, worker) = pages.locked(&account, &params).await?;
    pages.api.remove(worker.id).await?;
    Ok(Reply::null())
}

/// `GET projects/:project/upload-token`.
pub(super) async fn upload_token(
    State(pages): State<Pages>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let worker = pages.find(&account, &params).await?;
    let claims = Claims::new(account.id.as_str(), worker.id, Timestamp::now());
    Ok(Reply::new(json!({"jwt": claims.sign(&pages.api.store().assets_key())})))
}

/// `POST projects/:project/purge_build_cache`: nothing is built here, so nothing is kept of builds.
pub(super) async fn purge_build_cache(
    State(pages): State<Pages>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    pages.find(&account, &params).await?;
    Ok(Reply::null())
}
