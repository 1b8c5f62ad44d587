//! The file of an account: its datasets and their points.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hearth_model::AccountId;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use crate::point::COLUMNS;

/// Format of an account's file.
const FORMAT: i64 = 1;

/// How long one who opens the file waits for the writer, who never takes long.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where an account's points lie.
pub fn path(folder: &Path, account: &AccountId) -> PathBuf {
    folder.join(format!("{account}.db"))
}

/// The name under which [`hearth_space::Space`] knows what an account's points take.
pub fn resource(account: &AccountId) -> String {
    format!("analytics-{account}")
}

/// `blob1, …, blob20, double1, …, double20`.
pub fn value_columns() -> impl Iterator<Item = String> {
    let numbered = |kind: &'static str| (1..=COLUMNS).map(move |number| format!("{kind}{number}"));
    numbered("blob").chain(numbered("double"))
}

/// Rows lie in the order they came in, so a span of time is a span of the file.
fn schema() -> String {
    let columns: Vec<String> = value_columns()
        .map(|name| format!("{name} {}", if name.starts_with("blob") { "TEXT" } else { "REAL" }))
        .collect();
    format!(
        "PRAGMA auto_vacuum = INCREMENTAL;
         PRAGMA journal_mode = WAL;
         BEGIN IMMEDIATE;
         CREATE TABLE datasets (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
         CREATE TABLE points (
             dataset INTEGER NOT NULL,
             timestamp INTEGER NOT NULL,
             sample_interval INTEGER NOT NULL,
             index1 TEXT NOT NULL,
             {}
         ) STRICT;
         CREATE INDEX points_time ON points (dataset, timestamp);
         PRAGMA user_version = {FORMAT};
         COMMIT;",
        columns.join(", ")
    )
}

/// Opens an account's file to write, and makes it if it is not there.
pub fn open_to_write(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(PATIENCE)?;
    let format: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if format == 0 {
        connection.execute_batch(&schema())?;
    }
    // A crash of the machine may take what was written last; `writeDataPoint` promises less.
    connection.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 4194304;")?;
    Ok(connection)
}

/// Opens an account's file to read. None: nothing was ever written.
pub fn open_to_read(path: &Path) -> rusqlite::Result<Option<Connection>> {
    if !path.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    let format: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    // The writer makes it in one transaction, and may be about to.
    Ok((format == FORMAT).then_some(connection))
}

/// A dataset's id.
pub fn dataset(connection: &Connection, name: &str) -> rusqlite::Result<Option<i64>> {
    let mut statement = connection.prepare_cached("SELECT id FROM datasets WHERE name = ?1")?;
    statement.query_row([name], |row| row.get(0)).optional()
}

/// The names of the datasets, sorted.
pub fn datasets(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = connection.prepare_cached("SELECT name FROM datasets ORDER BY name")?;
    statement.query_map([], |row| row.get(0))?.collect()
}

/// Bytes of the file that are in use.
pub fn size(connection: &Connection) -> rusqlite::Result<u64> {
    let ask = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = ask("page_count")? - ask("freelist_count")?;
    Ok(u64::try_from(pages * ask("page_size")?).unwrap_or(0))
}

/// Gives so many free pages of the file back to the disk.
pub fn give_back(connection: &Connection, pages: usize) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = statement.query([])?;
    // Each row is a page.
    while rows.next()?.is_some() {}
    Ok(())
}
