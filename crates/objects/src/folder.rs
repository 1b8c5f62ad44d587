//! A folder of namespaces, read from outside while no process has it. Everything here blocks.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use rustix::fs::FlockOperation;
use rustix::io::Errno;

/// The alarms of a namespace, in nanoseconds since 1970 (workerd.md 3).
const ALARMS: &str = "metadata.sqlite";

/// How long a query on a file that a worker's process has written may take. It is one row of one table, unless somebody
/// has made it otherwise.
const PATIENCE: Duration = Duration::from_secs(2);

/// Steps of SQLite between two looks at the clock.
const STEPS: i32 = 10_000;

/// What was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A process has the folder.
    Busy,
    /// The earliest alarm, in milliseconds since 1970, and the bytes of all files.
    Read { earliest: Option<i64>, bytes: u64 },
}

/// Looks at a folder that nobody uses.
pub(crate) fn look(folder: &Path) -> io::Result<Found> {
    let lock = match File::open(folder) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Found::Read { earliest: None, bytes: 0 });
        }
        Err(error) => return Err(error),
    };
    if !try_lock(&lock)? {
        return Ok(Found::Busy);
    }
    let mut found: Option<i64> = None;
    for namespace in below(folder)?.iter().map(PathBuf::as_path).chain([folder]) {
        let file = namespace.join(ALARMS);
        if file.exists() {
            let earliest = earliest(&file).map_err(io::Error::other)?;
            found = [found, earliest].into_iter().flatten().min();
        }
    }
    Ok(Found::Read { earliest: found, bytes: size(folder)? })
}

/// The folders in a folder: of a worker's workflows, a namespace each.
pub(crate) fn below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let paths: io::Result<Vec<PathBuf>> = read_dir(folder)?.map(|entry| Ok(entry?.path())).collect();
    Ok(paths?.into_iter().filter(|path| path.is_dir()).collect())
}

/// Whether nobody had it; then it is ours until `folder` is closed.
pub(crate) fn try_lock(folder: &File) -> io::Result<bool> {
    match rustix::fs::flock(folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn earliest(file: &Path) -> rusqlite::Result<Option<i64>> {
    let connection = open(file)?;
    let sql = "SELECT min(scheduled_time) FROM _cf_ALARM";
    match connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0)) {
        // Rounded up: a start before its time would run nothing.
        Ok(earliest) => Ok(earliest.map(|ns| ns.div_euclid(1_000_000) + 1)),
        // Nobody has set one yet.
        Err(rusqlite::Error::SqliteFailure(_, Some(text))) if text.contains("no such table") => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a file that a worker's process has written: nothing in its schema is trusted.
pub(crate) fn open(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    let until = Instant::now() + PATIENCE;
    connection.progress_handler(STEPS, Some(move || Instant::now() > until))?;
    Ok(connection)
}

/// Bytes of all files of a namespace, and of those in folders below it.
pub(crate) fn size(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in read_dir(folder)? {
        let entry = entry?;
        // One that has just gone holds nothing.
        bytes += match entry.metadata() {
            Ok(found) if found.is_dir() => size(&entry.path())?,
            found => found.map_or(0, |found| found.len()),
        };
    }
    Ok(bytes)
}

/// What is in a folder; nothing, if it is not there.
fn read_dir(folder: &Path) -> io::Result<Box<dyn Iterator<Item = io::Result<fs::DirEntry>>>> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(Box::new(entries)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Box::new(std::iter::empty())),
        Err(error) => Err(error),
    }
}

/// The names in a folder that can be a namespace's, or the objects in it.
pub(crate) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in read_dir(folder)? {
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

/// An object that a namespace's folder speaks of.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Its id: 64 hex digits.
    pub id: String,
    /// Whether anything is stored in it.
    pub has_data: bool,
}

/// The objects after `after`, by id, at most `limit`.
pub(crate) fn objects(folder: &Path, after: &str, limit: usize) -> io::Result<Vec<Stored>> {
    let mut ids: Vec<String> = names(folder)?
        .into_iter()
        .filter_map(|name| name.strip_suffix(".sqlite").map(str::to_owned))
        .filter(|id| id.len() == 64 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .filter(|id| id.as_str() > after)
        .collect();
    ids.sort_unstable();
    ids.truncate(limit);
    let length = |name: String| fs::metadata(folder.join(name)).map_or(0, |found| found.len());
    let stored = |id: String| Stored {
        has_data: length(format!("{id}.sqlite")) + length(format!("{id}.sqlite-wal")) > 0,
        id,
    };
    Ok(ids.into_iter().map(stored).collect())
}

/// Removes a folder unless a process has it; says whether it is gone.
pub(crate) fn remove(folder: &Path) -> io::Result<bool> {
    let lock = File::open(folder)?;
    if !try_lock(&lock)? {
        return Ok(false);
    }
    fs::remove_dir_all(folder)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarms(folder: &Path) -> Connection {
        let connection = Connection::open(folder.join(ALARMS)).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL;
                 CREATE TABLE _cf_ALARM (actor_id TEXT PRIMARY KEY, scheduled_time INTEGER, actor_name TEXT)
                 WITHOUT ROWID;",
            )
            .unwrap();
        connection
    }

    #[test]
    fn the_earliest_alarm_is_read_unless_somebody_has_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(look(&folder.path().join("none")).unwrap(), Found::Read { earliest: None, bytes: 0 });
        let connection = alarms(folder.path());
        let earliest = || match look(folder.path()).unwrap() {
            Found::Read { earliest, bytes } => Some((earliest, bytes > 0)),
            Found::Busy => None,
        };
        assert_eq!(earliest(), Some((None, true)));
        connection
            .execute_batch("INSERT INTO _cf_ALARM VALUES ('b', 5000000001, ''), ('a', 7000000000, '')")
            .unwrap();
        assert_eq!(earliest(), Some((Some(5001), true)));
        let below = folder.path().join("miniflare-workflows-a");
        fs::create_dir(&below).unwrap();
        alarms(&below).execute("INSERT INTO _cf_ALARM VALUES ('c', 3000000001, '')", []).unwrap();
        assert_eq!(earliest(), Some((Some(3001), true)), "of a workflow");
        let held = File::open(folder.path()).unwrap();
        assert!(try_lock(&held).unwrap());
        assert_eq!(earliest(), None);
        assert!(!remove(folder.path()).unwrap());
        drop(held);
        assert!(remove(folder.path()).unwrap() && !folder.path().exists());
    }

    #[test]
    fn objects_are_listed_by_id_a_page_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let id = |digit: &str| digit.repeat(64);
        for (name, content) in [
            (format!("{}.sqlite", id("b")), "x"),
            (format!("{}.sqlite", id("a")), ""),
            (format!("{}.sqlite-wal", id("a")), ""),
            (format!("{}.0.sqlite", id("a")), "facet"),
            (ALARMS.to_owned(), "x"),
        ] {
            fs::write(folder.path().join(name), content).unwrap();
        }
        let all = objects(folder.path(), "", 9).unwrap();
        let expected = [(id("a"), false), (id("b"), true)].map(|(id, has_data)| Stored { id, has_data });
        assert_eq!(all, expected);
        assert_eq!(objects(folder.path(), "", 1).unwrap().len(), 1);
        assert_eq!(objects(folder.path(), &id("a"), 9).unwrap()[0].id, id("b"));
    }
}
