//! Calls that wait for one of a function's processes, in their order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

use crate::Lease;
use crate::instance::{Instance, Phase};

/// Who waits. A place that becomes free goes to the first of them, and to newcomers only when nobody waits.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    waiting: Mutex<VecDeque<oneshot::Sender<Lease>>>,
    /// When it was last said that one more process is needed.
    pressed: Mutex<Option<Instant>>,
}

/// What came of asking for a place.
#[derive(Debug)]
pub(crate) enum Turn {
    /// It was free.
    Place(Lease),
    /// It will come.
    Wait(oneshot::Receiver<Lease>),
    /// Too many wait.
    Full,
}

impl Turns {
    /// Takes a place in one of the processes, or gets in line, where at most so many stand.
    pub(crate) fn ask<'a>(
        &self,
        processes: impl IntoIterator<Item = &'a Arc<Instance>>,
        most: usize,
    ) -> Turn {
        let mut waiting = self.waiting.lock();
        if waiting.is_empty()
            && let Some(lease) = processes.into_iter().find_map(Lease::take_alone)
        {
            return Turn::Place(lease);
        }
        waiting.retain(|waiter| !waiter.is_closed());
        if waiting.len() >= most {
            return Turn::Full;
        }
        let (sender, receiver) = oneshot::channel();
        waiting.push_back(sender);
        Turn::Wait(receiver)
    }

    /// Whether it is time to say that one more process is needed: not by everybody who waits.
    pub(crate) fn is_pressing(&self, pause: Duration) -> bool {
        let mut pressed = self.pressed.lock();
        let pressing = pressed.is_none_or(|last| last.elapsed() >= pause);
        if pressing {
            *pressed = Some(Instant::now());
        }
        pressing
    }

    /// A process has come to serve: its place goes to the first in line.
    pub(crate) fn offer(&self, instance: &Arc<Instance>) {
        if let Some(lease) = Lease::take_alone(instance) {
            // Nobody's call.
            instance.served.fetch_sub(1, Ordering::Relaxed);
            drop(lease);
        }
    }

    /// Passes the place in a process on, which its last holder has left.
    pub(crate) fn next(&self, instance: &Arc<Instance>) {
        *instance.last_used.lock() = tokio::time::Instant::now();
        loop {
            let waiter = {
                let mut waiting = self.waiting.lock();
                let serves = *instance.phase.borrow() == Phase::Serving;
                match serves.then(|| waiting.pop_front()).flatten() {
                    Some(waiter) => waiter,
                    // Under the lock, so that one who asks right now finds it free or is seen here.
                    None => return instance.in_flight.store(0, Ordering::SeqCst),
                }
            };
            match waiter.send(Lease::alone(instance)) {
                Ok(()) => return,
                Err(lease) => {
                    instance.served.fetch_sub(1, Ordering::Relaxed);
                    lease.leave();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InstanceKey;
    use hearth_model::{VersionId, WorkerId};

    fn process(turns: &Arc<Turns>) -> Arc<Instance> {
        let key = InstanceKey::fused(WorkerId::random(), VersionId::random());
        Instance::of_function(key, 1, "/nowhere".into(), Arc::clone(turns), Duration::from_secs(1))
    }

    fn place(turn: Turn) -> Lease {
        let Turn::Place(lease) = turn else { panic!("{turn:?}") };
        lease
    }

    fn wait(turn: Turn) -> oneshot::Receiver<Lease> {
        let Turn::Wait(receiver) = turn else { panic!("{turn:?}") };
        receiver
    }

    #[test]
    fn one_call_at_a_time_and_the_first_in_line_is_next() {
        let turns = Arc::default();
        let one = process(&turns);
        let lease = place(turns.ask([&one], 2));
        let mut first = wait(turns.ask([&one], 2));
        let mut second = wait(turns.ask([&one], 2));
        assert!(matches!(turns.ask([&one], 2), Turn::Full));
        drop(lease);
        let lease = first.try_recv().expect("it is its turn");
        assert!(second.try_recv().is_err());
        assert_eq!(one.in_flight(), 1);
        drop(lease);
        drop(second.try_recv().expect("it is its turn"));
        assert_eq!((one.in_flight(), one.served()), (0, 3));
        drop(place(turns.ask([&one], 2)));
    }

    #[test]
    fn who_left_the_line_is_passed_over_with_the_place_in_hand_or_not() {
        let turns = Arc::default();
        let one = process(&turns);
        let lease = place(turns.ask([&one], 9));
        drop(wait(turns.ask([&one], 9)));
        let given = wait(turns.ask([&one], 9));
        let mut last = wait(turns.ask([&one], 9));
        drop(lease);
        drop(given);
        assert!(last.try_recv().is_ok());
        assert_eq!(one.in_flight(), 0);
    }

    #[test]
    fn a_process_that_leaves_takes_nobody_and_a_new_one_does() {
        let turns = Arc::default();
        let (old, new) = (process(&turns), process(&turns));
        let lease = place(turns.ask([&old], 9));
        let mut waits = wait(turns.ask([&old], 9));
        old.drain();
        drop(lease);
        assert!(waits.try_recv().is_err());
        assert_eq!(old.in_flight(), 0);
        turns.offer(&new);
        assert!(waits.try_recv().is_ok());
        assert_eq!(new.served(), 1);
    }
}
