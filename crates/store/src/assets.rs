//! Static assets: what accounts have uploaded, uploads under way, and what versions serve. The contents lie elsewhere.

use std::collections::HashMap;

use bytes::Bytes;
use hearth_model::{AccountId, Compatibility, VersionAssets, VersionId, WorkerName};
use jiff::{SignedDuration, Timestamp};
use sqlx::Row;

use crate::store::blocking;
use crate::versions::Document;
use crate::{Entity, Result, Store, StoreError, rows};

/// How long an upload that has expired still keeps its contents: for a deploy that began before.
const AFTERWARDS: SignedDuration = SignedDuration::from_hours(1);

/// A content that an account has uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetContent {
    /// What its client calls it.
    pub hash: String,
    /// Bytes.
    pub size: u64,
    /// What responses say it is; None: nothing.
    pub media_type: Option<String>,
}

/// An upload of assets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AssetSession {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub account: AccountId,
    /// The worker that it is for, in lower case.
    pub worker: String,
    /// What was announced, as the caller of [`Store::begin_assets`] wrote it.
    pub files: Bytes,
    /// When it ends.
    pub expires_on: Timestamp,
}

/// The assets of a version, with what decides how they are served.
#[derive(Debug, Clone)]
pub struct ServedAssets {
    /// Whose they are.
    pub account: AccountId,
    /// What is kept of them.
    pub assets: VersionAssets,
    /// The list of files.
    pub manifest: Bytes,
    /// Of the version.
    pub compatibility: Compatibility,
    /// Whether there is code beside them.
    pub has_code: bool,
}

/// Who needs contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AssetsInUse {
    /// A version; its list of files.
    Version(Bytes),
    /// An upload; what was announced.
    Session(Bytes),
}

/// `CROSS` keeps the order of the two: the planner's own would read the list of what is wanted once for each content that
/// the account has, and 20,000 files took 25 s.
const CONTENTS: &str = "SELECT c.hash, c.size, c.media_type FROM json_each(?) wanted
                        CROSS JOIN asset_contents c ON c.account = ? AND c.hash = wanted.value";

impl Store {
    /// A key for tokens of uploads. It changes when the master key does, and tokens made before are good for nothing then.
    pub fn assets_key(&self) -> [u8; 32] {
        self.keys().derived("hearth store 2026 tokens of asset uploads")
    }

    /// Which of these contents an account has.
    pub async fn asset_contents(
        &self,
        account: &AccountId,
        hashes: &[String],
    ) -> Result<HashMap<String, AssetContent>> {
        let found = sqlx::query(CONTENTS)
            .bind(rows::to_json(&hashes)?)
            .bind(account.as_str())
            .fetch_all(&mut *self.read().await?)
            .await?;
        let content = |row: &sqlx::sqlite::SqliteRow| {
            let hash = rows::text(row, "hash")?;
            let content = AssetContent {
                hash: hash.clone(),
                size: rows::count(row, "size")?,
                media_type: row.try_get("media_type")?,
            };
            Ok((hash, content))
        };
        found.iter().map(content).collect()
    }

    /// Says that an account has these contents, which lie in its folder by now.
    pub async fn put_asset_contents(&self, account: &AccountId, contents: &[AssetContent]) -> Result<()> {
        let mut transaction = self.write().await?;
        for AssetContent { hash, size, media_type } in contents {
            sqlx::query(
                "INSERT INTO asset_contents (account, hash, size, media_type) VALUES (?, ?, ?, ?)
                 ON CONFLICT (account, hash) DO UPDATE SET size = excluded.size, media_type = excluded.media_type",
            )
            .bind(account.as_str())
            .bind(hash)
            .bind(*size as i64)
            .bind(media_type)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Says that an account has these contents no more; they are to be removed after this.
    pub async fn forget_asset_contents(&self, account: &AccountId, hashes: &[String]) -> Result<()> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "DELETE FROM asset_contents WHERE account = ? AND hash IN (SELECT value FROM json_each(?))",
        )
        .bind(account.as_str())
        .bind(rows::to_json(&hashes)?)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Keeps an upload.
    pub async fn begin_assets(&self, session: &AssetSession) -> Result<()> {
        let blob = self.put_blob(session.files.clone()).await?;
        let mut transaction = self.write().await?;
        sqlx::query(
            "INSERT INTO asset_sessions (id, account, worker, files, expires_on) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(&session.id)
        .bind(session.account.as_str())
        .bind(&session.worker)
        .bind(blob)
        .bind(session.expires_on.as_microsecond())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// An account's upload for a worker; None: there is none, or it has ended.
    pub async fn asset_session(&self, id: &str) -> Result<Option<AssetSession>> {
        let row = sqlx::query("SELECT * FROM asset_sessions WHERE id = ?")
            .bind(id)
            .fetch_optional(&mut *self.read().await?)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let expires_on = rows::time(&row, "expires_on")?;
        if expires_on <= rows::now() {
            return Ok(None);
        }
        Ok(Some(AssetSession {
            id: rows::text(&row, "id")?,
            account: rows::parsed(&row, "account")?,
            worker: rows::text(&row, "worker")?,
            files: self.blob(&rows::text(&row, "files")?).await?,
            expires_on,
        }))
    }

    /// Forgets uploads that have ended.
    pub async fn sweep_asset_sessions(&self) -> Result<()> {
        let mut transaction = self.write().await?;
        sqlx::query("DELETE FROM asset_sessions WHERE expires_on < ?")
            .bind((rows::now() - AFTERWARDS).as_microsecond())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// Stores a list of files, durably. It is kept for at least the grace time of [`Store::collect_garbage`] until a
    /// version has it.
    pub async fn put_asset_manifest(&self, bytes: Bytes) -> Result<String> {
        self.put_blob(bytes).await
    }

    /// What needs the contents of an account: lists of files of its versions, and what its uploads announced. Each is read
    /// by itself, since together they may be large.
    pub async fn assets_in_use(&self, account: &AccountId) -> Result<Vec<AssetsInUse>> {
        let found = sqlx::query(
            "SELECT DISTINCT v.assets AS blob, 1 AS of_version FROM versions v JOIN workers w ON w.id = v.worker
             WHERE w.account = ?1 AND v.assets IS NOT NULL
             UNION ALL SELECT files, 0 FROM asset_sessions WHERE account = ?1",
        )
        .bind(account.as_str())
        .fetch_all(&mut *self.read().await?)
        .await?;
        let mut used = Vec::with_capacity(found.len());
        for row in &found {
            let bytes = self.blob(&rows::text(row, "blob")?).await?;
            used.push(match rows::flag(row, "of_version")? {
                true => AssetsInUse::Version(bytes),
                false => AssetsInUse::Session(bytes),
            });
        }
        Ok(used)
    }

    /// A version's assets; None: it has none, or there is no such version.
    pub async fn served_assets(&self, version: VersionId) -> Result<Option<ServedAssets>> {
        let row = sqlx::query(
            "SELECT w.account, v.document, v.code FROM versions v JOIN workers w ON w.id = v.worker WHERE v.id = ?",
        )
        .bind(version.to_string())
        .fetch_optional(&mut *self.read().await?)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let document: Document = rows::json(&row, "document")?;
        let Some(assets) = document.assets else { return Ok(None) };
        Ok(Some(ServedAssets {
            account: rows::parsed(&row, "account")?,
            manifest: self.blob(&assets.manifest).await?,
            assets,
            compatibility: document.compatibility,
            has_code: rows::flag(&row, "code")?,
        }))
    }

    async fn put_blob(&self, bytes: Bytes) -> Result<String> {
        let inner = self.inner.clone();
        blocking(move || inner.blobs.put(&bytes)).await
    }

    /// Past the cache, which is for code.
    async fn blob(&self, hash: &str) -> Result<Bytes> {
        let (inner, hash) = (self.inner.clone(), hash.to_owned());
        blocking(move || inner.blobs.get(&hash).map(Bytes::from)).await
    }
}

impl AssetSession {
    /// An upload that begins now.
    pub fn new(account: AccountId, worker: &WorkerName, files: Bytes, lasts: SignedDuration) -> Self {
        let id = uuid::Uuid::new_v4().to_string();
        Self { id, account, worker: worker.folded(), files, expires_on: rows::now() + lasts }
    }
}

/// Blobs that uploads under way need beside those of versions.
pub(crate) const SESSION_BLOBS: &str = "SELECT files FROM asset_sessions";

/// A version whose list of files was never stored.
pub(crate) fn no_manifest(assets: &VersionAssets) -> StoreError {
    StoreError::not_found(Entity::Blob, &assets.manifest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn contents_are_looked_up_one_by_one() {
        let folder = tempfile::tempdir().unwrap();
        let steps = Store::open(folder.path()).await.unwrap().plan(CONTENTS).await;
        assert!(steps[0].starts_with("SCAN wanted") && steps[1].starts_with("SEARCH c"), "{steps:?}");
    }
}
