//! What a process prints: its worker's console and the runtime's complaints, as lines of JSON on both streams, and
//! now and then V8's last words as plain text.
//!
//! The runtime's complaints go to the log. What the worker says comes to the log with its traces, which know the
//! request, where there are any, else from here. Its last lines are kept too, to be shown if the process dies, since
//! what dies sends no trace.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use hearth_model::{VersionId, WorkerName};
use parking_lot::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio_util::task::TaskTracker;

/// Complaints kept to explain a death.
const KEPT_LINES: usize = 100;

/// Lines of the console kept for the same.
const KEPT_CONSOLE: usize = 20;

/// Longest line taken from a process, in bytes; the rest of it is dropped, so that no worker fills our memory.
const MAX_LINE: usize = 16 << 10;

/// What workerd says at every start in a jail without /proc (workerd.md 6.2).
const HARMLESS: &str = "Unable to find and open the program executable";

/// How the runtime tells of an error that the worker's own code threw; its trace says more of it.
const THROWN: (&str, &str) = ("Uncaught exception: ", " remote.jsg.");

/// How long the last words of a dead process may take: a pipe's writer may be held by nobody else, so this is short.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Whose output it is.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub worker: WorkerName,
    pub version: VersionId,
    /// Where its console goes.
    pub console: Console,
}

/// Where the console of a process goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Console {
    /// Nowhere: probes print what the deploy answers.
    Silent,
    /// To the log by its traces, or nowhere.
    Elsewhere,
    /// To the log, from here.
    Logged,
}

/// The output of one process.
pub(crate) struct Output {
    errors: Mutex<VecDeque<String>>,
    console: Mutex<VecDeque<String>>,
    readers: TaskTracker,
}

#[derive(serde::Deserialize)]
struct ConsoleLine {
    level: String,
    message: String,
    /// Present when the runtime speaks, not the worker: an uncaught exception, a fatal error.
    #[serde(default)]
    source: Option<String>,
}

impl Output {
    /// Reads both streams to their end.
    pub(crate) fn follow(
        source: Source,
        stdout: impl AsyncRead + Send + Unpin + 'static,
        stderr: impl AsyncRead + Send + Unpin + 'static,
    ) -> Arc<Self> {
        let output = Arc::new(Self {
            errors: Mutex::default(),
            console: Mutex::default(),
            readers: TaskTracker::new(),
        });
        let (from, to) = (source.clone(), Arc::clone(&output));
        output.readers.spawn(async move { each_line(stdout, |line| to.line(&from, line)).await });
        let to = Arc::clone(&output);
        output.readers.spawn(async move { each_line(stderr, |line| to.line(&source, line)).await });
        output.readers.close();
        output
    }

    /// Waits a moment for the streams to end.
    pub(crate) async fn finished(&self) {
        // Out of patience only when something else holds the pipe; then what was read must do.
        let _ = tokio::time::timeout(LAST_WORDS, self.readers.wait()).await;
    }

    /// The runtime's last complaints.
    pub(crate) fn errors(&self) -> String {
        joined(&self.errors)
    }

    /// The last lines of the worker's console.
    pub(crate) fn console(&self) -> String {
        joined(&self.console)
    }

    fn line(&self, source: &Source, line: &str) {
        if line.trim().is_empty() || line.starts_with(HARMLESS) {
            return;
        }
        match serde_json::from_str::<ConsoleLine>(line) {
            Ok(ConsoleLine { level, message, source: None }) => {
                keep(&self.console, KEPT_CONSOLE, &message);
                if source.console == Console::Logged {
                    log(source, &level, &message);
                }
            }
            Ok(ConsoleLine { level, message, .. }) => {
                keep(&self.errors, KEPT_LINES, &message);
                let thrown = message.starts_with(THROWN.0) && message.contains(THROWN.1);
                let told = thrown && source.console == Console::Elsewhere;
                log(source, if told { "debug" } else { &level }, &message);
            }
            // Plain text is V8's dump of a heap or a stack: what it comes to is said when the process ends.
            Err(_) => {
                keep(&self.errors, KEPT_LINES, line);
                log(source, "debug", line);
            }
        }
    }
}

fn keep(lines: &Mutex<VecDeque<String>>, most: usize, line: &str) {
    let mut lines = lines.lock();
    if lines.len() == most {
        lines.pop_front();
    }
    lines.push_back(line.to_owned());
}

fn joined(lines: &Mutex<VecDeque<String>>) -> String {
    let lines = lines.lock();
    lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
}

/// One line of the server's log for each of the runtime's. `tracing` wants levels at compile time.
fn log(source: &Source, level: &str, message: &str) {
    if source.console == Console::Silent {
        return;
    }
    let (worker, version) = (source.worker.as_str(), tracing::field::display(source.version));
    match level {
        "error" => tracing::error!(target: "worker", worker, version, "{message}"),
        "warn" => tracing::warn!(target: "worker", worker, version, "{message}"),
        "debug" => tracing::debug!(target: "worker", worker, version, "{message}"),
        _ => tracing::info!(target: "worker", worker, version, "{message}"),
    }
}

/// The messages of lines that a process printed, in whichever form.
#[cfg(test)]
pub(crate) fn messages(text: &str) -> String {
    let message = |line: &str| match serde_json::from_str::<ConsoleLine>(line) {
        Ok(entry) => entry.message,
        Err(_) => line.to_owned(),
    };
    text.lines().map(message).collect::<Vec<_>>().join("\n")
}

async fn each_line(stream: impl AsyncRead + Unpin, mut take: impl FnMut(&str)) {
    let mut reader = BufReader::with_capacity(MAX_LINE, stream);
    let mut line = Vec::new();
    loop {
        let (used, ended) = match reader.fill_buf().await {
            Ok([]) | Err(_) => break,
            Ok(chunk) => {
                let end = chunk.iter().position(|byte| *byte == b'\n');
                let part = &chunk[..end.unwrap_or(chunk.len())];
                line.extend_from_slice(&part[..part.len().min(MAX_LINE - line.len())]);
                (end.map_or(chunk.len(), |at| at + 1), end.is_some())
            }
        };
        reader.consume(used);
        if ended {
            take(&String::from_utf8_lossy(&line));
            line.clear();
        }
    }
    if !line.is_empty() {
        take(&String::from_utf8_lossy(&line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_without_end_is_bounded() {
        let flood = vec![b'x'; MAX_LINE * 10];
        let mut text = flood.clone();
        text.extend_from_slice(b"\nshort\nlast");
        let mut lines = Vec::new();
        each_line(&text[..], |line| lines.push(line.to_owned())).await;
        assert_eq!(lines.iter().map(String::len).collect::<Vec<_>>(), [MAX_LINE, 5, 4]);
    }

    #[tokio::test]
    async fn complaints_are_kept_apart_from_the_console() {
        let source =
            Source { worker: "a".parse().unwrap(), version: VersionId::random(), console: Console::Silent };
        let stdout = br#"{"timestamp":1,"level":"log","message":"hi"}
{"timestamp":1,"level":"error","message":"boom","source":"workerd"}
"#;
        let output = Output::follow(source, &stdout[..], &b"plain\n"[..]);
        output.finished().await;
        let errors = output.errors();
        assert!(errors.contains("boom") && errors.contains("plain") && !errors.contains("hi"), "{errors}");
        assert_eq!(output.console(), "hi");
    }

    #[tokio::test]
    async fn of_the_console_the_last_lines_are_kept() {
        let source =
            Source { worker: "a".parse().unwrap(), version: VersionId::random(), console: Console::Silent };
        let line = |number| format!("{{\"timestamp\":1,\"level\":\"log\",\"message\":\"{number}\"}}\n");
        let text: String = (0..1000).map(line).collect();
        let output = Output::follow(source, text.as_bytes().to_vec().leak() as &[u8], &b""[..]);
        output.finished().await;
        let kept: Vec<_> = (1000 - KEPT_CONSOLE..1000).map(|number| number.to_string()).collect();
        assert_eq!(output.console(), kept.join("\n"));
    }
}
