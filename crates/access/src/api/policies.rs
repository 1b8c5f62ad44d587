//! Policies: an application's own, and those that applications share.

use std::sync::Arc;

use axum::extract::State;
use hearth_api::{ApiError, InAccount, Json, Params, Reply};
use hearth_store::{AccessApp, AccessPolicy, AccessRecords, Account};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{apps, duration, invalid, name, new_id, removed, room, unknown};
use crate::Access;
use crate::policy::{Known, Policy, Rules, document};

/// A policy of what is sent.
pub(super) fn new(
    access: &Access,
    records: &AccessRecords,
    account: &Account,
    app: Option<&str>,
    sent: &Value,
) -> Result<AccessPolicy, ApiError> {
    let now = Timestamp::now();
    Ok(AccessPolicy {
        id: new_id(),
        account: account.id.clone(),
        app: app.map(str::to_owned),
        document: checked(access, records, sent)?,
        created_on: now,
        updated_on: now,
    })
}

/// What a policy says, of what is sent.
fn checked(access: &Access, records: &AccessRecords, sent: &Value) -> Result<Value, ApiError> {
    access.reading(records, |known| Policy::read(sent, known)).map_err(invalid)?;
    name(sent)?;
    duration(sent, "session_duration", "24h")?;
    for name in ["approval_required", "isolation_required", "purpose_justification_required"] {
        if sent[name] == true {
            return Err(invalid(format!("`{name}` is not known here; leave it out")));
        }
    }
    Ok(Value::Object(document(sent)))
}

/// All rules of a policy or a group, as they are stored.
pub(super) fn readable_rules(document: &Value) -> impl Iterator<Item = &Value> {
    let sets = ["include", "require", "exclude"].into_iter();
    sets.filter_map(|set| document[set].as_array()).flatten()
}

impl Access {
    /// Reads rules of an account, of whose records are `records`.
    pub(super) fn reading<T>(&self, records: &AccessRecords, read: impl FnOnce(&Known<'_>) -> T) -> T {
        let countries = self.0.config.countries;
        let group = |id: &str| {
            let found = records.groups.iter().find(|group| group.id == id)?;
            Rules::read(&found.document, &Known { group: &|_| None, countries }).ok().map(Arc::new)
        };
        read(&Known { group: &group, countries })
    }
}

fn find<'a>(
    records: &'a AccessRecords,
    id: &str,
    app: Option<&AccessApp>,
) -> Result<&'a AccessPolicy, ApiError> {
    let is_meant = |policy: &&AccessPolicy| match app {
        Some(app) => policy.id == id && app.policies.contains(&policy.id),
        None => policy.id == id && policy.app.is_none(),
    };
    records.policies.iter().find(is_meant).ok_or_else(|| unknown("policy"))
}

/// A policy as Cloudflare shows one; `precedence` in an application.
pub(super) fn readable(policy: &AccessPolicy, precedence: Option<usize>, records: &AccessRecords) -> Value {
    let mut shown = policy.document.clone();
    shown["id"] = json!(policy.id);
    shown["uid"] = json!(policy.id);
    shown["reusable"] = json!(policy.app.is_none());
    shown["created_at"] = json!(policy.created_on.to_string());
    shown["updated_at"] = json!(policy.updated_on.to_string());
    match precedence {
        Some(precedence) => shown["precedence"] = json!(precedence),
        None => {
            let asking = records.apps.iter().filter(|app| app.policies.contains(&policy.id));
            shown["app_count"] = json!(asking.count());
        }
    }
    shown
}

fn place(app: &AccessApp, id: &str) -> Option<usize> {
    app.policies.iter().position(|policy| policy == id).map(|position| position + 1)
}

pub(super) async fn list(
    State(access): State<Access>,
    InAccount(account): InAccount,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    let shared = records.policies.iter().filter(|policy| policy.app.is_none());
    Ok(Reply::new(shared.map(|policy| readable(policy, None, &records)).collect()))
}

pub(super) async fn create(
    State(access): State<Access>,
    InAccount(account): InAccount,
    Json(sent): Json<Value>,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    room(records.policies.len())?;
    let policy = new(&access, &records, &account, None, &sent)?;
    access.0.api.store().put_access_policy(&policy).await?;
    access.written().await?;
    Ok(Reply::new(readable(&policy, None, &records)))
}

pub(super) async fn show(
    State(access): State<Access>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    Ok(Reply::new(readable(find(&records, params.get("policy"), None)?, None, &records)))
}

pub(super) async fn update(
    State(access): State<Access>,
    InAccount(account): InAccount,
    params: Params,
    Json(sent): Json<Value>,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    let found = find(&records, params.get("policy"), None)?.clone();
    let policy =
        AccessPolicy { document: checked(&access, &records, &sent)?, updated_on: Timestamp::now(), ..found };
    access.0.api.store().put_access_policy(&policy).await?;
    access.written().await?;
    Ok(Reply::new(readable(&policy, None, &records)))
}

pub(super) async fn delete(
    State(access): State<Access>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    let policy = find(&records, params.get("policy"), None)?;
    // An application that loses a policy may let in whom it kept out.
    if let Some(app) = records.apps.iter().find(|app| app.policies.contains(&policy.id)) {
        let name = app.document["name"].as_str().unwrap_or_default();
        return Err(invalid(format!("the application {name:?} asks this policy; take it out there first")));
    }
    access.0.api.store().delete_access_policy(&account.id, &policy.id).await?;
    access.written().await?;
    Ok(removed(&policy.id))
}

pub(super) async fn list_own(
    State(access): State<Access>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    let app = apps::find(&records, params.get("app"))?;
    let all = app.policies.iter().enumerate().filter_map(|(position, id)| {
        let policy = records.policies.iter().find(|policy| policy.id == *id)?;
        Some(readable(policy, Some(position + 1), &records))
    });
    Ok(Reply::new(all.collect()))
}

pub(super) async fn create_own(
    State(access): State<Access>,
    InAccount(account): InAccount,
    params: Params,
    Json(sent): Json<Value>,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    room(records.policies.len())?;
    let mut app = apps::find(&records, params.get("app"))?.clone();
    let policy = new(&access, &records, &account, Some(&app.id), &sent)?;
    put_at(&mut app, &policy.id, &sent);
    access.0.api.store().put_access_app(&app, std::slice::from_ref(&policy)).await?;
    access.written().await?;
    Ok(Reply::new(readable(&policy, place(&app, &policy.id), &records)))
}

pub(super) async fn show_own(
    State(access): State<Access>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    let app = apps::find(&records, params.get("app"))?;
    let policy = find(&records, params.get("policy"), Some(app))?;
    Ok(Reply::new(readable(policy, place(app, &policy.id), &records)))
}

pub(super) async fn update_own(
    State(access): State<Access>,
    InAccount(account): InAccount,
    params: Params,
    Json(sent): Json<Value>,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    let mut app = apps::find(&records, params.get("app"))?.clone();
    let found = find(&records, params.get("policy"), Some(&app))?.clone();
    if found.app.is_none() {
        return Err(invalid("applications share this policy; change it below `access/policies`"));
    }
    let policy =
        AccessPolicy { document: checked(&access, &records, &sent)?, updated_on: Timestamp::now(), ..found };
    put_at(&mut app, &policy.id, &sent);
    access.0.api.store().put_access_app(&app, std::slice::from_ref(&policy)).await?;
    access.written().await?;
    Ok(Reply::new(readable(&policy, place(&app, &policy.id), &records)))
}

pub(super) async fn delete_own(
    State(access): State<Access>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let records = access.records(&account.id).await?;
    let mut app = apps::find(&records, params.get("app"))?.clone();
    let id = find(&records, params.get("policy"), Some(&app))?.id.clone();
    app.policies.retain(|policy| *policy != id);
    access.0.api.store().put_access_app(&app, &[]).await?;
    access.written().await?;
    Ok(removed(&id))
}

/// Puts a policy where its `precedence` says, from 1; without one, where it is or at the end.
fn put_at(app: &mut AccessApp, id: &str, sent: &Value) {
    let now = app.policies.iter().position(|policy| policy == id);
    app.policies.retain(|policy| policy != id);
    let wanted =
        sent["precedence"].as_u64().map(|place| usize::try_from(place.max(1) - 1).unwrap_or(usize::MAX));
    let at = wanted.or(now).unwrap_or(usize::MAX).min(app.policies.len());
    app.policies.insert(at, id.to_owned());
}
