//! A consistent copy of the store while it is in use.

use std::fs;
use std::io::{Error, ErrorKind};
use std::path::Path;

use sqlx::AssertSqlSafe;

use crate::store::{DATABASE, blocking};
use crate::{Result, Store, StoreError, folder, keys};

impl Store {
    /// Writes a data folder into `to`, which does not exist yet: the metadata as of one moment, every blob that it
    /// refers to, and the master key, without which its secrets are lost. Blobs are hard links where `to` is on the
    /// same file system.
    ///
    /// # Errors
    /// When `to` cannot be written; what was written so far stays.
    pub async fn snapshot(&self, to: &Path) -> Result<()> {
        self.link_blobs(to).await?;
        let database = to.join(DATABASE);
        let path = database.to_str().ok_or_else(|| {
            StoreError::io("writing a snapshot")(Error::new(ErrorKind::InvalidInput, "the path is not UTF-8"))
        })?;
        let statement = format!("VACUUM INTO '{}'", path.replace('\'', "''"));
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *self.read().await?).await?;
        // Once more for what came between; what went between was linked before.
        self.link_blobs(to).await?;
        let (key_file, to) = (self.inner.key_file.clone(), to.to_owned());
        blocking(move || {
            fs::copy(&key_file, to.join(keys::FILE)).map_err(StoreError::io("copying the master key"))?;
            folder::sync(&to)
        })
        .await
    }

    async fn link_blobs(&self, to: &Path) -> Result<()> {
        let (inner, to) = (self.inner.clone(), to.join("blobs"));
        blocking(move || {
            folder::create(&to)?;
            for (path, below) in inner.blobs.all()? {
                link(&path, &to.join(below))?;
            }
            Ok(())
        })
        .await
    }
}

/// Gives a file that never changes a second name, or copies it to another file system. One that was removed meanwhile
/// is wanted by nobody.
fn link(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        folder::create(parent)?;
    }
    let done = fs::hard_link(from, to).or_else(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::AlreadyExists => Ok(()),
        _ => fs::copy(from, to).map(drop),
    });
    done.map_err(StoreError::io(format!("copying {}", from.display())))
}
