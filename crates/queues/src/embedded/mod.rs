//! The engine that needs nothing installed: a folder with one SQLite file for each queue, `<queue>.db`.
//!
//! Every operation, reads included, stands in line at its queue (`lane.rs`), where a thread does whatever waits in one
//! transaction (`rows.rs`). `keeper` in [`crate::Queues`] has each queue reclaim what is too old.

mod database;
mod lane;
mod rows;
#[cfg(test)]
mod tests;
mod threads;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use hearth_space::Space;
use jiff::Timestamp;
use parking_lot::RwLock;
use rusqlite::{Connection, OpenFlags};
use tokio::sync::watch;

use crate::store::{Engine, EngineError, Exchanged, Message, Metrics, NewMessage, Patience, Settled, Take};
use database::{Databases, database, io as failed};
use lane::Lane;
use rows::Transaction;
use threads::Threads;

/// Gives the time in milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The system's clock.
pub fn system_clock() -> Clock {
    Arc::new(|| Timestamp::now().as_millisecond())
}

/// What a queue takes on disk, about, in bytes.
pub(crate) fn usage(metrics: &Metrics) -> u64 {
    metrics.bytes + metrics.count * rows::ROW
}

/// Settings of the embedded engine.
#[derive(Clone)]
pub struct Config {
    /// The folder; made when it is not there.
    pub folder: PathBuf,
    /// Most open databases, each 3 descriptors and up to 2 MiB. At least one for each thread. Default: 128.
    pub databases: usize,
    /// Threads; they mostly wait for the disk. Default: 6.
    pub threads: usize,
    /// Queues that wait for a thread; then calls are refused. Default: 4096.
    pub queue: usize,
    /// Says how much may be written, and hears what is there. Default: as much as there is.
    pub space: Space,
    /// The time.
    pub clock: Clock,
}

impl Config {
    /// The defaults for a folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            databases: 128,
            threads: 6,
            queue: 4096,
            space: Space::unbounded(),
            clock: system_clock(),
        }
    }
}

/// The engine. Its threads end some time after it is dropped.
pub struct Embedded(Arc<Shared>);

struct Shared {
    folder: PathBuf,
    space: Space,
    clock: Clock,
    databases: Databases,
    threads: Threads,
    lanes: RwLock<HashMap<String, Arc<Lane>>>,
    next: AtomicU64,
}

impl Embedded {
    /// Opens the folder. `queues` are all that exist: what the folder has of others is removed.
    ///
    /// # Errors
    /// The folder cannot be made or read, or the system has no threads for us.
    pub fn open(config: Config, queues: impl IntoIterator<Item = String>) -> io::Result<Self> {
        fs::create_dir_all(&config.folder)?;
        let most = config.databases.max(config.threads);
        let shared = Arc::new(Shared {
            space: config.space,
            clock: config.clock,
            databases: Databases::new(config.folder.clone(), most),
            threads: Threads::start(config.threads, config.queue)?,
            lanes: RwLock::default(),
            next: 0.into(),
            folder: config.folder,
        });
        for id in queues {
            shared.add(id);
        }
        shared.collect()?;
        Ok(Self(shared))
    }

    /// Runs work in a queue's next transaction.
    async fn call<T: Send + 'static>(
        &self,
        queue: &str,
        bytes: usize,
        work: impl FnOnce(&mut Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, EngineError> {
        let lane = self.0.lane(queue)?;
        let answer = lane.submit(bytes, work, || self.0.drain(&lane))?;
        answer.await.unwrap_or_else(|_| Err(EngineError::Failed("an operation was forgotten".to_owned())))
    }
}

impl Shared {
    fn add(&self, id: String) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut lanes = self.lanes.write();
        lanes.entry(id).or_insert_with_key(|id| Arc::new(Lane::new(id.clone(), number)));
    }

    fn lane(&self, id: &str) -> Result<Arc<Lane>, EngineError> {
        self.lanes.read().get(id).cloned().ok_or(EngineError::NoQueue)
    }

    /// Gets a thread to do what waits.
    fn drain(self: &Arc<Self>, lane: &Arc<Lane>) -> Result<(), EngineError> {
        let (shared, lane) = (Arc::clone(self), Arc::clone(lane));
        self.threads.run(move || lane::drain(&shared, &lane))
    }

    /// Removes what is left of queues that were deleted.
    fn collect(&self) -> io::Result<()> {
        let lanes = self.lanes.read();
        for entry in fs::read_dir(&self.folder)? {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|name| name.rsplit_once('.')).map(|(id, _)| id);
            if id.is_some_and(|id| !lanes.contains_key(id)) {
                tracing::info!(file = ?name, "removing what is left of a deleted queue");
                fs::remove_file(self.folder.join(&name))?;
            }
        }
        Ok(())
    }
}

/// Removes a queue's files, the database first: without it nothing of the rest can be seen.
fn remove_from_disk(folder: &Path, id: &str) -> Result<(), EngineError> {
    for suffix in ["db", "db-wal", "db-shm"] {
        match fs::remove_file(folder.join(format!("{id}.{suffix}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    Ok(())
}

/// Writes a copy of every queue. Each has a connection of its own, so that no queue stops for it.
fn copy_all(shared: &Shared, to: &Path) -> Result<(), EngineError> {
    fs::create_dir_all(to).map_err(failed)?;
    if fs::read_dir(to).map_err(failed)?.next().is_some() {
        return Err(EngineError::Failed(format!("{} is not empty", to.display())));
    }
    let lanes: Vec<_> = shared.lanes.read().values().cloned().collect();
    for lane in lanes {
        let from = shared.databases.path(&lane.id);
        // Nothing was ever sent to it.
        if !from.exists() {
            continue;
        }
        match copy(&from, &to.join(format!("{}.db", lane.id))) {
            // Deleted meanwhile: it belongs into no copy.
            Err(_) if lane.is_dead() => remove_from_disk(to, &lane.id)?,
            other => other?,
        }
    }
    File::open(to).and_then(|folder| folder.sync_all()).map_err(failed)
}

fn copy(from: &Path, to: &Path) -> Result<(), EngineError> {
    let connection =
        Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(database)?;
    connection.busy_timeout(std::time::Duration::from_secs(10)).map_err(database)?;
    let path = to.to_str().ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?;
    connection.execute("VACUUM INTO ?1", [path]).map_err(database)?;
    File::open(to).and_then(|file| file.sync_all()).map_err(failed)
}

#[async_trait]
impl Engine for Embedded {
    async fn create(&self, queue: &str) -> Result<(), EngineError> {
        self.0.add(queue.to_owned());
        Ok(())
    }

    async fn destroy(&self, queue: &str) -> Result<(), EngineError> {
        let Some(lane) = self.0.lanes.write().remove(queue) else { return Ok(()) };
        // What the last transaction leaves is removed after it; if that fails, the next start removes it.
        let last = lane.end(|_| Ok(()), || self.0.drain(&lane))?;
        let _ = last.await;
        let shared = Arc::clone(&self.0);
        let removed = tokio::task::spawn_blocking(move || remove_from_disk(&shared.folder, &lane.id));
        removed.await.unwrap_or_else(|error| Err(EngineError::Failed(error.to_string())))
    }

    async fn send(&self, queue: &str, messages: Vec<NewMessage>) -> Result<Metrics, EngineError> {
        let bytes: usize = messages.iter().map(|message| message.body.len()).sum();
        let size = bytes as u64 + rows::ROW * messages.len() as u64;
        let _admitted = self.0.space.admit(queue, size)?;
        self.call(queue, bytes, move |transaction| rows::send(transaction, &messages)).await
    }

    async fn exchange(
        &self,
        queue: &str,
        settled: Vec<Settled>,
        take: Option<Take>,
        patience: Patience,
    ) -> Result<Exchanged, EngineError> {
        self.call(queue, 0, move |transaction| rows::exchange(transaction, &settled, take, patience)).await
    }

    async fn dead(&self, queue: &str, most: usize) -> Result<Vec<Message>, EngineError> {
        self.call(queue, 0, move |transaction| rows::dead(transaction, most)).await
    }

    async fn remove(&self, queue: &str, sequences: Vec<i64>) -> Result<usize, EngineError> {
        self.call(queue, 0, move |transaction| rows::remove(transaction, &sequences)).await
    }

    async fn peek(&self, queue: &str, most: usize) -> Result<Vec<Message>, EngineError> {
        self.call(queue, 0, move |transaction| rows::peek(transaction, most)).await
    }

    async fn metrics(&self, queue: &str) -> Result<Metrics, EngineError> {
        self.call(queue, 0, |transaction| rows::metrics(transaction)).await
    }

    async fn purge(&self, queue: &str) -> Result<(), EngineError> {
        self.call(queue, 0, rows::purge).await
    }

    async fn expire(&self, queue: &str, retention: i64) -> Result<(), EngineError> {
        let lane = self.0.lane(queue)?;
        loop {
            if lane.oldest.load(Ordering::Relaxed) > (self.0.clock)() - retention {
                return Ok(());
            }
            let expire = move |transaction: &mut Transaction<'_>| rows::expire(transaction, retention);
            if self.call(queue, 0, expire).await? < rows::EXPIRE_AT_ONCE {
                return Ok(());
            }
        }
    }

    fn arrivals(&self, queue: &str) -> Result<watch::Receiver<u64>, EngineError> {
        Ok(self.0.lane(queue)?.arrived.subscribe())
    }

    async fn snapshot(&self, to: &Path) -> Result<(), EngineError> {
        let (shared, to) = (Arc::clone(&self.0), to.to_owned());
        tokio::task::spawn_blocking(move || copy_all(&shared, &to))
            .await
            .unwrap_or_else(|error| Err(EngineError::Failed(error.to_string())))
    }
}
