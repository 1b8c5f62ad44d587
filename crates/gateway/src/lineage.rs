//! How deep a call between workers is nested, as far as can be told.
//!
//! A worker's `fetch` to another worker's host carries nothing of the request that it is made for: what a script does
//! not copy, workerd does not send. All that is known is what is in flight. So every request at a worker has a level,
//! 0 when it came from outside, and a call that the worker makes is taken to be made for one of the requests in flight
//! there: at the level that has the fewest calls out for each of its requests, the lowest of equals. It arrives one
//! level deeper. In a circle of calls every round finds the rounds before it waiting and goes one deeper, so it comes
//! to an end; side by side, calls share their levels and stay where they are.
//!
//! In flight is what has no answer yet: a handler that waits for another worker waits for that much, and what streams on
//! afterwards, or a WebSocket, would stand in the way of what is called meanwhile.
//!
//! It is a guess, and made in the caller's favour: a circle whose rounds do not wait for each other (`waitUntil`) is not
//! seen here, nor one of RPC, whose stubs live until they are collected; and where much else is in flight a circle takes
//! more rounds to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use parking_lot::Mutex;

use crate::access::Traffic;

/// The deepest level. Cloudflare ends a chain that it can follow after 16; this one is partly guessed.
pub(crate) const DEEPEST: usize = 64;

/// What is in flight at one worker.
#[derive(Debug, Default)]
pub(crate) struct Lineage {
    /// Requests from outside, at level 0: apart, because most are of these and need no lock.
    outside: AtomicU32,
    levels: Mutex<Levels>,
}

#[derive(Debug, Default)]
struct Levels(Vec<Level>);

#[derive(Debug, Clone, Copy, Default)]
struct Level {
    /// Requests here.
    present: u32,
    /// Calls to other workers that are taken to be made for them.
    out: u32,
}

impl Levels {
    fn at(&mut self, level: usize) -> &mut Level {
        if self.0.len() <= level {
            self.0.resize(level + 1, Level::default());
        }
        &mut self.0[level]
    }

    /// The level that one more call is taken to be made from; 0 where nothing is in flight.
    fn origin(&self, outside: u32) -> usize {
        let first = Level { present: outside, ..self.0.first().copied().unwrap_or_default() };
        let deeper = self.0.iter().copied().enumerate().skip(1);
        let present = std::iter::once((0, first)).chain(deeper).filter(|(_, level)| level.present > 0);
        // Whole calls for each request: a level whose requests have not all called yet is as good as one where none has.
        present.min_by_key(|(_, level)| level.out / level.present).map_or(0, |(index, _)| index)
    }
}

/// A request at a worker, until it is dropped.
#[derive(Debug)]
pub(crate) struct Presence {
    traffic: Arc<Traffic>,
    level: usize,
}

impl Presence {
    pub(crate) fn new(traffic: Arc<Traffic>, level: usize) -> Self {
        match level {
            0 => drop(traffic.lineage.outside.fetch_add(1, Ordering::Relaxed)),
            _ => traffic.lineage.levels.lock().at(level).present += 1,
        }
        Self { traffic, level }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let lineage = &self.traffic.lineage;
        match self.level {
            0 => drop(lineage.outside.fetch_sub(1, Ordering::Relaxed)),
            level => lineage.levels.lock().at(level).present -= 1,
        }
    }
}

/// A call that a worker has made to another, until it is dropped.
#[derive(Debug)]
pub(crate) struct Departure {
    traffic: Arc<Traffic>,
    from: usize,
}

impl Departure {
    pub(crate) fn new(traffic: Arc<Traffic>) -> Self {
        let outside = traffic.lineage.outside.load(Ordering::Relaxed);
        let mut levels = traffic.lineage.levels.lock();
        let from = levels.origin(outside);
        levels.at(from).out += 1;
        drop(levels);
        Self { traffic, from }
    }

    /// The level at which it arrives.
    pub(crate) fn level(&self) -> usize {
        self.from + 1
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        self.traffic.lineage.levels.lock().at(self.from).out -= 1;
    }
}

/// A call over a service binding, until it is dropped.
#[derive(Debug)]
pub struct Nested {
    pub(crate) _departure: Option<Departure>,
    pub(crate) _presence: Presence,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker() -> Arc<Traffic> {
        Arc::default()
    }

    fn call(from: &Arc<Traffic>, to: &Arc<Traffic>) -> (Departure, Presence) {
        let departure = Departure::new(Arc::clone(from));
        let presence = Presence::new(Arc::clone(to), departure.level());
        (departure, presence)
    }

    #[test]
    fn a_circle_goes_one_deeper_each_round() {
        let (a, b) = (worker(), worker());
        let _outside = Presence::new(Arc::clone(&a), 0);
        let mut rounds = Vec::new();
        for round in 1..=40 {
            let (from, to) = if round % 2 == 1 { (&a, &b) } else { (&b, &a) };
            rounds.push(call(from, to));
            assert_eq!(rounds.last().unwrap().0.level(), round);
        }
        drop(rounds);
        assert_eq!(call(&a, &b).0.level(), 1, "what is over is forgotten");
    }

    #[test]
    fn a_circle_that_doubles_each_round_ends_too() {
        let a = worker();
        let _outside = Presence::new(Arc::clone(&a), 0);
        let mut calls = Vec::new();
        for level in 1..=8 {
            let round: Vec<_> = (0..1 << level).map(|_| Departure::new(Arc::clone(&a))).collect();
            assert!(round.iter().all(|call| call.level() == level), "{level}");
            calls.extend(round.into_iter().map(|call| {
                let presence = Presence::new(Arc::clone(&a), call.level());
                (call, presence)
            }));
        }
    }

    #[test]
    fn calls_side_by_side_stay_at_their_level() {
        let (a, b, c) = (worker(), worker(), worker());
        let outside: Vec<_> = (0..100).map(|_| Presence::new(Arc::clone(&a), 0)).collect();
        let calls: Vec<_> = (0..1000).map(|_| call(&a, &b)).collect();
        assert!(calls.iter().all(|(departure, _)| departure.level() == 1));
        let further: Vec<_> = (0..1000).map(|_| call(&b, &c)).collect();
        assert!(further.iter().all(|(departure, _)| departure.level() == 2));
        drop(outside);
        assert_eq!(call(&a, &b).0.level(), 1, "nothing is in flight: work after the response");
    }

    #[test]
    fn calls_back_under_load_stay_shallow() {
        let (a, b) = (worker(), worker());
        let mut in_flight = std::collections::VecDeque::new();
        let mut deepest = 0;
        for _ in 0..10_000 {
            // A request from outside calls b, which calls a back, which answers.
            let outside = Presence::new(Arc::clone(&a), 0);
            let there = call(&a, &b);
            let back = call(&b, &a);
            deepest = deepest.max(back.0.level());
            in_flight.push_back((outside, there, back));
            if in_flight.len() > 300 {
                in_flight.pop_front();
            }
        }
        assert_eq!(deepest, 2);
    }

    #[test]
    fn many_calls_back_of_one_request_are_no_circle() {
        let (a, b) = (worker(), worker());
        let _outside = Presence::new(Arc::clone(&a), 0);
        let calls: Vec<_> = (0..20).map(|_| (call(&a, &b), call(&b, &a))).collect();
        assert!(calls.iter().all(|(_, (back, _))| back.level() <= DEEPEST));
    }
}
