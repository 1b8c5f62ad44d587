//! Cron triggers, and how their runs ended.

use hearth_model::WorkerId;
use jiff::Timestamp;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

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

/// A run of a cron trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledRun {
    /// The expression.
    pub cron: String,
    /// When it was due.
    pub scheduled_on: Timestamp,
    /// When it began.
    pub started_on: Timestamp,
    /// How long it took, its `waitUntil` tasks included.
    pub duration_ms: u64,
    /// How it ended, in workerd's words.
    pub outcome: String,
    /// Why it did not run or did not end.
    pub error: Option<String>,
}

/// Runs that are kept of one worker.
const RUNS: i64 = 100;

impl Store {
    /// The workers that have cron triggers.
    pub async fn scheduled_workers(&self) -> Result<Vec<WorkerId>> {
        let rows =
            sqlx::query("SELECT DISTINCT worker FROM schedules").fetch_all(&mut *self.read().await?).await?;
        rows.iter().map(|row| rows::parsed(row, "worker")).collect()
    }

    /// Keeps how a run ended; of one worker only the latest hundred.
    ///
    /// # Errors
    /// Worker not found.
    pub async fn record_run(&self, worker: WorkerId, run: &ScheduledRun) -> Result<()> {
        let mut transaction = self.write().await?;
        workers::find(&mut transaction, worker).await?;
        sqlx::query(
            "INSERT INTO scheduled_runs (worker, cron, scheduled_on, started_on, duration_ms, outcome, error)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(worker.to_string())
        .bind(&run.cron)
        .bind(run.scheduled_on.as_microsecond())
        .bind(run.started_on.as_microsecond())
        .bind(i64::try_from(run.duration_ms).unwrap_or(i64::MAX))
        .bind(&run.outcome)
        .bind(&run.error)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "DELETE FROM scheduled_runs WHERE worker = ?1 AND id <= (
                 SELECT id FROM scheduled_runs WHERE worker = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        )
        .bind(worker.to_string())
        .bind(RUNS)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// The latest runs of a worker, newest first.
    pub async fn runs(&self, worker: WorkerId) -> Result<Vec<ScheduledRun>> {
        let rows = sqlx::query("SELECT * FROM scheduled_runs WHERE worker = ? ORDER BY id DESC")
            .bind(worker.to_string())
            .fetch_all(&mut *self.read().await?)
            .await?;
        rows.iter().map(run_of).collect()
    }

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

fn run_of(row: &SqliteRow) -> Result<ScheduledRun> {
    Ok(ScheduledRun {
        cron: rows::text(row, "cron")?,
        scheduled_on: rows::time(row, "scheduled_on")?,
        started_on: rows::time(row, "started_on")?,
        duration_ms: rows::count(row, "duration_ms")?,
        outcome: rows::text(row, "outcome")?,
        error: row.try_get("error")?,
    })
}

fn schedule_of(row: &SqliteRow) -> Result<Schedule> {
    Ok(Schedule {
        cron: rows::text(row, "cron")?,
        created_on: rows::time(row, "created_on")?,
        modified_on: rows::time(row, "modified_on")?,
    })
}
