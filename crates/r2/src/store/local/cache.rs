//! Small objects that were read lately, in memory: a read that finds its key here needs no thread of the pool.
//!
//! It says nothing that the index would not say at that moment. Whoever changes objects takes a [`Change`] before the
//! commit and keeps it until the commit is over: until then nothing is known of their keys, so that nobody who reads
//! the old object here comes after somebody who read the new one there. What a reader found with a [`Ticket`] of before
//! or from within a change is not kept.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use bytes::Bytes;
use hashlink::LruCache;
use parking_lot::Mutex;

use super::super::types::Object;

const SHARDS: usize = 16;
const SLOTS: usize = 64;
/// What an entry takes beside its texts and its content, in bytes.
const OVERHEAD: usize = 128 + size_of::<Object>();
/// Longest content that is kept, in bytes: larger ones would push too many others out.
const MAX_CONTENT: u64 = 64 << 10;

/// An object that is not encrypted, as it is now.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) object: Object,
    /// None where only the rest was asked for.
    pub(super) content: Option<Bytes>,
}

/// The right to say what a key holds, as long as nobody changes it.
#[derive(Debug)]
pub(super) struct Ticket {
    id: Box<[u8]>,
    hash: u64,
    version: u64,
}

/// What is known of the objects of one bucket.
#[derive(Clone)]
pub(super) struct Cache {
    all: Arc<All>,
    bucket: Arc<str>,
}

/// What is known of all buckets' objects.
pub(super) struct All {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    /// Bytes of one shard.
    most: usize,
}

struct Shard {
    entries: LruCache<Box<[u8]>, Arc<Known>>,
    bytes: usize,
    /// Keys share them, which costs a reader its ticket now and then and nothing else.
    slots: [Slot; SLOTS],
}

#[derive(Default, Clone, Copy)]
struct Slot {
    /// Counts beginnings and ends of changes.
    version: u64,
    /// Changes under way.
    changing: u32,
}

impl All {
    /// Room for at most `bytes`.
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        let shard = || {
            Mutex::new(Shard {
                entries: LruCache::new_unbounded(),
                bytes: 0,
                slots: [Slot::default(); SLOTS],
            })
        };
        Arc::new(Self {
            shards: (0..SHARDS).map(|_| shard()).collect(),
            hasher: RandomState::new(),
            most: bytes / SHARDS,
        })
    }

    /// A bucket's part of it. The same id must not come to mean another bucket.
    pub(super) fn of(self: &Arc<Self>, bucket: &str) -> Cache {
        Cache { all: Arc::clone(self), bucket: bucket.into() }
    }

    fn shard(&self, hash: u64) -> &Mutex<Shard> {
        &self.shards[(hash >> 32) as usize % SHARDS]
    }
}

impl Cache {
    /// What is known of a key, and a ticket to be taken before the index is asked.
    pub(super) fn get(&self, key: &str) -> (Option<Arc<Known>>, Ticket) {
        let id = self.id(key);
        let hash = self.all.hasher.hash_one(&id);
        let mut shard = self.all.shard(hash).lock();
        let known = shard.entries.get(&id).cloned();
        let version = shard.slot(hash).version;
        (known, Ticket { id, hash, version })
    }

    /// Keeps what a reader found, if its ticket still holds and it is small and not encrypted.
    pub(super) fn fill(&self, ticket: Ticket, known: Known) {
        if known.object.customer_key_md5.is_some()
            || known.content.as_ref().is_some_and(|content| content.len() as u64 > MAX_CONTENT)
        {
            return;
        }
        let mut shard = self.all.shard(ticket.hash).lock();
        let slot = *shard.slot(ticket.hash);
        let less = known.content.is_none() && shard.entries.contains_key(&ticket.id);
        if slot.version == ticket.version && slot.changing == 0 && !less {
            shard.insert(ticket.id, known, self.all.most);
        }
    }

    /// Forgets keys and learns nothing of them until the result is dropped: to be taken before the commit that changes
    /// them, and dropped behind it, before anybody hears of it.
    pub(super) fn change<'a>(&self, keys: impl IntoIterator<Item = &'a str>) -> Change {
        let begin = |key| {
            let id = self.id(key);
            let hash = self.all.hasher.hash_one(&id);
            let mut shard = self.all.shard(hash).lock();
            shard.remove(&id);
            let slot = shard.slot(hash);
            slot.version += 1;
            slot.changing += 1;
            hash
        };
        Change { hashes: keys.into_iter().map(begin).collect(), all: Arc::clone(&self.all) }
    }

    fn id(&self, key: &str) -> Box<[u8]> {
        // A bucket's id has no slash.
        [self.bucket.as_bytes(), b"/", key.as_bytes()].concat().into()
    }
}

/// A change of some keys that is under way.
pub(super) struct Change {
    all: Arc<All>,
    hashes: Vec<u64>,
}

impl Drop for Change {
    fn drop(&mut self) {
        for hash in &self.hashes {
            let mut shard = self.all.shard(*hash).lock();
            let slot = shard.slot(*hash);
            slot.version += 1;
            slot.changing -= 1;
        }
    }
}

impl Shard {
    fn slot(&mut self, hash: u64) -> &mut Slot {
        &mut self.slots[hash as usize % SLOTS]
    }

    fn insert(&mut self, id: Box<[u8]>, known: Known, most: usize) {
        self.remove(&id);
        let size = size(&id, &known);
        if size > most {
            return;
        }
        self.bytes += size;
        self.entries.insert(id, Arc::new(known));
        while self.bytes > most {
            let Some((id, known)) = self.entries.remove_lru() else { return };
            self.bytes -= self::size(&id, &known);
        }
    }

    fn remove(&mut self, id: &[u8]) {
        if let Some(known) = self.entries.remove(id) {
            self.bytes -= size(id, &known);
        }
    }
}

/// Bytes that an entry takes, counted from above.
fn size(id: &[u8], known: &Known) -> usize {
    /// A text on the heap, and a place in a table.
    const TEXT: usize = 64;
    let Object { key, version, etag, http, custom, checksums, extra, .. } = &known.object;
    let headers = [
        &http.content_type,
        &http.content_language,
        &http.content_disposition,
        &http.content_encoding,
        &http.cache_control,
    ];
    let digests = [&checksums.md5, &checksums.sha1, &checksums.sha256, &checksums.sha384, &checksums.sha512];
    let one = headers.into_iter().chain(digests).flatten().chain([key, version, etag]);
    let pairs = custom.iter().map(|(name, value)| (name, value)).chain(extra);
    let texts: usize =
        one.chain(pairs.flat_map(|(name, value)| [name, value])).map(|text| TEXT + text.len()).sum();
    OVERHEAD + id.len() + texts + known.content.as_ref().map_or(0, Bytes::len)
}

#[cfg(test)]
mod tests {
    use super::super::super::types::{Checksums, HttpMetadata, StorageClass};
    use super::*;

    fn known(key: &str, content: &[u8]) -> Known {
        let object = Object {
            key: key.to_owned(),
            version: String::new(),
            size: content.len() as u64,
            etag: String::new(),
            uploaded: jiff::Timestamp::UNIX_EPOCH,
            http: HttpMetadata::default(),
            custom: Vec::new(),
            checksums: Checksums::default(),
            storage_class: StorageClass::Standard,
            customer_key_md5: None,
            extra: std::collections::BTreeMap::new(),
            parts: None,
        };
        Known { object, content: Some(Bytes::copy_from_slice(content)) }
    }

    fn content(cache: &Cache, key: &str) -> Option<Bytes> {
        cache.get(key).0.and_then(|known| known.content.clone())
    }

    #[test]
    fn what_was_found_before_or_within_a_change_is_not_kept() {
        let cache = All::new(1 << 20).of("b");
        cache.fill(cache.get("k").1, known("k", b"old"));
        assert_eq!(content(&cache, "k").unwrap(), "old");
        let before = [cache.get("k").1, cache.get("k").1];
        let change = cache.change(["k"]);
        assert!(cache.get("k").0.is_none(), "dropped before the commit");
        let within = [cache.get("k").1, cache.get("k").1];
        let ([before, before_too], [within, within_too]) = (before, within);
        for ticket in [before, within] {
            cache.fill(ticket, known("k", b"old"));
            assert!(cache.get("k").0.is_none(), "while the commit is under way");
        }
        drop(change);
        for ticket in [before_too, within_too] {
            cache.fill(ticket, known("k", b"old"));
            assert!(cache.get("k").0.is_none(), "behind the commit");
        }
        cache.fill(cache.get("k").1, known("k", b"new"));
        assert_eq!(content(&cache, "k").unwrap(), "new");
    }

    #[test]
    fn changes_of_one_key_may_overlap() {
        let cache = All::new(1 << 20).of("b");
        let first = cache.change(["k", "k"]);
        let second = cache.change(["k"]);
        drop(first);
        cache.fill(cache.get("k").1, known("k", b"old"));
        assert!(cache.get("k").0.is_none());
        drop(second);
        cache.fill(cache.get("k").1, known("k", b"new"));
        assert!(cache.get("k").0.is_some());
    }

    #[test]
    fn buckets_are_apart_and_what_is_encrypted_or_large_stays_out() {
        let all = All::new(16 << 20);
        let (cache, other) = (all.of("b"), all.of("c"));
        cache.fill(cache.get("k").1, known("k", b"x"));
        assert!(other.get("k").0.is_none());
        drop(other.change(["k"]));
        assert!(cache.get("k").0.is_some());
        let mut encrypted = known("e", b"x");
        encrypted.object.customer_key_md5 = Some("m".to_owned());
        cache.fill(cache.get("e").1, encrypted);
        assert!(cache.get("e").0.is_none());
        for (size, kept) in [(MAX_CONTENT, true), (MAX_CONTENT + 1, false)] {
            let large = known("l", &vec![0; usize::try_from(size).unwrap()]);
            drop(cache.change(["l"]));
            cache.fill(cache.get("l").1, large);
            assert_eq!(cache.get("l").0.is_some(), kept);
        }
    }

    #[test]
    fn an_object_alone_does_not_push_its_content_out() {
        let cache = All::new(1 << 20).of("b");
        let alone = || Known { content: None, ..known("k", b"x") };
        cache.fill(cache.get("k").1, alone());
        assert!(cache.get("k").0.is_some() && content(&cache, "k").is_none());
        cache.fill(cache.get("k").1, known("k", b"x"));
        cache.fill(cache.get("k").1, alone());
        assert_eq!(content(&cache, "k").unwrap(), "x");
    }

    #[test]
    fn it_stays_within_its_bytes() {
        const MOST: usize = 8192;
        let cache = All::new(SHARDS * MOST).of("b");
        for number in 0..2000 {
            let key = number.to_string();
            cache.fill(cache.get(&key).1, known(&key, b"0123456789"));
        }
        for shard in &cache.all.shards {
            let shard = shard.lock();
            let counted: usize = shard.entries.iter().map(|(id, known)| size(id, known)).sum();
            assert!(shard.bytes <= MOST && shard.bytes == counted && counted > MOST / 2, "{counted}");
        }
        assert!(cache.get("1999").0.is_some());
        cache.fill(cache.get("1999").1, known("1999", &[0; MOST]));
        assert!(cache.get("1999").0.is_none());
    }
}
