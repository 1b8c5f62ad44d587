//! `POST /graphql`: Cloudflare's analytics, as far as wrangler, dashboards and the console ask for them
//! (wrangler-api.md 6; developers.cloudflare.com, GraphQL Analytics API).
//!
//! A query is `viewer { accounts(filter: {accountTag}) { node(limit, filter, orderBy) { fields } } }`. Each node is
//! answered by the capability that counts, with all fields that it has; what was selected of them, their order and their
//! limit are this module's. There is no schema: what is not known is refused by its name.

mod read;
mod shape;

use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::State;
use axum::response::Response;
use hearth_model::{AccountId, Area, On};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::auth::Caller;
use crate::envelope::json_response;
use crate::error::ApiError;
use crate::json::Json;
use crate::routes::Operation;

/// Most groups of one node in an answer, as on Cloudflare.
const MOST: usize = 10_000;

/// What a node is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// The account, one of the caller's.
    pub account: AccountId,
    /// Its `filter`; null where there is none.
    pub filter: Value,
    /// What the groups are to differ in: the fields of `dimensions` that were selected or are ordered by.
    pub dimensions: Vec<String>,
}

impl Ask {
    /// Whether groups are to differ in this.
    pub fn by(&self, dimension: &str) -> bool {
        self.dimensions.iter().any(|known| known == dimension)
    }

    /// The conditions of the filter, those below `AND` included.
    ///
    /// # Errors
    /// 400 for a time that is none, and for `OR`, which nobody here can answer.
    pub fn conditions(&self) -> Result<Conditions<'_>, ApiError> {
        let mut found = Conditions { from: i64::MIN, to: i64::MAX, others: Vec::new() };
        gather(&self.filter, &mut found)?;
        Ok(found)
    }
}

/// What a filter says.
#[derive(Debug, PartialEq)]
pub struct Conditions<'a> {
    /// The first second since 1970 that is meant.
    pub from: i64,
    /// The last one.
    pub to: i64,
    /// All conditions that are not about time.
    pub others: Vec<(&'a str, &'a Value)>,
}

fn gather<'a>(filter: &'a Value, found: &mut Conditions<'a>) -> Result<(), ApiError> {
    let object = match filter {
        Value::Null => return Ok(()),
        Value::Object(object) => object,
        _ => return Err(refusal("a filter is an object")),
    };
    for (name, value) in object {
        match (name.as_str(), value) {
            ("AND", Value::Array(all)) => all.iter().try_for_each(|filter| gather(filter, found))?,
            ("AND" | "OR", _) => return Err(refusal("a filter may have conditions and AND only")),
            (name, value) if name.starts_with("date") => time(name, value, found)?,
            (name, value) => found.others.push((name, value)),
        }
    }
    Ok(())
}

/// `datetime_geq`, `datetimeHour_lt`, `date`, and so on.
fn time(name: &str, value: &Value, found: &mut Conditions<'_>) -> Result<(), ApiError> {
    let (field, relation) = name.split_once('_').unwrap_or((name, "eq"));
    let text = value.as_str().unwrap_or_default();
    let (first, length) = match field {
        "date" => {
            let date: Option<jiff::civil::Date> = text.parse().ok();
            let start = date.and_then(|date| date.to_zoned(jiff::tz::TimeZone::UTC).ok());
            (start.map(|start| start.timestamp().as_second()), 86_400)
        }
        _ => {
            let length = match field {
                "datetimeHour" => 3_600,
                "datetimeFifteenMinutes" => 900,
                "datetimeFiveMinutes" => 300,
                "datetimeMinute" => 60,
                "datetime" => 1,
                _ => return Err(refusal(format!("unknown filter \"{name}\""))),
            };
            (text.parse::<jiff::Timestamp>().ok().map(|time| time.as_second()), length)
        }
    };
    let first = first.ok_or_else(|| refusal(format!("\"{name}\" wants a time")))?;
    let (from, to) = match relation {
        "geq" => (first, i64::MAX),
        "gt" => (first + 1, i64::MAX),
        "leq" => (i64::MIN, if field == "date" { first + length - 1 } else { first }),
        "lt" => (i64::MIN, first - 1),
        "eq" => (first, first + length - 1),
        _ => return Err(refusal(format!("unknown filter \"{name}\""))),
    };
    (found.from, found.to) = (found.from.max(from), found.to.min(to));
    Ok(())
}

/// A refusal of a query, for the caller.
pub fn refusal(message: impl Into<String>) -> ApiError {
    ApiError::bad_request(crate::error::code::BAD_BODY, message)
}

/// A capability that counts.
#[async_trait]
pub trait Analytics: Send + Sync + 'static {
    /// Answers one node, such as `d1AnalyticsAdaptiveGroups`: objects with `sum`, `avg`, `max`, `quantiles`, `count`,
    /// each where it has them, and `dimensions`. None: it is not one of its own.
    async fn groups(&self, node: &str, ask: &Ask) -> Option<Result<Vec<Value>, ApiError>>;
}

#[derive(Deserialize)]
struct Body {
    #[serde(default)]
    query: String,
    #[serde(default, rename = "operationName")]
    operation: Option<String>,
    #[serde(default)]
    variables: Option<Map<String, Value>>,
}

/// The operation, answered by these.
pub fn analytics(sources: Vec<Arc<dyn Analytics>>) -> Operation {
    Operation::new(Method::POST, "/graphql", post, &sources)
}

async fn post(
    State(sources): State<Vec<Arc<dyn Analytics>>>,
    caller: Caller,
    Json(body): Json<Body>,
) -> Result<Response, ApiError> {
    let variables = body.variables.unwrap_or_default();
    let accounts = match read::query(&body.query, body.operation.as_deref(), &variables) {
        Ok(accounts) => accounts,
        Err(message) => return Ok(refused(StatusCode::OK, &message)),
    };
    let mut viewer: Map<String, Value> = Map::new();
    for asked in accounts {
        let account: AccountId = match asked.tag.parse() {
            Ok(account) if caller.grants.allows(Area::Analytics.read(), On::Account(&account)) => account,
            _ => return Ok(refused(StatusCode::FORBIDDEN, "not authorized for that account")),
        };
        let mut answers = Map::new();
        for node in &asked.nodes {
            match answer(&sources, &account, node).await {
                Ok(groups) => answers.insert(node.alias.clone(), Value::Array(groups)),
                Err(error) if error.status().is_server_error() => return Err(error),
                Err(error) => return Ok(refused(StatusCode::OK, error.message())),
            };
        }
        viewer.insert(asked.alias, json!([answers]));
    }
    Ok(json_response(StatusCode::OK, &json!({"data": {"viewer": viewer}, "errors": null})))
}

async fn answer(
    sources: &[Arc<dyn Analytics>],
    account: &AccountId,
    node: &read::Node,
) -> Result<Vec<Value>, ApiError> {
    let ask = Ask { account: account.clone(), filter: node.filter.clone(), dimensions: node.dimensions() };
    for source in sources {
        if let Some(groups) = source.groups(&node.name, &ask).await {
            let mut groups = groups?;
            shape::sort(&mut groups, &node.order);
            groups.truncate(node.limit.unwrap_or(MOST).min(MOST));
            let shaped = groups.iter().map(|group| shape::select(group, &node.fields));
            return shaped.collect::<Result<_, _>>().map_err(refusal);
        }
    }
    Err(refusal(format!("unknown field \"{}\": this Hearth does not count that", node.name)))
}

/// GraphQL's errors have no envelope of Cloudflare's.
fn refused(status: StatusCode, message: &str) -> Response {
    let errors = json!({"data": null, "errors": [{"message": message, "path": null, "extensions": {}}]});
    json_response(status, &errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_may_stand_below_and() {
        let ask = |filter| Ask { account: AccountId::random(), filter, dimensions: Vec::new() };
        let both = ask(json!({"AND": [{"a": 1}, {"b_in": ["x"]}], "c": 2}));
        let names: Vec<_> = both.conditions().unwrap().others.into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a", "b_in", "c"]);
        let times = ask(
            json!({"AND": [{"datetime_geq": "1970-01-01T00:01:00Z", "datetimeHour_leq": "1970-01-01T01:00:00.5Z"}]}),
        );
        let times = times.conditions().unwrap();
        assert_eq!((times.from, times.to, times.others), (60, 3600, vec![]));
        let day = ask(json!({"date": "1970-01-02"}));
        let day = day.conditions().unwrap();
        assert_eq!((day.from, day.to), (86_400, 2 * 86_400 - 1));
        for wrong in [
            json!({"OR": [{"a": 1}]}),
            json!({"datetime_geq": "soon"}),
            json!({"dateline": "1970-01-02"}),
            json!(7),
        ] {
            assert!(ask(wrong.clone()).conditions().is_err(), "{wrong}");
        }
    }
}
