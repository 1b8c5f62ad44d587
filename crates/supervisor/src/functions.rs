//! Carries out for functions what differs from workers: one call at a time in a process, and a start that is over when
//! the code is loaded.

use std::sync::Arc;
use std::time::Duration;

use hearth_jail::Signal;
use hearth_model::{Function, Launch};
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::function::{Control, FunctionError, Metered, News, Parked, Turn, configuration};
use crate::instance::{Instance, InstanceKey};
use crate::lease::{AcquireError, Lease};
use crate::monitor::Monitored;
use crate::output::{Console, Output, Source};
use crate::plan::{Event, Serial, Tracing};
use crate::process::Process;
use crate::services::Identity;
use crate::standing;
use crate::supervisor::{Running, Shared, internal};
use crate::{Death, Supervisor};

/// How long a call waits before its function gets another process, if it may have one.
const QUEUE_DELAY: Duration = Duration::from_millis(10);

/// What a function's call used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallMemory {
    /// The most that its process has used so far, beyond the baseline, in bytes.
    pub peak: u64,
    /// What the process used before it had its code, in bytes.
    pub baseline: u64,
}

impl Supervisor {
    /// Whether functions can be run at all: they need the full tier's root and network.
    pub fn runs_functions(&self) -> bool {
        self.shared.jailer.has_toolchains()
    }

    /// Loads a function's code in a process that gets no calls, no way out and nobody's secrets, and says how long that
    /// took. Its configuration is that of `candidate`.
    ///
    /// # Errors
    /// [`AcquireError::Refused`] with what is wrong with the code.
    pub async fn try_function(
        &self,
        candidate: &Launch,
        function: &Function,
    ) -> Result<Duration, AcquireError> {
        let shared = &self.shared;
        let _permit = shared.starting.acquire().await.map_err(|_| AcquireError::ShuttingDown)?;
        let began = Instant::now();
        let folders = shared.code.folders(candidate).await?;
        let parked = shared.parks.take(function.runtime, folders).await.map_err(internal)?;
        let (process, control, device) = shared.load(parked, candidate, function).await?;
        drop(device);
        let loaded = shared.loaded(&process, control).await;
        process.condemn(Death::Stopped);
        if let Err(error) = shared.jailer.kill(&process.id, Signal::Kill).await {
            tracing::debug!(%error, id = process.id, "a function that was tried is gone already");
        }
        loaded.map(|_| began.elapsed())
    }

    /// What the process of a call has used. None: it is gone.
    pub fn call_memory(&self, instance: &Instance) -> Option<CallMemory> {
        let running = self.shared.running(instance.serial)?;
        let peak = running.process.usage.peak().ok()?;
        Some(CallMemory { peak: peak.saturating_sub(running.baseline), baseline: running.baseline })
    }
}

impl Shared {
    /// A place in one of the processes of a function. None: none is left, so another must be started.
    pub(crate) async fn turn(&self, key: InstanceKey) -> Result<Option<Lease>, AcquireError> {
        let group = self.group(key);
        let asked = {
            let serving = group.serving.read();
            if serving.is_empty() {
                return Ok(None);
            }
            group.turns.ask(serving.iter(), self.config.max_queued_calls)
        };
        let mut receiver = match asked {
            Turn::Place(lease) => return Ok(Some(lease)),
            Turn::Wait(receiver) => receiver,
            Turn::Full => {
                return Err(AcquireError::Overloaded("Too many calls wait for this function.".to_owned()));
            }
        };
        let began = Instant::now();
        loop {
            match tokio::time::timeout(QUEUE_DELAY, &mut receiver).await {
                Ok(Ok(lease)) => return Ok(Some(lease)),
                Ok(Err(_)) => return Err(AcquireError::ShuttingDown),
                Err(_) if began.elapsed() > self.config.queue_timeout => {
                    let text = "All processes of this function were busy for too long.".to_owned();
                    return Err(AcquireError::Overloaded(text));
                }
                // Whoever had it may have died of its call.
                Err(_) if group.serving.read().is_empty() => return Ok(None),
                Err(_) => {
                    if group.turns.is_pressing(QUEUE_DELAY) {
                        self.tell(Event::Crowded(key));
                    }
                }
            }
        }
    }

    /// A process that has loaded a function's code and takes calls.
    pub(crate) async fn function(
        self: &Arc<Self>,
        serial: Serial,
        key: InstanceKey,
        launch: &Launch,
        function: &Function,
    ) -> Result<Arc<Running>, AcquireError> {
        let identity = Identity::of(key, launch);
        let folders = self.code.folders(launch).await?;
        let parked = self.parks.take(function.runtime, folders).await.map_err(internal)?;
        let baseline = parked.baseline;
        let memory = baseline + (launch.limits.memory_mb() << 20);
        self.jailer.set_limits(&parked.id, self.parks.limits(memory)).await.map_err(internal)?;
        let (process, control, device) = self.load(parked, launch, function).await?;
        // Its code may call others while it loads.
        let attached = self.services.attach_function(Arc::clone(&identity), device);
        let control = match self.loaded(&process, control).await {
            Ok(control) => control,
            Err(error) => {
                process.condemn(Death::Stopped);
                let _ = self.jailer.kill(&process.id, Signal::Kill).await;
                return Err(error);
            }
        };
        tokio::spawn(Arc::clone(self).listen_to(Arc::clone(&identity), control));
        let timeout = Duration::from_millis(launch.limits.timeout_ms());
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let cpu = timeout.saturating_mul(u32::try_from(cores).unwrap_or(1));
        let http = process.dir.join("out").join("http.sock");
        let turns = Arc::clone(&self.group(key).turns);
        Ok(Arc::new(Running {
            instance: Instance::of_function(key, serial, http, turns, timeout),
            monitored: Mutex::new(Monitored::new(cpu, memory, None)),
            tracing: Tracing::Off,
            title: standing::title(launch),
            _attached: attached,
            divisible: false,
            baseline,
            process,
        }))
    }

    /// Tells a parked process its work.
    async fn load(
        &self,
        parked: Parked,
        launch: &Launch,
        function: &Function,
    ) -> Result<(Process, Control, std::os::fd::OwnedFd), AcquireError> {
        let source =
            Source { worker: launch.name.clone(), version: launch.version, console: Console::Logged };
        let process = Process {
            id: parked.id,
            dir: parked.dir,
            usage: parked.usage,
            exit: parked.exit,
            sentence: Mutex::new(None),
            output: Output::follow(source, Metered::new(parked.stdout), Metered::new(parked.stderr)),
        };
        let mut stdin = parked.stdin;
        // It does not read when it has ended, which `loaded` learns too.
        let _ = stdin.write_all(&configuration(launch, function)).await;
        Ok((process, parked.control, parked.device))
    }

    /// Waits until a process has loaded its code.
    async fn loaded(&self, process: &Process, mut control: Control) -> Result<Control, AcquireError> {
        let said = tokio::time::timeout(self.config.start_timeout, async {
            loop {
                match control.next().await {
                    Ok((News::Listen, _)) => return Ok(()),
                    Ok((News::Failed { error }, _)) => return Err(Some(error)),
                    Ok(_) => {}
                    Err(_) => return Err(None),
                }
            }
        });
        let error = match said.await {
            Ok(Ok(())) => return Ok(control),
            Ok(Err(Some(error))) => error,
            Ok(Err(None)) => match process.ended().await {
                Death::Memory => {
                    failure("OutOfMemory", "The function used more memory than it may while it loaded.")
                }
                _ => failure(
                    "Crashed",
                    &format!("The process ended while it loaded. {}", process.output.errors()),
                ),
            },
            Err(_) => failure("Timeout", "The function took too long to load."),
        };
        Err(AcquireError::Refused(error))
    }

    /// Hears a process out, until it ends.
    async fn listen_to(self: Arc<Self>, identity: Arc<Identity>, mut control: Control) {
        while let Ok((news, line)) = control.next().await {
            if matches!(news, News::Called) {
                self.services.called(&identity, &line);
            }
        }
    }
}

fn failure(kind: &str, message: &str) -> FunctionError {
    FunctionError { kind: kind.to_owned(), message: message.trim().to_owned(), stack: String::new() }
}
