//! Queries that wait for a database. Whoever comes to his turn takes along what waits: the engine runs one after the
//! other, each as a transaction of its own, and waits for the disk once.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Shared;
use super::link::SMALL;
use super::slot::Slot;
use super::turn::Turn;
use crate::engine::frame::{Op, Reply};
use crate::{D1Error, Position};

/// Queries that are asked together.
const TOGETHER: usize = 64;

/// What comes of a query: its answer, and where the database was then.
type Answer = Result<(Reply, Bytes, Position), D1Error>;

/// A query that waits.
pub struct Pending {
    /// What to run.
    pub op: Op,
    /// What it is run on.
    pub payload: Bytes,
    number: u64,
    /// When it must have begun.
    until: Instant,
    caller: oneshot::Sender<Answer>,
}

impl Pending {
    /// Tells the caller, if he still waits.
    pub fn answer(self, answer: Answer) {
        let _ = self.caller.send(answer);
    }
}

/// The queries that wait for one database, in their order.
#[derive(Default)]
pub struct Queue(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    queries: VecDeque<Pending>,
    numbers: u64,
}

impl Queue {
    fn enter(&self, op: Op, payload: Bytes, until: Instant) -> Ticket<'_> {
        let (caller, answer) = oneshot::channel();
        let mut waiting = self.0.lock();
        waiting.numbers += 1;
        let number = waiting.numbers;
        waiting.queries.push_back(Pending { op, payload, number, until, caller });
        Ticket { queue: self, number, answer }
    }

    /// Takes what can be asked together, from the first one on.
    pub fn take(&self) -> VecDeque<Pending> {
        let mut waiting = self.0.lock();
        let (mut count, mut bytes) = (0, 0);
        for query in waiting.queries.iter().take(TOGETHER) {
            bytes += query.payload.len();
            if count > 0 && bytes > SMALL {
                break;
            }
            count += 1;
        }
        let rest = waiting.queries.split_off(count);
        std::mem::replace(&mut waiting.queries, rest)
    }

    /// Puts queries that were not begun before all others. Those that have waited for too long are told.
    pub fn put_back(&self, queries: &mut VecDeque<Pending>) {
        if queries.is_empty() {
            return;
        }
        let now = Instant::now();
        let mut waiting = self.0.lock();
        while let Some(query) = queries.pop_back() {
            if query.until <= now {
                query.answer(Err(D1Error::QueuedTooLong));
            } else {
                waiting.queries.push_front(query);
            }
        }
    }
}

/// A caller's hold on his query. Dropped, a query that was not put to the engine yet never will be.
struct Ticket<'a> {
    queue: &'a Queue,
    number: u64,
    answer: oneshot::Receiver<Answer>,
}

impl Ticket<'_> {
    /// Takes the query out of the queue; false when it was put to the engine.
    fn withdraw(&self) -> bool {
        let mut waiting = self.queue.0.lock();
        let found = waiting.queries.iter().position(|query| query.number == self.number);
        found.is_some_and(|at| waiting.queries.remove(at).is_some())
    }

    async fn answer(&mut self) -> Answer {
        (&mut self.answer).await.unwrap_or(Err(D1Error::Died))
    }

    /// The answer, if there is one; an error also when there will be none.
    fn answered(&mut self) -> Option<Answer> {
        match self.answer.try_recv() {
            Ok(answer) => Some(answer),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Err(D1Error::Died)),
        }
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        // Answered, it is in no queue.
        if !self.answer.is_terminated() {
            self.withdraw();
        }
    }
}

/// Runs a query: by oneself when it is one's turn, or by somebody whose turn is before.
///
/// # Errors
/// Every kind of [`D1Error`].
pub async fn run(shared: &Arc<Shared>, slot: &Arc<Slot>, op: Op, payload: Bytes) -> Answer {
    let until = Instant::now() + shared.config.queue_timeout;
    let (mut ticket, seat) = match Arc::clone(&slot.seat).try_lock_owned() {
        Ok(seat) => (slot.queue.enter(op, payload, until), seat),
        Err(_) => {
            // Before it is in the queue: once there, somebody may take it along.
            let _waiting = slot.wait(shared.config.max_queue)?;
            let mut ticket = slot.queue.enter(op, payload, until);
            tokio::select! {
                biased;
                answer = ticket.answer() => return answer,
                seat = Arc::clone(&slot.seat).lock_owned() => (ticket, seat),
                () = tokio::time::sleep_until(until) => {
                    return if ticket.withdraw() { Err(D1Error::QueuedTooLong) } else { ticket.answer().await };
                }
            }
        }
    };
    let mut turn = Turn::begin(shared, Arc::clone(slot), seat).await?;
    loop {
        if let Some(answer) = ticket.answered() {
            return answer;
        }
        if !turn.is_busy() {
            // What ended it may have been another's query.
            turn.open().await?;
            turn.ask_queued();
        }
        turn.hand_out().await;
    }
}
