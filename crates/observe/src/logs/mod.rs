//! Logs that are kept: of workers whose settings ask for it, what they printed, threw, and each invocation, to be asked
//! for over Cloudflare's Workers Observability endpoints.
//!
//! Each account has a folder of segments: SQLite files, one after the other, each for a day at most and of a bounded
//! size. What is too old or too much goes by the file, oldest first, so that nothing is ever deleted out of one. One
//! thread writes what has gathered in a moment in one transaction; a disk that is slow or full loses logs, which is
//! counted, and holds up nothing. Queries read the segments of their time on threads of their own.

mod api;
mod calculate;
mod find;
mod query;
mod record;
mod scan;
mod segment;
mod threads;
mod writer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hearth_model::AccountId;
use hearth_space::Space;

pub(crate) use api::operations;

use crate::seen::Seen;
use crate::settings::Observability;
use threads::{Overloaded, Threads};
use writer::Writer;

/// How logs are kept.
#[derive(Clone)]
pub struct Config {
    /// The folder.
    pub folder: PathBuf,
    /// How long they are kept. Cloudflare's: 7 days.
    pub retention: Duration,
    /// Bytes on disk that one account's may take; where it has a quota, no more than an eighth of that.
    pub account_bytes: u64,
    /// What the disk must have left for others, and what an account may have.
    pub space: Space,
}

impl Config {
    /// The defaults: 7 days, 1 GiB for each account.
    pub fn new(folder: impl Into<PathBuf>, space: Space) -> Self {
        let retention = Duration::from_secs(7 * 24 * 3600);
        Self { folder: folder.into(), retention, account_bytes: 1 << 30, space }
    }
}

/// Queries at a time.
const READERS: usize = 2;

/// Queries that may wait.
const WAITING: usize = 16;

/// The logs of all accounts. Clones are the same logs.
#[derive(Clone)]
pub struct Logs(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    writer: Writer,
    readers: Threads,
}

impl Logs {
    /// Opens the folder and begins to write.
    ///
    /// # Errors
    /// The folder cannot be made, or the system has no thread for us.
    pub fn open(config: Config) -> io::Result<Self> {
        std::fs::create_dir_all(&config.folder)?;
        let folder = config.folder.clone();
        let writer = Writer::start(config)?;
        let readers = Threads::start("logs-read", READERS, WAITING)?;
        Ok(Self(Arc::new(Inner { folder, writer, readers })))
    }

    /// Keeps an invocation, if there is room. Never waits.
    pub(crate) fn offer(&self, seen: Seen, wanted: Observability) {
        self.0.writer.offer(seen, wanted);
    }

    /// Waits until what was offered is written.
    pub async fn flush(&self) {
        self.0.writer.flush().await;
    }

    /// Runs a job on an account's folder, on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        account: &AccountId,
        job: impl FnOnce(PathBuf) -> T + Send + 'static,
    ) -> Result<T, Overloaded> {
        let folder = self.0.folder.join(account.as_str());
        self.0.readers.call(move || job(folder)).await
    }
}
