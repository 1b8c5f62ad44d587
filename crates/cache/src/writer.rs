//! A response on its way in: in memory as long as it is small, in a file beyond that.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use hearth_space::Admitted;
use tokio::sync::OwnedSemaphorePermit;

use crate::cache::Cache;
use crate::entry::Entry;
use crate::files::{SMALL, Stored, StoredBody};
use crate::index::{Id, Variant, charge};
use crate::key::Key;

/// Longest body, in bytes: Cloudflare's for all but its largest customers.
pub(crate) const MOST: u64 = 512 << 20;

/// What the disk is asked for by: no account's quota counts it.
const RESOURCE: &str = "cache";

/// Why a response was not stored; for the operator.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotStored {
    /// It is longer than what is stored.
    #[error("the body has more than {MOST} bytes")]
    TooLong,
    /// It ended before its announced length.
    #[error("the body has {0} bytes and not {1}")]
    Short(u64, u64),
    /// There is no room in the cache.
    #[error("the cache has no room for it")]
    NoRoom,
    /// Its account has purged in the meantime.
    #[error("a purge came in between")]
    Purged,
    /// There is no room on the disk.
    #[error(transparent)]
    Disk(#[from] hearth_space::Refusal),
    /// The disk failed.
    #[error(transparent)]
    Failed(#[from] io::Error),
}

/// Takes a body. Dropped before it is finished, nothing is stored.
pub(crate) struct Writer {
    cache: Cache,
    key: Key,
    id: Id,
    purges: u64,
    /// What is not in the file yet.
    buffer: BytesMut,
    file: Option<Arc<File>>,
    length: u64,
    reserved: u64,
    admitted: Option<Admitted>,
    _permit: OwnedSemaphorePermit,
}

impl Writer {
    pub(crate) fn new(cache: Cache, key: Key, id: Id, purges: u64, permit: OwnedSemaphorePermit) -> Self {
        let buffer = BytesMut::new();
        let (file, admitted) = (None, None);
        Self { cache, key, id, purges, buffer, file, length: 0, reserved: 0, admitted, _permit: permit }
    }

    /// Takes the next piece.
    ///
    /// # Errors
    /// [`NotStored`]; what follows need not be brought.
    pub(crate) async fn write(&mut self, piece: Bytes) -> Result<(), NotStored> {
        self.length += piece.len() as u64;
        if self.length > MOST {
            return Err(NotStored::TooLong);
        }
        self.buffer.extend_from_slice(&piece);
        if self.buffer.len() > SMALL { self.spill().await } else { Ok(()) }
    }

    async fn spill(&mut self) -> Result<(), NotStored> {
        let piece = self.buffer.split().freeze();
        self.reserve(piece.len() as u64).await?;
        let (id, file) = (self.id, self.file.take());
        let write = move |files: &crate::files::Files| {
            let file = match file {
                Some(file) => file,
                None => Arc::new(files.create(id)?),
            };
            io::Write::write_all(&mut &*file, &piece)?;
            Ok(file)
        };
        self.file = Some(self.cache.files().run(write).await?);
        Ok(())
    }

    async fn reserve(&mut self, bytes: u64) -> Result<(), NotStored> {
        match &mut self.admitted {
            Some(admitted) => admitted.more(bytes)?,
            None => self.admitted = Some(self.cache.space().admit(RESOURCE, bytes)?),
        }
        let evicted = self.cache.with_index(|index| index.reserve(bytes)).map_err(|_| NotStored::NoRoom)?;
        self.reserved += bytes;
        self.cache.forget(evicted).await;
        Ok(())
    }

    /// Stores what was brought. `announced`: the length that the body was to have.
    ///
    /// # Errors
    /// [`NotStored`].
    pub(crate) async fn finish(mut self, entry: Entry, announced: Option<u64>) -> Result<Stored, NotStored> {
        if let Some(announced) = announced.filter(|announced| *announced != self.length) {
            return Err(NotStored::Short(self.length, announced));
        }
        if self.file.is_some() && !self.buffer.is_empty() {
            self.spill().await?;
        }
        self.reserve(charge(self.length).saturating_sub(self.reserved)).await?;
        let (id, length, written) = (self.id, self.length, self.file.take());
        let (small, entry) = (self.buffer.split().freeze(), Arc::new(entry));
        let (body, known) = (small.clone(), Arc::clone(&entry));
        let finish = move |files: &crate::files::Files| {
            let Some(file) = written else {
                let file = files.create(id)?;
                return Ok((files.finish(id, &file, length, Some(&body), &known)?, None));
            };
            Ok((files.finish(id, &file, length, None, &known)?, Some(file)))
        };
        let (file_length, file) = match self.cache.files().run(finish).await {
            Ok(finished) => finished,
            Err(error) => {
                self.remove_unfinished();
                return Err(error.into());
            }
        };
        let body = match file {
            Some(file) => StoredBody::File { file, length },
            None => StoredBody::Memory(small),
        };
        let stored = Stored { entry, body };
        let variant = Variant::new(id, file_length, &stored.entry);
        let reserved = std::mem::take(&mut self.reserved);
        let (kept, gone) = self.cache.with_index(|index| {
            index.release(reserved);
            if index.purges(&self.key.account) != self.purges {
                return (false, vec![id]);
            }
            (true, index.insert(&self.key, variant))
        });
        if kept {
            self.cache.remember(id, &stored);
        }
        self.cache.forget(gone).await;
        if kept { Ok(stored) } else { Err(NotStored::Purged) }
    }

    fn remove_unfinished(&self) {
        let (files, id) = (self.cache.files().clone(), self.id);
        // Without a runtime the server ends, and the next start removes it.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || files.give_up(id));
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.cache.with_index(|index| index.release(self.reserved));
        if self.file.is_some() {
            self.remove_unfinished();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::cache::Config;
    use crate::entry::Vary;
    use crate::key::Room;

    /// What was asked for before a purge is what the purge was to forget.
    #[tokio::test]
    async fn what_was_fetched_before_a_purge_is_not_stored_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(Config::new(folder.path().to_owned())).unwrap();
        for (account, is_stored) in [("a", false), ("b", true)] {
            let key = Key::new(account, Room::Default, "https://x.test/", None).unwrap();
            let mut writer = cache.begin(key.clone()).unwrap();
            writer.write(Bytes::from("old")).await.unwrap();
            cache.purge("a", |_| true).await;
            let entry = Entry {
                key: key.clone(),
                status: StatusCode::OK,
                headers: HeaderMap::new(),
                vary: Vary::default(),
                tags: Vec::new(),
                stored_at: cache.now(),
                age: Duration::ZERO,
                fresh_for: Duration::from_secs(60),
                address: None,
            };
            let finished = writer.finish(entry, None).await;
            assert_eq!(finished.is_ok(), is_stored, "{account}: {:?}", finished.err());
            assert_eq!(cache.find(&key, &HeaderMap::new()).await.is_some(), is_stored, "{account}");
        }
        assert_eq!(cache.usage().entries, 1);
    }
}
