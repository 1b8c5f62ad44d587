//! Which indexes are open: those in use, and of the others the most recently used.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hearth_space::Space;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use super::super::error::{R2Error, Result};
use super::super::registry::Config;
use super::cache;
use super::files::Folder;
use super::index::Index;
use super::pool::Pool;
use super::schema;

/// What a folder is called while its bucket is being reclaimed.
const DELETED: &str = "deleted-";

/// All indexes.
pub(super) struct Indexes {
    root: PathBuf,
    space: Space,
    most: usize,
    pool: Pool,
    cache: Arc<cache::All>,
    open: Mutex<HashMap<String, Arc<Slot>>>,
    clock: AtomicU64,
}

/// One index, or the opening of it, for which all wait who want it.
struct Slot {
    index: OnceCell<Arc<Index>>,
    used: AtomicU64,
}

impl Indexes {
    pub(super) fn new(config: &Config, pool: Pool) -> Self {
        Self {
            root: config.root.clone(),
            space: config.space.clone(),
            most: config.open_indexes.max(1),
            pool,
            cache: cache::All::new(config.cache_bytes),
            open: Mutex::default(),
            clock: AtomicU64::new(0),
        }
    }

    fn folder(&self, bucket: &str) -> Result<Folder> {
        // An id is ours, but it becomes a path.
        let legal = |letter: u8| letter.is_ascii_alphanumeric();
        if bucket.is_empty() || !bucket.bytes().all(legal) {
            return Err(R2Error::NoSuchBucket);
        }
        Ok(Folder::new(self.root.join(bucket), self.space.clone()))
    }

    /// An index, opened if it has to be.
    pub(super) async fn get(&self, bucket: &str) -> Result<Arc<Index>> {
        let (slot, surplus) = self.slot(bucket);
        if !surplus.is_empty() {
            // Closing writes the WAL back: not on this thread, and nobody waits for it.
            tokio::task::spawn_blocking(move || drop(surplus));
        }
        let opened = slot.index.get_or_try_init(|| async {
            let (folder, pool, cache) = (self.folder(bucket)?, self.pool.clone(), self.cache.of(bucket));
            self.pool.run(move || Index::open(folder, pool, cache).map(Arc::new)).await
        });
        match opened.await {
            Ok(index) => Ok(Arc::clone(index)),
            Err(error) => {
                self.open.lock().remove(bucket);
                Err(error)
            }
        }
    }

    /// The slot of a bucket, and what is closed for it.
    fn slot(&self, bucket: &str) -> (Arc<Slot>, Vec<Arc<Slot>>) {
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        let mut open = self.open.lock();
        if let Some(slot) = open.get(bucket) {
            slot.used.store(now, Ordering::Relaxed);
            return (Arc::clone(slot), Vec::new());
        }
        let mut surplus = Vec::new();
        while open.len() >= self.most {
            // Used by nobody: the slot is in this map alone, and so is its index in the slot.
            let idle = |slot: &&Arc<Slot>| {
                Arc::strong_count(slot) == 1
                    && slot.index.get().is_some_and(|index| Arc::strong_count(index) == 1)
            };
            let oldest = open
                .iter()
                .filter(|(_, slot)| idle(slot))
                .min_by_key(|(_, slot)| slot.used.load(Ordering::Relaxed))
                .map(|(bucket, _)| bucket.clone());
            let Some(closed) = oldest.and_then(|oldest| open.remove(&oldest)) else { break };
            surplus.push(closed);
        }
        let slot = Arc::new(Slot { index: OnceCell::new(), used: AtomicU64::new(now) });
        open.insert(bucket.to_owned(), Arc::clone(&slot));
        (slot, surplus)
    }

    pub(super) async fn create(&self, bucket: &str) -> Result<()> {
        let folder = self.folder(bucket)?;
        // A bucket that was closed opens anew.
        self.open.lock().remove(bucket);
        self.pool
            .run(move || {
                folder.create()?;
                schema::create(&schema::open(&folder.index())?)?;
                Ok(super::files::sync(folder.root())?)
            })
            .await
    }

    /// Removes a closed bucket's folder.
    pub(super) async fn reclaim(&self, bucket: &str) -> Result<()> {
        let folder = self.folder(bucket)?;
        let slot = self.open.lock().remove(bucket);
        let renamed = self.root.join(format!("{DELETED}{bucket}"));
        self.pool
            .run(move || {
                drop(slot);
                // First out of sight at once: what a crash leaves of it the next start removes.
                match std::fs::rename(folder.root(), &renamed) {
                    Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
                    renamed => renamed?,
                }
                Ok(std::fs::remove_dir_all(&renamed)?)
            })
            .await
    }

    /// Removes the folders of buckets that nobody knows: made or deleted when a process ended.
    pub(super) async fn retain(&self, known: Vec<String>) -> Result<()> {
        let root = self.root.clone();
        self.pool
            .run(move || {
                let known: HashSet<String> = known.into_iter().collect();
                for entry in std::fs::read_dir(&root)? {
                    let entry = entry?;
                    let name = entry.file_name().to_string_lossy().into_owned();
                    let ours = name.starts_with(DELETED) || entry.path().join("index.db").exists();
                    if entry.file_type()?.is_dir() && ours && !known.contains(&name) {
                        tracing::info!(folder = %entry.path().display(), "removing what a deleted bucket left");
                        std::fs::remove_dir_all(entry.path())?;
                    }
                }
                Ok(())
            })
            .await
    }

    /// The buckets that there are folders of.
    pub(super) fn all(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&self.root)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if self.folder(&name).is_ok_and(|folder| folder.exists()) {
                found.push(name);
            }
        }
        Ok(found)
    }
}
