//! Answers, as the document shows them.

use axum::Json;
use axum::response::{IntoResponse, Response};
use hearth_api::{Api, ApiConfig, ApiError};
use hearth_model::{Split, Version, VersionId};
use hearth_store::{Account, Worker};
use serde_json::{Value, json};

use crate::Processes;
use crate::session::Tongue;

/// The words of `/api/deploy`.
pub(super) struct Deploying;

impl Tongue for Deploying {
    fn refuse(error: &ApiError, name: Option<&str>) -> Response {
        let mut body = json!({"status": "error", "error": error.message()});
        if let Some(name) = name {
            body["funcName"] = json!(name);
        }
        (error.status(), Json(body)).into_response()
    }
}

/// Where a function, or one of its versions, is served: the host without its port. Names keep their case in answers.
pub(super) fn host(config: &ApiConfig, account: &Account, name: &str, version: Option<&str>) -> String {
    let version = version.map(|version| format!("{version}.")).unwrap_or_default();
    let account = account.host_label().map(|label| format!(".{label}")).unwrap_or_default();
    let base = config.base_domains.first().map_or("localhost", String::as_str);
    format!("{version}{name}{account}.{base}")
}

/// A host as a URL.
pub(super) fn url(config: &ApiConfig, host: &str) -> String {
    let port = config.public_url.port.map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}", config.public_url.scheme)
}

/// What a version is called: its name, or of one that has none its id.
pub(super) fn label(version: &Version) -> String {
    version.label().map_or_else(|| version.id.prefix(), str::to_owned)
}

/// A function with all of its versions, newest first.
pub(super) async fn function(
    api: &Api,
    processes: &dyn Processes,
    account: &Account,
    worker: &Worker,
) -> Result<Value, ApiError> {
    let store = api.store();
    let versions = store.versions(worker.id, hearth_store::Page::ALL).await?.items;
    let current = store.current_deployment(worker.id).await?;
    let latest = current.and_then(|deployment| latest(&deployment.split));
    let state = |version: VersionId| {
        if processes.is_running(worker.id, version) { "running" } else { "suspended" }
    };
    let config = api.config();
    let shown = |version: &Version| {
        let name = label(version);
        let host = host(config, account, worker.name.as_str(), Some(&name));
        json!({
            "version": name,
            "alias": version.alias().unwrap_or_default(),
            "state": state(version.id),
            "latest": Some(version.id) == latest,
            "accessUrl": url(config, &host),
            "subdomain": host,
            "created_at": version.created_on.to_string(),
        })
    };
    let own = host(config, account, worker.name.as_str(), None);
    let named = versions.iter().find(|version| Some(version.id) == latest).map(label);
    Ok(json!({
        "funcName": worker.name,
        "latest": named,
        "state": latest.map(state),
        "accessUrl": url(config, &own),
        "subdomain": own,
        "idle_timeout": worker.dialect_settings[super::IDLE],
        "versions": versions.iter().map(shown).collect::<Vec<_>>(),
        "created_at": worker.created_on.to_string(),
        "updated_at": worker.modified_on.to_string(),
    }))
}

/// The version that has all the traffic.
pub(super) fn latest(split: &Split) -> Option<VersionId> {
    split.shares().first().map(|(version, _)| *version)
}
