//! Carries out what the plan decides.

use std::any::Any;
use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::BoxFuture;
use hearth_jail::{Jailer, PeakReader, Signal};
use hearth_model::{Launch, ProbeError, Probed, VersionId, WorkerId};
use parking_lot::{Mutex, RwLock};
use tokio::net::unix::pipe;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::choose::Need;
use crate::divisible::is_divisible;
use crate::function::{Parks, Turns};
use crate::inspect::Inspected;
use crate::instance::{Instance, InstanceKey, Role};
use crate::lease::{AcquireError, Instances, Lease};
use crate::monitor::Monitored;
use crate::output::{Console, Source};
use crate::owners::Owners;
use crate::plan::{Effect, Event, Load, Plan, Serial, Tracing};
use crate::process::{Process, StartError, configure, listening};
use crate::services::{CodeSource, Identity, Services};
use crate::shares::{EXHAUSTED, Tenants};
use crate::spare::{Flavour, Nursery, PARKED_MEMORY, Pools, Spare};
use crate::standing;
use crate::stats::Tallies;
use crate::storage::{Storage, folders_of};
use crate::workerd::config::{Objects, Purpose, needs_experimental};
use crate::workerd::probe;
use crate::{Config, Death, Tails};

/// How often draining and idle instances are looked at.
const TICK: Duration = Duration::from_millis(200);

/// Starts, watches, swaps and stops the processes that run workers. Cheap to clone.
#[derive(Clone)]
pub struct Supervisor {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) jailer: Jailer,
    pub(crate) code: Arc<dyn CodeSource>,
    pub(crate) services: Arc<dyn Services>,
    pub(crate) nursery: Arc<Nursery>,
    pub(crate) spares: Pools,
    pub(crate) parks: Arc<Parks>,
    pub(crate) tallies: Tallies,
    pub(crate) starting: Semaphore,
    pub(crate) groups: RwLock<HashMap<InstanceKey, Arc<Group>>>,
    pub(crate) running: Mutex<HashMap<Serial, Arc<Running>>>,
    /// Processes for debuggers, of which the plan knows nothing: nobody is routed to one.
    pub(crate) inspected: Inspected,
    events: mpsc::UnboundedSender<Event>,
    pub(crate) owners: Owners,
    pub(crate) tenants: Mutex<Tenants>,
    /// Workers of which somebody wants every invocation reported.
    pub(crate) traced: RwLock<HashSet<WorkerId>>,
    /// Pinned workers, as the log calls them.
    pub(crate) pinned: Mutex<HashMap<WorkerId, String>>,
    /// A process has begun to drain, or is gone.
    pub(crate) left: Notify,
    pub(crate) began: Instant,
    stop: CancellationToken,
    gone: CancellationToken,
}

type Waiter = oneshot::Sender<Result<Arc<Instance>, AcquireError>>;

/// The processes of one key, and those who wait for one.
#[derive(Default)]
pub(crate) struct Group {
    pub(crate) serving: RwLock<Vec<Arc<Instance>>>,
    waiting: Mutex<Vec<Waiter>>,
    refusal: Mutex<Option<AcquireError>>,
    /// Of a function: who waits for a place in one of them.
    pub(crate) turns: Arc<Turns>,
}

/// A process with everything that belongs to it.
pub(crate) struct Running {
    pub(crate) instance: Arc<Instance>,
    pub(crate) process: Process,
    pub(crate) monitored: Mutex<Monitored>,
    pub(crate) tracing: Tracing,
    /// Whether its worker's code can run in fronts beside it.
    pub(crate) divisible: bool,
    /// `<worker>:<version's tag>`, for the log.
    pub(crate) title: String,
    /// Ends the services of its sockets when dropped.
    pub(crate) _attached: Box<dyn Any + Send + Sync>,
    /// Of a function's process: what it used before it had its code, in bytes.
    pub(crate) baseline: u64,
    /// Of a function's process: the most that it has used.
    pub(crate) peak: Option<PeakReader>,
}

impl Running {
    /// What is known of it now.
    pub(crate) fn observed(&self, began: Instant) -> Event {
        Event::Observed(self.instance.serial, self.load(began))
    }

    pub(crate) fn load(&self, began: Instant) -> Load {
        let instance = &self.instance;
        let (memory, (burned, cpu)) = {
            let monitored = self.monitored.lock();
            (monitored.memory(), monitored.cpu())
        };
        Load {
            in_flight: instance.in_flight(),
            served: instance.served(),
            forwarded: instance.forwarded.load(Ordering::Relaxed),
            last_used: instance.last_used.lock().saturating_duration_since(began),
            memory,
            burned,
            cpu,
            prompt: instance.turns.is_some(),
            divisible: self.divisible,
        }
    }
}

impl Supervisor {
    /// Begins: fills the pool of spares and looks at what runs.
    pub fn start(
        config: Config,
        jailer: Jailer,
        code: Arc<dyn CodeSource>,
        services: Arc<dyn Services>,
    ) -> Self {
        let config = Arc::new(config);
        let stop = CancellationToken::new();
        let nursery = Arc::new(Nursery::new(Arc::clone(&config), jailer.clone()));
        let (events, inbox) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            spares: Pools::start(Arc::clone(&nursery), config.spares, stop.clone()),
            parks: Parks::new(Arc::clone(&config), jailer.clone(), stop.clone()),
            tallies: Tallies::default(),
            starting: Semaphore::new(config.max_starting),
            groups: RwLock::default(),
            running: Mutex::default(),
            inspected: Inspected::default(),
            began: Instant::now(),
            gone: CancellationToken::new(),
            config,
            jailer,
            code,
            services,
            nursery,
            events,
            owners: Owners::default(),
            tenants: Mutex::default(),
            traced: RwLock::default(),
            pinned: Mutex::default(),
            left: Notify::new(),
            stop,
        });
        tokio::spawn(Arc::clone(&shared).carry_out(inbox));
        tokio::spawn(crate::monitor::run(Arc::clone(&shared), shared.stop.clone()));
        Self { shared }
    }

    /// Makes sure that a process of this version serves, without a request for it: before traffic moves to it.
    ///
    /// # Errors
    /// [`AcquireError`].
    pub async fn warm(&self, worker: WorkerId, version: VersionId) -> Result<(), AcquireError> {
        let instance = self.shared.instance(worker, version, Need::Host).await?;
        instance.opened().await.map_err(AcquireError::Died)
    }

    /// Whether a process of any version of this worker serves.
    pub fn is_live(&self, worker: WorkerId) -> bool {
        let groups = self.shared.groups.read();
        groups.iter().any(|(key, group)| key.worker == worker && !group.serving.read().is_empty())
    }

    /// Says that requests are routed to a version from now on.
    pub fn routed(&self, worker: WorkerId, version: VersionId) {
        self.shared.tell(Event::Routed(InstanceKey::fused(worker, version)));
    }

    /// Lets the processes of a version drain: nothing is routed to it any more.
    pub fn retire(&self, worker: WorkerId, version: VersionId) {
        self.shared.tell(Event::Retired(InstanceKey::fused(worker, version)));
    }

    /// Says whether somebody wants every invocation of a worker reported. Processes that run are replaced: those to
    /// come listen before those that are drain. When nobody wants it any more, that happens some time later.
    pub fn trace(&self, worker: WorkerId, wanted: bool) {
        let changed = {
            let mut traced = self.shared.traced.write();
            if wanted { traced.insert(worker) } else { traced.remove(&worker) }
        };
        if changed {
            for running in self.shared.running.lock().values().filter(|r| r.instance.key.worker == worker) {
                self.shared.mark_watched(&running.instance);
            }
            self.shared.tell(Event::Trace(worker, wanted));
        }
    }

    /// Waits until no process serves the worker that does not report its invocations, after [`Self::trace`]. False:
    /// one still does so when `patience` is over.
    pub async fn traced(&self, worker: WorkerId, patience: Duration) -> bool {
        let settled = async {
            let mut left = std::pin::pin!(self.shared.left.notified());
            loop {
                left.as_mut().enable();
                if !self.shared.has_untraced(worker) {
                    return;
                }
                left.as_mut().await;
                left.set(self.shared.left.notified());
            }
        };
        tokio::time::timeout(patience, settled).await.is_ok()
    }

    /// Lets every process of a worker drain.
    pub fn retire_worker(&self, worker: WorkerId) {
        let groups = self.shared.groups.read();
        for key in groups.keys().filter(|key| key.worker == worker) {
            self.shared.tell(Event::Retired(*key));
        }
        self.shared.end_inspected(|instance| instance.key.worker == worker);
    }

    /// Starts a candidate aside from all traffic and says what it exports. It gets no bindings to others, no way out
    /// and no storage, since nobody has accepted its code yet.
    ///
    /// # Errors
    /// [`ProbeError::Invalid`] with workerd's complaint, [`ProbeError::Unavailable`] when it could not be tried.
    pub async fn probe(&self, candidate: Launch) -> Result<Probed, ProbeError> {
        self.shared.probe(candidate).await
    }

    /// Lets everything drain and waits until it is gone, or until `patience` is over.
    pub async fn shut_down(&self, patience: Duration) {
        self.shared.stop.cancel();
        self.shared.end_inspected(|_| true);
        self.shared.tell(Event::Shutdown);
        if tokio::time::timeout(patience, self.shared.gone.cancelled()).await.is_err() {
            tracing::warn!("some workers did not end in time and are killed");
        }
        tokio::join!(self.shared.spares.close(), self.shared.parks.close());
    }
}

impl Instances for Supervisor {
    fn acquire(&self, worker: WorkerId, version: VersionId) -> BoxFuture<'_, Result<Lease, AcquireError>> {
        Box::pin(self.shared.lease(worker, version, Need::Any))
    }

    fn acquire_lasting(
        &self,
        worker: WorkerId,
        version: VersionId,
    ) -> BoxFuture<'_, Result<Lease, AcquireError>> {
        Box::pin(self.shared.lease(worker, version, Need::Lasting))
    }
}

impl Shared {
    pub(crate) fn tell(&self, event: Event) {
        // The receiver ends with the runtime only.
        let _ = self.events.send(event);
    }

    pub(crate) fn group(&self, key: InstanceKey) -> Arc<Group> {
        if let Some(group) = self.groups.read().get(&key) {
            return Arc::clone(group);
        }
        Arc::clone(self.groups.write().entry(key).or_default())
    }

    pub(crate) fn serves(&self, key: InstanceKey) -> bool {
        self.groups.read().get(&key).is_some_and(|group| !group.serving.read().is_empty())
    }

    /// One of the key, which is started if there is none.
    pub(crate) async fn wait_for(&self, key: InstanceKey) -> Result<Arc<Instance>, AcquireError> {
        let (sender, receiver) = oneshot::channel();
        {
            let group = self.group(key);
            let mut waiting = group.waiting.lock();
            // Under the lock, so that one who starts to serve right now is seen or sees us.
            if let Some(instance) = group.serving.read().first() {
                return Ok(Arc::clone(instance));
            }
            if waiting.len() >= self.config.max_waiting {
                let text = "Too many requests wait for this worker to start.".to_owned();
                return Err(AcquireError::Overloaded(text));
            }
            waiting.push(sender);
        }
        self.tell(Event::Wanted(key));
        receiver.await.unwrap_or(Err(AcquireError::ShuttingDown))
    }

    /// The only place where the plan is: it takes one event at a time.
    async fn carry_out(self: Arc<Self>, mut inbox: mpsc::UnboundedReceiver<Event>) {
        let mut plan = Plan::new(self.config.rules());
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let event = tokio::select! {
                event = inbox.recv() => match event { Some(event) => event, None => return },
                _ = tick.tick() => {
                    self.sweep();
                    // Whether one that drains is in use must be known now, not as of the last look at it.
                    for running in self.running.lock().values().filter(|running| running.instance.is_draining()) {
                        plan.on(running.observed(self.began), self.began.elapsed());
                    }
                    Event::Tick
                }
            };
            self.introduce(&mut plan, &event);
            for effect in plan.on(event, self.began.elapsed()) {
                self.apply(effect);
            }
            if self.stop.is_cancelled() && plan.alive() == 0 {
                self.gone.cancel();
            }
        }
    }

    fn apply(self: &Arc<Self>, effect: Effect) {
        match effect {
            Effect::Start(serial, key) => {
                let shared = Arc::clone(self);
                tokio::spawn(async move { shared.start(serial, key).await });
            }
            Effect::Refuse(key) => self.refuse(key, None),
            Effect::RefuseShare(key) => self.refuse(key, Some(EXHAUSTED)),
            Effect::Drain(serial) => {
                if let Some(running) = self.running(serial) {
                    self.stop_serving(&running.instance);
                    running.instance.drain();
                    self.left.notify_waiters();
                }
            }
            Effect::Suspend(serial) => {
                self.say_suspended(serial);
                self.apply(Effect::Drain(serial));
            }
            Effect::Unpinned(key) => self.say_unpinned(key),
            Effect::Terminate(serial) => {
                // A function knows no orderly end, and as the first of its namespace it would not hear the signal.
                let heard = |running: Arc<Running>| running.instance.turns.is_none();
                let signal =
                    if self.running(serial).is_none_or(heard) { Signal::Terminate } else { Signal::Kill };
                self.signal(serial, Death::Stopped, signal);
            }
            Effect::Kill(serial, death) => self.signal(serial, death, Signal::Kill),
        }
    }

    pub(crate) fn running(&self, serial: Serial) -> Option<Arc<Running>> {
        let serving = self.running.lock().get(&serial).cloned();
        serving.or_else(|| self.inspected.get(serial))
    }

    /// Sends a process away; `death` is what its callers and its log are told.
    pub(crate) fn signal(&self, serial: Serial, death: Death, signal: Signal) {
        let Some(running) = self.running(serial) else { return };
        running.process.condemn(death);
        let (jailer, id) = (self.jailer.clone(), running.process.id.clone());
        tokio::spawn(async move {
            if let Err(error) = jailer.kill(&id, signal).await {
                tracing::warn!(%error, id, "cannot signal a process");
            }
        });
    }

    fn stop_serving(&self, instance: &Arc<Instance>) {
        if let Some(group) = self.groups.read().get(&instance.key) {
            group.serving.write().retain(|other| other.serial != instance.serial);
        }
    }

    fn refuse(&self, key: InstanceKey, why: Option<AcquireError>) {
        let Some(group) = self.groups.read().get(&key).cloned() else { return };
        let error =
            why.or_else(|| group.refusal.lock().clone()).unwrap_or_else(|| match self.stop.is_cancelled() {
                true => AcquireError::ShuttingDown,
                false => AcquireError::Overloaded("The server has no room for another worker.".to_owned()),
            });
        for waiter in group.waiting.lock().drain(..) {
            // One who no longer waits does not mind.
            let _ = waiter.send(Err(error.clone()));
        }
    }

    /// Forgets keys that have neither processes nor waiters, so that versions of the past cost nothing.
    fn sweep(&self) {
        let idle = |group: &Arc<Group>| {
            Arc::strong_count(group) == 1
                && group.serving.read().is_empty()
                && group.waiting.lock().is_empty()
        };
        if self.groups.read().values().any(idle) {
            let running = self.running.lock();
            let mut groups = self.groups.write();
            groups.retain(|key, group| !idle(group) || running.values().any(|r| r.instance.key == *key));
        }
    }

    async fn start(self: Arc<Self>, serial: Serial, key: InstanceKey) {
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

    fn has_untraced(&self, worker: WorkerId) -> bool {
        let untraced = |running: &Arc<Running>| {
            let instance = &running.instance;
            let serves = !instance.is_draining() && instance.death().is_none();
            running.tracing == Tracing::Off && instance.key.worker == worker && serves
        };
        self.running.lock().values().any(untraced)
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

    async fn probe(&self, candidate: Launch) -> Result<Probed, ProbeError> {
        let unavailable = |error: &dyn std::fmt::Display| ProbeError::Unavailable(error.to_string());
        let _permit = self.starting.acquire().await.map_err(|error| unavailable(&error))?;
        let spare = self
            .spares
            .take(Flavour::Plain)
            .await
            .ok_or_else(|| unavailable(&"the server is shutting down"))?;
        let limits = self.nursery.limits(PARKED_MEMORY, false);
        self.jailer.set_limits(&spare.id, limits).await.map_err(|error| unavailable(&error))?;
        let (name, source) = probe::entry(&candidate.format);
        let purpose = Purpose::Probe(probe::as_entry(name, &source));
        let output =
            Source { worker: candidate.name.clone(), version: candidate.version, console: Console::Silent };
        let http = spare.dir.join("out").join("http.sock");
        let began = Instant::now();
        let (process, _sockets, control) = configure(spare, &candidate, &purpose, output).await;
        let found = match listening(&process, control, self.config.start_timeout).await {
            Ok(()) => crate::inquiry::ask(&http, self.config.start_timeout).await,
            Err(StartError::Ended(Death::Memory, _)) => {
                Err(ProbeError::Invalid("Script startup exceeded memory limit.".into()))
            }
            Err(StartError::Ended(_, errors)) => Err(ProbeError::Invalid(probe::complaint(&errors))),
            Err(StartError::Timeout) => {
                Err(ProbeError::Invalid("Script startup exceeded CPU time limit.".into()))
            }
            Err(StartError::Io(error)) => Err(unavailable(&error)),
        };
        let startup_time_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        process.condemn(Death::Stopped);
        if let Err(error) = self.jailer.kill(&process.id, Signal::Kill).await {
            tracing::debug!(%error, id = process.id, "a probe is gone already");
        }
        found.map(|exports| Probed { exports, startup_time_ms })
    }
}

pub(crate) fn internal(error: io::Error) -> AcquireError {
    AcquireError::Internal(error.to_string())
}
