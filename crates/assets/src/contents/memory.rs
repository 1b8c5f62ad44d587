//! Small contents that were asked for, in memory.

use bytes::Bytes;
use hashlink::LruCache;

use super::Coding;
use crate::manifest::ContentHash;

/// A folder, a content of it, and what it is compressed with.
pub(super) type Key = (u32, ContentHash, Option<Coding>);

/// Bytes that an entry takes beside its content.
const OVERHEAD: usize = 128;

/// Bounded by bytes; the least recently used goes.
#[derive(Debug)]
pub(super) struct Memory {
    entries: LruCache<Key, Bytes>,
    used: usize,
    most: usize,
}

impl Memory {
    pub(super) fn new(most: usize) -> Self {
        Self { entries: LruCache::new_unbounded(), used: 0, most }
    }

    pub(super) fn get(&mut self, key: &Key) -> Option<Bytes> {
        self.entries.get(key).cloned()
    }

    pub(super) fn insert(&mut self, key: Key, bytes: Bytes) {
        self.remove(&key);
        self.used += bytes.len() + OVERHEAD;
        self.entries.insert(key, bytes);
        while self.used > self.most {
            let Some((_, bytes)) = self.entries.remove_lru() else { return };
            self.used -= bytes.len() + OVERHEAD;
        }
    }

    pub(super) fn remove(&mut self, key: &Key) {
        if let Some(bytes) = self.entries.remove(key) {
            self.used -= bytes.len() + OVERHEAD;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_holds_and_what_was_asked_for_stays() {
        let key = |n: u32| (n, "0".repeat(32).parse().unwrap(), None);
        let mut memory = Memory::new(3 * (OVERHEAD + 100));
        for n in 0..3 {
            memory.insert(key(n), vec![0; 100].into());
        }
        assert!(memory.get(&key(0)).is_some());
        memory.insert(key(3), vec![0; 100].into());
        memory.insert(key(3), vec![0; 100].into());
        assert!(memory.get(&key(1)).is_none() && memory.get(&key(0)).is_some());
        assert_eq!(memory.used, 3 * (OVERHEAD + 100));
    }
}
