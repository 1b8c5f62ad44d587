//! Decides whether a process has burned more CPU than its worker may. Pure.
//!
//! workerd neither limits nor reports CPU (workerd.md 0), and "no request moved" says nothing while others arrive. So
//! two things are held against each other: whether the event loop still turns (the heartbeat) and what the process
//! has burned (its cgroup).

use std::time::Duration;

use crate::Death;

/// What the event loop may be late by under heavy but yielding work, in CPU time: the heartbeat was at worst 22 ms
/// late there (workerd.md 9).
const SLACK: Duration = Duration::from_millis(50);

/// What one look at a process saw.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// CPU time burned since the process started.
    pub cpu: Duration,
    /// CPU time burned when the newest answered heartbeat was sent.
    pub cpu_at_beat: Duration,
    /// Requests and calls in it now.
    pub in_flight: usize,
    /// Requests and calls since it started.
    pub served: u64,
}

/// The CPU account of one process.
#[derive(Debug)]
pub(crate) struct Watch {
    limit: Duration,
    since: Option<Baseline>,
    last_cpu: Duration,
}

/// The last moment at which the process had nothing to do.
#[derive(Debug, Clone, Copy)]
struct Baseline {
    cpu: Duration,
    served: u64,
}

impl Watch {
    /// `limit` is the CPU time that one request may take.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, since: None, last_cpu: Duration::ZERO }
    }

    /// Takes a look and says whether the process must end.
    pub(crate) fn observe(&mut self, sample: Sample) -> Option<Death> {
        let burned = sample.cpu.saturating_sub(self.last_cpu);
        self.last_cpu = sample.cpu;
        let here = Baseline { cpu: sample.cpu, served: sample.served };
        let since = *self.since.get_or_insert(here);
        if sample.cpu.saturating_sub(sample.cpu_at_beat) > self.limit + SLACK {
            return Some(Death::Stuck);
        }
        if sample.in_flight == 0 && burned < Duration::from_millis(1) {
            self.since = Some(here);
            return None;
        }
        // Requests that were in flight at the baseline count too: the first one is the `+ 1`.
        let requests = u32::try_from(sample.served - since.served + 1).unwrap_or(u32::MAX);
        let budget = self.limit.saturating_mul(requests) + SLACK;
        (sample.cpu.saturating_sub(since.cpu) > budget).then_some(Death::CpuBudget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn sample(cpu: u64, cpu_at_beat: u64, in_flight: usize, served: u64) -> Sample {
        Sample { cpu: ms(cpu), cpu_at_beat: ms(cpu_at_beat), in_flight, served }
    }

    #[test]
    fn a_loop_is_stuck_when_it_has_burned_its_limit_without_a_beat() {
        let mut watch = Watch::new(ms(100));
        assert_eq!(watch.observe(sample(10, 10, 1, 1)), None);
        assert_eq!(watch.observe(sample(110, 10, 1, 1)), None);
        assert_eq!(watch.observe(sample(161, 10, 1, 1)), Some(Death::Stuck));
    }

    #[test]
    fn arriving_requests_do_not_excuse_a_loop() {
        let mut watch = Watch::new(ms(100));
        assert_eq!(watch.observe(sample(10, 10, 1, 1)), None);
        assert_eq!(watch.observe(sample(200, 10, 50, 500)), Some(Death::Stuck));
    }

    #[test]
    fn a_silent_process_that_burns_nothing_is_only_slow() {
        let mut watch = Watch::new(ms(100));
        for _ in 0..100 {
            assert_eq!(watch.observe(sample(10, 0, 1, 1)), None);
        }
    }

    #[test]
    fn a_request_that_yields_has_a_budget_too() {
        let mut watch = Watch::new(ms(100));
        assert_eq!(watch.observe(sample(0, 0, 0, 0)), None);
        assert_eq!(watch.observe(sample(100, 99, 1, 0)), None);
        assert_eq!(watch.observe(sample(160, 159, 1, 0)), Some(Death::CpuBudget));
    }

    #[test]
    fn many_requests_have_many_budgets_and_rest_begins_anew() {
        let mut watch = Watch::new(ms(100));
        watch.observe(sample(0, 0, 0, 0));
        assert_eq!(watch.observe(sample(900, 899, 3, 10)), None);
        assert_eq!(watch.observe(sample(900, 900, 0, 10)), None);
        assert_eq!(watch.observe(sample(1060, 1059, 1, 10)), Some(Death::CpuBudget));
    }
}
