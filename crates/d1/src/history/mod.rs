//! Time travel: every committed state of the last 30 days can be had again.
//!
//! [`History`] is the [`Archive`] that the pool tells of every commit. It reads the write-ahead log as a file, outside
//! of the jail, so that no SQL can forge what was; before a log is folded, all of it is in a *segment* on disk. A state
//! is a base (a copy of the database at a point) and the pages of the segments up to it.
//!
//! For an hour every commit can be had, later the last one of each minute. What is older than 30 days, or over the limit
//! of bytes, is put into the base.

mod files;
mod keeper;
mod plan;
mod restore;
mod segment;
#[cfg(test)]
mod tests;
mod wal;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use self::files::Files;
use self::keeper::Keeper;
use crate::{Archive, D1, D1Error, DatabaseId, Position, Request, Results, Shape};

pub use self::plan::{At, Limits, Unreachable};

/// Databases whose history is read or written at once.
const AT_ONCE: usize = 8;

/// How the history is kept.
#[derive(Debug, Clone)]
pub struct HistoryConfig {
    /// The folder of all histories, which no engine sees: `d1-history` in the data folder.
    pub folder: PathBuf,
    /// How much is kept.
    pub limits: Limits,
    /// How long a commit's time may be known to memory alone: after a crash, a commit that was not kept yet counts as made
    /// when its log was last written. One minute.
    pub every: Duration,
}

/// Why a state cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// There is none there.
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    /// The database's.
    #[error(transparent)]
    Database(#[from] D1Error),
    /// The history's files.
    #[error("the history cannot be read or written")]
    Files(#[from] io::Error),
    /// The state that was built is no sound database; nothing was changed.
    #[error("the state of that point does not pass the integrity check: {0}")]
    Unsound(String),
}

/// The history of every database. Cheap to clone.
#[derive(Clone)]
pub struct History(Arc<Shared>);

struct Shared {
    config: HistoryConfig,
    databases: Mutex<HashMap<DatabaseId, Arc<Database>>>,
    /// Databases that live for a check only: they have no history.
    passing: Mutex<HashSet<DatabaseId>>,
    room: Semaphore,
}

/// One database. Locks are taken in the order of the fields; `commits` is never held over I/O.
struct Database {
    files: Files,
    /// One restore at a time.
    restoring: tokio::sync::Mutex<()>,
    /// Held while segments that are complete are read or thrown away; what it holds is up to where they are merged.
    complete: Mutex<u32>,
    /// None until the database is opened.
    keeper: Mutex<Option<Keeper>>,
    commits: Mutex<Commits>,
}

/// What was committed and perhaps not kept yet.
#[derive(Default)]
struct Commits {
    last: Position,
    /// Frames at which transactions end, and when that was.
    times: Vec<(u32, i64)>,
}

impl Commits {
    fn add(&mut self, position: Position, time: i64) {
        if position.generation != self.last.generation {
            self.times.clear();
        }
        self.last = position;
        match self.times.last_mut() {
            // Nobody can tell them apart, and there may be many.
            Some((frame, before)) if *before / 1000 == time / 1000 => *frame = position.frame,
            _ => self.times.push((position.frame, time)),
        }
    }

    /// When the transaction that ends at a frame was committed.
    fn time(times: &[(u32, i64)], frame: u32) -> i64 {
        let at = times.partition_point(|(end, _)| *end < frame);
        times.get(at).map_or_else(now, |(_, time)| *time)
    }
}

impl Database {
    /// Keeps everything that was committed.
    fn keep(&self) -> io::Result<()> {
        let mut keeper = self.keeper.lock();
        let Some(keeper) = keeper.as_mut() else { return Ok(()) };
        let (last, times) = {
            let commits = self.commits.lock();
            (commits.last, commits.times.clone())
        };
        if last.generation != keeper.generation() {
            return Ok(());
        }
        keeper.keep(last.frame, |frame| Commits::time(&times, frame))?;
        let mut commits = self.commits.lock();
        if commits.last.generation == last.generation {
            commits.times.retain(|(frame, _)| *frame > last.frame);
        }
        Ok(())
    }

    fn is_behind(&self) -> bool {
        !self.commits.lock().times.is_empty()
    }

    fn compact(&self, limits: &Limits) -> io::Result<()> {
        let mut merged = self.complete.lock();
        let Some(current) = self.keeper.lock().as_ref().map(Keeper::generation) else { return Ok(()) };
        *merged = self.files.compact(current, *merged, now(), limits)?;
        Ok(())
    }

    fn load(&self, id: DatabaseId, database: &Path, log: &Path) -> io::Result<u32> {
        // An engine that was stopped leaves commits whose times only memory knows; loading would take the log's time.
        if let Err(error) = self.keep() {
            tracing::warn!(%id, %error, "the times of a database's last commits are lost");
        }
        let mut keeper = self.keeper.lock();
        *keeper = None;
        let load = || Keeper::load(self.files.clone(), database.to_owned(), log.to_owned());
        let loaded = match load() {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::error!(%id, %error, "a database's history is damaged: it is set aside and begun anew");
                self.files.set_aside(now())?;
                load()?
            }
            other => other?,
        };
        let generation = loaded.generation();
        *keeper = Some(loaded);
        *self.commits.lock() = Commits::default();
        Ok(generation)
    }
}

impl History {
    /// The histories in `config.folder`.
    pub fn new(config: HistoryConfig) -> Self {
        Self(Arc::new(Shared {
            config,
            databases: Mutex::default(),
            passing: Mutex::default(),
            room: Semaphore::new(AT_ONCE),
        }))
    }

    /// Keeps what is committed, and throws away what need not be kept, until it is dropped.
    pub async fn keep(self) {
        // Once soon after the start: a server may never live for an hour.
        let mut compacted: Option<tokio::time::Instant> = None;
        loop {
            tokio::time::sleep(self.0.config.every).await;
            let compact = compacted.is_none_or(|last| last.elapsed() >= Duration::from_hours(1));
            if compact {
                compacted = Some(tokio::time::Instant::now());
            }
            let databases: Vec<_> =
                self.0.databases.lock().iter().map(|(id, db)| (*id, Arc::clone(db))).collect();
            for (id, database) in databases {
                if !compact && !database.is_behind() {
                    continue;
                }
                let limits = self.0.config.limits;
                let work = self.run(move || {
                    database.keep()?;
                    if compact { database.compact(&limits) } else { Ok(()) }
                });
                if let Err(error) = work.await {
                    tracing::error!(%id, %error, "a database's history cannot be kept");
                }
            }
        }
    }

    /// Keeps what was committed: the server ends.
    pub async fn settle(&self) {
        let databases: Vec<_> =
            self.0.databases.lock().iter().map(|(id, database)| (*id, Arc::clone(database))).collect();
        for (id, database) in databases.into_iter().filter(|(_, database)| database.is_behind()) {
            if let Err(error) = self.run(move || database.keep()).await {
                tracing::error!(%id, %error, "a database's history cannot be kept");
            }
        }
    }

    /// The last state at or before what is asked for, as a point that [`Self::restore`] takes.
    ///
    /// # Errors
    /// [`Unreachable`], and those of the files.
    pub async fn find(&self, d1: &D1, id: DatabaseId, at: At) -> Result<Position, HistoryError> {
        let present = d1.position(id).await?;
        let database = self.database(id);
        let points = self
            .run(move || {
                database.keep()?;
                let _unchanged = database.complete.lock();
                database.files.points()
            })
            .await?;
        Ok(plan::resolve(&points, present, at)?)
    }

    /// Puts a database back to the last state at or before `position`. Answers where it was: to go there undoes this.
    ///
    /// # Errors
    /// When there is no such state; nothing is changed then.
    pub async fn restore(
        &self,
        d1: &D1,
        id: DatabaseId,
        position: Position,
    ) -> Result<Position, HistoryError> {
        let database = self.database(id);
        let _alone = database.restoring.lock().await;
        let target = self.find(d1, id, At::Bookmark(position)).await?;
        let passing = Passing::new(self, d1).await?;
        let candidate = d1.file(passing.id);
        let (from, to) = (Arc::clone(&database), candidate.clone());
        self.run(move || {
            let _unchanged = from.complete.lock();
            from.files.build(target, &to)
        })
        .await?;
        let checked = check(d1, passing.id).await;
        let result = match checked {
            Ok(()) => self.replace(d1, id, passing.id, candidate).await,
            Err(error) => Err(error),
        };
        passing.end().await;
        result
    }

    /// Forgets a database that is deleted.
    ///
    /// # Errors
    /// Its files cannot be deleted.
    pub async fn forget(&self, id: DatabaseId) -> io::Result<()> {
        let database = self.database(id);
        self.0.databases.lock().remove(&id);
        self.run(move || {
            let _nobody = database.complete.lock();
            *database.keeper.lock() = None;
            database.files.remove()
        })
        .await
    }

    /// The databases that have a history.
    ///
    /// # Errors
    /// The folder's.
    pub async fn known(&self) -> io::Result<Vec<DatabaseId>> {
        let folder = self.0.config.folder.clone();
        self.run(move || DatabaseId::folders(&folder)).await
    }

    async fn replace(
        &self,
        d1: &D1,
        id: DatabaseId,
        from: DatabaseId,
        candidate: PathBuf,
    ) -> Result<Position, HistoryError> {
        let database = self.database(id);
        let (file, log) = (d1.file(id), log_of(&d1.file(id)));
        let _source = d1.close(from).await?;
        let _target = d1.close(id).await?;
        let before = self
            .run(move || {
                database.load(id, &file, &log)?;
                let _unchanged = database.complete.lock();
                let mut slot = database.keeper.lock();
                // Loaded again by whoever opens the database next.
                let keeper = slot
                    .take()
                    .ok_or_else(|| io::Error::other("a history was forgotten while it was used"))?;
                restore::restore(&keeper, &candidate, now())?;
                Ok(keeper.last().position)
            })
            .await?;
        Ok(before)
    }

    fn database(&self, id: DatabaseId) -> Arc<Database> {
        let mut databases = self.0.databases.lock();
        let made = || {
            Arc::new(Database {
                files: Files::new(self.0.config.folder.join(id.to_string())),
                restoring: tokio::sync::Mutex::default(),
                complete: Mutex::default(),
                keeper: Mutex::default(),
                commits: Mutex::default(),
            })
        };
        Arc::clone(databases.entry(id).or_insert_with(made))
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let _place = self.0.room.acquire().await.map_err(io::Error::other)?;
        tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
    }
}

#[async_trait]
impl Archive for History {
    async fn opened(&self, id: DatabaseId, database: &Path, log: &Path) -> io::Result<u32> {
        if self.0.passing.lock().contains(&id) {
            return Ok(1);
        }
        let (entry, file, log) = (self.database(id), database.to_owned(), log.to_owned());
        self.run(move || entry.load(id, &file, &log)).await
    }

    fn committed(&self, id: DatabaseId, position: Position) {
        let database = self.0.databases.lock().get(&id).cloned();
        if let Some(database) = database {
            database.commits.lock().add(position, now());
        }
    }

    async fn folding(&self, id: DatabaseId, _: &Path, position: Position) -> io::Result<()> {
        if self.0.passing.lock().contains(&id) {
            return Ok(());
        }
        let database = self.database(id);
        self.run(move || {
            database.keep()?;
            match database.keeper.lock().as_ref() {
                Some(keeper) if keeper.has(position) => Ok(()),
                _ => Err(io::Error::other(format!("the history of {id} is not at {position}"))),
            }
        })
        .await
    }

    async fn folded(&self, id: DatabaseId, _: &Path, generation: u32) {
        if self.0.passing.lock().contains(&id) {
            return;
        }
        let database = self.database(id);
        let noted = self.run(move || {
            if let Some(keeper) = database.keeper.lock().as_mut() {
                keeper.folded(generation);
            }
            Ok(())
        });
        if let Err(error) = noted.await {
            tracing::error!(%id, %error, "a fold cannot be noted: the log will not be folded again");
        }
    }
}

/// A database that a restored state is checked in: in a jail, since constraints and indexes may hold expressions.
struct Passing {
    id: DatabaseId,
    history: History,
    d1: D1,
}

impl Passing {
    async fn new(history: &History, d1: &D1) -> Result<Self, HistoryError> {
        let id = DatabaseId::random();
        history.0.passing.lock().insert(id);
        let passing = Self { id, history: history.clone(), d1: d1.clone() };
        d1.create(id).await?;
        Ok(passing)
    }

    async fn end(self) {
        if let Err(error) = self.d1.delete(self.id).await {
            tracing::warn!(id = %self.id, %error, "a database that was made for a check cannot be deleted");
        }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.history.0.passing.lock().remove(&self.id);
    }
}

async fn check(d1: &D1, id: DatabaseId) -> Result<(), HistoryError> {
    let queries = Bytes::from_static(br#"{"sql":"PRAGMA quick_check(1)"}"#);
    let request = Request { queries, results: Results::RowsAndColumns, shape: Shape::PerStatement };
    let answer = d1.query(id, request).await?;
    let results: serde_json::Value = serde_json::from_slice(&answer.results).unwrap_or_default();
    match &results[0]["results"]["rows"][0][0] {
        serde_json::Value::String(text) if text == "ok" => Ok(()),
        other => Err(HistoryError::Unsound(other.to_string())),
    }
}

fn log_of(database: &Path) -> PathBuf {
    let name = database.file_name().unwrap_or_default().to_string_lossy();
    database.with_file_name(format!("{name}-wal"))
}

/// The present, in microseconds since 1970.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
