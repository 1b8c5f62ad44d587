//! Open databases: a bounded number, the least recently used ones are closed for others (each costs 3 descriptors and
//! about 150 KB).

use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags};

use crate::store::EngineError;

/// Format of a namespace's file.
const FORMAT: i64 = 1;

/// `file` names a file beside the database that holds the value instead. Keys are blobs, so that their order is the
/// order of their bytes; the value stands last, so that a list does not read past it.
const SCHEMA: &str = "
    CREATE TABLE entries (
        key BLOB PRIMARY KEY,
        expires INTEGER,
        size INTEGER NOT NULL,
        file TEXT,
        metadata TEXT,
        value BLOB
    ) WITHOUT ROWID;
    CREATE INDEX entries_expires ON entries (expires) WHERE expires IS NOT NULL;
    CREATE INDEX entries_file ON entries (file) WHERE file IS NOT NULL;
    CREATE TABLE usage (keys INTEGER NOT NULL, bytes INTEGER NOT NULL);
    INSERT INTO usage VALUES (0, 0);
    PRAGMA user_version = 1;";

/// The pool.
pub(super) struct Connections {
    folder: PathBuf,
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: HashMap<u64, Vec<Idle>>,
    /// Idle and lent out together.
    open: usize,
    clock: u64,
}

struct Idle {
    connection: Connection,
    used: u64,
}

impl Connections {
    /// At most `most`, which is more than there are threads that use them.
    pub(super) fn new(folder: PathBuf, most: usize) -> Self {
        Self { folder, most, state: Mutex::default() }
    }

    /// Where a namespace's database lies.
    pub(super) fn path(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.db"))
    }

    /// A connection to a namespace's database, to be given back; None when there is none yet and it is not to be made.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(super) fn take(&self, number: u64, id: &str, make: bool) -> Result<Option<Connection>, EngineError> {
        let evicted = {
            let mut state = self.state.lock();
            if let Some(idle) = state.idle.get_mut(&number).and_then(Vec::pop) {
                return Ok(Some(idle.connection));
            }
            state.open += 1;
            if state.open > self.most { state.evict() } else { None }
        };
        // Closing may write what the log holds; nobody waits for the lock meanwhile.
        drop(evicted);
        let opened = open(&self.folder, &self.path(id), make);
        if !matches!(opened, Ok(Some(_))) {
            self.state.lock().open -= 1;
        }
        opened
    }

    /// Keeps a connection for the next one.
    pub(super) fn give(&self, number: u64, connection: Connection) {
        let mut state = self.state.lock();
        state.clock += 1;
        let used = state.clock;
        state.idle.entry(number).or_default().push(Idle { connection, used });
    }

    /// Closes a connection of which nobody knows in which state it is, or whose namespace is gone.
    pub(super) fn close(&self, connection: Connection) {
        drop(connection);
        self.state.lock().open -= 1;
    }

    /// Closes a namespace's idle connections.
    pub(super) fn forget(&self, number: u64) {
        let idle = {
            let mut state = self.state.lock();
            let idle = state.idle.remove(&number).unwrap_or_default();
            state.open -= idle.len();
            idle
        };
        drop(idle);
    }

    #[cfg(test)]
    pub(super) fn open(&self) -> usize {
        self.state.lock().open
    }
}

impl State {
    fn evict(&mut self) -> Option<Connection> {
        // The first of each is the one that waits longest: they are taken from the end.
        let oldest = self.idle.iter().filter_map(|(number, idle)| Some((idle.first()?.used, *number)));
        let (_, number) = oldest.min()?;
        let idle = self.idle.get_mut(&number)?;
        let connection = idle.remove(0).connection;
        if idle.is_empty() {
            self.idle.remove(&number);
        }
        self.open -= 1;
        Some(connection)
    }
}

fn open(folder: &Path, path: &Path, make: bool) -> Result<Option<Connection>, EngineError> {
    let is_new = !path.exists();
    if is_new && !make {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let flags = if make { flags | OpenFlags::SQLITE_OPEN_CREATE } else { flags };
    let connection = Connection::open_with_flags(path, flags).map_err(database)?;
    set_up(&connection).map_err(database)?;
    if is_new {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
    }
    Ok(Some(connection))
}

/// Checkpoints are ours to time (`writer.rs`); a connection remembers at most 1 MiB of pages.
fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(std::time::Duration::from_secs(10))?;
    // The first, which only a file that is new heeds: pages that are free can be given back (`writer.rs`).
    connection.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 0;
         PRAGMA cache_size = -1024;",
    )?;
    connection.set_prepared_statement_cache_capacity(16);
    let format = || connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
    if format()? == 0 {
        connection.execute_batch("BEGIN IMMEDIATE")?;
        // Another thread may have opened it at the same time.
        if format()? == 0 {
            connection.execute_batch(SCHEMA)?;
        }
        connection.execute_batch("COMMIT")?;
    }
    match format()? {
        FORMAT => Ok(()),
        newer => Err(rusqlite::Error::ToSqlConversionFailure(
            format!("the namespace has format {newer}, this Hearth knows {FORMAT}").into(),
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
        std::io::ErrorKind::StorageFull
        | std::io::ErrorKind::QuotaExceeded
        | std::io::ErrorKind::FileTooLarge => EngineError::Full,
        _ => EngineError::Failed(format!("file: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_open_than_may_be() {
        let folder = tempfile::tempdir().unwrap();
        let pool = Connections::new(folder.path().to_owned(), 3);
        for number in 0..10 {
            let connection = pool.take(number, &number.to_string(), true).unwrap().unwrap();
            pool.give(number, connection);
            assert!(pool.open() <= 3, "{}", pool.open());
        }
        let latest: Vec<_> = [7, 8, 9].iter().map(|n| pool.take(*n, &n.to_string(), false)).collect();
        assert!(latest.iter().all(|taken| matches!(taken, Ok(Some(_)))));
        assert_eq!(pool.open(), 3);
        assert!(pool.take(99, "99", false).unwrap().is_none());
        assert_eq!(pool.open(), 3);
    }
}
