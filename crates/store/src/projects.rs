//! Pages projects: what is kept of one beside its worker and versions. Its settings are its worker's dialect settings.

use std::collections::{BTreeMap, HashMap, HashSet};

use hearth_model::{AccountId, WorkerId};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::keys::{Keyring, Sealed};
use crate::{NewWorker, Result, Store, Worker, WorkerChanges, rows, workers};

/// A secret of a project to be put; without a text, to be removed.
#[derive(Clone, PartialEq, Eq)]
pub struct ProjectSecret {
    /// `production` or `preview`.
    pub environment: &'static str,
    /// The variable's name.
    pub name: String,
    /// Its value.
    pub text: Option<String>,
}

impl std::fmt::Debug for ProjectSecret {
    /// Without the text.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.environment, self.name)
    }
}

/// A file that a project has uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectFile {
    /// What its client calls it.
    pub hash: String,
    /// What it is called among the account's contents.
    pub content: String,
    /// Bytes.
    pub size: u64,
    /// What responses say it is; None: nothing.
    pub media_type: Option<String>,
}

impl Store {
    /// Makes a project.
    ///
    /// # Errors
    /// As [`Store::create_worker`].
    pub async fn create_project(
        &self,
        new: NewWorker,
        settings: WorkerChanges,
        secrets: &[ProjectSecret],
    ) -> Result<Worker> {
        let mut transaction = self.write().await?;
        let id = WorkerId::random();
        workers::insert(&mut transaction, id, &new, &self.default_quotas()).await?;
        let worker = workers::update(&mut transaction, id, settings).await?;
        put_secrets(&mut transaction, &self.keys(), id, secrets).await?;
        transaction.commit().await?;
        Ok(worker)
    }

    /// Replaces a project's settings and changes its secrets.
    ///
    /// # Errors
    /// Worker not found.
    pub async fn change_project(
        &self,
        id: WorkerId,
        settings: Value,
        secrets: &[ProjectSecret],
    ) -> Result<Worker> {
        let mut transaction = self.write().await?;
        let changes = WorkerChanges { dialect_settings: Some(settings), ..WorkerChanges::default() };
        let worker = workers::update(&mut transaction, id, changes).await?;
        put_secrets(&mut transaction, &self.keys(), id, secrets).await?;
        transaction.commit().await?;
        Ok(worker)
    }

    /// The secrets of one of a project's environments, by name, in the clear.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`](crate::StoreError::Corrupt) when one does not decrypt.
    pub async fn project_secrets(
        &self,
        worker: WorkerId,
        environment: &str,
    ) -> Result<BTreeMap<String, String>> {
        let all = sqlx::query(
            "SELECT name, key_id, sealed FROM project_secrets WHERE worker = ? AND environment = ?",
        )
        .bind(worker.to_string())
        .bind(environment)
        .fetch_all(&mut *self.read().await?)
        .await?;
        let keys = self.keys();
        let open = |row: &SqliteRow| {
            let name = rows::text(row, "name")?;
            let sealed = Sealed { key_id: rows::text(row, "key_id")?, bytes: row.try_get("sealed")? };
            let text = keys.open(worker, &sealed_name(environment, &name), &sealed)?;
            Ok((name, text))
        };
        all.iter().map(open).collect()
    }

    /// Says that a project has uploaded these; their contents lie in the account's folder by now.
    pub async fn put_project_files(&self, worker: WorkerId, files: &[ProjectFile]) -> Result<()> {
        let mut transaction = self.write().await?;
        for file in files {
            sqlx::query(
                "INSERT INTO project_files (worker, hash, content, size, media_type, used_on)
                 VALUES (?, ?, ?, ?, ?, ?)
                 ON CONFLICT (worker, hash) DO UPDATE SET content = excluded.content, size = excluded.size,
                 media_type = excluded.media_type, used_on = excluded.used_on",
            )
            .bind(worker.to_string())
            .bind(&file.hash)
            .bind(&file.content)
            .bind(file.size as i64)
            .bind(&file.media_type)
            .bind(rows::now().as_microsecond())
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    /// Which of these files a project has. They are kept for a while from now, as if they had just been uploaded.
    pub async fn use_project_files(
        &self,
        worker: WorkerId,
        hashes: &[String],
    ) -> Result<HashMap<String, ProjectFile>> {
        let mut transaction = self.write().await?;
        let found = sqlx::query(
            "UPDATE project_files SET used_on = ?1
             WHERE worker = ?2 AND hash IN (SELECT value FROM json_each(?3))
             RETURNING hash, content, size, media_type",
        )
        .bind(rows::now().as_microsecond())
        .bind(worker.to_string())
        .bind(rows::to_json(&hashes)?)
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        found.iter().map(|row| file_of(row).map(|file| (file.hash.clone(), file))).collect()
    }

    /// Forgets the files of an account's projects that nobody has used since `before` and whose contents are not among
    /// those that `live` ones need, and says which contents the others need.
    pub async fn sweep_project_files(
        &self,
        account: &AccountId,
        before: Timestamp,
        live: &HashSet<String>,
    ) -> Result<Vec<String>> {
        let mut transaction = self.write().await?;
        let all = sqlx::query(
            "SELECT f.worker, f.hash, f.content, f.used_on < ?2 AS old
             FROM project_files f JOIN workers w ON w.id = f.worker WHERE w.account = ?1",
        )
        .bind(account.as_str())
        .bind(before.as_microsecond())
        .fetch_all(&mut *transaction)
        .await?;
        let mut needed = Vec::with_capacity(all.len());
        for row in &all {
            let content = rows::text(row, "content")?;
            if !rows::flag(row, "old")? || live.contains(&content) {
                needed.push(content);
                continue;
            }
            sqlx::query("DELETE FROM project_files WHERE worker = ? AND hash = ?")
                .bind(rows::text(row, "worker")?)
                .bind(rows::text(row, "hash")?)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(needed)
    }
}

/// Seals all secrets of projects with the active key; how many had another.
pub(crate) async fn reseal(connection: &mut SqliteConnection, keys: &Keyring) -> Result<u64> {
    let all = sqlx::query("SELECT * FROM project_secrets WHERE key_id <> ?")
        .bind(keys.active_id())
        .fetch_all(&mut *connection)
        .await?;
    for row in &all {
        let worker: WorkerId = rows::parsed(row, "worker")?;
        let (environment, name) = (rows::text(row, "environment")?, rows::text(row, "name")?);
        let sealed = Sealed { key_id: rows::text(row, "key_id")?, bytes: row.try_get("sealed")? };
        let text = keys.open(worker, &sealed_name(&environment, &name), &sealed)?;
        put_secret(connection, keys, worker, &environment, &name, &text).await?;
    }
    Ok(all.len() as u64)
}

async fn put_secrets(
    connection: &mut SqliteConnection,
    keys: &Keyring,
    worker: WorkerId,
    secrets: &[ProjectSecret],
) -> Result<()> {
    for ProjectSecret { environment, name, text } in secrets {
        match text {
            Some(text) => put_secret(connection, keys, worker, environment, name, text).await?,
            None => {
                sqlx::query("DELETE FROM project_secrets WHERE worker = ? AND environment = ? AND name = ?")
                    .bind(worker.to_string())
                    .bind(environment)
                    .bind(name)
                    .execute(&mut *connection)
                    .await?;
            }
        }
    }
    Ok(())
}

async fn put_secret(
    connection: &mut SqliteConnection,
    keys: &Keyring,
    worker: WorkerId,
    environment: &str,
    name: &str,
    text: &str,
) -> Result<()> {
    let sealed = keys.seal(worker, &sealed_name(environment, name), text)?;
    sqlx::query(
        "INSERT INTO project_secrets (worker, environment, name, key_id, sealed) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT (worker, environment, name) DO UPDATE SET key_id = excluded.key_id, sealed = excluded.sealed",
    )
    .bind(worker.to_string())
    .bind(environment)
    .bind(name)
    .bind(sealed.key_id)
    .bind(sealed.bytes)
    .execute(connection)
    .await?;
    Ok(())
}

/// What a secret is sealed as: one environment's row is of no use in another's, nor in a version.
fn sealed_name(environment: &str, name: &str) -> String {
    format!("pages/{environment}/{name}")
}

fn file_of(row: &SqliteRow) -> Result<ProjectFile> {
    Ok(ProjectFile {
        hash: rows::text(row, "hash")?,
        content: rows::text(row, "content")?,
        size: rows::count(row, "size")?,
        media_type: row.try_get("media_type")?,
    })
}
