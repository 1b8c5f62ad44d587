//! Functions → the data plane: which version of one serves, how their calls are counted and shown, and how their packages
//! are fetched.

use std::any::Any;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hearth_egress::{Direct, Egress, Origin, Policy};
use hearth_functions::{Call, Deployed, Way, WayOut};
use hearth_gateway::RouteTable;
use hearth_model::{AccountId, Dialect, TooMany, VersionId, WorkerId, WorkerName};
use hearth_rpc::{CF_HEADER, Event, Exception, ExecutionModel, FetchEvent, Log, LogLevel, Outcome, Trace};
use hearth_supervisor::{FunctionError, Head, Scheduled};
use http::{HeaderName, HeaderValue, StatusCode};
use tokio::net::TcpStream;

/// Reads it from the table that traffic is served by.
pub struct Served(pub Arc<RouteTable>);

impl Deployed for Served {
    fn function(&self, id: WorkerId) -> Option<(AccountId, WorkerName, VersionId)> {
        let served = self.0.worker(id)?;
        let worker = &served.worker;
        let (version, _) = *worker.split.as_ref()?.shares().first()?;
        (worker.dialect == Dialect::Functions).then(|| (worker.account.clone(), worker.name.clone(), version))
    }

    fn arrive(&self, account: &AccountId) -> Result<(), TooMany> {
        self.0.arrive(account)
    }

    fn called(&self, id: WorkerId, status: StatusCode, took: Duration, bytes: usize) {
        if let Some(served) = self.0.worker(id) {
            served.count(status, took, bytes as u64);
        }
    }
}

/// A function's call as the trace that a worker's process would send of it.
pub fn trace_of(call: Call<'_>) -> Trace {
    let Call { began_ms, way, record } = call;
    let (event, status) = match way {
        Way::Api => (Some(Event::Invoke { request_id: record.request_id.clone() }), None),
        Way::Visit { head, status } => (head.map(|head| Event::Fetch(fetch_of(head))), status),
        Way::Cron(Scheduled { cron, scheduled_time_ms }) => {
            (Some(Event::Scheduled { cron: cron.clone(), scheduled_time_ms: *scheduled_time_ms }), None)
        }
    };
    // What is printed has no time of its own.
    let log = |line: &String| Log {
        timestamp_ms: began_ms,
        level: LogLevel::Log,
        message_json: serde_json::json!([line]).to_string(),
        errors: Vec::new(),
        truncated: false,
    };
    let exception = |error: &FunctionError| Exception {
        timestamp_ms: began_ms + record.duration_ms as i64,
        name: error.kind.clone(),
        message: error.message.clone(),
        stack: (!error.stack.is_empty()).then(|| error.stack.clone()),
    };
    Trace {
        event_timestamp_ms: began_ms,
        event,
        outcome: outcome_of(record.error.as_ref()),
        response_status: status.map(|status| status.as_u16()),
        logs: record.logs.iter().map(log).collect(),
        exceptions: record.error.iter().map(exception).collect(),
        diagnostics: Vec::new(),
        entrypoint: None,
        durable_object_id: None,
        execution_model: ExecutionModel::Stateless,
        truncated: false,
    }
}

/// A function's failure in Cloudflare's words.
pub fn outcome_of(error: Option<&FunctionError>) -> Outcome {
    match error.map(|error| error.kind.as_str()) {
        None => Outcome::Ok,
        Some("Timeout") => Outcome::ExceededWallTime,
        Some("OutOfMemory") => Outcome::ExceededMemory,
        Some("CpuLimit") => Outcome::ExceededCpu,
        Some(_) => Outcome::Exception,
    }
}

/// The request of a visitor. What is ours among its headers is nobody's business.
fn fetch_of(head: &Head) -> FetchEvent {
    let text = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    let scheme = text("x-forwarded-proto").unwrap_or("http");
    let host = text("host").unwrap_or("localhost");
    let shown = head.headers.iter().filter(|(name, _)| !name.as_str().starts_with("x-hearth-"));
    let header = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    FetchEvent {
        method: head.method.to_string(),
        url: format!("{scheme}://{host}{}", head.target),
        cf_json: head.headers.get(CF_HEADER).and_then(|cf| cf.to_str().ok()).map(str::to_owned),
        headers: shown.map(header).collect(),
    }
}

/// How installations of packages reach their registries: by the installation's own rules, in nobody's name.
pub struct PackagesWayOut(Direct);

impl PackagesWayOut {
    pub fn new(egress: &Arc<Egress>) -> Self {
        let nobody = Origin {
            account: String::new(),
            worker_id: String::new(),
            worker: "packages of functions".to_owned(),
            version: String::new(),
            policy: Arc::new(Policy::default()),
        };
        Self(egress.direct(Arc::new(nobody)))
    }
}

#[async_trait]
impl WayOut for PackagesWayOut {
    async fn connect(&self, host: &str, port: u16) -> io::Result<(TcpStream, Box<dyn Any + Send>)> {
        let (stream, held) = self.0.connect(host, port).await?;
        Ok((stream, Box::new(held)))
    }

    async fn knows(&self, name: &str) -> bool {
        self.0.knows(name).await
    }
}
