//! One file of an account's logs.
//!
//! An event's row id is its time and a number, so that the order of rows is that of time, a time span is a range of ids,
//! and an id is what a query goes on from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, OpenFlags, params};

use super::record::Record;

/// Bits of an id that number the events of one millisecond.
const NUMBER_BITS: u32 = 19;

/// The highest time that has an id, in milliseconds since 1970.
const LAST_MS: i64 = (1 << (62 - NUMBER_BITS)) - 1;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// The id of the next event of a time.
fn next_id(timestamp_ms: i64) -> i64 {
    let number = NEXT.fetch_add(1, Ordering::Relaxed) % (1 << NUMBER_BITS);
    first_id(timestamp_ms) | number as i64
}

/// The lowest id of a time.
pub(super) fn first_id(timestamp_ms: i64) -> i64 {
    timestamp_ms.clamp(0, LAST_MS) << NUMBER_BITS
}

/// The time of an id.
pub(super) fn time_of(id: i64) -> i64 {
    id >> NUMBER_BITS
}

/// An id as clients see it; its order as text is that of the numbers.
pub(super) fn id_text(id: i64) -> String {
    format!("{id:016x}")
}

/// The id that a client names.
pub(super) fn read_id(text: &str) -> Option<i64> {
    (text.len() == 16).then(|| i64::from_str_radix(text, 16).ok()).flatten()
}

/// An event with its text.
pub(super) type Row<'a> = (&'a Record, String);

/// A segment that is written to.
pub(super) struct Segment {
    connection: Connection,
    path: PathBuf,
}

impl Segment {
    /// Makes a new file in the folder, named by the time of its making or, if that is taken, by the next one.
    pub(super) fn create(folder: &Path, now_ms: i64) -> Result<Self, rusqlite::Error> {
        // The making of the file says why when this fails.
        let _ = fs::create_dir_all(folder);
        // After all that are there, and not in the place of one that was removed: the first in order is the next to go.
        let after = files(folder).last().map_or(0, |last| last.made_ms + 1);
        let path = folder.join(format!("{:013}.db", now_ms.max(after)));
        // Under its name it is whole: a query may come at any moment.
        let unfinished = path.with_extension("new");
        drop(Self::open(unfinished.clone())?);
        // Opening it says why when this fails.
        let _ = fs::rename(&unfinished, &path);
        Self::open(path)
    }

    /// Opens a file to write on.
    pub(super) fn open(path: PathBuf) -> Result<Self, rusqlite::Error> {
        let connection = Connection::open(&path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS events (
                 id INTEGER PRIMARY KEY,
                 request TEXT NOT NULL, service TEXT NOT NULL, level TEXT NOT NULL,
                 weight REAL NOT NULL, body TEXT NOT NULL
             ) STRICT;
             CREATE INDEX IF NOT EXISTS by_request ON events (request);",
        )?;
        Ok(Self { connection, path })
    }

    /// Adds events, all or none.
    pub(super) fn insert(&mut self, rows: &[Row<'_>]) -> Result<(), rusqlite::Error> {
        let transaction = self.connection.transaction()?;
        {
            let mut insert =
                transaction.prepare_cached("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?)")?;
            for (Record { timestamp_ms, request, service, level, weight, .. }, body) in rows {
                // A number that a process before this one gave in the same millisecond is taken.
                while insert.execute(params![
                    next_id(*timestamp_ms),
                    request,
                    service,
                    level,
                    weight,
                    body
                ])? == 0
                {}
            }
        }
        transaction.commit()
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// A segment on disk.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct File {
    pub path: PathBuf,
    /// When it was made, in milliseconds since 1970.
    pub made_ms: i64,
}

impl File {
    /// Bytes it takes with its log.
    pub(super) fn bytes(&self) -> u64 {
        ["", "-wal"]
            .iter()
            .filter_map(|end| fs::metadata(beside(&self.path, end)).ok())
            .map(|meta| meta.len())
            .sum()
    }

    /// Removes it with what stands beside it.
    pub(super) fn remove(&self) -> io::Result<()> {
        for end in ["-wal", "-shm"] {
            // There is none when it was closed in order.
            let _ = fs::remove_file(beside(&self.path, end));
        }
        fs::remove_file(&self.path)
    }

    /// Opens it to read.
    pub(super) fn read(&self) -> Result<Connection, rusqlite::Error> {
        Connection::open_with_flags(
            &self.path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )
    }
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// The segments of a folder, oldest first; none where there is no folder.
pub(super) fn files(folder: &Path) -> Vec<File> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<File> = entries
        .filter_map(|entry| {
            let name = entry.file_name();
            let made_ms = name.to_str()?.strip_suffix(".db")?.parse().ok()?;
            Some(File { path: entry.path(), made_ms })
        })
        .collect();
    files.sort_by_key(|file| file.made_ms);
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_the_order_of_time_and_read_back() {
        let (early, late) = (next_id(1_795_000_000_000), next_id(1_795_000_000_001));
        assert!(early < late && id_text(early) < id_text(late));
        assert_eq!(time_of(late), 1_795_000_000_001);
        assert_eq!(read_id(&id_text(late)), Some(late));
        for odd in ["", "xyz", "00000000000000000"] {
            assert_eq!(read_id(odd), None);
        }
        assert!(next_id(i64::MAX) > 0 && next_id(-5) >= 0);
    }
}
