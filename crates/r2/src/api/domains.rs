//! Public domains of a bucket. They are kept and shown; nothing is served on them yet.

use axum::extract::State;
use hearth_api::{ApiError, InAccount, Json, Params, Reply};
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::store::{Bucket, R2};
use super::{Refused, code};

fn managed(bucket: &Bucket) -> Value {
    let settings = bucket.settings();
    json!({
        "bucketId": bucket.id(),
        "domain": format!("pub-{}.r2.dev", bucket.id()),
        "enabled": settings.managed_domain,
    })
}

pub(super) async fn get_managed(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    Ok(Reply::new(managed(&*r2.named(&account, &params)?)))
}

#[derive(Deserialize)]
pub(super) struct Managed {
    enabled: bool,
}

pub(super) async fn put_managed(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
    Json(wanted): Json<Managed>,
) -> Result<Reply, ApiError> {
    let changed = r2
        .change(&account, &params, |settings| {
            settings.managed_domain = wanted.enabled;
            Ok(())
        })
        .await?;
    Ok(Reply::new(managed(&changed)))
}

fn no_domain() -> ApiError {
    ApiError::not_found(code::NO_DOMAIN, "The custom domain is not connected to this bucket.")
}

pub(super) async fn list_custom(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let bucket = r2.named(&account, &params)?;
    Ok(Reply::new(json!({"domains": bucket.settings().custom_domains})))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Custom {
    domain: String,
    zone_id: Option<String>,
    zone_name: Option<String>,
    #[serde(rename = "minTLS")]
    min_tls: Option<String>,
    #[serde(default)]
    enabled: bool,
}

pub(super) async fn add_custom(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
    Json(wanted): Json<Custom>,
) -> Result<Reply, ApiError> {
    let host = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.');
    if wanted.domain.is_empty() || !wanted.domain.chars().all(host) {
        return Err(ApiError::bad_request(code::BAD_RULES, "The domain is not a host name."));
    }
    let added = json!({
        "domain": wanted.domain,
        "enabled": wanted.enabled,
        "minTLS": wanted.min_tls.as_deref().unwrap_or("1.0"),
        "zoneId": wanted.zone_id,
        "zoneName": wanted.zone_name,
        // Honest: nothing answers on it.
        "status": {"ownership": "pending", "ssl": "pending"},
    });
    let kept = added.clone();
    r2.change(&account, &params, |settings| {
        let domains = &mut settings.custom_domains;
        if domains.iter().any(|domain| domain["domain"] == kept["domain"]) {
            let message = "The custom domain is connected to this bucket already.";
            return Err(Refused(ApiError::new(http::StatusCode::CONFLICT, code::BAD_RULES, message)));
        }
        domains.push(kept);
        Ok(())
    })
    .await?;
    Ok(Reply::new(added))
}

pub(super) async fn get_custom(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let bucket = r2.named(&account, &params)?;
    let wanted = params.get("domain");
    let found = bucket.settings().custom_domains.iter().find(|domain| domain["domain"] == wanted);
    found.map(|domain| Reply::new(domain.clone())).ok_or_else(no_domain)
}

#[derive(Deserialize)]
pub(super) struct Change {
    enabled: Option<bool>,
    #[serde(rename = "minTLS")]
    min_tls: Option<String>,
}

pub(super) async fn put_custom(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
    Json(wanted): Json<Change>,
) -> Result<Reply, ApiError> {
    let name = params.get("domain").to_owned();
    let changed = r2
        .change(&account, &params, |settings| {
            let found = settings.custom_domains.iter_mut().find(|domain| domain["domain"] == name.as_str());
            let domain = found.ok_or_else(|| Refused(no_domain()))?;
            if let Some(enabled) = wanted.enabled {
                domain["enabled"] = json!(enabled);
            }
            if let Some(min_tls) = wanted.min_tls {
                domain["minTLS"] = json!(min_tls);
            }
            Ok(())
        })
        .await?;
    let found = changed.settings().custom_domains.iter().find(|domain| domain["domain"] == name.as_str());
    found.map(|domain| Reply::new(domain.clone())).ok_or_else(no_domain)
}

pub(super) async fn delete_custom(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let name = params.get("domain").to_owned();
    r2.change(&account, &params, |settings| {
        let before = settings.custom_domains.len();
        settings.custom_domains.retain(|domain| domain["domain"] != name.as_str());
        if settings.custom_domains.len() == before { Err(Refused(no_domain())) } else { Ok(()) }
    })
    .await?;
    Ok(Reply::new(json!({"domain": name})))
}
