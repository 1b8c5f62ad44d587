//! A copy of all objects while their workers run.
//!
//! Each object is copied by SQLite's backup, which sees one moment of it and hinders nobody. Its alarm stands in another
//! file, so the alarms are copied before and after the objects, and the copy has those of both: workerd drops one that its
//! object no longer knows, and none may be lost.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::backup::Backup;

use crate::{Objects, folder};

const ALARMS: &str = "metadata.sqlite";

/// Pages copied at a time, and the pause between: a writer need not wait, a reader of the disk not long.
const PAGES: i32 = 1_000;
const PAUSE: Duration = Duration::from_millis(1);

impl Objects {
    /// Copies every folder into `target`, which is made.
    ///
    /// # Errors
    /// What cannot be read or written.
    pub async fn snapshot(&self, target: &Path) -> io::Result<()> {
        let all = self.owned().await.map_err(io::Error::other)?;
        fs::create_dir_all(target)?;
        for owned in all {
            let (from, to) = (self.folder(&owned.folder), target.join(&owned.folder));
            self.blocking(move || copy_folder(&from, &to)).await?;
        }
        Ok(())
    }
}

/// Copies a namespace, and those in folders below it.
fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    if !from.is_dir() {
        return Ok(());
    }
    copy_namespace(from, to)?;
    let mut below = folder::below(from)?;
    // By name, so that the index of a workflow's instances comes after them: it may know one that is not there, but what
    // it does not know could be neither listed nor ended.
    below.sort();
    for below in below {
        let Some(name) = below.file_name() else { continue };
        copy_namespace(&below, &to.join(name))?;
    }
    Ok(())
}

fn copy_namespace(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let before = to.join("before.sqlite");
    let alarms = from.join(ALARMS);
    if alarms.exists() {
        copy(&alarms, &before)?;
    }
    for name in folder::names(from)? {
        let (source, copied) = (from.join(&name), to.join(&name));
        let is_log = name.ends_with("-wal") || name.ends_with("-shm");
        match name.ends_with(".sqlite") {
            _ if is_log || name == ALARMS || source.is_dir() => {}
            true => copy(&source, &copied)?,
            // The index of an object's facets.
            false => match fs::copy(&source, &copied) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            },
        }
    }
    if alarms.exists() {
        let after = to.join(ALARMS);
        copy(&alarms, &after)?;
        merge(&before, &after).map_err(io::Error::other)?;
    }
    match fs::remove_file(&before) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    // An object that has just been deleted needs no copy; one that nothing was stored in has no pages.
    if fs::metadata(from).is_err() {
        return Ok(());
    }
    let copy = || {
        let source = folder::open(from)?;
        source.progress_handler(0, None::<fn() -> bool>)?;
        let mut target = Connection::open(to)?;
        Backup::new(&source, &mut target)?.run_to_completion(PAGES, PAUSE, None)
    };
    copy().map_err(|error: rusqlite::Error| io::Error::other(format!("{}: {error}", from.display())))
}

/// Adds the alarms of one copy to another.
fn merge(before: &Path, after: &Path) -> rusqlite::Result<()> {
    let connection = folder::open(after)?;
    let has_table = |schema: &str| {
        let sql = format!("SELECT count(*) FROM {schema}.sqlite_master WHERE name = '_cf_ALARM'");
        connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).map(|count| count > 0)
    };
    connection.execute("ATTACH ? AS earlier", [before.to_string_lossy()])?;
    if has_table("main")? && has_table("earlier")? {
        connection.execute("INSERT OR IGNORE INTO main._cf_ALARM SELECT * FROM earlier._cf_ALARM", [])?;
    }
    connection.execute("DETACH earlier", []).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "PRAGMA journal_mode = WAL; CREATE TABLE _cf_ALARM \
         (actor_id TEXT PRIMARY KEY, scheduled_time INTEGER, actor_name TEXT) WITHOUT ROWID;";

    #[test]
    fn a_copy_has_what_is_in_the_log_and_alarms_of_both_moments() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir(&from).unwrap();
        let object = Connection::open(from.join("aa.sqlite")).unwrap();
        object
            .execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (a); INSERT INTO t VALUES (7)")
            .unwrap();
        let alarms = Connection::open(from.join(ALARMS)).unwrap();
        alarms.execute_batch(TABLE).unwrap();
        alarms.execute("INSERT INTO _cf_ALARM VALUES ('aa', 5, '')", []).unwrap();
        fs::write(from.join("aa.facets"), "index").unwrap();
        fs::create_dir(from.join("below")).unwrap();
        fs::copy(from.join(ALARMS), from.join("below").join(ALARMS)).unwrap();
        copy_folder(&from, &to).unwrap();
        assert!(to.join("below").join(ALARMS).is_file());
        let copied = Connection::open(to.join("aa.sqlite")).unwrap();
        assert_eq!(copied.query_row("SELECT a FROM t", [], |row| row.get::<_, i64>(0)).unwrap(), 7);
        assert_eq!(fs::read_to_string(to.join("aa.facets")).unwrap(), "index");
        let mut names = folder::names(&to).unwrap();
        names.retain(|name| !name.contains("-") && name != "below");
        names.sort();
        assert_eq!(names, ["aa.facets", "aa.sqlite", ALARMS]);

        let (earlier, later) = (folder.path().join("earlier.sqlite"), folder.path().join("later.sqlite"));
        for (file, who, at) in [(&earlier, "a", 1), (&later, "b", 2)] {
            let alarms = Connection::open(file).unwrap();
            alarms.execute_batch(TABLE).unwrap();
            alarms.execute("INSERT INTO _cf_ALARM VALUES (?, ?, '')", (who, at)).unwrap();
        }
        merge(&earlier, &later).unwrap();
        let count = |file: &Path| {
            let connection = Connection::open(file).unwrap();
            connection.query_row("SELECT count(*) FROM _cf_ALARM", [], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!(count(&later), 2);
    }
}
