//! Gateway, supervisor, egress and bindings → metrics: the page that Prometheus reads, the minutes of each worker, and
//! the nodes of GraphQL that are answered from those.

mod graphql;
mod invocations;
mod namespaces;
mod page;

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use async_trait::async_trait;
use hearth_api::ApiError;
use hearth_egress::{Dispatch, Internal, Origin};
use hearth_gateway::{CountersSnapshot, Gateway, RouteTable};
use hearth_metrics::{History, HistoryError, Minute, Usage};
use hearth_model::{AccountId, WorkerId};
use hearth_supervisor::{Supervisor, WorkerStats};
use http::Request;
use hyper::body::Incoming;
use parking_lot::Mutex;

use super::internal::Inside;

pub use page::{data_points, lost_traces, operation};

/// Requests of workers to the outside, counted on their way.
#[derive(Default)]
pub struct Outgoing(Mutex<HashMap<WorkerId, u64>>);

impl Outgoing {
    fn counts(&self, exists: impl Fn(WorkerId) -> bool) -> HashMap<WorkerId, u64> {
        let mut counts = self.0.lock();
        counts.retain(|worker, _| exists(*worker));
        counts.clone()
    }
}

/// [`Inside`] for egress, with every request counted.
pub struct Counted {
    pub inside: Arc<Inside>,
    pub outgoing: Arc<Outgoing>,
}

#[async_trait]
impl Internal for Counted {
    async fn dispatch(&self, origin: &Origin, request: Request<Incoming>) -> Dispatch {
        if let Ok(worker) = origin.worker_id.parse() {
            *self.outgoing.0.lock().entry(worker).or_default() += 1;
        }
        self.inside.dispatch(origin, request).await
    }
}

/// What counts, put together.
#[derive(Clone)]
pub struct Meters(Arc<Inner>);

struct Inner {
    /// Set once the gateway is there.
    gateway: OnceLock<Arc<Gateway>>,
    table: Arc<RouteTable>,
    supervisor: Supervisor,
    outgoing: Arc<Outgoing>,
    usage: Arc<Usage>,
    history: History,
    /// The totals that the minutes have already.
    seen: Mutex<HashMap<WorkerId, Minute>>,
}

/// A worker that lives, or has failed since the server began.
pub struct Live {
    /// Its name, with its dialect where it is no worker of wrangler's.
    pub name: String,
    /// Processes that live.
    pub processes: usize,
    /// Requests and calls in them.
    pub in_flight: usize,
    /// WebSockets that are open.
    pub websockets: u64,
    /// Memory of the processes, in bytes.
    pub memory: u64,
    /// Processes that did not come to listen.
    pub failed_starts: u64,
    /// Processes that ended without being told to, by why.
    pub ends: BTreeMap<&'static str, u64>,
}

/// A worker with everything that was counted of it.
struct Counts {
    id: WorkerId,
    name: String,
    account: AccountId,
    traffic: CountersSnapshot,
    processes: WorkerStats,
    outgoing: u64,
}

impl Meters {
    /// Meters over these parts, with the minutes in a file.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn new(
        table: Arc<RouteTable>,
        supervisor: Supervisor,
        outgoing: Arc<Outgoing>,
        usage: Arc<Usage>,
        minutes: &Path,
    ) -> Result<Self> {
        let history = History::open(minutes).with_context(|| format!("opening {}", minutes.display()))?;
        let seen = Mutex::default();
        Ok(Self(Arc::new(Inner {
            gateway: OnceLock::new(),
            table,
            supervisor,
            outgoing,
            usage,
            history,
            seen,
        })))
    }

    /// Says which gateway counts requests.
    pub fn begin(&self, gateway: Arc<Gateway>) {
        // Set twice would be the same one again.
        let _ = self.0.gateway.set(gateway);
    }

    /// An account's workers that live or have failed, by name.
    pub fn live(&self, account: &AccountId) -> Vec<Live> {
        let (all, _) = self.0.counts();
        let mine = all.into_iter().filter(|counts| counts.account == *account);
        let mut live: Vec<Live> = mine.map(live).filter(Live::is_of_note).collect();
        live.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        live
    }

    /// Writes each minute down when it is over, until it is dropped.
    pub async fn keep(self) {
        loop {
            let into = since_1970().as_millis() % 60_000;
            let left = Duration::from_millis(60_000 - u64::try_from(into).unwrap_or(0));
            tokio::time::sleep(left).await;
            // What has happened until now belongs to the minute that has just ended.
            self.look(minute() - 1).await;
        }
    }

    /// Writes down what has happened since the last look.
    pub async fn settle(&self) {
        self.look(minute()).await;
    }

    async fn look(&self, minute: i64) {
        let this = self.clone();
        let look = move || this.0.look(minute);
        match tokio::task::spawn_blocking(look).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "what workers did in a minute is not kept"),
            Err(error) => tracing::error!(%error, "what workers did in a minute is not kept"),
        }
    }

    /// Asks the minutes, after what has happened until now was added.
    async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&History) -> Result<T, HistoryError> + Send + 'static,
    ) -> Result<T, ApiError> {
        self.settle().await;
        let history = self.0.history.clone();
        let asked = tokio::task::spawn_blocking(move || ask(&history)).await;
        asked.map_err(ApiError::internal)?.map_err(ApiError::internal)
    }
}

impl Inner {
    /// Every worker that exists.
    fn counts(&self) -> (Vec<Counts>, CountersSnapshot) {
        let exists = |worker| self.table.worker(worker).is_some();
        let (mut processes, mut outgoing) = (self.supervisor.stats(exists), self.outgoing.counts(exists));
        let counters = self.gateway.get().map(|gateway| gateway.counters()).unwrap_or_default();
        let mut traffic: HashMap<_, _> = counters.into_iter().collect();
        let others = traffic.remove(&None).unwrap_or_default();
        let mut ids: Vec<WorkerId> = traffic.keys().flatten().copied().collect();
        ids.extend(processes.keys().chain(outgoing.keys()));
        ids.sort_unstable_by_key(ToString::to_string);
        ids.dedup();
        let counts = ids.into_iter().filter_map(|id| {
            let served = self.table.worker(id)?;
            Some(Counts {
                id,
                name: served.worker.dialect.qualified(&served.worker.name),
                account: served.worker.account.clone(),
                traffic: traffic.remove(&Some(id)).unwrap_or_default(),
                processes: processes.remove(&id).unwrap_or_default(),
                outgoing: outgoing.remove(&id).unwrap_or_default(),
            })
        });
        (counts.collect(), others)
    }

    fn look(&self, minute: i64) -> Result<(), HistoryError> {
        let mut seen = self.seen.lock();
        let (counts, _) = self.counts();
        let mut workers = Vec::new();
        let mut totals = HashMap::new();
        for counts in counts {
            let total = total(&counts);
            let before = seen.get(&counts.id).copied().unwrap_or_default();
            totals.insert(counts.id, total);
            workers.push((counts.account, counts.name, since(&total, &before)));
        }
        self.history.add(minute, &workers)?;
        *seen = totals;
        self.history.add_namespaces(minute.div_euclid(60), &self.usage.take())
    }
}

impl Live {
    fn is_of_note(&self) -> bool {
        self.processes > 0 || self.failed_starts > 0 || !self.ends.is_empty()
    }
}

fn live(counts: Counts) -> Live {
    let Counts { name, traffic, processes, .. } = counts;
    Live {
        name,
        processes: processes.processes,
        in_flight: processes.in_flight,
        websockets: traffic.websockets,
        memory: processes.memory,
        failed_starts: processes.failed_starts,
        ends: processes.deaths.into_iter().filter(|(reason, _)| *reason != STOPPED).collect(),
    }
}

/// How the supervisor calls the end of a process that was told to end.
const STOPPED: &str = "stopped";

fn total(counts: &Counts) -> Minute {
    let Counts { traffic, processes, outgoing, .. } = counts;
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    Minute {
        requests: traffic.classes.iter().sum(),
        errors: traffic.classes[4],
        disconnects: traffic.classes[5],
        subrequests: *outgoing,
        wall_us: traffic.latency_sum_us,
        cpu_us: micros(processes.cpu),
        bytes: traffic.bytes,
        cold_starts: processes.starts,
        deaths: processes
            .deaths
            .iter()
            .filter(|(reason, _)| **reason != STOPPED)
            .map(|(_, count)| count)
            .sum(),
        memory: processes.memory,
        latency: traffic.latency,
    }
}

/// What has come since; of memory what is there.
fn since(total: &Minute, before: &Minute) -> Minute {
    Minute {
        requests: total.requests.saturating_sub(before.requests),
        errors: total.errors.saturating_sub(before.errors),
        disconnects: total.disconnects.saturating_sub(before.disconnects),
        subrequests: total.subrequests.saturating_sub(before.subrequests),
        wall_us: total.wall_us.saturating_sub(before.wall_us),
        cpu_us: total.cpu_us.saturating_sub(before.cpu_us),
        bytes: total.bytes.saturating_sub(before.bytes),
        cold_starts: total.cold_starts.saturating_sub(before.cold_starts),
        deaths: total.deaths.saturating_sub(before.deaths),
        memory: total.memory,
        latency: std::array::from_fn(|bucket| total.latency[bucket].saturating_sub(before.latency[bucket])),
    }
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn minute() -> i64 {
    i64::try_from(since_1970().as_secs() / 60).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_is_what_came_since_the_last_look() {
        let before = Minute { requests: 10, errors: 2, ..Minute::default() };
        let mut now = before;
        now.requests += 5;
        now.latency[0] += 5;
        now.memory = 7;
        let new = since(&now, &before);
        assert_eq!((new.requests, new.errors, new.latency[0], new.memory), (5, 0, 5, 7));
        assert!(since(&before, &now).requests == 0, "a counter that began anew is not less than nothing");
    }
}
