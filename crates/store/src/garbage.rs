//! Blobs that no version refers to.

use std::collections::HashSet;
use std::time::Duration;

use crate::store::blocking;
use crate::{Result, Store};

/// What a collection removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blobs.
    pub blobs: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Store {
    /// Removes blobs that no version refers to and that were last stored longer than `grace` ago. The grace time
    /// must be longer than an upload takes from its first module to its version; an hour is plenty.
    pub async fn collect_garbage(&self, grace: Duration) -> Result<Collected> {
        let live: Vec<String> = sqlx::query_scalar("SELECT DISTINCT hash FROM version_blobs")
            .fetch_all(&mut *self.read().await?)
            .await?;
        let live: HashSet<String> = live.into_iter().collect();
        let inner = self.inner.clone();
        let stale = blocking(move || inner.blobs.stale(&live, grace)).await?;
        // The write transaction keeps versions from being inserted between the last look and the removal.
        let mut transaction = self.write().await?;
        let mut collected = Collected::default();
        for hash in stale {
            let referred = sqlx::query("SELECT 1 FROM version_blobs WHERE hash = ? LIMIT 1")
                .bind(&hash)
                .fetch_optional(&mut *transaction)
                .await?;
            if referred.is_some() {
                continue;
            }
            let inner = self.inner.clone();
            if let Some(bytes) = blocking(move || inner.blobs.remove_stale(&hash, grace)).await? {
                collected.blobs += 1;
                collected.bytes += bytes;
            }
        }
        transaction.rollback().await?;
        Ok(collected)
    }
}
