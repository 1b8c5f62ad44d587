//! What leads to a worker besides its own host: cron schedules and routes.

use axum::extract::State;
use hearth_model::{Cron, Hostname, RoutePattern};
use hearth_store::{RouteSpec, ZoneId};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::envelope::Reply;
use crate::error::{ApiError, code};
use crate::json::Json;
use crate::named::{Named, NamedAny};
use crate::runtime::Change;
use crate::state::Api;
use crate::view;

/// One cron trigger as it is sent.
#[derive(Deserialize)]
pub(crate) struct NewSchedule {
    cron: String,
}

/// One route as it is sent with a deploy.
#[derive(Deserialize)]
pub(crate) struct NewRoute {
    pattern: String,
    #[serde(default)]
    zone_id: Option<String>,
    #[serde(default)]
    zone_name: Option<String>,
}

/// `GET schedules`.
pub(crate) async fn get_schedules(
    State(api): State<Api>,
    NamedAny { worker, .. }: NamedAny,
) -> Result<Reply, ApiError> {
    Ok(Reply::new(view::schedules(&api.store().schedules(worker.id).await?)))
}

/// `PUT schedules`: replaces all.
pub(crate) async fn put_schedules(
    State(api): State<Api>,
    NamedAny { worker, .. }: NamedAny,
    Json(new): Json<Vec<NewSchedule>>,
) -> Result<Reply, ApiError> {
    let crons = new.into_iter().map(|schedule| Ok(schedule.cron.parse::<Cron>()?.into()));
    let crons: Vec<String> = crons.collect::<Result<_, ApiError>>()?;
    let schedules = api.store().replace_schedules(worker.id, crons).await?;
    api.changed(Change::Worker(worker.id)).await;
    Ok(Reply::new(view::schedules(&schedules)))
}

/// `GET scripts/:worker/routes`.
pub(crate) async fn get_routes(
    State(api): State<Api>,
    Named { worker, .. }: Named,
) -> Result<Reply, ApiError> {
    let routes = api.store().routes_of_worker(worker.id).await?;
    Ok(Reply::new(Value::Array(routes.iter().map(view::route).collect())))
}

/// `PUT scripts/:worker/routes`: replaces all.
pub(crate) async fn put_routes(
    State(api): State<Api>,
    Named { worker, .. }: Named,
    Json(new): Json<Vec<NewRoute>>,
) -> Result<Reply, ApiError> {
    let specs = new.into_iter().map(|route| read_route(&api, route)).collect::<Result<Vec<_>, _>>()?;
    let routes = api.store().replace_routes(worker.id, specs).await?;
    api.changed(Change::Routes).await;
    Ok(Reply::new(json!(routes.iter().map(view::route).collect::<Vec<_>>())))
}

fn read_route(api: &Api, route: NewRoute) -> Result<RouteSpec, ApiError> {
    let pattern = route.pattern.parse::<RoutePattern>()?;
    api.config().check_pattern(&pattern)?;
    Ok(RouteSpec {
        pattern,
        zone_id: read_zone_id(route.zone_id)?,
        zone_name: read_zone_name(route.zone_name)?,
    })
}

/// A zone's id in a body.
pub(crate) fn read_zone_id(text: Option<String>) -> Result<Option<ZoneId>, ApiError> {
    Ok(text.filter(|text| !text.is_empty()).map(|text| text.parse()).transpose()?)
}

/// A zone's name in a body.
pub(crate) fn read_zone_name(text: Option<String>) -> Result<Option<Hostname>, ApiError> {
    text.filter(|text| !text.is_empty()).map(|text| read_hostname(&text)).transpose()
}

/// A host in a body.
pub(crate) fn read_hostname(text: &str) -> Result<Hostname, ApiError> {
    text.parse()
        .map_err(|error: hearth_model::HostError| ApiError::bad_request(code::BAD_ROUTE, error.to_string()))
}
