//! The database's tables, as numbered steps.

use sqlx::{Connection, Row, SqliteConnection};

use crate::{Result, StoreError};

/// Steps in order. A step that was released never changes; a change is another step.
const STEPS: [&str; 5] = [
    include_str!("../migrations/0001_init.sql"),
    include_str!("../migrations/0002_resources.sql"),
    include_str!("../migrations/0003_token_policies.sql"),
    include_str!("../migrations/0004_scheduled_runs.sql"),
    include_str!("../migrations/0005_objects.sql"),
];

/// Brings the tables up to date. SQLite's `user_version` counts the steps taken, and each is one transaction with
/// its count, so a crash between two leaves a database that goes on from there.
pub(crate) async fn migrate(connection: &mut SqliteConnection) -> Result<()> {
    let known = STEPS.len() as i64;
    let found: i64 = sqlx::query("PRAGMA user_version").fetch_one(&mut *connection).await?.try_get(0)?;
    if found > known {
        return Err(StoreError::TooNew { found, known });
    }
    for (index, step) in STEPS.iter().enumerate().skip(usize::try_from(found).unwrap_or(0)) {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(*step).execute(&mut *transaction).await?;
        let count = sqlx::AssertSqlSafe(format!("PRAGMA user_version = {}", index + 1));
        sqlx::raw_sql(count).execute(&mut *transaction).await?;
        transaction.commit().await?;
    }
    Ok(())
}
