//! What is counted of requests to functions: since the server started, of an account's and of each.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use hearth_model::{AccountId, WorkerId};
use http::StatusCode;
use parking_lot::Mutex;
use serde_json::{Value, json};

/// Durations of which percentiles are taken, of each function and of all of an account: the latest ones.
const SAMPLES: usize = 512;

/// Counts of one function, or of all of an account.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    total: u64,
    errors: u64,
    in_flight: u64,
    micros: VecDeque<u32>,
}

impl Counts {
    fn begin(&mut self) {
        self.total += 1;
        self.in_flight += 1;
    }

    fn end(&mut self, failed: bool, took: Duration) {
        self.errors += u64::from(failed);
        self.in_flight -= 1;
        if self.micros.len() == SAMPLES {
            self.micros.pop_front();
        }
        self.micros.push_back(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
    }

    /// `requests`, as `/stats` shows them.
    pub fn requests(&self) -> Value {
        json!({"total": self.total, "errors": self.errors, "in_flight": self.in_flight})
    }

    /// `latency_ms`: of the latest requests.
    pub fn latency(&self) -> Value {
        let mut sorted: Vec<u32> = self.micros.iter().copied().collect();
        sorted.sort_unstable();
        let at = |share: f64| {
            let rank = (share * sorted.len() as f64).ceil() as usize;
            sorted.get(rank.saturating_sub(1)).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
        };
        json!({"p50": at(0.50), "p95": at(0.95), "p99": at(0.99)})
    }
}

/// Counts of all functions.
#[derive(Debug)]
pub(super) struct Tally {
    since: Instant,
    counts: Mutex<(HashMap<AccountId, Counts>, HashMap<WorkerId, Counts>)>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { since: Instant::now(), counts: Mutex::default() }
    }
}

impl Tally {
    /// A request has come.
    pub fn begin(&self, account: &AccountId, function: WorkerId) {
        let mut counts = self.counts.lock();
        counts.0.entry(account.clone()).or_default().begin();
        counts.1.entry(function).or_default().begin();
    }

    /// It has been answered, or not (None).
    pub fn end(&self, account: &AccountId, function: WorkerId, status: Option<StatusCode>, took: Duration) {
        let failed = status.is_none_or(|status| status.is_server_error());
        let mut counts = self.counts.lock();
        counts.0.entry(account.clone()).or_default().end(failed, took);
        // It may have been deleted meanwhile.
        if let Some(counts) = counts.1.get_mut(&function) {
            counts.end(failed, took);
        }
    }

    /// Forgets a function.
    pub fn forget(&self, function: WorkerId) {
        self.counts.lock().1.remove(&function);
    }

    /// What was counted of all of an account.
    pub fn all(&self, account: &AccountId) -> Counts {
        self.counts.lock().0.get(account).cloned().unwrap_or_default()
    }

    /// What was counted of one.
    pub fn of(&self, function: WorkerId) -> Counts {
        self.counts.lock().1.get(&function).cloned().unwrap_or_default()
    }

    /// Seconds since the server started.
    pub fn uptime(&self) -> u64 {
        self.since.elapsed().as_secs()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_and_the_latest_give_the_percentiles() {
        let tally = Tally::default();
        let (id, account, other) = (WorkerId::random(), AccountId::random(), AccountId::random());
        for millis in 1..=100 {
            tally.begin(&account, id);
            let status = if millis == 1 { StatusCode::BAD_GATEWAY } else { StatusCode::OK };
            tally.end(&account, id, Some(status), Duration::from_millis(millis));
        }
        tally.begin(&account, id);
        assert_eq!(tally.of(id).requests(), json!({"total": 101, "errors": 1, "in_flight": 1}));
        assert_eq!(tally.all(&account).latency(), json!({"p50": 50.0, "p95": 95.0, "p99": 99.0}));
        tally.forget(id);
        tally.end(&account, id, None, Duration::ZERO);
        assert_eq!(tally.all(&account).requests()["errors"], 2);
        assert_eq!(tally.all(&other).requests()["total"], 0);
        assert_eq!(tally.of(id).requests()["total"], 0);
        for _ in 0..SAMPLES {
            tally.begin(&account, id);
            tally.end(&account, id, Some(StatusCode::OK), Duration::from_millis(7));
        }
        assert_eq!(tally.all(&account).latency()["p99"], 7.0);
    }
}
