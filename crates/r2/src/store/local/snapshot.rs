//! A consistent copy of every bucket, taken while they are in use.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::super::error::{R2Error, Result};
use super::index::Index;
use super::{Local, faults, files};

impl Local {
    /// Copies every bucket to a folder that is not there yet: each index as of one moment, and the files that it names,
    /// as hard links where the folder is on the same disk. What the copy holds is durable when this returns.
    ///
    /// # Errors
    /// A folder that cannot be written, or is there already.
    pub async fn snapshot(&self, to: &Path) -> Result<()> {
        let target = to.to_owned();
        self.pool.run(move || Ok(fs::create_dir(&target)?)).await?;
        let indexes = Arc::clone(&self.indexes);
        for bucket in self.pool.run(move || indexes.all()).await? {
            let index = match self.index(&bucket).await {
                Ok(index) => index,
                Err(R2Error::NoSuchBucket) => continue,
                Err(error) => return Err(error),
            };
            let target = to.join(&bucket);
            self.pool.run(move || copy(&index, &target)).await?;
        }
        let target = to.to_owned();
        self.pool.run(move || Ok(files::sync(&target)?)).await
    }
}

/// Copies one bucket. Blocks.
fn copy(index: &Arc<Index>, to: &Path) -> Result<()> {
    let _frozen = index.freeze();
    let folder = files::Folder::new(to.to_owned(), hearth_space::Space::unbounded());
    folder.create()?;
    let copied = folder.index();
    index.read_copy(&copied)?;
    File::open(&copied)?.sync_all()?;
    faults::step("index copied")?;
    let connection = Connection::open(&copied)?;
    let mut statement = connection.prepare(
        "SELECT version FROM objects WHERE place = 1
         UNION ALL SELECT file FROM segments UNION ALL SELECT file FROM parts",
    )?;
    let mut rows = statement.query([])?;
    let mut touched = std::collections::BTreeSet::new();
    while let Some(row) = rows.next()? {
        let file: String = row.get(0)?;
        let (from, target) = (index.folder.path(&file), folder.path(&file));
        if let Some(parent) = target.parent()
            && touched.insert(parent.to_owned())
        {
            fs::create_dir_all(parent)?;
        }
        if let Err(error) = fs::hard_link(&from, &target) {
            if error.kind() != std::io::ErrorKind::CrossesDevices {
                return Err(error.into());
            }
            fs::copy(&from, &target)?;
            File::open(&target)?.sync_all()?;
        }
    }
    for parent in touched {
        files::sync(&parent)?;
    }
    files::sync(&to.join("objects"))?;
    Ok(files::sync(to)?)
}
