//! One invocation with whose it was.

use std::fmt::Write;
use std::sync::Arc;

use hearth_model::{AccountId, VersionId, WorkerId, WorkerName};
use hearth_rpc::{ErrorInfo, Event, Log, Trace};
use serde_json::Value;

/// Whose invocations a process reports.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// The account.
    pub account: AccountId,
    /// The worker.
    pub worker: WorkerId,
    /// Its name.
    pub name: WorkerName,
    /// The version that the process runs.
    pub version: VersionId,
}

/// One invocation with whose it was.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Whose.
    pub subject: Arc<Subject>,
    /// What its process says of it.
    pub trace: Arc<Trace>,
    /// From the event to the end of `waitUntil`, in milliseconds. workerd does not say; it is what passed until the trace
    /// was here.
    pub wall_ms: u64,
}

impl Seen {
    pub(crate) fn new(subject: &Arc<Subject>, trace: &Arc<Trace>) -> Self {
        let now = jiff::Timestamp::now().as_millisecond();
        let wall_ms = u64::try_from(now - trace.event_timestamp_ms).unwrap_or(0);
        Self { subject: Arc::clone(subject), trace: Arc::clone(trace), wall_ms }
    }
}

/// Longest id of a call that is taken as it is.
const MAX_ID: usize = 64;

/// The id that the access log gives the request: the sixteen digits of its `CF-Ray`. A worker that calls another one
/// writes that header itself, so what does not look like one of ours is none. Of a call of a function's API, the id that
/// its answer has, unless its caller chose one that would not fit on a line.
pub fn request_id(trace: &Trace) -> Option<&str> {
    let fetch = match &trace.event {
        Some(Event::Fetch(fetch)) => fetch,
        Some(Event::Invoke { request_id }) => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
            let fits = (1..=MAX_ID).contains(&request_id.len()) && request_id.bytes().all(plain);
            return fits.then_some(request_id.as_str());
        }
        _ => return None,
    };
    let (ray, _colo) = fetch.header("cf-ray")?.split_once('-')?;
    let ours = ray.len() == 16 && ray.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    ours.then_some(ray)
}

/// What called the worker, in Cloudflare's words (`$workers.eventType`).
pub fn event_name(trace: &Trace) -> &'static str {
    match trace.event.as_ref() {
        Some(Event::Fetch(_)) => "fetch",
        Some(Event::JsRpc { .. } | Event::Invoke { .. }) => "rpc",
        Some(Event::Scheduled { .. }) => "scheduled",
        Some(Event::Alarm { .. }) => "alarm",
        Some(Event::Queue { .. }) => "queue",
        Some(Event::Email { .. }) => "email",
        Some(Event::Tail { .. }) => "tail",
        Some(Event::HibernatableWebSocket(_)) => "websocket",
        Some(Event::Connect) => "connect",
        Some(Event::Custom) => "custom",
        None => "unknown",
    }
}

/// As a console shows it: text as it is, errors with their stack, the rest as JSON.
pub fn console_text(log: &Log) -> String {
    let Ok(Value::Array(arguments)) = serde_json::from_str(&log.message_json) else {
        return log.message_json.clone();
    };
    let mut text = String::new();
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        match (log.errors.get(index).and_then(Option::as_ref), argument) {
            (Some(ErrorInfo { name, message, stack }), _) => {
                // Writing to a string does not fail.
                let _ =
                    write!(text, "{name}: {message}\n{}", stack.as_deref().unwrap_or_default().trim_end());
            }
            (None, Value::String(plain)) => text.push_str(plain),
            // Writing to a string does not fail.
            (None, other) => drop(write!(text, "{other}")),
        }
    }
    text
}

/// The arguments of a call of `console`. workerd cuts what is too long in the middle of its JSON: such a one is the text
/// that is left.
pub(crate) fn arguments(log: &Log) -> Vec<Value> {
    match serde_json::from_str(&log.message_json) {
        Ok(Value::Array(arguments)) => arguments,
        _ => vec![Value::String(log.message_json.clone())],
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use hearth_rpc::{ExecutionModel, FetchEvent, LogLevel, Outcome};

    use super::*;

    /// A request that was answered with 200 and said nothing.
    pub(crate) fn quiet() -> Trace {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Trace {
            event_timestamp_ms: 1_795_000_000_000,
            event: Some(Event::Fetch(FetchEvent {
                method: "GET".to_owned(),
                url: "https://a.test/path?q=1".to_owned(),
                cf_json: Some(r#"{"colo":"HRT"}"#.to_owned()),
                headers: vec![
                    header("cf-ray", "0123456789abcdef-HRT"),
                    header("cf-connecting-ip", "192.0.2.1"),
                    header("authorization", "Bearer secret"),
                    header("accept", "*/*"),
                ],
            })),
            outcome: Outcome::Ok,
            response_status: Some(200),
            logs: Vec::new(),
            exceptions: Vec::new(),
            diagnostics: Vec::new(),
            entrypoint: None,
            durable_object_id: None,
            execution_model: ExecutionModel::Stateless,
            truncated: false,
        }
    }

    pub(crate) fn log(level: LogLevel, message_json: &str) -> Log {
        let (message_json, errors) = (message_json.to_owned(), Vec::new());
        Log { timestamp_ms: 1_795_000_000_001, level, message_json, errors, truncated: false }
    }

    pub(crate) fn subject(name: &str) -> Arc<Subject> {
        Arc::new(Subject {
            account: AccountId::random(),
            worker: WorkerId::random(),
            name: name.parse().unwrap(),
            version: VersionId::random(),
        })
    }

    pub(crate) fn seen(trace: Trace) -> Seen {
        Seen { subject: subject("demo"), trace: Arc::new(trace), wall_ms: 12 }
    }

    fn with_ray(ray: &str) -> Trace {
        let mut trace = quiet();
        if let Some(Event::Fetch(fetch)) = &mut trace.event {
            fetch.headers = vec![("cf-ray".to_owned(), ray.to_owned())];
        }
        trace
    }

    #[test]
    fn only_what_looks_like_our_ray_is_a_request_id() {
        assert_eq!(request_id(&quiet()), Some("0123456789abcdef"));
        for forged in ["", "0123456789abcdef", "0123456789ABCDEF-HRT", "x\n0123456789ab-HRT", "0123-HRT"] {
            assert_eq!(request_id(&with_ray(forged)), None, "{forged:?}");
        }
        let invoked =
            |id: &str| Trace { event: Some(Event::Invoke { request_id: id.to_owned() }), ..quiet() };
        assert_eq!(request_id(&invoked("req_1-a")), Some("req_1-a"));
        for odd in ["", "a\nb", "a b", &"x".repeat(MAX_ID + 1)] {
            assert_eq!(request_id(&invoked(odd)), None, "{odd:?}");
        }
    }

    #[test]
    fn arguments_read_as_on_a_console() {
        let info = ErrorInfo {
            name: "TypeError".to_owned(),
            message: "no".to_owned(),
            stack: Some("    at fetch (index.js:1:2)".to_owned()),
        };
        let mut log = log(LogLevel::Log, r#"["a\tb", {"c":[1]}, null, "TypeError: no"]"#);
        log.errors = vec![None, None, None, Some(info)];
        assert_eq!(console_text(&log), "a\tb {\"c\":[1]} null TypeError: no\n    at fetch (index.js:1:2)");
        log.message_json = r#"["cut off in the mid"#.to_owned();
        assert_eq!(console_text(&log), log.message_json);
        assert_eq!(arguments(&log), [Value::String(log.message_json.clone())]);
    }
}
