//! One open database: runs requests, each as one transaction.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, StatementStatus};

use super::frame::{PAGE, Reply};
use super::functions;
use super::gate::{Gate, NO_TRANSACTIONS};
use super::log;
use super::output::Output;
use super::plan::{Known, Plans};
use super::query::{self, Param, Query};
use super::ran::{Ran, Sums};
use super::refusal::Refusal;
use super::statements;

/// Bytes that SQLite may have; over it a statement fails, long before the process is killed.
const HEAP: i64 = 128 << 20;

/// Pages kept in memory, in KiB.
const CACHE_KIB: i64 = 16 << 10;

/// Pages of the largest database: Cloudflare's 10 GB. The jail ends whoever writes a file beyond that.
const MAX_PAGES: u32 = (10_000_000_000 / PAGE) as u32;

/// What SQLite says when it finds no room, for where we know before it does.
const FULL: &str = "database or disk is full: SQLITE_FULL";

/// Statements kept prepared.
const STATEMENTS: usize = 128;

/// Instructions of SQLite between two looks at the clock: some 10 µs, but each may be a function over 2 MB.
const CLOCK_EVERY: i32 = 1000;

/// What `EXPLAIN` puts in front; a statement of the full length can still be explained.
const EXPLAIN_ROOM: i32 = 16;

/// The longest statement in bytes (D1's documented limit).
pub const MAX_SQL: usize = 100_000;

/// D1's limits as documented and as workerd's `setupSecurity` sets them; a string, a blob or a row has 2 MB.
const LIMITS: [(Limit, i32); 12] = [
    (Limit::SQLITE_LIMIT_LENGTH, 2_000_000),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, MAX_SQL as i32 + EXPLAIN_ROOM),
    (Limit::SQLITE_LIMIT_COLUMN, 100),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 100),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 5),
    (Limit::SQLITE_LIMIT_VDBE_OP, 25_000),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 127),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 100),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 10),
    (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
];

/// Until when a request may run.
struct Clock {
    began: Instant,
    /// Milliseconds since `began`; the largest number when nothing runs.
    until: AtomicU64,
    /// From when on it is slow, in the same way; the largest number when nobody wants to know.
    slow: AtomicU64,
}

/// What has come of a request's time.
#[derive(PartialEq, Eq)]
enum Time {
    Left,
    /// Others wait: told once.
    Slow,
    Over,
}

impl Clock {
    fn look(&self) -> Time {
        let now = milliseconds(self.began.elapsed());
        if now >= self.until.load(Ordering::Relaxed) {
            return Time::Over;
        }
        if now < self.slow.load(Ordering::Relaxed) {
            return Time::Left;
        }
        self.slow.store(u64::MAX, Ordering::Relaxed);
        Time::Slow
    }

    fn set(&self, time: Duration, slow: Option<Instant>) {
        let until = self.began.elapsed().saturating_add(time);
        self.until.store(milliseconds(until), Ordering::Relaxed);
        let slow = slow.map_or(u64::MAX, |slow| milliseconds(slow.saturating_duration_since(self.began)));
        self.slow.store(slow, Ordering::Relaxed);
    }

    fn stop(&self) {
        self.until.store(u64::MAX, Ordering::Relaxed);
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The figures of what ran.
#[derive(Debug, Clone, Copy, Default)]
pub struct Figures {
    pub statements: u32,
    pub rows_read: u64,
    pub rows_written: u64,
    pub changes: u64,
    pub duration: Duration,
}

impl Figures {
    /// Adds what ran besides.
    pub fn add(&mut self, other: &Self) {
        self.statements += other.statements;
        self.rows_read += other.rows_read;
        self.rows_written += other.rows_written;
        self.changes += other.changes;
        self.duration += other.duration;
    }

    /// Writes them into an answer.
    pub fn into_reply(self, reply: &mut Reply) {
        reply.statements = self.statements;
        reply.rows_read = self.rows_read;
        reply.rows_written = self.rows_written;
        reply.changes = self.changes;
        reply.duration_us = u64::try_from(self.duration.as_micros()).unwrap_or(u64::MAX);
    }
}

/// An open database.
pub struct Database {
    pub(super) connection: Connection,
    pub(super) gate: Arc<Gate>,
    clock: Arc<Clock>,
    plans: Plans,
    size: u64,
    /// Size up to which it may grow.
    most: u64,
    /// Whether it may grow at all.
    may_grow: bool,
    /// Its size when the group of requests began that may grow it together.
    base: u64,
    /// What the last request ran.
    pub(super) ran: Ran,
}

impl Database {
    /// Opens a database, makes it if it is missing, and takes up what its log holds. `slow` is called while a statement
    /// runs for longer than [`Self::set_time`] said; what runs is stopped when it says so.
    ///
    /// # Errors
    /// SQLite cannot, or another process has it.
    pub fn open(path: &Path, mut slow: impl FnMut() -> bool + Send + 'static) -> Result<Self, Refusal> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        // One process has the file, always: that is a lock against a second one, and no locks for each request.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // The log is synced before a commit is acknowledged ([`log`]): SQLite itself would for each by itself.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        // There is no folder for temporary files; what is sorted counts as memory.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        connection.pragma_update(None, "hard_heap_limit", HEAP)?;
        connection.pragma_update(None, "max_page_count", MAX_PAGES)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        functions::add(&connection)?;
        for (limit, value) in LIMITS {
            connection.set_limit(limit, value)?;
        }
        connection.wal_hook(Some(|_, frames| {
            log::committed(u32::try_from(frames).unwrap_or(0));
            Ok(())
        }));
        // Reads the log for the first time, which takes the lock too.
        log::committed(connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1))?);

        let never = || AtomicU64::new(u64::MAX);
        let clock = Arc::new(Clock { began: Instant::now(), until: never(), slow: never() });
        let watched = Arc::clone(&clock);
        let look = move || match watched.look() {
            Time::Left => false,
            Time::Slow => slow(),
            Time::Over => true,
        };
        connection.progress_handler(CLOCK_EVERY, Some(look))?;
        let gate = Arc::new(Gate::default());
        connection.authorizer(Some(Arc::clone(&gate).authorizer()))?;
        let mut database = Self {
            connection,
            gate,
            clock,
            plans: Plans::default(),
            size: 0,
            most: u64::from(MAX_PAGES) * PAGE,
            may_grow: true,
            base: 0,
            ran: Ran::default(),
        };
        database.measure()?;
        Ok(database)
    }

    /// Bytes, without free pages.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What begins now may run that long. From `slow` on, somebody wants to know that it still runs.
    pub fn set_time(&self, time: Duration, slow: Option<Instant>) {
        self.clock.set(time, slow);
    }

    /// What begins now may make it so many pages larger, together with what ran since the last call that said `first`.
    /// Free pages do not count as its own.
    ///
    /// # Errors
    /// SQLite's.
    pub fn set_growth(&mut self, pages: u32, first: bool) -> Result<(), Refusal> {
        if first {
            self.base = self.size;
        }
        self.may_grow = pages > 0;
        let most = (self.base / PAGE + u64::from(pages)).clamp(1, MAX_PAGES.into());
        if most * PAGE != self.most {
            self.most = most * PAGE;
            // A file that is larger already keeps its pages.
            self.own(&format!("PRAGMA max_page_count = {most};"))?;
        }
        Ok(())
    }

    /// Runs queries as one transaction. The results stand in `output`.
    ///
    /// # Errors
    /// Nothing has taken effect.
    pub fn run(&mut self, json: &[u8], per_statement: bool, output: &mut Output) -> Result<Figures, Refusal> {
        self.ran.clear();
        let queries =
            query::parse(json).map_err(|error| Refusal::Text(format!("Invalid request: {error}")))?;
        let work: Vec<(Vec<&str>, &Query<'_>)> = queries
            .iter()
            .map(|query| (statements::all(&query.sql), query))
            .filter(|(statements, _)| !statements.is_empty())
            .collect();
        let alone = match &work[..] {
            [] => return Err("No SQL statements detected.".into()),
            [(statements, _)] if statements.len() == 1 => is_read(statements[0]),
            _ => false,
        };
        if alone {
            return self.queries(&work, per_statement, output);
        }
        self.own("BEGIN;")?;
        let done = self.queries(&work, per_statement, output).and_then(|figures| {
            self.clock.stop();
            self.own("COMMIT;").map(|()| figures)
        });
        if done.is_err() {
            self.roll_back();
        }
        done
    }

    fn queries(
        &mut self,
        work: &[(Vec<&str>, &Query<'_>)],
        per_statement: bool,
        output: &mut Output,
    ) -> Result<Figures, Refusal> {
        let mut total = Figures::default();
        for (statements, query) in work {
            for (at, sql) in statements.iter().enumerate() {
                let last = at + 1 == statements.len();
                let params = if last { query.params.as_deref().unwrap_or_default() } else { &[] };
                let figures = self.statement(sql, params, last, output)?;
                total.add(&figures);
                if !last && !per_statement {
                    output.take_back();
                }
            }
        }
        Ok(total)
    }

    /// Runs one statement. `last` says whether it is the one that parameters are for.
    pub(super) fn statement(
        &mut self,
        sql: &str,
        params: &[Param<'_>],
        last: bool,
        output: &mut Output,
    ) -> Result<Figures, Refusal> {
        let began = Instant::now();
        if sql.len() > MAX_SQL {
            return Err("statement too long: SQLITE_TOOBIG".into());
        }
        let changes = self.connection.total_changes();
        let last_row = self.connection.last_insert_rowid();
        let mut statement = match self.connection.prepare_cached(sql) {
            Ok(statement) => statement,
            Err(_) if self.gate.refused_transaction() => return Err(NO_TRANSACTIONS.into()),
            Err(error) => return Err(error.into()),
        };
        match statement.parameter_count() {
            count if count == params.len() => {}
            _ if !last => {
                return Err(
                    "When executing multiple SQL statements in a single call, only the last statement can \
                            have parameters."
                        .into(),
                );
            }
            _ => return Err("Wrong number of parameter bindings for SQL query.".into()),
        }
        for (at, param) in params.iter().enumerate() {
            statement.raw_bind_parameter(at + 1, param)?;
        }
        let read_only = statement.readonly();
        // In place it takes no page, but the log grows, and what is kept of it.
        let shrinks = || matches!(statements::keyword(sql).as_deref(), Some("DELETE" | "DROP" | "PRAGMA"));
        if !self.may_grow && !read_only && !shrinks() {
            return Err(FULL.into());
        }
        // Before it runs: what makes a table cannot be explained once there is one.
        let Known { plan, kind } = self.gate.trusted(|| self.plans.of(&self.connection, sql));
        statement.reset_status(StatementStatus::FullscanStep);
        let columns = statement.column_count();
        output.begin(&statement);
        let mut returned = 0;
        let mut rows = statement.raw_query();
        loop {
            match rows.next() {
                Ok(Some(row)) => output.row(row, columns)?,
                Ok(None) => break,
                Err(error) => return Err(self.placed(sql, error).into()),
            }
            returned += 1;
        }
        drop(rows);
        let steps = u64::try_from(statement.get_status(StatementStatus::FullscanStep)).unwrap_or(0);
        drop(statement);
        let duration = began.elapsed();

        let changes = self.connection.total_changes() - changes;
        let size = self.size;
        if !read_only {
            self.measure()?;
            // Free pages were filled, which SQLite lets happen.
            if self.size > size.max(self.most) {
                return Err(FULL.into());
            }
            if changes == 0 && !is_rows(sql) {
                // The schema, perhaps.
                self.plans.clear();
            }
        }
        let direct = if changes > 0 { self.connection.changes() } else { 0 };
        let last_row_now = self.connection.last_insert_rowid();
        let figures = Figures {
            statements: 1,
            rows_read: plan.read(steps, returned.max(direct)),
            rows_written: plan.written(direct, changes),
            changes,
            duration,
        };
        let sums = Sums {
            count: 1,
            duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            rows_read: figures.rows_read,
            rows_written: figures.rows_written,
            rows_returned: returned,
        };
        self.ran.add(&kind, &sums);
        let milliseconds = duration.as_secs_f64() * 1000.0;
        output.end(format_args!(
            "{{\"served_by\":\"hearth\",\"served_by_primary\":true,\"total_attempts\":1,\
             \"timings\":{{\"sql_duration_ms\":{milliseconds:.4}}},\"duration\":{milliseconds:.4},\
             \"changes\":{changes},\"last_row_id\":{last_row_now},\"changed_db\":{},\"size_after\":{},\
             \"rows_read\":{},\"rows_written\":{}}}",
            changes > 0 || last_row != last_row_now || size != self.size,
            self.size,
            figures.rows_read,
            figures.rows_written,
        ));
        Ok(figures)
    }

    /// Says where in the statement it went wrong, which SQLite knows while it prepares one: a statement that was kept
    /// prepared is prepared again by SQLite itself when the schema has changed, and what it says then has no place.
    fn placed(&self, sql: &str, error: rusqlite::Error) -> rusqlite::Error {
        match error.sqlite_error() {
            Some(code) if code.extended_code == rusqlite::ffi::SQLITE_ERROR => {
                self.connection.prepare(sql).err().unwrap_or(error)
            }
            _ => error,
        }
    }

    /// Runs a statement of our own, with a semicolon at its end: it is kept prepared and found by its text, and a tenant
    /// who sent the same would get it without having been asked at the gate. His have no semicolon ([`statements`]).
    pub(super) fn own(&self, sql: &str) -> Result<(), Refusal> {
        debug_assert!(sql.ends_with(';'), "{sql}");
        self.gate.trusted(|| {
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
            Ok(())
        })
    }

    /// Ends a transaction, if one is open still: some errors end it themselves.
    pub(super) fn roll_back(&mut self) {
        self.clock.stop();
        if !self.connection.is_autocommit() && self.own("ROLLBACK;").is_err() {
            // It cannot go on with a transaction that nobody ends; Hearth starts another one.
            panic!("a transaction cannot be rolled back");
        }
        self.plans.clear();
        // What it was before the transaction.
        let _ = self.measure();
    }

    /// Folds the log into the database and empties it.
    ///
    /// # Errors
    /// It could not be folded whole.
    pub fn fold(&mut self) -> Result<(), Refusal> {
        self.clock.stop();
        let busy: i64 = self
            .gate
            .trusted(|| self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)))?;
        if busy != 0 {
            return Err("the log could not be folded: SQLITE_BUSY".into());
        }
        Ok(())
    }

    /// Tables that a tenant sees.
    pub fn tables(&self) -> Result<u64, Refusal> {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
                   AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'";
        let count: i64 = self.gate.trusted(|| self.connection.query_row(sql, [], |row| row.get(0)))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    fn measure(&mut self) -> Result<(), Refusal> {
        let pragma = |sql: &str| -> rusqlite::Result<i64> {
            self.connection.prepare_cached(sql)?.query_row([], |row| row.get(0))
        };
        let pages = self.gate.trusted(|| -> rusqlite::Result<i64> {
            Ok(pragma("PRAGMA page_count;")? - pragma("PRAGMA freelist_count;")?)
        })?;
        self.size = u64::try_from(pages).unwrap_or(0) * PAGE;
        Ok(())
    }
}

/// Whether a statement that runs alone needs no transaction around it: it writes nothing and sets nothing. One that
/// writes is not a transaction by itself: `OR FAIL` keeps what it did before it failed.
fn is_read(sql: &str) -> bool {
    matches!(statements::keyword(sql).as_deref(), Some("SELECT" | "VALUES"))
}

/// Whether a statement changes rows and not the schema.
fn is_rows(sql: &str) -> bool {
    matches!(statements::keyword(sql).as_deref(), Some("INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "WITH"))
}
