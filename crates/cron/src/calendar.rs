//! What is due when.

use std::collections::HashMap;

use hearth_model::{Cron, WorkerId};
use jiff::{SignedDuration, Timestamp};

/// How late a minute may still be run: a machine that was busy or asleep for longer has missed it.
const LATEST: SignedDuration = SignedDuration::from_secs(90);

/// The cron triggers of all workers, and the last minute that was looked at.
#[derive(Debug)]
pub struct Calendar {
    workers: HashMap<WorkerId, Vec<Cron>>,
    /// Everything up to this minute is done with.
    done: Timestamp,
}

/// A trigger that is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Whose.
    pub worker: WorkerId,
    /// The expression.
    pub cron: Cron,
    /// The minute that it names.
    pub time: Timestamp,
}

impl Calendar {
    /// An empty one. Nothing that was due before the minute after `now` is run.
    pub fn new(now: Timestamp) -> Self {
        Self { workers: HashMap::new(), done: minute(now) }
    }

    /// Makes these the triggers of a worker.
    pub fn set(&mut self, worker: WorkerId, crons: Vec<Cron>) {
        if crons.is_empty() {
            self.workers.remove(&worker);
        } else {
            self.workers.insert(worker, crons);
        }
    }

    /// What has become due by `now` and was not given out before. A clock that was set back repeats nothing.
    pub fn due(&mut self, now: Timestamp) -> Vec<Due> {
        let current = minute(now);
        let mut time = self.done.max(minute(now - LATEST));
        let mut due = Vec::new();
        while time < current {
            time += SignedDuration::from_mins(1);
            let all =
                self.workers.iter().flat_map(|(worker, crons)| crons.iter().map(move |cron| (worker, cron)));
            let named = all.filter(|(_, cron)| cron.matches(time));
            due.extend(named.map(|(worker, cron)| Due { worker: *worker, cron: cron.clone(), time }));
        }
        self.done = self.done.max(current);
        due
    }

    /// When to look again.
    pub fn next_look(now: Timestamp) -> Timestamp {
        minute(now) + SignedDuration::from_mins(1)
    }
}

/// The beginning of a moment's minute.
fn minute(time: Timestamp) -> Timestamp {
    let second = time.as_second().div_euclid(60) * 60;
    // Towards the past by less than a minute, which only the first one of all lacks.
    Timestamp::from_second(second).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn calendar(now: &str, crons: &[&str]) -> (Calendar, WorkerId) {
        let (mut calendar, worker) = (Calendar::new(at(now)), WorkerId::random());
        calendar.set(worker, crons.iter().map(|cron| cron.parse().unwrap()).collect());
        (calendar, worker)
    }

    fn times(due: Vec<Due>) -> Vec<String> {
        due.into_iter().map(|due| format!("{} {}", due.cron, due.time)).collect()
    }

    #[test]
    fn each_minute_is_given_out_once_and_the_current_one_not_at_the_start() {
        let (mut calendar, _) = calendar("2026-11-20T12:00:10Z", &["* * * * *", "2 * * * *"]);
        assert_eq!(times(calendar.due(at("2026-11-20T12:00:59Z"))), [""; 0]);
        assert_eq!(times(calendar.due(at("2026-11-20T12:01:00Z"))), ["* * * * * 2026-11-20T12:01:00Z"]);
        assert_eq!(times(calendar.due(at("2026-11-20T12:01:30Z"))), [""; 0]);
        let both = ["* * * * * 2026-11-20T12:02:00Z", "2 * * * * 2026-11-20T12:02:00Z"];
        assert_eq!(times(calendar.due(at("2026-11-20T12:02:00.2Z"))), both);
    }

    #[test]
    fn a_late_look_catches_up_a_minute_and_no_more() {
        let (mut calendar, _) = calendar("2026-11-20T12:00:00Z", &["* * * * *"]);
        let due = times(calendar.due(at("2026-11-20T12:30:05Z")));
        assert_eq!(due, ["* * * * * 2026-11-20T12:29:00Z", "* * * * * 2026-11-20T12:30:00Z"]);
    }

    #[test]
    fn a_clock_set_back_repeats_nothing() {
        let (mut calendar, _) = calendar("2026-11-20T12:00:00Z", &["* * * * *"]);
        assert_eq!(calendar.due(at("2026-11-20T12:01:00Z")).len(), 1);
        assert_eq!(calendar.due(at("2026-11-20T11:00:00Z")).len(), 0);
        assert_eq!(calendar.due(at("2026-11-20T12:01:30Z")).len(), 0);
        assert_eq!(calendar.due(at("2026-11-20T12:02:00Z")).len(), 1);
    }

    #[test]
    fn a_worker_without_triggers_is_forgotten() {
        let (mut calendar, worker) = calendar("2026-11-20T12:00:00Z", &["* * * * *"]);
        calendar.set(worker, Vec::new());
        assert_eq!(calendar.due(at("2026-11-20T12:01:00Z")).len(), 0);
    }

    proptest! {
        #[test]
        fn no_minute_is_given_out_twice(looks in prop::collection::vec(-200_i64..400, 1..60)) {
            let (mut calendar, _) = calendar("2026-11-20T12:00:00Z", &["* * * * *"]);
            let mut now = at("2026-11-20T12:00:00Z");
            let mut seen = std::collections::HashSet::new();
            for step in looks {
                now += SignedDuration::from_secs(step);
                for due in calendar.due(now) {
                    prop_assert!(due.time <= now);
                    prop_assert!(seen.insert(due.time), "{} twice", due.time);
                }
            }
        }
    }
}
