//! Service tokens. The secret is shown when it is made, and never again.

use axum::extract::State;
use hearth_api::{ApiError, InAccount, Json, Params, Reply};
use hearth_store::{AccessRecords, AccessServiceToken};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::policies::readable_rules;
use super::{duration, invalid, name, new_id, removed, room, unknown};
use crate::Access;
use crate::codes::digest;

/// How long a service token is good for where nobody says: a year, as on Cloudflare.
const USUAL: &str = "8760h";

/// For ever, in seconds: a hundred years, which the store can still write down.
const LONGEST: i64 = 100 * 366 * 24 * 3600;

/// Cloudflare's word for a token that does not end.
const FOREVER: &str = "forever";

fn find<'a>(records: &'a AccessRecords, id: &str) -> Result<&'a AccessServiceToken, ApiError> {
    let found = records.tokens.iter().find(|token| token.id == id);
    found.ok_or_else(|| unknown("service token"))
}

fn view(token: &AccessServiceToken) -> Value {
    json!({
        "id": token.id, "name": token.name, "client_id": token.client_id, "duration": token.duration,
        "expires_at": token.expires_on.to_string(), "created_at": token.created_on.to_string(),
        "updated_at": token.updated_on.to_string(),
    })
}

fn secret() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}

fn expiry(duration: &str, now: Timestamp) -> Timestamp {
    let seconds = crate::duration::seconds(duration).unwrap_or(LONGEST).min(LONGEST);
    now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now)
}

fn wanted(sent: &Value, usual: &str) -> Result<String, ApiError> {
    if sent["duration"] == FOREVER { Ok(FOREVER.to_owned()) } else { duration(sent, "duration", usual) }
}

pub(super) async fn list(
    State(access): State<Access>,
    InAccount(account): InAccount,
) -> Result<Reply, ApiError> {
    Ok(Reply::new(access.records(&account.id).await?.tokens.iter().map(view).collect()))
}

pub(super) async fn show(
    State(access): State<Access>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    Ok(Reply::new(view(find(&records, params.get("token"))?)))
}

pub(super) async fn create(
    State(access): State<Access>,
    InAccount(account): InAccount,
    Json(sent): Json<Value>,
) -> Result<Reply, ApiError> {
    room(access.records(&account.id).await?.tokens.len())?;
    let (now, secret, duration) = (Timestamp::now(), secret(), wanted(&sent, USUAL)?);
    let token = AccessServiceToken {
        id: new_id(),
        account: account.id,
        name: name(&sent)?,
        client_id: format!("{}.access", hex::encode(rand::random::<[u8; 16]>())),
        digest: digest(&secret),
        expires_on: expiry(&duration, now),
        duration,
        created_on: now,
        updated_on: now,
    };
    access.0.api.store().put_access_token(&token).await?;
    access.written().await?;
    let mut shown = view(&token);
    shown["client_secret"] = json!(secret);
    Ok(Reply::new(shown))
}

pub(super) async fn update(
    State(access): State<Access>,
    InAccount(account): InAccount,
    params: Params,
    Json(sent): Json<Value>,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    let found = find(&records, params.get("token"))?.clone();
    let name = if sent["name"].is_null() { found.name.clone() } else { name(&sent)? };
    let duration = wanted(&sent, &found.duration)?;
    let changed = duration != found.duration;
    let now = Timestamp::now();
    let expires_on = if changed { expiry(&duration, now) } else { found.expires_on };
    let token = AccessServiceToken { name, duration, expires_on, updated_on: now, ..found };
    put(&access, token, None).await
}

/// `POST …/rotate`: another secret; the one before opens nothing any more.
pub(super) async fn rotate(
    State(access): State<Access>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    let found = find(&records, params.get("token"))?.clone();
    let secret = secret();
    let token = AccessServiceToken { digest: digest(&secret), updated_on: Timestamp::now(), ..found };
    put(&access, token, Some(secret)).await
}

/// `POST …/refresh`: it is good for another time of its duration.
pub(super) async fn refresh(
    State(access): State<Access>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    let found = find(&records, params.get("token"))?.clone();
    let now = Timestamp::now();
    let token = AccessServiceToken { expires_on: expiry(&found.duration, now), updated_on: now, ..found };
    put(&access, token, None).await
}

async fn put(access: &Access, token: AccessServiceToken, secret: Option<String>) -> Result<Reply, ApiError> {
    access.0.api.store().put_access_token(&token).await?;
    access.written().await?;
    let mut shown = view(&token);
    if let Some(secret) = secret {
        shown["client_secret"] = json!(secret);
    }
    Ok(Reply::new(shown))
}

pub(super) async fn delete(
    State(access): State<Access>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    let token = find(&records, params.get("token"))?;
    let asked = json!({"service_token": {"token_id": token.id}});
    let policies = records.policies.iter().map(|policy| ("policy", &policy.document));
    let mut all = policies.chain(records.groups.iter().map(|group| ("group", &group.document)));
    if let Some((kind, document)) =
        all.find(|(_, document)| readable_rules(document).any(|rule| *rule == asked))
    {
        let name = document["name"].as_str().unwrap_or_default();
        return Err(invalid(format!("the {kind} {name:?} names this token; take it out there first")));
    }
    access.0.api.store().delete_access_token(&account.id, &token.id).await?;
    access.written().await?;
    Ok(removed(&token.id))
}
