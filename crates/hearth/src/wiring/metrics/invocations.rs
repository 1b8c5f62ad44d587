//! `workersInvocationsAdaptive`, out of the minutes.

use hearth_api::{ApiError, Ask, refusal};
use hearth_gateway::LATENCY_BOUNDS_US;
use hearth_metrics::{Filter, Group, LATENCY_BUCKETS, quantile};
use serde_json::{Value, json};

use super::Meters;
use super::graphql::{STEPS, times};

/// What the gateway and the kernel counted. workerd reports no CPU time of an invocation, so a quantile of CPU time is one
/// of the minutes' averages.
pub(super) async fn groups(meters: &Meters, ask: &Ask) -> Result<Vec<Value>, ApiError> {
    let known =
        |name: &str| STEPS.iter().any(|(step, _)| *step == name) || matches!(name, "scriptName" | "status");
    if let Some(unknown) = ask.dimensions.iter().find(|name| !known(name)) {
        return Err(refusal(format!("unknown dimension \"{unknown}\"")));
    }
    let conditions = ask.conditions()?;
    let (mut worker, mut wanted) = (None, None);
    for (name, value) in conditions.others {
        match (name, value.as_str()) {
            ("scriptName", Some(name)) => worker = Some(name.to_owned()),
            ("status", Some(status)) => wanted = Some(status.to_owned()),
            _ => return Err(refusal(format!("unknown filter \"{name}\""))),
        }
    }
    let step = STEPS.iter().find(|(name, _)| ask.by(name)).map_or(0, |(_, step)| *step);
    let by_status = ask.by("status") || wanted.is_some();
    let filter = Filter {
        account: ask.account.clone(),
        worker,
        from: conditions.from.max(0).div_euclid(60),
        to: conditions.to.min(i64::MAX / 2).div_euclid(60),
        step,
        together: !ask.by("scriptName"),
    };
    let groups = meters.ask(move |history| history.groups(&filter)).await?;
    let rows = groups.iter().flat_map(|group| {
        let statuses: &[Option<&str>] = match by_status {
            true => &[Some("success"), Some("scriptThrewException"), Some("clientDisconnected")],
            false => &[None],
        };
        statuses.iter().filter_map(|status| row(group, *status))
    });
    let fits =
        |row: &Value| wanted.as_ref().is_none_or(|wanted| row["dimensions"]["status"] == wanted.as_str());
    Ok(rows.filter(fits).collect())
}

/// A group as the node has it. With a status, only the requests that had it; what is not counted by status stands at
/// the first.
fn row(group: &Group, status: Option<&str>) -> Option<Value> {
    let sum = &group.sum;
    let succeeded =
        sum.requests - sum.errors.min(sum.requests) - sum.disconnects.min(sum.requests - sum.errors);
    let (requests, errors) = match status {
        None => (sum.requests, sum.errors),
        Some("success") => (succeeded, 0),
        Some("scriptThrewException") => (sum.errors, sum.errors),
        Some(_) => (sum.disconnects, 0),
    };
    if status.is_some() && requests == 0 {
        return None;
    }
    let whole = matches!(status, None | Some("success"));
    let once = |value: u64| if whole { value } else { 0 };
    let wall: Vec<(u64, u64)> = LATENCY_BOUNDS_US
        .iter()
        .copied()
        .chain([LATENCY_BOUNDS_US[LATENCY_BUCKETS - 2]])
        .zip(sum.latency)
        .collect();
    let (mut quantiles, mut dimensions) = (serde_json::Map::new(), times(group.minute));
    for (name, share) in [
        ("P25", 0.25),
        ("P50", 0.5),
        ("P75", 0.75),
        ("P90", 0.9),
        ("P95", 0.95),
        ("P99", 0.99),
        ("P999", 0.999),
    ] {
        quantiles.insert(format!("cpuTime{name}"), quantile(&group.cpu_us, share).into());
        quantiles.insert(format!("wallTime{name}"), quantile(&wall, share).into());
        // Cloudflare's durations are GB-s; ours are seconds of the clock.
        quantiles.insert(format!("duration{name}"), json!(quantile(&wall, share) as f64 / 1e6));
    }
    dimensions.insert("scriptName".to_owned(), group.worker.clone().into());
    dimensions.insert("status".to_owned(), status.unwrap_or_default().into());
    Some(json!({
        "sum": {
            "requests": requests,
            "errors": errors,
            "subrequests": once(sum.subrequests),
            "clientDisconnects": sum.disconnects,
            "responseBodySize": once(sum.bytes),
            "wallTime": once(sum.wall_us),
            "cpuTimeUs": once(sum.cpu_us),
            "duration": once(sum.wall_us) as f64 / 1e6,
            "coldStarts": once(sum.cold_starts),
            "processDeaths": once(sum.deaths),
        },
        "max": {"memoryBytes": sum.memory},
        "avg": {"sampleInterval": 1},
        "quantiles": quantiles,
        "count": requests,
        "dimensions": dimensions,
    }))
}

#[cfg(test)]
mod tests {
    use hearth_metrics::Minute;

    use super::*;

    fn group() -> Group {
        let mut sum = Minute { requests: 10, errors: 2, disconnects: 1, cpu_us: 50, ..Minute::default() };
        sum.latency[2] = 9;
        sum.latency[LATENCY_BUCKETS - 1] = 1;
        Group { worker: "w".to_owned(), minute: 61, sum, cpu_us: vec![(5, 10)] }
    }

    #[test]
    fn statuses_add_up_to_all_requests() {
        let requests = |status| row(&group(), status).map(|row| row["sum"]["requests"].as_u64().unwrap());
        let each =
            ["success", "scriptThrewException", "clientDisconnected"].map(|status| requests(Some(status)));
        assert_eq!((each, requests(None)), ([Some(7), Some(2), Some(1)], Some(10)));
        let idle = Group { sum: Minute::default(), ..group() };
        assert!(row(&idle, Some("success")).is_none());
    }

    #[test]
    fn times_and_quantiles_are_those_of_the_group() {
        let row = row(&group(), None).unwrap();
        assert_eq!(row["dimensions"]["datetimeMinute"], "1970-01-01T01:01:00Z");
        assert_eq!(
            (&row["dimensions"]["datetimeHour"], &row["dimensions"]["date"]),
            (&json!("1970-01-01T01:00:00Z"), &json!("1970-01-01"))
        );
        assert_eq!(
            (&row["quantiles"]["wallTimeP50"], &row["quantiles"]["wallTimeP99"]),
            (&json!(1000), &json!(10_000_000))
        );
        assert_eq!(row["quantiles"]["cpuTimeP99"], 5);
    }
}
