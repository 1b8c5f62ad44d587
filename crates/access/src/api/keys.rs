//! The keys with which workers are shown who comes. They are the installation's: one account's do not differ from another's.

use axum::extract::State;
use hearth_api::{ApiError, InAccount, Json, Reply};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::invalid;
use crate::Access;

/// For how many days a key may sign, as on Cloudflare.
const DAYS: std::ops::RangeInclusive<u64> = 21..=365;

async fn view(access: &Access) -> Result<Reply, ApiError> {
    let days = access.rotation().await?;
    let keys = access.0.keys.load();
    Ok(Reply::new(json!({
        "key_rotation_interval_days": days,
        "days_until_next_rotation": keys.days_left(days, Timestamp::now()),
        "last_key_rotation_at": keys.0.first().map(|key| key.created_on.to_string()),
    })))
}

pub(super) async fn show(State(access): State<Access>, InAccount(_): InAccount) -> Result<Reply, ApiError> {
    view(&access).await
}

pub(super) async fn update(
    State(access): State<Access>,
    InAccount(_): InAccount,
    Json(sent): Json<Value>,
) -> Result<Reply, ApiError> {
    let days = sent["key_rotation_interval_days"].as_u64().filter(|days| DAYS.contains(days));
    let days = days.and_then(|days| u32::try_from(days).ok());
    let days = days.ok_or_else(|| invalid("`key_rotation_interval_days` is a number from 21 to 365"))?;
    access.0.api.store().set_access_rotation(days).await?;
    access.written().await?;
    view(&access).await
}

/// `POST …/rotate`: another key signs; the ones before verify what they have signed until that has ended.
pub(super) async fn rotate(State(access): State<Access>, InAccount(_): InAccount) -> Result<Reply, ApiError> {
    if !access.rotate().await? {
        return Err(invalid("there are 50 keys whose tokens are still good; wait until the oldest are not"));
    }
    view(&access).await
}
