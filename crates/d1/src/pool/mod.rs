//! Hearth's side: which engines run.

mod spawn;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::BoxStream;

use crate::{Answer, Archive, D1Error, DatabaseId, ExportOptions, Imported, Position, Request, Size};

pub use spawn::{Ended, Process, Spawn, Started};

/// How databases are kept.
#[derive(Debug, Clone)]
pub struct Config {
    /// The folder of all databases: `d1` in the data folder.
    pub folder: PathBuf,
    /// Engines at once.
    pub max_active: usize,
    /// Engines that wait for a database.
    pub spares: usize,
    /// An engine that nobody asked for that long is stopped.
    pub idle: Duration,
    /// How long a request may run (Cloudflare: 30 s).
    pub query_timeout: Duration,
}

/// All databases of an installation. Cheap to clone.
#[derive(Clone)]
pub struct D1(Arc<Shared>);

struct Shared {
    config: Config,
}

/// A database that no engine runs on, and none will while this lives: its files may be read and replaced. The log that
/// lies there was not folded.
pub struct Closed(());

impl D1 {
    /// The databases in `config.folder`.
    pub fn new(config: Config, _spawn: Arc<dyn Spawn>, _archive: Arc<dyn Archive>) -> Self {
        Self(Arc::new(Shared { config }))
    }

    /// Makes an empty database.
    ///
    /// # Errors
    /// Its folder cannot be made.
    pub async fn create(&self, id: DatabaseId) -> Result<(), D1Error> {
        Ok(tokio::fs::create_dir_all(self.folder(id)).await?)
    }

    /// Deletes a database with its files; what an archive keeps is the archive's. One that is not there is deleted too.
    ///
    /// # Errors
    /// Its files cannot be deleted.
    pub async fn delete(&self, id: DatabaseId) -> Result<(), D1Error> {
        Ok(tokio::fs::remove_dir_all(self.folder(id)).await?)
    }

    /// Runs a request as one transaction.
    ///
    /// # Errors
    /// Every kind of [`D1Error`].
    pub async fn query(&self, _id: DatabaseId, _request: Request) -> Result<Answer, D1Error> {
        Err(D1Error::NotFound)
    }

    /// Runs a script of any length as one transaction. An error, also one of the stream, takes all of it back.
    ///
    /// # Errors
    /// Every kind of [`D1Error`].
    pub async fn import(
        &self,
        _id: DatabaseId,
        _script: BoxStream<'static, std::io::Result<Bytes>>,
    ) -> Result<Imported, D1Error> {
        Err(D1Error::NotFound)
    }

    /// The database as a script, in one view of it. The database serves nobody else until the stream has ended or is
    /// dropped: spool it.
    ///
    /// # Errors
    /// Every kind of [`D1Error`], at the start or in the stream.
    pub async fn export(
        &self,
        _id: DatabaseId,
        _options: ExportOptions,
    ) -> Result<BoxStream<'static, Result<Bytes, D1Error>>, D1Error> {
        Err(D1Error::NotFound)
    }

    /// Folds the log and copies the database into a new file: a whole SQLite database that needs no log.
    ///
    /// # Errors
    /// Every kind of [`D1Error`]; what had been written of `to` is removed.
    pub async fn snapshot(&self, _id: DatabaseId, _to: &Path) -> Result<Position, D1Error> {
        Err(D1Error::NotFound)
    }

    /// Folds the log into the database, which begins a new generation; the archive sees it before. A log that is empty
    /// stays what it is.
    ///
    /// # Errors
    /// Every kind of [`D1Error`].
    pub async fn fold(&self, _id: DatabaseId) -> Result<Position, D1Error> {
        Err(D1Error::NotFound)
    }

    /// How large a database is.
    ///
    /// # Errors
    /// Every kind of [`D1Error`].
    pub async fn size(&self, _id: DatabaseId) -> Result<Size, D1Error> {
        Err(D1Error::NotFound)
    }

    /// Where a database is now.
    ///
    /// # Errors
    /// Every kind of [`D1Error`].
    pub async fn position(&self, _id: DatabaseId) -> Result<Position, D1Error> {
        Err(D1Error::NotFound)
    }

    /// Waits for what runs on a database, stops its engine and keeps it stopped. Requests that come meanwhile wait.
    ///
    /// # Errors
    /// [`D1Error::QueuedTooLong`] when what runs before does not come to an end.
    pub async fn close(&self, _id: DatabaseId) -> Result<Closed, D1Error> {
        Ok(Closed(()))
    }

    /// Stops every engine: the server ends.
    pub async fn shut_down(&self) {}

    /// A database's folder: all of it is the engine's to write.
    pub fn folder(&self, id: DatabaseId) -> PathBuf {
        self.0.config.folder.join(id.to_string())
    }

    /// A database's file. The log is beside it, its name with `-wal` at the end.
    pub fn file(&self, id: DatabaseId) -> PathBuf {
        self.folder(id).join("database.db")
    }
}
