//! The rate limit binding: how often a key may pass within 10 or 60 seconds.
//!
//! All processes of all workers of an account that name one namespace share its counters, which live here, in memory:
//! a restart begins anew, as it does at another location of Cloudflare's. A key's window begins when it first passes;
//! `wrangler dev` cuts windows by the clock.

#![forbid(unsafe_code)]

mod counters;
mod wire;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::counters::{Counters, MOST_KEYS};

/// The counters of all accounts. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Limits(Arc<Mutex<HashMap<String, Counters>>>);

impl Limits {
    /// Counts a call. `weight`: how many it counts for.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the one call that there is")]
    pub(crate) fn admit(
        &self,
        account: &str,
        namespace: &str,
        key: &str,
        limit: u64,
        period: Duration,
        weight: u64,
        now: Instant,
    ) -> bool {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&period.as_secs().to_le_bytes());
        for part in [namespace, key] {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        let mut name = [0; 16];
        hasher.finalize_xof().fill(&mut name);
        let mut accounts = self.0.lock();
        let counters = accounts.entry(account.to_owned()).or_insert_with(|| Counters::new(MOST_KEYS));
        counters.admit(name, limit, period, weight, now)
    }

    /// Keys that are remembered.
    pub fn keys(&self) -> usize {
        self.0.lock().values().map(Counters::len).sum()
    }
}
