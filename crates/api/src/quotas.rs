//! Ours: what an account may have at most (`hearth quotas`).

use axum::extract::State;
use hearth_model::{Quota, Quotas};
use hearth_store::{Account, Page};
use serde_json::{Map, Value, json};

use crate::auth::InAccount;
use crate::envelope::Reply;
use crate::error::ApiError;
use crate::json::Json;
use crate::runtime::Change;
use crate::state::Api;

/// `GET accounts/:account/hearth/quotas`.
pub(crate) async fn get(State(api): State<Api>, InAccount(account): InAccount) -> Result<Reply, ApiError> {
    show(&api, &account).await
}

/// `PUT accounts/:account/hearth/quotas`: an object of limits, null for none. What it does not name is as it is for every
/// account. An account that has more already keeps it, and gets nothing further.
///
/// Only who answers for the installation may.
pub(crate) async fn put(
    State(api): State<Api>,
    InAccount(account): InAccount,
    Json(quotas): Json<Quotas>,
) -> Result<Reply, ApiError> {
    api.store().set_account_quotas(&account.id, &quotas).await?;
    api.changed(Change::Quotas).await;
    show(&api, &account).await
}

async fn show(api: &Api, account: &Account) -> Result<Reply, ApiError> {
    let own = api.store().account_quotas(&account.id).await?;
    let all = own.over(&api.store().default_quotas());
    let none = Page { offset: 0, limit: 0 };
    let workers = api.store().workers(&account.id, None, none).await?.total;
    let used = api.runtime().used(&account.id);
    // Of a MiB that is begun, all of it: what is full is shown as full.
    let mb = |bytes: u64| bytes.div_ceil(1 << 20);
    let shown = Quota::ALL.map(|quota| {
        let used = match quota {
            Quota::Workers => workers,
            Quota::Instances => used.instances,
            Quota::MemoryMb => mb(used.memory),
            Quota::StorageMb => mb(used.storage),
            Quota::RequestsPerMinute => used.requests,
        };
        let value = json!({"limit": all.limit(quota), "used": used, "own": own.names(quota)});
        (quota.as_str().to_owned(), value)
    });
    Ok(Reply::new(Value::Object(Map::from_iter(shown))))
}
