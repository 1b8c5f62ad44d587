//! An open bucket: connections to its index, the queue of its writes, and who still reads what.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Mutex, MutexGuard};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::super::error::{R2Error, Result};
use super::cache::Cache;
use super::files::Folder;
use super::pool::Pool;
use super::{faults, schema};

/// Connections for reading that are kept; more are opened when they are needed, and closed again.
const READERS: usize = 4;
/// Writes that may wait for their turn in one bucket.
const WRITES_WAITING: usize = 1024;
/// Writes that share a transaction, and so an fsync.
const WRITES_TOGETHER: usize = 256;

/// An open bucket.
pub(super) struct Index {
    pub(super) folder: Folder,
    pub(super) cache: Cache,
    pool: Pool,
    readers: Mutex<Vec<Connection>>,
    writer: Mutex<Connection>,
    queue: Mutex<Queue>,
    holds: Mutex<Holds>,
    /// Files that are gone but for their entry in `pending`.
    gone: Mutex<Vec<String>>,
    /// Set when the bucket is deleted: nothing works on it any more.
    closed: AtomicBool,
}

#[derive(Default)]
struct Queue {
    writes: VecDeque<Box<dyn Write>>,
    /// Whether a thread is at work on it.
    running: bool,
}

/// Versions whose files must stay for now.
#[derive(Default)]
struct Holds {
    versions: HashMap<String, Held>,
    /// While a snapshot is taken no file goes away.
    snapshots: usize,
    kept: Vec<Garbage>,
}

#[derive(Default)]
struct Held {
    readers: usize,
    garbage: Option<Garbage>,
}

/// Files that an object needed until a transaction took it away.
#[derive(Debug, Clone)]
pub(super) struct Garbage {
    /// The object's version, by which readers hold it.
    pub(super) version: String,
    pub(super) files: Vec<String>,
}

/// What a write leaves to do once it is committed.
#[derive(Default)]
pub(super) struct Effects {
    /// Keys whose objects are others then, or none.
    pub(super) changed: Vec<String>,
    /// Files to remove.
    pub(super) garbage: Vec<Garbage>,
    /// Files that are an object's from now on.
    pub(super) drafts: Vec<Draft>,
    /// By how much the totals change: objects, bytes, uploads, bytes of uploads.
    pub(super) totals: [i64; 4],
    /// Bytes that the bucket has then, those of uploads too, where that changes.
    pub(super) bytes: Option<u64>,
}

/// A write that waits for its turn.
trait Write: Send {
    /// Does it, within a transaction.
    fn apply(&mut self, connection: &Connection, effects: &mut Effects) -> Result<()>;
    /// Tells who asked.
    fn answer(self: Box<Self>, committed: Result<()>);
}

struct Asked<T, F> {
    work: Option<F>,
    outcome: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Write for Asked<T, F>
where
    T: Send,
    F: FnOnce(&Connection, &mut Effects) -> Result<T> + Send,
{
    fn apply(&mut self, connection: &Connection, effects: &mut Effects) -> Result<()> {
        let Some(work) = self.work.take() else { return Err(R2Error::internal("a write was done twice")) };
        let outcome = self.outcome.insert(work(connection, effects));
        if outcome.is_ok() { Ok(()) } else { Err(R2Error::internal("undone")) }
    }

    fn answer(self: Box<Self>, committed: Result<()>) {
        // Nobody waits any more: the write stands all the same.
        let _ = self.reply.send(match (self.outcome, committed) {
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(R2Error::internal("a write was not done")),
        });
    }
}

impl Index {
    /// Opens a bucket and removes what a crash left in it. Blocks.
    pub(super) fn open(folder: Folder, pool: Pool, cache: Cache) -> Result<Self> {
        if !folder.exists() {
            return Err(R2Error::NoSuchBucket);
        }
        let writer = schema::open(&folder.index())?;
        schema::create(&writer)?;
        folder.clear_incoming()?;
        let files: Vec<String> = writer
            .prepare("SELECT file FROM pending")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for file in &files {
            folder.remove(file)?;
        }
        if !files.is_empty() {
            writer.execute("DELETE FROM pending", [])?;
        }
        Ok(Self {
            folder,
            cache,
            pool,
            readers: Mutex::default(),
            writer: Mutex::new(writer),
            queue: Mutex::default(),
            holds: Mutex::default(),
            gone: Mutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    /// Reads, on a connection of its own. Blocks; of what it sees nothing changes meanwhile.
    pub(super) fn read_here<T>(&self, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.check_open()?;
        let kept = self.readers.lock().pop();
        let connection = kept.map_or_else(|| schema::open(&self.folder.index()), Ok)?;
        let transaction = connection.unchecked_transaction()?;
        let found = read(&transaction);
        transaction.finish()?;
        let mut readers = self.readers.lock();
        if readers.len() < READERS {
            readers.push(connection);
        }
        found
    }

    /// Writes a copy of the index as of one moment to a path where nothing is. Blocks.
    pub(super) fn read_copy(&self, to: &std::path::Path) -> Result<()> {
        self.check_open()?;
        let to = to.to_str().ok_or_else(|| R2Error::internal("a path that is not UTF-8"))?;
        schema::open(&self.folder.index())?.execute("VACUUM INTO ?", [to])?;
        Ok(())
    }

    /// Reads, on one of the pool's threads.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let index = Arc::clone(self);
        self.pool.run(move || index.read_here(read)).await
    }

    /// Writes. Writes of one bucket happen one after the other, in the order they were asked for; those that wait at the
    /// same time share a transaction, in which each that fails is undone alone. Once asked for, a write is done, though
    /// nobody waits for it any more.
    ///
    /// # Errors
    /// What `work` fails with; [`R2Error::Unavailable`] when too many wait.
    pub(super) async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Connection, &mut Effects) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.check_open()?;
        let (reply, answer) = oneshot::channel();
        let start = {
            let mut queue = self.queue.lock();
            if queue.writes.len() >= WRITES_WAITING {
                return Err(R2Error::Unavailable);
            }
            queue.writes.push_back(Box::new(Asked { work: Some(work), outcome: None, reply }));
            !std::mem::replace(&mut queue.running, true)
        };
        if start {
            // Of its own: whoever asked first may go away while others wait.
            let index = Arc::clone(self);
            tokio::spawn(async move {
                let worker = Arc::clone(&index);
                let done = index.pool.run(move || {
                    worker.work_off();
                    Ok(())
                });
                if let Err(error) = done.await {
                    index.give_up(&error);
                }
            });
        }
        answer.await.map_err(R2Error::internal)?
    }

    /// Works until the queue is empty.
    fn work_off(&self) {
        loop {
            let mut connection = self.writer.lock();
            let batch: Vec<Box<dyn Write>> = {
                let mut queue = self.queue.lock();
                let count = queue.writes.len().min(WRITES_TOGETHER);
                if count == 0 {
                    queue.running = false;
                    return;
                }
                queue.writes.drain(..count).collect()
            };
            self.commit(&mut connection, batch);
        }
    }

    /// No thread could be had: everybody who waits is told.
    fn give_up(&self, error: &R2Error) {
        let waiting: Vec<_> = {
            let mut queue = self.queue.lock();
            queue.running = false;
            queue.writes.drain(..).collect()
        };
        tracing::warn!(bucket = %self.folder.root().display(), detail = ?error, writes = waiting.len(), "refused");
        for write in waiting {
            write.answer(Err(R2Error::Unavailable));
        }
    }

    fn commit(&self, connection: &mut MutexGuard<'_, Connection>, mut batch: Vec<Box<dyn Write>>) {
        if let Err(closed) = self.check_open() {
            let told = |write: Box<dyn Write>| write.answer(Err(R2Error::NoSuchBucket));
            tracing::debug!(%closed, "writes to a bucket that is being deleted");
            return batch.into_iter().for_each(told);
        }
        let mut effects = Effects::default();
        let committed = self.transact(connection, &mut batch, &mut effects);
        match committed {
            Ok(()) => {
                if let Some(bytes) = effects.bytes {
                    self.folder.holds(bytes);
                }
                for draft in effects.drafts {
                    draft.keep();
                }
                batch.into_iter().for_each(|write| write.answer(Ok(())));
                effects.garbage.into_iter().for_each(|garbage| self.discard(garbage));
            }
            Err(error) => {
                // Whether it is on the disk after all only the next start can tell, so the files stay for it.
                for draft in effects.drafts {
                    draft.keep();
                }
                tracing::error!(bucket = %self.folder.root().display(), detail = ?error, "a commit failed");
                let full = matches!(error, R2Error::StorageFull);
                for write in batch {
                    write.answer(Err(if full { R2Error::StorageFull } else { R2Error::internal(&error) }));
                }
            }
        }
    }

    fn transact(
        &self,
        connection: &mut MutexGuard<'_, Connection>,
        batch: &mut [Box<dyn Write>],
        effects: &mut Effects,
    ) -> Result<()> {
        let mut transaction =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        for write in batch.iter_mut() {
            let savepoint = transaction.savepoint()?;
            let mut own = Effects::default();
            if write.apply(&savepoint, &mut own).is_ok() {
                savepoint.commit()?;
                effects.changed.append(&mut own.changed);
                effects.garbage.append(&mut own.garbage);
                effects.drafts.append(&mut own.drafts);
                effects.totals.iter_mut().zip(own.totals).for_each(|(total, change)| *total += change);
            } else {
                savepoint.finish()?;
            }
        }
        for garbage in effects.garbage.iter().flat_map(|garbage| &garbage.files) {
            transaction
                .prepare_cached("INSERT OR IGNORE INTO pending (file) VALUES (?)")?
                .execute([garbage])?;
        }
        let gone = std::mem::take(&mut *self.gone.lock());
        for file in &gone {
            transaction.prepare_cached("DELETE FROM pending WHERE file = ?")?.execute([file])?;
        }
        if effects.totals != [0; 4] {
            let bytes: i64 = transaction
                .prepare_cached(
                    "UPDATE totals SET objects = objects + ?, bytes = bytes + ?,
                         uploads = uploads + ?, upload_bytes = upload_bytes + ?
                     RETURNING bytes + upload_bytes",
                )?
                .query_row(effects.totals, |row| row.get(0))?;
            effects.bytes = u64::try_from(bytes).ok();
        }
        // Until the commit is over, and before anybody is answered.
        let _change = self.cache.change(effects.changed.iter().map(String::as_str));
        // A transaction that changes no total only writes a file down as pending.
        let note = effects.totals == [0; 4];
        faults::step(if note { "before note" } else { "before commit" })?;
        transaction.commit()?;
        faults::step(if note { "noted" } else { "committed" })
    }

    /// Removes files, or leaves that to the last who reads them.
    fn discard(&self, garbage: Garbage) {
        if garbage.files.is_empty() {
            return;
        }
        {
            let mut holds = self.holds.lock();
            if let Some(held) = holds.versions.get_mut(&garbage.version) {
                held.garbage = Some(garbage);
                return;
            }
            if holds.snapshots > 0 {
                holds.kept.push(garbage);
                return;
            }
        }
        self.remove(garbage.files);
    }

    fn remove(&self, files: Vec<String>) {
        for file in files {
            match self.folder.remove(&file) {
                Ok(()) => self.gone.lock().push(file),
                Err(error) => {
                    tracing::error!(%file, %error, "a file could not be removed; the next start tries again")
                }
            }
        }
    }

    /// Keeps the files of a version, as long as the result lives.
    pub(super) fn hold(self: &Arc<Self>, version: &str) -> Hold {
        self.holds.lock().versions.entry(version.to_owned()).or_default().readers += 1;
        Hold { index: Arc::clone(self), version: version.to_owned() }
    }

    /// Keeps all files, as long as the result lives.
    pub(super) fn freeze(self: &Arc<Self>) -> Freeze {
        self.holds.lock().snapshots += 1;
        Freeze(Arc::clone(self))
    }

    /// A new file that is removed again unless a committed write keeps it.
    pub(super) fn draft(self: &Arc<Self>, file: String) -> Draft {
        Draft { index: Arc::clone(self), file, kept: false }
    }

    /// Lets nothing work on the bucket any more. Blocks until what is under way is done.
    ///
    /// # Errors
    /// [`R2Error::BucketNotEmpty`].
    pub(super) fn close(&self) -> Result<()> {
        let writer = self.writer.lock();
        let objects: i64 = writer.query_row("SELECT objects FROM totals", [], |row| row.get(0))?;
        if objects > 0 {
            return Err(R2Error::BucketNotEmpty);
        }
        self.closed.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::SeqCst) { Err(R2Error::NoSuchBucket) } else { Ok(()) }
    }

    /// Runs `work` on one of the pool's threads, or here where there are none any more.
    fn later(self: &Arc<Self>, work: impl FnOnce(&Self) + Send + 'static) {
        let index = Arc::clone(self);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || work(&index))),
            Err(_) => work(&index),
        }
    }
}

/// Keeps the files of a version.
pub(super) struct Hold {
    index: Arc<Index>,
    version: String,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut holds = self.index.holds.lock();
        let Some(held) = holds.versions.get_mut(&self.version) else { return };
        held.readers -= 1;
        if held.readers > 0 {
            return;
        }
        let garbage = holds.versions.remove(&self.version).and_then(|held| held.garbage);
        drop(holds);
        if let Some(garbage) = garbage {
            // Again from the start: a snapshot may have begun.
            self.index.later(move |index| index.discard(garbage));
        }
    }
}

/// Keeps all files.
pub(super) struct Freeze(Arc<Index>);

impl Drop for Freeze {
    fn drop(&mut self) {
        let mut holds = self.0.holds.lock();
        holds.snapshots -= 1;
        if holds.snapshots == 0 && !holds.kept.is_empty() {
            let kept = std::mem::take(&mut holds.kept);
            drop(holds);
            self.0.later(move |index| kept.into_iter().for_each(|garbage| index.discard(garbage)));
        }
    }
}

/// A file that no object has yet.
pub(super) struct Draft {
    index: Arc<Index>,
    file: String,
    kept: bool,
}

impl Draft {
    fn keep(mut self) {
        self.kept = true;
    }

    /// Its name.
    pub(super) fn file(&self) -> &str {
        &self.file
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            let file = std::mem::take(&mut self.file);
            self.index.later(move |index| index.remove(vec![file]));
        }
    }
}
