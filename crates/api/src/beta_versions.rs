//! `/workers/workers/:worker/versions`: versions as the SDKs' newer endpoints know them, uploaded as one JSON document
//! with their modules in base64.

use axum::extract::{Request, State};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hearth_model::Version;
use hearth_store::{Listing, Worker};
use serde_json::{Map, Value, json};

use crate::accept::{Call, Then};
use crate::auth::{Caller, InAccount};
use crate::envelope::Reply;
use crate::error::{ApiError, code};
use crate::json::read;
use crate::multipart;
use crate::page::PageQuery;
use crate::params::Params;
use crate::query::Query;
use crate::scripts::inherit;
use crate::state::{Api, store_page};
use crate::upload::{Form, Part, too_large};
use crate::view;
use crate::workers::find;

/// Versions of a page where the client does not say.
const PER_PAGE: u64 = 10;

/// `POST versions[?deploy=true]`.
pub(crate) async fn post(
    State(api): State<Api>,
    InAccount(account): InAccount,
    caller: Caller,
    params: Params,
    query: Query,
    request: Request,
) -> Result<Reply, ApiError> {
    let worker = find(&api, &account, &params).await?;
    let body = read(request.into_body(), api.config().max_body_bytes()).await.map_err(|error| {
        if error.code() == code::TOO_LARGE { too_large(api.config().max_upload_bytes) } else { error }
    })?;
    let document = serde_json::from_slice(&body).map_err(|error| {
        ApiError::bad_request(code::BAD_BODY, format!("Could not read the request's JSON body: {error}"))
    })?;
    let form = to_form(document)?;
    let then = if query.flag("deploy") { Then::Deploy } else { Then::Keep };
    let call = Call::new(&api, &caller, &account, &worker.name);
    let accepted = call.upload(form, inherit(&query), then).await?;
    Ok(Reply::new(show(&accepted.worker, &accepted.version)))
}

/// `GET versions`, newest first.
pub(crate) async fn list(
    State(api): State<Api>,
    InAccount(account): InAccount,
    params: Params,
    query: Query,
) -> Result<Reply, ApiError> {
    let worker = find(&api, &account, &params).await?;
    let window = PageQuery::from_query(&query).window(PER_PAGE);
    let Listing { items, total } = api.store().versions(worker.id, store_page(&window)).await?;
    let info = window.info(items.len(), total);
    Ok(Reply::page(items.iter().map(|version| show(&worker, version)).collect(), info))
}

/// `GET versions/:version`.
pub(crate) async fn get(
    State(api): State<Api>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let worker = find(&api, &account, &params).await?;
    let version = api.store().version(worker.id, params.version()?).await?;
    Ok(Reply::new(show(&worker, &version)))
}

/// `GET versions/latest`.
pub(crate) async fn get_latest(
    State(api): State<Api>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let worker = find(&api, &account, &params).await?;
    let version = api.store().latest_version(worker.id).await?.ok_or_else(ApiError::no_versions)?;
    Ok(Reply::new(show(&worker, &version)))
}

/// The document as the form that other clients send: its modules are the parts.
fn to_form(mut document: Map<String, Value>) -> Result<Form, ApiError> {
    let modules = match document.remove("modules") {
        Some(Value::Array(modules)) => modules,
        _ => return Err(ApiError::invalid_upload("`modules` is missing: it must be a list.")),
    };
    let parts = modules.iter().map(to_part).collect::<Result<_, _>>()?;
    Ok(Form { document, parts })
}

fn to_part(module: &Value) -> Result<Part, ApiError> {
    let field = |key: &str| module.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    let name = field("name")
        .ok_or_else(|| ApiError::invalid_upload("A module of `modules` has no `name`."))?
        .to_owned();
    let encoded = module.get("content_base64").and_then(Value::as_str).ok_or_else(|| {
        ApiError::invalid_upload(format!("module {name:?} has no content: `content_base64` is missing."))
    })?;
    let content = BASE64_STANDARD.decode(encoded).map_err(|error| {
        ApiError::invalid_upload(format!("module {name:?}: `content_base64` is not base64: {error}"))
    })?;
    Ok(Part { name, media_type: field("content_type").map(str::to_owned), content: Bytes::from(content) })
}

fn show(worker: &Worker, version: &Version) -> Value {
    let bindings = view::bindings(version);
    json!({
        "id": version.id.to_string(),
        "number": version.number,
        "created_on": version.created_on.to_string(),
        "source": version.source,
        "annotations": version.annotations,
        "bindings": bindings,
        "compatibility_date": version.compatibility.date,
        "compatibility_flags": version.compatibility.flags,
        "limits": version.limits,
        "main_module": multipart::entry(&version.format),
        "startup_time_ms": version.startup_time_ms,
        "usage_model": "standard",
        "has_preview": worker.subdomain.previews_enabled,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_become_parts_and_what_is_wrong_is_named() {
        let read = |value: Value| to_form(value.as_object().unwrap().clone());
        let module = json!({"name": "a.js", "content_type": "application/javascript+module", "content_base64": "eA=="});
        let form = read(json!({"main_module": "a.js", "modules": [module]})).unwrap();
        assert_eq!((form.parts[0].content.as_ref(), form.document.len()), (b"x".as_slice(), 1));
        for (bad, fragment) in [
            (json!({}), "modules"),
            (json!({"modules": [7]}), "name"),
            (json!({"modules": [{"name": "a.js"}]}), "a.js"),
            (json!({"modules": [{"name": "a.js", "content_base64": "?"}]}), "not base64"),
        ] {
            assert!(read(bad).unwrap_err().message().contains(fragment), "{fragment}");
        }
    }
}
