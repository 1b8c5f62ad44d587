//! Open databases: one for each queue that is in use, a bounded number of them; the least recently used are closed for
//! others (each costs 3 descriptors and about 150 KB).

use std::collections::HashMap;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};

use crate::store::EngineError;

/// Format of a queue's file.
const FORMAT: i64 = 1;

/// A message's body lies apart from what changes with each delivery, so that a delivery does not write it again.
/// `due` is when the message may be delivered; while somebody has it, when that lease ends. `holder` is 0 for nobody, 1
/// for a worker, 2 for a client. `totals.next` is the next sequence number: none is given twice.
const SCHEMA: &str = "
    PRAGMA auto_vacuum = INCREMENTAL;
    BEGIN IMMEDIATE;
    CREATE TABLE messages (
        sequence INTEGER PRIMARY KEY,
        id BLOB NOT NULL,
        format INTEGER NOT NULL,
        size INTEGER NOT NULL,
        sent INTEGER NOT NULL,
        arrived INTEGER NOT NULL,
        due INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        token INTEGER NOT NULL DEFAULT 0,
        holder INTEGER NOT NULL DEFAULT 0,
        dead INTEGER NOT NULL DEFAULT 0
    );
    CREATE INDEX messages_due ON messages (due, sequence) WHERE dead = 0;
    CREATE INDEX messages_dead ON messages (sequence) WHERE dead = 1;
    CREATE TABLE bodies (sequence INTEGER PRIMARY KEY, body BLOB NOT NULL);
    CREATE TABLE totals (next INTEGER NOT NULL, messages INTEGER NOT NULL, bytes INTEGER NOT NULL);
    INSERT INTO totals VALUES (1, 0, 0);
    PRAGMA user_version = 1;
    COMMIT;";

/// The pool.
pub(super) struct Databases {
    folder: PathBuf,
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: HashMap<u64, Idle>,
    /// Idle and lent out together.
    open: usize,
    clock: u64,
}

struct Idle {
    connection: Connection,
    used: u64,
}

impl Databases {
    /// At most `most`, which is more than there are threads that use them.
    pub(super) fn new(folder: PathBuf, most: usize) -> Self {
        Self { folder, most, state: Mutex::default() }
    }

    /// Where a queue's database lies.
    pub(super) fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.db"))
    }

    /// The connection to a queue's database, to be given back; it is made when it is not there.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn take(&self, number: u64, id: &str) -> Result<Connection, EngineError> {
        let evicted = {
            let mut state = self.state.lock();
            if let Some(idle) = state.idle.remove(&number) {
                return Ok(idle.connection);
            }
            state.open += 1;
            if state.open > self.most { state.evict() } else { None }
        };
        // Closing may write what the log holds; nobody waits for the lock meanwhile.
        drop(evicted);
        let opened = open(&self.folder, &self.path(id));
        if opened.is_err() {
            self.state.lock().open -= 1;
        }
        opened
    }

    /// Keeps a connection for the next one.
    pub(super) fn give(&self, number: u64, connection: Connection) {
        let mut state = self.state.lock();
        state.clock += 1;
        let used = state.clock;
        state.idle.insert(number, Idle { connection, used });
    }

    /// Closes a connection of which nobody knows in which state it is, or whose queue is gone.
    pub(super) fn close(&self, connection: Connection) {
        drop(connection);
        self.state.lock().open -= 1;
    }

    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        self.state.lock().open
    }
}

impl State {
    fn evict(&mut self) -> Option<Connection> {
        let oldest = self.idle.iter().min_by_key(|(_, idle)| idle.used).map(|(number, _)| *number)?;
        self.open -= 1;
        self.idle.remove(&oldest).map(|idle| idle.connection)
    }
}

fn open(folder: &Path, path: &Path) -> Result<Connection, EngineError> {
    let is_new = !path.exists();
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = Connection::open_with_flags(path, flags).map_err(database)?;
    set_up(&connection).map_err(database)?;
    if is_new {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
    }
    Ok(connection)
}

/// Checkpoints are ours to time (`lane.rs`); a connection remembers at most 2 MiB of pages.
fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    connection.set_prepared_statement_cache_capacity(32);
    let format = || connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    if format()? == 0 {
        connection.execute_batch(SCHEMA)?;
    }
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA cache_size = -2048;",
    )?;
    match format()? {
        FORMAT => Ok(()),
        newer => Err(rusqlite::Error::ToSqlConversionFailure(
            format!("the queue has format {newer}, this Hearth knows {FORMAT}").into(),
        )),
    }
}

/// A failure of SQLite, in our words.
pub(super) fn database(error: rusqlite::Error) -> EngineError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => EngineError::Full,
        _ => EngineError::Failed(format!("database: {error}")),
    }
}

/// A failure of a file, in our words.
pub(super) fn io(error: std::io::Error) -> EngineError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => EngineError::Full,
        _ => EngineError::Failed(format!("file: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_open_than_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let pool = Databases::new(folder.path().to_owned(), 3);
        for number in 0..10 {
            let connection = pool.take(number, &number.to_string()).unwrap();
            pool.give(number, connection);
            assert!(pool.open() <= 3, "{}", pool.open());
        }
        let latest: Vec<_> = [7, 8, 9].iter().map(|n| pool.take(*n, &n.to_string())).collect();
        assert!(latest.iter().all(Result::is_ok));
        assert_eq!(pool.open(), 3);
    }

    #[test]
    fn a_file_of_a_newer_hearth_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let pool = Databases::new(folder.path().to_owned(), 3);
        pool.close(pool.take(0, "a").unwrap());
        Connection::open(pool.path("a")).unwrap().execute_batch("PRAGMA user_version = 2").unwrap();
        assert!(matches!(pool.take(0, "a"), Err(EngineError::Failed(text)) if text.contains("format 2")));
    }
}
