//! Ours: which networks and names workers may reach besides the public internet (`hearth egress allow`).

use axum::extract::State;
use hearth_store::EgressScope;
use serde_json::Value;

use crate::auth::InAccount;
use crate::envelope::Reply;
use crate::error::{ApiError, code};
use crate::json::Json;
use crate::named::NamedAny;
use crate::runtime::Change;
use crate::state::Api;

/// `GET accounts/:account/hearth/egress`; null where no rules are set.
pub(crate) async fn get_account(
    State(api): State<Api>,
    InAccount(account): InAccount,
) -> Result<Reply, ApiError> {
    get(&api, EgressScope::Account(account.id)).await
}

/// `PUT accounts/:account/hearth/egress`; null removes the rules.
///
/// Only who answers for the installation may: what is opened here is the operator's own network.
pub(crate) async fn put_account(
    State(api): State<Api>,
    InAccount(account): InAccount,
    Json(rules): Json<Value>,
) -> Result<Reply, ApiError> {
    put(&api, EgressScope::Account(account.id), rules).await
}

/// `GET accounts/:account/workers/scripts/:worker/hearth/egress`.
pub(crate) async fn get_worker(
    State(api): State<Api>,
    NamedAny { worker, .. }: NamedAny,
) -> Result<Reply, ApiError> {
    get(&api, EgressScope::Worker(worker.id)).await
}

/// `PUT accounts/:account/workers/scripts/:worker/hearth/egress`; null removes the rules.
pub(crate) async fn put_worker(
    State(api): State<Api>,
    NamedAny { worker, .. }: NamedAny,
    Json(rules): Json<Value>,
) -> Result<Reply, ApiError> {
    put(&api, EgressScope::Worker(worker.id), rules).await
}

/// `GET installation/egress`.
pub(crate) async fn get_installation(State(api): State<Api>) -> Result<Reply, ApiError> {
    get(&api, EgressScope::Installation).await
}

/// `PUT installation/egress`.
pub(crate) async fn put_installation(
    State(api): State<Api>,
    Json(rules): Json<Value>,
) -> Result<Reply, ApiError> {
    put(&api, EgressScope::Installation, rules).await
}

async fn get(api: &Api, scope: EgressScope) -> Result<Reply, ApiError> {
    Ok(Reply::new(api.store().egress_rules(&scope).await?.unwrap_or(Value::Null)))
}

async fn put(api: &Api, scope: EgressScope, rules: Value) -> Result<Reply, ApiError> {
    let rules = Some(rules).filter(|rules| !rules.is_null());
    if let Some(rules) = &rules {
        api.runtime()
            .check_egress_rules(rules)
            .map_err(|reason| ApiError::bad_request(code::BAD_BODY, format!("Egress rules: {reason}")))?;
    }
    api.store().set_egress_rules(&scope, rules.clone()).await?;
    api.changed(Change::Egress).await;
    Ok(Reply::new(rules.unwrap_or(Value::Null)))
}
