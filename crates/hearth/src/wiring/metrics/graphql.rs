//! The nodes of GraphQL that the minutes answer, and the dimensions of time that they share.

use async_trait::async_trait;
use hearth_api::{Analytics, ApiError, Ask};
use serde_json::{Map, Value};

use super::{Meters, invocations, namespaces};

/// How minutes are put together, by the dimension that asks for it: the finest one counts.
pub(super) const STEPS: [(&str, i64); 6] = [
    ("datetime", 1),
    ("datetimeMinute", 1),
    ("datetimeFiveMinutes", 5),
    ("datetimeFifteenMinutes", 15),
    ("datetimeHour", 60),
    ("date", 24 * 60),
];

/// The dimensions of time of a group that begins at a minute since 1970.
pub(super) fn times(minute: i64) -> Map<String, Value> {
    let each = STEPS.into_iter().map(|(name, step)| {
        let start = minute - minute.rem_euclid(step);
        let time = jiff::Timestamp::from_second(start.saturating_mul(60)).unwrap_or_default().to_string();
        let text = if name == "date" { time[..10].to_owned() } else { time };
        (name.to_owned(), text.into())
    });
    each.collect()
}

#[async_trait]
impl Analytics for Meters {
    async fn groups(&self, node: &str, ask: &Ask) -> Option<Result<Vec<Value>, ApiError>> {
        Some(match node {
            "workersInvocationsAdaptive" => invocations::groups(self, ask).await,
            "kvOperationsAdaptiveGroups" => namespaces::groups(self, ask).await,
            _ => return None,
        })
    }
}
