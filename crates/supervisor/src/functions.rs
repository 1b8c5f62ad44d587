//! Carries out for functions what differs from workers: one call at a time in a process, and a start that is over when
//! the code is loaded.

use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use hearth_jail::Signal;
use hearth_model::{Function, Launch, WorkerId};
use parking_lot::Mutex;
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::function::{Control, Ending, FunctionError, Metered, News, Parked, Turn, configuration};
use crate::instance::{Instance, InstanceKey};
use crate::lease::{AcquireError, Lease};
use crate::monitor::Monitored;
use crate::output::{Output, Source};
use crate::plan::{Event, Serial, Tracing};
use crate::process::Process;
use crate::services::Identity;
use crate::standing;
use crate::supervisor::{Running, Shared, internal};
use crate::{Death, Supervisor, Tails};

/// How long a call waits before its function gets another process, if it may have one.
const QUEUE_DELAY: Duration = Duration::from_millis(10);

/// Cores of the machine. To find out takes reading half a dozen files of the kernel.
static CORES: LazyLock<u32> = LazyLock::new(|| {
    std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(1))
});

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
        self.shared.running(instance.serial)?.call_memory()
    }

    /// Whether somebody wants to know what becomes of a function's calls, as [`Self::trace`] or the configuration says.
    pub fn is_watched(&self, function: WorkerId) -> bool {
        self.shared.is_watched(function)
    }
}

impl Running {
    fn call_memory(&self) -> Option<CallMemory> {
        let peak = self.peak.as_ref()?.read().ok()?;
        Some(CallMemory { peak: peak.saturating_sub(self.baseline), baseline: self.baseline })
    }
}

impl Shared {
    fn is_watched(&self, worker: WorkerId) -> bool {
        self.config.tails == Tails::All || self.traced.read().contains(&worker)
    }

    /// Says whether somebody watches a function's process, which can change while it runs. Called after it is
    /// among the running ones, so that no change is missed.
    pub(crate) fn mark_watched(&self, instance: &Instance) {
        if instance.turns.is_some() {
            instance.watched.store(self.is_watched(instance.key.worker), Ordering::Relaxed);
        }
    }

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
        let (process, control, device) = self.load(parked, launch, function).await?;
        // Its code may call others while it loads.
        let attached = self.services.attach_function(Arc::clone(&identity), device);
        // The limit of a parked process holds until this one does, which is before there is much code to hold.
        let limited = self.jailer.set_limits(&process.id, self.parks.limits(memory));
        let ready = match tokio::join!(limited, self.loaded(&process, control)) {
            (Ok(()), Ok(control)) => Ok(control),
            (_, Err(error)) => Err(error),
            (Err(error), Ok(_)) => Err(internal(error)),
        };
        let control = match ready {
            Ok(control) => control,
            Err(error) => {
                process.condemn(Death::Stopped);
                let _ = self.jailer.kill(&process.id, Signal::Kill).await;
                return Err(error);
            }
        };
        let timeout = Duration::from_millis(launch.limits.timeout_ms());
        let cpu = timeout.saturating_mul(*CORES);
        let http = process.dir.join("out").join("http.sock");
        let turns = Arc::clone(&self.group(key).turns);
        let running = Arc::new(Running {
            instance: Instance::of_function(key, serial, http, turns, timeout),
            monitored: Mutex::new(Monitored::new(cpu, memory, None, None)),
            tracing: Tracing::Always,
            title: standing::title(launch),
            _attached: attached,
            divisible: false,
            baseline,
            peak: Some(process.usage.peak()),
            process,
        });
        tokio::spawn(Arc::clone(self).listen_to(Arc::clone(&running), identity, control));
        Ok(running)
    }

    /// Tells a parked process its work.
    async fn load(
        &self,
        parked: Parked,
        launch: &Launch,
        function: &Function,
    ) -> Result<(Process, Control, std::os::fd::OwnedFd), AcquireError> {
        // What a call prints is its harness's to say; this is what passes that by.
        let console = self.config.tails.console(Tracing::Off);
        let source = Source { worker: launch.name.clone(), version: launch.version, console };
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
    async fn listen_to(
        self: Arc<Self>,
        running: Arc<Running>,
        identity: Arc<Identity>,
        mut control: Control,
    ) {
        let visits = &running.instance.visits;
        while let Ok((news, line)) = control.next().await {
            if let News::Called { request_id } = news
                && let Some(visit) = visits.take(&request_id).await
            {
                let memory = running.call_memory().unwrap_or_default();
                self.services.visited(&identity, visit, Ending::Said(line), memory);
            }
        }
        let death = running.process.ended().await;
        for visit in visits.lost() {
            self.services.visited(&identity, visit, Ending::Died(death), CallMemory::default());
        }
    }
}

fn failure(kind: &str, message: &str) -> FunctionError {
    FunctionError { kind: kind.to_owned(), message: message.trim().to_owned(), stack: String::new() }
}
