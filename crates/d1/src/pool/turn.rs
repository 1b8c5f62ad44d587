//! One caller's turn with a database.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::OwnedMutexGuard;

use super::link::Broken;
use super::slot::{self, Seat};
use super::spawn::Ended;
use super::{FOLD_FROM, Shared};
use crate::engine::frame::{Op, Outcome, PAGE, Reply};
use crate::{D1Error, DatabaseId, Position};

/// Bytes of the largest database.
const MAX_SIZE: u64 = 10_000_000_000;

/// A turn: from the first question to the last answer nobody else asks this database.
///
/// Dropped before the answer has come, it goes on in the background until it has: the next caller finds an engine that
/// waits for a question.
pub struct Turn {
    shared: Arc<Shared>,
    id: DatabaseId,
    /// Taken only at the end.
    seat: Option<OwnedMutexGuard<Seat>>,
    /// Several exchanges that are of no use without the last one: cut short, the engine is stopped.
    together: bool,
    position: Position,
}

impl Turn {
    /// Waits for a turn with an engine that runs.
    ///
    /// # Errors
    /// It does not come to it, or the engine does not start.
    pub async fn wait(shared: &Arc<Shared>, id: DatabaseId) -> Result<Self, D1Error> {
        let mut seat = slot::seat(shared, id).await?;
        if seat.engine.is_none() {
            // Begun, it comes to its end: half an engine could not be told from none.
            let shared = Arc::clone(shared);
            let starting = tokio::spawn(async move {
                let opened = slot::open(&shared, id).await;
                opened.map(|engine| {
                    seat.engine = Some(engine);
                    seat
                })
            });
            seat = starting.await.map_err(std::io::Error::other)??;
        }
        let position = seat.engine.as_ref().map_or(Position::default(), |engine| engine.position);
        Ok(Self { shared: Arc::clone(shared), id, seat: Some(seat), together: false, position })
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
        if let Some(engine) = self.seat.as_mut().and_then(|seat| seat.engine.as_mut()) {
            let pages = self.shared.config.space.room(&self.id.to_string()) / PAGE;
            engine.link.ask(op, payload, time, u32::try_from(pages).unwrap_or(u32::MAX));
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
        if reply.outcome != Outcome::More && reply.frame > engine.position.frame {
            engine.position.frame = reply.frame;
            self.shared.archive.committed(self.id, engine.position);
        }
        if reply.outcome != Outcome::More {
            // The engine may be a tenant's by now: no more than a database can have.
            self.shared.config.space.wrote(&self.id.to_string(), reply.size.min(MAX_SIZE));
        }
        self.position = engine.position;
        // A refusal took back what had come before it.
        self.together &= matches!(reply.outcome, Outcome::Done | Outcome::More);
        match reply.outcome {
            Outcome::Done | Outcome::More => Ok((reply, payload)),
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
        slot::fold(&self.shared, self.id, engine).await?;
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
                tracing::warn!(database = %self.id, "a D1 process was stopped: a query took too long");
                D1Error::Timeout
            }
            (Broken::Ended(_), Some(Ended::Memory)) => {
                tracing::warn!(database = %self.id, "a D1 process was stopped: a query took too much memory");
                D1Error::Memory
            }
            (Broken::Ended(error), _) => {
                tracing::warn!(database = %self.id, %error, "a D1 process ended while it worked");
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
        while self
            .seat
            .as_ref()
            .and_then(|seat| seat.engine.as_ref())
            .is_some_and(|engine| engine.link.is_busy())
        {
            // Its outcome is nobody's any more.
            let _ = self.answer().await;
        }
        if self.position.frame >= FOLD_FROM
            && let Err(error) = self.fold().await
        {
            tracing::error!(database = %self.id, %error, "a D1 log cannot be folded");
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
            id: self.id,
            seat: self.seat.take(),
            together: self.together,
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
