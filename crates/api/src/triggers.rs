//! What leads to a worker besides its own host: cron schedules and routes.

use axum::extract::State;
use hearth_model::{Hostname, RoutePattern};
use hearth_store::{RouteSpec, ZoneId};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::InAccount;
use crate::envelope::Reply;
use crate::error::{ApiError, code};
use crate::json::Json;
use crate::params::Params;
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
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let worker = api.worker(&account, &params.worker()?).await?;
    Ok(Reply::new(view::schedules(&api.store().schedules(worker.id).await?)))
}

/// `PUT schedules`: replaces all.
pub(crate) async fn put_schedules(
    State(api): State<Api>,
    InAccount(account): InAccount,
    params: Params,
    Json(new): Json<Vec<NewSchedule>>,
) -> Result<Reply, ApiError> {
    let crons: Vec<String> = new.into_iter().map(|schedule| schedule.cron).collect();
    if let Some(bad) = crons.iter().find(|cron| !is_cron(cron)) {
        return Err(ApiError::bad_request(code::BAD_CRON, format!("Invalid cron expression: {bad:?}.")));
    }
    let worker = api.worker(&account, &params.worker()?).await?;
    let schedules = api.store().replace_schedules(worker.id, crons).await?;
    api.changed(Change::Worker(worker.id)).await;
    Ok(Reply::new(view::schedules(&schedules)))
}

/// Whether it has the form of a cron expression: five fields of the letters that such fields are made of.
fn is_cron(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"*/,-#?".contains(&b);
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    fields.len() == 5 && text.len() <= 200 && fields.iter().all(|field| field.bytes().all(legal))
}

/// `GET scripts/:worker/routes`.
pub(crate) async fn get_routes(
    State(api): State<Api>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let worker = api.worker(&account, &params.worker()?).await?;
    let routes = api.store().routes_of_worker(worker.id).await?;
    Ok(Reply::new(Value::Array(routes.iter().map(view::route).collect())))
}

/// `PUT scripts/:worker/routes`: replaces all.
pub(crate) async fn put_routes(
    State(api): State<Api>,
    InAccount(account): InAccount,
    params: Params,
    Json(new): Json<Vec<NewRoute>>,
) -> Result<Reply, ApiError> {
    let worker = api.worker(&account, &params.worker()?).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cron_expressions_have_five_fields() {
        for good in ["* * * * *", "*/5 0-6 1,15 * MON-FRI", "0 0 L * 6#3"] {
            assert!(is_cron(good), "{good}");
        }
        for bad in ["", "* * * *", "* * * * * *", "* * * * ;", "@daily"] {
            assert!(!is_cron(bad), "{bad}");
        }
    }
}
