//! How much of what one instance does may be written to the operator's log. Pure: the time is given.

use std::time::{Duration, Instant};

/// How long one allowance lasts.
pub(crate) const WINDOW: Duration = Duration::from_secs(1);

/// Lines per [`WINDOW`].
const ALLOWANCE: u32 = 5;

/// What to do about one event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Write it.
    Write,
    /// Leave it out, and call [`Throttle::close`] when [`WINDOW`] has passed.
    LeaveOutAndClose,
    /// Leave it out; somebody will call [`Throttle::close`].
    LeaveOut,
}

/// Counts what is written and what is left out.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    began: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl Throttle {
    pub fn event(&mut self, now: Instant) -> Verdict {
        // A window in which something was left out ends only with its count.
        if self.left_out == 0 && self.began.is_none_or(|began| now.duration_since(began) >= WINDOW) {
            *self = Self { began: Some(now), ..Self::default() };
        }
        if self.written < ALLOWANCE {
            self.written += 1;
            return Verdict::Write;
        }
        self.left_out += 1;
        if self.left_out == 1 { Verdict::LeaveOutAndClose } else { Verdict::LeaveOut }
    }

    /// Ends the window: how many events were left out of it.
    pub fn close(&mut self) -> u64 {
        std::mem::take(self).left_out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_written_as_a_few_lines_and_a_count() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        let verdicts: Vec<Verdict> = (0..1000).map(|_| throttle.event(now)).collect();
        let few = ALLOWANCE as usize;
        assert!(verdicts[..few].iter().all(|verdict| *verdict == Verdict::Write));
        assert_eq!(verdicts[few], Verdict::LeaveOutAndClose);
        assert!(verdicts[few + 1..].iter().all(|verdict| *verdict == Verdict::LeaveOut));
        assert_eq!(throttle.event(now + 2 * WINDOW), Verdict::LeaveOut, "nobody has asked for the count yet");
        assert_eq!(throttle.close(), 1001 - u64::from(ALLOWANCE));
        assert_eq!(throttle.event(now + 2 * WINDOW), Verdict::Write);
    }

    #[test]
    fn a_little_now_and_then_is_written_in_full() {
        let (mut throttle, now) = (Throttle::default(), Instant::now());
        for second in 0..100 {
            for _ in 0..ALLOWANCE {
                assert_eq!(throttle.event(now + WINDOW * second), Verdict::Write);
            }
        }
        assert_eq!(throttle.close(), 0);
    }
}
