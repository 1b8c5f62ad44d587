//! `/metrics`: everything that counts, for Prometheus.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hearth_analytics::Analytics as Engine;
use hearth_api::{Api, Operation};
use hearth_gateway::LATENCY_BOUNDS_US;
use hearth_metrics::{CONTENT_TYPE, Histogram, Labels, Operations, Page, Report, Source};
use hearth_queues::Queues;
use hearth_store::{ResourceKind, Store};
use hearth_supervisor::START_BOUNDS_US;
use http::{Method, header};
use parking_lot::Mutex;

use super::super::services::Attach;
use super::{Counts, Meters};

/// Most queues whose backlog is on the page.
const MAX_QUEUES: usize = 1_000;

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
    page: Page,
    backlogs: Arc<Backlogs>,
}

/// `/metrics` on the control host, for callers with a token of the whole installation.
pub fn operation(
    api: &Api,
    queues: Queues,
    meters: Meters,
    operations: Arc<Operations>,
    more: Vec<Arc<dyn Source>>,
) -> Operation {
    let backlogs = Arc::new(Backlogs { queues, store: api.store().clone(), seen: Mutex::default() });
    let mut sources: Vec<Arc<dyn Source>> = vec![Arc::new(meters), operations, Arc::clone(&backlogs) as _];
    sources.extend(more);
    let scraped = Scraped { page: Page::new(sources), backlogs };
    Operation::new(Method::GET, "/metrics", page, &Arc::new(scraped))
}

async fn page(State(scraped): State<Arc<Scraped>>) -> Response {
    scraped.backlogs.look().await;
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], scraped.page.text()).into_response()
}
