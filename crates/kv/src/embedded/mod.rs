//! The engine that needs nothing installed: a folder with one SQLite file per namespace.
//!
//! ```text
//! <namespace>.db         rows: key, expiration, metadata, and the value up to INLINE bytes
//! <namespace>.values/    larger values, a file each, which a row names
//! ```
//!
//! A read looks into `cache`, else a thread of `reads` asks the database (`reader`). A write queues at its namespace
//! and a thread of `writes` commits it together with whatever else waits there (`writer`). `keeper` reclaims what has
//! expired and what crashes left.

mod cache;
mod connections;
mod files;
mod keeper;
mod namespace;
mod reader;
mod snapshot;
#[cfg(test)]
mod tests;
mod threads;
mod writer;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use hearth_space::{Admitted, Space};
use parking_lot::RwLock;
use tokio::sync::oneshot;

use crate::rules::Key;
use crate::store::{Attributes, Change, Engine, EngineError, Entry, Incoming, Listing, Query, Usage, Value};
use cache::{Cache, Cached, MAX_CACHED};
use connections::{Connections, database, io as failed};
use files::{Files, Staged};
use namespace::{Namespace, New, Step, Write};
use reader::Held;
use threads::Threads;

/// The default of [`Config::inline`], as `benches/threshold.rs` measured it.
const INLINE: usize = 128 << 10;

/// Gives the time in seconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The system's clock.
pub fn system_clock() -> Clock {
    Arc::new(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// Settings of the embedded engine.
#[derive(Clone)]
pub struct Config {
    /// The folder; made when it is not there.
    pub folder: PathBuf,
    /// Most open databases, each 3 descriptors and up to 1 MiB. At least one for each thread. Default: 256.
    pub connections: usize,
    /// Most values open as files at a time; then calls are refused. Default: 512.
    pub files: usize,
    /// Threads that read. Default: 4.
    pub readers: usize,
    /// Threads that write; they mostly wait for the disk. Default: 6.
    pub writers: usize,
    /// Calls that wait for a thread of either kind; then calls are refused. Default: 4096.
    pub queue: usize,
    /// Bytes of small values in memory. Default: 64 MiB.
    pub cache: usize,
    /// Longest value that lies in its row, in bytes; longer ones are files. Default: 128 KiB.
    pub inline: usize,
    /// Says how much may be written, and hears what is there. Default: as much as there is.
    pub space: Space,
    /// How often expired keys are looked for. Default: 10 s.
    pub sweep_every: Duration,
    /// The time.
    pub clock: Clock,
}

impl Config {
    /// The defaults for a folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            connections: 256,
            files: 512,
            readers: 4,
            writers: 6,
            queue: 4096,
            cache: 64 << 20,
            inline: INLINE,
            space: Space::unbounded(),
            sweep_every: Duration::from_secs(10),
            clock: system_clock(),
        }
    }
}

/// The engine. Its threads end some time after it is dropped.
pub struct Embedded {
    shared: Arc<Shared>,
    _keeper: keeper::Keeper,
}

struct Shared {
    folder: PathBuf,
    space: Space,
    inline: usize,
    clock: Clock,
    connections: Connections,
    files: Arc<Files>,
    cache: Cache,
    reads: Arc<Threads>,
    writes: Arc<Threads>,
    namespaces: RwLock<HashMap<String, Arc<Namespace>>>,
    next: AtomicU64,
}

impl Embedded {
    /// Opens the folder. `namespaces` are all that exist: what the folder has of others is removed.
    ///
    /// # Errors
    /// The folder cannot be made, or the system has no threads for us.
    pub fn open(config: Config, namespaces: impl IntoIterator<Item = String>) -> io::Result<Self> {
        fs::create_dir_all(&config.folder)?;
        let most = config.connections.max(config.readers + config.writers + 2);
        let shared = Arc::new(Shared {
            space: config.space,
            inline: config.inline,
            clock: config.clock,
            connections: Connections::new(config.folder.clone(), most),
            files: Arc::new(Files::new(config.folder.clone(), config.files)),
            cache: Cache::new(config.cache),
            reads: Arc::new(Threads::start("kv-read", config.readers, config.queue)?),
            writes: Arc::new(Threads::start("kv-write", config.writers, config.queue)?),
            namespaces: RwLock::default(),
            next: 0.into(),
            folder: config.folder,
        });
        for id in namespaces {
            shared.add(id);
        }
        let keeper = keeper::Keeper::start(&shared, config.sweep_every)?;
        Ok(Self { shared, _keeper: keeper })
    }

    /// Runs a read on a thread for it.
    async fn read<T: Send + 'static>(
        &self,
        namespace: &Arc<Namespace>,
        nothing: T,
        read: impl FnOnce(&Shared, &Namespace, &rusqlite::Connection) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let (shared, namespace) = (Arc::clone(&self.shared), Arc::clone(namespace));
        let job = move || reader::with(&shared, &namespace, nothing, |c| read(&shared, &namespace, c));
        self.shared.reads.call(job).await
    }

    async fn write(&self, namespace: &Arc<Namespace>, steps: Vec<Step>) -> Result<(), EngineError> {
        let (done, answer) = oneshot::channel();
        self.shared.submit(namespace, Write { steps, done })?;
        answer.await.unwrap_or_else(|_| Err(EngineError::Failed("a write was forgotten".to_owned())))
    }

    /// Gathers a value: in memory when it is small, else in a file. What comes has to be admitted.
    async fn gather(
        &self,
        namespace: &Namespace,
        value: Incoming,
        admitted: &mut Admitted,
    ) -> Result<New, EngineError> {
        let mut pieces = value.pieces;
        let mut gathered = Vec::new();
        let mut bytes = 0;
        // Who says that it is large need not be waited for.
        let is_large = value.length.is_some_and(|length| length > self.shared.inline as u64);
        while !is_large && bytes <= self.shared.inline {
            let Some(piece) = pieces.next().await else {
                if value.length.is_none() {
                    admitted.more(bytes as u64)?;
                }
                return Ok(New::Inline(joined(gathered, bytes)));
            };
            let piece = piece.map_err(EngineError::Broken)?;
            bytes += piece.len();
            gathered.push(piece);
        }
        let unannounced = value.length.is_none().then_some(admitted);
        self.stage(namespace, gathered, pieces, unannounced).await
    }

    async fn stage(
        &self,
        namespace: &Namespace,
        mut gathered: Vec<Bytes>,
        mut pieces: futures::stream::BoxStream<'static, Result<Bytes, String>>,
        mut unannounced: Option<&mut Admitted>,
    ) -> Result<New, EngineError> {
        let _permit = self.shared.files.permit()?;
        let (shared, id) = (Arc::clone(&self.shared), namespace.id.clone());
        let create = move || shared.files.create(&id, Arc::clone(&shared.writes));
        let mut staged = self.shared.writes.call(create).await?;
        let mut bytes: usize = gathered.iter().map(Bytes::len).sum();
        loop {
            let piece = pieces.next().await.transpose().map_err(EngineError::Broken)?;
            let is_last = piece.is_none();
            if let Some(piece) = piece {
                bytes += piece.len();
                gathered.push(piece);
            }
            if files::is_full(bytes) || is_last {
                let part = std::mem::take(&mut gathered);
                if let Some(admitted) = &mut unannounced {
                    admitted.more(bytes as u64)?;
                }
                bytes = 0;
                staged = self.shared.write_part(staged, part, is_last).await?;
            }
            if is_last {
                return Ok(New::File(staged));
            }
        }
    }
}

/// Bytes that count for an entry.
fn entry_size(key: &Key, attributes: &Attributes, value: u64) -> u64 {
    (key.as_str().len() + attributes.metadata.as_deref().map_or(0, str::len)) as u64 + value
}

fn joined(mut pieces: Vec<Bytes>, bytes: usize) -> Bytes {
    if pieces.len() == 1 {
        return pieces.swap_remove(0);
    }
    let mut whole = BytesMut::with_capacity(bytes);
    pieces.iter().for_each(|piece| whole.extend_from_slice(piece));
    whole.freeze()
}

impl Shared {
    fn now(&self) -> i64 {
        (self.clock)()
    }

    fn add(&self, id: String) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut namespaces = self.namespaces.write();
        namespaces.entry(id).or_insert_with_key(|id| Arc::new(Namespace::new(id.clone(), number)));
    }

    fn namespace(&self, id: &str) -> Result<Arc<Namespace>, EngineError> {
        self.namespaces.read().get(id).cloned().ok_or(EngineError::NoNamespace)
    }

    fn submit(self: &Arc<Self>, namespace: &Arc<Namespace>, write: Write) -> Result<(), EngineError> {
        namespace.submit(write, || self.drain(namespace))
    }

    /// Gets a thread to commit what waits.
    fn drain(self: &Arc<Self>, namespace: &Arc<Namespace>) -> Result<(), EngineError> {
        let (shared, namespace) = (Arc::clone(self), Arc::clone(namespace));
        self.writes.run(move || writer::drain(&shared, &namespace))
    }

    /// Has a namespace reclaim what has expired. What cannot be queued, the next sweep finds again.
    fn expire(self: &Arc<Self>, namespace: &Arc<Namespace>) {
        let step = Step::Expire { now: self.now() };
        let _ = self.submit(namespace, Write { steps: vec![step], done: oneshot::channel().0 });
    }

    /// Has a namespace give back free pages. What cannot be queued, the next deletions ask for again.
    fn shrink(self: &Arc<Self>, namespace: &Arc<Namespace>, begun: bool) {
        let step = Step::Shrink { begun };
        let _ = self.submit(namespace, Write { steps: vec![step], done: oneshot::channel().0 });
    }

    async fn write_part(
        &self,
        mut staged: Staged,
        part: Vec<Bytes>,
        is_last: bool,
    ) -> Result<Staged, EngineError> {
        let job = move || {
            staged.write(&part)?;
            if is_last {
                staged.finish()?;
            }
            Ok(staged)
        };
        self.writes.call(job).await
    }
}

/// Removes a namespace's files, the database first: without it nothing of the rest can be seen.
fn remove_from_disk(folder: &Path, id: &str) -> Result<(), EngineError> {
    for suffix in ["db", "db-wal", "db-shm"] {
        match fs::remove_file(folder.join(format!("{id}.{suffix}"))) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    match fs::remove_dir_all(folder.join(format!("{id}.values"))) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    }
}

#[async_trait]
impl Engine for Embedded {
    async fn create(&self, namespace: &str) -> Result<(), EngineError> {
        self.shared.add(namespace.to_owned());
        Ok(())
    }

    async fn destroy(&self, namespace: &str) -> Result<(), EngineError> {
        let Some(namespace) = self.shared.namespaces.write().remove(namespace) else { return Ok(()) };
        let outcome = self.write(&namespace, vec![Step::Destroy]).await;
        if outcome.is_err() {
            // It is gone for every caller; what is left on disk, the next start removes.
            self.shared.connections.forget(namespace.number);
        }
        outcome
    }

    async fn get(&self, namespace: &str, key: &Key) -> Result<Option<Entry>, EngineError> {
        let namespace = self.shared.namespace(namespace)?;
        let ticket = match self.shared.cache.get(namespace.number, key.as_str()) {
            Ok(Cached::Absent) => return Ok(None),
            Ok(Cached::Present(value, attributes)) => {
                let lives = attributes.expiration.is_none_or(|at| at > self.shared.now());
                return Ok(lives.then_some(Entry { value: Value::Whole(value), attributes }));
            }
            Err(ticket) => ticket,
        };
        let wanted = key.clone();
        let read = move |shared: &Shared, namespace: &Namespace, connection: &rusqlite::Connection| {
            let found = reader::get(shared, namespace, connection, &wanted)?;
            let cached = match &found {
                None => Some(Cached::Absent),
                Some((Held::Inline(value), attributes)) if value.len() <= MAX_CACHED => {
                    Some(Cached::Present(value.clone(), attributes.clone()))
                }
                Some(_) => None,
            };
            if let Some(cached) = cached {
                shared.cache.fill(ticket, namespace.number, wanted.as_str(), cached);
            }
            Ok(found)
        };
        let Some((held, attributes)) = self.read(&namespace, None, read).await? else { return Ok(None) };
        let value = match held {
            Held::Inline(value) => Value::Whole(value),
            Held::File { file, length } => {
                let permit = self.shared.files.permit()?;
                let pieces = files::pieces(file, length, Arc::clone(&self.shared.reads), permit);
                Value::Stream { length, pieces }
            }
        };
        Ok(Some(Entry { value, attributes }))
    }

    async fn get_many(
        &self,
        namespace: &str,
        keys: Vec<Key>,
        most: u64,
    ) -> Result<Vec<Option<(Bytes, Attributes)>>, EngineError> {
        let namespace = self.shared.namespace(namespace)?;
        let nothing = vec![None; keys.len()];
        self.read(&namespace, nothing, move |shared, namespace, connection| {
            reader::get_many(shared, namespace, connection, &keys, most)
        })
        .await
    }

    async fn put(
        &self,
        namespace: &str,
        key: Key,
        attributes: Attributes,
        value: Incoming,
    ) -> Result<(), EngineError> {
        let namespace = self.shared.namespace(namespace)?;
        let size = entry_size(&key, &attributes, value.length.unwrap_or(0));
        let mut admitted = self.shared.space.admit(&namespace.id, size)?;
        let value = self.gather(&namespace, value, &mut admitted).await?;
        self.write(&namespace, vec![Step::Put { key, value, attributes }]).await
    }

    async fn apply(&self, namespace: &str, changes: Vec<Change>) -> Result<(), EngineError> {
        let namespace = self.shared.namespace(namespace)?;
        let size = |change: &Change| match change {
            Change::Put { key, value, attributes } => Some(entry_size(key, attributes, value.len() as u64)),
            Change::Delete(_) => None,
        };
        let sizes: Vec<u64> = changes.iter().filter_map(size).collect();
        let mut steps = Vec::with_capacity(changes.len());
        if sizes.is_empty() {
            let delete =
                |change| if let Change::Delete(key) = change { Some(Step::Delete(key)) } else { None };
            steps.extend(changes.into_iter().filter_map(delete));
            return self.write(&namespace, steps).await;
        }
        let mut admitted = self.shared.space.admit(&namespace.id, sizes.iter().sum())?;
        for change in changes {
            steps.push(match change {
                Change::Delete(key) => Step::Delete(key),
                Change::Put { key, value, attributes } => {
                    let length = Some(value.len() as u64);
                    let pieces = futures::stream::iter([Ok(value)]).boxed();
                    let value = self.gather(&namespace, Incoming { length, pieces }, &mut admitted).await?;
                    Step::Put { key, value, attributes }
                }
            });
        }
        self.write(&namespace, steps).await
    }

    async fn list(&self, namespace: &str, query: Query) -> Result<Listing, EngineError> {
        let namespace = self.shared.namespace(namespace)?;
        let nothing = Listing { keys: Vec::new(), complete: true };
        self.read(&namespace, nothing, move |shared, _, connection| {
            reader::list(connection, &query, shared.now()).map_err(database)
        })
        .await
    }

    async fn usage(&self, namespace: &str) -> Result<Usage, EngineError> {
        let namespace = self.shared.namespace(namespace)?;
        self.read(&namespace, Usage::default(), |_, _, connection| {
            reader::usage(connection).map_err(database)
        })
        .await
    }

    async fn snapshot(&self, to: &Path) -> Result<(), EngineError> {
        let (shared, to) = (Arc::clone(&self.shared), to.to_owned());
        tokio::task::spawn_blocking(move || snapshot::write(&shared, &to))
            .await
            .unwrap_or_else(|error| Err(EngineError::Failed(error.to_string())))
    }
}
