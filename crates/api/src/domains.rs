//! Custom domains. wrangler 4.164 asks for a changeset first and writes `domains/records`; SDKs and Terraform use
//! `/workers/domains`.

use axum::extract::State;
use hearth_model::WorkerName;
use hearth_store::{Domain, DomainChangeset, DomainFilter, DomainId, DomainSpec, DomainWrite};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::InAccount;
use crate::envelope::Reply;
use crate::error::ApiError;
use crate::json::Json;
use crate::named::Named;
use crate::page::PageQuery;
use crate::params::Params;
use crate::query::Query;
use crate::runtime::Change;
use crate::state::Api;
use crate::triggers::{read_hostname, read_zone_id, read_zone_name};
use crate::view;

/// Domains of a page where the client does not say.
const PER_PAGE: u64 = 100;

/// One custom domain as it is sent.
#[derive(Deserialize)]
pub(crate) struct NewDomain {
    hostname: String,
    #[serde(default)]
    zone_id: Option<String>,
    #[serde(default)]
    zone_name: Option<String>,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    previews_enabled: Option<bool>,
    /// The worker, on `PUT /workers/domains`.
    #[serde(default)]
    service: Option<String>,
}

/// What `PUT domains/records` is sent.
#[derive(Deserialize)]
pub(crate) struct Records {
    #[serde(default)]
    override_scope: bool,
    #[serde(default)]
    override_existing_origin: bool,
    origins: Vec<NewDomain>,
}

fn read(api: &Api, domain: NewDomain) -> Result<DomainSpec, ApiError> {
    let hostname = read_hostname(&domain.hostname)?;
    api.config().check_host(&hostname)?;
    Ok(DomainSpec {
        hostname,
        zone_id: read_zone_id(domain.zone_id)?,
        zone_name: read_zone_name(domain.zone_name)?,
        enabled: domain.enabled.unwrap_or(true),
        previews_enabled: domain.previews_enabled.unwrap_or(false),
    })
}

/// `POST scripts/:worker/domains/changeset?replace_state=true`: what a write would do.
pub(crate) async fn changeset(
    State(api): State<Api>,
    Named { worker, .. }: Named,
    query: Query,
    Json(new): Json<Vec<NewDomain>>,
) -> Result<Reply, ApiError> {
    let specs = new.into_iter().map(|domain| read(&api, domain)).collect::<Result<Vec<_>, _>>()?;
    let changes = api.store().domain_changeset(worker.id, &specs, query.flag("replace_state")).await?;
    Ok(Reply::new(changeset_view(&changes)))
}

fn changeset_view(changes: &DomainChangeset) -> Value {
    let added: Vec<Value> = changes
        .added
        .iter()
        .map(|spec| {
            json!({
                "hostname": spec.hostname.as_str(),
                "zone_id": spec.zone_id.as_ref().map(hearth_store::ZoneId::as_str),
                "zone_name": spec.zone_name.as_ref().map(hearth_model::Hostname::as_str),
                "enabled": spec.enabled,
                "previews_enabled": spec.previews_enabled,
            })
        })
        .collect();
    let updated: Vec<Value> = changes
        .updated
        .iter()
        .map(|(domain, modified)| {
            let mut entry = view::domain(domain);
            entry["modified"] = json!(modified);
            entry
        })
        .collect();
    let views = |domains: &[Domain]| domains.iter().map(view::domain).collect::<Vec<_>>();
    json!({
        "added": added,
        "removed": views(&changes.removed),
        "updated": updated,
        "conflicting": views(&changes.conflicting),
    })
}

/// `PUT scripts/:worker/domains/records`.
pub(crate) async fn put_records(
    State(api): State<Api>,
    Named { worker, .. }: Named,
    Json(records): Json<Records>,
) -> Result<Reply, ApiError> {
    let specs =
        records.origins.into_iter().map(|domain| read(&api, domain)).collect::<Result<Vec<_>, _>>()?;
    let how = DomainWrite { replace: records.override_scope, take_over: records.override_existing_origin };
    let domains = api.store().write_domains(worker.id, specs, how).await?;
    api.changed(Change::Domains).await;
    Ok(Reply::new(json!(domains.iter().map(view::domain).collect::<Vec<_>>())))
}

/// `PUT /workers/domains`: adds one, as SDKs and Terraform do.
pub(crate) async fn put(
    State(api): State<Api>,
    InAccount(account): InAccount,
    Json(mut new): Json<NewDomain>,
) -> Result<Reply, ApiError> {
    let name: WorkerName = new.service.take().unwrap_or_default().parse()?;
    let worker = api.worker(&account, &name).await?;
    let spec = read(&api, new)?;
    let hostname = spec.hostname.clone();
    let how = DomainWrite { replace: false, take_over: true };
    let domains = api.store().write_domains(worker.id, vec![spec], how).await?;
    api.changed(Change::Domains).await;
    let written = domains.iter().find(|domain| domain.hostname == hostname);
    Ok(written.map_or_else(Reply::null, |domain| Reply::new(view::domain(domain))))
}

/// `GET /workers/domains` and `/workers/domains/records`.
pub(crate) async fn list(
    State(api): State<Api>,
    InAccount(account): InAccount,
    query: Query,
) -> Result<Reply, ApiError> {
    let window = PageQuery::from_query(&query).window(PER_PAGE);
    let given = |key: &str| query.get(key).filter(|text| !text.is_empty());
    let mut filter = DomainFilter::default();
    if let Some(service) = given("service") {
        let found = match service.parse() {
            Ok(name) => api.find_worker(&account, &name).await?,
            Err(_) => None,
        };
        let Some(worker) = found else { return Ok(page(Vec::new(), &window)) };
        filter.worker = Some(worker.id);
    }
    filter.zone = given("zone_id").map(str::parse).transpose()?;
    filter.hostname = given("hostname").map(read_hostname).transpose()?;
    let mut domains = api.store().domains(&account.id, &filter).await?;
    if let Some(zone_name) = given("zone_name") {
        domains.retain(|domain| domain.zone_name.as_str() == zone_name);
    }
    Ok(page(domains, &window))
}

fn page(domains: Vec<Domain>, window: &crate::page::Window) -> Reply {
    let (domains, info) = window.cut(domains);
    Reply::page(domains.iter().map(view::domain).collect(), info)
}

/// `GET /workers/domains/:domain`.
pub(crate) async fn get(
    State(api): State<Api>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let id: DomainId = params.get("domain").parse()?;
    Ok(Reply::new(view::domain(&api.store().domain(&account.id, &id).await?)))
}

/// `DELETE /workers/domains/:domain`.
pub(crate) async fn delete(
    State(api): State<Api>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let id: DomainId = params.get("domain").parse()?;
    api.store().delete_domain(&account.id, &id).await?;
    api.changed(Change::Domains).await;
    Ok(Reply::null())
}
