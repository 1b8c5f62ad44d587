//! RPC → who looks, and the server's log: what workers print and throw.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hearth_observe::{Marks, Watch, console_text, event_name, request_id};
use hearth_rpc::{Event, Exception, LogLevel, Outcome, Trace, TraceSink};

/// Longest message on the log, in bytes; workerd records up to 256 KiB of an invocation.
const MAX_MESSAGE: usize = 16 << 10;

/// Takes what the invocations of one process say. The lines of an invocation come to the log together, when it has
/// ended.
pub struct WorkerLog {
    /// Live tails, tail workers and kept logs.
    pub watch: Watch,
    /// Whether it comes to the log.
    pub logged: bool,
    /// Counts what is lost.
    pub lost: Arc<AtomicU64>,
}

impl TraceSink for WorkerLog {
    fn wants(&self, quiet: bool) -> Option<u8> {
        let logged = self.logged && !quiet && tracing::enabled!(target: "worker", tracing::Level::ERROR);
        let marks = self.watch.wants(quiet) | if logged { Marks::OTHER } else { 0 };
        (marks != 0).then_some(marks)
    }

    fn take(&self, trace: Trace, marks: u8) {
        let trace = Arc::new(trace);
        self.watch.take(&trace, marks);
        if marks & Marks::OTHER != 0 {
            self.print(&trace);
        }
    }

    fn dropped(&self, count: u64) {
        self.lost.fetch_add(count, Ordering::Relaxed);
        let subject = self.watch.subject();
        tracing::warn!(
            target: "worker",
            worker = subject.name.as_str(),
            version = %subject.version,
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
    fn print(&self, trace: &Trace) {
        for log in &trace.logs {
            let line = Line { at_ms: log.timestamp_ms, text: console_text(log), ..Line::default() };
            self.write(trace, level(log.level), &line);
        }
        let outcome = (trace.outcome != Outcome::Ok).then(|| trace.outcome.as_str());
        for Exception { timestamp_ms, name, message, stack } in &trace.exceptions {
            let text = format!("Uncaught {name}: {message}");
            let line = Line { at_ms: *timestamp_ms, text, stack: stack.as_deref(), outcome };
            self.write(trace, tracing::Level::ERROR, &line);
        }
        let explained = matches!(trace.outcome, Outcome::Ok | Outcome::Exception | Outcome::Canceled);
        if !explained && trace.exceptions.is_empty() {
            let text = "The invocation ended early.".to_owned();
            let line = Line { at_ms: trace.event_timestamp_ms, text, stack: None, outcome };
            self.write(trace, tracing::Level::ERROR, &line);
        }
    }

    /// `tracing` wants levels at compile time. Absent fields are left out.
    fn write(&self, trace: &Trace, level: tracing::Level, line: &Line<'_>) {
        let subject = self.watch.subject();
        macro_rules! at {
            ($level:ident) => {
                tracing::event!(
                    target: "worker",
                    tracing::Level::$level,
                    request = request_id(trace).map(tracing::field::display),
                    worker = subject.name.as_str(),
                    version = %subject.version,
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

/// What called the worker, where it was no request.
fn event(trace: &Trace) -> Option<&'static str> {
    match trace.event {
        Some(Event::Fetch(_)) | None => None,
        Some(_) => Some(event_name(trace)),
    }
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
    use super::*;

    #[test]
    fn a_worker_cannot_write_a_line_of_somebody_else() {
        let forged = printable("x\n2026-11-20T00:00:00Z  INFO access: request=1\r\u{1b}[2J\u{9b}1m");
        assert!(!forged.contains(char::is_control), "{forged:?}");
        assert!(forged.starts_with("x\\n2026"), "{forged}");
        let long = printable(&"ü".repeat(MAX_MESSAGE));
        assert!(long.len() < MAX_MESSAGE + 40 && long.ends_with("bytes more)"), "{}", long.len());
    }
}
