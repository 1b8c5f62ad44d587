//! The data folder: its lock, and files that must survive a crash.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::{Result, StoreError};

/// Makes the folder for its owner only, if it is not there.
pub(crate) fn create(path: &Path) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(StoreError::io(format!("making {}", path.display())))
}

/// Locks the folder for as long as the file returned is open. The kernel ends it with the process.
pub(crate) fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("hearth.lock");
    let context = || format!("locking {}", path.display());
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(StoreError::io(context()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked(folder.display().to_string())),
        Err(TryLockError::Error(source)) => Err(StoreError::io(context())(source)),
    }
}

/// Makes an empty file for its owner only, if it is not there.
pub(crate) fn create_private_file(path: &Path) -> Result<()> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(StoreError::io(format!("making {}", path.display())))
}

/// Whether others than the owner may read a file.
pub(crate) fn is_open_to_others(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 != 0)
}

/// Makes the entries of a folder durable.
pub(crate) fn sync(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(StoreError::io(format!("syncing {}", folder.display())))
}

/// Puts a file in the place of another, durably and all or nothing. Mode 0600.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let context = || format!("writing {}", path.display());
    let mut temporary = tempfile::NamedTempFile::new_in(folder).map_err(StoreError::io(context()))?;
    temporary
        .write_all(content)
        .and_then(|()| temporary.as_file().sync_all())
        .map_err(StoreError::io(context()))?;
    temporary.persist(path).map_err(|error| StoreError::io(context())(error.error))?;
    sync(folder)
}

/// The content of a file; None when there is none.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io(format!("reading {}", path.display()))(error)),
    }
}
