//! One-time codes that bring a browser from the control host back to an application. Pure but for the clock that is handed
//! in.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// How long a code is good for: a redirect takes no longer.
const LIFE: Duration = Duration::from_secs(60);

/// Codes at a time; beyond these the oldest are worth nothing.
const MOST: usize = 4096;

/// What a code stands for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Granted<T> {
    /// Where it may be used: the authority of the application's host.
    pub authority: String,
    /// SHA-256 of what the browser holds that was sent away from there.
    pub nonce: [u8; 32],
    /// What it is good for.
    pub what: T,
}

/// The codes that were not used yet, by their digests.
pub(crate) struct Codes<T>(HashMap<[u8; 32], (Granted<T>, Instant)>);

impl<T> Default for Codes<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

pub(crate) fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

impl<T> Codes<T> {
    /// Makes a code good.
    pub(crate) fn grant(&mut self, code: &str, granted: Granted<T>, now: Instant) {
        self.0.retain(|_, (_, made)| now.saturating_duration_since(*made) < LIFE);
        if self.0.len() >= MOST
            && let Some(oldest) = self.0.iter().min_by_key(|(_, (_, made))| *made).map(|(code, _)| *code)
        {
            self.0.remove(&oldest);
        }
        self.0.insert(digest(code), (granted, now));
    }

    /// What a code stands for, at the host that it is for and in the browser that it was made for. Whatever comes of it, it
    /// is spent.
    pub(crate) fn spend(
        &mut self,
        code: &str,
        authority: &str,
        nonce: Option<&str>,
        now: Instant,
    ) -> Option<T> {
        let (granted, made) = self.0.remove(&digest(code))?;
        let fits = now.saturating_duration_since(made) < LIFE
            && granted.authority.eq_ignore_ascii_case(authority)
            && nonce.is_some_and(|nonce| digest(nonce) == granted.nonce);
        fits.then_some(granted.what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted() -> Granted<u8> {
        Granted { authority: "a.test:80".into(), nonce: digest("n"), what: 7 }
    }

    #[test]
    fn a_code_is_good_once_soon_there_and_for_the_browser_that_asked() {
        let (mut codes, now) = (Codes::default(), Instant::now());
        codes.grant("c", granted(), now);
        assert_eq!(codes.spend("d", "a.test:80", Some("n"), now), None);
        assert_eq!(codes.spend("c", "A.test:80", Some("n"), now), Some(7));
        assert_eq!(codes.spend("c", "a.test:80", Some("n"), now), None, "it was spent");
        for (authority, nonce, later) in [
            ("b.test:80", Some("n"), Duration::ZERO),
            ("a.test:81", Some("n"), Duration::ZERO),
            ("a.test:80", Some("m"), Duration::ZERO),
            ("a.test:80", None, Duration::ZERO),
            ("a.test:80", Some("n"), LIFE),
        ] {
            codes.grant("c", granted(), now);
            assert_eq!(codes.spend("c", authority, nonce, now + later), None, "{authority} {nonce:?}");
            assert_eq!(codes.spend("c", "a.test:80", Some("n"), now), None, "and it is spent all the same");
        }
    }

    #[test]
    fn there_are_only_so_many() {
        let (mut codes, now) = (Codes::default(), Instant::now());
        for n in 0..=MOST {
            codes.grant(&n.to_string(), granted(), now + Duration::from_nanos(n as u64));
        }
        assert_eq!(codes.0.len(), MOST);
        assert_eq!(codes.spend("0", "a.test:80", Some("n"), now), None);
    }
}
