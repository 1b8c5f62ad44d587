//! Cron triggers, stored; what runs them is elsewhere.

use hearth_model::WorkerId;
use jiff::Timestamp;

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::{Result, Store, rows, workers};

/// A cron trigger of a worker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The expression, as it was given.
    pub cron: String,
    /// When it was first set.
    pub created_on: Timestamp,
    /// When it was last set.
    pub modified_on: Timestamp,
}

impl Store {
    /// The cron triggers of a worker, in the order given.
    pub async fn schedules(&self, worker: WorkerId) -> Result<Vec<Schedule>> {
        list(&mut *self.read().await?, worker).await
    }

    /// Makes these the cron triggers of a worker. Repeated expressions count once.
    ///
    /// # Errors
    /// Worker not found.
    pub async fn replace_schedules(&self, worker: WorkerId, crons: Vec<String>) -> Result<Vec<Schedule>> {
        let mut transaction = self.write().await?;
        workers::find(&mut transaction, worker).await?;
        let before = list(&mut transaction, worker).await?;
        sqlx::query("DELETE FROM schedules WHERE worker = ?")
            .bind(worker.to_string())
            .execute(&mut *transaction)
            .await?;
        let now = rows::now();
        for (position, cron) in crons.iter().enumerate() {
            let since = before.iter().find(|old| old.cron == *cron).map_or(now, |old| old.created_on);
            sqlx::query(
                "INSERT OR IGNORE INTO schedules (worker, cron, position, created_on, modified_on)
                 VALUES (?, ?, ?, ?, ?)",
            )
            .bind(worker.to_string())
            .bind(cron)
            .bind(position as i64)
            .bind(since.as_microsecond())
            .bind(now.as_microsecond())
            .execute(&mut *transaction)
            .await?;
        }
        let after = list(&mut transaction, worker).await?;
        transaction.commit().await?;
        Ok(after)
    }
}

async fn list(connection: &mut SqliteConnection, worker: WorkerId) -> Result<Vec<Schedule>> {
    let all = sqlx::query("SELECT * FROM schedules WHERE worker = ? ORDER BY position")
        .bind(worker.to_string())
        .fetch_all(connection)
        .await?;
    all.iter().map(schedule_of).collect()
}

fn schedule_of(row: &SqliteRow) -> Result<Schedule> {
    Ok(Schedule {
        cron: rows::text(row, "cron")?,
        created_on: rows::time(row, "created_on")?,
        modified_on: rows::time(row, "modified_on")?,
    })
}
