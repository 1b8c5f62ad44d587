//! Access tokens of workers: who shows one passes the gateway's rule. Only their SHA-256 is stored.

use hearth_model::WorkerId;
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;

use crate::tokens::{hash_of, random_token};
use crate::{Entity, Result, Store, StoreError, TokenId, rows, workers};

/// An access token of a worker; not its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerToken {
    /// Its id.
    pub id: TokenId,
    /// What its maker calls it.
    pub name: String,
    /// When it was made.
    pub created_on: Timestamp,
    /// From when on it opens nothing; None: until it is revoked.
    pub expires_on: Option<Timestamp>,
}

impl Store {
    /// Makes an access token of 48 random characters, which are returned beside it and kept nowhere.
    ///
    /// # Errors
    /// Worker not found.
    pub async fn create_worker_token(
        &self,
        worker: WorkerId,
        name: &str,
        expires_on: Option<Timestamp>,
    ) -> Result<(WorkerToken, String)> {
        let mut transaction = self.write().await?;
        workers::find(&mut transaction, worker).await?;
        let text = random_token();
        let (id, created_on) = (TokenId::random(), rows::now());
        let token = WorkerToken { id, name: name.to_owned(), created_on, expires_on };
        let sql = "INSERT INTO worker_tokens (id, worker, name, hash, created_on, expires_on)
                   VALUES (?, ?, ?, ?, ?, ?)";
        sqlx::query(sql)
            .bind(token.id.as_str())
            .bind(worker.to_string())
            .bind(&token.name)
            .bind(hash_of(&text).as_slice())
            .bind(token.created_on.as_microsecond())
            .bind(token.expires_on.map(Timestamp::as_microsecond))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok((token, text))
    }

    /// The access tokens of a worker, oldest first.
    pub async fn worker_tokens(&self, worker: WorkerId) -> Result<Vec<WorkerToken>> {
        let all = sqlx::query("SELECT * FROM worker_tokens WHERE worker = ? ORDER BY created_on, id")
            .bind(worker.to_string())
            .fetch_all(&mut *self.read().await?)
            .await?;
        all.iter().map(token_of).collect()
    }

    /// Ends an access token.
    ///
    /// # Errors
    /// Not found when it is not that worker's.
    pub async fn revoke_worker_token(&self, worker: WorkerId, id: &TokenId) -> Result<()> {
        let mut transaction = self.write().await?;
        let done = sqlx::query("DELETE FROM worker_tokens WHERE worker = ? AND id = ?")
            .bind(worker.to_string())
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::not_found(Entity::Token, id));
        }
        transaction.commit().await?;
        Ok(())
    }
}

fn token_of(row: &SqliteRow) -> Result<WorkerToken> {
    Ok(WorkerToken {
        id: rows::parsed(row, "id")?,
        name: rows::text(row, "name")?,
        created_on: rows::time(row, "created_on")?,
        expires_on: rows::time_option(row, "expires_on")?,
    })
}
