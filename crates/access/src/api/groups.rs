//! Groups: rules that have a name, which policies include, require or exclude.

use axum::extract::State;
use hearth_api::{ApiError, InAccount, Json, Params, Reply};
use hearth_store::{AccessGroup, AccessRecords};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::policies::readable_rules;
use super::{invalid, name, new_id, removed, room, unknown};
use crate::Access;
use crate::policy::{Known, Policy, Rules, document};

fn find<'a>(records: &'a AccessRecords, id: &str) -> Result<&'a AccessGroup, ApiError> {
    records.groups.iter().find(|group| group.id == id).ok_or_else(|| unknown("group"))
}

fn view(group: &AccessGroup) -> Value {
    let mut shown = group.document.clone();
    shown["id"] = json!(group.id);
    shown["uid"] = json!(group.id);
    shown["is_default"] = json!([]);
    shown["created_at"] = json!(group.created_on.to_string());
    shown["updated_at"] = json!(group.updated_on.to_string());
    shown
}

/// What a group says, of what is sent.
fn checked(access: &Access, sent: &Value) -> Result<Value, ApiError> {
    name(sent)?;
    let none = Known { group: &|_| None, countries: access.0.config.countries };
    Rules::read(sent, &none).map_err(invalid)?;
    if sent["is_default"] == true || sent["is_default"].as_array().is_some_and(|all| !all.is_empty()) {
        return Err(invalid(
            "`is_default` is not known here; name the group in the policies that are to ask it",
        ));
    }
    Ok(Value::Object(document(sent)))
}

pub(super) async fn list(
    State(access): State<Access>,
    InAccount(account): InAccount,
) -> Result<Reply, ApiError> {
    Ok(Reply::new(access.records(&account.id).await?.groups.iter().map(view).collect()))
}

pub(super) async fn show(
    State(access): State<Access>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    Ok(Reply::new(view(find(&records, params.get("group"))?)))
}

pub(super) async fn create(
    State(access): State<Access>,
    InAccount(account): InAccount,
    Json(sent): Json<Value>,
) -> Result<Reply, ApiError> {
    room(access.records(&account.id).await?.groups.len())?;
    let now = Timestamp::now();
    let document = checked(&access, &sent)?;
    let group = AccessGroup { id: new_id(), account: account.id, document, created_on: now, updated_on: now };
    access.0.api.store().put_access_group(&group).await?;
    access.written().await?;
    Ok(Reply::new(view(&group)))
}

pub(super) async fn update(
    State(access): State<Access>,
    InAccount(account): InAccount,
    params: Params,
    Json(sent): Json<Value>,
) -> Result<Reply, ApiError> {
    let mut records = access.records(&account.id).await?;
    let found = find(&records, params.get("group"))?.clone();
    let document = checked(&access, &sent)?;
    let group = AccessGroup { document, updated_on: Timestamp::now(), ..found };
    // What a policy may not ask, it may not come to ask by a group.
    records.groups.retain(|other| other.id != group.id);
    records.groups.push(group.clone());
    for policy in records.policies.iter().filter(|policy| names(&policy.document, &group.id)) {
        access.reading(&records, |known| Policy::read(&policy.document, known)).map_err(|error| {
            let name = policy.document["name"].as_str().unwrap_or_default();
            invalid(format!("the policy {name:?} names this group, and {error}"))
        })?;
    }
    access.0.api.store().put_access_group(&group).await?;
    access.written().await?;
    Ok(Reply::new(view(&group)))
}

pub(super) async fn delete(
    State(access): State<Access>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    let group = find(&records, params.get("group"))?;
    if let Some(policy) = records.policies.iter().find(|policy| names(&policy.document, &group.id)) {
        let name = policy.document["name"].as_str().unwrap_or_default();
        return Err(invalid(format!("the policy {name:?} names this group; take it out there first")));
    }
    access.0.api.store().delete_access_group(&account.id, &group.id).await?;
    access.written().await?;
    Ok(removed(&group.id))
}

/// Whether a policy names a group.
fn names(policy: &Value, id: &str) -> bool {
    readable_rules(policy).any(|rule| rule["group"]["id"].as_str().map(str::trim) == Some(id))
}
