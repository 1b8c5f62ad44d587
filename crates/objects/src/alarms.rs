//! When which worker must be started for an alarm. Pure: times go in, workers come out.

use std::collections::HashMap;
use std::time::Duration;

use hearth_model::WorkerId;

/// The wait after a first start that failed; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(2);
/// The longest wait after starts that failed.
const LAST_RETRY: Duration = Duration::from_secs(300);

/// The earliest alarm of each worker that does not run. Times are milliseconds since 1970.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    due: HashMap<WorkerId, i64>,
    failures: HashMap<WorkerId, u32>,
}

impl Alarms {
    /// Takes in what was found when the worker's process had gone.
    pub(crate) fn found(&mut self, worker: WorkerId, earliest: Option<i64>) {
        match earliest {
            Some(at) => self.due.insert(worker, at),
            None => self.due.remove(&worker),
        };
    }

    /// The worker runs, or is gone: its alarms are no longer ours.
    pub(crate) fn forget(&mut self, worker: WorkerId) {
        self.due.remove(&worker);
        self.failures.remove(&worker);
    }

    /// The next moment at which somebody is due.
    pub(crate) fn next(&self) -> Option<i64> {
        self.due.values().min().copied()
    }

    /// Takes out who is due.
    pub(crate) fn take_due(&mut self, now: i64) -> Vec<WorkerId> {
        let due: Vec<_> = self.due.iter().filter(|(_, at)| **at <= now).map(|(worker, _)| *worker).collect();
        for worker in &due {
            self.due.remove(worker);
        }
        due
    }

    /// A worker that was due could not be started.
    pub(crate) fn failed(&mut self, worker: WorkerId, now: i64) {
        let failures = self.failures.entry(worker).or_default();
        let wait = FIRST_RETRY.saturating_mul(1 << (*failures).min(16)).min(LAST_RETRY);
        *failures += 1;
        self.due.insert(worker, now + i64::try_from(wait.as_millis()).unwrap_or(i64::MAX / 2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_due_is_taken_once_and_tried_again_later_and_later() {
        let (a, b) = (WorkerId::random(), WorkerId::random());
        let mut alarms = Alarms::default();
        alarms.found(a, Some(1_000));
        alarms.found(b, Some(9_000));
        assert_eq!(alarms.next(), Some(1_000));
        assert_eq!(alarms.take_due(999), []);
        assert_eq!(alarms.take_due(1_000), [a]);
        assert_eq!(alarms.take_due(1_000), []);
        let mut now = 1_000;
        for wait in [2_000, 4_000, 8_000] {
            alarms.failed(a, now);
            assert!(!alarms.take_due(now + wait - 1).contains(&a));
            now += wait;
            assert!(alarms.take_due(now).contains(&a));
        }
        alarms.forget(a);
        alarms.failed(a, now);
        assert_eq!(alarms.next(), Some(now + 2_000));
        alarms.found(a, None);
        assert_eq!(alarms.next(), None);
    }
}
