//! Small responses that were used lately.

use hashlink::LruCache;

use crate::files::{Stored, StoredBody};
use crate::index::Id;

/// What an entry takes beside its body, headers and tags, in bytes.
const OVERHEAD: usize = 512;

/// At most so many bytes of them.
#[derive(Debug)]
pub(crate) struct Memory {
    entries: LruCache<Id, Stored>,
    bytes: usize,
    most: usize,
}

impl Memory {
    pub(crate) fn new(most: usize) -> Self {
        Self { entries: LruCache::new_unbounded(), bytes: 0, most }
    }

    pub(crate) fn get(&mut self, id: Id) -> Option<Stored> {
        self.entries.get(&id).cloned()
    }

    /// Takes one in, if its body is in memory anyway.
    pub(crate) fn insert(&mut self, id: Id, stored: &Stored) {
        if !matches!(stored.body, StoredBody::Memory(_)) {
            return;
        }
        self.bytes += size(stored);
        if let Some(before) = self.entries.insert(id, stored.clone()) {
            self.bytes -= size(&before);
        }
        while self.bytes > self.most {
            let Some((_, gone)) = self.entries.remove_lru() else { break };
            self.bytes -= size(&gone);
        }
    }

    pub(crate) fn remove(&mut self, ids: &[Id]) {
        for id in ids {
            self.bytes -= self.entries.remove(id).map_or(0, |gone| size(&gone));
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

fn size(stored: &Stored) -> usize {
    let entry = &stored.entry;
    let headers: usize =
        entry.headers.iter().map(|(name, value)| 64 + name.as_str().len() + value.len()).sum();
    let tags: usize = entry.tags.iter().map(|tag| 24 + tag.len()).sum();
    OVERHEAD + stored.body.len() as usize + headers + tags + entry.vary.size() + entry.key.url.len()
}
