//! The decision, and how much is remembered for it. Pure: the time is given.

use std::time::{Duration, Instant};

use hashlink::LruCache;

/// Keys of one account that are remembered. Beyond them the least recently used begins anew, so that no worker fills
/// the server's memory.
pub(crate) const MOST_KEYS: usize = 1 << 17;

/// What a counter is found by: a hash of namespace, period and key, so that a long key takes no more than a short one.
pub(crate) type Name = [u8; 16];

/// How often a key has passed since its window began.
#[derive(Debug)]
struct Window {
    ends: Instant,
    count: u64,
}

/// The counters of one account.
#[derive(Debug)]
pub(crate) struct Counters {
    windows: LruCache<Name, Window>,
    most: usize,
}

impl Counters {
    pub(crate) fn new(most: usize) -> Self {
        Self { windows: LruCache::new_unbounded(), most }
    }

    /// Whether a key may pass, `limit` times within a `period` that begins when it first does. What may not is not
    /// counted; what may counts `weight` times, and the last that passes may go beyond the limit by that.
    pub(crate) fn admit(
        &mut self,
        name: Name,
        limit: u64,
        period: Duration,
        weight: u64,
        now: Instant,
    ) -> bool {
        self.forget(now);
        let begin = || Window { ends: now + period, count: 0 };
        let window = self.windows.entry(name).or_insert_with(begin);
        if window.ends <= now {
            *window = begin();
        }
        let admitted = window.count < limit;
        if admitted {
            window.count = window.count.saturating_add(weight);
        }
        // Being asked for makes it the last to be forgotten.
        self.windows.get(&name);
        admitted
    }

    /// Forgets two windows that are over, and what is too many: one comes with each call, so they never pile up.
    fn forget(&mut self, now: Instant) {
        for _ in 0..2 {
            let is_over = self.windows.iter().next().is_some_and(|(_, window)| window.ends <= now);
            if is_over || self.windows.len() >= self.most {
                self.windows.remove_lru();
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.windows.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PERIOD: Duration = Duration::from_secs(10);

    fn name(number: usize) -> Name {
        (number as u128).to_le_bytes()
    }

    #[test]
    fn a_key_passes_as_often_as_it_may_within_a_period() {
        let (mut counters, start) = (Counters::new(100), Instant::now());
        let passed = |counters: &mut Counters, after: f64, key| {
            let now = start + Duration::from_secs_f64(after);
            (0..10).filter(|_| counters.admit(name(key), 3, PERIOD, 1, now)).count()
        };
        assert_eq!((passed(&mut counters, 0.0, 1), passed(&mut counters, 0.0, 2)), (3, 3));
        assert_eq!(passed(&mut counters, 9.9, 1), 0);
        assert_eq!(passed(&mut counters, 10.0, 1), 3);
    }

    #[test]
    fn a_window_is_over_though_an_older_one_still_lasts() {
        let (mut counters, start) = (Counters::new(100), Instant::now());
        counters.admit(name(1), 1, 6 * PERIOD, 1, start);
        for (after, expected) in [(0, true), (9, false), (10, true), (11, false)] {
            let now = start + Duration::from_secs(after);
            assert_eq!(counters.admit(name(2), 1, PERIOD, 1, now), expected, "{after}");
        }
    }

    #[test]
    fn a_heavy_call_counts_more() {
        let (mut counters, now) = (Counters::new(100), Instant::now());
        let answers = [2, 2, 2].map(|weight| counters.admit(name(1), 3, PERIOD, weight, now));
        assert_eq!(answers, [true, true, false]);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_goes_when_it_is_over() {
        let (mut counters, start) = (Counters::new(100), Instant::now());
        assert!(counters.admit(name(0), 1, PERIOD, 1, start));
        for key in 1..1000 {
            counters.admit(name(key), 1, PERIOD, 1, start);
            assert!(!counters.admit(name(0), 1, PERIOD, 1, start), "what is used is remembered");
            assert!(counters.len() <= 100);
        }
        for _ in 0..100 {
            counters.admit(name(0), 1, PERIOD, 1, start + 2 * PERIOD);
        }
        assert_eq!(counters.len(), 1);
    }

    proptest! {
        #[test]
        fn never_more_than_the_limit_in_a_window(
            limit in 1_u64..20, gaps in prop::collection::vec(0_u64..3000, 1..200)
        ) {
            let (mut counters, start) = (Counters::new(100), Instant::now());
            let (mut now, mut passed) = (start, Vec::new());
            for gap in gaps {
                now += Duration::from_millis(gap);
                if counters.admit(name(1), limit, PERIOD, 1, now) {
                    passed.push(now);
                }
            }
            // Two windows at most touch any stretch as long as one.
            for (index, from) in passed.iter().enumerate() {
                let within = passed[index..].iter().take_while(|at| **at < *from + PERIOD).count() as u64;
                prop_assert!(within <= 2 * limit);
            }
        }
    }
}
