//! What is stored, and what goes when there is no room: the least recently used. Pure; sizes are bytes.

use std::collections::{HashMap, HashSet};

use hashlink::LruCache;
use http::HeaderMap;

use crate::entry::{Entry, Vary};
use crate::key::{Digest, Key};

/// What an entry counts at least, however small: it bounds how many there are, and so what the index takes in memory.
pub(crate) const LEAST: u64 = 16 << 10;

/// Most responses to one URL that differ by what they vary by. Beyond that the oldest goes.
const MOST_VARIANTS: usize = 16;

/// The name of an entry's file.
pub(crate) type Id = u64;

/// There is no room, though nothing is left that could go.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoRoom;

/// One stored response.
#[derive(Debug)]
pub(crate) struct Variant {
    id: Id,
    bytes: u64,
    stored_at: u64,
    fresh_until: u64,
    vary: Vary,
    tags: Box<[String]>,
}

impl Variant {
    /// An entry whose file has so many bytes.
    pub(crate) fn new(id: Id, file: u64, entry: &Entry) -> Self {
        Self {
            id,
            bytes: charge(file),
            stored_at: entry.stored_at,
            fresh_until: entry.fresh_until(),
            vary: entry.vary.clone(),
            tags: entry.tags.clone().into(),
        }
    }
}

/// What a file counts.
pub(crate) fn charge(file: u64) -> u64 {
    file.next_multiple_of(4096).max(LEAST)
}

#[derive(Debug)]
struct Slot {
    account: Box<str>,
    url: Box<str>,
    custom: Option<Box<str>>,
    /// The newest last.
    variants: Vec<Variant>,
}

/// What a purge is told of an entry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub url: &'a str,
    pub custom: Option<&'a str>,
    pub tags: &'a [String],
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hit {
    pub id: Id,
    /// Milliseconds since 1970.
    pub fresh_until: u64,
}

/// What is used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Stored responses.
    pub entries: u64,
    /// Bytes that they count on the disk, with what is being written.
    pub bytes: u64,
}

/// The index. What its methods return is no longer in it: the files are the caller's to remove.
#[derive(Debug)]
pub(crate) struct Index {
    slots: LruCache<Digest, Slot>,
    stored: u64,
    entries: u64,
    under_way: u64,
    most: u64,
    /// How often each account has purged, so that what was fetched before is not stored behind a purge.
    purges: HashMap<Box<str>, u64>,
    /// What began to come in while the files of before are looked through: their folder shows these too.
    new: Option<HashSet<Id>>,
}

impl Index {
    pub(crate) fn new(most: u64) -> Self {
        let slots = LruCache::new_unbounded();
        let (purges, new) = (HashMap::new(), Some(HashSet::new()));
        Self { slots, stored: 0, entries: 0, under_way: 0, most, purges, new }
    }

    /// Says that a file of this name is going to be.
    pub(crate) fn begin(&mut self, id: Id) {
        if let Some(new) = &mut self.new {
            new.insert(id);
        }
    }

    /// Whether a file that was found is not one of before the start.
    pub(crate) fn is_new(&self, id: Id) -> bool {
        self.new.as_ref().is_none_or(|new| new.contains(&id))
    }

    /// Says that all entries of before are taken in.
    pub(crate) fn all_known(&mut self) {
        self.new = None;
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage { entries: self.entries, bytes: self.stored + self.under_way }
    }

    /// The newest response for a request.
    pub(crate) fn find(&mut self, digest: &Digest, request: &HeaderMap) -> Option<Hit> {
        let slot = self.slots.get(digest)?;
        let variant = slot.variants.iter().rev().find(|variant| variant.vary.selects(request))?;
        Some(Hit { id: variant.id, fresh_until: variant.fresh_until })
    }

    /// Makes room for bytes that are being written.
    pub(crate) fn reserve(&mut self, bytes: u64) -> Result<Vec<Id>, NoRoom> {
        if self.under_way + bytes > self.most {
            return Err(NoRoom);
        }
        self.under_way += bytes;
        Ok(self.evict())
    }

    /// Gives up room that was reserved.
    pub(crate) fn release(&mut self, bytes: u64) {
        self.under_way -= bytes;
    }

    /// How often an account has purged.
    pub(crate) fn purges(&self, account: &str) -> u64 {
        self.purges.get(account).copied().unwrap_or(0)
    }

    /// Takes in an entry. It takes the place of an older one for the same requests, and is turned away by a newer one.
    pub(crate) fn insert(&mut self, key: &Key, variant: Variant) -> Vec<Id> {
        let digest = key.digest();
        let slot = self.slots.entry(digest).or_insert_with(|| Slot {
            account: key.account.as_str().into(),
            url: key.url.as_str().into(),
            custom: key.custom.as_deref().map(Into::into),
            variants: Vec::new(),
        });
        let mut gone = Vec::new();
        if let Some(position) = slot.variants.iter().position(|other| other.vary == variant.vary) {
            if slot.variants[position].stored_at > variant.stored_at {
                return vec![variant.id];
            }
            gone.push(slot.variants.remove(position));
        }
        slot.url = key.url.as_str().into();
        self.stored += variant.bytes;
        self.entries += 1;
        slot.variants.push(variant);
        if slot.variants.len() > MOST_VARIANTS {
            gone.push(slot.variants.remove(0));
        }
        // Being asked for makes it the last to go.
        self.slots.get(&digest);
        let mut ids = self.account_for(gone);
        ids.extend(self.evict());
        ids
    }

    /// Says that an entry is fresh for longer.
    pub(crate) fn refresh(&mut self, digest: &Digest, id: Id, entry: &Entry) {
        if let Some(slot) = self.slots.get_mut(digest)
            && let Some(variant) = slot.variants.iter_mut().find(|variant| variant.id == id)
        {
            variant.stored_at = entry.stored_at;
            variant.fresh_until = entry.fresh_until();
        }
    }

    /// Forgets all responses of a name.
    pub(crate) fn remove(&mut self, digest: &Digest) -> Vec<Id> {
        let slot = self.slots.remove(digest);
        self.account_for(slot.map(|slot| slot.variants).unwrap_or_default())
    }

    /// Whether a response of a name is fresh.
    pub(crate) fn is_fresh(&self, digest: &Digest, now: u64) -> bool {
        self.slots.peek(digest).is_some_and(|slot| slot.variants.iter().any(|one| one.fresh_until > now))
    }

    /// Forgets what an account has stored and `chosen` says.
    pub(crate) fn purge(&mut self, account: &str, chosen: impl Fn(Seen<'_>) -> bool) -> Vec<Id> {
        *self.purges.entry(account.into()).or_default() += 1;
        let mut gone = Vec::new();
        self.slots.retain(|_, slot| {
            if *slot.account == *account {
                let (url, custom) = (&slot.url, slot.custom.as_deref());
                let is_chosen = |variant: &mut Variant| chosen(Seen { url, custom, tags: &variant.tags });
                gone.extend(slot.variants.extract_if(.., is_chosen));
            }
            !slot.variants.is_empty()
        });
        self.account_for(gone)
    }

    fn evict(&mut self) -> Vec<Id> {
        let mut gone = Vec::new();
        while self.stored + self.under_way > self.most {
            let Some((_, slot)) = self.slots.remove_lru() else { break };
            gone.extend(self.account_for(slot.variants));
        }
        gone
    }

    fn account_for(&mut self, gone: Vec<Variant>) -> Vec<Id> {
        self.entries -= gone.len() as u64;
        self.stored -= gone.iter().map(|variant| variant.bytes).sum::<u64>();
        gone.into_iter().map(|variant| variant.id).collect()
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
