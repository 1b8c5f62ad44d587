//! What a worker's settings ask for: wrangler's `observability` and `tail_consumers`.

use hearth_model::WorkerName;
use serde_json::Value;

/// What of a worker's invocations is kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Observability {
    /// Share of the invocations that is kept, 0 to 1.
    pub sampling: f64,
    /// Whether each invocation is kept, or only what it printed and threw.
    pub invocations: bool,
}

impl Observability {
    /// Reads wrangler's object: `enabled`, `head_sampling_rate`, and `logs` with the same and `invocation_logs`, whose word
    /// counts where both have one. None: nothing is kept.
    pub fn read(object: Option<&Value>) -> Option<Self> {
        let object = object?;
        let logs = &object["logs"];
        let enabled = logs["enabled"].as_bool().or(object["enabled"].as_bool()).unwrap_or(false);
        let persists = logs["persist"].as_bool().unwrap_or(true);
        if !(enabled && persists) {
            return None;
        }
        let sampling = logs["head_sampling_rate"].as_f64().or(object["head_sampling_rate"].as_f64());
        Some(Self {
            sampling: sampling.unwrap_or(1.0).clamp(0.0, 1.0),
            invocations: logs["invocation_logs"].as_bool().unwrap_or(true),
        })
    }
}

/// A worker that is told of another one's invocations.
#[derive(Debug, Clone, PartialEq)]
pub struct TailConsumer(pub WorkerName);

impl TailConsumer {
    /// Reads a stored list `[{service}]`; what is no worker's name was refused when it was set.
    pub fn read(list: Option<&Value>) -> Vec<Self> {
        let all = list.and_then(Value::as_array).into_iter().flatten();
        all.filter_map(|consumer| Some(Self(consumer["service"].as_str()?.parse().ok()?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn observability_reads_as_wrangler_means_it() {
        let all = Observability { sampling: 1.0, invocations: true };
        let read = |object: Value| Observability::read(Some(&object));
        assert_eq!(Observability::read(None), None);
        assert_eq!(read(json!({})), None);
        assert_eq!(read(json!({"enabled": false})), None);
        assert_eq!(read(json!({"enabled": true})), Some(all));
        assert_eq!(read(json!({"logs": {"enabled": true}})), Some(all));
        assert_eq!(read(json!({"enabled": true, "logs": {"enabled": false}})), None);
        assert_eq!(read(json!({"enabled": true, "logs": {"persist": false}})), None);
        let half =
            read(json!({"enabled": true, "head_sampling_rate": 0.5, "logs": {"invocation_logs": false}}));
        assert_eq!(half, Some(Observability { sampling: 0.5, invocations: false }));
        let own =
            read(json!({"enabled": true, "head_sampling_rate": 0.5, "logs": {"head_sampling_rate": 0.1}}));
        assert_eq!(own.unwrap().sampling, 0.1);
    }
}
