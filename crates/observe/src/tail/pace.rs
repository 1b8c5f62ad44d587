//! How much a tail is sent. Pure: times are milliseconds on any clock that does not go back.

/// Messages that a tail is sent in a second before it only gets a sample.
pub(crate) const MOST_A_SECOND: u32 = 250;

const SECOND: u64 = 1000;

/// How many quiet seconds end the sampling.
const CALM_SECONDS: u32 = 3;

/// What becomes of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// It is sent.
    pub send: bool,
    /// What the viewer is told before it.
    pub notice: Option<Notice>,
}

/// What a viewer is told of its tail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// From now on it gets a sample.
    Overload,
    /// From now on it gets everything again.
    OverloadStop,
}

/// The pace of one tail.
#[derive(Debug)]
pub(crate) struct Pace {
    second: u64,
    seen: u32,
    sent: u32,
    /// Share of the messages that is sent; None: all.
    share: Option<f64>,
    calm: u32,
}

impl Pace {
    pub(crate) fn new(now_ms: u64) -> Self {
        Self { second: now_ms / SECOND, seen: 0, sent: 0, share: None, calm: 0 }
    }

    /// A message that passed the filters. `dice` is random, from 0 to 1.
    pub(crate) fn message(&mut self, now_ms: u64, dice: f64) -> Verdict {
        let mut notice = self.tick(now_ms);
        self.seen += 1;
        let send = self.sent < MOST_A_SECOND && self.share.is_none_or(|share| dice < share);
        if !send && self.share.is_none() {
            notice = self.overloaded();
        }
        self.sent += u32::from(send);
        Verdict { send, notice }
    }

    /// The viewer does not take what it is sent.
    pub(crate) fn blocked(&mut self) -> Option<Notice> {
        self.calm = 0;
        if self.share.is_some() { None } else { self.overloaded() }
    }

    /// Time has passed.
    pub(crate) fn tick(&mut self, now_ms: u64) -> Option<Notice> {
        let second = now_ms / SECOND;
        if second <= self.second {
            return None;
        }
        let passed = u32::try_from(second - self.second).unwrap_or(u32::MAX);
        let seen = std::mem::take(&mut self.seen);
        self.sent = 0;
        self.second = second;
        self.share?;
        // Of several seconds that passed, only the first one had messages.
        self.calm = match seen > MOST_A_SECOND {
            true => passed - 1,
            false => self.calm.saturating_add(passed),
        };
        if self.calm >= CALM_SECONDS {
            self.share = None;
            return Some(Notice::OverloadStop);
        }
        self.share = Some(f64::from(MOST_A_SECOND) / f64::from(seen.max(MOST_A_SECOND)));
        None
    }

    fn overloaded(&mut self) -> Option<Notice> {
        self.share = Some(1.0);
        self.calm = 0;
        Some(Notice::Overload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends so many messages in one second and gives how many went out, and what was said.
    fn second(pace: &mut Pace, at: u64, count: u32) -> (u32, Vec<Notice>) {
        let (mut sent, mut notices) = (0, Vec::new());
        for n in 0..count {
            // Evenly spread, as good dice are.
            let verdict = pace.message(at * SECOND + 1, f64::from(n * 7919 % count) / f64::from(count));
            sent += u32::from(verdict.send);
            notices.extend(verdict.notice);
        }
        (sent, notices)
    }

    #[test]
    fn up_to_the_limit_everything_is_sent() {
        let mut pace = Pace::new(0);
        for at in 0..10 {
            assert_eq!(second(&mut pace, at, MOST_A_SECOND), (MOST_A_SECOND, vec![]));
        }
    }

    #[test]
    fn a_flood_is_sampled_said_once_and_said_when_it_is_over() {
        let mut pace = Pace::new(0);
        assert_eq!(second(&mut pace, 0, 1000), (MOST_A_SECOND, vec![Notice::Overload]));
        for at in 1..5 {
            let (sent, notices) = second(&mut pace, at, 1000);
            assert_eq!(notices, []);
            assert!((200..=MOST_A_SECOND).contains(&sent), "{sent} of 1000");
        }
        assert_eq!(second(&mut pace, 5, 10).1, []);
        assert_eq!(second(&mut pace, 6, 10), (10, vec![]));
        assert_eq!(second(&mut pace, 7, 10), (10, vec![]));
        assert_eq!(second(&mut pace, 8, 10), (10, vec![Notice::OverloadStop]));
        assert_eq!(second(&mut pace, 9, 10), (10, vec![]));
    }

    #[test]
    fn silence_ends_the_sampling_too() {
        let mut pace = Pace::new(0);
        second(&mut pace, 0, 1000);
        assert_eq!(pace.tick(1000), None);
        assert_eq!(pace.tick(2000), None);
        assert_eq!(pace.tick(3000), None);
        assert_eq!(pace.tick(4000), Some(Notice::OverloadStop));
        assert_eq!(pace.tick(5000), None);
    }

    #[test]
    fn who_does_not_read_is_told() {
        let mut pace = Pace::new(0);
        assert_eq!(pace.blocked(), Some(Notice::Overload));
        assert_eq!(pace.blocked(), None);
    }
}
