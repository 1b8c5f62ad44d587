//! Where workers are served without routes: the account's workers.dev subdomain, and a worker's switch.

use axum::extract::State;
use hearth_store::{Subdomain, WorkerChanges};
use serde::Deserialize;
use serde_json::json;

use crate::auth::InAccount;
use crate::envelope::Reply;
use crate::error::{ApiError, code};
use crate::json::Json;
use crate::named::Named;
use crate::params::Params;
use crate::runtime::Change;
use crate::state::Api;
use crate::view;

/// What `PUT workers/subdomain` is sent.
#[derive(Deserialize)]
pub(crate) struct AccountSubdomain {
    subdomain: String,
}

/// What `POST scripts/:worker/subdomain` is sent.
#[derive(Deserialize)]
pub(crate) struct Switch {
    enabled: bool,
    #[serde(default)]
    previews_enabled: Option<bool>,
}

/// `GET workers/subdomain`. Every account has one: without, wrangler fails where nobody answers its question.
pub(crate) async fn get_account(InAccount(account): InAccount) -> Reply {
    Reply::new(json!({"subdomain": account.subdomain}))
}

/// `PUT workers/subdomain`.
pub(crate) async fn put_account(
    State(api): State<Api>,
    InAccount(account): InAccount,
    Json(new): Json<AccountSubdomain>,
) -> Result<Reply, ApiError> {
    let account = api.store().set_account_subdomain(&account.id, &new.subdomain).await?;
    api.changed(Change::Accounts).await;
    Ok(Reply::new(json!({"subdomain": account.subdomain})))
}

/// `GET workers/subdomains/:subdomain`: an error either way; the code says whether it is free.
pub(crate) async fn check_name(
    State(api): State<Api>,
    InAccount(_): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let label = params.get("subdomain");
    Err(if api.store().subdomain_is_free(label).await? {
        ApiError::not_found(code::SUBDOMAIN_FREE, format!("The subdomain {label:?} is free."))
    } else {
        ApiError::bad_request(code::SUBDOMAIN_TAKEN, format!("The subdomain {label:?} is taken."))
    })
}

/// `GET scripts/:worker/subdomain`.
pub(crate) async fn get(State(api): State<Api>, Named { account, worker }: Named) -> Result<Reply, ApiError> {
    Ok(Reply::new(view::subdomain(api.config(), &account, &worker)))
}

/// `POST scripts/:worker/subdomain`. Previews follow the worker's own host unless they are named, as wrangler's
/// `preview_urls` follows `workers_dev`.
pub(crate) async fn post(
    State(api): State<Api>,
    Named { account, worker }: Named,
    Json(switch): Json<Switch>,
) -> Result<Reply, ApiError> {
    let subdomain = Subdomain {
        enabled: switch.enabled,
        previews_enabled: switch.previews_enabled.unwrap_or(switch.enabled),
    };
    set(&api, InAccount(account), worker.id, subdomain).await
}

/// `DELETE scripts/:worker/subdomain`.
pub(crate) async fn delete(
    State(api): State<Api>,
    Named { account, worker }: Named,
) -> Result<Reply, ApiError> {
    set(&api, InAccount(account), worker.id, Subdomain::default()).await
}

async fn set(
    api: &Api,
    InAccount(account): InAccount,
    worker: hearth_model::WorkerId,
    subdomain: Subdomain,
) -> Result<Reply, ApiError> {
    let changes = WorkerChanges { subdomain: Some(subdomain), ..WorkerChanges::default() };
    let worker = api.store().update_worker(worker, changes).await?;
    api.changed(Change::Worker(worker.id)).await;
    Ok(Reply::new(view::subdomain(api.config(), &account, &worker)))
}
