//! What one tail is sent, on its way.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::filter::Filters;
use super::message;
use super::pace::{Notice, Pace};
use crate::seen::Seen;

/// Messages that may wait for one viewer.
const MAX_WAITING: usize = 1024;

/// Bytes of messages that may wait for one viewer.
const MAX_WAITING_BYTES: usize = 4 << 20;

/// One tail's filters and queue.
pub(crate) struct Viewer {
    script: String,
    filters: Filters,
    pace: Mutex<Pace>,
    began: Instant,
    sender: mpsc::Sender<String>,
    waiting_bytes: AtomicUsize,
    dropped: AtomicU64,
    /// The tail is no more: its viewer is told good-bye.
    pub(crate) over: CancellationToken,
}

/// Where a viewer's messages come out.
pub(crate) struct Messages {
    viewer: Arc<Viewer>,
    receiver: mpsc::Receiver<String>,
}

impl Viewer {
    pub(crate) fn new(script: &str, filters: Filters) -> (Arc<Self>, Messages) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        let viewer = Arc::new(Self {
            script: script.to_owned(),
            filters,
            pace: Mutex::new(Pace::new(0)),
            began: Instant::now(),
            sender,
            waiting_bytes: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            over: CancellationToken::new(),
        });
        (Arc::clone(&viewer), Messages { viewer, receiver })
    }

    /// Shows an invocation to the viewer, if it wants it and there is room. Never waits.
    pub(crate) fn offer(&self, seen: &Seen) {
        if !self.filters.pass(seen, rand::random) {
            return;
        }
        let verdict = self.pace.lock().message(self.now_ms(), rand::random());
        self.tell(verdict.notice);
        if !verdict.send {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        } else if !self.push(&message::of(seen)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            let notice = self.pace.lock().blocked();
            self.tell(notice);
        }
    }

    /// Time has passed.
    pub(crate) fn tick(&self) {
        let notice = self.pace.lock().tick(self.now_ms());
        self.tell(notice);
    }

    fn tell(&self, notice: Option<Notice>) {
        let (kind, text) = match notice {
            Some(Notice::Overload) => (
                "overload",
                "Tail is currently in sampling mode due to the high volume of messages. To prevent messages from being dropped consider adding filters.",
            ),
            Some(Notice::OverloadStop) => {
                ("overload-stop", "Tail has exited sampling mode and is no longer dropping messages.")
            }
            None => return,
        };
        let dropped = self.dropped.load(Ordering::Relaxed);
        self.push(&message::notice(&self.script, kind, text, dropped));
    }

    fn push(&self, message: &Value) -> bool {
        let text = message.to_string();
        let bytes = text.len();
        let before = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let pushed = before + bytes <= MAX_WAITING_BYTES && self.sender.try_send(text).is_ok();
        if !pushed {
            self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        pushed
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

impl Messages {
    /// The next message.
    pub(crate) async fn next(&mut self) -> Option<String> {
        let text = self.receiver.recv().await?;
        self.viewer.waiting_bytes.fetch_sub(text.len(), Ordering::Relaxed);
        Some(text)
    }

    pub(crate) fn viewer(&self) -> &Arc<Viewer> {
        &self.viewer
    }
}

#[cfg(test)]
mod tests {
    use super::super::pace::MOST_A_SECOND;
    use super::*;
    use crate::seen::tests::{quiet, seen};

    #[tokio::test]
    async fn a_flood_leaves_a_sample_a_notice_and_a_count() {
        let seen = seen(quiet());
        let (viewer, mut messages) = Viewer::new("demo", Filters::default());
        for _ in 0..5000 {
            viewer.offer(&seen);
        }
        let dropped = viewer.dropped.load(Ordering::Relaxed);
        assert!(dropped >= 5000 - 3 * u64::from(MOST_A_SECOND), "{dropped}");
        let mut kinds = Vec::new();
        while viewer.waiting_bytes.load(Ordering::Relaxed) > 0 {
            let message: Value = serde_json::from_str(&messages.next().await.unwrap()).unwrap();
            kinds.extend(message["event"]["type"].as_str().map(str::to_owned));
        }
        assert_eq!(kinds, ["overload"]);
    }

    #[tokio::test]
    async fn who_does_not_read_costs_a_bounded_amount() {
        let mut trace = quiet();
        let long = format!("[\"{}\"]", "x".repeat(200 << 10));
        trace.logs = vec![crate::seen::tests::log(hearth_rpc::LogLevel::Log, &long)];
        let seen = seen(trace);
        let (viewer, _messages) = Viewer::new("demo", Filters::default());
        for _ in 0..100 {
            viewer.offer(&seen);
        }
        assert!(viewer.waiting_bytes.load(Ordering::Relaxed) <= MAX_WAITING_BYTES);
        assert!(viewer.dropped.load(Ordering::Relaxed) >= 80);
    }
}
