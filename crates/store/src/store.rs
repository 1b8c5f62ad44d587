//! Opening, closing, and how the database is reached.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use hearth_model::{Quotas, VersionId, WorkerId};
use sqlx::pool::PoolConnection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Row, Sqlite, SqlitePool, Transaction};

use crate::blobs::Blobs;
use crate::cache::ByteLru;
use crate::keys::{self, Keyring, Sealed};
use crate::launch::LaunchRow;
use crate::tokens::Known;
use crate::{Result, StoreError, access_keys, credentials, folder, projects, providers, rows, schema};

pub(crate) const DATABASE: &str = "hearth.db";
/// Bytes of code kept in memory for cold starts.
const BLOB_CACHE_BYTES: usize = 64 << 20;
/// Bytes of version rows kept in memory for cold starts.
const LAUNCH_CACHE_BYTES: usize = 8 << 20;
/// Connections that read. Each has a thread of its own.
const READERS: u32 = 4;

/// The store of one installation. Clones are the same store.
#[derive(Clone)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    /// One connection: SQLite has one writer, and a queue in front of it is fairer than its busy handler.
    writer: SqlitePool,
    readers: SqlitePool,
    pub(crate) blobs: Blobs,
    pub(crate) key_file: PathBuf,
    keys: RwLock<Arc<Keyring>>,
    caches: Mutex<Caches>,
    pub(crate) default_quotas: RwLock<Quotas>,
    pub(crate) tokens: Known,
    _lock: File,
}

pub(crate) struct Caches {
    pub blobs: ByteLru<String, Bytes>,
    pub launches: ByteLru<VersionId, Arc<LaunchRow>>,
    /// Counts what made cached rows wrong, so that a row read before is not kept after.
    pub generation: u64,
}

impl Store {
    /// Opens the data folder, and makes it on first start: the folder (mode 0700), `hearth.db`, `blobs/` and
    /// `secrets.key` (mode 0600). It holds the folder's lock until the last clone is gone.
    ///
    /// # Errors
    /// [`StoreError::Locked`] when another Hearth has it open, [`StoreError::Key`] when there are encrypted secrets
    /// that the master key in the folder, if any, does not fit, [`StoreError::TooNew`].
    pub async fn open(data_dir: impl AsRef<Path>) -> Result<Self> {
        let data_dir = data_dir.as_ref().to_owned();
        let folder = data_dir.clone();
        let (lock, blobs) = blocking(move || {
            folder::create(&folder)?;
            let lock = folder::lock(&folder)?;
            // SQLite gives its other files the mode of this one.
            folder::create_private_file(&folder.join(DATABASE))?;
            Ok((lock, Blobs::open(folder.join("blobs"))?))
        })
        .await?;
        let options = SqliteConnectOptions::new()
            .filename(data_dir.join(DATABASE))
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(10));
        let pool =
            || SqlitePoolOptions::new().test_before_acquire(false).idle_timeout(None).max_lifetime(None);
        let writer = pool().max_connections(1).connect_with(options.clone()).await?;
        schema::migrate(&mut *writer.acquire().await?).await?;
        folder::sync(&data_dir)?;
        let readers = pool().max_connections(READERS).connect_with(options.read_only(true)).await?;
        let key_file = data_dir.join(keys::FILE);
        let keys = matching_keys(&writer, &key_file).await?;
        let caches = Caches {
            blobs: ByteLru::new(BLOB_CACHE_BYTES),
            launches: ByteLru::new(LAUNCH_CACHE_BYTES),
            generation: 0,
        };
        let inner = Inner {
            writer,
            readers,
            blobs,
            key_file,
            keys: RwLock::new(Arc::new(keys)),
            caches: Mutex::new(caches),
            default_quotas: RwLock::default(),
            tokens: Known::default(),
            _lock: lock,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Ends the connections after what is running; later calls fail. Not needed for durability.
    pub async fn close(&self) {
        self.inner.readers.close().await;
        self.inner.writer.close().await;
    }

    /// Makes a new master key and re-encrypts every secret with it. Returns how many were.
    ///
    /// A crash at any moment leaves every secret readable: the key file holds both keys until it is done.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when a secret does not decrypt; every secret stays as it was then.
    pub async fn rotate_secrets(&self) -> Result<u64> {
        let mut transaction = self.write().await?;
        let rotated = self.keys().rotated()?;
        rotated.save(&self.inner.key_file)?;
        // In force before the commit lets the next writer in: nothing is sealed with the old key after the pass below.
        *self.inner.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rotated.clone());
        let all = sqlx::query(
            "SELECT s.version, s.name, s.key_id, s.sealed, v.worker
             FROM version_secrets s JOIN versions v ON v.id = s.version WHERE s.key_id <> ?",
        )
        .bind(rotated.active_id())
        .fetch_all(&mut *transaction)
        .await?;
        for row in &all {
            let worker: WorkerId = rows::parsed(row, "worker")?;
            let name = rows::text(row, "name")?;
            let sealed = Sealed { key_id: rows::text(row, "key_id")?, bytes: row.try_get("sealed")? };
            let resealed = rotated.seal(worker, &name, &rotated.open(worker, &name, &sealed)?)?;
            sqlx::query("UPDATE version_secrets SET key_id = ?, sealed = ? WHERE version = ? AND name = ?")
                .bind(resealed.key_id)
                .bind(resealed.bytes)
                .bind(rows::text(row, "version")?)
                .bind(name)
                .execute(&mut *transaction)
                .await?;
        }
        let projects = projects::reseal(&mut transaction, &rotated).await?;
        let people = credentials::reseal(&mut transaction, &rotated).await?
            + providers::reseal(&mut transaction, &rotated).await?
            + access_keys::reseal(&mut transaction, &rotated).await?;
        transaction.commit().await?;
        rotated.active_only().save(&self.inner.key_file)?;
        self.forget_launches();
        Ok(all.len() as u64 + projects + people)
    }

    pub(crate) async fn write(&self) -> Result<Transaction<'static, Sqlite>> {
        Ok(self.inner.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    pub(crate) async fn read(&self) -> Result<PoolConnection<Sqlite>> {
        Ok(self.inner.readers.acquire().await?)
    }

    /// Ask for it inside the write transaction that stores what it seals: a rotation may have come before.
    pub(crate) fn keys(&self) -> Arc<Keyring> {
        self.inner.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn caches(&self) -> MutexGuard<'_, Caches> {
        self.inner.caches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn forget_launches(&self) {
        let mut caches = self.caches();
        caches.generation += 1;
        caches.launches.clear();
    }
}

/// Runs what blocks away from the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(StoreError::io("working in the background")(std::io::Error::other(error))),
        },
    }
}

/// The keys that every stored secret needs. A key is made only where there is no secret yet: a new one in the place
/// of a lost one would hide that secrets are unreadable until their workers start.
async fn matching_keys(writer: &SqlitePool, path: &Path) -> Result<Keyring> {
    let used = "SELECT key_id FROM version_secrets UNION SELECT key_id FROM project_secrets
                UNION SELECT key_id FROM totp UNION SELECT key_id FROM access_keys
                UNION SELECT key_id FROM providers WHERE key_id IS NOT NULL";
    let used: Vec<String> = sqlx::query_scalar(used).fetch_all(writer).await?;
    let Some(keys) = Keyring::load(path)? else {
        if !used.is_empty() {
            return Err(StoreError::Key(format!(
                "{} is missing, and there are secrets encrypted with it: restore it from a backup",
                path.display()
            )));
        }
        let keys = Keyring::generate()?;
        keys.save(path)?;
        return Ok(keys);
    };
    if folder::is_open_to_others(path) {
        tracing::warn!(path = %path.display(), "the master key can be read by others: chmod 600 it");
    }
    if used.iter().any(|id| !keys.ids().contains(&id.as_str())) {
        return Err(StoreError::Key(format!(
            "{} is not the key that the stored secrets were encrypted with: restore the right one from a backup",
            path.display()
        )));
    }
    if keys.ids().len() > 1 && used.iter().all(|id| id == keys.active_id()) {
        // A rotation that was interrupted between its commit and its end.
        let active = keys.active_only();
        active.save(path)?;
        return Ok(active);
    }
    Ok(keys)
}

#[cfg(test)]
impl Store {
    /// The steps in which SQLite would carry out a query.
    pub(crate) async fn plan(&self, query: &str) -> Vec<String> {
        let mut connection = self.read().await.unwrap();
        let query = sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {query}"));
        let steps = sqlx::query(query).fetch_all(&mut *connection).await.unwrap();
        steps.iter().map(|step| sqlx::Row::get(step, "detail")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A killed process loses nothing that the kernel has, so only this shows that a power cut would not either.
    #[tokio::test]
    async fn a_commit_is_synced_to_disk() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let mut writer = store.inner.writer.acquire().await.unwrap();
        let synchronous: i64 =
            sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *writer).await.unwrap();
        let journal: String =
            sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *writer).await.unwrap();
        assert_eq!((synchronous, journal.as_str()), (2, "wal"));
    }

    #[tokio::test]
    async fn readers_cannot_write() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let mut reader = store.read().await.unwrap();
        assert!(sqlx::query("DELETE FROM accounts").execute(&mut *reader).await.is_err());
    }
}
