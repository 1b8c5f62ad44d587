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
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::choose::Need;
use crate::function::{Parks, Turns};
use crate::inspect::Inspected;
use crate::instance::{Instance, InstanceKey};
use crate::lease::{AcquireError, Instances, Lease};
use crate::monitor::Monitored;
use crate::owners::Owners;
use crate::plan::{Effect, Event, Load, Plan, Serial, Tracing};
use crate::process::Process;
use crate::services::{CodeSource, Services};
use crate::shares::{EXHAUSTED, Tenants};
use crate::spare::{Nursery, Pools};
use crate::stats::Tallies;
use crate::{Config, Death};

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
    pub(crate) waiting: Mutex<Vec<Waiter>>,
    pub(crate) refusal: Mutex<Option<AcquireError>>,
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

    pub(crate) fn stop_serving(&self, instance: &Arc<Instance>) {
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

    fn has_untraced(&self, worker: WorkerId) -> bool {
        let untraced = |running: &Arc<Running>| {
            let instance = &running.instance;
            let serves = !instance.is_draining() && instance.death().is_none();
            running.tracing == Tracing::Off && instance.key.worker == worker && serves
        };
        self.running.lock().values().any(untraced)
    }
}

pub(crate) fn internal(error: io::Error) -> AcquireError {
    AcquireError::Internal(error.to_string())
}
