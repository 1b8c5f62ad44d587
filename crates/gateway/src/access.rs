//! What is remembered of a request: one line in the access log and a few counters.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use hearth_model::VersionId;
use hearth_supervisor::{Death, Lease};
use http::{HeaderValue, Method, StatusCode, Uri};

use crate::caps::Place;
use crate::lineage::Lineage;
use crate::losses::Ongoing;
use crate::public::Visit;
use crate::ray::Ray;
use crate::table::Served;

/// Upper bounds of the latency histogram's buckets, in microseconds; one more bucket takes the rest.
pub const LATENCY_BOUNDS_US: [u64; 12] =
    [250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000, 10_000_000];

/// Counters of one worker, or of all requests that reached none.
#[derive(Debug, Default)]
struct Counters {
    classes: [AtomicU64; 6],
    latency: [AtomicU64; LATENCY_BOUNDS_US.len() + 1],
    latency_sum_us: AtomicU64,
    bytes: AtomicU64,
}

/// Counters as they were at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CountersSnapshot {
    /// Responses by status class: 1xx at 0 up to 5xx at 4; at 5, requests whose client left before a response.
    pub classes: [u64; 6],
    /// Requests by duration up to the last byte, by [`LATENCY_BOUNDS_US`]; not cumulative.
    pub latency: [u64; LATENCY_BOUNDS_US.len() + 1],
    /// Sum of all durations in microseconds.
    pub latency_sum_us: u64,
    /// Bytes of response bodies.
    pub bytes: u64,
    /// WebSockets that are open now.
    pub websockets: u64,
}

impl Counters {
    fn record(&self, status: Option<StatusCode>, took: Duration, bytes: u64) {
        let class = status.map_or(5, |status| usize::from(status.as_u16() / 100).clamp(1, 5) - 1);
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let bucket = LATENCY_BOUNDS_US.partition_point(|bound| *bound < micros);
        self.classes[class].fetch_add(1, Ordering::Relaxed);
        self.latency[bucket].fetch_add(1, Ordering::Relaxed);
        self.latency_sum_us.fetch_add(micros, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn snapshot(&self) -> CountersSnapshot {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CountersSnapshot {
            classes: std::array::from_fn(|i| read(&self.classes[i])),
            latency: std::array::from_fn(|i| read(&self.latency[i])),
            latency_sum_us: read(&self.latency_sum_us),
            bytes: read(&self.bytes),
            websockets: 0,
        }
    }
}

/// What one worker's requests leave in memory, or those that reached none. It belongs to the worker's entry in the
/// route table and goes with it.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Made at the first request: most of many workers get none.
    counters: OnceLock<Box<Counters>>,
    websockets: AtomicU64,
    /// What is in flight, by how deep it is nested.
    pub lineage: Lineage,
}

impl Traffic {
    pub(crate) fn record(&self, status: Option<StatusCode>, took: Duration, bytes: u64) {
        self.counters.get_or_init(Box::default).record(status, took, bytes);
    }

    /// The counters as they are now; None before the first request.
    pub(crate) fn snapshot(&self) -> Option<CountersSnapshot> {
        let websockets = self.websockets.load(Ordering::Relaxed);
        match self.counters.get() {
            Some(counters) => Some(CountersSnapshot { websockets, ..counters.snapshot() }),
            None => (websockets > 0).then(|| CountersSnapshot { websockets, ..CountersSnapshot::default() }),
        }
    }
}

/// An open WebSocket; dropping it says that it has ended.
#[derive(Debug)]
pub(crate) struct OpenWebSocket(Arc<Traffic>);

impl Drop for OpenWebSocket {
    fn drop(&mut self) {
        self.0.websockets.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What the access log says of a request's head; made only while someone listens.
#[derive(Debug)]
struct Line {
    ray: Ray,
    method: Method,
    host: Option<HeaderValue>,
    uri: Uri,
    worker: Option<(Arc<Served>, VersionId)>,
}

/// One request from its head to its response's last byte. Dropping it writes the line, counts, and gives back what
/// the request held.
#[derive(Debug)]
pub(crate) struct Exchange {
    started: Instant,
    status: Option<StatusCode>,
    bytes: u64,
    complete: bool,
    silent: bool,
    traffic: Arc<Traffic>,
    line: Option<Box<Line>>,
    lease: Option<Lease>,
    place: Option<Place>,
    visit: Option<Box<dyn Visit>>,
    /// What is known of it if its process does not come to report it.
    ongoing: Option<Box<Ongoing>>,
}

impl Exchange {
    /// The record of a request whose head has arrived.
    pub(crate) fn new(others: &Arc<Traffic>, ray: Ray, request: &http::Request<impl Sized>) -> Self {
        let line = tracing::enabled!(target: "access", tracing::Level::INFO).then(|| {
            Box::new(Line {
                ray,
                method: request.method().clone(),
                host: request.headers().get(http::header::HOST).cloned(),
                uri: request.uri().clone(),
                worker: None,
            })
        });
        Self {
            started: Instant::now(),
            status: None,
            bytes: 0,
            complete: false,
            silent: false,
            traffic: Arc::clone(others),
            line,
            lease: None,
            place: None,
            visit: None,
            ongoing: None,
        }
    }

    /// What is to be told of it if its process dies.
    pub(crate) fn note(&mut self, ongoing: Option<Box<Ongoing>>) {
        self.ongoing = ongoing;
    }

    /// Its process has died, and what it is answered is not the worker's.
    pub(crate) fn died(&mut self, death: Death) {
        if let Some(ongoing) = self.ongoing.take() {
            ongoing.died(death, None);
        }
    }

    /// The worker it goes to.
    pub(crate) fn found(&mut self, served: &Arc<Served>, version: VersionId, place: Place) {
        self.traffic = Arc::clone(&served.traffic);
        self.place = Some(place);
        if let Some(line) = &mut self.line {
            line.worker = Some((Arc::clone(served), version));
        }
    }

    /// What lasts as long as it does.
    pub(crate) fn attend(&mut self, visit: Box<dyn Visit>) {
        self.visit = Some(visit);
    }

    /// The place it takes in an instance.
    pub(crate) fn hold(&mut self, lease: Lease) -> &Lease {
        self.lease.insert(lease)
    }

    /// The place it has.
    pub(crate) fn lease(&self) -> Option<&Lease> {
        self.lease.as_ref()
    }

    /// The place it has, for something that outlives the response.
    pub(crate) fn take_lease(&mut self) -> Option<Lease> {
        self.lease.take()
    }

    /// Counts a WebSocket until what is returned is dropped.
    pub(crate) fn websocket(&self) -> OpenWebSocket {
        self.traffic.websockets.fetch_add(1, Ordering::Relaxed);
        OpenWebSocket(Arc::clone(&self.traffic))
    }

    /// Goes on elsewhere: the record that stays behind neither writes nor counts.
    pub(crate) fn split_off(&mut self) -> Self {
        self.silent = true;
        Self {
            started: self.started,
            status: self.status,
            bytes: 0,
            complete: false,
            silent: false,
            traffic: Arc::clone(&self.traffic),
            line: self.line.take(),
            lease: None,
            place: self.place.take(),
            visit: self.visit.take(),
            ongoing: self.ongoing.take(),
        }
    }

    /// The response's head.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
        if let Some(visit) = &mut self.visit {
            visit.answered(status);
        }
    }

    pub(crate) fn count(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
    }

    /// The body ended as it should.
    pub(crate) fn complete(&mut self) {
        self.complete = true;
    }

    /// The body ended early.
    pub(crate) fn cut_short(&mut self) {
        self.complete = false;
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if self.silent {
            return;
        }
        if let Some(ongoing) = self.ongoing.take().filter(|_| !self.complete) {
            ongoing.ended_early(self.status);
        }
        let took = self.started.elapsed();
        self.traffic.record(self.status, took, self.bytes);
        let Some(line) = &self.line else { return };
        let host = line.host.as_ref().and_then(|host| host.to_str().ok()).or(line.uri.host());
        let (worker, version) = match &line.worker {
            Some((served, version)) => (Some(served.worker.name.as_str()), Some(version)),
            None => (None, None),
        };
        tracing::info!(
            target: "access",
            request = %line.ray,
            worker,
            version = version.map(tracing::field::display),
            method = line.method.as_str(),
            host,
            path = line.uri.path(),
            status = self.status.map(|status| status.as_u16()),
            bytes = self.bytes,
            complete = self.complete,
            micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            cold = self.lease.as_ref().map(|lease| lease.instance().served() == 1),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_by_class_and_duration() {
        let counters = Counters::default();
        counters.record(Some(StatusCode::OK), Duration::from_micros(250), 10);
        counters.record(Some(StatusCode::BAD_GATEWAY), Duration::from_secs(60), 5);
        counters.record(None, Duration::from_micros(251), 0);
        let seen = counters.snapshot();
        assert_eq!(seen.classes, [0, 1, 0, 0, 1, 1]);
        assert_eq!((seen.latency[0], seen.latency[1], seen.latency[12]), (1, 1, 1));
        assert_eq!((seen.bytes, seen.latency_sum_us), (15, 60_000_501));
    }
}
