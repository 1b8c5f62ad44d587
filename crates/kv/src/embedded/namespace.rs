//! What is in memory of a namespace: who writes to it, and when something in it expires.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::files::Staged;
use crate::rules::Key;
use crate::store::{Attributes, EngineError};

/// Writes that may wait for one namespace.
const MAX_WAITING: usize = 4096;
/// Bytes of values that may wait for one namespace, one bulk call of any size beside them.
const MAX_WAITING_BYTES: usize = 32 << 20;
/// Most writes of one commit.
const MAX_BATCH: usize = 512;
/// Bytes of values after which a commit takes no more writes.
const MAX_BATCH_BYTES: usize = 8 << 20;

/// A namespace.
pub(super) struct Namespace {
    /// Its id, which names its files.
    pub(super) id: String,
    /// Names it in memory; never given twice in the life of the process.
    pub(super) number: u64,
    /// A time before which nothing expires, in seconds since 1970.
    pub(super) next_expiry: AtomicI64,
    /// About how many bytes its log has got since it was last copied into the database.
    pub(super) logged: AtomicUsize,
    /// Bytes of entries that went away since somebody looked how many free pages there are.
    pub(super) freed: AtomicUsize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Write>,
    bytes: usize,
    /// Whether somebody commits, and will look again.
    active: bool,
    /// Deleted: nothing more is taken.
    dead: bool,
    /// Snapshots in the making, which still need files that no row names any more.
    holds: usize,
    held: Vec<String>,
}

/// What one caller wants written; it is acknowledged as a whole.
pub(super) struct Write {
    pub(super) steps: Vec<Step>,
    /// Told when it is on disk. Whoever does not listen any more does not matter.
    pub(super) done: oneshot::Sender<Result<(), EngineError>>,
}

/// One change of a transaction.
pub(super) enum Step {
    Put {
        key: Key,
        value: New,
        attributes: Attributes,
    },
    Delete(Key),
    /// Reclaims what has expired at a time.
    Expire {
        now: i64,
    },
    /// Gives free pages back to the disk, some of them; `begun` when that was found to be worth it.
    Shrink {
        begun: bool,
    },
    /// Ends the namespace; always alone in its write.
    Destroy,
}

/// A value that is to be written.
pub(super) enum New {
    Inline(Bytes),
    File(Staged),
}

impl Write {
    pub(super) fn bytes(&self) -> usize {
        let step = |step: &Step| match step {
            Step::Put { value: New::Inline(value), .. } => value.len(),
            _ => 0,
        };
        self.steps.iter().map(step).sum()
    }

    fn is_destruction(&self) -> bool {
        matches!(self.steps[..], [Step::Destroy])
    }
}

/// What the one who commits does next.
pub(super) enum Next {
    Commit(Vec<Write>),
    Destroy(Write),
    /// Nothing waits; the role is given up.
    Rest,
}

impl Namespace {
    pub(super) fn new(id: String, number: u64) -> Self {
        Self {
            id,
            number,
            next_expiry: AtomicI64::new(i64::MAX),
            logged: AtomicUsize::new(0),
            freed: AtomicUsize::new(0),
            queue: Mutex::default(),
        }
    }

    /// Whether it is deleted, or about to be.
    pub(super) fn is_dead(&self) -> bool {
        self.queue.lock().dead
    }

    /// Queues a write. When nobody commits, `start` gets somebody to.
    ///
    /// # Errors
    /// It is deleted, or too much waits; what `start` says.
    pub(super) fn submit(
        &self,
        write: Write,
        start: impl FnOnce() -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let mut queue = self.queue.lock();
        if queue.dead {
            return Err(EngineError::NoNamespace);
        }
        let bytes = write.bytes();
        let is_full = queue.waiting.len() >= MAX_WAITING
            || (queue.bytes > 0 && queue.bytes + bytes > MAX_WAITING_BYTES);
        // The last write is always taken: it makes room.
        if is_full && !write.is_destruction() {
            return Err(EngineError::Overloaded);
        }
        if !queue.active {
            start()?;
            queue.active = true;
        }
        queue.dead |= write.is_destruction();
        queue.bytes += bytes;
        queue.waiting.push_back(write);
        Ok(())
    }

    /// Takes what the next commit writes.
    pub(super) fn next(&self) -> Next {
        let mut queue = self.queue.lock();
        let mut batch = Vec::new();
        let mut bytes = 0;
        while batch.len() < MAX_BATCH && bytes < MAX_BATCH_BYTES {
            match queue.waiting.pop_front() {
                Some(last) if last.is_destruction() && batch.is_empty() => return Next::Destroy(last),
                Some(last) if last.is_destruction() => {
                    queue.waiting.push_front(last);
                    break;
                }
                Some(write) => {
                    bytes += write.bytes();
                    batch.push(write);
                }
                None => break,
            }
        }
        queue.bytes -= bytes;
        if batch.is_empty() {
            queue.active = false;
            return Next::Rest;
        }
        Next::Commit(batch)
    }

    /// The one who commits is gone for good: what waits is told so.
    pub(super) fn abandon(&self) {
        let waiting = {
            let mut queue = self.queue.lock();
            queue.active = false;
            queue.bytes = 0;
            std::mem::take(&mut queue.waiting)
        };
        for write in waiting {
            let _ = write.done.send(Err(EngineError::Failed("a thread of KV panicked".to_owned())));
        }
    }

    /// From now on files are kept though no row names them.
    pub(super) fn hold(&self) {
        self.queue.lock().holds += 1;
    }

    /// Ends a [`Namespace::hold`]; what only it kept is returned.
    pub(super) fn release(&self) -> Vec<String> {
        let mut queue = self.queue.lock();
        queue.holds -= 1;
        if queue.holds == 0 { std::mem::take(&mut queue.held) } else { Vec::new() }
    }

    /// Which of the files that no row names any more can be unlinked now.
    pub(super) fn unlinkable(&self, files: Vec<String>) -> Vec<String> {
        let mut queue = self.queue.lock();
        if queue.holds == 0 {
            return files;
        }
        queue.held.extend(files);
        Vec::new()
    }

    /// Something in it expires at a time.
    pub(super) fn expires_at(&self, at: i64) {
        self.next_expiry.fetch_min(at, Ordering::Relaxed);
    }
}
