//! One process, from its start to its end.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hearth_jail::Signal;
use hearth_model::Launch;
use parking_lot::Mutex;
use tokio::net::unix::pipe;
use tokio::time::Instant;

use crate::divisible::is_divisible;
use crate::instance::{Instance, InstanceKey, Role};
use crate::lease::AcquireError;
use crate::monitor::Monitored;
use crate::output::Source;
use crate::plan::{Event, Serial, Tracing};
use crate::process::{StartError, configure, listening};
use crate::services::Identity;
use crate::spare::{Flavour, Spare};
use crate::standing;
use crate::storage::{Storage, folders_of};
use crate::supervisor::{Running, Shared, internal};
use crate::workerd::config::{Objects, Purpose, needs_experimental};
use crate::{Death, Tails};

impl Shared {
    pub(crate) async fn start(self: Arc<Self>, serial: Serial, key: InstanceKey) {
        let began = Instant::now();
        let Ok(_permit) = self.starting.acquire().await else { return };
        let (running, control) = match self.configured(serial, key).await {
            Ok(pair) => pair,
            Err(error) => {
                tracing::warn!(%key, %error, "instance did not start");
                self.tallies.failed(key.worker);
                *self.group(key).refusal.lock() = Some(error);
                return self.tell(Event::Failed(serial));
            }
        };
        self.adopt(serial, &running);
        // Those who wait need not wait for it to listen: its sockets are bound, and what they send is read when it does.
        // Where nobody waits there is another one, and whether this one comes to listen is not to be a request's risk.
        let awaited = running.instance.turns.is_some() || !self.group(key).waiting.lock().is_empty();
        if awaited {
            self.publish(serial, &running);
        }
        if running.instance.turns.is_some() {
            // It listens already.
            self.tallies.started(key.worker, began.elapsed());
            return self.tell(Event::Listening(serial, running.tracing));
        }
        let Some(control) = control else { return };
        let listens = listening(&running.process, control, self.config.start_timeout).await;
        let sealed = match listens {
            Ok(()) => self.jailer.seal(&running.process.id).await.map_err(StartError::Io),
            Err(error) => Err(error),
        };
        match sealed {
            Ok(()) => {
                self.tallies.started(key.worker, began.elapsed());
                running.instance.open();
                if !awaited {
                    self.publish(serial, &running);
                }
                self.tell(Event::Listening(serial, running.tracing));
                tracing::debug!(%key, elapsed = ?began.elapsed(), "instance started");
            }
            // `follow` has the news already.
            Err(StartError::Ended(_, errors)) => {
                tracing::warn!(%key, errors, "instance ended while it started")
            }
            Err(StartError::Timeout) => self.signal(serial, Death::StartTimeout, Signal::Kill),
            Err(StartError::Io(error)) => {
                tracing::error!(%key, %error, "instance cannot be used");
                self.signal(serial, Death::Crashed, Signal::Kill);
            }
        }
    }

    /// Looks after a process from now on.
    fn adopt(self: &Arc<Self>, serial: Serial, running: &Arc<Running>) {
        self.running.lock().insert(serial, Arc::clone(running));
        self.mark_watched(&running.instance);
        tokio::spawn(Arc::clone(self).follow(serial, Arc::clone(running)));
    }

    /// Hands a process to those who wait for one.
    fn publish(&self, serial: Serial, running: &Running) {
        let instance = &running.instance;
        let group = self.group(instance.key);
        *group.refusal.lock() = None;
        let mut waiting = group.waiting.lock();
        group.serving.write().push(Arc::clone(instance));
        for waiter in waiting.drain(..) {
            // One who no longer waits does not mind.
            let _ = waiter.send(Ok(Arc::clone(instance)));
        }
        drop(waiting);
        if instance.death().is_some() {
            // Whoever followed its end looked for it before it was here.
            self.stop_serving(instance);
        }
        if let Some(turns) = &instance.turns {
            turns.offer(instance);
        }
        self.tell(Event::Started(serial));
    }

    /// A parked process that sees the storage.
    async fn spare(&self, flavour: Flavour, storage: &Storage) -> Result<Spare, AcquireError> {
        let parked = || async { self.spares.take(flavour).await.ok_or(AcquireError::ShuttingDown) };
        if storage.is_empty() {
            return parked().await;
        }
        if !self.jailer.shows_later() {
            return self.nursery.spawn(flavour, storage.folders()).await.map_err(internal);
        }
        let spare = parked().await?;
        for folder in storage.folders() {
            self.jailer.show(&spare.id, folder).await.map_err(internal)?;
        }
        Ok(spare)
    }

    /// A spare that has been told to run the key's version.
    async fn configured(
        self: &Arc<Self>,
        serial: Serial,
        key: InstanceKey,
    ) -> Result<(Arc<Running>, Option<pipe::Receiver>), AcquireError> {
        let mut launch = self.code.launch(key.version).await?;
        if let Some(function) = launch.format.function() {
            return self.function(serial, key, &launch, function).await.map(|running| (running, None));
        }
        let front = key.role == Role::Front;
        if front {
            // Their engine runs in the host.
            launch.workflows.clear();
        }
        let identity = Identity::of(key, &launch);
        let tracing = self.tracing(key, &launch);
        let objects = if front { Objects::Elsewhere } else { Objects::Here };
        let purpose = Purpose::Serve { tails: tracing != Tracing::Off, objects };
        let flavour = match needs_experimental(&launch, &purpose) {
            true => Flavour::Experimental,
            false => Flavour::Plain,
        };
        let patience = self.config.start_timeout;
        let root = &self.config.objects;
        let folders = if front { Vec::new() } else { folders_of(root, &launch) };
        let storage = Storage::lock(root, folders, patience).await.map_err(internal)?;
        let spare = self.spare(flavour, &storage).await?;
        let memory = launch.limits.process_memory_bytes();
        let limits = self.nursery.limits(memory, !storage.is_empty());
        self.jailer.set_limits(&spare.id, limits).await.map_err(internal)?;
        let source = Source {
            worker: launch.name.clone(),
            version: key.version,
            console: self.config.tails.console(tracing),
        };
        storage.give_to(&spare.anchor).map_err(internal)?;
        let (process, sockets, control) = configure(spare, &launch, &purpose, source).await;
        let pid = sockets.peer.pid;
        let out = process.dir.join("out");
        let debug = process.dir.join("debug").join("debug.sock");
        let limit = Duration::from_millis(launch.limits.cpu_ms());
        let running = Running {
            instance: Instance::starting(key, serial, out.join("http.sock"), debug, tracing != Tracing::Off),
            monitored: Mutex::new(Monitored::new(limit, memory, Some(pid), Some(out.join("hb.sock")))),
            tracing,
            divisible: !front && is_divisible(&launch),
            title: standing::title(&launch),
            _attached: self.services.attach(identity, sockets),
            baseline: 0,
            peak: None,
            process,
        };
        Ok((Arc::new(running), Some(control)))
    }

    /// Whether a process that starts now reports its invocations.
    fn tracing(&self, key: InstanceKey, launch: &Launch) -> Tracing {
        // Another process in its place would cost what its objects hold in memory.
        if self.config.tails == Tails::All || launch.has_storage() {
            Tracing::Always
        } else if self.traced.read().contains(&key.worker) {
            Tracing::On
        } else {
            Tracing::Off
        }
    }

    /// Waits for a process's end and tells everybody.
    async fn follow(self: Arc<Self>, serial: Serial, running: Arc<Running>) {
        let death = running.process.ended().await;
        let opened = running.instance.is_open();
        // Told first: one that is published just now sees that it is dead.
        running.instance.bury(death);
        self.stop_serving(&running.instance);
        self.tallies.ended(running.instance.key.worker, death);
        self.running.lock().remove(&serial);
        self.left.notify_waiters();
        if running.instance.turns.is_some() {
            // A first call that ended it at once was served: its function starts without a pause.
            self.tell(running.observed(self.began));
        }
        if opened {
            self.tell(Event::Exited(serial));
        } else {
            *self.group(running.instance.key).refusal.lock() = Some(AcquireError::Died(death));
            self.tallies.failed(running.instance.key.worker);
            self.tell(Event::Failed(serial));
        }
        let (key, served) = (running.instance.key, running.instance.served.load(Ordering::Relaxed));
        // Who came since it stopped serving asked for a process while the plan still counted on this one.
        if !self.group(key).waiting.lock().is_empty() {
            self.tell(Event::Wanted(key));
        }
        if death == Death::Stopped {
            tracing::debug!(%key, served, "instance stopped");
        } else {
            let console = running.process.output.console();
            tracing::warn!(target: "worker", %key, served, reason = death.label(), console, "{}", death.explanation());
        }
    }
}
