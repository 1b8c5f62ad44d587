//! The files of a bucket: `incoming/<file>` while they are written, `objects/<2 digits>/<file>` for good. Everything here
//! blocks.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use hearth_space::{Admitted, Space};

use super::super::error::Result;
use super::faults;

/// The folder of a bucket.
#[derive(Debug, Clone)]
pub(super) struct Folder {
    root: PathBuf,
    space: Space,
}

impl Folder {
    /// A folder that is named like its bucket.
    pub(super) fn new(root: PathBuf, space: Space) -> Self {
        Self { root, space }
    }

    /// Makes it, durably.
    pub(super) fn create(&self) -> Result<()> {
        fs::create_dir_all(self.root.join("objects"))?;
        fs::create_dir_all(self.root.join("incoming"))?;
        sync(&self.root)?;
        if let Some(parent) = self.root.parent() {
            sync(parent)?;
        }
        Ok(())
    }

    pub(super) fn exists(&self) -> bool {
        self.root.join("objects").is_dir()
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn index(&self) -> PathBuf {
        self.root.join("index.db")
    }

    pub(super) fn path(&self, file: &str) -> PathBuf {
        self.root.join("objects").join(file.get(..2).unwrap_or(file)).join(file)
    }

    fn temporary(&self, file: &str) -> PathBuf {
        self.root.join("incoming").join(file)
    }

    /// Begins a file.
    pub(super) fn begin(&self, file: &str) -> Result<File> {
        Ok(File::options().write(true).create_new(true).open(self.temporary(file))?)
    }

    /// Asks whether the bucket may grow.
    pub(super) fn admit(&self, bytes: u64) -> Result<Admitted> {
        Ok(self.space.admit(&self.bucket(), bytes)?)
    }

    /// Says what the bucket holds.
    pub(super) fn holds(&self, bytes: u64) {
        self.space.holds(&self.bucket(), bytes);
    }

    fn bucket(&self) -> std::borrow::Cow<'_, str> {
        self.root.file_name().unwrap_or_default().to_string_lossy()
    }

    /// Makes a file's content durable and gives it its place, durably. It must be written down as pending by now.
    pub(super) fn settle(&self, file: &str, content: &File) -> Result<()> {
        faults::step("written")?;
        content.sync_all()?;
        faults::step("synced")?;
        let path = self.path(file);
        let folder = path.parent().unwrap_or(&self.root).to_owned();
        if !folder.is_dir() {
            fs::create_dir_all(&folder)?;
            sync(&self.root.join("objects"))?;
        }
        fs::rename(self.temporary(file), &path)?;
        faults::step("renamed")?;
        sync(&folder)?;
        faults::step("settled")
    }

    /// Removes a file, wherever it got to. One that is not there is fine.
    pub(super) fn remove(&self, file: &str) -> io::Result<()> {
        for path in [self.temporary(file), self.path(file)] {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Removes what was being written when a process ended.
    pub(super) fn clear_incoming(&self) -> Result<()> {
        for entry in fs::read_dir(self.root.join("incoming"))? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }
}

/// Makes a folder's entries durable.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
