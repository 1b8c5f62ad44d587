//! Calls of bindings, counted where they are answered: a few atomics each.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::page::{Histogram, Labels, Report, Source};

/// Upper bounds of the histogram's buckets, in microseconds; one more takes the rest.
const BOUNDS_US: [u64; 8] = [100, 500, 1_000, 5_000, 25_000, 100_000, 500_000, 2_500_000];

/// What a binding leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Workers KV.
    Kv,
    /// R2.
    R2,
    /// D1.
    D1,
    /// A queue.
    Queue,
    /// The Cache API.
    Cache,
    /// A rate limit.
    RateLimit,
    /// Analytics Engine.
    Analytics,
}

const KINDS: [(Kind, &str); 7] = [
    (Kind::Kv, "kv"),
    (Kind::R2, "r2"),
    (Kind::D1, "d1"),
    (Kind::Queue, "queue"),
    (Kind::Cache, "cache"),
    (Kind::RateLimit, "ratelimit"),
    (Kind::Analytics, "analytics"),
];

#[derive(Debug, Default)]
struct Counter {
    errors: AtomicU64,
    buckets: [AtomicU64; BOUNDS_US.len() + 1],
    sum_us: AtomicU64,
}

/// What was counted of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OperationCounts {
    /// Calls.
    pub count: u64,
    /// Of those, the ones that failed for a reason of ours.
    pub errors: u64,
}

/// Counts calls of bindings by their kind.
#[derive(Debug, Default)]
pub struct Operations([Counter; KINDS.len()]);

impl Operations {
    /// Counts a call that took so long until its answer's head.
    pub fn record(&self, kind: Kind, took: Duration, failed: bool) {
        let counter = &self.0[kind as usize];
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_US.partition_point(|bound| *bound < micros);
        counter.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        counter.sum_us.fetch_add(micros, Ordering::Relaxed);
        counter.errors.fetch_add(u64::from(failed), Ordering::Relaxed);
    }

    /// What was counted of a kind.
    pub fn counts(&self, kind: Kind) -> OperationCounts {
        let counter = &self.0[kind as usize];
        let count = counter.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum();
        OperationCounts { count, errors: counter.errors.load(Ordering::Relaxed) }
    }
}

impl Source for Operations {
    fn report(&self, report: &mut Report<'_>) {
        let labels = |name: &str| -> Labels { vec![("kind", name.to_owned())] };
        let counts = |of: fn(OperationCounts) -> u64| {
            KINDS.map(|(kind, name)| (labels(name), of(self.counts(kind)) as f64))
        };
        report.counters("storage_operations", "Calls of bindings by kind", counts(|counts| counts.count));
        let help = "Calls of bindings by kind that failed for a reason of the server's";
        report.counters("storage_operation_errors", help, counts(|counts| counts.errors));
        let durations = KINDS.map(|(kind, name)| {
            let counter = &self.0[kind as usize];
            let bounds = BOUNDS_US.iter().map(|bound| *bound as f64 / 1e6).chain([f64::INFINITY]);
            let buckets =
                bounds.zip(&counter.buckets).map(|(bound, count)| (bound, count.load(Ordering::Relaxed)));
            let sum = counter.sum_us.load(Ordering::Relaxed) as f64 / 1e6;
            (labels(name), Histogram { buckets: buckets.collect(), sum })
        });
        report.histograms(
            "storage_operation_duration_seconds",
            "Time until a binding's answer begins, by kind",
            durations,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_place_of_its_own() {
        for (index, (kind, _)) in KINDS.into_iter().enumerate() {
            assert_eq!(kind as usize, index);
        }
        let operations = Operations::default();
        operations.record(Kind::R2, Duration::from_micros(101), true);
        operations.record(Kind::R2, Duration::from_secs(60), false);
        assert_eq!(operations.counts(Kind::R2), OperationCounts { count: 2, errors: 1 });
        assert_eq!(operations.counts(Kind::Kv), OperationCounts::default());
    }
}
