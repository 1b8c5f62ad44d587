//! One caller's turn with a database. A query takes along what else waits in the queue.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedMutexGuard;

use super::link::Broken;
use super::queue::Pending;
use super::slot::{self, Seat, Slot};
use super::spawn::Ended;
use super::{FOLD_FROM, Shared};
use crate::engine::frame::{Op, Outcome, PAGE, Reply};
use crate::{D1Error, Position};

/// Bytes of the largest database.
const MAX_SIZE: u64 = 10_000_000_000;

/// A turn: from the first question to the last answer nobody else asks this database.
///
/// Dropped before the answer has come, it goes on in the background until it has: the next caller finds an engine that
/// waits for a question.
pub struct Turn {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
    /// Taken only at the end.
    seat: Option<OwnedMutexGuard<Seat>>,
    /// Several exchanges that are of no use without the last one: cut short, the engine is stopped.
    together: bool,
    /// Queries of the queue that were put and are not answered, in their order.
    asked: VecDeque<Pending>,
    /// The first of them is known to run, and the others are not begun.
    running: bool,
    /// Queries that have to be put again.
    postponed: VecDeque<Pending>,
    position: Position,
}

impl Turn {
    /// A turn of who has the seat, with an engine that runs.
    ///
    /// # Errors
    /// The engine does not start.
    pub async fn begin(
        shared: &Arc<Shared>,
        slot: Arc<Slot>,
        seat: OwnedMutexGuard<Seat>,
    ) -> Result<Self, D1Error> {
        let mut turn = Self {
            shared: Arc::clone(shared),
            slot,
            seat: Some(seat),
            together: false,
            asked: VecDeque::new(),
            running: false,
            postponed: VecDeque::new(),
            position: Position::default(),
        };
        turn.open().await?;
        Ok(turn)
    }

    /// Starts an engine, if none runs.
    ///
    /// # Errors
    /// It does not start, and the turn is over.
    pub async fn open(&mut self) -> Result<(), D1Error> {
        let runs = |seat: &Seat| seat.engine.is_some();
        if !self.seat.as_deref().is_some_and(runs) {
            let Some(mut seat) = self.seat.take() else { return Err(D1Error::Died) };
            // Begun, it comes to its end: half an engine could not be told from none.
            let (shared, id) = (Arc::clone(&self.shared), self.slot.id);
            let starting = tokio::spawn(async move {
                let opened = slot::open(&shared, id).await;
                opened.map(|engine| {
                    seat.engine = Some(engine);
                    seat
                })
            });
            self.seat = Some(starting.await.map_err(std::io::Error::other)??);
        }
        if let Some(engine) = self.seat.as_ref().and_then(|seat| seat.engine.as_ref()) {
            self.position = engine.position;
        }
        Ok(())
    }

    /// Where the database is now.
    pub fn position(&self) -> Position {
        self.position
    }

    /// What follows belongs together until [`Turn::is_whole`].
    pub fn keep_together(&mut self) {
        self.together = true;
    }

    /// What belonged together is done.
    pub fn is_whole(&mut self) {
        self.together = false;
    }

    /// Asks and waits for the answer.
    ///
    /// # Errors
    /// What the engine answers, or what became of it.
    pub async fn exchange(
        &mut self,
        op: Op,
        payload: Bytes,
        time: Duration,
    ) -> Result<(Reply, Bytes), D1Error> {
        self.ask(op, payload, time);
        self.answer().await
    }

    /// Puts a question.
    pub fn ask(&mut self, op: Op, payload: Bytes, time: Duration) {
        let growth = self.growth();
        if let Some(engine) = self.seat.as_mut().and_then(|seat| seat.engine.as_mut()) {
            engine.link.ask(op, payload, time, growth, false);
        }
    }

    /// Puts the queries that wait in the queue, as many as may go together. None may be open.
    pub fn ask_queued(&mut self) {
        let (time, growth) = (self.shared.config.query_timeout, self.growth());
        let Some(engine) = self.seat.as_mut().and_then(|seat| seat.engine.as_mut()) else { return };
        self.asked = self.slot.queue.take();
        let last = self.asked.len().saturating_sub(1);
        for (at, query) in self.asked.iter().enumerate() {
            engine.link.ask(query.op, query.payload.clone(), time, growth, at < last);
        }
    }

    /// By how many pages the database may grow.
    fn growth(&self) -> u32 {
        u32::try_from(self.shared.config.space.room(&self.slot.name) / PAGE).unwrap_or(u32::MAX)
    }

    /// Whether an answer is still to come.
    pub fn is_busy(&self) -> bool {
        let engine = self.seat.as_ref().and_then(|seat| seat.engine.as_ref());
        engine.is_some_and(|engine| engine.link.is_busy())
    }

    /// Waits for the next answer to a query of the queue and hands it to its caller.
    pub async fn hand_out(&mut self) {
        let answer = self.answer().await;
        match answer.as_ref().map(|(reply, _)| reply.outcome) {
            Ok(Outcome::Running) => self.running = true,
            // Only an engine that is a tenant's says so. Its time runs on.
            Ok(Outcome::More) => {}
            Ok(Outcome::Postponed) => self.postponed.extend(self.asked.pop_front()),
            _ => {
                let position = self.position;
                if let Some(query) = self.asked.pop_front() {
                    query.answer(answer.map(|(reply, payload)| (reply, payload, position)));
                }
                if !self.is_busy() {
                    // The engine has gone, or answered all of them. What it was not doing then can be asked again.
                    let rest = self.asked.drain(..);
                    if self.running {
                        self.postponed.extend(rest);
                    } else {
                        rest.for_each(|query| query.answer(Err(D1Error::Died)));
                    }
                }
                self.running = false;
            }
        }
        if self.asked.is_empty() {
            self.slot.queue.put_back(&mut self.postponed);
        }
    }

    /// Waits for the answer.
    ///
    /// # Errors
    /// What the engine answers, or what became of it.
    pub async fn answer(&mut self) -> Result<(Reply, Bytes), D1Error> {
        let Some(seat) = &mut self.seat else { return Err(D1Error::Died) };
        let Some(engine) = &mut seat.engine else { return Err(D1Error::Died) };
        let (reply, payload) = match engine.link.answer().await {
            Ok(answer) => answer,
            Err(broken) => return Err(self.give_up(broken).await),
        };
        let is_part = matches!(reply.outcome, Outcome::More | Outcome::Postponed | Outcome::Running);
        if !is_part && reply.frame > engine.position.frame {
            engine.position.frame = reply.frame;
            self.shared.archive.committed(self.slot.id, engine.position);
        }
        if !is_part {
            // The engine may be a tenant's by now: no more than a database can have.
            self.shared.config.space.wrote(&self.slot.name, reply.size.min(MAX_SIZE));
        }
        self.position = engine.position;
        // A refusal took back what had come before it.
        self.together &= is_part || reply.outcome == Outcome::Done;
        match reply.outcome {
            Outcome::Done | Outcome::More | Outcome::Postponed | Outcome::Running => Ok((reply, payload)),
            Outcome::Timeout => Err(D1Error::Timeout),
            Outcome::Memory => Err(D1Error::Memory),
            Outcome::Refused => Err(D1Error::Sql(String::from_utf8_lossy(&payload).into_owned())),
        }
    }

    /// Folds the log.
    ///
    /// # Errors
    /// The log stays what it is.
    pub async fn fold(&mut self) -> Result<(), D1Error> {
        let Some(engine) = self.seat.as_mut().and_then(|seat| seat.engine.as_mut()) else {
            return Err(D1Error::Died);
        };
        slot::fold(&self.shared, self.slot.id, engine).await?;
        self.position = engine.position;
        Ok(())
    }

    /// Stops an engine that is of no use any more, and says what the caller is told.
    async fn give_up(&mut self, broken: Broken) -> D1Error {
        let ended = match &mut self.seat {
            Some(seat) => seat.stop().await,
            None => None,
        };
        self.together = false;
        match (broken, ended) {
            (Broken::Late, _) => {
                tracing::warn!(database = %self.slot.id, "a D1 process was stopped: a query took too long");
                D1Error::Timeout
            }
            (Broken::Ended(_), Some(Ended::Memory)) => {
                tracing::warn!(database = %self.slot.id, "a D1 process was stopped: a query took too much memory");
                D1Error::Memory
            }
            (Broken::Ended(error), _) => {
                tracing::warn!(database = %self.slot.id, %error, "a D1 process ended while it worked");
                D1Error::Died
            }
        }
    }

    /// What is left to do before the next caller's turn.
    fn work_left(&self) -> bool {
        let engine = self.seat.as_ref().and_then(|seat| seat.engine.as_ref());
        engine.is_some_and(|engine| {
            self.together || engine.link.is_busy() || engine.position.frame >= FOLD_FROM
        })
    }

    async fn finish(mut self) {
        if self.together {
            if let Some(seat) = &mut self.seat {
                seat.stop().await;
            }
            return;
        }
        while self.is_busy() {
            if self.asked.is_empty() {
                // Its outcome is nobody's any more.
                let _ = self.answer().await;
            } else {
                self.hand_out().await;
            }
        }
        if self.position.frame >= FOLD_FROM
            && let Err(error) = self.fold().await
        {
            tracing::error!(database = %self.slot.id, %error, "a D1 log cannot be folded");
        }
        // Not again by this one's end.
        self.seat = None;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.work_left() {
            return;
        }
        let rest = Self {
            shared: Arc::clone(&self.shared),
            slot: Arc::clone(&self.slot),
            seat: self.seat.take(),
            together: self.together,
            asked: std::mem::take(&mut self.asked),
            running: self.running,
            postponed: std::mem::take(&mut self.postponed),
            position: self.position,
        };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(rest.finish());
        }
    }
}

/// A database that no engine runs on, and none will while this lives: its files may be read and replaced. The log that
/// lies there was not folded.
pub struct Closed(#[expect(dead_code, reason = "held, not read")] OwnedMutexGuard<Seat>);

impl Closed {
    pub(super) fn new(seat: OwnedMutexGuard<Seat>) -> Self {
        Self(seat)
    }
}
