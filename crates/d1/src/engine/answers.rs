//! Answers on their way out. What was asked together is answered together, after one wait for the disk: each request is
//! a transaction of its own, and none is acknowledged before it is on disk.
//!
//! Nobody waits for a slow neighbour: once a group has taken longer than [`TOGETHER`], what is done is sent, and what is
//! not begun is [`Outcome::Postponed`].

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::frame::{Outcome, REPLY, Reply};
use super::log::Durable;

/// How long the first answer of a group may wait for the others: a few syncs of a disk.
pub const TOGETHER: Duration = Duration::from_millis(4);

/// Bytes of answers that may wait.
const HELD: usize = 256 << 10;

/// The answers to one group of questions.
pub struct Answers<S, L> {
    socket: S,
    /// What the answers tell of.
    pub log: L,
    held: Vec<u8>,
    /// When the first question of the group was begun.
    began: Option<Instant>,
    /// Something could not be sent or synced: nothing more is.
    broken: bool,
}

impl<S: Write, L: Durable> Answers<S, L> {
    /// Answers go to this socket, once this log is on disk.
    pub fn new(socket: S, log: L) -> Self {
        Self { socket, log, held: Vec::new(), began: None, broken: false }
    }

    /// Whether a question that comes now is the first of its group, and since when the group runs.
    pub fn begin(&mut self, now: Instant) -> (bool, Instant) {
        let first = self.began.is_none();
        (first, *self.began.get_or_insert(now))
    }

    /// Adds an answer: bytes with their head. One that need not wait for the disk goes at once: whoever reads it works while
    /// the next question runs.
    ///
    /// # Errors
    /// As [`Self::release`].
    pub fn hold(&mut self, answer: Vec<u8>) -> io::Result<()> {
        if self.held.is_empty() {
            self.held = answer;
        } else {
            self.held.extend_from_slice(&answer);
        }
        if self.held.len() > HELD || !self.log.is_behind() { self.send() } else { Ok(()) }
    }

    /// Sends what is held: the group ends.
    ///
    /// # Errors
    /// The socket's or the log's. Whoever was not answered never will be.
    pub fn release(&mut self) -> io::Result<()> {
        self.began = None;
        self.send()
    }

    /// Sends what is held, and that the question which runs takes long.
    ///
    /// # Errors
    /// As [`Self::release`].
    pub fn running(&mut self) -> io::Result<()> {
        self.held.extend_from_slice(&empty(Outcome::Running));
        self.send()
    }

    fn send(&mut self) -> io::Result<()> {
        if self.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        if self.held.is_empty() {
            return Ok(());
        }
        let sent = self.log.settle().and_then(|()| self.socket.write_all(&self.held));
        self.held.clear();
        if self.held.capacity() > HELD {
            self.held = Vec::new();
        }
        self.broken = sent.is_err();
        sent
    }
}

/// An answer without a payload or figures.
pub fn empty(outcome: Outcome) -> [u8; REPLY] {
    let head = Reply {
        outcome,
        length: 0,
        frame: 0,
        statements: 0,
        rows_read: 0,
        rows_written: 0,
        changes: 0,
        duration_us: 0,
        size: 0,
        ran: 0,
    };
    head.encode()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::RefCell;
    use std::rc::Rc;

    /// What happened, in its order.
    #[derive(Clone, Default)]
    struct Events(Rc<RefCell<Vec<String>>>);

    struct Disk {
        events: Events,
        is_sound: bool,
        is_behind: bool,
    }

    impl Durable for Disk {
        fn is_behind(&self) -> bool {
            self.is_behind
        }

        fn settle(&mut self) -> io::Result<()> {
            self.events.0.borrow_mut().push("sync".to_owned());
            if self.is_sound { Ok(()) } else { Err(io::ErrorKind::StorageFull.into()) }
        }
    }

    impl Write for Events {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().push(format!("{} bytes", bytes.len()));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn answers(disk_is_sound: bool) -> (Answers<Events, Disk>, Events) {
        let events = Events::default();
        let disk = Disk { events: events.clone(), is_sound: disk_is_sound, is_behind: true };
        (Answers::new(events.clone(), disk), events)
    }

    fn seen(events: &Events) -> Vec<String> {
        std::mem::take(&mut *events.0.borrow_mut())
    }

    #[test]
    fn a_group_is_answered_after_one_sync() {
        let (mut answers, events) = answers(true);
        let now = Instant::now();
        assert_eq!(answers.begin(now), (true, now));
        answers.hold(vec![0; 10]).expect("is held");
        assert_eq!(answers.begin(now + TOGETHER), (false, now));
        answers.hold(vec![0; 20]).expect("is held");
        assert!(seen(&events).is_empty(), "nobody hears of anything yet");
        answers.release().expect("is sent");
        assert_eq!(seen(&events), ["sync", "30 bytes"]);
        assert!(answers.begin(now).0, "the next group");
        answers.log.is_behind = false;
        answers.hold(vec![0; 10]).expect("is sent");
        assert_eq!(seen(&events), ["sync", "10 bytes"], "nothing to wait for");
        answers.release().expect("nothing to send");
        assert!(seen(&events).is_empty());
    }

    #[test]
    fn nobody_waits_for_what_takes_long() {
        let (mut answers, events) = answers(true);
        let now = Instant::now();
        answers.begin(now);
        answers.hold(vec![0; 10]).expect("is held");
        answers.running().expect("is sent");
        assert_eq!(seen(&events), ["sync".to_owned(), format!("{} bytes", 10 + REPLY)]);
        assert_eq!(answers.begin(now + TOGETHER), (false, now), "the group goes on");
        answers.hold(vec![0; HELD + 1]).expect("is sent");
        assert_eq!(seen(&events).len(), 2, "what is large is not held");
    }

    #[test]
    fn what_is_not_on_disk_is_never_acknowledged() {
        let (mut answers, events) = answers(false);
        answers.hold(vec![0; 10]).expect("is held");
        assert!(answers.release().is_err());
        answers.log.is_sound = true;
        answers.hold(vec![0; 10]).expect("is held");
        assert!(answers.release().is_err());
        assert_eq!(seen(&events), ["sync"]);
    }
}
