//! Small values that were read or written lately, in memory: a read that finds its key here needs no thread of ours.
//!
//! It holds only what is committed. A reader that missed takes a ticket before it asks the database; a write that is
//! committed in between makes the ticket void, so that what the reader saw cannot replace what is newer.

use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use hashlink::LruCache;
use parking_lot::Mutex;

use crate::rules::MAX_KEY;
use crate::store::Attributes;

const SHARDS: usize = 16;
const VERSIONS: usize = 64;
/// What an entry takes beside its key, value and metadata, in bytes.
const OVERHEAD: usize = 192;
/// Longest value that is kept, in bytes: larger ones would push too many others out.
pub(super) const MAX_CACHED: usize = 64 << 10;

/// What is known of a key.
#[derive(Debug, Clone)]
pub(super) enum Cached {
    /// It does not exist.
    Absent,
    /// It has a value, unless that has expired meanwhile.
    Present(Bytes, Attributes),
}

/// The right to say what a key holds, as long as nobody writes to it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket {
    hash: u64,
    version: u64,
}

pub(super) struct Cache {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    /// Bytes of one shard.
    most: usize,
}

struct Shard {
    entries: LruCache<Box<[u8]>, Cached>,
    bytes: usize,
    /// Count writes; keys share them, which costs a reader its ticket now and then and nothing else.
    versions: [u64; VERSIONS],
}

impl Cache {
    /// A cache of at most `bytes`.
    pub(super) fn new(bytes: usize) -> Self {
        let shard =
            || Mutex::new(Shard { entries: LruCache::new_unbounded(), bytes: 0, versions: [0; VERSIONS] });
        Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            hasher: RandomState::new(),
            most: bytes / SHARDS,
        }
    }

    /// What is known of a key of the namespace with this number.
    ///
    /// # Errors
    /// A ticket, when nothing is.
    pub(super) fn get(&self, namespace: u64, key: &str) -> Result<Cached, Ticket> {
        with_id(namespace, key, |id| {
            let hash = self.hasher.hash_one(id);
            let mut shard = self.shard(hash).lock();
            match shard.entries.get(id) {
                Some(cached) => Ok(cached.clone()),
                None => Err(Ticket { hash, version: shard.versions[slot(hash)] }),
            }
        })
    }

    /// Keeps what a reader found, if its ticket still holds.
    pub(super) fn fill(&self, ticket: Ticket, namespace: u64, key: &str, found: Cached) {
        with_id(namespace, key, |id| {
            let mut shard = self.shard(ticket.hash).lock();
            if shard.versions[slot(ticket.hash)] == ticket.version {
                shard.insert(id, found, self.most);
            }
        });
    }

    /// A write to the key is committed: what it holds now, or None when that is not to be kept.
    pub(super) fn wrote(&self, namespace: u64, key: &str, holds: Option<Cached>) {
        with_id(namespace, key, |id| {
            let hash = self.hasher.hash_one(id);
            let mut shard = self.shard(hash).lock();
            shard.versions[slot(hash)] += 1;
            match holds {
                Some(cached) => shard.insert(id, cached, self.most),
                None => shard.remove(id),
            }
        });
    }

    fn shard(&self, hash: u64) -> &Mutex<Shard> {
        &self.shards[(hash >> 32) as usize % SHARDS]
    }
}

impl Shard {
    fn insert(&mut self, id: &[u8], cached: Cached, most: usize) {
        self.remove(id);
        let size = size(id, &cached);
        if size > most {
            return;
        }
        self.bytes += size;
        self.entries.insert(id.into(), cached);
        while self.bytes > most {
            let Some((id, cached)) = self.entries.remove_lru() else { return };
            self.bytes -= self::size(&id, &cached);
        }
    }

    fn remove(&mut self, id: &[u8]) {
        if let Some(cached) = self.entries.remove(id) {
            self.bytes -= size(id, &cached);
        }
    }
}

fn size(id: &[u8], cached: &Cached) -> usize {
    let held = match cached {
        Cached::Absent => 0,
        Cached::Present(value, attributes) => {
            value.len() + attributes.metadata.as_ref().map_or(0, String::len)
        }
    };
    OVERHEAD + id.len() + held
}

fn slot(hash: u64) -> usize {
    hash as usize % VERSIONS
}

/// Gives one name for namespace and key, without a place on the heap for it.
fn with_id<T>(namespace: u64, key: &str, then: impl FnOnce(&[u8]) -> T) -> T {
    let mut id = [0_u8; 8 + MAX_KEY];
    let length = 8 + key.len();
    id[..8].copy_from_slice(&namespace.to_be_bytes());
    id[8..length].copy_from_slice(key.as_bytes());
    then(&id[..length])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn present(text: &str) -> Cached {
        Cached::Present(Bytes::copy_from_slice(text.as_bytes()), Attributes::default())
    }

    fn text(found: Result<Cached, Ticket>) -> Option<Vec<u8>> {
        match found {
            Ok(Cached::Present(value, _)) => Some(value.to_vec()),
            _ => None,
        }
    }

    #[test]
    fn what_a_slow_reader_saw_does_not_replace_what_was_written_since() {
        let cache = Cache::new(1 << 20);
        let ticket = cache.get(1, "k").unwrap_err();
        cache.wrote(1, "k", Some(present("new")));
        cache.fill(ticket, 1, "k", present("old"));
        assert_eq!(text(cache.get(1, "k")).unwrap(), b"new");
        let ticket = cache.get(2, "k").unwrap_err();
        cache.wrote(2, "k", None);
        cache.fill(ticket, 2, "k", present("old"));
        assert!(cache.get(2, "k").is_err());
    }

    #[test]
    fn it_stays_within_its_bytes() {
        let cache = Cache::new(SHARDS * 4096);
        for n in 0..10_000 {
            cache.wrote(1, &n.to_string(), Some(present("0123456789")));
        }
        for shard in &cache.shards {
            let shard = shard.lock();
            let counted: usize = shard.entries.iter().map(|(id, cached)| size(id, cached)).sum();
            assert!(shard.bytes <= 4096 && shard.bytes == counted && counted > 2048, "{counted}");
        }
        assert!(text(cache.get(1, "9999")).is_some());
        cache.wrote(1, "9999", Some(present(&"x".repeat(5000))));
        assert!(cache.get(1, "9999").is_err(), "the value before it is gone");
    }
}
