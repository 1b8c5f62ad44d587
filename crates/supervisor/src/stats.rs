//! What is counted of processes, for metrics. Starts, ends and looks of the monitor write here; no request does.

use std::collections::HashMap;
use std::time::Duration;

use hearth_model::WorkerId;
use parking_lot::Mutex;

use crate::{Death, Supervisor};

/// Upper bounds of the histogram of starts, in microseconds; one more bucket takes the rest.
pub const START_BOUNDS_US: [u64; 9] =
    [5_000, 10_000, 15_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 5_000_000];

/// What was counted of one worker since the server started, and what its processes use now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkerStats {
    /// Processes that came to listen.
    pub starts: u64,
    /// Those that did not.
    pub failed_starts: u64,
    /// Starts by how long they took until the process listened, by [`START_BOUNDS_US`].
    pub start_times: [u64; START_BOUNDS_US.len() + 1],
    /// Sum of those times.
    pub start_time: Duration,
    /// Processes that ended, by [`Death::label`].
    pub deaths: HashMap<&'static str, u64>,
    /// CPU time of all its processes, as of the last look at each.
    pub cpu: Duration,
    /// Memory of the ones that live, in bytes, as of the last look at each.
    pub memory: u64,
    /// Processes that live.
    pub processes: usize,
    /// Requests and calls in them now.
    pub in_flight: usize,
}

/// Counts by worker.
#[derive(Debug, Default)]
pub(crate) struct Tallies(Mutex<HashMap<WorkerId, WorkerStats>>);

impl Tallies {
    /// A process listens, so long after it was wanted.
    pub(crate) fn started(&self, worker: WorkerId, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let mut tallies = self.0.lock();
        let stats = tallies.entry(worker).or_default();
        stats.starts += 1;
        stats.start_time += took;
        stats.start_times[START_BOUNDS_US.partition_point(|bound| *bound < micros)] += 1;
    }

    /// A process did not come to listen.
    pub(crate) fn failed(&self, worker: WorkerId) {
        self.0.lock().entry(worker).or_default().failed_starts += 1;
    }

    /// A process ended.
    pub(crate) fn ended(&self, worker: WorkerId, death: Death) {
        *self.0.lock().entry(worker).or_default().deaths.entry(death.label()).or_default() += 1;
    }

    /// A process has used so much CPU since the last look at it.
    pub(crate) fn burned(&self, worker: WorkerId, cpu: Duration) {
        if !cpu.is_zero() {
            self.0.lock().entry(worker).or_default().cpu += cpu;
        }
    }
}

impl Supervisor {
    /// What was counted of the workers that `exists` knows; of others it is forgotten.
    pub fn stats(&self, exists: impl Fn(WorkerId) -> bool) -> HashMap<WorkerId, WorkerStats> {
        let mut stats = {
            let mut tallies = self.shared.tallies.0.lock();
            tallies.retain(|worker, _| exists(*worker));
            tallies.clone()
        };
        let mut running: Vec<_> = self.shared.running.lock().values().cloned().collect();
        running.extend(self.shared.inspected.all());
        for running in running {
            let instance = &running.instance;
            if exists(instance.key.worker) {
                let stats = stats.entry(instance.key.worker).or_default();
                stats.processes += 1;
                stats.in_flight += instance.in_flight();
                stats.memory += running.monitored.lock().memory();
            }
        }
        stats
    }

    /// Parked processes that are ready.
    pub fn spares(&self) -> usize {
        self.shared.spares.ready() + self.shared.parks.ready()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workers_processes_are_counted_together() {
        let tallies = Tallies::default();
        let worker = WorkerId::random();
        tallies.started(worker, Duration::from_millis(5));
        tallies.started(worker, Duration::from_secs(60));
        tallies.failed(worker);
        tallies.ended(worker, Death::Memory);
        tallies.burned(worker, Duration::from_millis(3));
        tallies.burned(WorkerId::random(), Duration::ZERO);
        let all = tallies.0.lock();
        assert_eq!(all.len(), 1, "who uses nothing is not kept");
        let stats = &all[&worker];
        assert_eq!((stats.starts, stats.failed_starts, stats.deaths["memory"]), (2, 1, 1));
        assert_eq!((stats.start_times[0], stats.start_times[9]), (1, 1));
        assert_eq!(stats.cpu, Duration::from_millis(3));
    }
}
