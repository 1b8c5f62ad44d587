//! `/workers/scripts`: upload with deployment, list, content, deletion.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use hearth_model::{Format, Version};
use hearth_store::Listing;
use http::header;
use serde_json::{Value, json};

use crate::accept::{Accepted, Call, Candidate, Then};
use crate::auth::{Caller, InAccount};
use crate::envelope::Reply;
use crate::error::ApiError;
use crate::json::read;
use crate::multipart;
use crate::named::Named;
use crate::page::PageQuery;
use crate::params::Params;
use crate::query::Query;
use crate::services::{self, References};
use crate::state::{Api, store_page};
use crate::upload::{Form, Inherit, ScriptSettings, WantedObjects, resolve_bindings, too_large};
use crate::view;

/// Workers of a page where the client does not say.
const PER_PAGE: u64 = 1000;

/// `PUT scripts/:worker`: a version that gets all traffic at once. The first deploy, and what needs it.
pub(crate) async fn put(
    State(api): State<Api>,
    InAccount(account): InAccount,
    caller: Caller,
    params: Params,
    query: Query,
    request: Request,
) -> Result<Reply, ApiError> {
    let name = params.worker()?;
    let form = read_form(&api, request, "metadata").await?;
    let call = Call::new(&api, &caller, &account, &name);
    let accepted = call.upload(form, inherit(&query), Then::Deploy).await?;
    Ok(accepted.reply(uploaded(&accepted)))
}

/// What `PUT` answers: `deployment_id` is the version's id, which wrangler prints.
fn uploaded(Accepted { worker, version, deployment, reconciled }: &Accepted) -> Value {
    let mut script = view::script(worker, Some(version));
    script["startup_time_ms"] = json!(version.startup_time_ms);
    script["deployment_id"] = json!(version.id.to_string());
    script["entry_point"] = json!(multipart::entry(&version.format));
    if let Some(reconciled) = reconciled {
        script["exports_reconciliation"] = json!(reconciled);
    }
    script["deployment"] = deployment.as_ref().map_or(Value::Null, view::deployment);
    script
}

/// `PUT scripts/:worker/content`: other code, everything else as it is.
pub(crate) async fn put_content(
    State(api): State<Api>,
    InAccount(account): InAccount,
    caller: Caller,
    params: Params,
    request: Request,
) -> Result<Reply, ApiError> {
    let name = params.worker()?;
    let form = read_form(&api, request, "metadata").await?;
    let (worker, _writer) = api.to_write(&account, &name).await?;
    let call = Call::new(&api, &caller, &account, &name);
    let previous = call.latest(Some(&worker)).await?.ok_or_else(ApiError::worker_not_found)?;
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let code = crate::upload::plan(form, &[], Inherit::Lax, today, api.config().max_upload_bytes)?;
    let all: Vec<Value> =
        previous.bindings.iter().map(|binding| json!({"name": binding.name, "type": "inherit"})).collect();
    let candidate = Candidate {
        format: code.format,
        modules: code.modules,
        bindings: resolve_bindings(&all, &[], &previous.bindings, Inherit::Strict)?,
        compatibility: previous.compatibility.clone(),
        limits: previous.limits,
        annotations: code.annotations,
        trigger: "upload",
        settings: ScriptSettings::default(),
        objects: WantedObjects::default(),
        assets: previous.assets.clone(),
    };
    let accepted = call.install(Some(worker), Some(previous), candidate, Then::Deploy).await?;
    Ok(accepted.reply(uploaded(&accepted)))
}

/// `GET scripts`.
pub(crate) async fn list(
    State(api): State<Api>,
    InAccount(account): InAccount,
    query: Query,
) -> Result<Reply, ApiError> {
    let window = PageQuery::from_query(&query).window(PER_PAGE);
    let Listing { items, total } = api.store().workers(&account.id, None, store_page(&window)).await?;
    let mut scripts = Vec::with_capacity(items.len());
    for worker in &items {
        let version = api.serving_version(worker.id).await?;
        scripts.push(view::script(worker, version.as_ref()));
    }
    let info = window.info(scripts.len(), total);
    Ok(Reply::page(scripts, info))
}

/// `GET scripts/:worker` and `.../content`: the code that serves.
pub(crate) async fn content(
    State(api): State<Api>,
    Named { account, worker }: Named,
    caller: Caller,
) -> Result<Response, ApiError> {
    let version = api.serving_version(worker.id).await?.ok_or_else(ApiError::worker_not_found)?;
    let call = Call::new(&api, &caller, &account, &worker.name);
    let modules = call.modules_of(&version).await?;
    if let Format::ServiceWorker { body } = &version.format
        && let Some(script) = modules.iter().find(|module| module.name == *body)
    {
        let headers = [(header::CONTENT_TYPE, "application/javascript")];
        return Ok((headers, script.content.clone()).into_response());
    }
    Ok(multipart::response(&version.format, &modules))
}

/// `GET scripts/:worker/content/v2?version=`: always a form; wrangler up to 4.100 uploads it again with other
/// secrets.
pub(crate) async fn content_v2(
    State(api): State<Api>,
    Named { account, worker }: Named,
    caller: Caller,
    query: Query,
) -> Result<Response, ApiError> {
    let version: Version = match query.get("version") {
        Some(text) => {
            let id = text.parse().map_err(|_| ApiError::version_not_found(format_args!("{text:?}")))?;
            api.store().version(worker.id, id).await?
        }
        None => api.serving_version(worker.id).await?.ok_or_else(ApiError::worker_not_found)?,
    };
    let call = Call::new(&api, &caller, &account, &worker.name);
    Ok(multipart::response(&version.format, &call.modules_of(&version).await?))
}

/// `DELETE scripts/:worker`.
pub(crate) async fn delete(
    State(api): State<Api>,
    InAccount(account): InAccount,
    params: Params,
    query: Query,
) -> Result<Reply, ApiError> {
    let name = params.worker()?;
    let (worker, _writer) = api.to_write(&account, &name).await?;
    services::remove(&api, &account, &worker, query.flag("force")).await
}

/// `GET scripts/:worker/references`.
pub(crate) async fn references(
    State(api): State<Api>,
    Named { account, worker }: Named,
) -> Result<Reply, ApiError> {
    let references = References::to(&api, &account, &worker).await?;
    Ok(Reply::new(if references.is_empty() { json!({}) } else { references.of_script() }))
}

/// Reads a form from a request; too large is 10027.
pub(crate) async fn read_form(api: &Api, request: Request, field: &str) -> Result<Form, ApiError> {
    let content_type =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = read(request.into_body(), api.config().max_body_bytes()).await.map_err(|error| {
        if error.code() == crate::error::code::TOO_LARGE {
            too_large(api.config().max_upload_bytes)
        } else {
            error
        }
    })?;
    Form::read(content_type.as_deref(), body, field).await
}

/// What a call says of `inherit` bindings.
pub(crate) fn inherit(query: &Query) -> Inherit {
    if query.get("bindings_inherit") == Some("strict") { Inherit::Strict } else { Inherit::Lax }
}
