//! Tells whoever cares that a process has ended: the jailer is the parent, so the news comes from there.

use std::collections::HashMap;

use hearth_jail::{Exit, ExitCause};
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ExitNotice {
    pub cause: ExitCause,
    /// The kernel killed it for its memory.
    pub oom: bool,
}

/// Processes by their jail's id.
#[derive(Default)]
pub(crate) struct Exits {
    waiting: Mutex<HashMap<String, watch::Sender<Option<ExitNotice>>>>,
}

impl Exits {
    /// To be called before the spawn, so that no exit is missed.
    pub(crate) fn register(&self, id: &str) -> watch::Receiver<Option<ExitNotice>> {
        let (sender, receiver) = watch::channel(None);
        self.waiting.lock().insert(id.to_owned(), sender);
        receiver
    }

    /// Passes the jailer's news on until it ends.
    pub(crate) async fn run(&self, mut news: mpsc::UnboundedReceiver<Exit>) {
        while let Some(Exit { id, cause, oom }) = news.recv().await {
            if let Some(sender) = self.waiting.lock().remove(&id) {
                sender.send_replace(Some(ExitNotice { cause, oom }));
            }
        }
    }
}
