//! Secrets of a worker: each change makes a version that is deployed at once.

use std::collections::BTreeMap;

use axum::extract::State;
use hearth_model::{Binding, Version};
use hearth_store::{Account, SecretChange, Worker};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::accept::Call;
use crate::auth::{Caller, InAccount};
use crate::envelope::Reply;
use crate::error::{ApiError, code};
use crate::json::Json;
use crate::named::Named;
use crate::params::Params;
use crate::runtime::Change;
use crate::state::Api;

/// Largest secret, in bytes: Cloudflare's 5 KB.
const MAX_SECRET_BYTES: usize = 5 << 10;

/// One secret as it is sent.
#[derive(Deserialize)]
pub(crate) struct NewSecret {
    #[serde(default)]
    name: Option<String>,
    text: String,
    #[serde(rename = "type", default)]
    kind: Option<String>,
}

/// What `PATCH secrets-bulk` is sent: a merge patch, null deletes.
#[derive(Deserialize)]
pub(crate) struct Bulk {
    secrets: BTreeMap<String, Option<NewSecret>>,
}

/// `GET secrets`: names, never texts.
pub(crate) async fn list(State(api): State<Api>, Named { worker, .. }: Named) -> Result<Reply, ApiError> {
    let version = api.serving_version(worker.id).await?;
    Ok(Reply::new(Value::Array(secrets_of(version.as_ref()))))
}

/// `GET secrets/:secret`.
pub(crate) async fn get(
    State(api): State<Api>,
    Named { worker, .. }: Named,
    params: Params,
) -> Result<Reply, ApiError> {
    let version = api.serving_version(worker.id).await?;
    let name = params.get("secret");
    let found = secrets_of(version.as_ref()).into_iter().find(|secret| secret["name"] == name);
    found.map(Reply::new).ok_or_else(|| not_found(name))
}

/// `PUT secrets`.
pub(crate) async fn put(
    State(api): State<Api>,
    InAccount(account): InAccount,
    caller: Caller,
    params: Params,
    Json(secret): Json<NewSecret>,
) -> Result<Reply, ApiError> {
    let name = secret.name.clone().unwrap_or_default();
    let change = read_secret(&name, secret)?;
    apply(&api, &account, &caller, &params, |_| Ok(vec![change])).await?;
    Ok(Reply::new(json!({"name": name, "type": "secret_text"})))
}

/// `DELETE secrets/:secret`.
pub(crate) async fn delete(
    State(api): State<Api>,
    InAccount(account): InAccount,
    caller: Caller,
    params: Params,
) -> Result<Reply, ApiError> {
    let name = params.get("secret").to_owned();
    apply(&api, &account, &caller, &params, |version| match has_secret(version, &name) {
        true => Ok(vec![(name, None)]),
        false => Err(not_found(&name)),
    })
    .await?;
    Ok(Reply::null())
}

/// `PATCH secrets-bulk`.
pub(crate) async fn patch_bulk(
    State(api): State<Api>,
    InAccount(account): InAccount,
    caller: Caller,
    params: Params,
    Json(bulk): Json<Bulk>,
) -> Result<Reply, ApiError> {
    let mut wanted: Vec<SecretChange> = Vec::with_capacity(bulk.secrets.len());
    for (name, secret) in bulk.secrets {
        wanted.push(match secret {
            Some(secret) => read_secret(&name, secret)?,
            None => (name, None),
        });
    }
    let version = apply(&api, &account, &caller, &params, |version| {
        // A merge patch that removes what is not there changes nothing.
        wanted.retain(|(name, text)| text.is_some() || has_secret(version, name));
        Ok(wanted)
    })
    .await?;
    Ok(Reply::new(Value::Array(secrets_of(Some(&version)))))
}

/// Makes and deploys the version with other secrets; returns it, or the one that serves when nothing is to change.
async fn apply(
    api: &Api,
    account: &Account,
    caller: &Caller,
    params: &Params,
    changes: impl FnOnce(&Version) -> Result<Vec<SecretChange>, ApiError>,
) -> Result<Version, ApiError> {
    let name = params.worker()?;
    let (worker, _writer) = api.to_write(account, &name).await?;
    // wrangler answers "does not exist" by making a draft worker, which is what one without a version needs too.
    let base = api.store().latest_version(worker.id).await?.ok_or_else(ApiError::worker_not_found)?;
    require_deployed(api, &worker, &base, code::LATEST_NOT_DEPLOYED).await?;
    let changes = changes(&base)?;
    if changes.is_empty() {
        return Ok(base);
    }
    let call = Call::new(api, caller, account, &name);
    let trigger = BTreeMap::from([("workers/triggered_by".to_owned(), "secret".to_owned())]);
    let release = call.release(&BTreeMap::new(), "secret");
    let inserted =
        api.store().derive_version(worker.id, base.id, changes, call.origin(trigger), Some(release)).await?;
    api.changed(Change::Worker(worker.id)).await;
    Ok(inserted.version)
}

/// Refuses to change and deploy a version that does not have all traffic: that would deploy its code as well.
pub(crate) async fn require_deployed(
    api: &Api,
    worker: &Worker,
    latest: &Version,
    refusal: u32,
) -> Result<(), ApiError> {
    let deployment = api.store().current_deployment(worker.id).await?;
    let whole = deployment.is_some_and(|deployment| {
        deployment.split.shares().iter().all(|(id, share)| *id == latest.id || *share == 0.0)
    });
    if whole {
        return Ok(());
    }
    Err(ApiError::bad_request(
        refusal,
        "The latest version of your Worker isn't currently deployed, so changing this would deploy it. Deploy it with `wrangler versions deploy` first, or use `wrangler versions secret`.",
    ))
}

fn read_secret(name: &str, secret: NewSecret) -> Result<SecretChange, ApiError> {
    if name.is_empty() || name.len() > 1024 || name.contains('\0') {
        return Err(ApiError::invalid_upload("A secret needs a `name`."));
    }
    if let Some(kind) = secret.kind.filter(|kind| kind != "secret_text") {
        return Err(ApiError::not_supported(&format!("Secret {name} of type {kind} is")));
    }
    if secret.text.len() > MAX_SECRET_BYTES {
        return Err(ApiError::invalid_upload(format!(
            "Secret {name} is larger than {MAX_SECRET_BYTES} bytes."
        )));
    }
    Ok((name.to_owned(), Some(secret.text)))
}

fn secrets_of(version: Option<&Version>) -> Vec<Value> {
    let bindings: &[Binding] = version.map_or(&[], |version| &version.bindings);
    bindings
        .iter()
        .filter(|binding| binding.is_secret())
        .map(|binding| json!({"name": binding.name, "type": "secret_text"}))
        .collect()
}

fn has_secret(version: &Version, name: &str) -> bool {
    version.bindings.iter().any(|binding| binding.is_secret() && binding.name == name)
}

fn not_found(name: &str) -> ApiError {
    ApiError::not_found(code::SECRET_NOT_FOUND, format!("Secret {name:?} does not exist on this Worker."))
}
