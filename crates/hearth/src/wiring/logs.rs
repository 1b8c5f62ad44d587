//! RPC → the server's log: what workers print and throw.

use std::fmt::Write;
use std::sync::Arc;

use hearth_rpc::{ErrorInfo, Event, Exception, Log, LogLevel, Outcome, Trace, TraceSink};
use hearth_supervisor::Identity;
use serde_json::Value;

/// Longest message on the log, in bytes; workerd records up to 256 KiB of an invocation.
const MAX_MESSAGE: usize = 16 << 10;

/// Writes what the invocations of one process say. The lines of an invocation come together, when it has ended.
pub struct WorkerLog {
    pub identity: Arc<Identity>,
}

impl TraceSink for WorkerLog {
    fn wants(&self, quiet: bool) -> Option<u8> {
        (!quiet && tracing::enabled!(target: "worker", tracing::Level::ERROR)).then_some(0)
    }

    fn take(&self, trace: Trace, _: u8) {
        for log in &trace.logs {
            let line = Line { at_ms: log.timestamp_ms, text: message(log), ..Line::default() };
            self.write(&trace, level(log.level), &line);
        }
        let outcome = (trace.outcome != Outcome::Ok).then(|| trace.outcome.as_str());
        for Exception { timestamp_ms, name, message, stack } in &trace.exceptions {
            let text = format!("Uncaught {name}: {message}");
            let line = Line { at_ms: *timestamp_ms, text, stack: stack.as_deref(), outcome };
            self.write(&trace, tracing::Level::ERROR, &line);
        }
        let explained = matches!(trace.outcome, Outcome::Ok | Outcome::Exception | Outcome::Canceled);
        if !explained && trace.exceptions.is_empty() {
            let text = "The invocation ended early.".to_owned();
            let line = Line { at_ms: trace.event_timestamp_ms, text, stack: None, outcome };
            self.write(&trace, tracing::Level::ERROR, &line);
        }
    }

    fn dropped(&self, count: u64) {
        let Identity { name, key, .. } = &*self.identity;
        tracing::warn!(
            target: "worker",
            worker = name.as_str(),
            version = %key.version,
            count,
            "what this many invocations logged is lost: it came faster than the log takes it"
        );
    }
}

/// What one line says beside whose it is.
#[derive(Default)]
struct Line<'a> {
    at_ms: i64,
    text: String,
    stack: Option<&'a str>,
    outcome: Option<&'static str>,
}

impl WorkerLog {
    /// `tracing` wants levels at compile time. Absent fields are left out.
    fn write(&self, trace: &Trace, level: tracing::Level, line: &Line<'_>) {
        macro_rules! at {
            ($level:ident) => {
                tracing::event!(
                    target: "worker",
                    tracing::Level::$level,
                    request = request_id(trace).map(tracing::field::display),
                    worker = self.identity.name.as_str(),
                    version = %self.identity.key.version,
                    entrypoint = trace.entrypoint.as_deref(),
                    event = event(trace),
                    after_ms = line.at_ms - trace.event_timestamp_ms,
                    outcome = line.outcome,
                    stack = line.stack,
                    "{}",
                    printable(&line.text)
                )
            };
        }
        match level {
            tracing::Level::ERROR => at!(ERROR),
            tracing::Level::WARN => at!(WARN),
            tracing::Level::DEBUG => at!(DEBUG),
            _ => at!(INFO),
        }
    }
}

fn level(level: LogLevel) -> tracing::Level {
    match level {
        LogLevel::Error => tracing::Level::ERROR,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Log | LogLevel::Info => tracing::Level::INFO,
        LogLevel::Debug => tracing::Level::DEBUG,
    }
}

/// The id that the access log gives the request: the sixteen digits of its `CF-Ray`. A worker that calls another one
/// writes that header itself, so what does not look like one of ours is none.
fn request_id(trace: &Trace) -> Option<&str> {
    let Some(Event::Fetch(fetch)) = &trace.event else { return None };
    let (ray, _colo) = fetch.header("cf-ray")?.split_once('-')?;
    let ours = ray.len() == 16 && ray.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    ours.then_some(ray)
}

/// What called the worker, where it was no request.
fn event(trace: &Trace) -> Option<&str> {
    Some(match trace.event.as_ref()? {
        Event::Fetch(_) => return None,
        Event::JsRpc { .. } => "rpc",
        Event::Scheduled { .. } => "scheduled",
        Event::Alarm { .. } => "alarm",
        Event::Queue { .. } => "queue",
        Event::Email { .. } => "email",
        Event::Tail { .. } => "tail",
        Event::HibernatableWebSocket(_) => "websocket",
        Event::Connect => "connect",
        Event::Custom => "custom",
    })
}

/// As a console shows it: text as it is, errors with their stack, the rest as JSON.
fn message(log: &Log) -> String {
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

/// A worker can neither begin a line of its own on the log nor speak to a terminal: control characters are spelled out.
fn printable(text: &str) -> String {
    let end = text.floor_char_boundary(MAX_MESSAGE);
    let mut out = String::with_capacity(end);
    for char in text[..end].chars() {
        if char.is_control() { out.extend(char.escape_default()) } else { out.push(char) }
    }
    if end < text.len() {
        // Writing to a string does not fail.
        let _ = write!(out, "… ({} bytes more)", text.len() - end);
    }
    out
}

#[cfg(test)]
mod tests {
    use hearth_rpc::{ExecutionModel, FetchEvent};

    use super::*;

    fn trace(ray: &str) -> Trace {
        Trace {
            event_timestamp_ms: 0,
            event: Some(Event::Fetch(FetchEvent {
                method: "GET".to_owned(),
                url: "http://a.test/".to_owned(),
                cf_json: None,
                headers: vec![("cf-ray".to_owned(), ray.to_owned())],
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

    #[test]
    fn only_what_looks_like_our_ray_is_a_request_id() {
        assert_eq!(request_id(&trace("0123456789abcdef-HRT")), Some("0123456789abcdef"));
        for forged in ["", "0123456789abcdef", "0123456789ABCDEF-HRT", "x\n0123456789ab-HRT", "0123-HRT"] {
            assert_eq!(request_id(&trace(forged)), None, "{forged:?}");
        }
    }

    #[test]
    fn arguments_read_as_on_a_console() {
        let info = ErrorInfo {
            name: "TypeError".to_owned(),
            message: "no".to_owned(),
            stack: Some("    at fetch (index.js:1:2)".to_owned()),
        };
        let mut log = Log {
            timestamp_ms: 0,
            level: LogLevel::Log,
            message_json: r#"["a\tb", {"c":[1]}, null, "TypeError: no"]"#.to_owned(),
            errors: vec![None, None, None, Some(info)],
            truncated: false,
        };
        assert_eq!(message(&log), "a\tb {\"c\":[1]} null TypeError: no\n    at fetch (index.js:1:2)");
        log.message_json = r#"["cut off in the mid"#.to_owned();
        assert_eq!(message(&log), log.message_json);
    }

    #[test]
    fn a_worker_cannot_write_a_line_of_somebody_else() {
        let forged = printable("x\n2026-11-20T00:00:00Z  INFO access: request=1\r\u{1b}[2J\u{9b}1m");
        assert!(!forged.contains(char::is_control), "{forged:?}");
        assert!(forged.starts_with("x\\n2026"), "{forged}");
        let long = printable(&"ü".repeat(MAX_MESSAGE));
        assert!(long.len() < MAX_MESSAGE + 40 && long.ends_with("bytes more)"), "{}", long.len());
    }
}
