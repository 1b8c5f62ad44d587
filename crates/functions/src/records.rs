//! What is remembered of each call: one file of SQLite, written by a thread of its own in batches. A crash may lose the
//! last moment of it; nothing waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use hearth_model::WorkerId;
use hearth_supervisor::FunctionError;
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// Records kept of one function; the oldest go.
pub(crate) const KEPT: u32 = 1000;

/// Records written in one transaction.
const BATCH: usize = 1000;

/// How long the first record of a batch waits for others.
const GATHER: Duration = Duration::from_millis(50);

/// Records that wait to be written; more are dropped and counted.
const INBOX: usize = 20_000;

/// One call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The caller's id, or ours.
    pub request_id: String,
    /// The function's version.
    pub version: String,
    /// `api`, or `http` for a call over its host.
    pub via: String,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: f64,
    /// The same, in whole ones.
    pub billed_ms: u64,
    /// The most memory that its process has used so far beyond the baseline, in MiB.
    pub memory_mb: f64,
    /// What its process uses without any code, in MiB.
    pub baseline_mb: f64,
    /// Whether a process was started for it.
    pub cold_start: bool,
    /// Whether the function answered.
    pub success: bool,
    /// Why not.
    pub error: Option<FunctionError>,
    /// What it printed.
    pub logs: Vec<String>,
}

enum Ask {
    Add(WorkerId, Box<Record>),
    Page { function: WorkerId, limit: u32, offset: u32, answer: oneshot::Sender<(Vec<Record>, u32)> },
    Stats(WorkerId, oneshot::Sender<Value>),
    Forget(WorkerId),
}

/// The records of all functions. Clones are the same.
#[derive(Clone)]
pub struct Records(mpsc::SyncSender<Ask>);

impl Records {
    /// Opens the file, and makes it when it is not there.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "PRAGMA journal_mode = WAL;
             PRAGMA synchronous = OFF;
             CREATE TABLE IF NOT EXISTS calls (
                 id INTEGER PRIMARY KEY,
                 function TEXT NOT NULL,
                 duration REAL NOT NULL,
                 kind TEXT,
                 record TEXT NOT NULL
             ) STRICT;
             CREATE INDEX IF NOT EXISTS calls_of ON calls (function, id);
             CREATE TABLE IF NOT EXISTS totals (
                 function TEXT PRIMARY KEY,
                 calls INTEGER NOT NULL,
                 failures INTEGER NOT NULL,
                 cold INTEGER NOT NULL
             ) STRICT;",
        )?;
        let (sender, inbox) = mpsc::sync_channel(INBOX);
        let writer = move || write(connection, &inbox);
        std::thread::Builder::new()
            .name("functions-records".into())
            .spawn(writer)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        Ok(Self(sender))
    }

    /// Remembers a call.
    pub fn add(&self, function: WorkerId, record: Record) {
        if self.0.try_send(Ask::Add(function, Box::new(record))).is_err() {
            tracing::debug!("a record of a call is lost: they come faster than they are written");
        }
    }

    /// The calls of a function, newest first, and how many are kept.
    pub(crate) async fn page(&self, function: WorkerId, limit: u32, offset: u32) -> (Vec<Record>, u32) {
        let (answer, answered) = oneshot::channel();
        self.ask(Ask::Page { function, limit, offset, answer }).await;
        answered.await.unwrap_or_default()
    }

    /// What the calls of a function come to.
    pub(crate) async fn stats(&self, function: WorkerId) -> Value {
        let (answer, answered) = oneshot::channel();
        self.ask(Ask::Stats(function, answer)).await;
        answered.await.unwrap_or_default()
    }

    /// Forgets the calls of a function.
    pub(crate) async fn forget(&self, function: WorkerId) {
        self.ask(Ask::Forget(function)).await;
    }

    async fn ask(&self, ask: Ask) {
        let sender = self.0.clone();
        // It waits only while the writer is far behind.
        let _ = tokio::task::spawn_blocking(move || sender.send(ask)).await;
    }
}

fn write(mut connection: Connection, inbox: &mpsc::Receiver<Ask>) {
    while let Ok(first) = inbox.recv() {
        let mut batch = vec![first];
        // Who asks does not wait; who only tells does not mind.
        while batch.len() < BATCH && matches!(batch.last(), Some(Ask::Add(..))) {
            match inbox.recv_timeout(GATHER) {
                Ok(next) => batch.push(next),
                Err(_) => break,
            }
        }
        if let Err(error) = carry_out(&mut connection, batch) {
            tracing::error!(%error, "records of calls cannot be written");
        }
    }
}

fn carry_out(connection: &mut Connection, batch: Vec<Ask>) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let mut grown = BTreeSet::new();
    let mut answers: Vec<Box<dyn FnOnce()>> = Vec::new();
    for ask in batch {
        match ask {
            Ask::Add(function, record) => {
                let function = function.to_string();
                let kind = record.error.as_ref().map(|error| error.kind.as_str());
                let text = serde_json::to_string(&record).unwrap_or_default();
                transaction
                    .prepare_cached(
                        "INSERT INTO calls (function, duration, kind, record) VALUES (?, ?, ?, ?)",
                    )?
                    .execute(params![function, record.duration_ms, kind, text])?;
                transaction
                    .prepare_cached(
                        "INSERT INTO totals VALUES (?1, 1, ?2, ?3) ON CONFLICT DO UPDATE
                         SET calls = calls + 1, failures = failures + ?2, cold = cold + ?3",
                    )?
                    .execute(params![function, !record.success, record.cold_start])?;
                grown.insert(function);
            }
            Ask::Page { function, limit, offset, answer } => {
                prune(&transaction, &mut grown)?;
                let found = page(&transaction, &function.to_string(), limit, offset)?;
                answers.push(Box::new(move || drop(answer.send(found))));
            }
            Ask::Stats(function, answer) => {
                prune(&transaction, &mut grown)?;
                let found = stats(&transaction, &function.to_string())?;
                answers.push(Box::new(move || drop(answer.send(found))));
            }
            Ask::Forget(function) => {
                for sql in ["DELETE FROM calls WHERE function = ?", "DELETE FROM totals WHERE function = ?"] {
                    transaction.execute(sql, [function.to_string()])?;
                }
            }
        }
    }
    prune(&transaction, &mut grown)?;
    transaction.commit()?;
    answers.into_iter().for_each(|answer| answer());
    Ok(())
}

/// Removes what the functions that have grown have too much.
fn prune(connection: &Connection, grown: &mut BTreeSet<String>) -> rusqlite::Result<()> {
    while let Some(function) = grown.pop_first() {
        connection
            .prepare_cached(
                "DELETE FROM calls WHERE function = ?1 AND id <= (
                     SELECT id FROM calls WHERE function = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
            )?
            .execute(params![function, KEPT])?;
    }
    Ok(())
}

fn page(
    connection: &Connection,
    function: &str,
    limit: u32,
    offset: u32,
) -> rusqlite::Result<(Vec<Record>, u32)> {
    let total = connection
        .query_row("SELECT count(*) FROM calls WHERE function = ?", [function], |row| row.get(0))?;
    let mut statement = connection
        .prepare_cached("SELECT record FROM calls WHERE function = ? ORDER BY id DESC LIMIT ? OFFSET ?")?;
    let rows = statement.query_map(params![function, limit, offset], |row| row.get::<_, String>(0))?;
    let mut records = Vec::new();
    for row in rows {
        records.extend(serde_json::from_str(&row?).ok());
    }
    Ok((records, total))
}

fn stats(connection: &Connection, function: &str) -> rusqlite::Result<Value> {
    let totals = "SELECT calls, failures, cold FROM totals WHERE function = ?";
    let (calls, failures, cold): (i64, i64, i64) = connection
        .query_row(totals, [function], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?
        .unwrap_or_default();
    let mut statement =
        connection.prepare_cached("SELECT duration, kind FROM calls WHERE function = ? ORDER BY duration")?;
    let rows = statement
        .query_map([function], |row| Ok((row.get::<_, f64>(0)?, row.get::<_, Option<String>>(1)?)))?;
    let (mut durations, mut kinds) = (Vec::new(), BTreeMap::<String, u64>::new());
    for row in rows {
        let (duration, kind) = row?;
        durations.push(duration);
        if let Some(kind) = kind {
            *kinds.entry(kind).or_default() += 1;
        }
    }
    let rate = if calls == 0 { Value::Null } else { json!((calls - failures) as f64 / calls as f64) };
    let average = durations.iter().sum::<f64>() / durations.len().max(1) as f64;
    Ok(json!({
        "invocations": calls,
        "errors": failures,
        "cold_starts": cold,
        "success_rate": rate,
        "sample": durations.len(),
        "average_ms": if durations.is_empty() { Value::Null } else { json!(round(average)) },
        "p50_ms": percentile(&durations, 0.50),
        "p95_ms": percentile(&durations, 0.95),
        "p99_ms": percentile(&durations, 0.99),
        "errors_by_type": kinds,
    }))
}

/// The value that so large a share of a sorted list does not exceed.
fn percentile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().map(round)
}

/// To a thousandth.
pub(crate) fn round(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(duration_ms: f64, error: Option<&str>) -> Record {
        let error = error.map(|kind| FunctionError {
            kind: kind.into(),
            message: String::new(),
            stack: String::new(),
        });
        Record {
            request_id: duration_ms.to_string(),
            version: String::new(),
            via: "api".into(),
            started_at: String::new(),
            duration_ms,
            billed_ms: duration_ms.ceil() as u64,
            memory_mb: 1.0,
            baseline_mb: 10.0,
            cold_start: duration_ms == 1.0,
            success: error.is_none(),
            error,
            logs: vec!["line".into()],
        }
    }

    #[tokio::test]
    async fn calls_are_counted_and_the_newest_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::open(&folder.path().join("records.db")).unwrap();
        let (one, other) = (WorkerId::random(), WorkerId::random());
        for number in 1..=KEPT + 100 {
            records.add(one, record(number as f64, (number % 10 == 0).then_some("TypeError")));
        }
        records.add(other, record(1.0, None));
        let (page, total) = records.page(one, 2, 1).await;
        assert_eq!(total, KEPT);
        assert_eq!(page.iter().map(|record| record.duration_ms).collect::<Vec<_>>(), [1099.0, 1098.0]);
        let stats = records.stats(one).await;
        assert_eq!(
            (&stats["invocations"], &stats["errors"], &stats["cold_starts"]),
            (&json!(1100), &json!(110), &json!(1))
        );
        assert_eq!(stats["success_rate"], 0.9);
        assert_eq!((&stats["p50_ms"], &stats["p99_ms"]), (&json!(600.0), &json!(1090.0)));
        assert_eq!(stats["errors_by_type"], json!({ "TypeError": 100 }));
        records.forget(one).await;
        assert_eq!(records.page(one, 10, 0).await.1, 0);
        assert_eq!(records.page(other, 10, 0).await.1, 1);
        // Another run reads the same file.
        let again = Records::open(&folder.path().join("records.db")).unwrap();
        assert_eq!(again.page(other, 10, 0).await.0, [record(1.0, None)]);
        assert_eq!(again.stats(one).await["success_rate"], Value::Null);
    }
}
