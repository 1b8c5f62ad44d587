//! One open database: runs requests, each as one transaction.

use std::cell::Cell;
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, StatementStatus};

use super::frame::{PAGE, Reply};
use super::functions;
use super::gate::{Gate, NO_TRANSACTIONS};
use super::output::Output;
use super::plan::Plans;
use super::query::{self, Param, Query};
use super::refusal::Refusal;
use super::statements;

/// Bytes that SQLite may have; over it a statement fails, long before the process is killed.
const HEAP: i64 = 128 << 20;

/// Pages kept in memory, in KiB.
const CACHE_KIB: i64 = 16 << 10;

/// Bytes of a log's header, and of a frame with its page (SQLite's file format, section 4).
const LOG_HEADER: u64 = 32;
const LOG_FRAME: u64 = 24 + PAGE;

/// Frames that room is made for at once, and how few are left when more is made.
const ROOM: u32 = 256;
const ROOM_LEFT: u32 = 32;

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

thread_local! {
    /// Frames of the log of this thread's database: SQLite's hook is a plain function.
    static FRAMES: Cell<u32> = const { Cell::new(0) };
}

/// Until when a request may run.
struct Clock {
    began: Instant,
    /// Milliseconds since `began`; the largest number when nothing runs.
    until: AtomicU64,
}

impl Clock {
    fn is_over(&self) -> bool {
        let now = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        now >= self.until.load(Ordering::Relaxed)
    }

    fn set(&self, time: Duration) {
        let until = self.began.elapsed().saturating_add(time);
        self.until.store(u64::try_from(until.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn stop(&self) {
        self.until.store(u64::MAX, Ordering::Relaxed);
    }
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
    log: PathBuf,
    /// Frames that the log's file has room for already.
    room: u32,
}

impl Database {
    /// Opens a database, makes it if it is missing, and takes up what its log holds.
    ///
    /// # Errors
    /// SQLite cannot, or another process has it.
    pub fn open(path: &Path) -> Result<Self, Refusal> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        // One process has the file, always: that is a lock against a second one, and no locks for each request.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
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
            FRAMES.set(u32::try_from(frames).unwrap_or(0));
            Ok(())
        }));
        // Reads the log for the first time, which takes the lock too.
        FRAMES.set(connection.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| row.get(1))?);

        let clock = Arc::new(Clock { began: Instant::now(), until: AtomicU64::new(u64::MAX) });
        let watched = Arc::clone(&clock);
        connection.progress_handler(CLOCK_EVERY, Some(move || watched.is_over()))?;
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
            log: log_of(path),
            room: 0,
        };
        database.measure()?;
        Ok(database)
    }

    /// Frames of the log that are committed.
    pub fn frame(&self) -> u32 {
        FRAMES.get()
    }

    /// Bytes, without free pages.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// What begins now may run that long.
    pub fn set_time(&self, time: Duration) {
        self.clock.set(time);
    }

    /// What begins now may make it so many pages larger. Free pages do not count as its own.
    ///
    /// # Errors
    /// SQLite's.
    pub fn set_growth(&mut self, pages: u32) -> Result<(), Refusal> {
        self.may_grow = pages > 0;
        let most = (self.size / PAGE + u64::from(pages)).clamp(1, MAX_PAGES.into());
        if most * PAGE != self.most {
            self.most = most * PAGE;
            // A file that is larger already keeps its pages.
            self.own(&format!("PRAGMA max_page_count = {most}"))?;
        }
        Ok(())
    }

    /// Runs queries as one transaction. The results stand in `output`.
    ///
    /// # Errors
    /// Nothing has taken effect.
    pub fn run(&mut self, json: &[u8], per_statement: bool, output: &mut Output) -> Result<Figures, Refusal> {
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
        self.own("BEGIN")?;
        let done = self.queries(&work, per_statement, output).and_then(|figures| {
            self.clock.stop();
            self.own("COMMIT").map(|()| figures)
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
        let plan = self.gate.trusted(|| self.plans.of(&self.connection, sql));
        statement.reset_status(StatementStatus::FullscanStep);
        let columns = statement.column_count();
        output.begin(&statement);
        let mut returned = 0;
        let mut rows = statement.raw_query();
        while let Some(row) = rows.next()? {
            output.row(row, columns)?;
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
            if changes == 0 {
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

    /// Runs a statement of our own. Never one that is kept prepared: those are found by their text, and a tenant who
    /// sent the same would get it without having been asked at the gate.
    pub(super) fn own(&self, sql: &str) -> Result<(), Refusal> {
        self.gate.trusted(|| {
            let mut statement = self.connection.prepare(sql)?;
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
            Ok(())
        })
    }

    /// Ends a transaction, if one is open still: some errors end it themselves.
    pub(super) fn roll_back(&mut self) {
        self.clock.stop();
        if !self.connection.is_autocommit() && self.own("ROLLBACK").is_err() {
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
        FRAMES.set(0);
        self.room = 0;
        Ok(())
    }

    /// Makes room in a log that is written to: a commit that lengthens the file costs the disk several times what one
    /// does that overwrites. Zeros are no frames, for SQLite as for the archive. To be called when nobody waits.
    pub fn make_room(&mut self) {
        let frame = self.frame();
        if frame == 0 || frame + ROOM_LEFT <= self.room {
            return;
        }
        // On a full disk it goes on without.
        self.room = frame + ROOM;
        let _ = lengthen(&self.log, LOG_HEADER + LOG_FRAME * u64::from(self.room));
    }

    /// Tables that a tenant sees.
    pub fn tables(&self) -> Result<u64, Refusal> {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
                   AND name NOT LIKE '\\_cf\\_%' ESCAPE '\\'";
        let count: i64 = self.gate.trusted(|| self.connection.query_row(sql, [], |row| row.get(0)))?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    fn measure(&mut self) -> Result<(), Refusal> {
        let pragma =
            |sql: &str| -> rusqlite::Result<i64> { self.connection.query_row(sql, [], |row| row.get(0)) };
        let pages = self.gate.trusted(|| -> rusqlite::Result<i64> {
            Ok(pragma("PRAGMA page_count")? - pragma("PRAGMA freelist_count")?)
        })?;
        self.size = u64::try_from(pages).unwrap_or(0) * PAGE;
        Ok(())
    }
}

fn log_of(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Writes zeros behind a file's end, up to a length.
fn lengthen(file: &Path, length: u64) -> io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).open(file)?;
    let end = file.seek(SeekFrom::End(0))?;
    if let Ok(missing @ 1..) = usize::try_from(length.saturating_sub(end)) {
        file.write_all(&vec![0; missing])?;
        file.sync_all()?;
    }
    Ok(())
}

/// Whether a statement that runs alone needs no transaction around it: it writes nothing and sets nothing. One that
/// writes is not a transaction by itself: `OR FAIL` keeps what it did before it failed.
fn is_read(sql: &str) -> bool {
    matches!(statements::keyword(sql).as_deref(), Some("SELECT" | "VALUES"))
}
