//! A database's place in the pool: its engine, if one runs, and who waits for it.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit};
use tokio::time::Instant;

use super::link::{Broken, Link};
use super::queue::Queue;
use super::spawn::{Ended, Process, Started};
use super::{FILE, Shared};
use crate::engine::frame::{Op, Outcome};
use crate::{D1Error, DatabaseId, Position};

/// How long an engine may take to open a database: a log that was left is read through.
const OPENING: Duration = Duration::from_secs(30);

/// How often an engine is started for one request.
const ATTEMPTS: u32 = 3;

/// How long a database waits for a place while every engine is busy.
const PLACE: Duration = Duration::from_secs(10);

/// A database's place. The seat is one caller's at a time, in their order.
pub struct Slot {
    pub id: DatabaseId,
    /// The same as text: the name under which its room is counted.
    pub name: String,
    pub seat: Arc<tokio::sync::Mutex<Seat>>,
    /// Queries that whoever takes the seat next takes along.
    pub queue: Queue,
    waiting: AtomicUsize,
    used: Mutex<Instant>,
}

impl Slot {
    /// Waits for one's turn, or until something else has come of it.
    ///
    /// # Errors
    /// Too many wait already.
    pub fn wait(&self, most: usize) -> Result<Waiting<'_>, D1Error> {
        Waiting::enter(&self.waiting, most)
    }
}

/// What the caller whose turn it is has.
#[derive(Default)]
pub struct Seat {
    pub engine: Option<Engine>,
}

/// A running engine with its database open.
pub struct Engine {
    pub link: Link,
    pub position: Position,
    process: Box<dyn Process>,
    _place: OwnedSemaphorePermit,
}

impl Seat {
    /// Stops the engine, if one runs, and says how it ended. Its log stays.
    pub async fn stop(&mut self) -> Option<Ended> {
        let ended = match &self.engine {
            Some(engine) => Some(engine.process.kill().await),
            None => None,
        };
        // Not before it has gone: the next one would find the file locked.
        self.engine = None;
        ended
    }
}

/// Waits for a database's seat.
///
/// # Errors
/// Too many wait already, or those before took too long.
pub async fn seat(shared: &Shared, slot: &Slot) -> Result<OwnedMutexGuard<Seat>, D1Error> {
    let seat = Arc::clone(&slot.seat);
    if let Ok(seat) = Arc::clone(&seat).try_lock_owned() {
        return Ok(seat);
    }
    let _waiting = slot.wait(shared.config.max_queue)?;
    let seat = tokio::time::timeout(shared.config.queue_timeout, seat.lock_owned()).await;
    seat.map_err(|_| D1Error::QueuedTooLong)
}

/// Somebody who waits.
pub struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn enter(waiting: &'a AtomicUsize, most: usize) -> Result<Self, D1Error> {
        let before = waiting.fetch_add(1, Ordering::Relaxed);
        let entered = Self(waiting);
        if before < most { Ok(entered) } else { Err(D1Error::TooManyQueued) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A database's place, which is used now.
pub fn slot(shared: &Shared, id: DatabaseId) -> Arc<Slot> {
    let mut slots = shared.slots.lock();
    let slot = slots.entry(id).or_insert_with(|| {
        Arc::new(Slot {
            id,
            name: id.to_string(),
            seat: Arc::default(),
            queue: Queue::default(),
            waiting: AtomicUsize::new(0),
            used: Mutex::new(Instant::now()),
        })
    });
    *slot.used.lock() = Instant::now();
    Arc::clone(slot)
}

/// Starts an engine on a database and opens it.
pub async fn open(shared: &Arc<Shared>, id: DatabaseId) -> Result<Engine, D1Error> {
    let folder = shared.folder(id);
    if !tokio::fs::try_exists(&folder).await? {
        return Err(D1Error::NotFound);
    }
    let place = place(shared).await?;
    let (file, log) = (folder.join(FILE), folder.join(format!("{FILE}-wal")));
    let generation = shared.archive.opened(id, &file, &log).await?;
    let mut left = ATTEMPTS;
    loop {
        let (started, seen) = start(shared, folder.clone()).await?;
        let mut link = Link::new(started.socket);
        let path = seen.join(FILE).into_os_string().into_encoded_bytes();
        link.ask(Op::Open, path.into(), OPENING, u32::MAX, false);
        left -= 1;
        let failed = match link.answer().await {
            Ok((reply, _)) if reply.outcome == Outcome::Done => {
                let position = Position { generation, frame: reply.frame };
                return Ok(Engine { link, position, process: started.process, _place: place });
            }
            // Killed from outside, before anybody's request had begun.
            Err(Broken::Ended(_)) if left > 0 => None,
            Err(Broken::Ended(error)) => Some(error),
            Err(Broken::Late) => Some(io::ErrorKind::TimedOut.into()),
            Ok((_, text)) => Some(io::Error::other(String::from_utf8_lossy(&text).into_owned())),
        };
        started.process.kill().await;
        if let Some(error) = failed {
            return Err(error.into());
        }
    }
}

/// A process that sees the folder, and where it sees it.
async fn start(shared: &Arc<Shared>, folder: PathBuf) -> io::Result<(Started, PathBuf)> {
    let spare = shared.spares.lock().pop();
    if shared.spawn.shows_later() {
        tokio::spawn(refill(Arc::clone(shared)));
    }
    if let Some(spare) = spare
        && let Ok(seen) = spare.process.show(&folder).await
    {
        return Ok((spare, seen));
    }
    // No spare, or one that died while it waited.
    let mut started = shared.spawn.spawn(Some(&folder)).await?;
    let seen = started.folder.take().unwrap_or(folder);
    Ok((started, seen))
}

async fn refill(shared: Arc<Shared>) {
    while shared.spares.lock().len() < shared.config.spares {
        match shared.spawn.spawn(None).await {
            Ok(spare) => shared.spares.lock().push(spare),
            Err(error) => {
                tracing::warn!(%error, "a spare process for D1 cannot be started");
                return;
            }
        }
    }
}

/// A place for an engine; who has not been asked for the longest time gives up his.
async fn place(shared: &Arc<Shared>) -> Result<OwnedSemaphorePermit, D1Error> {
    if let Ok(place) = Arc::clone(&shared.places).try_acquire_owned() {
        return Ok(place);
    }
    let mut slots: Vec<_> =
        shared.slots.lock().values().map(|slot| (*slot.used.lock(), Arc::clone(slot))).collect();
    slots.sort_by_key(|(used, _)| *used);
    for (_, slot) in slots {
        if let Ok(mut seat) = Arc::clone(&slot.seat).try_lock_owned()
            && seat.engine.is_some()
        {
            retire(shared, slot.id, &mut seat).await;
            break;
        }
    }
    let place = tokio::time::timeout(PLACE, Arc::clone(&shared.places).acquire_owned()).await;
    place.ok().and_then(Result::ok).ok_or(D1Error::TooManyActive)
}

/// Folds the log, then stops the engine: the next start has no log to read.
async fn retire(shared: &Shared, id: DatabaseId, seat: &mut Seat) {
    if let Some(engine) = &mut seat.engine
        && let Err(error) = fold(shared, id, engine).await
    {
        tracing::warn!(%error, database = %id, "a log is not folded; it is kept");
    }
    seat.stop().await;
}

/// Folds the log of an engine that does nothing else; the archive sees it before.
///
/// # Errors
/// The log stays what it is. After an error of the engine, the engine is of no use.
pub async fn fold(shared: &Shared, id: DatabaseId, engine: &mut Engine) -> io::Result<()> {
    if engine.position.frame == 0 {
        return Ok(());
    }
    let file = shared.folder(id).join(FILE);
    let log = shared.folder(id).join(format!("{FILE}-wal"));
    shared.archive.folding(id, &log, engine.position).await?;
    engine.link.ask(Op::Fold, Bytes::new(), OPENING, u32::MAX, false);
    match engine.link.answer().await {
        Ok((reply, _)) if reply.outcome == Outcome::Done => {}
        Ok((_, text)) => return Err(io::Error::other(String::from_utf8_lossy(&text).into_owned())),
        Err(Broken::Late) => return Err(io::ErrorKind::TimedOut.into()),
        Err(Broken::Ended(error)) => return Err(error),
    }
    engine.position = Position { generation: engine.position.generation + 1, frame: 0 };
    shared.archive.folded(id, &file, engine.position.generation).await;
    Ok(())
}

/// Stops engines that nobody asks for, as long as the pool lives.
pub async fn stop_idle(shared: Weak<Shared>) {
    loop {
        let Some(period) = shared.upgrade().map(|shared| shared.config.idle / 4) else { return };
        tokio::time::sleep(period.max(Duration::from_millis(50))).await;
        let Some(shared) = shared.upgrade() else { return };
        let slots: Vec<_> = shared.slots.lock().values().cloned().collect();
        for slot in slots {
            if slot.used.lock().elapsed() < shared.config.idle {
                continue;
            }
            if let Ok(mut seat) = Arc::clone(&slot.seat).try_lock_owned() {
                retire(&shared, slot.id, &mut seat).await;
            }
        }
        // A slot that nobody holds has nothing that a new one would lack.
        shared.slots.lock().retain(|_, slot| {
            let unused = Arc::strong_count(slot) == 1 && Arc::strong_count(&slot.seat) == 1;
            !unused || slot.seat.try_lock().is_ok_and(|seat| seat.engine.is_some())
        });
    }
}
