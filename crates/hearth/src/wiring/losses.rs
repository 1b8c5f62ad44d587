//! Gateway, cron and queues → observe: invocations that their process could not report, since it died.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use hearth_gateway::{Lost, RouteTable};
use hearth_model::WorkerId;
use hearth_observe::{Hub, Subject};
use hearth_rpc::{Event, Exception, ExecutionModel, FetchEvent, Outcome, Trace};
use hearth_supervisor::{Death, InstanceKey, SendError};

/// Tells those who watch a worker.
pub struct Losses {
    pub hub: Hub,
    pub table: Arc<RouteTable>,
}

impl hearth_gateway::Losses for Losses {
    fn wants(&self, worker: WorkerId) -> bool {
        self.hub.wants(worker)
    }

    fn lost(&self, Lost { key, death, began, request, status }: Lost) {
        let headers = request.headers.iter();
        let headers = headers.map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let fetch = FetchEvent {
            method: request.method.as_str().to_owned(),
            url: request.url,
            cf_json: request.cf_json,
            headers: headers.collect(),
        };
        self.tell(key, Event::Fetch(fetch), began, death, status.map(|status| status.as_u16()));
    }
}

impl Losses {
    /// What came of an event that a process was given at `began`; if it has died of it, that is told.
    pub fn note<T>(
        &self,
        answer: &Result<T, SendError>,
        key: InstanceKey,
        began: SystemTime,
        event: impl FnOnce() -> Event,
    ) {
        if let Err(SendError::Died(death)) = answer
            && self.hub.wants(key.worker)
        {
            self.tell(key, event(), began, *death, None);
        }
    }

    fn tell(&self, key: InstanceKey, event: Event, began: SystemTime, death: Death, status: Option<u16>) {
        // One that was deleted meanwhile is watched by nobody.
        let Some(served) = self.table.worker(key.worker) else { return };
        let watch = self.hub.watch(Subject {
            account: served.worker.account.clone(),
            worker: key.worker,
            name: served.worker.name.clone(),
            version: key.version,
        });
        let marks = watch.wants(false);
        let exception = Exception {
            timestamp_ms: millis(SystemTime::now()),
            name: "Error".to_owned(),
            message: death.explanation().to_owned(),
            stack: None,
        };
        let trace = Trace {
            event_timestamp_ms: millis(began),
            event: Some(event),
            outcome: outcome(death),
            response_status: status,
            logs: Vec::new(),
            exceptions: vec![exception],
            diagnostics: Vec::new(),
            entrypoint: None,
            durable_object_id: None,
            execution_model: ExecutionModel::Stateless,
            truncated: false,
        };
        watch.take(&Arc::new(trace), marks);
    }
}

/// In the words of Cloudflare's tails.
fn outcome(death: Death) -> Outcome {
    match death {
        Death::Stuck | Death::CpuBudget => Outcome::ExceededCpu,
        Death::Memory => Outcome::ExceededMemory,
        Death::Timeout => Outcome::ExceededWallTime,
        Death::StartTimeout | Death::Crashed => Outcome::Exception,
        Death::Stopped => Outcome::Canceled,
    }
}

fn millis(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
