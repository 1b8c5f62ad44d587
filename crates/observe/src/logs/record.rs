//! From an invocation to the events that are kept of it, in the form of Cloudflare's telemetry: one for the invocation
//! (`$metadata.type` is `cf-worker-event`), one for each call of `console` and each exception (`cf-worker`).

use hearth_rpc::{Event, Exception, INVOKE, Log, Outcome, Trace, WebSocketEvent};
use serde_json::{Map, Value, json};

use crate::seen::{Seen, arguments, console_text, event_name, request_id};
use crate::settings::Observability;
use crate::tail::message;

/// Name of the only data set.
pub(super) const DATASET: &str = "cloudflare-workers";

/// One event on its way to its segment.
#[derive(Debug, PartialEq)]
pub(super) struct Record {
    pub timestamp_ms: i64,
    /// What all events of one invocation share.
    pub request: String,
    pub service: String,
    pub level: String,
    /// For how many events it stands: the inverse of the sampling rate.
    pub weight: f64,
    /// The event without `$metadata.id`.
    pub body: Value,
}

/// What is kept of an invocation.
pub(super) fn records(seen: &Seen, wanted: Observability) -> Vec<Record> {
    let trace = &seen.trace;
    let request = request_id(trace).map_or_else(|| format!("{:016x}", rand::random::<u64>()), str::to_owned);
    let maker = Maker { seen, request, weight: 1.0 / wanted.sampling.max(f64::MIN_POSITIVE) };
    let mut records = Vec::new();
    if wanted.invocations {
        records.push(maker.invocation());
    }
    records.extend(trace.logs.iter().map(|log| maker.log(log)));
    records.extend(trace.exceptions.iter().map(|exception| maker.exception(exception)));
    records
}

struct Maker<'a> {
    seen: &'a Seen,
    request: String,
    weight: f64,
}

/// What differs between the events of one invocation.
struct Said {
    timestamp_ms: i64,
    kind: &'static str,
    level: String,
    message: String,
    source: Value,
    workers: Value,
}

impl Maker<'_> {
    fn invocation(&self) -> Record {
        let trace = &self.seen.trace;
        let failed =
            !matches!(trace.outcome, Outcome::Ok | Outcome::Canceled | Outcome::ResponseStreamDisconnected);
        let level = if failed || trace.response_status.is_some_and(|status| status >= 500) {
            "error"
        } else {
            "info"
        };
        let message = message(trace);
        let mut workers = self.workers();
        workers["event"] = self.event(true);
        workers["cpuTimeMs"] = json!(0);
        workers["wallTimeMs"] = json!(self.seen.wall_ms);
        self.record(Said {
            timestamp_ms: trace.event_timestamp_ms,
            kind: "cf-worker-event",
            level: level.to_owned(),
            source: json!({ "level": level, "message": message }),
            message,
            workers,
        })
    }

    fn log(&self, log: &Log) -> Record {
        let level = message::level(log.level);
        let (source, message) = match structured(log) {
            Some(mut object) => {
                let message = object.get("message").and_then(Value::as_str).map(str::to_owned);
                let message = message.unwrap_or_else(|| Value::Object(object.clone()).to_string());
                object.entry("level").or_insert_with(|| json!(level));
                (Value::Object(object), message)
            }
            None => {
                let text = console_text(log);
                (json!({ "level": level, "message": text }), text)
            }
        };
        let mut workers = self.workers();
        workers["event"] = self.event(false);
        let (timestamp_ms, level) = (log.timestamp_ms, level.to_owned());
        self.record(Said { timestamp_ms, kind: "cf-worker", level, message, source, workers })
    }

    fn exception(&self, exception: &Exception) -> Record {
        let message = format!("{}: {}", exception.name, exception.message);
        let mut workers = self.workers();
        workers["event"] = self.event(false);
        self.record(Said {
            timestamp_ms: exception.timestamp_ms,
            kind: "cf-worker",
            level: "error".to_owned(),
            source: json!({
                "level": "error",
                "message": message,
                "exception": message::exception(exception),
            }),
            message,
            workers,
        })
    }

    fn record(&self, said: Said) -> Record {
        let Said { timestamp_ms, kind, level, message, source, workers } = said;
        let Seen { subject, trace, .. } = self.seen;
        let mut metadata = json!({
            "requestId": self.request,
            "trigger": trigger(trace),
            "service": subject.name.as_str(),
            "level": level,
            "message": message,
            "account": subject.account.as_str(),
            "type": kind,
            "origin": event_type(trace),
        });
        if level == "error" {
            metadata["error"] = json!(message);
        }
        if matches!(trace.event, Some(Event::Fetch(_))) && request_id(trace).is_some() {
            metadata["rayId"] = json!(self.request);
        }
        let body = json!({
            "dataset": DATASET,
            "timestamp": timestamp_ms,
            "source": source,
            "$workers": workers,
            "$metadata": metadata,
        });
        let (request, service) = (self.request.clone(), subject.name.to_string());
        Record { timestamp_ms, request, service, level, weight: self.weight, body }
    }

    fn workers(&self) -> Value {
        let Seen { subject, trace, .. } = self.seen;
        let mut workers = json!({
            "scriptName": subject.name.as_str(),
            "scriptVersion": { "id": subject.version.to_string() },
            "eventType": event_type(trace),
            "outcome": trace.outcome.as_str(),
            "executionModel": trace.execution_model.as_str(),
            "entrypoint": trace.entrypoint.as_deref().unwrap_or("default"),
            "requestId": self.request,
            "truncated": trace.truncated,
        });
        if let Some(id) = &trace.durable_object_id {
            workers["durableObjectId"] = json!(id);
        }
        workers
    }

    /// What called the worker. `whole`: with headers, `cf` and the answer, which only the invocation's own event has.
    fn event(&self, whole: bool) -> Value {
        let trace = &self.seen.trace;
        let mut event = message::event(trace);
        if let Some(Event::Fetch(_)) = &trace.event {
            let request = &mut event["request"];
            let url = request["url"].as_str().unwrap_or_default().to_owned();
            request["path"] = json!(path(&url));
            if !whole {
                event = json!({
                    "request": { "url": url, "method": request["method"], "path": request["path"] },
                });
            } else if request_id(trace).is_some() {
                event["rayId"] = json!(self.request);
            }
        }
        event
    }
}

/// The object that a call of `console` logs: itself, or as the text of JSON.
fn structured(log: &Log) -> Option<Map<String, Value>> {
    match arguments(log).as_mut_slice() {
        [Value::Object(object)] => Some(std::mem::take(object)),
        [Value::String(text)] if text.starts_with('{') => serde_json::from_str(text).ok(),
        _ => None,
    }
}

/// `$workers.eventType`.
fn event_type(trace: &Trace) -> &'static str {
    match event_name(trace) {
        "rpc" => "jsrpc",
        "connect" | "custom" => "unknown",
        other => other,
    }
}

/// The message of an invocation, by its kind, as Cloudflare's documentation of Workers Logs lists them.
fn message(trace: &Trace) -> String {
    match trace.event.as_ref() {
        Some(Event::Fetch(fetch)) => format!("{} {}", fetch.method, crate::redact::url(&fetch.url)),
        Some(Event::Alarm { .. }) => {
            message::event(trace)["scheduledTime"].as_str().unwrap_or_default().to_owned()
        }
        Some(Event::HibernatableWebSocket(kind)) => match kind {
            WebSocketEvent::Message => "message",
            WebSocketEvent::Close { .. } => "close",
            WebSocketEvent::Error => "error",
        }
        .to_owned(),
        _ => trigger(trace),
    }
}

/// `$metadata.trigger`.
fn trigger(trace: &Trace) -> String {
    match trace.event.as_ref() {
        Some(Event::Fetch(fetch)) => format!("{} {}", fetch.method, path(&crate::redact::url(&fetch.url))),
        Some(Event::JsRpc { method }) => method.clone(),
        Some(Event::Invoke { .. }) => INVOKE.to_owned(),
        Some(Event::Scheduled { cron, .. }) => cron.clone(),
        Some(Event::Queue { queue, .. }) => queue.clone(),
        Some(Event::Email { rcpt_to, .. }) => rcpt_to.clone(),
        _ => event_name(trace).to_owned(),
    }
}

/// The path of an absolute URL.
fn path(url: &str) -> &str {
    let after = url.split_once("://").map_or(url, |(_, rest)| rest);
    let path = after.find('/').map_or("/", |at| &after[at..]);
    path.split(['?', '#']).next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use hearth_rpc::LogLevel;

    use super::*;
    use crate::seen::tests::{log, quiet, seen};

    const ALL: Observability = Observability { sampling: 1.0, invocations: true };

    #[test]
    fn an_invocation_is_one_event_and_each_line_another() {
        let mut trace = quiet();
        trace.logs = vec![
            log(LogLevel::Log, r#"["hello",{"a":1}]"#),
            log(LogLevel::Warn, r#"[{"user_id":123,"message":"in"}]"#),
            log(LogLevel::Info, r#"["{\"user_id\":7}"]"#),
        ];
        let exception = ("RangeError".to_owned(), "no".to_owned());
        trace.exceptions =
            vec![Exception { timestamp_ms: 5, name: exception.0, message: exception.1, stack: None }];
        let records = records(&seen(trace), ALL);
        let [invocation, text, object, json, thrown] = &records[..] else { panic!("{}", records.len()) };
        let metadata = |record: &Record| record.body["$metadata"].clone();
        assert_eq!(metadata(invocation)["type"], "cf-worker-event");
        assert_eq!(metadata(invocation)["trigger"], "GET /path");
        assert_eq!(metadata(invocation)["message"], "GET https://a.test/path?q=1");
        assert_eq!(metadata(invocation)["requestId"], "0123456789abcdef");
        let workers = &invocation.body["$workers"];
        assert_eq!(workers["event"]["response"]["status"], 200);
        assert_eq!(workers["event"]["request"]["path"], "/path");
        assert_eq!(workers["event"]["request"]["headers"]["authorization"], "REDACTED");
        assert_eq!((&workers["outcome"], &workers["eventType"]), (&json!("ok"), &json!("fetch")));
        assert_eq!(workers["wallTimeMs"], 12);
        assert_eq!(text.body["source"], json!({"level": "log", "message": "hello {\"a\":1}"}));
        assert_eq!(text.body["$workers"]["event"]["request"]["method"], "GET");
        assert_eq!(object.body["source"], json!({"level": "warn", "user_id": 123, "message": "in"}));
        assert_eq!(metadata(object)["message"], "in");
        assert_eq!(json.body["source"]["user_id"], 7);
        assert_eq!(thrown.body["source"]["exception"]["name"], "RangeError");
        assert_eq!(metadata(thrown)["error"], "RangeError: no");
        assert!(records.iter().all(|record| record.request == "0123456789abcdef" && record.weight == 1.0));
    }

    #[test]
    fn a_failed_answer_is_an_error_and_invocations_may_be_left_out() {
        let mut trace = quiet();
        trace.response_status = Some(503);
        assert_eq!(records(&seen(trace.clone()), ALL)[0].level, "error");
        trace.logs = vec![log(LogLevel::Log, "[1]")];
        let sampled = Observability { sampling: 0.25, invocations: false };
        let records = records(&seen(trace), sampled);
        assert_eq!(records.len(), 1);
        assert_eq!((records[0].weight, records[0].level.as_str()), (4.0, "log"));
    }

    #[test]
    fn paths_of_urls() {
        for (url, expected) in [("https://a.test", "/"), ("https://a.test/x?y=/z", "/x"), ("/x#y", "/x")] {
            assert_eq!(path(url), expected);
        }
    }
}
