//! Processes for debuggers: one of a version that serves nobody else, with workerd's inspector listening inside.
//!
//! The plan knows nothing of them, so none is ever given to a request that did not ask for it. A debugger that holds one
//! still holds up nobody.

use std::collections::HashMap;
use std::io;
use std::net::TcpStream as Socket;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hearth_jail::Signal;
use hearth_model::{Format, VersionId, WorkerId};
use parking_lot::Mutex;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::Death;
use crate::instance::{Instance, InstanceKey, Phase};
use crate::lease::AcquireError;
use crate::monitor::Monitored;
use crate::output::Source;
use crate::plan::{Serial, Tracing};
use crate::process::{StartError, configure, listening};
use crate::services::Identity;
use crate::spare::{Flavour, INSPECTOR};
use crate::standing;
use crate::supervisor::{Running, Shared, Supervisor, internal};
use crate::workerd::config::{Objects, Purpose, needs_experimental};

/// The numbers of these processes begin here: beyond all that the plan gives.
const FIRST: Serial = 1 << 63;

/// CPU time that one may burn without coming to rest. What a debugger asks for counts too, so it is more than a worker's
/// own limit, and an endless loop ends all the same.
const CPU: Duration = Duration::from_secs(60);

/// Bytes of memory for the inspector, beside what the worker may use.
const MEMORY: u64 = 128 << 20;

/// Why there is no process for a debugger.
#[derive(Debug, thiserror::Error)]
pub enum InspectError {
    /// What runs is no worker's code.
    #[error("the version is not run by workerd")]
    NoWorker,
    /// The inspector would be open to whoever is on this machine.
    #[error("the jail's tier gives processes no network of their own")]
    NoNetwork,
    /// It does not start.
    #[error(transparent)]
    Acquire(#[from] AcquireError),
}

/// The processes for debuggers.
#[derive(Default)]
pub(crate) struct Inspected {
    running: Mutex<HashMap<Serial, Arc<Running>>>,
    made: AtomicU64,
}

impl Inspected {
    pub(crate) fn get(&self, serial: Serial) -> Option<Arc<Running>> {
        self.running.lock().get(&serial).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Running>> {
        self.running.lock().values().cloned().collect()
    }
}

/// A process for a debugger. Dropping it ends the process.
pub struct Inspection {
    shared: Arc<Shared>,
    instance: Arc<Instance>,
    /// They reach its loopback device. Each is for one connection.
    sockets: Mutex<Vec<Socket>>,
}

impl Supervisor {
    /// Starts a process of a version for a debugger. Its Durable Objects are its own and end with it; workflows run where
    /// they always do, and everything else that its bindings lead to is real.
    ///
    /// # Errors
    /// [`InspectError`].
    pub async fn inspect(&self, worker: WorkerId, version: VersionId) -> Result<Inspection, InspectError> {
        let shared = &self.shared;
        if !shared.jailer.has_loopback() {
            return Err(InspectError::NoNetwork);
        }
        let mut launch = shared.code.launch(version).await?;
        if matches!(launch.format, Format::Function(_) | Format::Assets) {
            return Err(InspectError::NoWorker);
        }
        // Their engine runs in the process that has their storage.
        launch.workflows.clear();
        let key = InstanceKey::inspected(worker, version);
        let purpose = Purpose::Serve { tails: true, objects: Objects::InMemory };
        let flavour = match needs_experimental(&launch, &purpose) {
            true => Flavour::Experimental,
            false => Flavour::Plain,
        };
        let permit = shared.starting.acquire().await.map_err(|_| AcquireError::ShuttingDown)?;
        let (spare, sockets) = shared.nursery.spawn_inspected(flavour).await.map_err(internal)?;
        let memory = launch.limits.process_memory_bytes() + MEMORY;
        let limits = shared.nursery.limits(memory, false);
        shared.jailer.set_limits(&spare.id, limits).await.map_err(internal)?;
        let console = shared.config.tails.console(Tracing::Always);
        let source = Source { worker: launch.name.clone(), version, console };
        let (process, own, control) = configure(spare, &launch, &purpose, source).await;
        let serial = FIRST + shared.inspected.made.fetch_add(1, Ordering::Relaxed);
        let out = process.dir.join("out");
        let debug = process.dir.join("debug").join("debug.sock");
        let (pid, beat) = (own.peer.pid, out.join("hb.sock"));
        let instance = Instance::starting(key, serial, out.join("http.sock"), debug, true);
        let running = Arc::new(Running {
            instance: Arc::clone(&instance),
            monitored: Mutex::new(Monitored::new(CPU, memory, Some(pid), Some(beat))),
            tracing: Tracing::Always,
            divisible: false,
            title: standing::title(&launch),
            _attached: shared.services.attach(Identity::of(key, &launch), own),
            baseline: 0,
            peak: None,
            process,
        });
        shared.inspected.running.lock().insert(serial, Arc::clone(&running));
        tokio::spawn(Arc::clone(shared).follow_inspected(serial, Arc::clone(&running)));
        // From here on dropping it ends the process, and so does a failure.
        let inspection = Inspection { shared: Arc::clone(shared), instance, sockets: Mutex::new(sockets) };
        let listens = listening(&running.process, control, shared.config.start_timeout).await;
        drop(permit);
        match listens {
            Ok(()) => {}
            Err(StartError::Ended(death, errors)) => {
                tracing::warn!(%key, errors, "a process for a debugger ended while it started");
                return Err(AcquireError::Died(death).into());
            }
            Err(StartError::Timeout) => return Err(AcquireError::Died(Death::StartTimeout).into()),
            Err(StartError::Io(error)) => return Err(internal(error).into()),
        }
        shared.jailer.seal(&running.process.id).await.map_err(internal)?;
        running.instance.open();
        Ok(inspection)
    }
}

impl Inspection {
    /// The process. A place in it is a [`Lease`](crate::Lease) on this.
    pub fn instance(&self) -> &Arc<Instance> {
        &self.instance
    }

    /// A connection to its inspector, which speaks HTTP and, at `/main`, the DevTools protocol over a WebSocket.
    ///
    /// # Errors
    /// `QuotaExceeded` when as many were made as there can be ([`hearth_jail::LOOPBACK_SOCKETS`]); what the connection fails
    /// with.
    pub async fn connect(&self) -> io::Result<TcpStream> {
        let socket = self.sockets.lock().pop().ok_or(io::ErrorKind::QuotaExceeded)?;
        TcpSocket::from_std_stream(socket).connect(INSPECTOR).await
    }

    /// Waits until the process has ended, and says of what.
    pub async fn ended(&self) -> Death {
        let mut phase = self.instance.phase.subscribe();
        // The sender lives as long as we have the instance.
        let _ = phase.wait_for(|phase| matches!(phase, Phase::Dead(_))).await;
        self.instance.death().unwrap_or(Death::Crashed)
    }
}

impl Drop for Inspection {
    fn drop(&mut self) {
        self.shared.end_inspected(|instance| instance.serial == self.instance.serial);
    }
}

impl Shared {
    pub(crate) fn end_inspected(&self, which: impl Fn(&Instance) -> bool) {
        for running in self.inspected.all().iter().filter(|running| which(&running.instance)) {
            self.signal(running.instance.serial, Death::Stopped, Signal::Kill);
        }
    }

    async fn follow_inspected(self: Arc<Self>, serial: Serial, running: Arc<Running>) {
        let began = Instant::now();
        let death = running.process.ended().await;
        running.instance.bury(death);
        self.inspected.running.lock().remove(&serial);
        let key = running.instance.key;
        match death {
            Death::Stopped => {
                tracing::debug!(%key, lasted = ?began.elapsed(), "a process for a debugger stopped")
            }
            _ => {
                tracing::warn!(%key, reason = death.label(), "a process for a debugger: {}", death.explanation())
            }
        }
    }
}
