//! `/pages/projects/:project/domains`: custom domains, as workers have them.

use axum::extract::State;
use hearth_api::{ApiError, Change, InAccount, Json, Params, Reply, code};
use hearth_model::Hostname;
use hearth_store::{Domain, DomainFilter, DomainSpec, DomainWrite};
use serde_json::Value;

use super::Pages;
use crate::error::invalid;
use crate::view;

/// `GET domains`.
pub(super) async fn list(
    State(pages): State<Pages>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let known = pages.known(&account, &params).await?;
    Ok(Reply::new(known.domains.iter().map(view::domain).collect()))
}

/// `POST domains` `{name}`.
pub(super) async fn add(
    State(pages): State<Pages>,
    InAccount(account): InAccount,
    params: Params,
    Json(asked): Json<Value>,
) -> Result<Reply, ApiError> {
    let worker = pages.find(&account, &params).await?;
    let name = asked.get("name").and_then(Value::as_str).unwrap_or_default();
    let hostname: Hostname = name.parse().map_err(|_| invalid(format!("{name:?} is no name of a host.")))?;
    pages.api.config().check_host(&hostname)?;
    let spec = DomainSpec {
        hostname: hostname.clone(),
        zone_id: None,
        zone_name: None,
        enabled: true,
        previews_enabled: false,
    };
    let domains = pages.api.store().write_domains(worker.id, vec![spec], DomainWrite::default()).await?;
    pages.api.changed(Change::Domains).await;
    let added = domains.iter().find(|domain| domain.hostname == hostname);
    Ok(added.map_or_else(Reply::null, |domain| Reply::new(view::domain(domain))))
}

/// `GET domains/:domain`, and `PATCH`, which on Cloudflare has it validated again.
pub(super) async fn get(
    State(pages): State<Pages>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    Ok(Reply::new(view::domain(&find(&pages, &account, &params).await?)))
}

/// `DELETE domains/:domain`.
pub(super) async fn delete(
    State(pages): State<Pages>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let domain = find(&pages, &account, &params).await?;
    pages.api.store().delete_domain(&account.id, &domain.id).await?;
    pages.api.changed(Change::Domains).await;
    Ok(Reply::null())
}

/// Clients name a domain by its host.
async fn find(pages: &Pages, account: &hearth_store::Account, params: &Params) -> Result<Domain, ApiError> {
    let worker = pages.find(account, params).await?;
    let name = params.get("domain");
    let unknown =
        || ApiError::not_found(code::ROUTE_NOT_FOUND, format!("The project has no domain {name:?}."));
    let hostname: Hostname = name.parse().map_err(|_| unknown())?;
    let filter =
        DomainFilter { worker: Some(worker.id), hostname: Some(hostname), ..DomainFilter::default() };
    pages.api.store().domains(&account.id, &filter).await?.into_iter().next().ok_or_else(unknown)
}
