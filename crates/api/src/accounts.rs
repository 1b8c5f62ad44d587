//! Accounts: who answers for the installation makes them, admins rename theirs, owners end them.

use axum::extract::State;
use serde::Deserialize;
use serde_json::json;

use crate::auth::InAccount;
use crate::envelope::Reply;
use crate::error::ApiError;
use crate::json::Json;
use crate::runtime::Change;
use crate::state::Api;
use crate::view;

/// What is posted or put. Clients send more than counts here.
#[derive(Deserialize)]
pub(crate) struct Wanted {
    name: String,
}

/// `POST accounts`.
pub(crate) async fn post(
    State(api): State<Api>,
    Json(Wanted { name }): Json<Wanted>,
) -> Result<Reply, ApiError> {
    Ok(Reply::new(view::account(&api.store().create_account(&name).await?)))
}

/// `PUT accounts/:account`: another name. The label in its hosts stays.
pub(crate) async fn put(
    State(api): State<Api>,
    InAccount(account): InAccount,
    Json(Wanted { name }): Json<Wanted>,
) -> Result<Reply, ApiError> {
    Ok(Reply::new(view::account(&api.store().rename_account(&account.id, &name).await?)))
}

/// `DELETE accounts/:account`: one that has nothing any more. What is left of it on the disk goes with it.
pub(crate) async fn delete(State(api): State<Api>, InAccount(account): InAccount) -> Result<Reply, ApiError> {
    api.store().delete_account(&account.id).await?;
    api.changed(Change::AccountGone).await;
    Ok(Reply::new(json!({"id": account.id})))
}
