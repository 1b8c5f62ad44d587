//! A cache that is bounded by the bytes of what it holds.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Least recently used entries leave first. What is larger than a quarter of the whole is not kept: it would drive
/// out everything else.
pub(crate) struct ByteLru<K, V> {
    capacity: usize,
    used: usize,
    clock: u64,
    entries: HashMap<K, Entry<V>>,
    by_use: BTreeMap<u64, K>,
}

struct Entry<V> {
    value: V,
    bytes: usize,
    used_at: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> ByteLru<K, V> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, used: 0, clock: 0, entries: HashMap::new(), by_use: BTreeMap::new() }
    }

    pub(crate) fn get(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.get_mut(key)?;
        self.clock += 1;
        self.by_use.remove(&entry.used_at);
        self.by_use.insert(self.clock, key.clone());
        entry.used_at = self.clock;
        Some(entry.value.clone())
    }

    pub(crate) fn insert(&mut self, key: K, value: V, bytes: usize) {
        if bytes > self.capacity / 4 {
            return;
        }
        self.remove(&key);
        self.clock += 1;
        self.used += bytes;
        self.by_use.insert(self.clock, key.clone());
        self.entries.insert(key, Entry { value, bytes, used_at: self.clock });
        while self.used > self.capacity {
            let Some((_, oldest)) = self.by_use.pop_first() else { break };
            if let Some(entry) = self.entries.remove(&oldest) {
                self.used -= entry.bytes;
            }
        }
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.by_use.clear();
        self.used = 0;
    }

    fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.used -= entry.bytes;
            self.by_use.remove(&entry.used_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_leaves_and_the_bound_holds() {
        let mut cache = ByteLru::new(100);
        for key in 0..4 {
            cache.insert(key, key * 10, 25);
        }
        assert_eq!(cache.get(&0), Some(0));
        cache.insert(9, 90, 25);
        assert_eq!(cache.get(&1), None);
        assert_eq!(cache.get(&0), Some(0));
        assert_eq!(cache.get(&9), Some(90));
        assert!(cache.used <= 100);
        cache.insert(7, 70, 26);
        assert_eq!(cache.get(&7), None);
    }

    #[test]
    fn an_entry_that_is_replaced_is_counted_once() {
        let mut cache = ByteLru::new(100);
        for _ in 0..10 {
            cache.insert("a", 1, 20);
        }
        assert_eq!((cache.used, cache.by_use.len()), (20, 1));
        cache.clear();
        assert_eq!((cache.used, cache.get(&"a")), (0, None));
    }
}
