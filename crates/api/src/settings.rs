//! `settings` (of the worker and its newest version) and `script-settings` (of the worker alone).

use axum::extract::{Request, State};
use hearth_model::{Binding, Compatibility, Version};
use http::header;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use crate::accept::{Call, Candidate, Then, settings_changes};
use crate::auth::{Caller, InAccount};
use crate::envelope::Reply;
use crate::error::{ApiError, code};
use crate::json::{Json, read};
use crate::named::{Named, NamedAny};
use crate::params::Params;
use crate::runtime::Change;
use crate::secrets::require_deployed;
use crate::state::Api;
use crate::upload::{
    Form, Inherit, ScriptSettings, WantedObjects, read_annotations, read_limits, resolve_bindings,
};
use crate::view;

/// `GET settings`. Of the newest version, since that is what an `inherit` binding of the next upload refers to.
pub(crate) async fn get(State(api): State<Api>, Named { worker, .. }: Named) -> Result<Reply, ApiError> {
    let version = api.store().latest_version(worker.id).await?;
    Ok(Reply::new(view::settings(&worker, version.as_ref())))
}

/// `PATCH settings`: a multipart field `settings`, from wrangler up to 4.40 (`secret bulk`) and the SDKs. Changes
/// to bindings, compatibility or limits make a version that is deployed at once.
pub(crate) async fn patch(
    State(api): State<Api>,
    InAccount(account): InAccount,
    caller: Caller,
    params: Params,
    request: Request,
) -> Result<Reply, ApiError> {
    let name = params.worker()?;
    let document = read_document(&api, request).await?;
    let settings = ScriptSettings::read(&document)?;
    let (worker, _writer) = api.to_write(&account, &name).await?;
    let call = Call::new(&api, &caller, &account, &name);
    let versioned = ["bindings", "compatibility_date", "compatibility_flags", "limits"];
    if !versioned.iter().any(|key| document.get(*key).is_some_and(|value| !value.is_null())) {
        api.check_tail_workers(&account, &name, &settings).await?;
        let worker = api.store().update_worker(worker.id, settings_changes(settings)).await?;
        api.changed(Change::Settings(worker.id)).await;
        let version = api.store().latest_version(worker.id).await?;
        return Ok(Reply::new(view::settings(&worker, version.as_ref())));
    }
    let previous = call.latest(Some(&worker)).await?.ok_or_else(ApiError::worker_not_found)?;
    require_deployed(&api, &worker, &previous, code::SETTINGS_NOT_DEPLOYED).await?;
    let candidate = patched(call, &document, &previous, settings).await?;
    let accepted = call.install(Some(worker), Some(previous), candidate, Then::Deploy).await?;
    Ok(Reply::new(view::settings(&accepted.worker, Some(&accepted.version))))
}

async fn patched(
    call: Call<'_>,
    document: &Map<String, Value>,
    previous: &Version,
    settings: ScriptSettings,
) -> Result<Candidate, ApiError> {
    let field = |key: &str| document.get(key).filter(|value| !value.is_null());
    let bindings = match field("bindings") {
        None => inherit_all(&previous.bindings),
        Some(Value::Array(list)) => {
            list.iter().map(|value| kept_where_bare(value, &previous.bindings)).collect()
        }
        Some(_) => return Err(ApiError::invalid_upload("`bindings` is not valid: it must be a list.")),
    };
    let annotations = match field("annotations") {
        Some(value) => serde_json::from_value(value.clone())
            .map_err(|error| ApiError::invalid_upload(format!("`annotations` is not valid: {error}")))?,
        None => Default::default(),
    };
    let date = match field("compatibility_date") {
        Some(value) => value.as_str().ok_or_else(|| {
            ApiError::invalid_upload("`compatibility_date` is not valid: it must be a string.")
        })?,
        None => &previous.compatibility.date,
    };
    let flags = match field("compatibility_flags") {
        Some(value) => serde_json::from_value(value.clone()).map_err(|error| {
            ApiError::invalid_upload(format!("`compatibility_flags` is not valid: {error}"))
        })?,
        None => previous.compatibility.flags.clone(),
    };
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    Ok(Candidate {
        format: previous.format.clone(),
        modules: call.modules_of(previous).await?,
        bindings: resolve_bindings(&bindings, &[], &previous.bindings, Inherit::Strict)?,
        compatibility: Compatibility::new(Some(date), flags, today)?,
        limits: if field("limits").is_some() { read_limits(document)? } else { previous.limits },
        annotations: read_annotations(annotations)?,
        // wrangler up to 4.40 comes here with secrets.
        trigger: if field("bindings").is_some() { "secret" } else { "upload" },
        settings,
        objects: WantedObjects::default(),
        assets: previous.assets.clone(),
    })
}

/// Every binding as the version before has it.
pub(crate) fn inherit_all(previous: &[Binding]) -> Vec<Value> {
    previous.iter().map(|binding| json!({"name": binding.name, "type": "inherit"})).collect()
}

/// wrangler up to 4.40 names bindings that are to stay by name and type alone.
fn kept_where_bare(wanted: &Value, previous: &[Binding]) -> Value {
    let bare = wanted.as_object().is_some_and(|object| object.len() == 2);
    let same =
        previous.iter().any(|old| wanted["name"] == old.name.as_str() && wanted["type"] == old.type_name());
    if bare && same { json!({"name": wanted["name"], "type": "inherit"}) } else { wanted.clone() }
}

async fn read_document(api: &Api, request: Request) -> Result<Map<String, Value>, ApiError> {
    let content_type =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = read(request.into_body(), api.config().max_body_bytes()).await?;
    if body.trim_ascii_start().starts_with(b"{") {
        let value: Value = serde_json::from_slice(&body).map_err(|error| {
            ApiError::bad_request(code::BAD_BODY, format!("Could not read the request's JSON body: {error}"))
        })?;
        let inner = value.get("settings").cloned().unwrap_or(value);
        return match inner {
            Value::Object(object) => Ok(object),
            _ => Err(ApiError::bad_request(code::BAD_BODY, "`settings` must be a JSON object.")),
        };
    }
    Ok(Form::read(content_type.as_deref(), body, "settings").await?.document)
}

/// `GET script-settings`.
pub(crate) async fn get_script(NamedAny { worker, .. }: NamedAny) -> Result<Reply, ApiError> {
    Ok(Reply::new(view::script_settings(&worker)))
}

/// `PATCH script-settings`: at the end of every deploy that updates.
pub(crate) async fn patch_script(
    State(api): State<Api>,
    NamedAny { worker, account }: NamedAny,
    Json(document): Json<Map<String, Value>>,
) -> Result<Reply, ApiError> {
    let settings = ScriptSettings::read(&document)?;
    api.check_tail_workers(&account, &worker.name, &settings).await?;
    let worker = api.store().update_worker(worker.id, settings_changes(settings)).await?;
    api.changed(Change::Settings(worker.id)).await;
    Ok(Reply::new(view::script_settings(&worker)))
}
