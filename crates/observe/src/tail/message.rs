//! An invocation as a tail shows it (wrangler-api.md 10).

use hearth_rpc::{Event, Exception, FetchEvent, INVOKE, Trace, WebSocketEvent};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::redact;
use crate::seen::{Seen, arguments};

/// The message of one invocation.
pub(crate) fn of(seen: &Seen) -> Value {
    let Seen { subject, trace, wall_ms } = seen;
    let mut message = json!({
        "outcome": trace.outcome.as_str(),
        "scriptName": subject.name.as_str(),
        "entrypoint": trace.entrypoint.as_deref().unwrap_or("default"),
        "scriptVersion": { "id": subject.version.to_string() },
        "eventTimestamp": trace.event_timestamp_ms,
        "event": event(trace),
        "logs": trace.logs.iter().map(|log| json!({
            "message": arguments(log),
            "level": level(log.level),
            "timestamp": log.timestamp_ms,
        })).collect::<Vec<_>>(),
        "exceptions": trace.exceptions.iter().map(exception).collect::<Vec<_>>(),
        "diagnosticsChannelEvents": [],
        "truncated": trace.truncated,
        "executionModel": trace.execution_model.as_str(),
        "cpuTime": 0,
        "wallTime": wall_ms,
    });
    if let Some(id) = &trace.durable_object_id {
        message["durableObjectId"] = json!(id);
    }
    message
}

/// What a viewer is told of its tail itself. Kind and words are Cloudflare's, as wrangler's own tests have them.
pub(crate) fn notice(script: &str, kind: &str, text: &str, dropped: u64) -> Value {
    json!({
        "outcome": "ok",
        "scriptName": script,
        "eventTimestamp": Timestamp::now().as_millisecond(),
        "event": { "type": kind, "message": text, "dropped": dropped },
        "logs": [],
        "exceptions": [],
    })
}

pub(crate) fn level(level: hearth_rpc::LogLevel) -> &'static str {
    use hearth_rpc::LogLevel;
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Log => "log",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}

/// An exception with its stack as JavaScript has it: workerd leaves out the line that repeats name and message.
pub(crate) fn exception(Exception { timestamp_ms, name, message, stack }: &Exception) -> Value {
    let mut value = json!({ "name": name, "message": message, "timestamp": timestamp_ms });
    if let Some(stack) = stack {
        value["stack"] = json!(stack.trim_end());
    }
    value
}

/// What called the worker; clients tell its kinds apart by their keys. Null for one that is not known.
pub(crate) fn event(trace: &Trace) -> Value {
    match trace.event.as_ref() {
        Some(Event::Fetch(fetch)) => {
            let mut event = json!({ "request": request(fetch) });
            if let Some(status) = trace.response_status {
                event["response"] = json!({ "status": status });
            }
            event
        }
        Some(Event::JsRpc { method }) => json!({ "rpcMethod": method }),
        // `rpcMethod` is how clients know what kind it is; the id is that of the call's answer.
        Some(Event::Invoke { request_id }) => json!({ "rpcMethod": INVOKE, "requestId": request_id }),
        Some(Event::Scheduled { scheduled_time_ms, cron }) => {
            json!({ "cron": cron, "scheduledTime": scheduled_time_ms })
        }
        Some(Event::Alarm { scheduled_time_ms }) => json!({ "scheduledTime": iso(*scheduled_time_ms) }),
        Some(Event::Queue { queue, batch_size }) => json!({ "queue": queue, "batchSize": batch_size }),
        Some(Event::Email { mail_from, rcpt_to, raw_size }) => {
            json!({ "mailFrom": mail_from, "rcptTo": rcpt_to, "rawSize": raw_size })
        }
        Some(Event::Tail { scripts }) => {
            let consumed: Vec<_> = scripts.iter().map(|name| json!({ "scriptName": name })).collect();
            json!({ "consumedEvents": consumed })
        }
        Some(Event::HibernatableWebSocket(kind)) => json!({ "getWebSocketEvent": web_socket(*kind) }),
        Some(Event::Connect | Event::Custom) => json!({}),
        None => Value::Null,
    }
}

/// `webSocketEventType` and what a close says, as tail workers see it.
pub(crate) fn web_socket(kind: WebSocketEvent) -> Value {
    match kind {
        WebSocketEvent::Message => json!({ "webSocketEventType": "message" }),
        WebSocketEvent::Close { code, was_clean } => {
            json!({ "webSocketEventType": "close", "code": code, "wasClean": was_clean })
        }
        WebSocketEvent::Error => json!({ "webSocketEventType": "error" }),
    }
}

/// A request with its secrets hidden.
pub(crate) fn request(fetch: &FetchEvent) -> Value {
    let mut headers: Map<String, Value> = Map::new();
    for (name, value) in &fetch.headers {
        let shown = redact::header(name, value);
        match headers.get_mut(name) {
            Some(Value::String(before)) => {
                before.push_str(", ");
                before.push_str(shown);
            }
            _ => drop(headers.insert(name.clone(), json!(shown))),
        }
    }
    let cf: Option<Value> = fetch.cf_json.as_deref().and_then(|cf| serde_json::from_str(cf).ok());
    json!({
        "url": redact::url(&fetch.url),
        "method": fetch.method,
        "headers": headers,
        "cf": cf.unwrap_or_else(|| json!({})),
    })
}

/// `2026-11-21T00:00:00.000Z`, as JavaScript's `Date` prints itself.
fn iso(milliseconds: i64) -> String {
    Timestamp::from_millisecond(milliseconds).map(|time| format!("{time:.3}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use hearth_rpc::{LogLevel, Outcome};

    use super::*;
    use crate::seen::tests::{log, quiet, seen};

    #[test]
    fn a_request_shows_what_it_may() {
        let mut trace = quiet();
        trace.logs = vec![log(LogLevel::Warn, r#"["hi",{"a":1}]"#)];
        let stack = Some("    at fetch (index.js:1:2)\n".to_owned());
        let (name, text) = ("Error".to_owned(), "boom".to_owned());
        trace.exceptions = vec![Exception { timestamp_ms: 7, name, message: text, stack }];
        trace.outcome = Outcome::Exception;
        let message = of(&seen(trace));
        assert_eq!(message["outcome"], "exception");
        assert_eq!((&message["scriptName"], &message["entrypoint"]), (&json!("demo"), &json!("default")));
        let request = &message["event"]["request"];
        assert_eq!(request["headers"]["authorization"], "REDACTED");
        assert_eq!((&request["headers"]["accept"], &request["cf"]["colo"]), (&json!("*/*"), &json!("HRT")));
        assert_eq!(message["event"]["response"]["status"], 200);
        assert_eq!(
            message["logs"],
            json!([{"message": ["hi", {"a": 1}], "level": "warn", "timestamp": 1_795_000_000_001_i64}])
        );
        assert_eq!(message["exceptions"][0]["stack"], "    at fetch (index.js:1:2)");
        assert_eq!(message["wallTime"], 12);
    }

    /// wrangler tells the kinds apart by these keys.
    #[test]
    fn every_kind_of_event_has_the_key_that_clients_know_it_by() {
        let shown = |event: Option<Event>| {
            let mut trace = quiet();
            trace.event = event;
            super::event(&trace)
        };
        let scheduled_time_ms = 1_795_187_878_123;
        let cron = "* * * * *".to_owned();
        assert_eq!(
            shown(Some(Event::Scheduled { scheduled_time_ms, cron })),
            json!({"cron": "* * * * *", "scheduledTime": scheduled_time_ms})
        );
        assert_eq!(
            shown(Some(Event::Alarm { scheduled_time_ms })),
            json!({"scheduledTime": "2026-11-20T15:17:58.123Z"})
        );
        let queue = "jobs".to_owned();
        assert_eq!(
            shown(Some(Event::Queue { queue, batch_size: 3 })),
            json!({"queue": "jobs", "batchSize": 3})
        );
        assert_eq!(shown(Some(Event::JsRpc { method: "get".to_owned() })), json!({"rpcMethod": "get"}));
        assert_eq!(
            shown(Some(Event::Tail { scripts: vec![Some("a".to_owned()), None] })),
            json!({"consumedEvents": [{"scriptName": "a"}, {"scriptName": null}]})
        );
        let close = WebSocketEvent::Close { code: 1001, was_clean: true };
        assert_eq!(
            shown(Some(Event::HibernatableWebSocket(close)))["getWebSocketEvent"],
            json!({"webSocketEventType": "close", "code": 1001, "wasClean": true})
        );
        assert_eq!(shown(None), Value::Null);
    }
}
