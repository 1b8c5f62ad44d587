//! Zones and their routes. Hearth has no DNS: a zone is a domain name that an account has claimed by using it.

use axum::extract::State;
use hearth_model::{AccountId, Area, Hostname, On, RoutePattern, WorkerId, WorkerName};
use hearth_store::{Account, Listing, Page, RouteId};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::{Caller, InZone, sees};
use crate::envelope::Reply;
use crate::error::ApiError;
use crate::json::Json;
use crate::page::PageQuery;
use crate::params::Params;
use crate::query::Query;
use crate::runtime::Change;
use crate::session::is_foreign_page;
use crate::state::Api;
use crate::triggers::read_hostname;
use crate::view;

/// Zones of a page where the client does not say.
const PER_PAGE: u64 = 20;
/// Routes of a page where the client does not say.
const ROUTES_PER_PAGE: u64 = 1000;

/// What `POST zones` is sent.
#[derive(Deserialize)]
pub(crate) struct NewZone {
    name: String,
    account: InBody,
}

#[derive(Deserialize)]
struct InBody {
    id: String,
}

/// A route as it is sent.
#[derive(Deserialize)]
pub(crate) struct NewRoute {
    pattern: String,
    /// The worker; absent for a route that switches workers off.
    #[serde(default)]
    script: Option<String>,
}

/// `GET zones?name=&account.id=`.
///
/// wrangler asks this before a deploy with routes, and refuses by itself to go on when no label of the host is a
/// zone. Since a zone is claimed by using it, asking for one on behalf of an account claims it, unless the name lies
/// in a zone already: then the answer is empty, and wrangler goes on to the parent name until it finds that. A page of
/// another origin claims none, though a session's cookie may go along with what it asks.
pub(crate) async fn list(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    query: Query,
) -> Result<Reply, ApiError> {
    let window = PageQuery::from_query(&query).window(PER_PAGE);
    let account = account_in(&caller, &query)?;
    let accounts: Option<Vec<AccountId>> = match &account {
        Some(account) => Some(vec![account.clone()]),
        None => caller.grants.accounts().map(|accounts| accounts.into_iter().cloned().collect()),
    };
    let name = query.get("name").filter(|name| !name.is_empty()).map(read_hostname).transpose()?;
    if let (Some(name), Some(account)) = (&name, &account)
        && name.as_str().contains('.')
        && !is_foreign_page(&headers)
        && caller.grants.allows(Area::WorkersRoutes.write(), On::Zones(account))
        && api.store().zone_for_host(name).await?.is_none()
    {
        api.config().check_host(name)?;
        api.store().create_zone(account, name).await?;
    }
    let Listing { items, .. } = api.store().zones(accounts.as_deref(), name.as_ref(), Page::ALL).await?;
    let (items, info) = window.cut(items.into_iter().filter(|zone| sees(&caller.grants, zone)).collect());
    let mut zones = Vec::with_capacity(items.len());
    for zone in &items {
        zones.push(view::zone(zone, &api.store().account(&zone.account).await?));
    }
    Ok(Reply::page(zones, info))
}

/// The account that a query names, which the caller may touch.
fn account_in(caller: &Caller, query: &Query) -> Result<Option<AccountId>, ApiError> {
    let Some(text) = query.get("account.id").or_else(|| query.get("account_id")) else { return Ok(None) };
    let account: AccountId = text.parse().map_err(|_| ApiError::forbidden())?;
    if caller.grants.knows(&account) { Ok(Some(account)) } else { Err(ApiError::forbidden()) }
}

/// `POST zones`.
pub(crate) async fn post(
    State(api): State<Api>,
    caller: Caller,
    Json(new): Json<NewZone>,
) -> Result<Reply, ApiError> {
    let id: AccountId = new.account.id.parse().map_err(|_| ApiError::forbidden())?;
    caller.require(Area::Zones.write(), On::Zones(&id))?;
    let name: Hostname = read_hostname(&new.name)?;
    api.config().check_host(&name)?;
    let zone = api.store().create_zone(&id, &name).await?;
    Ok(Reply::new(view::zone(&zone, &api.store().account(&id).await?)))
}

/// `GET zones/:zone`.
pub(crate) async fn get(InZone { zone, account }: InZone) -> Reply {
    Reply::new(view::zone(&zone, &account))
}

/// `DELETE zones/:zone`: with its routes and custom domains.
pub(crate) async fn delete(State(api): State<Api>, InZone { zone, .. }: InZone) -> Result<Reply, ApiError> {
    api.store().delete_zone(&zone.id).await?;
    api.changed(Change::Routes).await;
    api.changed(Change::Domains).await;
    Ok(Reply::new(json!({"id": zone.id.as_str()})))
}

/// `GET zones/:zone/workers/routes`.
pub(crate) async fn list_routes(
    State(api): State<Api>,
    InZone { zone, .. }: InZone,
    query: Query,
) -> Result<Reply, ApiError> {
    let window = PageQuery::from_query(&query).window(ROUTES_PER_PAGE);
    let (routes, info) = window.cut(api.store().routes_of_zone(&zone.id).await?);
    let routes: Vec<Value> = routes.iter().map(view::route).collect();
    Ok(Reply::page(routes, info))
}

/// `POST zones/:zone/workers/routes`.
pub(crate) async fn post_route(
    State(api): State<Api>,
    InZone { zone, account }: InZone,
    Json(new): Json<NewRoute>,
) -> Result<Reply, ApiError> {
    let (pattern, worker) = read_route(&api, &account, new).await?;
    let route = api.store().insert_route(&zone.id, &pattern, worker).await?;
    api.changed(Change::Routes).await;
    Ok(Reply::new(view::route(&route)))
}

/// `GET zones/:zone/workers/routes/:route`.
pub(crate) async fn get_route(
    State(api): State<Api>,
    InZone { zone, .. }: InZone,
    params: Params,
) -> Result<Reply, ApiError> {
    let route = api.store().route(&zone.id, &route_id(&params)?).await?;
    Ok(Reply::new(view::route(&route)))
}

/// `PUT zones/:zone/workers/routes/:route`.
pub(crate) async fn put_route(
    State(api): State<Api>,
    InZone { zone, account }: InZone,
    params: Params,
    Json(new): Json<NewRoute>,
) -> Result<Reply, ApiError> {
    let (pattern, worker) = read_route(&api, &account, new).await?;
    let route = api.store().update_route(&zone.id, &route_id(&params)?, &pattern, worker).await?;
    api.changed(Change::Routes).await;
    Ok(Reply::new(view::route(&route)))
}

/// `DELETE zones/:zone/workers/routes/:route`.
pub(crate) async fn delete_route(
    State(api): State<Api>,
    InZone { zone, .. }: InZone,
    params: Params,
) -> Result<Reply, ApiError> {
    let id = route_id(&params)?;
    api.store().delete_route(&zone.id, &id).await?;
    api.changed(Change::Routes).await;
    Ok(Reply::new(json!({"id": id.as_str()})))
}

fn route_id(params: &Params) -> Result<RouteId, ApiError> {
    Ok(params.get("route").parse()?)
}

async fn read_route(
    api: &Api,
    account: &Account,
    new: NewRoute,
) -> Result<(RoutePattern, Option<WorkerId>), ApiError> {
    let pattern = new.pattern.parse::<RoutePattern>()?;
    api.config().check_pattern(&pattern)?;
    let worker = match new.script.filter(|script| !script.is_empty()) {
        Some(script) => Some(api.worker(account, &script.parse::<WorkerName>()?).await?.id),
        None => None,
    };
    Ok((pattern, worker))
}
