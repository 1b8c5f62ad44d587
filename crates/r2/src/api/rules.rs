//! CORS, lifecycle and lock rules.

use std::collections::HashSet;

use axum::extract::State;
use hearth_api::{ApiError, InAccount, Json, Params, Reply};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::lifecycle::LifecycleRule;
use super::super::store::{LockRule, R2};
use super::{Refused, code};

#[derive(Deserialize)]
pub(super) struct Rules<T> {
    rules: Vec<T>,
}

/// Most rules of one kind (developers.cloudflare.com/r2/buckets/object-lifecycles).
const MOST: usize = 1000;

fn bad(message: impl Into<String>) -> ApiError {
    ApiError::bad_request(code::BAD_RULES, message)
}

/// Refuses too many rules and such with one id.
fn check_ids<'a>(count: usize, ids: impl Iterator<Item = &'a str>) -> Result<(), ApiError> {
    if count > MOST {
        return Err(bad(format!("A bucket has at most {MOST} rules.")));
    }
    let mut known = HashSet::new();
    for id in ids {
        if id.is_empty() || !known.insert(id) {
            return Err(bad(format!("The rule id {id:?} is empty or not unique.")));
        }
    }
    Ok(())
}

pub(super) async fn get_cors(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let bucket = r2.named(&account, &params)?;
    match &bucket.settings().cors {
        Some(rules) => Ok(Reply::new(json!({"rules": rules}))),
        None => Err(ApiError::not_found(code::NO_CORS, "The CORS configuration does not exist.")),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CorsRule {
    allowed: Allowed,
    #[serde(default)]
    expose_headers: Vec<String>,
    #[serde(default)]
    max_age_seconds: u32,
}

#[derive(Deserialize)]
struct Allowed {
    origins: Vec<String>,
    methods: Vec<String>,
    #[serde(default)]
    headers: Vec<String>,
}

fn check_cors(rule: &Value) -> Result<(), ApiError> {
    let rule: CorsRule = serde_json::from_value(rule.clone())
        .map_err(|error| bad(format!("A CORS rule is not valid: {error}")))?;
    let methods = ["GET", "PUT", "POST", "DELETE", "HEAD"];
    if let Some(unknown) = rule.allowed.methods.iter().find(|method| !methods.contains(&method.as_str())) {
        return Err(bad(format!("A CORS rule allows the unknown method {unknown:?}.")));
    }
    let printable = |text: &String| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    let headers = rule.allowed.headers.iter().chain(&rule.expose_headers);
    if !rule.allowed.origins.iter().chain(headers).all(printable) || rule.max_age_seconds > 86400 {
        return Err(bad("A CORS rule has an origin, a header or an age that cannot be one."));
    }
    Ok(())
}

pub(super) async fn put_cors(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
    Json(Rules { rules }): Json<Rules<Value>>,
) -> Result<Reply, ApiError> {
    if rules.len() > MOST {
        return Err(bad(format!("A bucket has at most {MOST} rules.")));
    }
    rules.iter().try_for_each(check_cors)?;
    r2.change(&account, &params, |settings| {
        settings.cors = Some(rules);
        Ok(())
    })
    .await?;
    Ok(Reply::new(json!({})))
}

pub(super) async fn delete_cors(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    r2.change(&account, &params, |settings| {
        settings.cors = None;
        Ok(())
    })
    .await?;
    Ok(Reply::new(json!({})))
}

pub(super) async fn get_lifecycle(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let bucket = r2.named(&account, &params)?;
    Ok(Reply::new(json!({"rules": LifecycleRule::shown(bucket.settings())})))
}

pub(super) async fn put_lifecycle(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
    Json(Rules { rules }): Json<Rules<Value>>,
) -> Result<Reply, ApiError> {
    let read: Vec<LifecycleRule> = rules
        .iter()
        .map(|rule| {
            LifecycleRule::read(rule).map_err(|error| bad(format!("A lifecycle rule is not valid: {error}")))
        })
        .collect::<Result<_, ApiError>>()?;
    check_ids(read.len(), read.iter().map(|rule| rule.id.as_str()))?;
    r2.change(&account, &params, |settings| {
        settings.lifecycle = Some(rules);
        Ok(())
    })
    .await?;
    r2.sweep_soon();
    Ok(Reply::new(json!({})))
}

pub(super) async fn get_locks(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let bucket = r2.named(&account, &params)?;
    Ok(Reply::new(json!({"rules": bucket.settings().locks})))
}

pub(super) async fn put_locks(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
    Json(Rules { rules }): Json<Rules<Value>>,
) -> Result<Reply, ApiError> {
    let rules: Vec<LockRule> = rules
        .into_iter()
        .map(|rule| {
            serde_json::from_value(rule).map_err(|error| bad(format!("A lock rule is not valid: {error}")))
        })
        .collect::<Result<_, ApiError>>()?;
    check_ids(rules.len(), rules.iter().map(|rule| rule.id.as_str()))?;
    r2.change(&account, &params, |settings| {
        settings.locks = rules;
        Ok::<_, Refused>(())
    })
    .await?;
    Ok(Reply::new(json!({})))
}
