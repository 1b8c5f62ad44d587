//! What sees every committed transaction of every database.

use std::io;
use std::path::Path;

use async_trait::async_trait;

use crate::{DatabaseId, Position};

/// Keeps what the write-ahead logs hold: time travel stands on it.
///
/// The order of calls for one database is `opened`, then any number of `committed` with growing positions, then
/// `folding`, which ends the generation; `committed` goes on in the next one. Calls for one database never overlap,
/// calls for several do. The engine holds the files locked for SQLite; as files they may be read at any time.
#[async_trait]
pub trait Archive: Send + Sync + 'static {
    /// A database is about to be opened, no engine runs on it. Answers the generation of the log that lies there; one
    /// that is empty or missing belongs to the next generation, never to one that was folded.
    ///
    /// `database` and `log` are the paths of the files; either may not exist yet.
    ///
    /// # Errors
    /// The database is then not opened.
    async fn opened(&self, id: DatabaseId, database: &Path, log: &Path) -> io::Result<u32>;

    /// A transaction is on disk, in the log up to frame `position.frame` of generation `position.generation`. Its caller
    /// has not been answered yet, so this must be quick and must not block.
    fn committed(&self, id: DatabaseId, position: Position);

    /// The log is about to be folded into the database and emptied: the last time to read it. It is committed up to
    /// `position`, and nothing writes meanwhile. What has been kept must be on disk when this returns.
    ///
    /// # Errors
    /// The log stays as it is, and this is asked again later.
    async fn folding(&self, id: DatabaseId, log: &Path, position: Position) -> io::Result<()>;

    /// The log was folded and is empty; `generation` is the one that begins. `database` is the whole database, until the
    /// next `committed`.
    async fn folded(&self, id: DatabaseId, database: &Path, generation: u32);
}

/// Keeps nothing but how many logs there were, in a file beside the database's folder.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoArchive;

fn generation_file(database: &Path) -> std::path::PathBuf {
    database.parent().unwrap_or(database).with_extension("generation")
}

#[async_trait]
impl Archive for NoArchive {
    async fn opened(&self, _: DatabaseId, database: &Path, _: &Path) -> io::Result<u32> {
        match tokio::fs::read_to_string(generation_file(database)).await {
            Ok(text) => text.trim().parse().map_err(|_| io::Error::from(io::ErrorKind::InvalidData)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    fn committed(&self, _: DatabaseId, _: Position) {}

    async fn folding(&self, _: DatabaseId, log: &Path, position: Position) -> io::Result<()> {
        // Written before the fold: a generation that is skipped does no harm, one that comes twice does.
        tokio::fs::write(generation_file(log), (position.generation + 1).to_string()).await
    }

    async fn folded(&self, _: DatabaseId, _: &Path, _: u32) {}
}
