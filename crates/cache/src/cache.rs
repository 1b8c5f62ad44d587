//! The cache of one installation: an index in memory, files on the disk, small ones in memory too.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use hearth_space::Space;
use http::HeaderMap;
use parking_lot::Mutex;
use rand::random;
use tokio::sync::{Semaphore, watch};

use crate::entry::{Entry, millis};
use crate::files::{Files, Stored};
use crate::index::{Id, Index, Seen, Usage, Variant};
use crate::key::{Digest, Key, Room};
use crate::memory::Memory;
use crate::writer::Writer;

/// Responses that are being stored at a time; more are not stored. Each may hold a small body in memory.
const WRITERS: usize = 512;

/// Says what time it is.
pub type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// How a cache is set.
#[derive(Clone)]
pub struct Config {
    /// Its folder; what is in it is the cache's alone.
    pub folder: PathBuf,
    /// Bytes of small responses in memory.
    pub memory: usize,
    /// Bytes of all responses on the disk. 0: nothing is stored.
    pub disk: u64,
    /// Asked before the disk is used.
    pub space: Space,
    /// The time.
    pub clock: Clock,
}

impl Config {
    /// The defaults: 64 MiB of memory, 1 GiB of the disk.
    pub fn new(folder: PathBuf) -> Self {
        let clock = Arc::new(SystemTime::now);
        Self { folder, memory: 64 << 20, disk: 1 << 30, space: Space::unbounded(), clock }
    }
}

/// The cache. Clones are the same.
#[derive(Clone)]
pub struct Cache(Arc<Inner>);

struct Inner {
    files: Files,
    index: Mutex<Index>,
    memory: Mutex<Memory>,
    writers: Arc<Semaphore>,
    space: Space,
    clock: Clock,
    /// Whether what was stored before the start is known.
    known: watch::Sender<bool>,
}

/// A response that was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub id: Id,
    pub stored: Stored,
    pub is_fresh: bool,
}

impl Cache {
    /// Opens a cache. What was stored before is looked through in the background: until it has been, what is asked for is
    /// not there yet.
    ///
    /// # Errors
    /// The folder cannot be used.
    pub fn open(config: Config) -> io::Result<Self> {
        let Config { folder, memory, disk, space, clock } = config;
        let cache = Self(Arc::new(Inner {
            files: Files::open(&folder)?,
            index: Mutex::new(Index::new(disk)),
            memory: Mutex::new(Memory::new(memory)),
            writers: Arc::new(Semaphore::new(WRITERS)),
            space,
            clock,
            known: watch::Sender::new(false),
        }));
        let opened = cache.clone();
        tokio::spawn(async move {
            let all = opened.clone();
            let looked_through =
                opened.0.files.run(move |files| files.scan().map(|found| all.take_in(found)));
            if let Err(error) = looked_through.await {
                tracing::warn!(%error, "what the cache stored before cannot be read");
            }
            opened.with_index(Index::all_known);
            opened.0.known.send_replace(true);
        });
        Ok(cache)
    }

    fn take_in(&self, found: Vec<(Id, u64, io::Result<Entry>)>) {
        for (id, file, entry) in found {
            let gone = self.with_index(|index| match entry {
                // One that is being written just now may look broken.
                _ if index.is_new(id) => Vec::new(),
                Ok(entry) => index.insert(&entry.key, Variant::new(id, file, &entry)),
                Err(_) => vec![id],
            });
            self.0.files.remove(&gone);
        }
    }

    /// What is used.
    pub fn usage(&self) -> Usage {
        self.0.index.lock().usage()
    }

    /// Bytes of small responses in memory.
    pub fn in_memory(&self) -> usize {
        self.0.memory.lock().bytes()
    }

    pub(crate) fn time(&self) -> SystemTime {
        (self.0.clock)()
    }

    pub(crate) fn now(&self) -> u64 {
        millis(self.time())
    }

    pub(crate) fn files(&self) -> &Files {
        &self.0.files
    }

    pub(crate) fn space(&self) -> &Space {
        &self.0.space
    }

    pub(crate) fn with_index<T>(&self, work: impl FnOnce(&mut Index) -> T) -> T {
        work(&mut self.0.index.lock())
    }

    pub(crate) fn remember(&self, id: Id, stored: &Stored) {
        self.0.memory.lock().insert(id, stored);
    }

    /// The stored response for a request.
    pub(crate) async fn find(&self, key: &Key, request: &HeaderMap) -> Option<Found> {
        let hit = self.with_index(|index| index.find(&key.digest(), request))?;
        let is_fresh = hit.fresh_until > self.now();
        let known = self.0.memory.lock().get(hit.id);
        let stored = match known {
            Some(stored) => stored,
            None => {
                // One that was evicted just now, or a file that is not whole: it is not there.
                let stored = self.0.files.run(move |files| files.read(hit.id)).await.ok()?;
                self.remember(hit.id, &stored);
                stored
            }
        };
        Some(Found { id: hit.id, stored, is_fresh })
    }

    /// Begins to store a response. `None` when too many are being stored already.
    pub(crate) fn begin(&self, key: Key) -> Option<Writer> {
        let permit = Arc::clone(&self.0.writers).try_acquire_owned().ok()?;
        let id = random();
        let purges = self.with_index(|index| {
            index.begin(id);
            index.purges(&key.account)
        });
        Some(Writer::new(self.clone(), key, id, purges, permit))
    }

    /// Takes in that a response is still good, with the headers it has now.
    pub(crate) async fn refresh(&self, found: &Found, entry: Entry) -> Stored {
        let stored = Stored { entry: Arc::new(entry), body: found.stored.body.clone() };
        let (id, entry) = (found.id, Arc::clone(&stored.entry));
        // Not written, it would be found stale after a restart, and asked about again.
        if let Err(error) = self.0.files.run(move |files| files.describe(id, &entry)).await {
            tracing::debug!(%error, "what is known of a stored response cannot be written");
        }
        self.remember(id, &stored);
        self.with_index(|index| index.refresh(&stored.entry.key.digest(), id, &stored.entry));
        stored
    }

    /// Forgets a name, for `Cache.delete`: in `caches.default` what `fetch` has stored by that name too. Says whether
    /// there was something fresh.
    pub(crate) async fn delete(&self, key: &Key) -> bool {
        self.all_known().await;
        let mut names = vec![key.digest()];
        if key.room == Room::Default {
            names.push(key.in_room(Room::Fetch).digest());
        }
        let now = self.now();
        let mut was_there = false;
        let gone = self.with_index(|index| {
            let remove = |name: &Digest| {
                was_there |= index.is_fresh(name, now);
                index.remove(name)
            };
            names.iter().flat_map(remove).collect()
        });
        self.forget(gone).await;
        was_there
    }

    /// Forgets what `chosen` says of an account's entries. When it returns, they are gone from the disk as well.
    pub(crate) async fn purge(&self, account: &str, chosen: impl Fn(Seen<'_>) -> bool) {
        self.all_known().await;
        let gone = self.with_index(|index| index.purge(account, chosen));
        self.forget(gone).await;
    }

    async fn all_known(&self) {
        // The sender lives as long as this.
        let _ = self.0.known.subscribe().wait_for(|known| *known).await;
    }

    pub(crate) async fn forget(&self, gone: Vec<Id>) {
        if gone.is_empty() {
            return;
        }
        self.0.memory.lock().remove(&gone);
        let removed = self.0.files.run(move |files| {
            files.remove(&gone);
            Ok(())
        });
        if let Err(error) = removed.await {
            tracing::warn!(%error, "files of the cache are not removed");
        }
    }
}
