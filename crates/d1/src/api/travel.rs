//! `D/:id/time_travel`: which bookmark a time has, and back to one.

use std::time::Duration;

use axum::extract::State;
use hearth_api::{ApiError, InAccount, Params, Query, Reply};
use jiff::Timestamp;
use serde_json::json;

use super::Endpoints;
use super::error::{self, bad_request};
use crate::history::At;
use crate::{DatabaseId, Position};

/// How far back it goes.
const REACH: Duration = Duration::from_hours(30 * 24);

/// `GET bookmark[?timestamp=RFC 3339]`. Without a time, the log is folded first: the bookmark is then one of those that
/// stay exact for as long as the history reaches.
pub async fn bookmark(
    State(endpoints): State<Endpoints>,
    account: InAccount,
    params: Params,
    query: Query,
) -> Result<Reply, ApiError> {
    let (resource, id) = endpoints.database(&account, &params).await?;
    let position = match query.get("timestamp").filter(|text| !text.is_empty()) {
        Some(text) => at_time(&endpoints, id, text, resource.created_on).await?,
        None => endpoints.0.d1.fold(id).await.map_err(|error| error::database(&error))?,
    };
    Ok(Reply::new(json!({"bookmark": position.to_string()})))
}

/// `POST restore?bookmark=` or `?timestamp=`.
pub async fn restore(
    State(endpoints): State<Endpoints>,
    account: InAccount,
    params: Params,
    query: Query,
) -> Result<Reply, ApiError> {
    let (resource, id) = endpoints.database(&account, &params).await?;
    let position = match (query.get("bookmark"), query.get("timestamp")) {
        (Some(bookmark), None) => {
            bookmark.parse().map_err(|_| bad_request(format!("Invalid bookmark: {bookmark:?}")))?
        }
        (None, Some(text)) => at_time(&endpoints, id, text, resource.created_on).await?,
        _ => return Err(bad_request("Either a bookmark or a timestamp is expected")),
    };
    let shared = &endpoints.0;
    let previous = shared.history.restore(&shared.d1, id, position).await.map_err(error::history)?;
    let message = format!(
        "Database restored to bookmark {position}. To undo this, restore to the previous bookmark: {previous}"
    );
    Ok(Reply::new(json!({
        "bookmark": position.to_string(),
        "previous_bookmark": previous.to_string(),
        "message": message,
    })))
}

async fn at_time(
    endpoints: &Endpoints,
    id: DatabaseId,
    text: &str,
    created: Timestamp,
) -> Result<Position, ApiError> {
    let time: Timestamp = text.parse().map_err(|_| bad_request(format!("Invalid timestamp: {text:?}")))?;
    let now = Timestamp::now();
    if time > now {
        return Err(bad_request("The timestamp is in the future"));
    }
    if time < created {
        return Err(bad_request("The timestamp is before the database's creation"));
    }
    // wrangler judges by the same rule, a moment earlier.
    if time < now - REACH - Duration::from_mins(1) {
        return Err(bad_request("The timestamp is more than 30 days ago"));
    }
    let shared = &endpoints.0;
    shared.history.find(&shared.d1, id, At::Time(time.as_microsecond())).await.map_err(error::history)
}
