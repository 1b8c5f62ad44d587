//! What is remembered of each call: one file of SQLite, written by a thread of its own in batches. A crash may lose the
//! last moment of it; nothing waits for it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hearth_model::WorkerId;
use hearth_supervisor::FunctionError;
use parking_lot::{Condvar, Mutex};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// Records kept of one function; the oldest go.
pub(crate) const KEPT: u32 = 1000;

/// Bytes of what one call printed, and of what its error says, that its record keeps.
const MAX_TEXT: usize = 16 << 10;

/// How long the first record of a batch waits for others.
const GATHER: Duration = Duration::from_millis(100);

/// Bytes of records that wait to be written; further ones are dropped.
const INBOX: usize = 32 << 20;

/// One call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The caller's id, or ours.
    pub request_id: String,
    /// The function's version.
    pub version: String,
    /// `api`, `http` for a call over its host, or `cron`.
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

impl Record {
    /// With no more text than is kept.
    fn shortened(mut self) -> Self {
        let mut left = MAX_TEXT;
        let mut fits = |line: &String| {
            left = left.saturating_sub(line.len() + 1);
            left > 0
        };
        let kept = self.logs.iter().take_while(|line| fits(line)).count();
        if kept < self.logs.len() {
            self.logs.truncate(kept);
            self.logs.push("[more was printed than is kept]".to_owned());
        }
        if let Some(error) = &mut self.error {
            for text in [&mut error.kind, &mut error.message, &mut error.stack] {
                text.truncate(text.floor_char_boundary(MAX_TEXT));
            }
        }
        self
    }

    /// About how many bytes it has.
    fn size(&self) -> usize {
        let error = self.error.as_ref().map_or(0, |error| error.message.len() + error.stack.len());
        size_of::<Self>()
            + error
            + self.logs.iter().map(|line| line.len() + size_of::<String>()).sum::<usize>()
    }
}

enum Ask {
    Page {
        function: WorkerId,
        limit: u32,
        offset: u32,
        answer: oneshot::Sender<(Vec<Record>, u32)>,
    },
    Stats(WorkerId, oneshot::Sender<Value>),
    Forget(WorkerId),
    /// Says when everything is written.
    Flush(oneshot::Sender<()>),
}

/// What waits for the thread that writes.
#[derive(Default)]
struct Waiting {
    /// Calls by function.
    calls: HashMap<WorkerId, Calls>,
    /// Bytes of their records.
    bytes: usize,
    asks: Vec<Ask>,
    /// Nobody is there any more.
    over: bool,
}

/// Calls of one function that are not written yet.
#[derive(Default)]
struct Calls {
    /// The newest, at most so many as are kept.
    newest: VecDeque<Record>,
    calls: i64,
    failures: i64,
    cold: i64,
}

#[derive(Default)]
struct Inbox {
    waiting: Mutex<Waiting>,
    /// Something has come into an empty inbox, or somebody asks: a record alone wakes nobody who is gathering.
    come: Condvar,
}

/// The records of all functions. Clones are the same.
#[derive(Clone)]
pub struct Records(Arc<Door>);

struct Door(Arc<Inbox>);

impl Drop for Door {
    fn drop(&mut self) {
        self.0.waiting.lock().over = true;
        self.0.come.notify_one();
    }
}

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
        let inbox = Arc::new(Inbox::default());
        let written = Arc::clone(&inbox);
        std::thread::Builder::new()
            .name("functions-records".into())
            .spawn(move || write(connection, &written))
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        Ok(Self(Arc::new(Door(inbox))))
    }

    /// Remembers a call.
    pub fn add(&self, function: WorkerId, record: Record) {
        let record = record.shortened();
        let size = record.size();
        let inbox = &self.0.0;
        let mut waiting = inbox.waiting.lock();
        if waiting.bytes + size > INBOX {
            tracing::debug!("a record of a call is lost: they come faster than they are written");
            return;
        }
        let first = waiting.calls.is_empty();
        waiting.bytes += size;
        let calls = waiting.calls.entry(function).or_default();
        calls.calls += 1;
        calls.failures += i64::from(!record.success);
        calls.cold += i64::from(record.cold_start);
        let surplus = (calls.newest.len() == KEPT as usize).then(|| calls.newest.pop_front()).flatten();
        calls.newest.push_back(record);
        waiting.bytes -= surplus.map_or(0, |record| record.size());
        if first {
            inbox.come.notify_one();
        }
    }

    /// The calls of a function, newest first, and how many are kept.
    pub(crate) async fn page(&self, function: WorkerId, limit: u32, offset: u32) -> (Vec<Record>, u32) {
        let (answer, answered) = oneshot::channel();
        self.ask(Ask::Page { function, limit, offset, answer });
        answered.await.unwrap_or_default()
    }

    /// What the calls of a function come to.
    pub(crate) async fn stats(&self, function: WorkerId) -> Value {
        let (answer, answered) = oneshot::channel();
        self.ask(Ask::Stats(function, answer));
        answered.await.unwrap_or_default()
    }

    /// Forgets the calls of a function.
    pub(crate) fn forget(&self, function: WorkerId) {
        self.ask(Ask::Forget(function));
    }

    /// Waits until everything is written that was added before.
    pub async fn flush(&self) {
        let (answer, answered) = oneshot::channel();
        self.ask(Ask::Flush(answer));
        // A thread that is gone has said why.
        let _ = answered.await;
    }

    fn ask(&self, ask: Ask) {
        self.0.0.waiting.lock().asks.push(ask);
        self.0.0.come.notify_one();
    }
}

fn write(mut connection: Connection, inbox: &Inbox) {
    loop {
        let (calls, asks) = {
            let mut waiting = inbox.waiting.lock();
            inbox.come.wait_while(&mut waiting, |waiting| {
                waiting.calls.is_empty() && waiting.asks.is_empty() && !waiting.over
            });
            // Who asks does not wait; who only tells does not mind.
            let gathers = |waiting: &mut Waiting| waiting.asks.is_empty() && !waiting.over;
            inbox.come.wait_while_for(&mut waiting, gathers, GATHER);
            if waiting.over && waiting.calls.is_empty() && waiting.asks.is_empty() {
                return;
            }
            waiting.bytes = 0;
            (std::mem::take(&mut waiting.calls), std::mem::take(&mut waiting.asks))
        };
        if let Err(error) = carry_out(&mut connection, calls, asks) {
            tracing::error!(%error, "records of calls cannot be written");
        }
    }
}

fn carry_out(
    connection: &mut Connection,
    all: HashMap<WorkerId, Calls>,
    asks: Vec<Ask>,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    for (function, Calls { newest, calls, failures, cold }) in all {
        let function = function.to_string();
        for record in newest {
            let kind = record.error.as_ref().map(|error| error.kind.as_str());
            let text = serde_json::to_string(&record).unwrap_or_default();
            transaction
                .prepare_cached("INSERT INTO calls (function, duration, kind, record) VALUES (?, ?, ?, ?)")?
                .execute(params![function, record.duration_ms, kind, text])?;
        }
        transaction
            .prepare_cached(
                "INSERT INTO totals VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE
                 SET calls = calls + ?2, failures = failures + ?3, cold = cold + ?4",
            )?
            .execute(params![function, calls, failures, cold])?;
        prune(&transaction, &function)?;
    }
    let mut answers: Vec<Box<dyn FnOnce()>> = Vec::new();
    for ask in asks {
        match ask {
            Ask::Page { function, limit, offset, answer } => {
                let found = page(&transaction, &function.to_string(), limit, offset)?;
                answers.push(Box::new(move || drop(answer.send(found))));
            }
            Ask::Stats(function, answer) => {
                let found = stats(&transaction, &function.to_string())?;
                answers.push(Box::new(move || drop(answer.send(found))));
            }
            Ask::Forget(function) => {
                for sql in ["DELETE FROM calls WHERE function = ?", "DELETE FROM totals WHERE function = ?"] {
                    transaction.execute(sql, [function.to_string()])?;
                }
            }
            Ask::Flush(answer) => answers.push(Box::new(move || {
                // Who no longer waits does not mind.
                let _ = answer.send(());
            })),
        }
    }
    transaction.commit()?;
    answers.into_iter().for_each(|answer| answer());
    Ok(())
}

/// Removes what a function has too much.
fn prune(connection: &Connection, function: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM calls WHERE function = ?1 AND id <= (
                 SELECT id FROM calls WHERE function = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
        )?
        .execute(params![function, KEPT])?;
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
        records.forget(one);
        assert_eq!(records.page(one, 10, 0).await.1, 0);
        assert_eq!(records.page(other, 10, 0).await.1, 1);
        // A call may print more than its record keeps, and all of them more than may wait.
        let lines = vec!["x".repeat(1000); 100];
        for _ in 0..10 {
            records.add(one, Record { logs: lines.clone(), ..record(1.0, Some("Loud")) });
        }
        let loud = records.page(one, 1, 0).await.0.remove(0);
        assert_eq!((loud.logs.len(), loud.logs[16].as_str()), (17, "[more was printed than is kept]"));
        records.forget(one);
        records.flush().await;
        // Another run reads the same file.
        let again = Records::open(&folder.path().join("records.db")).unwrap();
        assert_eq!(again.page(other, 10, 0).await.0, [record(1.0, None)]);
        assert_eq!(again.stats(one).await["success_rate"], Value::Null);
    }
}
