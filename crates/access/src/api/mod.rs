//! `access/apps`, `access/policies`, `access/groups`, `access/service_tokens`, `access/keys` as Cloudflare has them (its API reference, "Zero Trust").

mod apps;
mod groups;
mod keys;
mod policies;
mod tokens;

use hearth_api::{ApiError, Operation, Reply};
use hearth_model::AccountId;
use hearth_store::AccessRecords;
use http::Method;
use serde_json::{Value, json};

use crate::Access;

/// Cloudflare's: the request does not hold.
const INVALID: u32 = 12130;
/// Cloudflare's: there is no such thing.
const UNKNOWN: u32 = 11021;

/// Most applications, policies, groups or service tokens of an account.
const MOST: usize = 500;

/// Longest name, in characters.
const MAX_NAME: usize = 350;

pub(crate) fn operations(access: &Access) -> Vec<Operation> {
    let (get, post, put, delete) = (Method::GET, Method::POST, Method::PUT, Method::DELETE);
    const APPS: &str = "/accounts/{account}/access/apps";
    const APP: &str = "/accounts/{account}/access/apps/{app}";
    const OWN: &str = "/accounts/{account}/access/apps/{app}/policies";
    const ONE_OWN: &str = "/accounts/{account}/access/apps/{app}/policies/{policy}";
    const POLICIES: &str = "/accounts/{account}/access/policies";
    const POLICY: &str = "/accounts/{account}/access/policies/{policy}";
    const GROUPS: &str = "/accounts/{account}/access/groups";
    const GROUP: &str = "/accounts/{account}/access/groups/{group}";
    const KEYS: &str = "/accounts/{account}/access/keys";
    const ROTATE_KEYS: &str = "/accounts/{account}/access/keys/rotate";
    const TOKENS: &str = "/accounts/{account}/access/service_tokens";
    const TOKEN: &str = "/accounts/{account}/access/service_tokens/{token}";
    const ROTATE: &str = "/accounts/{account}/access/service_tokens/{token}/rotate";
    const REFRESH: &str = "/accounts/{account}/access/service_tokens/{token}/refresh";
    const REVOKE: &str = "/accounts/{account}/access/apps/{app}/revoke_tokens";
    vec![
        Operation::new(get.clone(), APPS, apps::list, access),
        Operation::new(post.clone(), APPS, apps::create, access),
        Operation::new(get.clone(), APP, apps::show, access),
        Operation::new(put.clone(), APP, apps::update, access),
        Operation::new(delete.clone(), APP, apps::delete, access),
        Operation::new(post.clone(), REVOKE, apps::revoke, access),
        Operation::new(get.clone(), OWN, policies::list_own, access),
        Operation::new(post.clone(), OWN, policies::create_own, access),
        Operation::new(get.clone(), ONE_OWN, policies::show_own, access),
        Operation::new(put.clone(), ONE_OWN, policies::update_own, access),
        Operation::new(delete.clone(), ONE_OWN, policies::delete_own, access),
        Operation::new(get.clone(), POLICIES, policies::list, access),
        Operation::new(post.clone(), POLICIES, policies::create, access),
        Operation::new(get.clone(), POLICY, policies::show, access),
        Operation::new(put.clone(), POLICY, policies::update, access),
        Operation::new(delete.clone(), POLICY, policies::delete, access),
        Operation::new(get.clone(), GROUPS, groups::list, access),
        Operation::new(post.clone(), GROUPS, groups::create, access),
        Operation::new(get.clone(), GROUP, groups::show, access),
        Operation::new(put.clone(), GROUP, groups::update, access),
        Operation::new(delete.clone(), GROUP, groups::delete, access),
        Operation::new(get.clone(), KEYS, keys::show, access),
        Operation::new(put.clone(), KEYS, keys::update, access),
        Operation::new(post.clone(), ROTATE_KEYS, keys::rotate, access),
        Operation::new(get.clone(), TOKENS, tokens::list, access),
        Operation::new(post.clone(), TOKENS, tokens::create, access),
        Operation::new(get, TOKEN, tokens::show, access),
        Operation::new(put, TOKEN, tokens::update, access),
        Operation::new(delete, TOKEN, tokens::delete, access),
        Operation::new(post.clone(), ROTATE, tokens::rotate, access),
        Operation::new(post, REFRESH, tokens::refresh, access),
    ]
}

fn invalid(why: impl std::fmt::Display) -> ApiError {
    ApiError::bad_request(INVALID, format!("access.api.error.invalid_request: {why}."))
}

fn unknown(what: &str) -> ApiError {
    ApiError::not_found(UNKNOWN, format!("access.api.error.not_found: there is no such {what}."))
}

/// What was removed, as Cloudflare says it.
fn removed(id: &str) -> Reply {
    Reply::new(json!({ "id": id }))
}

fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A name that was sent.
fn name(sent: &Value) -> Result<String, ApiError> {
    match sent["name"].as_str().map(str::trim) {
        Some(name) if !name.is_empty() && name.chars().count() <= MAX_NAME => Ok(name.to_owned()),
        _ => Err(invalid(format!("`name` has 1 to {MAX_NAME} characters"))),
    }
}

/// A time that was sent, or what it is without.
fn duration(sent: &Value, name: &str, usual: &str) -> Result<String, ApiError> {
    match &sent[name] {
        Value::Null => Ok(usual.to_owned()),
        Value::String(text) if crate::duration::seconds(text).is_some() => Ok(text.clone()),
        _ => Err(invalid(format!("`{name}` is a time such as 24h or 30m"))),
    }
}

fn room(used: usize) -> Result<(), ApiError> {
    if used < MOST { Ok(()) } else { Err(invalid(format!("an account has at most {MOST} of them"))) }
}

impl Access {
    async fn records(&self, account: &AccountId) -> Result<AccessRecords, ApiError> {
        Ok(self.0.api.store().access(Some(account)).await?)
    }

    /// What was written takes effect before the answer says that it was.
    async fn written(&self) -> Result<(), ApiError> {
        Ok(self.reload().await?)
    }
}
