//! `POST /graphql`: the operations of Cloudflare's analytics that wrangler calls for D1 (wrangler-api.md 6), told by
//! their names. It is no GraphQL: of the query's text, only the limit and the order are read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hearth_api::{ApiError, Caller, Json};
use hearth_model::AccountId;
use hearth_store::ResourceKind;
use http::{StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Endpoints;
use crate::insights::{Figures, hour_of};

/// Most entries of an answer.
const MOST: usize = 10_000;

/// What is asked.
#[derive(Deserialize)]
pub struct Ask {
    #[serde(default)]
    query: String,
    #[serde(default, rename = "operationName")]
    operation: Option<String>,
    #[serde(default)]
    variables: Variables,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Variables {
    #[serde(rename = "accountTag")]
    account: String,
    filter: Filter,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Filter {
    #[serde(rename = "AND")]
    all: Vec<Condition>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Condition {
    #[serde(rename = "datetimeHour_geq")]
    from: Option<Timestamp>,
    #[serde(rename = "datetimeHour_leq")]
    to: Option<Timestamp>,
    #[serde(rename = "databaseId")]
    database: Option<String>,
}

/// What is counted of an account, and when.
struct Scope {
    databases: Vec<String>,
    from: u32,
    to: u32,
}

/// Answers one operation; the account has to be one of the caller's.
pub async fn post(
    State(endpoints): State<Endpoints>,
    caller: Caller,
    Json(ask): Json<Ask>,
) -> Result<Response, ApiError> {
    let account: AccountId = match ask.variables.account.parse() {
        Ok(account) if caller.scope.allows(&account) => account,
        _ => return Ok(refused(StatusCode::FORBIDDEN, "not authorized for that account")),
    };
    let scope = scope(&endpoints, &account, &ask.variables.filter).await?;
    let insights = &endpoints.0.insights;
    let wanted = |id: &str| scope.databases.iter().any(|known| known == id);
    let (name, groups) = match ask.operation.as_deref() {
        Some("getD1MetricsOverviewQuery") => {
            let hours = insights.overview(scope.from, scope.to, wanted);
            let groups = hours.into_iter().map(|(hour, sum)| {
                json!({
                    "sum": {
                        "readQueries": sum.read_queries,
                        "writeQueries": sum.write_queries,
                        "rowsRead": sum.rows_read,
                        "rowsWritten": sum.rows_written,
                    },
                    "dimensions": {"datetimeHour": time_of(hour)},
                })
            });
            ("d1AnalyticsAdaptiveGroups", groups.collect::<Vec<_>>())
        }
        Some("getD1QueriesOverviewQuery") => {
            let mut kinds = insights.kinds(scope.from, scope.to, wanted);
            if let Some(order) = Order::read(&ask.query) {
                order.sort(&mut kinds);
            }
            kinds.truncate(limit(&ask.query));
            let groups = kinds.iter().map(|(database, query, figures)| {
                json!({
                    "sum": figure_names(figures, 1.0),
                    "avg": figure_names(figures, figures.count.max(1) as f64),
                    "count": figures.count,
                    "dimensions": {"query": query, "databaseId": database},
                })
            });
            ("d1QueriesAdaptiveGroups", groups.collect())
        }
        other => {
            let name = other.unwrap_or("without a name");
            return Ok(refused(StatusCode::OK, &format!("this Hearth does not answer the operation {name}")));
        }
    };
    Ok(bare(StatusCode::OK, &json!({"data": {"viewer": {"accounts": [{name: groups}]}}, "errors": null})))
}

async fn scope(endpoints: &Endpoints, account: &AccountId, filter: &Filter) -> Result<Scope, ApiError> {
    let asked = filter.all.iter().find_map(|condition| condition.database.as_deref());
    // Metadata of every account's databases, of which some thousand are the most an installation has.
    let all = endpoints.0.store.all_resources(ResourceKind::D1Database).await?;
    let databases = all
        .into_iter()
        .filter(|resource| resource.account == *account && asked.is_none_or(|asked| asked == resource.id))
        .map(|resource| resource.id)
        .collect();
    let hour = |time: &Timestamp| {
        hour_of(UNIX_EPOCH + Duration::from_secs(u64::try_from(time.as_second()).unwrap_or_default()))
    };
    let from = filter.all.iter().find_map(|condition| condition.from.as_ref().map(hour)).unwrap_or(0);
    let to = filter.all.iter().find_map(|condition| condition.to.as_ref().map(hour));
    Ok(Scope { databases, from, to: to.unwrap_or_else(|| hour_of(SystemTime::now())) })
}

fn figure_names(figures: &Figures, divisor: f64) -> Value {
    json!({
        "queryDurationMs": figures.duration_ms / divisor,
        "rowsRead": figures.rows_read as f64 / divisor,
        "rowsWritten": figures.rows_written as f64 / divisor,
        "rowsReturned": figures.rows_returned as f64 / divisor,
    })
}

/// `orderBy: [sum_queryDurationMs_DESC]`.
#[derive(Debug, PartialEq)]
struct Order {
    average: bool,
    field: Field,
    descending: bool,
}

#[derive(Debug, PartialEq)]
enum Field {
    Count,
    Duration,
    Read,
    Written,
    Returned,
}

impl Order {
    fn read(query: &str) -> Option<Self> {
        let (_, after) = query.split_once("orderBy:")?;
        let (list, _) = after.trim_start().strip_prefix('[')?.split_once(']')?;
        let first = list.split(',').next()?.trim();
        let (rest, direction) = first.rsplit_once('_')?;
        let (average, field) = match rest.split_once('_') {
            Some(("avg", field)) => (true, field),
            Some(("sum", field)) => (false, field),
            _ => (false, rest),
        };
        let field = match field {
            "count" => Field::Count,
            "queryDurationMs" => Field::Duration,
            "rowsRead" => Field::Read,
            "rowsWritten" => Field::Written,
            "rowsReturned" => Field::Returned,
            _ => return None,
        };
        Some(Self { average, field, descending: direction == "DESC" })
    }

    fn key(&self, figures: &Figures) -> f64 {
        let sum = match self.field {
            Field::Count => return figures.count as f64,
            Field::Duration => figures.duration_ms,
            Field::Read => figures.rows_read as f64,
            Field::Written => figures.rows_written as f64,
            Field::Returned => figures.rows_returned as f64,
        };
        if self.average { sum / figures.count.max(1) as f64 } else { sum }
    }

    fn sort(&self, kinds: &mut [(String, String, Figures)]) {
        kinds.sort_by(|a, b| {
            let order = self.key(&a.2).total_cmp(&self.key(&b.2));
            if self.descending { order.reverse() } else { order }
        });
    }
}

/// `limit: 5`.
fn limit(query: &str) -> usize {
    let number = query.split_once("limit:").map(|(_, after)| after.trim_start());
    let digits = number.map(|text| text.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(MOST).min(MOST)
}

fn time_of(hour: u32) -> String {
    Timestamp::from_second(i64::from(hour) * 3600).map(|time| time.to_string()).unwrap_or_default()
}

/// GraphQL's errors have no envelope of Cloudflare's.
fn refused(status: StatusCode, message: &str) -> Response {
    bare(status, &json!({"data": null, "errors": [{"message": message, "path": null, "extensions": {}}]}))
}

fn bare(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_and_order_are_read_from_the_text() {
        let text = "d1QueriesAdaptiveGroups(limit: 5, filter: $filter, orderBy: [avg_rowsRead_ASC]) {";
        let order = Order { average: true, field: Field::Read, descending: false };
        assert_eq!((limit(text), Order::read(text)), (5, Some(order)));
        let count = Order { average: false, field: Field::Count, descending: true };
        assert_eq!(Order::read("orderBy: [count_DESC]"), Some(count));
        for none in ["", "orderBy:", "orderBy: []", "orderBy: [x", "orderBy: [sum_secrets_DESC]"] {
            assert_eq!(Order::read(none), None, "{none}");
        }
        assert_eq!((limit("limit: x"), limit(""), limit("limit:99999999999999999999")), (MOST, MOST, MOST));
    }

    #[test]
    fn sums_and_averages_order_differently() {
        let figures = |count, rows_read| Figures { count, rows_read, ..Figures::default() };
        let mut kinds =
            vec![("d".into(), "often".into(), figures(10, 50)), ("d".into(), "heavy".into(), figures(1, 20))];
        let first = |kinds: &[(String, String, Figures)]| kinds[0].1.clone();
        Order::read("orderBy: [avg_rowsRead_DESC]").unwrap().sort(&mut kinds);
        assert_eq!(first(&kinds), "heavy");
        Order::read("orderBy: [sum_rowsRead_DESC]").unwrap().sort(&mut kinds);
        assert_eq!(first(&kinds), "often");
    }
}
