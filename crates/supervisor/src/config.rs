//! The supervisor's settings.

use std::path::PathBuf;
use std::time::Duration;

use crate::output::Console;
use crate::plan::{Rules, Tracing};

/// What an operator may set about processes.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where instance folders and sockets are; its path is short, since a socket's may have 107 bytes.
    pub run_dir: PathBuf,
    /// Parked processes kept ready.
    pub spares: usize,
    /// Bytes that all instances together may use before idle ones leave.
    pub memory_budget: u64,
    /// Most processes alive at a time.
    pub max_processes: usize,
    /// Most processes of one version that serve at a time.
    pub max_per_worker: usize,
    /// Cores that must have nothing to do before a busy worker gets another process.
    pub spare_cores: f64,
    /// How long a busy worker with Durable Objects must have had a process more than it needs before one leaves.
    pub cool_down: Duration,
    /// Requests in flight in one process before callers get 503.
    pub max_in_flight: usize,
    /// Requests that may wait for one version to start before callers get 503.
    pub max_waiting: usize,
    /// Starts carried out at a time.
    pub max_starting: usize,
    /// How long a start may take, from the configuration to listening.
    pub start_timeout: Duration,
    /// How long an unused instance stays while memory lasts.
    pub idle_timeout: Duration,
    /// How long after its last response an instance is kept for `waitUntil`.
    pub linger: Duration,
    /// How long the requests of a draining process may take.
    pub drain_timeout: Duration,
    /// How long a process may take to leave after SIGTERM.
    pub stop_grace: Duration,
    /// How long requests in a process with Durable Objects have to finish when another version is to take over: those
    /// who come meanwhile wait.
    pub swap_window: Duration,
    /// Parked processes kept ready for each runtime of functions, once one was wanted.
    pub function_spares: usize,
    /// Most processes of one function: each takes one call at a time.
    pub max_per_function: usize,
    /// Calls that may wait for one of a function's processes before callers get 503.
    pub max_queued_calls: usize,
    /// How long a call may wait for one of a function's processes.
    pub queue_timeout: Duration,
    /// Where the storage of Durable Objects lies: a folder for each namespace.
    pub objects: PathBuf,
    /// Open files of one process.
    pub open_files: u64,
    /// Processes and threads of one instance.
    pub tasks: u64,
    /// Which processes send traces of their invocations to `tail.sock` for the log's sake.
    pub tails: Tails,
    /// How long a process goes on reporting its invocations when nobody wants that any more.
    pub trace_linger: Duration,
}

/// Whose processes report every invocation because the operator wants it on the log. A worker that somebody watches, or
/// whose settings ask for its logs, is reported whatever this says. It costs each of them, whether they log or not
/// (SPECIFICATION.md).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tails {
    /// Nobody's, and what is reported for others to see is not on the log. Their console is not on the log either.
    None,
    /// Nobody's: what is reported anyway is on the log. The console of others is on the log as they print it.
    #[default]
    Observed,
    /// Everybody's.
    All,
}

impl Tails {
    /// Where the console of a process goes that reports its invocations, or does not.
    pub(crate) fn console(self, tracing: Tracing) -> Console {
        match self {
            Self::Observed | Self::All if tracing == Tracing::Off => Console::Logged,
            _ => Console::Elsewhere,
        }
    }
}

impl Config {
    /// The defaults for a machine with this many cores and bytes of memory.
    pub fn for_machine(run_dir: PathBuf, objects: PathBuf, cores: usize, memory: u64) -> Self {
        Self {
            run_dir,
            objects,
            spares: 4,
            memory_budget: memory / 2,
            max_processes: 4096,
            max_per_worker: cores.max(1),
            spare_cores: 0.5,
            cool_down: Duration::from_secs(30),
            max_in_flight: 4096,
            max_waiting: 8192,
            max_starting: cores.max(1) * 2,
            start_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(3600),
            linger: Duration::from_secs(30),
            drain_timeout: Duration::from_secs(300),
            stop_grace: Duration::from_secs(5),
            swap_window: Duration::from_secs(1),
            function_spares: 2,
            max_per_function: cores.max(1) * 8,
            max_queued_calls: 1024,
            queue_timeout: Duration::from_secs(10),
            open_files: 65_536,
            tasks: 128,
            tails: Tails::default(),
            trace_linger: Duration::from_secs(60),
        }
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules {
            memory_budget: self.memory_budget,
            max_processes: self.max_processes,
            max_per_key: self.max_per_worker,
            spare_cores: self.spare_cores,
            cool_down: self.cool_down,
            max_per_function: self.max_per_function,
            idle_timeout: self.idle_timeout,
            linger: self.linger,
            drain_timeout: self.drain_timeout,
            stop_grace: self.stop_grace,
            swap_window: self.swap_window,
            backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(30),
            trace_linger: self.trace_linger,
        }
    }
}
