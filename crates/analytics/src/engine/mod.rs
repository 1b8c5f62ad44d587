//! Runs translated queries: read-only, on a bounded number of threads, within a time, a size and a budget of memory.

mod aggregates;
mod scalars;
pub mod time;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, params_from_iter};
use tokio::sync::oneshot;

use crate::files;
use crate::format::{self, Answer};
use crate::sql::{self, Question, SqlError};

/// Longest value in a query, in bytes.
pub const MAX_VALUE: usize = 256 << 10;

/// How long a query may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Queries that wait for a thread.
const WAITING: usize = 64;

/// Queries that run at a time.
const THREADS: usize = 2;

/// A translated query's tree is deep before it is short: its translation needs room on the stack.
const STACK: usize = 16 << 20;

/// Instructions of SQLite between two looks at the clock.
const LOOK_EVERY: i32 = 10_000;

/// What is built in and translated queries call; all else begins with `ae_`.
const BUILT_IN: [&str; 13] = [
    "avg", "coalesce", "count", "ifnull", "iif", "if", "lower", "max", "min", "substr", "sum", "total",
    "upper",
];

/// Why a query has no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueryError {
    /// The query itself; the text is for the caller.
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// It took too long.
    #[error("the query took longer than {} s: narrow it by time or by an index", PATIENCE.as_secs())]
    Slow,
    /// Too many others wait.
    #[error("too many queries wait; try again later")]
    Busy,
    /// Something of ours; the text is for the operator.
    #[error("{0}")]
    Internal(String),
}

/// What a thread has to do.
struct Job {
    path: PathBuf,
    text: String,
    now: i64,
    answer: oneshot::Sender<Result<Answer, QueryError>>,
}

/// The threads that run queries.
#[derive(Clone)]
pub struct Engine {
    jobs: flume::Sender<Job>,
}

impl Engine {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system refuses one.
    pub fn start() -> std::io::Result<Self> {
        let (jobs, inbox) = flume::bounded::<Job>(WAITING);
        for _ in 0..THREADS {
            let inbox = inbox.clone();
            let work = move || {
                while let Ok(job) = inbox.recv() {
                    let gone = Arc::new(AtomicBool::new(false));
                    if job.answer.is_closed() {
                        continue;
                    }
                    let answer = answer(&job.path, &job.text, job.now, &gone);
                    // Who has gone away needs no answer.
                    let _ = job.answer.send(answer);
                }
            };
            std::thread::Builder::new().name("analytics-query".into()).stack_size(STACK).spawn(work)?;
        }
        Ok(Self { jobs })
    }

    /// Answers a query on an account's file, as of `now` in seconds since 1970.
    ///
    /// # Errors
    /// [`QueryError`].
    pub async fn ask(&self, path: PathBuf, text: String, now: i64) -> Result<Answer, QueryError> {
        let (answer, waiting) = oneshot::channel();
        self.jobs.try_send(Job { path, text, now, answer }).map_err(|_| QueryError::Busy)?;
        waiting.await.unwrap_or_else(|_| Err(QueryError::Internal("a query's thread ended".to_owned())))
    }
}

fn answer(
    path: &std::path::Path,
    text: &str,
    now: i64,
    gone: &Arc<AtomicBool>,
) -> Result<Answer, QueryError> {
    let (question, form) = sql::read(text)?;
    let connection = files::open_to_read(path).map_err(internal)?;
    let query = match question {
        Question::Tables => {
            let names =
                connection.as_ref().map(files::datasets).transpose().map_err(internal)?.unwrap_or_default();
            return Ok(format::names(form, "dataset", &names));
        }
        Question::Timezones => return Ok(format::names(form, "timezone", &time::zones())),
        Question::Timezone => return Ok(format::names(form, "timezone", &["Etc/UTC".to_owned()])),
        Question::Select(query) => query,
    };
    let dataset =
        |name: &str| connection.as_ref().and_then(|connection| files::dataset(connection, name).ok()?);
    let asked = sql::translate(&query, now, &dataset)?;
    let connection = match connection {
        Some(connection) => connection,
        None => Connection::open_in_memory().map_err(internal)?,
    };
    confine(&connection, gone).map_err(internal)?;
    let explain = |error: rusqlite::Error| explain(&error, &asked.sql, gone);
    let mut statement = connection.prepare(&asked.sql).map_err(explain)?;
    // A string that only a part had which was left out has no place in the statement.
    let texts = asked.texts.iter().take(statement.parameter_count());
    let mut rows = statement.query(params_from_iter(texts)).map_err(explain)?;
    let mut writer = format::Writer::new(form, &asked.columns);
    while let Some(row) = rows.next().map_err(explain)? {
        writer.row(row).map_err(explain)?;
        if writer.is_too_large() {
            return Err(SqlError("the answer is too large: use LIMIT".to_owned()).into());
        }
    }
    Ok(writer.finish(asked.offset))
}

/// Lets a connection do nothing but run one query of ours, and not for long.
fn confine(connection: &Connection, gone: &Arc<AtomicBool>) -> rusqlite::Result<()> {
    scalars::register(connection)?;
    aggregates::register(connection)?;
    connection.execute_batch(
        "PRAGMA query_only = 1; PRAGMA cache_size = -4096; PRAGMA temp_store = 1; PRAGMA trusted_schema = 0;",
    )?;
    for (limit, most) in [
        (Limit::SQLITE_LIMIT_LENGTH, 4 * MAX_VALUE),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 1),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        connection.set_limit(limit, i32::try_from(most).unwrap_or(0))?;
    }
    let (until, gone) = (Instant::now() + PATIENCE, Arc::clone(gone));
    connection.progress_handler(
        LOOK_EVERY,
        Some(move || {
            let late = Instant::now() > until;
            gone.fetch_or(late, Ordering::Relaxed);
            late
        }),
    )?;
    connection.authorizer(Some(|context: AuthContext<'_>| match context.action {
        AuthAction::Select => Authorization::Allow,
        AuthAction::Read { table_name: "points", .. } => Authorization::Allow,
        // Of a subquery: it has no table, and what it reads itself is asked for by itself.
        AuthAction::Read { table_name, .. } if table_name.is_empty() || table_name.starts_with("inner") => {
            Authorization::Allow
        }
        AuthAction::Function { function_name }
            if function_name.starts_with("ae_") || BUILT_IN.contains(&function_name) =>
        {
            Authorization::Allow
        }
        _ => Authorization::Deny,
    }))
}

fn internal(error: rusqlite::Error) -> QueryError {
    QueryError::Internal(error.to_string())
}

/// What an error of SQLite means to the caller: a function's refusal has a text for them, all else is ours.
fn explain(error: &rusqlite::Error, sql: &str, gone: &AtomicBool) -> QueryError {
    if gone.load(Ordering::Relaxed) {
        return QueryError::Slow;
    }
    let code = error.sqlite_error_code();
    match (error, code) {
        (rusqlite::Error::UserFunctionError(text), _) => SqlError(text.to_string()).into(),
        (rusqlite::Error::SqliteFailure(_, Some(text)), Some(ErrorCode::Unknown))
            if !text.contains("no such") =>
        {
            SqlError(text.clone()).into()
        }
        (_, Some(ErrorCode::TooBig)) => SqlError("a value is too long".to_owned()).into(),
        (_, Some(ErrorCode::OperationInterrupted)) => QueryError::Slow,
        _ => QueryError::Internal(format!("{error} in {sql}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands behind the translation: SQL that nobody should be able to have translated.
    #[test]
    fn a_confined_connection_reads_points_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        files::open_to_write(&path).unwrap();
        let other = folder.path().join("b.db");
        files::open_to_write(&other).unwrap();
        let connection = files::open_to_read(&path).unwrap().unwrap();
        confine(&connection, &Arc::default()).unwrap();
        for fine in [
            "SELECT count(*), ae_length(max(index1)) FROM points",
            "SELECT inner0.c0 FROM (SELECT blob1 AS c0 FROM points) AS inner0",
        ] {
            connection.prepare(fine).unwrap_or_else(|error| panic!("{fine}: {error}"));
        }
        for refused in [
            "SELECT * FROM datasets",
            "SELECT * FROM sqlite_master",
            &format!("ATTACH '{}' AS b", other.display()),
            "PRAGMA journal_mode = DELETE",
            "INSERT INTO points (dataset, timestamp, sample_interval, index1) VALUES (1, 1, 1, '')",
            "DELETE FROM points",
            "CREATE TEMP TABLE t (a)",
            "SELECT zeroblob(1000000000)",
            "SELECT load_extension('x')",
            "SELECT * FROM pragma_database_list",
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT * FROM n",
            "SELECT printf('%1000000000d', 1)",
        ] {
            let done = connection.prepare(refused).and_then(|mut statement| {
                let mut rows = statement.query([])?;
                rows.next().map(drop)
            });
            assert!(done.is_err(), "{refused}");
        }
    }
}
