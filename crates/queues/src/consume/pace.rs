//! How many batches of a queue run at a time, and when it rests. As on Cloudflare it grows while there is a backlog and
//! shrinks while handlers fail, looked at after each batch; retries that a handler asks for are no failures.

use std::time::Duration;

use super::verdict::Ending;

/// Rest after a first failure; it doubles with each further one in a row.
const FIRST_REST: Duration = Duration::from_millis(100);
/// Longest rest while handlers fail.
const LONGEST_REST: Duration = Duration::from_secs(30);
/// Longest rest while there is nobody to deliver to. What changes the consumer ends it.
const LONGEST_ABSENCE: Duration = Duration::from_secs(60);

/// The pace of one queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// Batches that may run at a time, at least 1.
    pub(super) concurrency: u32,
    /// Batches that failed since one ended well.
    failures: u32,
}

impl Pace {
    pub(super) fn new() -> Self {
        Self { concurrency: 1, failures: 0 }
    }

    /// A batch has ended. Returns for how long nothing more is to be taken.
    pub(super) fn ended(&mut self, ending: Ending) -> Duration {
        if ending == Ending::Well {
            self.failures = 0;
            return Duration::ZERO;
        }
        self.concurrency = (self.concurrency / 2).max(1);
        let rest = FIRST_REST.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = (self.failures + 1).min(31);
        rest.min(if ending == Ending::Failed { LONGEST_REST } else { LONGEST_ABSENCE })
    }

    /// Messages were taken. `ready` are those of a next batch that could be delivered now too, of at most `batch`; `most`
    /// is what the consumer allows.
    pub(super) fn taken(&mut self, ready: usize, batch: usize, most: u32) {
        self.concurrency = match ready {
            0 => self.concurrency - 1,
            _ if ready >= batch && self.failures == 0 => self.concurrency + 1,
            _ => self.concurrency,
        }
        .clamp(1, most.max(1));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_backlog_speeds_it_up_and_its_end_slows_it_down() {
        let mut pace = Pace::new();
        for expected in [2, 3, 4, 4] {
            pace.taken(10, 10, 4);
            assert_eq!(pace.concurrency, expected);
        }
        pace.taken(5, 10, 4);
        assert_eq!(pace.concurrency, 4, "some are left, less than a batch");
        for expected in [3, 2, 1, 1] {
            pace.taken(0, 10, 4);
            assert_eq!(pace.concurrency, expected);
        }
    }

    #[test]
    fn failures_slow_it_down_and_one_good_end_forgives_them() {
        let mut pace = Pace { concurrency: 8, failures: 0 };
        assert_eq!(pace.ended(Ending::Failed), FIRST_REST);
        assert_eq!(pace.ended(Ending::Failed), FIRST_REST * 2);
        assert_eq!(pace.concurrency, 2);
        pace.taken(10, 10, 250);
        assert_eq!(pace.concurrency, 2, "it does not grow while it fails");
        assert_eq!(pace.ended(Ending::Well), Duration::ZERO);
        assert_eq!(pace.ended(Ending::NotDelivered), FIRST_REST);
    }

    proptest! {
        #[test]
        fn it_stays_within_bounds(
            steps in prop::collection::vec((0_u8..4, 0_usize..=10), 0..200), most in 1_u32..=250,
        ) {
            let mut pace = Pace::new();
            for (kind, ready) in steps {
                let rest = match kind {
                    0 => pace.ended(Ending::Well),
                    1 => pace.ended(Ending::Failed),
                    2 => pace.ended(Ending::NotDelivered),
                    _ => { pace.taken(ready, 10, most); Duration::ZERO }
                };
                prop_assert!((1..=most).contains(&pace.concurrency));
                prop_assert!(rest <= LONGEST_ABSENCE);
            }
        }
    }
}
