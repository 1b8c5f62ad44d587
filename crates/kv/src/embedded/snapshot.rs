//! A copy of everything while it is in use: each database as of one moment, and the files that it names then.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, OpenFlags};

use super::connections::{database, io as failed};
use super::namespace::Namespace;
use super::{Shared, reader};
use crate::store::EngineError;

/// Writes the copy into `to`, which is made and must be empty.
pub(super) fn write(shared: &Arc<Shared>, to: &Path) -> Result<(), EngineError> {
    fs::create_dir_all(to).map_err(failed)?;
    if fs::read_dir(to).map_err(failed)?.next().is_some() {
        return Err(EngineError::Failed(format!("{} is not empty", to.display())));
    }
    let namespaces: Vec<_> = shared.namespaces.read().values().cloned().collect();
    for namespace in namespaces {
        // From before the database is copied until its files are, none of them goes away.
        namespace.hold();
        let copied = copy(shared, &namespace, to);
        for file in namespace.release() {
            shared.files.remove(&namespace.id, &file);
        }
        match copied {
            // Deleted meanwhile: it belongs into no copy.
            Err(_) if namespace.is_dead() => super::remove_from_disk(to, &namespace.id)?,
            other => other?,
        }
    }
    sync(to)
}

fn copy(shared: &Shared, namespace: &Namespace, to: &Path) -> Result<(), EngineError> {
    let target = to.join(format!("{}.db", namespace.id));
    reader::with(shared, namespace, (), |connection| {
        let path = target.to_str().ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?;
        connection.execute("VACUUM INTO ?1", [path]).map_err(database)?;
        Ok(())
    })?;
    if !target.exists() {
        return Ok(());
    }
    let copy = Connection::open_with_flags(&target, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(database)?;
    let mut statement = copy.prepare("SELECT file FROM entries WHERE file IS NOT NULL").map_err(database)?;
    let mut rows = statement.query([]).map_err(database)?;
    let (from, values) = (shared.files.folder(&namespace.id), to.join(format!("{}.values", namespace.id)));
    while let Some(row) = rows.next().map_err(database)? {
        let name: String = row.get(0).map_err(database)?;
        fs::create_dir_all(&values).map_err(failed)?;
        copy_file(&from.join(&name), &values.join(&name)).map_err(failed)?;
    }
    if values.exists() {
        sync(&values)?;
    }
    File::open(&target).and_then(|file| file.sync_all()).map_err(failed)
}

/// A value's file never changes, so on the same disk a second name for it is a copy.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to)?;
    File::open(to)?.sync_all()
}

fn sync(folder: &Path) -> Result<(), EngineError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}
