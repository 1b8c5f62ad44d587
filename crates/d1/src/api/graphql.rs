//! What ran on databases, in the operations of Cloudflare's analytics that wrangler calls for D1 (wrangler-api.md 6).
//! Of a query's text only the limit and the order are read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use hearth_api::{Analytics, ApiError, Ask, Groups};
use hearth_model::AccountId;
use hearth_store::ResourceKind;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Endpoints;
use crate::insights::{Figures, hour_of};

/// Most entries of an answer.
const MOST: usize = 10_000;

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

#[async_trait]
impl Analytics for Endpoints {
    async fn groups(&self, operation: &str, ask: &Ask) -> Option<Result<Groups, ApiError>> {
        match operation {
            "getD1MetricsOverviewQuery" => Some(self.overview(ask).await),
            "getD1QueriesOverviewQuery" => Some(self.queries(ask).await),
            _ => None,
        }
    }
}

impl Endpoints {
    /// What ran in each hour.
    async fn overview(&self, ask: &Ask) -> Result<Groups, ApiError> {
        let scope = scope(self, ask).await?;
        let hours = self.0.insights.overview(scope.from, scope.to, |id| scope.has(id));
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
        Ok(("d1AnalyticsAdaptiveGroups", groups.collect()))
    }

    /// What ran by kinds of queries.
    async fn queries(&self, ask: &Ask) -> Result<Groups, ApiError> {
        let scope = scope(self, ask).await?;
        let mut kinds = self.0.insights.kinds(scope.from, scope.to, |id| scope.has(id));
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
        Ok(("d1QueriesAdaptiveGroups", groups.collect()))
    }
}

impl Scope {
    fn has(&self, id: &str) -> bool {
        self.databases.iter().any(|known| known == id)
    }
}

async fn scope(endpoints: &Endpoints, ask: &Ask) -> Result<Scope, ApiError> {
    let account: &AccountId = &ask.account;
    // A filter of another shape filters nothing.
    let filter: Filter = serde_json::from_value(ask.filter.clone()).unwrap_or_default();
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
