//! Why a process ended.

/// Why an instance's process ended, as its callers and its log are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// It burned CPU without answering its heartbeat: an endless loop.
    Stuck,
    /// It burned more CPU than its budget while it did answer.
    CpuBudget,
    /// The process went over its memory limit, or V8's heap over the isolate's.
    Memory,
    /// A function's call took longer than its timeout.
    Timeout,
    /// It did not become ready in the time a start may take.
    StartTimeout,
    /// It ended by itself or by a signal nobody here sent.
    Crashed,
    /// We asked it to leave: drained, idle or shutting down.
    Stopped,
}

impl Death {
    /// The reason as a metric label and in logs.
    pub fn label(self) -> &'static str {
        match self {
            Self::Stuck => "stuck",
            Self::CpuBudget => "cpu_budget",
            Self::Memory => "memory",
            Self::Timeout => "timeout",
            Self::StartTimeout => "start_timeout",
            Self::Crashed => "crashed",
            Self::Stopped => "stopped",
        }
    }

    /// Whether the worker itself is to blame, which Cloudflare answers with error 1102.
    pub fn is_limit(self) -> bool {
        matches!(self, Self::Stuck | Self::CpuBudget | Self::Memory | Self::Timeout)
    }

    /// A sentence for the worker's own log.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Stuck | Self::CpuBudget => "Worker exceeded CPU time limit.",
            Self::Memory => "Worker exceeded memory limit.",
            Self::Timeout => "The function's call took longer than its timeout.",
            Self::StartTimeout => "Worker did not start in time.",
            Self::Crashed => "The worker's process ended unexpectedly.",
            Self::Stopped => "The worker's process was stopped.",
        }
    }
}
