//! How often somebody may guess. Pure: the caller says what time it is.
//!
//! The generic cell rate algorithm (ITU-T I.371): a key has one number, the moment at which it would be as if it had never
//! tried. A wrong attempt pushes that away; so many may be ahead of time at once.

use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

use hashlink::LruCache;

/// How often.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Attempts at once.
    pub burst: u32,
    /// Then one in each such time.
    pub every: Duration,
}

/// Counts attempts by key. Of more keys than it has room for, those that tried least lately are forgotten.
pub struct Throttle<K> {
    rate: Rate,
    /// When the attempts of a key are paid off, as time since the server began.
    paid: LruCache<K, Duration>,
}

impl<K: Hash + Eq> Throttle<K> {
    /// For so many keys.
    pub fn new(rate: Rate, room: usize) -> Self {
        Self { rate, paid: LruCache::new(room) }
    }

    /// Counts an attempt before its outcome is known, so that many at once do not slip through.
    ///
    /// # Errors
    /// How long until the next one is let in.
    pub fn attempt(&mut self, key: K, now: Duration) -> Result<(), Duration> {
        let paid = self.paid.get(&key).copied().unwrap_or_default().max(now);
        let ahead = (paid - now).saturating_sub(self.rate.every * (self.rate.burst - 1));
        if !ahead.is_zero() {
            return Err(ahead);
        }
        self.paid.insert(key, paid + self.rate.every);
        Ok(())
    }

    /// Takes an attempt back: it was right.
    pub fn forgive(&mut self, key: &K) {
        if let Some(paid) = self.paid.get_mut(key) {
            *paid = paid.saturating_sub(self.rate.every);
        }
    }
}

/// What counts as one address: of IPv6 whoever has one has all of its network.
pub fn network(ip: IpAddr) -> u128 {
    match ip.to_canonical() {
        IpAddr::V4(ip) => u128::from(ip.to_bits()),
        IpAddr::V6(ip) => ip.to_bits() & !u128::from(u64::MAX),
    }
}

/// What counts as one person, known or not.
pub fn person(email: &str) -> [u8; 32] {
    *blake3::hash(email.trim().to_lowercase().as_bytes()).as_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: Rate = Rate { burst: 3, every: Duration::from_secs(10) };

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_burst_and_then_one_at_a_time() {
        let mut throttle = Throttle::new(RATE, 10);
        for _ in 0..3 {
            throttle.attempt("a", at(100)).unwrap();
        }
        assert_eq!(throttle.attempt("a", at(100)), Err(at(10)));
        assert_eq!(throttle.attempt("a", at(103)), Err(at(7)), "what is refused costs nothing");
        throttle.attempt("b", at(103)).unwrap();
        throttle.attempt("a", at(110)).unwrap();
        throttle.forgive(&"a");
        throttle.attempt("a", at(110)).unwrap();
        assert!(throttle.attempt("a", at(110)).is_err());
    }

    #[test]
    fn its_memory_is_bounded() {
        let mut throttle = Throttle::new(RATE, 10);
        for key in 0..1000 {
            throttle.attempt(key, at(0)).unwrap();
        }
        assert_eq!(throttle.paid.len(), 10);
    }

    #[test]
    fn one_network_is_one_guesser() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(person(" Ann@Corp.test"), person("ann@corp.test"));
    }

    proptest! {
        /// Whatever the times of attempts: in no stretch of time are there more than the burst and what it earns.
        #[test]
        fn no_history_gets_more_than_the_rate(gaps in prop::collection::vec(0_u64..30, 1..100)) {
            let mut throttle = Throttle::new(RATE, 10);
            let (mut now, mut taken) = (0, Vec::new());
            for gap in gaps {
                now += gap;
                if let Err(wait) = throttle.attempt((), at(now)) {
                    now += wait.as_secs();
                    prop_assert!(throttle.attempt((), at(now)).is_ok(), "it was told when");
                }
                taken.push(now);
            }
            for (index, begin) in taken.iter().enumerate() {
                for (count, end) in taken[index..].iter().enumerate() {
                    let most = u64::from(RATE.burst) + (end - begin) / RATE.every.as_secs();
                    prop_assert!((count as u64) < most, "{taken:?}");
                }
            }
        }
    }
}
