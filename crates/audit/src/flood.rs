//! How many attempts of callers that nobody knows are kept: whoever knocks must not push out what others did.

use std::time::Duration;

/// Attempts at once.
const BURST: f64 = 200.0;

/// Attempts in a minute.
const PER_MINUTE: f64 = 30.0;

/// Pure: times go in, since some start.
#[derive(Debug)]
pub(crate) struct Flood {
    room: f64,
    at: Duration,
    skipped: u64,
}

impl Default for Flood {
    fn default() -> Self {
        Self { room: BURST, at: Duration::ZERO, skipped: 0 }
    }
}

impl Flood {
    /// Whether one more is kept, and how many before it were not. None: it is not.
    pub(crate) fn take(&mut self, now: Duration) -> Option<u64> {
        let came = now.saturating_sub(self.at).as_secs_f64() / 60.0 * PER_MINUTE;
        self.room = (self.room + came).min(BURST);
        self.at = self.at.max(now);
        if self.room < 1.0 {
            self.skipped += 1;
            return None;
        }
        self.room -= 1.0;
        Some(std::mem::take(&mut self.skipped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_leaves_a_count_and_no_more_than_so_many() {
        let mut flood = Flood::default();
        let kept = (0..1000).filter(|_| flood.take(Duration::ZERO).is_some()).count();
        assert_eq!(kept, 200);
        assert_eq!(flood.take(Duration::from_secs(3)), Some(800));
        assert_eq!(flood.take(Duration::from_secs(3)), None);
        let later = Duration::from_secs(3600);
        assert_eq!((flood.take(later), flood.take(later)), (Some(1), Some(0)));
    }
}
