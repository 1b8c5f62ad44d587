//! Gateway, supervisor, egress and bindings → metrics: the page that Prometheus reads, the minutes of each worker, and
//! the nodes of GraphQL that are answered from those.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use async_trait::async_trait;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hearth_analytics::Analytics as Engine;
use hearth_api::{Analytics, Api, ApiError, Ask, refusal};
use hearth_egress::{Dispatch, Internal, Origin};
use hearth_gateway::{CountersSnapshot, Gateway, LATENCY_BOUNDS_US, RouteTable};
use hearth_metrics::{
    CONTENT_TYPE, Filter, Group, Histogram, History, LATENCY_BUCKETS, Labels, Minute, Operations, Page,
    Report, Source, quantile,
};
use hearth_model::{AccountId, WorkerId};
use hearth_queues::Queues;
use hearth_store::{ResourceKind, Store};
use hearth_supervisor::{START_BOUNDS_US, Supervisor, WorkerStats};
use http::{HeaderMap, Request, header};
use hyper::body::Incoming;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::internal::Inside;
use super::services::Attach;

/// The shortest time between two looks at the counters for a query's sake.
const FRESH: Duration = Duration::from_secs(1);

/// Most queues whose backlog is on the page.
const MAX_QUEUES: usize = 1_000;

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
    history: History,
    seen: Mutex<Seen>,
}

/// The totals that the minutes have already.
#[derive(Default)]
struct Seen {
    totals: HashMap<WorkerId, Minute>,
    looked: Option<Instant>,
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
        minutes: &Path,
    ) -> Result<Self> {
        let history = History::open(minutes).with_context(|| format!("opening {}", minutes.display()))?;
        let seen = Mutex::default();
        Ok(Self(Arc::new(Inner { gateway: OnceLock::new(), table, supervisor, outgoing, history, seen })))
    }

    /// Says which gateway counts requests.
    pub fn begin(&self, gateway: Arc<Gateway>) {
        // Set twice would be the same one again.
        let _ = self.0.gateway.set(gateway);
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

    async fn groups(&self, filter: Filter) -> Result<Vec<Group>, ApiError> {
        let recent = self.0.seen.lock().looked.is_some_and(|looked| looked.elapsed() < FRESH);
        if !recent {
            self.settle().await;
        }
        let history = self.0.history.clone();
        let asked = tokio::task::spawn_blocking(move || history.groups(&filter)).await;
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
                name: served.worker.name.to_string(),
                account: served.worker.account.clone(),
                traffic: traffic.remove(&Some(id)).unwrap_or_default(),
                processes: processes.remove(&id).unwrap_or_default(),
                outgoing: outgoing.remove(&id).unwrap_or_default(),
            })
        });
        (counts.collect(), others)
    }

    fn look(&self, minute: i64) -> Result<(), hearth_metrics::HistoryError> {
        let mut seen = self.seen.lock();
        let (counts, _) = self.counts();
        let mut workers = Vec::new();
        let mut totals = HashMap::new();
        for counts in counts {
            let total = total(&counts);
            let before = seen.totals.get(&counts.id).copied().unwrap_or_default();
            totals.insert(counts.id, total);
            workers.push((counts.account, counts.name, since(&total, &before)));
        }
        self.history.add(minute, &workers)?;
        *seen = Seen { totals, looked: Some(Instant::now()) };
        Ok(())
    }
}

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
            .filter(|(reason, _)| **reason != "stopped")
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

const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "disconnected"];

impl Source for Meters {
    fn report(&self, report: &mut Report<'_>) {
        let (all, others) = self.0.counts();
        let of = |counts: &Counts| -> Labels {
            vec![("worker", counts.name.clone()), ("account", counts.account.to_string())]
        };
        let with = |counts: &Counts, name: &'static str, value: &str| {
            let mut labels = of(counts);
            labels.push((name, value.to_owned()));
            labels
        };
        let nobody = || vec![("worker", String::new()), ("account", String::new())];
        let requests = all.iter().map(|counts| (of(counts), &counts.traffic)).chain([(nobody(), &others)]);
        let classes = requests.flat_map(|(labels, traffic)| {
            CLASSES.iter().zip(traffic.classes).map(move |(class, count)| {
                let mut labels = labels.clone();
                labels.push(("status", (*class).to_owned()));
                (labels, count as f64)
            })
        });
        report.counters(
            "requests",
            "Requests by worker and status; without a worker, those that reached none",
            classes,
        );
        let latency = all.iter().map(|counts| {
            let traffic = &counts.traffic;
            (of(counts), histogram(&LATENCY_BOUNDS_US, &traffic.latency, traffic.latency_sum_us as f64 / 1e6))
        });
        report.histograms("request_duration_seconds", "Time until a response's last byte", latency);
        let each = |value: fn(&Counts) -> f64| all.iter().map(move |counts| (of(counts), value(counts)));
        report.counters(
            "response_bytes",
            "Bytes of response bodies",
            each(|counts| counts.traffic.bytes as f64),
        );
        report.gauges(
            "websockets",
            "WebSockets that are open",
            each(|counts| counts.traffic.websockets as f64),
        );
        report.counters(
            "egress_requests",
            "Requests that workers made with fetch, to workers of this installation too",
            each(|counts| counts.outgoing as f64),
        );
        let starts = all.iter().map(|counts| {
            let processes = &counts.processes;
            (
                of(counts),
                histogram(&START_BOUNDS_US, &processes.start_times, processes.start_time.as_secs_f64()),
            )
        });
        report.histograms("cold_start_duration_seconds", "Time until a worker's process listened", starts);
        report.counters(
            "failed_starts",
            "Processes that did not come to listen",
            each(|counts| counts.processes.failed_starts as f64),
        );
        let deaths = all.iter().flat_map(|counts| {
            counts
                .processes
                .deaths
                .iter()
                .map(|(reason, count)| (with(counts, "reason", reason), *count as f64))
        });
        report.counters("process_ends", "Processes that ended, by reason; stopped ones were told to", deaths);
        let cpu = |counts: &Counts| counts.processes.cpu.as_secs_f64();
        report.counters("worker_cpu_seconds", "CPU time of a worker's processes", each(cpu));
        report.gauges(
            "worker_memory_bytes",
            "Memory of a worker's processes",
            each(|counts| counts.processes.memory as f64),
        );
        report.gauges("instances", "Processes that live", each(|counts| counts.processes.processes as f64));
        report.gauges(
            "requests_in_flight",
            "Requests and calls in a worker's processes",
            each(|counts| counts.processes.in_flight as f64),
        );
        let spares = self.0.supervisor.spares() as f64;
        report.gauges("spares", "Parked processes that are ready", [(Vec::new(), spares)]);
        let workers = self.0.table.len() as f64;
        report.gauges("workers", "Workers that are published", [(Vec::new(), workers)]);
    }
}

fn histogram<const N: usize>(bounds_us: &[u64], counts: &[u64; N], sum: f64) -> Histogram {
    let bounds = bounds_us.iter().map(|bound| *bound as f64 / 1e6).chain([f64::INFINITY]);
    Histogram { buckets: bounds.zip(counts.iter().copied()).collect(), sum }
}

/// What became of data points.
pub fn data_points(engine: Engine) -> impl Source {
    move |report: &mut Report<'_>| {
        let counts = engine.counts();
        let samples = [("kept", counts.kept), ("invalid", counts.invalid), ("lost", counts.lost)];
        let samples = samples.map(|(outcome, count)| (vec![("outcome", outcome.to_owned())], count as f64));
        report.counters(
            "analytics_points",
            "Data points of Analytics Engine by what became of them",
            samples,
        );
    }
}

/// Traces of invocations that nobody took in time.
pub fn lost_traces(services: Arc<Attach>) -> impl Source {
    move |report: &mut Report<'_>| {
        let lost = services.lost_traces() as f64;
        let help = "Traces of invocations that came faster than they were taken";
        report.counters("tail_dropped", help, [(Vec::new(), lost)]);
    }
}

/// What waits in queues. It is asked for before each scrape, since a queue answers from its file.
struct Backlogs {
    queues: Queues,
    store: Store,
    seen: Mutex<Vec<(Labels, hearth_queues::Metrics)>>,
}

impl Backlogs {
    async fn look(&self) {
        let all = self.store.all_resources(ResourceKind::Queue).await.unwrap_or_default();
        let mut seen = Vec::new();
        for queue in all.into_iter().take(MAX_QUEUES) {
            if let Ok(metrics) = self.queues.metrics(&queue.id).await {
                seen.push((vec![("queue", queue.name), ("account", queue.account.to_string())], metrics));
            }
        }
        *self.seen.lock() = seen;
    }
}

impl Source for Backlogs {
    fn report(&self, report: &mut Report<'_>) {
        let seen = self.seen.lock();
        let each = |value: fn(&hearth_queues::Metrics) -> u64| {
            seen.iter().map(move |(labels, metrics)| (labels.clone(), value(metrics) as f64))
        };
        report.gauges("queue_messages", "Messages that are not acknowledged", each(|metrics| metrics.count));
        report.gauges("queue_bytes", "Bytes of their bodies", each(|metrics| metrics.bytes));
    }
}

/// What `/metrics` is made of.
struct Scraped {
    api: Api,
    page: Page,
    backlogs: Arc<Backlogs>,
}

/// `/metrics` on the control host, for callers with a token of the whole installation.
pub fn router(
    api: Api,
    queues: Queues,
    meters: Meters,
    operations: Arc<Operations>,
    more: Vec<Arc<dyn Source>>,
) -> Router {
    let backlogs = Arc::new(Backlogs { queues, store: api.store().clone(), seen: Mutex::default() });
    let mut sources: Vec<Arc<dyn Source>> = vec![Arc::new(meters), operations, Arc::clone(&backlogs) as _];
    sources.extend(more);
    let scraped = Scraped { api, page: Page::new(sources), backlogs };
    Router::new().route("/metrics", get(page)).with_state(Arc::new(scraped))
}

async fn page(State(scraped): State<Arc<Scraped>>, headers: HeaderMap) -> Result<Response, ApiError> {
    scraped.api.caller(&headers).await?.require_installation()?;
    scraped.backlogs.look().await;
    Ok(([(header::CONTENT_TYPE, CONTENT_TYPE)], scraped.page.text()).into_response())
}

/// How minutes are put together, by the dimension that asks for it: the finest one counts.
const STEPS: [(&str, i64); 6] = [
    ("datetime", 1),
    ("datetimeMinute", 1),
    ("datetimeFiveMinutes", 5),
    ("datetimeFifteenMinutes", 15),
    ("datetimeHour", 60),
    ("date", 24 * 60),
];

/// `workersInvocationsAdaptive`: what the gateway and the kernel counted. workerd reports no CPU time of an invocation,
/// so a quantile of CPU time is one of the minutes' averages.
#[async_trait]
impl Analytics for Meters {
    async fn groups(&self, node: &str, ask: &Ask) -> Option<Result<Vec<Value>, ApiError>> {
        (node == "workersInvocationsAdaptive").then_some(())?;
        Some(invocations(self, ask).await)
    }
}

async fn invocations(meters: &Meters, ask: &Ask) -> Result<Vec<Value>, ApiError> {
    let known =
        |name: &str| STEPS.iter().any(|(step, _)| *step == name) || matches!(name, "scriptName" | "status");
    if let Some(unknown) = ask.dimensions.iter().find(|name| !known(name)) {
        return Err(refusal(format!("unknown dimension \"{unknown}\"")));
    }
    let conditions = ask.conditions()?;
    let (mut worker, mut wanted) = (None, None);
    for (name, value) in conditions.others {
        match (name, value.as_str()) {
            ("scriptName", Some(name)) => worker = Some(name.to_owned()),
            ("status", Some(status)) => wanted = Some(status.to_owned()),
            _ => return Err(refusal(format!("unknown filter \"{name}\""))),
        }
    }
    let step = STEPS.iter().find(|(name, _)| ask.by(name)).map_or(0, |(_, step)| *step);
    let by_status = ask.by("status") || wanted.is_some();
    let filter = Filter {
        account: ask.account.clone(),
        worker,
        from: conditions.from.max(0).div_euclid(60),
        to: conditions.to.min(i64::MAX / 2).div_euclid(60),
        step,
        together: !ask.by("scriptName"),
    };
    let groups = meters.groups(filter).await?;
    let rows = groups.iter().flat_map(|group| {
        let statuses: &[Option<&str>] = match by_status {
            true => &[Some("success"), Some("scriptThrewException"), Some("clientDisconnected")],
            false => &[None],
        };
        statuses.iter().filter_map(|status| row(group, *status))
    });
    let fits =
        |row: &Value| wanted.as_ref().is_none_or(|wanted| row["dimensions"]["status"] == wanted.as_str());
    Ok(rows.filter(fits).collect())
}

/// A group as the node has it. With a status, only the requests that had it; what is not counted by status stands at
/// the first.
fn row(group: &Group, status: Option<&str>) -> Option<Value> {
    let sum = &group.sum;
    let succeeded =
        sum.requests - sum.errors.min(sum.requests) - sum.disconnects.min(sum.requests - sum.errors);
    let (requests, errors) = match status {
        None => (sum.requests, sum.errors),
        Some("success") => (succeeded, 0),
        Some("scriptThrewException") => (sum.errors, sum.errors),
        Some(_) => (sum.disconnects, 0),
    };
    if status.is_some() && requests == 0 {
        return None;
    }
    let whole = matches!(status, None | Some("success"));
    let once = |value: u64| if whole { value } else { 0 };
    let wall: Vec<(u64, u64)> = LATENCY_BOUNDS_US
        .iter()
        .copied()
        .chain([LATENCY_BOUNDS_US[LATENCY_BUCKETS - 2]])
        .zip(sum.latency)
        .collect();
    let (mut quantiles, mut dimensions) = (serde_json::Map::new(), serde_json::Map::new());
    for (name, share) in [
        ("P25", 0.25),
        ("P50", 0.5),
        ("P75", 0.75),
        ("P90", 0.9),
        ("P95", 0.95),
        ("P99", 0.99),
        ("P999", 0.999),
    ] {
        quantiles.insert(format!("cpuTime{name}"), quantile(&group.cpu_us, share).into());
        quantiles.insert(format!("wallTime{name}"), quantile(&wall, share).into());
        // Cloudflare's durations are GB-s; ours are seconds of the clock.
        quantiles.insert(format!("duration{name}"), json!(quantile(&wall, share) as f64 / 1e6));
    }
    for (name, step) in STEPS {
        let minute = group.minute - group.minute.rem_euclid(step);
        let time = jiff::Timestamp::from_second(minute.saturating_mul(60)).unwrap_or_default().to_string();
        let text = if name == "date" { time[..10].to_owned() } else { time };
        dimensions.insert(name.to_owned(), text.into());
    }
    dimensions.insert("scriptName".to_owned(), group.worker.clone().into());
    dimensions.insert("status".to_owned(), status.unwrap_or_default().into());
    Some(json!({
        "sum": {
            "requests": requests,
            "errors": errors,
            "subrequests": once(sum.subrequests),
            "clientDisconnects": sum.disconnects,
            "responseBodySize": once(sum.bytes),
            "wallTime": once(sum.wall_us),
            "cpuTimeUs": once(sum.cpu_us),
            "duration": once(sum.wall_us) as f64 / 1e6,
            "coldStarts": once(sum.cold_starts),
            "processDeaths": once(sum.deaths),
        },
        "max": {"memoryBytes": sum.memory},
        "avg": {"sampleInterval": 1},
        "quantiles": quantiles,
        "count": requests,
        "dimensions": dimensions,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group() -> Group {
        let mut sum = Minute { requests: 10, errors: 2, disconnects: 1, cpu_us: 50, ..Minute::default() };
        sum.latency[2] = 9;
        sum.latency[LATENCY_BUCKETS - 1] = 1;
        Group { worker: "w".to_owned(), minute: 61, sum, cpu_us: vec![(5, 10)] }
    }

    #[test]
    fn statuses_add_up_to_all_requests() {
        let requests = |status| row(&group(), status).map(|row| row["sum"]["requests"].as_u64().unwrap());
        let each =
            ["success", "scriptThrewException", "clientDisconnected"].map(|status| requests(Some(status)));
        assert_eq!((each, requests(None)), ([Some(7), Some(2), Some(1)], Some(10)));
        let idle = Group { sum: Minute::default(), ..group() };
        assert!(row(&idle, Some("success")).is_none());
    }

    #[test]
    fn times_and_quantiles_are_those_of_the_group() {
        let row = row(&group(), None).unwrap();
        assert_eq!(row["dimensions"]["datetimeMinute"], "1970-01-01T01:01:00Z");
        assert_eq!(
            (&row["dimensions"]["datetimeHour"], &row["dimensions"]["date"]),
            (&json!("1970-01-01T01:00:00Z"), &json!("1970-01-01"))
        );
        assert_eq!(
            (&row["quantiles"]["wallTimeP50"], &row["quantiles"]["wallTimeP99"]),
            (&json!(1000), &json!(10_000_000))
        );
        assert_eq!(row["quantiles"]["cpuTimeP99"], 5);
    }

    #[test]
    fn a_minute_is_what_came_since_the_last_look() {
        let before = group().sum;
        let mut now = before;
        now.requests += 5;
        now.latency[0] += 5;
        now.memory = 7;
        let new = since(&now, &before);
        assert_eq!((new.requests, new.errors, new.latency[0], new.memory), (5, 0, 5, 7));
        assert!(since(&before, &now).requests == 0, "a counter that began anew is not less than nothing");
    }
}
