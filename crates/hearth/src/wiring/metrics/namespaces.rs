//! `kvOperationsAdaptiveGroups`: what workers asked of KV namespaces, by the hour. What came over REST is not in it.

use std::collections::BTreeMap;

use hearth_api::{ApiError, Ask, refusal};
use hearth_metrics::ACTIONS;
use serde_json::{Value, json};

use super::Meters;
use super::graphql::times;

pub(super) async fn groups(meters: &Meters, ask: &Ask) -> Result<Vec<Value>, ApiError> {
    let known = |name: &str| matches!(name, "namespaceId" | "actionType" | "datetimeHour" | "date");
    if let Some(unknown) = ask.dimensions.iter().find(|name| !known(name)) {
        return Err(refusal(format!("unknown dimension \"{unknown}\"")));
    }
    let conditions = ask.conditions()?;
    let (mut namespace, mut wanted) = (None, None);
    for (name, value) in conditions.others {
        match (name, value.as_str()) {
            ("namespaceId", Some(id)) => namespace = Some(id.to_owned()),
            ("actionType", Some(action)) => wanted = Some(action.to_owned()),
            _ => return Err(refusal(format!("unknown filter \"{name}\""))),
        }
    }
    let hours = (conditions.from.div_euclid(3600), conditions.to.div_euclid(3600));
    let account = ask.account.clone();
    let found = meters.ask(move |history| history.namespaces(&account, namespace.as_deref(), hours)).await?;
    let step = if ask.by("datetimeHour") { 1 } else { 24 };
    let timed = ask.by("datetimeHour") || ask.by("date");
    let mut groups: BTreeMap<(i64, String, &str), u64> = BTreeMap::new();
    for row in found {
        for (action, count) in ACTIONS.into_iter().zip(row.counts) {
            if count > 0 && wanted.as_ref().is_none_or(|wanted| wanted == action) {
                let hour = if timed { row.hour - row.hour.rem_euclid(step) } else { 0 };
                let id = if ask.by("namespaceId") { row.namespace.clone() } else { String::new() };
                let action = if ask.by("actionType") { action } else { "" };
                *groups.entry((hour, id, action)).or_default() += count;
            }
        }
    }
    let group = |((hour, id, action), count): ((i64, String, &str), u64)| {
        let mut dimensions = times(hour.saturating_mul(60));
        dimensions.insert("namespaceId".to_owned(), id.into());
        dimensions.insert("actionType".to_owned(), action.into());
        json!({"sum": {"requests": count}, "count": count, "dimensions": dimensions})
    };
    Ok(groups.into_iter().map(group).collect())
}
