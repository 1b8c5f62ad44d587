//! Hearth's side: which engines run, and who has his turn with which.

mod link;
mod queue;
mod slot;
mod spawn;
mod turn;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use hearth_space::Space;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::engine::ExportQuery;
use crate::engine::frame::{Op, Outcome, Reply};
use crate::insights::Insights;
use crate::request::{Results, Shape};
use crate::{
    Answer, Archive, D1Error, DatabaseId, ExportOptions, Imported, Position, Request, Size, Summary,
};

use slot::Slot;
pub use spawn::{Ended, Process, Spawn, Started};
pub use turn::Closed;
use turn::Turn;

/// Frames of a log (4 KiB each) from which on it is folded.
const FOLD_FROM: u32 = 1000;

/// Pieces of a script that is imported; a longer one is cut.
const PIECE: usize = 1 << 20;

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
    /// How long a request may wait for those before it.
    pub queue_timeout: Duration,
    /// Requests that wait for one database.
    pub max_queue: usize,
    /// Says how much databases may grow, and hears what they hold.
    pub space: Space,
}

impl Config {
    /// Cloudflare's limits, for databases in this folder that may grow as far as these allow.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            max_active: 64,
            spares: 1,
            idle: Duration::from_secs(60),
            query_timeout: Duration::from_secs(30),
            queue_timeout: Duration::from_secs(30),
            max_queue: 1024,
            space: Space::unbounded(),
        }
    }
}

/// All databases of an installation. Cheap to clone.
#[derive(Clone)]
pub struct D1(Arc<Shared>);

pub(super) struct Shared {
    pub(super) config: Config,
    pub(super) spawn: Arc<dyn Spawn>,
    pub(super) archive: Arc<dyn Archive>,
    pub(super) slots: Mutex<HashMap<DatabaseId, Arc<Slot>>>,
    /// A place for each engine.
    pub(super) places: Arc<Semaphore>,
    pub(super) spares: Mutex<Vec<Started>>,
    insights: Option<Insights>,
}

impl D1 {
    /// The databases in `config.folder`. Must be called in a runtime: engines that idle are stopped in the background.
    pub fn new(config: Config, spawn: Arc<dyn Spawn>, archive: Arc<dyn Archive>) -> Self {
        Self::start(config, spawn, archive, None)
    }

    /// As [`Self::new`]; what runs is counted.
    pub fn counted(
        config: Config,
        spawn: Arc<dyn Spawn>,
        archive: Arc<dyn Archive>,
        insights: Insights,
    ) -> Self {
        Self::start(config, spawn, archive, Some(insights))
    }

    fn start(
        config: Config,
        spawn: Arc<dyn Spawn>,
        archive: Arc<dyn Archive>,
        insights: Option<Insights>,
    ) -> Self {
        let shared = Arc::new(Shared {
            places: Arc::new(Semaphore::new(config.max_active)),
            slots: Mutex::default(),
            spares: Mutex::default(),
            config,
            spawn,
            archive,
            insights,
        });
        tokio::spawn(slot::stop_idle(Arc::downgrade(&shared)));
        Self(shared)
    }

    /// Makes an empty database.
    ///
    /// # Errors
    /// Its folder cannot be made.
    pub async fn create(&self, id: DatabaseId) -> Result<(), D1Error> {
        let (folder, parent) = (self.folder(id), self.0.config.folder.clone());
        blocking(move || {
            std::fs::create_dir_all(folder)?;
            std::fs::File::open(parent)?.sync_all()
        })
        .await
    }

    /// Deletes a database with its files; what an archive keeps is the archive's. One that is not there is deleted too.
    ///
    /// # Errors
    /// Its files cannot be deleted, or what runs on it does not end.
    pub async fn delete(&self, id: DatabaseId) -> Result<(), D1Error> {
        let _closed = self.close(id).await?;
        let folder = self.folder(id);
        blocking(move || match std::fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        })
        .await?;
        self.space().closed(&id.to_string());
        Ok(())
    }

    /// What says how much databases may grow. Who makes one says there whose it is.
    pub fn space(&self) -> &Space {
        &self.0.config.space
    }

    /// Runs a request as one transaction. It runs to its end also when the caller no longer waits for it.
    ///
    /// # Errors
    /// Every kind of [`D1Error`].
    pub async fn query(&self, id: DatabaseId, request: Request) -> Result<Answer, D1Error> {
        let op = match (request.results, request.shape) {
            (Results::RowsAndColumns, Shape::PerQuery) => Op::Rows,
            (Results::Objects, Shape::PerQuery) => Op::Objects,
            (Results::RowsAndColumns, Shape::PerStatement) => Op::RowsPerStatement,
            (Results::Objects, Shape::PerStatement) => Op::ObjectsPerStatement,
        };
        let slot = slot::slot(&self.0, id);
        let (reply, mut results, position) = queue::run(&self.0, &slot, op, request.queries).await?;
        let ran = results.split_off(results.len().saturating_sub(reply.ran as usize));
        if let Some(insights) = &self.0.insights {
            insights.ran(&slot.name, &ran);
        }
        Ok(Answer { results, position, summary: summary(&reply) })
    }

    /// Runs a script of any length as one transaction. An error, also one of the stream, takes all of it back.
    ///
    /// # Errors
    /// Every kind of [`D1Error`].
    pub async fn import(
        &self,
        id: DatabaseId,
        mut script: BoxStream<'static, std::io::Result<Bytes>>,
    ) -> Result<Imported, D1Error> {
        let time = self.0.config.query_timeout;
        let mut turn = self.turn(id).await?;
        turn.keep_together();
        while let Some(mut bytes) = script.next().await.transpose()? {
            while !bytes.is_empty() {
                let piece = bytes.split_to(bytes.len().min(PIECE));
                turn.exchange(Op::Import, piece, time).await?;
            }
        }
        let (reply, _) = turn.exchange(Op::ImportEnd, Bytes::new(), time).await?;
        turn.is_whole();
        Ok(Imported { position: turn.position(), summary: summary(&reply) })
    }

    /// The database as a script, in one view of it. The database serves nobody else until the stream has ended or is
    /// dropped: spool it.
    ///
    /// # Errors
    /// Every kind of [`D1Error`], at the start or in the stream.
    pub async fn export(
        &self,
        id: DatabaseId,
        options: ExportOptions,
    ) -> Result<BoxStream<'static, Result<Bytes, D1Error>>, D1Error> {
        let ExportOptions { no_schema, no_data, tables } = options;
        let query =
            serde_json::to_vec(&ExportQuery { no_schema, no_data, tables }).map_err(std::io::Error::from)?;
        let mut turn = self.turn(id).await?;
        turn.keep_together();
        turn.ask(Op::Export, query.into(), self.0.config.query_timeout);
        let pieces = stream::unfold(Some(turn), |turn| async {
            let mut turn = turn?;
            match turn.answer().await {
                Ok((reply, piece)) if reply.outcome == Outcome::More => Some((Ok(piece), Some(turn))),
                Ok((_, piece)) => {
                    turn.is_whole();
                    Some((Ok(piece), None))
                }
                Err(error) => Some((Err(error), None)),
            }
        });
        Ok(pieces.boxed())
    }

    /// Folds the log and copies the database into a new file: a whole SQLite database that needs no log.
    ///
    /// # Errors
    /// Every kind of [`D1Error`]; what had been written of `to` is removed.
    pub async fn snapshot(&self, id: DatabaseId, to: &Path) -> Result<Position, D1Error> {
        let mut turn = self.turn(id).await?;
        turn.fold().await?;
        let (from, to) = (self.file(id), to.to_owned());
        let position = turn.position();
        // The turn goes along: nothing is written to the file while it is copied, whoever still waits.
        blocking(move || {
            let _turn = turn;
            let copied = copy(&from, &to);
            if copied.is_err() {
                let _ = std::fs::remove_file(&to);
            }
            copied
        })
        .await?;
        Ok(position)
    }

    /// Folds the log into the database, which begins a new generation; the archive sees it before. A log that is empty
    /// stays what it is.
    ///
    /// # Errors
    /// Every kind of [`D1Error`].
    pub async fn fold(&self, id: DatabaseId) -> Result<Position, D1Error> {
        let mut turn = self.turn(id).await?;
        turn.fold().await?;
        Ok(turn.position())
    }

    /// How large a database is.
    ///
    /// # Errors
    /// Every kind of [`D1Error`].
    pub async fn size(&self, id: DatabaseId) -> Result<Size, D1Error> {
        let mut turn = self.turn(id).await?;
        let (reply, tables) = turn.exchange(Op::Size, Bytes::new(), self.0.config.query_timeout).await?;
        let tables = std::str::from_utf8(&tables).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
        Ok(Size { bytes: reply.size, tables })
    }

    /// Where a database is now.
    ///
    /// # Errors
    /// Every kind of [`D1Error`].
    pub async fn position(&self, id: DatabaseId) -> Result<Position, D1Error> {
        Ok(self.turn(id).await?.position())
    }

    /// Waits for what runs on a database, stops its engine and keeps it stopped. Requests that come meanwhile wait.
    ///
    /// # Errors
    /// [`D1Error::QueuedTooLong`] when what runs before does not come to an end.
    pub async fn close(&self, id: DatabaseId) -> Result<Closed, D1Error> {
        let mut seat = slot::seat(&self.0, &slot::slot(&self.0, id)).await?;
        seat.stop().await;
        Ok(Closed::new(seat))
    }

    /// Stops every engine: the server ends. What was answered is on disk.
    pub async fn shut_down(&self) {
        let slots: Vec<_> = self.0.slots.lock().values().cloned().collect();
        for slot in slots {
            if let Ok(mut seat) =
                tokio::time::timeout(Duration::from_secs(5), Arc::clone(&slot.seat).lock_owned()).await
            {
                seat.stop().await;
            }
        }
        self.0.spares.lock().clear();
    }

    /// The databases that have a folder.
    ///
    /// # Errors
    /// The folder of all of them cannot be read.
    pub async fn known(&self) -> Result<Vec<DatabaseId>, D1Error> {
        let folder = self.0.config.folder.clone();
        blocking(move || DatabaseId::folders(&folder)).await
    }

    /// A database's folder: all of it is the engine's to write.
    pub fn folder(&self, id: DatabaseId) -> PathBuf {
        self.0.folder(id)
    }

    /// A database's file. The log is beside it, its name with `-wal` at the end.
    pub fn file(&self, id: DatabaseId) -> PathBuf {
        self.0.folder(id).join(FILE)
    }

    async fn turn(&self, id: DatabaseId) -> Result<Turn, D1Error> {
        let slot = slot::slot(&self.0, id);
        let seat = slot::seat(&self.0, &slot).await?;
        Turn::begin(&self.0, slot, seat).await
    }
}

/// The database's name in its folder.
pub(super) const FILE: &str = "database.db";

impl Shared {
    pub(super) fn folder(&self, id: DatabaseId) -> PathBuf {
        self.config.folder.join(id.to_string())
    }
}

fn summary(reply: &Reply) -> Summary {
    Summary {
        statements: reply.statements,
        rows_read: reply.rows_read,
        rows_written: reply.rows_written,
        changes: reply.changes,
        duration_us: reply.duration_us,
        size_after: reply.size,
    }
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let mut source = std::fs::File::open(from)?;
    let mut target = std::fs::File::create_new(to)?;
    std::io::copy(&mut source, &mut target)?;
    target.sync_all()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, D1Error> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?.map_err(D1Error::Internal)
}
