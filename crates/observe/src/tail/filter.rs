//! Which invocations a tail shows: the filters that wrangler sends (wrangler-api.md 10). All of them must let one pass.

use std::net::IpAddr;

use hearth_rpc::{Event, Outcome};
use serde::Deserialize;
use serde_json::Value;

use crate::seen::{Seen, arguments};

/// One filter as it is sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent {
    sampling_rate: Option<f64>,
    outcome: Option<Vec<String>>,
    method: Option<Vec<String>>,
    header: Option<Header>,
    client_ip: Option<Vec<String>>,
    query: Option<String>,
    #[serde(rename = "scriptVersion")]
    script_version: Option<String>,
}

/// A header that a request has, and what its value holds.
#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Header {
    key: String,
    query: Option<String>,
}

/// One condition.
#[derive(Debug, Clone, PartialEq)]
enum Filter {
    Sampling(f64),
    Outcome(Vec<String>),
    Method(Vec<String>),
    Header(Header),
    ClientIp(Vec<IpAddr>),
    Text(String),
    Version(String),
}

/// The conditions of one tail.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Filters(Vec<Filter>);

impl Filters {
    /// Reads the list that a tail is made with. `caller` is what the address `self` stands for.
    ///
    /// # Errors
    /// What is wrong with it, for the caller.
    pub(crate) fn read(list: &[Value], caller: Option<IpAddr>) -> Result<Self, String> {
        let mut filters = Vec::new();
        for value in list {
            let sent: Sent = serde_json::from_value(value.clone())
                .map_err(|error| format!("The filter {value} is not valid: {error}."))?;
            if let Some(rate) = sent.sampling_rate {
                if !(0.0..=1.0).contains(&rate) {
                    return Err(format!("The sampling rate {rate} is not between 0 and 1."));
                }
                filters.push(Filter::Sampling(rate));
            }
            filters.extend(sent.outcome.map(Filter::Outcome));
            filters.extend(sent.method.map(|methods| {
                Filter::Method(methods.iter().map(|method| method.to_ascii_uppercase()).collect())
            }));
            filters.extend(
                sent.header
                    .map(|header| Filter::Header(Header { key: header.key.to_ascii_lowercase(), ..header })),
            );
            if let Some(addresses) = sent.client_ip {
                let read = |text: &String| match text.as_str() {
                    "self" => caller.ok_or_else(|| "Your own address is not known.".to_owned()),
                    other => other.parse().map_err(|_| format!("{other:?} is not an IP address.")),
                };
                let addresses = addresses.iter().map(read).collect::<Result<_, String>>()?;
                filters.push(Filter::ClientIp(addresses));
            }
            filters.extend(sent.query.map(Filter::Text));
            filters.extend(sent.script_version.map(Filter::Version));
        }
        Ok(Self(filters))
    }

    /// Whether an invocation is shown. `dice` is random, from 0 to 1.
    pub(crate) fn pass(&self, seen: &Seen, dice: impl Fn() -> f64) -> bool {
        self.0.iter().all(|filter| filter.passes(seen, &dice))
    }
}

impl Filter {
    fn passes(&self, seen: &Seen, dice: &impl Fn() -> f64) -> bool {
        let trace = &seen.trace;
        let fetch = match &trace.event {
            Some(Event::Fetch(fetch)) => Some(fetch),
            _ => None,
        };
        match self {
            Self::Sampling(rate) => dice() < *rate,
            Self::Outcome(wanted) => wanted.iter().any(|word| word == outcome(trace.outcome)),
            Self::Method(wanted) => fetch.is_some_and(|fetch| wanted.contains(&fetch.method)),
            Self::Header(Header { key, query }) => fetch.is_some_and(|fetch| {
                let mut values = fetch.headers.iter().filter(|(name, _)| name == key).map(|(_, value)| value);
                values.any(|value| query.as_ref().is_none_or(|query| value.contains(query)))
            }),
            Self::ClientIp(wanted) => fetch
                .and_then(|fetch| fetch.header("cf-connecting-ip")?.parse::<IpAddr>().ok())
                .is_some_and(|ip| wanted.iter().any(|wanted| wanted.to_canonical() == ip.to_canonical())),
            Self::Text(text) => trace.logs.iter().any(|log| {
                arguments(log).iter().any(|argument| match argument {
                    Value::String(plain) => plain.contains(text),
                    other => other.to_string().contains(text),
                })
            }),
            Self::Version(version) => seen.subject.version.to_string() == *version,
        }
    }
}

/// The outcome by the words that filters have: wrangler knows six.
fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "ok",
        Outcome::Canceled | Outcome::ResponseStreamDisconnected => "canceled",
        Outcome::Exception => "exception",
        Outcome::ExceededCpu => "exceededCpu",
        Outcome::ExceededMemory => "exceededMemory",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use hearth_rpc::{LogLevel, Trace};
    use serde_json::json;

    use super::*;
    use crate::seen::tests::{log, quiet, seen};

    fn filters(list: Value) -> Filters {
        Filters::read(list.as_array().unwrap(), "192.0.2.1".parse().ok()).unwrap()
    }

    fn passes(list: Value, trace: Trace) -> bool {
        filters(list).pass(&seen(trace), || 0.5)
    }

    fn cron() -> Trace {
        let event = Event::Scheduled { scheduled_time_ms: 0, cron: "* * * * *".to_owned() };
        Trace { event: Some(event), ..quiet() }
    }

    #[test]
    fn each_filter_lets_its_own_pass_and_no_others() {
        let failed = Trace { outcome: Outcome::ExceededCpu, ..quiet() };
        let gone = Trace { outcome: Outcome::ResponseStreamDisconnected, ..quiet() };
        let odd = Trace { outcome: Outcome::InternalError, ..quiet() };
        let said = Trace { logs: vec![log(LogLevel::Log, r#"["a needle",{"in":"hay"}]"#)], ..quiet() };
        for (list, trace, expected) in [
            (json!([]), quiet(), true),
            (json!([{"outcome": ["ok"]}]), quiet(), true),
            (json!([{"outcome": ["exception", "exceededCpu"]}]), quiet(), false),
            (json!([{"outcome": ["exception", "exceededCpu"]}]), failed, true),
            (json!([{"outcome": ["canceled"]}]), gone, true),
            (json!([{"outcome": ["unknown"]}]), odd, true),
            (json!([{"method": ["post", "get"]}]), quiet(), true),
            (json!([{"method": ["POST"]}]), quiet(), false),
            (json!([{"method": ["GET"]}]), cron(), false),
            (json!([{"header": {"key": "Accept"}}]), quiet(), true),
            (json!([{"header": {"key": "accept", "query": "*/"}}]), quiet(), true),
            (json!([{"header": {"key": "accept", "query": "json"}}]), quiet(), false),
            (json!([{"header": {"key": "x-none"}}]), quiet(), false),
            (json!([{"client_ip": ["self"]}]), quiet(), true),
            (json!([{"client_ip": ["198.51.100.1", "::ffff:192.0.2.1"]}]), quiet(), true),
            (json!([{"client_ip": ["198.51.100.1"]}]), quiet(), false),
            (json!([{"client_ip": ["self"]}]), cron(), false),
            (json!([{"query": "needle"}]), said.clone(), true),
            (json!([{"query": "hay"}]), said.clone(), true),
            (json!([{"query": "Needle"}]), said.clone(), false),
            (json!([{"query": "needle"}]), quiet(), false),
            (json!([{"sampling_rate": 0.6}]), quiet(), true),
            (json!([{"sampling_rate": 0.4}]), quiet(), false),
            (json!([{"query": "needle"}, {"method": ["POST"]}]), said, false),
        ] {
            assert_eq!(passes(list.clone(), trace), expected, "{list}");
        }
        let seen = seen(quiet());
        let version = seen.subject.version.to_string();
        assert!(filters(json!([{"scriptVersion": version}])).pass(&seen, || 0.5));
        assert!(!filters(json!([{"scriptVersion": "other"}])).pass(&seen, || 0.5));
    }

    #[test]
    fn what_cannot_be_read_is_refused_by_name() {
        for (list, word) in [
            (json!([{"sampling_rate": 2}]), "sampling rate"),
            (json!([{"client_ip": ["nowhere"]}]), "nowhere"),
            (json!([{"colour": "red"}]), "colour"),
            (json!(["text"]), "text"),
        ] {
            let error = Filters::read(list.as_array().unwrap(), None).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        assert!(Filters::read(&[json!({"client_ip": ["self"]})], None).is_err());
    }
}
