//! One queue in memory, and its group commit: whoever finds nobody at work on it has a thread begin, and that takes
//! whatever waits, in one transaction, until nothing does. So one sender pays for its own sync, and many share one with
//! each other and with acknowledgements.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::{oneshot, watch};

use super::database::database;
use super::rows::Transaction;
use super::{Shared, rows};
use crate::store::EngineError;

/// Jobs that may wait for one queue.
const MAX_WAITING: usize = 4096;
/// Bytes of bodies that may wait for one queue.
const MAX_WAITING_BYTES: usize = 32 << 20;
/// Most jobs of one commit.
const MAX_BATCH: usize = 256;
/// Bytes of bodies after which a commit takes no more jobs.
const MAX_BATCH_BYTES: usize = 8 << 20;
/// Commits after which a queue stands in line again.
const TURNS: u32 = 8;
/// Bytes written to the log after which it is copied into the database.
const CHECKPOINT_AFTER: usize = 16 << 20;
/// What a job adds to the log at least: some pages of tables and indexes.
const PAGES_OF_A_JOB: usize = 16 << 10;
/// Free pages of a database, of 4 KiB, beyond which they go back to the file system.
const FREE_PAGES: i64 = 4096;

/// A queue.
pub(super) struct Lane {
    /// Its id, which names its files.
    pub(super) id: String,
    /// Names it in memory; never given twice in the life of the process.
    pub(super) number: u64,
    /// Counts what has arrived.
    pub(super) arrived: watch::Sender<u64>,
    /// A time before which nothing in it arrived; `i64::MAX` when it is empty.
    pub(super) oldest: AtomicI64,
    /// Whether leases of workers of an earlier life of the server were ended.
    recovered: AtomicBool,
    /// About how many bytes its log has got since it was last copied into the database.
    logged: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    bytes: usize,
    /// Whether somebody is at work, and will look again.
    active: bool,
    /// Deleted: nothing more is taken.
    dead: bool,
}

struct Waiting {
    job: Box<dyn Job>,
    bytes: usize,
}

/// A part of a transaction, with somebody who waits for its answer.
trait Job: Send {
    fn run(&mut self, transaction: &mut Transaction<'_>) -> rusqlite::Result<()>;
    /// Tells whoever waits, after the commit or its failure.
    fn finish(self: Box<Self>, outcome: Result<(), EngineError>);
}

struct Call<F, T> {
    work: Option<F>,
    answer: Option<T>,
    done: oneshot::Sender<Result<T, EngineError>>,
}

impl<F, T> Job for Call<F, T>
where
    F: FnOnce(&mut Transaction<'_>) -> rusqlite::Result<T> + Send,
    T: Send,
{
    fn run(&mut self, transaction: &mut Transaction<'_>) -> rusqlite::Result<()> {
        if let Some(work) = self.work.take() {
            self.answer = Some(work(transaction)?);
        }
        Ok(())
    }

    fn finish(self: Box<Self>, outcome: Result<(), EngineError>) {
        let Self { answer, done, .. } = *self;
        let forgotten = || EngineError::Failed("a job of a queue was not run".to_owned());
        // Whoever does not listen any more does not matter.
        let _ = done.send(outcome.and_then(|()| answer.ok_or_else(forgotten)));
    }
}

impl Lane {
    pub(super) fn new(id: String, number: u64) -> Self {
        Self {
            id,
            number,
            arrived: watch::Sender::new(0),
            oldest: AtomicI64::new(0),
            recovered: AtomicBool::new(false),
            logged: AtomicUsize::new(0),
            state: Mutex::default(),
        }
    }

    /// Takes nothing more. What waits is still done, before `last`.
    ///
    /// # Errors
    /// What `start` says.
    pub(super) fn end(
        &self,
        last: impl FnOnce(&mut Transaction<'_>) -> rusqlite::Result<()> + Send + 'static,
        start: impl FnOnce() -> Result<(), EngineError>,
    ) -> Result<oneshot::Receiver<Result<(), EngineError>>, EngineError> {
        self.queue(0, true, last, start)
    }

    pub(super) fn is_dead(&self) -> bool {
        self.state.lock().dead
    }

    /// Queues work that brings so many bytes. When nobody is at work, `start` gets somebody to.
    ///
    /// # Errors
    /// It is deleted, or too much waits; what `start` says.
    pub(super) fn submit<T: Send + 'static>(
        &self,
        bytes: usize,
        work: impl FnOnce(&mut Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
        start: impl FnOnce() -> Result<(), EngineError>,
    ) -> Result<oneshot::Receiver<Result<T, EngineError>>, EngineError> {
        self.queue(bytes, false, work, start)
    }

    fn queue<T: Send + 'static>(
        &self,
        bytes: usize,
        is_last: bool,
        work: impl FnOnce(&mut Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
        start: impl FnOnce() -> Result<(), EngineError>,
    ) -> Result<oneshot::Receiver<Result<T, EngineError>>, EngineError> {
        let (done, answer) = oneshot::channel();
        let job = Box::new(Call { work: Some(work), answer: None, done });
        let mut state = self.state.lock();
        if state.dead {
            return Err(EngineError::NoQueue);
        }
        let is_full = state.waiting.len() >= MAX_WAITING
            || (state.bytes > 0 && state.bytes + bytes > MAX_WAITING_BYTES);
        // The last one is always taken: it makes room.
        if is_full && !is_last {
            return Err(EngineError::Overloaded);
        }
        if !state.active {
            start()?;
            state.active = true;
        }
        state.dead |= is_last;
        state.bytes += bytes;
        state.waiting.push_back(Waiting { job, bytes });
        Ok(answer)
    }

    /// Takes what the next commit does; nothing when nothing waits, and the role is given up then.
    fn next(&self) -> (Vec<Box<dyn Job>>, usize) {
        let mut state = self.state.lock();
        let (mut jobs, mut bytes) = (Vec::new(), 0);
        while jobs.len() < MAX_BATCH && bytes < MAX_BATCH_BYTES {
            let Some(waiting) = state.waiting.pop_front() else { break };
            bytes += waiting.bytes;
            jobs.push(waiting.job);
        }
        state.bytes -= bytes;
        state.active = !jobs.is_empty();
        (jobs, bytes)
    }

    /// The one at work is gone for good: what waits is told so.
    fn abandon(&self) {
        let waiting = {
            let mut state = self.state.lock();
            state.active = false;
            state.bytes = 0;
            std::mem::take(&mut state.waiting)
        };
        for waiting in waiting {
            let text = "a thread of the queues panicked".to_owned();
            waiting.job.finish(Err(EngineError::Failed(text)));
        }
    }
}

/// Takes the role off a queue if its thread panics, so that those who wait are told instead of waiting for ever.
struct Active<'a>(&'a Lane, bool);

impl Drop for Active<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.abandon();
        }
    }
}

/// Does what waits, until nothing does.
pub(super) fn drain(shared: &Arc<Shared>, lane: &Arc<Lane>) {
    let mut active = Active(lane, false);
    for turn in 1_u32.. {
        let (jobs, bytes) = lane.next();
        if jobs.is_empty() {
            break;
        }
        commit(shared, lane, jobs, bytes);
        // A queue that never rests would keep the thread from the others.
        if turn % TURNS == 0 && shared.drain(lane).is_ok() {
            break;
        }
    }
    active.1 = true;
}

/// Runs jobs in one transaction and tells those who wait for them.
fn commit(shared: &Shared, lane: &Lane, mut jobs: Vec<Box<dyn Job>>, bytes: usize) {
    let bytes = bytes + PAGES_OF_A_JOB * jobs.len();
    let outcome = transact(shared, lane, &mut jobs, bytes);
    if let Err(error) = &outcome {
        tracing::error!(%error, queue = lane.id, "operations of a queue failed");
    }
    for job in jobs {
        job.finish(outcome.clone());
    }
}

fn transact(
    shared: &Shared,
    lane: &Lane,
    jobs: &mut [Box<dyn Job>],
    bytes: usize,
) -> Result<(), EngineError> {
    let connection = shared.databases.take(lane.number, &lane.id)?;
    let done = run(shared, lane, &connection, jobs);
    let keep = done.is_ok() && !lane.is_dead();
    match done {
        Ok(changes) => {
            if let Some(bytes) = changes.holds {
                shared.space.holds(&lane.id, bytes);
            }
            if let Some(at) = changes.oldest {
                lane.oldest.store(at, Ordering::Relaxed);
            }
            if let Some(at) = changes.first_arrival {
                lane.oldest.fetch_min(at, Ordering::Relaxed);
            }
            if changes.arrivals > 0 {
                lane.arrived.send_modify(|arrived| *arrived += changes.arrivals);
            }
            let logged = lane.logged.fetch_add(bytes, Ordering::Relaxed) + bytes;
            if keep && logged >= CHECKPOINT_AFTER {
                lane.logged.store(0, Ordering::Relaxed);
                if let Err(error) = checkpoint(&connection) {
                    tracing::warn!(%error, queue = lane.id, "a queue's log cannot be written back");
                }
            }
        }
        Err(error) => {
            shared.databases.close(connection);
            return Err(database(error));
        }
    }
    if keep {
        shared.databases.give(lane.number, connection);
    } else {
        shared.databases.close(connection);
    }
    Ok(())
}

/// What a transaction did beside the rows.
#[derive(Default)]
pub(super) struct Changes {
    /// Messages that were added.
    pub(super) arrivals: u64,
    /// When the first of them came.
    pub(super) first_arrival: Option<i64>,
    /// When the oldest message arrived, where somebody looked; `i64::MAX` without one.
    pub(super) oldest: Option<i64>,
    /// What the queue takes on disk now, where that changed.
    pub(super) holds: Option<u64>,
}

fn run(
    shared: &Shared,
    lane: &Lane,
    connection: &Connection,
    jobs: &mut [Box<dyn Job>],
) -> rusqlite::Result<Changes> {
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let mut transaction = Transaction::new(connection, (shared.clock)());
    if !lane.recovered.load(Ordering::Relaxed) {
        rows::end_deliveries(&mut transaction)?;
    }
    for job in jobs {
        job.run(&mut transaction)?;
    }
    let changes = transaction.changes;
    connection.prepare_cached("COMMIT")?.execute([])?;
    lane.recovered.store(true, Ordering::Relaxed);
    Ok(changes)
}

/// Copies the log into the database, and gives back what the database has too much. Failing is harmless: the files
/// grow.
fn checkpoint(connection: &Connection) -> rusqlite::Result<()> {
    let free: i64 = connection.query_row("PRAGMA freelist_count", [], |row| row.get(0))?;
    if free > FREE_PAGES {
        connection.execute_batch(&format!("PRAGMA incremental_vacuum({})", free - FREE_PAGES / 2))?;
    }
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}
