//! Points that wait for the writer. What comes faster than it writes is dropped, and one account's flood leaves room for
//! the others'.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hearth_model::AccountId;
use parking_lot::{Condvar, Mutex};

use crate::point::Point;

/// Bytes that may wait of one account.
const MAX_OF_ACCOUNT: usize = 16 << 20;

/// Bytes that may wait of all.
const MAX_OF_ALL: usize = 64 << 20;

/// A point with where it belongs.
#[derive(Debug)]
pub struct Arrived {
    /// The dataset's name.
    pub dataset: Arc<str>,
    /// Seconds since 1970.
    pub timestamp: i64,
    /// What was written.
    pub point: Point,
}

/// The points of one account.
#[derive(Debug, Default)]
pub struct Batch {
    /// In the order they came.
    pub points: Vec<Arrived>,
    bytes: usize,
}

/// What waits.
#[derive(Debug, Default)]
pub struct Inbox {
    state: Mutex<State>,
    arrived: Condvar,
    closing: Condvar,
    written: Condvar,
}

#[derive(Debug, Default)]
struct State {
    accounts: HashMap<AccountId, Batch>,
    bytes: usize,
    /// Batches that were taken, and of those the ones that are on disk.
    taken: u64,
    written: u64,
    closed: bool,
}

impl Inbox {
    /// Adds points. Gives how many found no room.
    pub fn offer(&self, account: &AccountId, dataset: &str, timestamp: i64, points: Vec<Point>) -> u64 {
        let dataset: Arc<str> = dataset.into();
        let mut state = self.state.lock();
        let State { accounts, bytes, .. } = &mut *state;
        let batch = match accounts.entry(account.clone()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Batch::default()),
        };
        let mut dropped = 0;
        for point in points {
            let size = point.size();
            if batch.bytes + size > MAX_OF_ACCOUNT || *bytes + size > MAX_OF_ALL {
                dropped += 1;
                continue;
            }
            batch.bytes += size;
            *bytes += size;
            batch.points.push(Arrived { dataset: Arc::clone(&dataset), timestamp, point });
        }
        drop(state);
        self.arrived.notify_one();
        dropped
    }

    /// Waits for points, then `gather` for more of them, and takes all. None: closed, and nothing is left.
    pub fn take(&self, gather: Duration) -> Option<HashMap<AccountId, Batch>> {
        let mut state = self.state.lock();
        while state.accounts.is_empty() {
            if state.closed {
                return None;
            }
            self.arrived.wait(&mut state);
        }
        // Nothing but the end cuts it short, and nobody is woken for a point.
        let until = Instant::now() + gather;
        while !state.closed && !self.closing.wait_until(&mut state, until).timed_out() {}
        state.taken += 1;
        state.bytes = 0;
        Some(std::mem::take(&mut state.accounts))
    }

    /// Says that what was taken is on disk, or lost.
    pub fn done(&self) {
        self.state.lock().written += 1;
        self.written.notify_all();
    }

    /// Waits until what has arrived by now is on disk.
    pub fn settle(&self) {
        let mut state = self.state.lock();
        let until = state.taken + u64::from(!state.accounts.is_empty());
        while state.written < until {
            self.written.wait(&mut state);
        }
    }

    /// Lets the writer end once it has written what is here.
    pub fn close(&self) {
        self.state.lock().closed = true;
        self.arrived.notify_all();
        self.closing.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn large() -> Point {
        Point { index: String::new(), blobs: vec!["x".repeat(16 << 10)], doubles: Vec::new() }
    }

    #[test]
    fn a_flood_of_one_account_is_cut_and_others_have_room() {
        let inbox = Inbox::default();
        let (flood, other) = (AccountId::random(), AccountId::random());
        let dropped = inbox.offer(&flood, "d", 0, vec![large(); 2000]);
        assert!(dropped > 900, "{dropped}");
        assert_eq!(inbox.offer(&other, "d", 0, vec![large(); 10]), 0);
        let taken = inbox.take(Duration::ZERO).unwrap();
        assert_eq!(taken[&flood].points.len() as u64 + dropped, 2000);
        inbox.done();
        assert_eq!(inbox.offer(&flood, "d", 0, vec![large()]), 0, "what was taken leaves room");
        inbox.close();
        assert!(inbox.take(Duration::ZERO).is_some() && inbox.take(Duration::ZERO).is_none());
    }
}
