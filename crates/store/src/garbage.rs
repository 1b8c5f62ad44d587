//! What is kept of a worker's past, and blobs that no version refers to.

use std::collections::HashSet;
use std::time::Duration;

use hearth_model::{VersionId, WorkerId};
use sqlx::SqliteConnection;

use crate::assets::SESSION_BLOBS;
use crate::store::blocking;
use crate::{Result, Store, rows};

/// Versions of a worker that are kept, newest first: as many as Cloudflare can roll back to.
const KEPT_VERSIONS: i64 = 100;

/// Deployments of a worker that are kept, newest first. What is listed can be shown, so their versions stay too.
const KEPT_DEPLOYMENTS: i64 = 100;

/// What a collection removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blobs.
    pub blobs: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Drops a worker's deployments beyond those that are kept, and the versions beyond those that neither are among the
/// newest nor belong to a deployment that is kept. Returns the versions: who caches them must forget them after the
/// commit. Their blobs go with the next [`Store::collect_garbage`].
pub(crate) async fn prune(connection: &mut SqliteConnection, worker: WorkerId) -> Result<Vec<VersionId>> {
    sqlx::query(
        "DELETE FROM deployments WHERE worker = ?1
         AND number <= (SELECT last_deployment FROM workers WHERE id = ?1) - ?2",
    )
    .bind(worker.to_string())
    .bind(KEPT_DEPLOYMENTS)
    .execute(&mut *connection)
    .await?;
    let pruned = sqlx::query(
        "DELETE FROM versions WHERE worker = ?1
         AND number <= (SELECT last_version FROM workers WHERE id = ?1) - ?2
         AND id NOT IN (SELECT json_extract(share.value, '$[0]')
                        FROM deployments d, json_each(d.split) share WHERE d.worker = ?1)
         RETURNING id",
    )
    .bind(worker.to_string())
    .bind(KEPT_VERSIONS)
    .fetch_all(connection)
    .await?;
    pruned.iter().map(|row| rows::parsed(row, "id")).collect()
}

impl Store {
    /// Removes blobs that no version refers to and that were last stored longer than `grace` ago. The grace time
    /// must be longer than an upload takes from its first module to its version; an hour is plenty.
    pub async fn collect_garbage(&self, grace: Duration) -> Result<Collected> {
        let mut live: HashSet<String> = HashSet::new();
        for query in ["SELECT DISTINCT hash FROM version_blobs", SESSION_BLOBS] {
            let found: Vec<String> = sqlx::query_scalar(query).fetch_all(&mut *self.read().await?).await?;
            live.extend(found);
        }
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
