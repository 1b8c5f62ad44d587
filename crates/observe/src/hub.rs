//! Who wants to know of which worker.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use hearth_model::{AccountId, Dialect, WorkerId, WorkerName};
use hearth_rpc::{Event, TailItem, Trace};
use hearth_store::Worker;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::circle::leads_back;
use crate::consumers::Consumers;
use crate::logs::Logs;
use crate::seen::{Seen, Subject};
use crate::settings::{Observability, TailConsumer};
use crate::tail::{Tails, Viewer};

/// How long a new tail waits for the worker's processes to report their invocations; then it misses what those say that
/// are still to be replaced.
const SWAP: Duration = Duration::from_secs(5);

/// How often it is looked for tails that are over.
const SWEEP: Duration = Duration::from_secs(5);

/// The data plane, as far as seeing it goes.
#[async_trait]
pub trait Workers: Send + Sync + 'static {
    /// Says whether somebody wants every invocation of a worker reported.
    fn trace(&self, worker: WorkerId, wanted: bool);

    /// Waits until no process serves the worker that does not report its invocations. False: out of patience.
    async fn traced(&self, worker: WorkerId, patience: Duration) -> bool;

    /// Hands invocations of the worker `from` to the `tail` handler of another one of its account.
    ///
    /// # Errors
    /// Why they did not arrive, for the operator.
    async fn deliver(&self, from: WorkerId, to: &WorkerName, items: Vec<TailItem>) -> Result<(), String>;
}

/// What an invocation is wanted for.
pub struct Marks;

impl Marks {
    /// A live tail.
    const LIVE: u8 = 1;
    /// Kept logs.
    const KEPT: u8 = 2;
    /// Tail workers.
    const TOLD: u8 = 4;
    /// Free for whoever stands before a [`Watch`].
    pub const OTHER: u8 = 1 << 7;
}

/// Knows who wants to know of which worker. Clones are the same hub.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    workers: OnceLock<Arc<dyn Workers>>,
    logs: Logs,
    states: Mutex<HashMap<WorkerId, Arc<State>>>,
    tails: Mutex<Tails>,
    consumers: Consumers,
    closing: CancellationToken,
}

/// What is wanted of one worker.
#[derive(Default)]
struct State {
    viewers: ArcSwap<Vec<Arc<Viewer>>>,
    settings: ArcSwap<Settings>,
}

#[derive(Default)]
struct Settings {
    /// Whose and which; None until it has been read.
    who: Option<(AccountId, Dialect, WorkerName)>,
    logs: Option<Observability>,
    consumers: Vec<WorkerName>,
}

impl State {
    fn is_wanted(&self) -> bool {
        let settings = self.settings.load();
        let kept = settings.logs.is_some_and(|logs| logs.sampling > 0.0);
        kept || !settings.consumers.is_empty() || !self.viewers.load().is_empty()
    }
}

impl Hub {
    /// A hub that keeps logs in `logs`. Must be called inside a tokio runtime.
    pub fn new(logs: Logs) -> Self {
        let inner = Inner {
            workers: OnceLock::new(),
            logs,
            states: Mutex::default(),
            tails: Mutex::default(),
            consumers: Consumers::new(),
            closing: CancellationToken::new(),
        };
        Self(Arc::new(inner))
    }

    /// Says which data plane it is for, before anything runs there.
    pub fn begin(&self, workers: Arc<dyn Workers>) {
        // Set twice would be the same one again.
        let _ = self.0.workers.set(workers);
    }

    /// Takes a worker's settings in: what is kept of it, and who is told.
    pub fn follow(&self, worker: &Worker) {
        let settings = Settings {
            who: Some((worker.account.clone(), worker.dialect, worker.name.clone())),
            logs: Observability::read(worker.observability.as_ref()),
            consumers: TailConsumer::read(worker.tail_consumers.as_ref())
                .into_iter()
                .map(|one| one.0)
                .collect(),
        };
        self.state(worker.id).settings.store(Arc::new(settings));
        self.retell(worker.id);
    }

    /// Forgets a worker that was deleted; its viewers are told good-bye.
    pub fn forget(&self, worker: WorkerId) {
        self.0.tails.lock().remove_all(worker);
        if let Some(state) = self.0.states.lock().remove(&worker) {
            // Its processes still have the state, and say nothing to anybody any more.
            state.settings.store(Arc::default());
            state.viewers.store(Arc::default());
        }
        self.tell(worker, false);
    }

    /// The workers of an account that tell this one of their invocations, by name.
    pub fn producers(&self, account: &AccountId, consumer: &WorkerName) -> Vec<WorkerName> {
        let states = self.0.states.lock();
        let mut found: Vec<_> = states
            .values()
            .filter_map(|state| {
                let settings = state.settings.load();
                let (owner, _, name) = settings.who.as_ref()?;
                (owner == account && settings.consumers.contains(consumer)).then(|| name.clone())
            })
            .collect();
        found.sort_by_key(WorkerName::folded);
        found
    }

    /// What one process says goes through this.
    pub fn watch(&self, subject: Subject) -> Watch {
        let state = self.state(subject.worker);
        Watch { hub: self.clone(), subject: Arc::new(subject), state }
    }

    /// Whether somebody wants to know of a worker.
    pub fn wants(&self, worker: WorkerId) -> bool {
        let state = self.0.states.lock().get(&worker).cloned();
        state.is_some_and(|state| state.is_wanted())
    }

    /// The logs that it keeps.
    pub fn logs(&self) -> &Logs {
        &self.0.logs
    }

    /// Ends tails whose time is over, until it is dropped.
    pub async fn keep_sweeping(self) {
        let mut ticks = tokio::time::interval(SWEEP);
        loop {
            ticks.tick().await;
            let changed = self.0.tails.lock().sweep(Instant::now());
            for worker in changed {
                self.reseat(worker);
            }
        }
    }

    /// Sends viewers away: the server ends.
    pub fn close(&self) {
        self.0.closing.cancel();
    }

    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.0.closing
    }

    pub(crate) fn tails(&self) -> &Mutex<Tails> {
        &self.0.tails
    }

    /// After the worker's tails have changed: who is shown its invocations.
    pub(crate) fn reseat(&self, worker: WorkerId) {
        let state = self.state(worker);
        {
            // The lock is held until they are stored, so that of two changes the later one stands.
            let tails = self.0.tails.lock();
            state.viewers.store(Arc::new(tails.of(worker).cloned().collect()));
        }
        self.retell(worker);
    }

    /// Waits until new invocations of the worker are seen.
    pub(crate) async fn settled(&self, worker: WorkerId) {
        if let Some(workers) = self.0.workers.get()
            && !workers.traced(worker, SWAP).await
        {
            tracing::warn!(%worker, "processes of a worker that is watched do not report yet");
        }
    }

    fn state(&self, worker: WorkerId) -> Arc<State> {
        Arc::clone(self.0.states.lock().entry(worker).or_default())
    }

    fn retell(&self, worker: WorkerId) {
        self.tell(worker, self.state(worker).is_wanted());
    }

    fn tell(&self, worker: WorkerId, wanted: bool) {
        if let Some(workers) = self.0.workers.get() {
            workers.trace(worker, wanted);
        }
    }

    /// Whether what `from` tells `to` comes back to it.
    fn is_circle(&self, account: &AccountId, from: &WorkerName, to: &WorkerName) -> bool {
        let tells: HashMap<String, Vec<String>> = {
            let states = self.0.states.lock();
            let of = |state: &Arc<State>| {
                let settings = state.settings.load();
                let (owner, dialect, name) = settings.who.as_ref()?;
                let told = settings.consumers.iter().map(WorkerName::folded).collect();
                // Nobody tells what other dialects made, though it may share its name with somebody who is told.
                let tells =
                    owner == account && *dialect == Dialect::Workers && !settings.consumers.is_empty();
                tells.then(|| (name.folded(), told))
            };
            states.values().filter_map(of).collect()
        };
        leads_back(&tells, &from.folded(), &to.folded())
    }
}

/// Stands between one process and the hub.
pub struct Watch {
    hub: Hub,
    subject: Arc<Subject>,
    state: Arc<State>,
}

impl Watch {
    /// What an invocation is wanted for: [`Marks`], or 0 for nothing. `quiet`: it printed and threw nothing.
    pub fn wants(&self, quiet: bool) -> u8 {
        let settings = self.state.settings.load();
        let kept = settings.logs.is_some_and(|logs| {
            (logs.invocations || !quiet) && (logs.sampling >= 1.0 || rand::random::<f64>() < logs.sampling)
        });
        let mark = |wanted: bool, mark: u8| if wanted { mark } else { 0 };
        mark(!self.state.viewers.load().is_empty(), Marks::LIVE)
            | mark(kept, Marks::KEPT)
            | mark(!settings.consumers.is_empty(), Marks::TOLD)
    }

    /// An invocation, with what [`Self::wants`] said of it. Never waits.
    pub fn take(&self, trace: &Arc<Trace>, marks: u8) {
        let seen = Seen::new(&self.subject, trace);
        if marks & Marks::LIVE != 0 {
            for viewer in self.state.viewers.load().iter() {
                viewer.offer(&seen);
            }
        }
        let settings = self.state.settings.load();
        if marks & Marks::TOLD != 0 {
            for consumer in &settings.consumers {
                let by_tail = matches!(trace.event, Some(Event::Tail { .. }));
                if !(by_tail && self.hub.is_circle(&self.subject.account, &self.subject.name, consumer))
                    && let Some(workers) = self.hub.0.workers.get()
                {
                    self.hub.0.consumers.offer(workers, consumer, &seen);
                }
            }
        }
        if marks & Marks::KEPT != 0 {
            let logs = settings.logs.unwrap_or(Observability { sampling: 1.0, invocations: true });
            self.hub.0.logs.offer(seen, logs);
        }
    }

    /// Whose process it is.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }
}
