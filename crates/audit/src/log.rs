//! The log of a running server: entries are written together, and who has to know waits until they are.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use crate::entry::Entry;
use crate::file::{self, File};
use crate::query::Filter;

/// Entries that wait to be written. Beyond that, callers wait.
const WAITING: usize = 4096;

/// Most entries of one transaction.
const TOGETHER: usize = 512;

/// How long entries that nobody waits for are gathered.
const LULL: Duration = Duration::from_millis(100);

/// Entries after which what is too old or too much goes.
const BETWEEN_PRUNES: usize = 1000;

/// How often that is looked at though nothing happens.
const HOUR: Duration = Duration::from_secs(3600);

/// What an operator may set.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file.
    pub path: PathBuf,
    /// How long entries are kept.
    pub retention: Duration,
    /// Bytes of all entries together. Beyond that the oldest go of the account that has most, so that no account pushes
    /// out what others did.
    pub most_bytes: u64,
}

/// What went wrong; the text is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file.
    #[error("the audit log: {0}")]
    Database(#[from] rusqlite::Error),
    /// A newer Hearth wrote it.
    #[error(
        "the audit log has format {found}, this Hearth knows up to {known}: run the newer Hearth that wrote it"
    )]
    TooNew {
        /// Its format.
        found: i64,
        /// The newest that is known.
        known: i64,
    },
}

enum Job {
    /// Who waits, if somebody does.
    Add(Box<Entry>, Option<oneshot::Sender<()>>),
    Flush(oneshot::Sender<()>),
}

/// The log. Clones are the same.
#[derive(Clone)]
pub struct Log(Arc<Inner>);

struct Inner {
    jobs: mpsc::Sender<Job>,
    reader: Arc<Mutex<Connection>>,
}

impl Log {
    /// Opens the file, and makes it if it is not there. It belongs to a runtime: its writer is a task.
    ///
    /// # Errors
    /// It cannot be read or written.
    pub fn open(config: &Config) -> Result<Self, LogError> {
        Self::begin(config, HOUR)
    }

    /// What is too old goes after that time in any case.
    fn begin(config: &Config, prune: Duration) -> Result<Self, LogError> {
        let mut file = File::open(&config.path)?;
        let reader = Arc::new(Mutex::new(File::reader(&config.path)?));
        file.prune(oldest(config.retention), config.most_bytes)?;
        let (jobs, waiting) = mpsc::channel(WAITING);
        tokio::spawn(keep(waiting, Arc::new(Mutex::new(file)), config.clone(), prune));
        Ok(Self(Arc::new(Inner { jobs, reader })))
    }

    /// Adds an entry, and returns when it is on the disk.
    pub async fn add(&self, entry: Entry) {
        let (done, written) = oneshot::channel();
        if self.0.jobs.send(Job::Add(Box::new(entry), Some(done))).await.is_ok() {
            // The writer says so even where it could not; the log has why.
            let _ = written.await;
        }
    }

    /// Adds an entry, which is on the disk a tenth of a second later or when the server stops in order. It waits only where
    /// more entries come than the disk takes.
    pub async fn add_soon(&self, entry: Entry) {
        let _ = self.0.jobs.send(Job::Add(Box::new(entry), None)).await;
    }

    /// Returns when all that was added before is on the disk.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.0.jobs.send(Job::Flush(done)).await.is_ok() {
            let _ = written.await;
        }
    }

    /// A page of the entries that fit, and how many there are of them.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn page(&self, filter: Filter, skip: u64, limit: u64) -> Result<(Vec<Entry>, u64), LogError> {
        self.read(move |connection| {
            let found = file::find(connection, &filter, None, skip, limit)?;
            let entries = found.into_iter().map(|(_, entry)| entry).collect();
            Ok((entries, file::count(connection, &filter)?))
        })
        .await
    }

    /// The entries that fit and come after the one of a number, with their own.
    ///
    /// # Errors
    /// The file cannot be read.
    pub async fn after(
        &self,
        filter: Filter,
        after: Option<i64>,
        limit: u64,
    ) -> Result<Vec<(i64, Entry)>, LogError> {
        self.read(move |connection| file::find(connection, &filter, after, 0, limit)).await
    }

    /// Writes a copy of the file that is whole.
    ///
    /// # Errors
    /// It cannot be read, or the copy not be written.
    pub async fn snapshot(&self, to: &Path) -> Result<(), LogError> {
        self.flush().await;
        let to = to.to_string_lossy().into_owned();
        self.read(move |connection| Ok(connection.execute("VACUUM INTO ?1", [to]).map(drop)?)).await
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, LogError> {
        let reader = Arc::clone(&self.0.reader);
        match tokio::task::spawn_blocking(move || work(&reader.lock())).await {
            Ok(found) => found,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

fn oldest(retention: Duration) -> i64 {
    let kept = i64::try_from(retention.as_micros()).unwrap_or(i64::MAX);
    Timestamp::now().as_microsecond().saturating_sub(kept)
}

/// Writes what comes, until nobody can send any more.
async fn keep(mut jobs: mpsc::Receiver<Job>, file: Arc<Mutex<File>>, config: Config, every: Duration) {
    let mut since = 0;
    let mut due = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        // What is too old goes though nothing happens.
        let first = tokio::select! {
            first = jobs.recv() => match first { Some(first) => first, None => return },
            _ = due.tick() => {
                since = BETWEEN_PRUNES;
                Job::Flush(oneshot::channel().0)
            }
        };
        let (mut entries, mut waiting) = (Vec::new(), Vec::new());
        let mut take = |job: Job, entries: &mut Vec<Entry>| match job {
            Job::Add(entry, done) => {
                entries.push(*entry);
                waiting.extend(done);
                !waiting.is_empty()
            }
            Job::Flush(done) => {
                waiting.push(done);
                true
            }
        };
        let mut awaited = take(first, &mut entries);
        let mut lull = std::pin::pin!(sleep(LULL));
        while !awaited && entries.len() < TOGETHER {
            tokio::select! {
                next = jobs.recv() => match next {
                    Some(job) => awaited = take(job, &mut entries),
                    None => break,
                },
                () = &mut lull => break,
            }
        }
        while entries.len() < TOGETHER
            && let Ok(job) = jobs.try_recv()
        {
            take(job, &mut entries);
        }
        since += entries.len();
        let prune = since >= BETWEEN_PRUNES;
        if prune {
            since = 0;
        }
        let (file, most, oldest) = (Arc::clone(&file), config.most_bytes, oldest(config.retention));
        let written = tokio::task::spawn_blocking(move || {
            let mut file = file.lock();
            file.add(&entries)?;
            if prune { file.prune(oldest, most) } else { Ok(()) }
        });
        match written.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "changes are missing from the audit log"),
            Err(error) => tracing::error!(%error, "changes are missing from the audit log"),
        }
        for done in waiting {
            // One who no longer waits does not mind.
            let _ = done.send(());
        }
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
