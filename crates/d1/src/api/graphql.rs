//! What ran on databases, in the nodes of Cloudflare's analytics that wrangler asks for D1 (wrangler-api.md 6).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use hearth_api::{Analytics, ApiError, Ask, refusal};
use hearth_model::AccountId;
use hearth_store::ResourceKind;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Endpoints;
use crate::insights::{Figures, hour_of};

/// What is counted of an account, and when.
struct Scope {
    databases: Vec<String>,
    from: u32,
    to: u32,
}

#[async_trait]
impl Analytics for Endpoints {
    async fn groups(&self, node: &str, ask: &Ask) -> Option<Result<Vec<Value>, ApiError>> {
        match node {
            "d1AnalyticsAdaptiveGroups" => Some(self.overview(ask).await),
            "d1QueriesAdaptiveGroups" => Some(self.queries(ask).await),
            _ => None,
        }
    }
}

impl Endpoints {
    /// What ran in each hour.
    async fn overview(&self, ask: &Ask) -> Result<Vec<Value>, ApiError> {
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
        Ok(groups.collect())
    }

    /// What ran by kinds of queries.
    async fn queries(&self, ask: &Ask) -> Result<Vec<Value>, ApiError> {
        let scope = scope(self, ask).await?;
        let kinds = self.0.insights.kinds(scope.from, scope.to, |id| scope.has(id));
        let groups = kinds.iter().map(|(database, query, figures)| {
            json!({
                "sum": figure_names(figures, 1.0),
                "avg": figure_names(figures, figures.count.max(1) as f64),
                "count": figures.count,
                "dimensions": {"query": query, "databaseId": database},
            })
        });
        Ok(groups.collect())
    }
}

impl Scope {
    fn has(&self, id: &str) -> bool {
        self.databases.iter().any(|known| known == id)
    }
}

async fn scope(endpoints: &Endpoints, ask: &Ask) -> Result<Scope, ApiError> {
    let account: &AccountId = &ask.account;
    let conditions = ask.conditions()?;
    let mut asked = None;
    for (name, value) in conditions.others {
        match (name, value.as_str()) {
            ("databaseId", Some(id)) => asked = Some(id),
            _ => return Err(refusal(format!("unknown filter \"{name}\""))),
        }
    }
    // Metadata of every account's databases, of which some thousand are the most an installation has.
    let all = endpoints.0.store.all_resources(ResourceKind::D1Database).await?;
    let databases = all
        .into_iter()
        .filter(|resource| resource.account == *account && asked.is_none_or(|asked| asked == resource.id))
        .map(|resource| resource.id)
        .collect();
    let hour =
        |second: i64| hour_of(UNIX_EPOCH + Duration::from_secs(u64::try_from(second).unwrap_or_default()));
    let now = hour_of(SystemTime::now());
    Ok(Scope {
        databases,
        from: hour(conditions.from),
        to: hour(conditions.to.min(i64::from(u32::MAX))).min(now),
    })
}

fn figure_names(figures: &Figures, divisor: f64) -> Value {
    json!({
        "queryDurationMs": figures.duration_ms / divisor,
        "rowsRead": figures.rows_read as f64 / divisor,
        "rowsWritten": figures.rows_written as f64 / divisor,
        "rowsReturned": figures.rows_returned as f64 / divisor,
    })
}

fn time_of(hour: u32) -> String {
    Timestamp::from_second(i64::from(hour) * 3600).map(|time| time.to_string()).unwrap_or_default()
}
