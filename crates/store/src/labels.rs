//! Versions with names of their own, as dialects give them: found by name, deleted one by one, their aliases moved.

use hearth_model::{Dialect, Split, Version, VersionId, WorkerId};
use sqlx::Row;

use crate::{Entity, Result, Store, StoreError, Worker, rows, versions, workers};

impl Store {
    /// The version of this name, compared without case; None when there is none.
    pub async fn version_by_label(&self, worker: WorkerId, label: &str) -> Result<Option<Version>> {
        let row = sqlx::query("SELECT * FROM versions WHERE worker = ? AND label = ?")
            .bind(worker.to_string())
            .bind(label.to_ascii_lowercase())
            .fetch_optional(&mut *self.read().await?)
            .await?;
        row.as_ref().map(versions::version_of).transpose()
    }

    /// Gives an alias to a version, and takes it from the one that had it.
    ///
    /// # Errors
    /// Version not found when it is not that worker's.
    pub async fn move_alias(&self, worker: WorkerId, version: VersionId, alias: &str) -> Result<()> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "UPDATE versions SET alias = NULL, document = json_remove(document, '$.annotations.\"workers/alias\"')
             WHERE worker = ? AND alias = ? COLLATE NOCASE",
        )
        .bind(worker.to_string())
        .bind(alias)
        .execute(&mut *transaction)
        .await?;
        let done = sqlx::query(
            "UPDATE versions SET alias = ?1, document = json_set(document, '$.annotations.\"workers/alias\"', ?1)
             WHERE worker = ?2 AND id = ?3",
        )
        .bind(alias)
        .bind(worker.to_string())
        .bind(version.to_string())
        .execute(&mut *transaction)
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::not_found(Entity::Version, version));
        }
        transaction.commit().await?;
        self.forget_launches();
        Ok(())
    }

    /// Deletes a version that does not serve, and the deployments that named it.
    ///
    /// # Errors
    /// Version not found when it is not that worker's; conflict when it is in the deployment in force.
    pub async fn delete_version(&self, worker: WorkerId, version: VersionId) -> Result<()> {
        let mut transaction = self.write().await?;
        let split: Option<String> = sqlx::query_scalar(
            "SELECT d.split FROM workers w JOIN deployments d ON d.worker = w.id AND d.number = w.last_deployment
             WHERE w.id = ?",
        )
        .bind(worker.to_string())
        .fetch_optional(&mut *transaction)
        .await?;
        let split: Option<Split> = split.map(|split| rows::from_json(&split, "split")).transpose()?;
        if split.is_some_and(|split| split.shares().iter().any(|(id, _)| *id == version)) {
            return Err(StoreError::conflict(Entity::Version, "the version serves".to_owned()));
        }
        sqlx::query("DELETE FROM deployments WHERE worker = ? AND instr(split, ?) > 0")
            .bind(worker.to_string())
            .bind(version.to_string())
            .execute(&mut *transaction)
            .await?;
        let done = sqlx::query("DELETE FROM versions WHERE worker = ? AND id = ?")
            .bind(worker.to_string())
            .bind(version.to_string())
            .execute(&mut *transaction)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::not_found(Entity::Version, version));
        }
        transaction.commit().await?;
        self.forget_launches();
        Ok(())
    }

    /// The workers of a dialect, of all accounts.
    pub async fn workers_of(&self, dialect: Dialect) -> Result<Vec<Worker>> {
        let all = sqlx::query("SELECT * FROM workers WHERE dialect = ?")
            .bind(dialect.as_str())
            .fetch_all(&mut *self.read().await?)
            .await?;
        all.iter().map(workers::worker_of).collect()
    }

    /// The workers of a dialect that are deployed, with the deployment's split; the one deployed last comes last.
    pub async fn deployed(&self, dialect: Dialect) -> Result<Vec<(WorkerId, Split)>> {
        let all = sqlx::query(
            "SELECT w.id, d.split FROM workers w
             JOIN deployments d ON d.worker = w.id AND d.number = w.last_deployment
             WHERE w.dialect = ? ORDER BY d.created_on",
        )
        .bind(dialect.as_str())
        .fetch_all(&mut *self.read().await?)
        .await?;
        all.iter()
            .map(|row| Ok((rows::parsed(row, "id")?, rows::from_json(row.try_get("split")?, "split")?)))
            .collect()
    }
}
