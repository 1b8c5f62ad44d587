//! One running process as the data plane sees it: where to connect, what is in flight, whether it is leaving.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use hearth_model::{VersionId, WorkerId};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::Death;
use crate::connection::PooledConnection;
use crate::function::{Turns, Visits};

/// How long a failed request waits to learn that its process has died, and of what. The kernel closes a dead
/// process's sockets before its parent is told, so the failure is seen first.
const DEATH_NOTICE: Duration = Duration::from_millis(500);

/// What a process is for. At most one owner exists for a host; fronts and stateless workers may have many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// The worker and its Durable Objects in one process: the usual.
    Fused,
    /// A version of a worker with Durable Objects without these: they are in another process, to which its calls to
    /// them go. That one runs another version, in a gradual deployment, or the same, of a worker that is busy.
    Front,
    /// A version for a debugger, with Durable Objects of its own that end with the process. Nobody is routed to it.
    Inspected,
}

/// The identity of an instance. Processes of a hot stateless worker share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceKey {
    /// The worker.
    pub worker: WorkerId,
    /// What the process is for.
    pub role: Role,
    /// The version it runs.
    pub version: VersionId,
    /// Which part of the worker's objects; 0 until objects are spread.
    pub shard: u32,
}

impl InstanceKey {
    /// The usual process of a version.
    pub fn fused(worker: WorkerId, version: VersionId) -> Self {
        Self { worker, role: Role::Fused, version, shard: 0 }
    }

    /// A process of a version that a debugger is to be attached to.
    pub(crate) fn inspected(worker: WorkerId, version: VersionId) -> Self {
        Self { role: Role::Inspected, ..Self::fused(worker, version) }
    }

    /// A process of a version that leaves the worker's objects to another.
    pub fn front(worker: WorkerId, version: VersionId) -> Self {
        Self { role: Role::Front, ..Self::fused(worker, version) }
    }
}

impl fmt::Display for InstanceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.worker, self.version)
    }
}

/// Where an instance is in its life, as its leases see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Serving,
    Draining,
    Dead(Death),
}

/// A configured process.
#[derive(Debug)]
pub struct Instance {
    /// Whose it is.
    pub key: InstanceKey,
    /// Unique among all processes of this run.
    pub serial: u64,
    pub(crate) http_socket: PathBuf,
    pub(crate) debug_socket: PathBuf,
    pub(crate) in_flight: AtomicUsize,
    /// Of these, what may stay long and do little, as a WebSocket does.
    pub(crate) lasting: AtomicUsize,
    pub(crate) served: AtomicU64,
    /// Calls to its objects from fronts of its own worker.
    pub(crate) forwarded: AtomicU64,
    pub(crate) last_used: Mutex<tokio::time::Instant>,
    pub(crate) phase: watch::Sender<Phase>,
    open: watch::Sender<bool>,
    pub(crate) idle_connections: Mutex<Vec<PooledConnection>>,
    /// Of a function: who waits for a place in one of its processes, each of which has one.
    pub(crate) turns: Option<Arc<Turns>>,
    /// Of a function: calls over its host, until it is known what became of them.
    pub(crate) visits: Visits,
    /// Of a function: somebody watches it.
    pub(crate) watched: AtomicBool,
    /// How long a call may take; workers have no such limit.
    pub(crate) call_timeout: Option<Duration>,
    reports: bool,
}

impl Instance {
    /// A handle on a process that listens on `http_socket` and `debug_socket`.
    pub fn new(key: InstanceKey, serial: u64, http_socket: PathBuf, debug_socket: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            key,
            serial,
            http_socket,
            debug_socket,
            in_flight: AtomicUsize::new(0),
            lasting: AtomicUsize::new(0),
            served: AtomicU64::new(0),
            forwarded: AtomicU64::new(0),
            last_used: Mutex::new(tokio::time::Instant::now()),
            phase: watch::Sender::new(Phase::Serving),
            open: watch::Sender::new(true),
            idle_connections: Mutex::new(Vec::new()),
            turns: None,
            visits: Visits::default(),
            watched: AtomicBool::new(false),
            call_timeout: None,
            reports: true,
        })
    }

    /// A handle on a function's process that listens.
    pub(crate) fn of_function(
        key: InstanceKey,
        serial: u64,
        http_socket: PathBuf,
        turns: Arc<Turns>,
        call_timeout: Duration,
    ) -> Arc<Self> {
        let debug_socket = PathBuf::new();
        let instance = Self::new(key, serial, http_socket, debug_socket);
        // Nobody else has it yet.
        let instance = Arc::into_inner(instance).expect("it was just made");
        Arc::new(Self { turns: Some(turns), call_timeout: Some(call_timeout), reports: false, ..instance })
    }

    /// Whether the call that is in it takes too long.
    pub(crate) fn is_late(&self) -> bool {
        let late = |limit| self.in_flight() > 0 && self.last_used.lock().elapsed() > limit;
        self.call_timeout.is_some_and(late)
    }

    /// A handle on a process that has been told what to run and does not listen yet. Its sockets are bound, so requests
    /// may be sent; its debug port is not there before [`Self::opened`]. `reports`: its invocations.
    pub(crate) fn starting(
        key: InstanceKey,
        serial: u64,
        http_socket: PathBuf,
        debug_socket: PathBuf,
        reports: bool,
    ) -> Arc<Self> {
        let instance = Self::new(key, serial, http_socket, debug_socket);
        instance.open.send_replace(false);
        // Nobody else has it yet.
        let instance = Arc::into_inner(instance).expect("it was just made");
        Arc::new(Self { reports, ..instance })
    }

    /// Says that it listens.
    pub(crate) fn open(&self) {
        self.open.send_replace(true);
    }

    /// Whether it has come to listen.
    pub(crate) fn is_open(&self) -> bool {
        *self.open.borrow()
    }

    /// Waits until it listens, its debug port too.
    ///
    /// # Errors
    /// What it died of before.
    pub async fn opened(&self) -> Result<(), Death> {
        let (mut open, mut phase) = (self.open.subscribe(), self.phase.subscribe());
        // The senders are ours, so both waits end by what they wait for.
        tokio::select! {
            _ = open.wait_for(|open| *open) => Ok(()),
            _ = phase.wait_for(|phase| matches!(phase, Phase::Dead(_))) => {
                Err(self.death().unwrap_or(Death::Crashed))
            }
        }
    }

    /// Requests and calls in it now.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// What is in it now and keeps it busy.
    pub(crate) fn busy_with(&self) -> usize {
        self.in_flight().saturating_sub(self.lasting.load(Ordering::Relaxed))
    }

    /// Requests and calls since it started.
    pub fn served(&self) -> u64 {
        self.served.load(Ordering::Relaxed)
    }

    /// Where its dispatcher listens, if its worker takes events.
    pub(crate) fn events_socket(&self) -> PathBuf {
        self.http_socket.with_file_name("events.sock")
    }

    /// Where its debug port listens: calls with an entrypoint or props go there.
    pub fn debug_socket(&self) -> &Path {
        &self.debug_socket
    }

    /// Whether it reports its invocations.
    pub fn reports(&self) -> bool {
        self.reports
    }

    /// Why it ended, waiting a moment for the news. None: it lives.
    pub async fn fate(&self) -> Option<Death> {
        let mut phase = self.phase.subscribe();
        let dead = phase.wait_for(|phase| matches!(phase, Phase::Dead(_)));
        match tokio::time::timeout(DEATH_NOTICE, dead).await {
            Ok(_) => self.death(),
            Err(_) => None,
        }
    }

    /// Whether it takes no new work, and lives.
    pub fn is_draining(&self) -> bool {
        *self.phase.borrow() == Phase::Draining
    }

    /// Tells leases to finish: WebSockets close, nothing new begins.
    pub fn drain(&self) {
        self.phase.send_if_modified(|phase| {
            let change = *phase == Phase::Serving;
            if change {
                *phase = Phase::Draining;
            }
            change
        });
        self.idle_connections.lock().clear();
    }

    /// Tells leases that the process is gone, and why. The first reason stays.
    pub fn bury(&self, death: Death) {
        self.phase.send_if_modified(|phase| {
            let change = !matches!(phase, Phase::Dead(_));
            if change {
                *phase = Phase::Dead(death);
            }
            change
        });
        self.idle_connections.lock().clear();
    }

    /// Why it ended, once it has.
    pub fn death(&self) -> Option<Death> {
        match *self.phase.borrow() {
            Phase::Dead(death) => Some(death),
            _ => None,
        }
    }
}
