//! How many requests a second one instance may make. Pure: the time is given.

use std::time::{Duration, Instant};

/// An allowance that refills steadily and holds at most two seconds' worth: a burst is no flood.
#[derive(Debug)]
pub(crate) struct Rate {
    /// The time that one request costs.
    cost: Duration,
    /// When the allowance is full again, if nothing more is asked for.
    full_at: Option<Instant>,
}

/// How far a burst may run ahead of the rate.
const BURST: Duration = Duration::from_secs(2);

impl Rate {
    pub fn new(per_second: u32) -> Self {
        Self { cost: Duration::from_secs(1) / per_second.max(1), full_at: None }
    }

    /// Whether one more request is within the rate. One that is not costs nothing.
    pub fn allows(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now)) + self.cost;
        let allowed = full_at - now <= BURST;
        if allowed {
            self.full_at = Some(full_at);
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_a_flood_is_cut_to_the_rate() {
        let (mut rate, start) = (Rate::new(100), Instant::now());
        let passed = |rate: &mut Rate, now| (0..1000).filter(|_| rate.allows(now)).count();
        assert_eq!(passed(&mut rate, start), 200);
        assert_eq!(passed(&mut rate, start), 0);
        assert_eq!(passed(&mut rate, start + Duration::from_secs(1)), 100);
        assert_eq!(
            passed(&mut rate, start + Duration::from_secs(3600)),
            200,
            "no more than a burst is saved up"
        );
    }

    #[test]
    fn a_steady_stream_within_the_rate_passes() {
        let (mut rate, start) = (Rate::new(100), Instant::now());
        assert!((0..10_000).all(|tick| rate.allows(start + Duration::from_millis(10) * tick)));
    }
}
