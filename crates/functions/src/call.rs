//! One call of a function, from the API to its process and back, and what is remembered of it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hearth_model::{Limits, VersionId, WorkerId};
use hearth_supervisor::{
    AcquireError, CallMemory, Death, Ending, FunctionError, INVOKE_HEADER, Identity, Instances, RequestBody,
    Scheduled, SendError, Visit,
};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::audience::{Call, Way, Whose};
use crate::error::Refusal;
use crate::functions::Functions;
use crate::records::{Record, round};

/// Largest body of a call, in bytes: AWS Lambda's.
pub(crate) const MAX_EVENT: usize = 6 << 20;

/// Bytes of JSON that take a fraction of a millisecond.
const LARGE: usize = 64 << 10;

/// Largest answer of a process, in bytes: a result as large as an event, and its logs.
const MAX_ANSWER: usize = MAX_EVENT + (1 << 20);

/// What is sent to invoke.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    event: Option<Box<RawValue>>,
    #[serde(default)]
    context: Option<Value>,
}

/// What a process answers.
#[derive(Deserialize)]
struct Answer {
    success: bool,
    duration_ms: f64,
    #[serde(default)]
    logs: Vec<String>,
    #[serde(default)]
    result: Option<Box<RawValue>>,
    #[serde(default)]
    error: Option<FunctionError>,
}

/// What a process says of a call that came over the function's host.
#[derive(Deserialize)]
struct Called {
    success: bool,
    duration_ms: f64,
    error: Option<FunctionError>,
    logs: Vec<String>,
}

impl Functions {
    /// Calls a function and says what came of it, in JSON.
    pub(crate) async fn invoke(&self, whose: Whose<'_>, body: Bytes) -> Result<Bytes, Refusal> {
        let (request_id, sent) = read(body, prepare).await??;
        let began = Instant::now();
        let called = async {
            let (record, result) = self.run(whose, Way::Api, request_id, sent).await?;
            let shown = serde_json::to_vec(&Shown::of(&record, result.as_deref()));
            Ok((shown.map_err(Refusal::internal)?, record.success))
        };
        let called: Result<_, Refusal> = called.await;
        // What a visitor of the function's host would have got.
        let (status, bytes) = match &called {
            Ok((shown, true)) => (StatusCode::OK, shown.len()),
            Ok((shown, false)) => (StatusCode::INTERNAL_SERVER_ERROR, shown.len()),
            Err(refusal) => (refusal.status(), 0),
        };
        self.0.config.deployed.called(whose.function, status, began.elapsed(), bytes);
        called.map(|(shown, _)| Bytes::from(shown))
    }

    /// Calls a function because a cron trigger of its is due: its event is `{cron, scheduledTime}`. Says why it failed, if
    /// it did.
    ///
    /// # Errors
    /// Why it was not called, for its owner.
    pub async fn scheduled(
        &self,
        function: WorkerId,
        event: &Scheduled,
    ) -> Result<Option<FunctionError>, String> {
        let served = self.0.config.deployed.function(function);
        let (account, name, version) = served.ok_or("The function has no deployment.")?;
        let whose = Whose { account: &account, function, name: &name, version };
        let (request_id, sent) = prepare(&serde_json::to_vec(&json!({ "event": event })).unwrap_or_default())
            .map_err(|refusal| refusal.message().to_owned())?;
        let ran = self.run(whose, Way::Cron(event), request_id, sent).await;
        ran.map(|(record, _)| record.error).map_err(|refusal| refusal.message().to_owned())
    }

    /// Calls a function, and remembers what came of it.
    async fn run(
        &self,
        whose: Whose<'_>,
        way: Way<'_>,
        request_id: String,
        sent: Vec<u8>,
    ) -> Result<(Record, Option<Box<RawValue>>), Refusal> {
        let started = jiff::Timestamp::now();
        let (answer, outcome) = self.answer(whose.function, whose.version, sent).await?;
        let record = Record {
            request_id,
            version: whose.version.to_string(),
            via: way.name().to_owned(),
            started_at: started.to_string(),
            duration_ms: round(answer.duration_ms),
            billed_ms: billed(answer.duration_ms),
            memory_mb: mib(outcome.memory.peak),
            baseline_mb: mib(outcome.memory.baseline),
            cold_start: outcome.cold,
            success: answer.success,
            error: answer.error,
            logs: answer.logs,
        };
        self.keep(whose, started, way, record.clone());
        Ok((record, answer.result))
    }

    /// What the function's process answers, or what became of it instead.
    async fn answer(
        &self,
        id: WorkerId,
        version: VersionId,
        sent: Vec<u8>,
    ) -> Result<(Answer, Outcome), Refusal> {
        let supervisor = &self.0.config.supervisor;
        let began = Instant::now();
        let mut outcome = Outcome::default();
        let answer = match supervisor.acquire(id, version).await {
            Ok(lease) => {
                let instance = lease.instance().clone();
                outcome.cold = instance.served() == 1;
                let called = Instant::now();
                let answer = answer_of(lease.send(request(sent)).await).await;
                outcome.took = called.elapsed();
                // Before the place is another's, whose memory it would be.
                outcome.memory = supervisor.call_memory(&instance).unwrap_or_default();
                drop(lease);
                answer
            }
            Err(AcquireError::Refused(error)) => {
                outcome.cold = true;
                outcome.took = began.elapsed();
                Err(Failed::Function(error))
            }
            Err(AcquireError::Died(death)) => Err(Failed::Died(death)),
            Err(other) => return Err(other.into()),
        };
        let error = match answer {
            Ok(answer) => return Ok((answer, outcome)),
            Err(Failed::Function(error)) => error,
            Err(Failed::Died(death)) => {
                let limits = self.limits(id, version).await;
                outcome.memory = at_death(outcome.memory, death, &limits);
                of_death(death, &limits)
            }
        };
        let duration_ms = outcome.took.as_secs_f64() * 1000.0;
        Ok((
            Answer { success: false, duration_ms, logs: Vec::new(), result: None, error: Some(error) },
            outcome,
        ))
    }

    /// Remembers a call that came over the function's host.
    pub fn visited(&self, identity: &Arc<Identity>, visit: Visit, ending: Ending, memory: CallMemory) {
        match ending {
            Ending::Said(line) => match serde_json::from_str(&line) {
                Ok(called) => self.remember(identity, &visit, called, memory),
                Err(error) => tracing::debug!(%error, "a function's process says nonsense of a call"),
            },
            Ending::Died(death) => {
                let (this, identity) = (self.clone(), Arc::clone(identity));
                tokio::spawn(async move {
                    let took = visit.began.elapsed().unwrap_or_default();
                    let limits = this.limits(identity.key.worker, identity.key.version).await;
                    let memory = at_death(memory, death, &limits);
                    let duration_ms = round(took.as_secs_f64() * 1000.0);
                    let called = Called {
                        success: false,
                        duration_ms,
                        error: Some(of_death(death, &limits)),
                        logs: Vec::new(),
                    };
                    this.remember(&identity, &visit, called, memory);
                });
            }
        }
    }

    fn remember(&self, identity: &Identity, visit: &Visit, called: Called, memory: CallMemory) {
        let (function, version) = (identity.key.worker, identity.key.version);
        let started = jiff::Timestamp::try_from(visit.began).unwrap_or_default();
        let way = Way::Visit { head: visit.head.as_deref(), status: visit.status };
        let record = Record {
            request_id: visit.ray.to_str().unwrap_or_default().to_owned(),
            version: version.to_string(),
            via: way.name().to_owned(),
            started_at: started.to_string(),
            duration_ms: called.duration_ms,
            billed_ms: billed(called.duration_ms),
            memory_mb: mib(memory.peak),
            baseline_mb: mib(memory.baseline),
            cold_start: visit.cold,
            success: called.success,
            error: called.error,
            logs: called.logs,
        };
        let whose = Whose { account: &identity.account, function, name: &identity.name, version };
        self.keep(whose, started, way, record);
    }

    /// Remembers a call, and shows it to those who watch.
    fn keep(&self, whose: Whose<'_>, began: jiff::Timestamp, way: Way<'_>, record: Record) {
        let config = &self.0.config;
        let loud = !(record.success && record.logs.is_empty());
        if loud || config.supervisor.is_watched(whose.function) {
            let call = Call { began_ms: began.as_millisecond(), way, record: &record };
            config.audience.seen(whose, call);
        }
        config.records.add(whose.function, record);
    }

    async fn limits(&self, id: WorkerId, version: VersionId) -> Limits {
        self.store().version(id, version).await.map(|version| version.limits).unwrap_or_default()
    }
}

/// What a process's end means to who called.
fn of_death(death: Death, limits: &Limits) -> FunctionError {
    let (kind, message) = match death {
        Death::Timeout => (
            "Timeout",
            format!("The function took longer than its timeout of {} s.", limits.timeout_ms() / 1000),
        ),
        Death::Memory => {
            ("OutOfMemory", format!("The function used more than its {} MB of memory.", limits.memory_mb()))
        }
        Death::CpuBudget | Death::Stuck => {
            ("CpuLimit", "The function went on using the processor when it had answered.".to_owned())
        }
        _ => ("Crashed", "The function's process ended before it had answered.".to_owned()),
    };
    FunctionError { kind: kind.to_owned(), message, stack: String::new() }
}

/// What the call of a process used that is gone: when it was killed for its memory, all that it was given at least.
fn at_death(seen: CallMemory, death: Death, limits: &Limits) -> CallMemory {
    let least = if death == Death::Memory { limits.memory_mb() << 20 } else { 0 };
    CallMemory { peak: seen.peak.max(least), ..seen }
}

#[derive(Default)]
struct Outcome {
    cold: bool,
    took: Duration,
    memory: CallMemory,
}

enum Failed {
    Function(FunctionError),
    Died(Death),
}

/// Whole milliseconds, one at least.
fn billed(duration_ms: f64) -> u64 {
    duration_ms.ceil().max(1.0) as u64
}

fn mib(bytes: u64) -> f64 {
    round(bytes as f64 / f64::from(1 << 20))
}

/// The body for the process, of the one that was sent, and the call's id.
fn prepare(body: &[u8]) -> Result<(String, Vec<u8>), Refusal> {
    let asked: Asked = if body.iter().all(u8::is_ascii_whitespace) {
        Asked { event: None, context: None }
    } else if !body.trim_ascii_start().starts_with(b"{") {
        // An array would be read as the fields in their order.
        return Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            "the body must be an object: {\"event\", \"context\"}",
        ));
    } else {
        serde_json::from_slice(body).map_err(|error| {
            Refusal::new(
                StatusCode::BAD_REQUEST,
                format!("the body must be {{\"event\", \"context\"}}: {error}"),
            )
        })?
    };
    let mut context = match asked.context {
        None | Some(Value::Null) => serde_json::Map::new(),
        Some(Value::Object(context)) => context,
        Some(_) => return Err(Refusal::field("context", "it must be an object")),
    };
    let given = context.get("request_id").and_then(Value::as_str).map(str::to_owned);
    let request_id = given.unwrap_or_else(|| format!("req_{}", uuid::Uuid::new_v4().simple()));
    context.insert("request_id".to_owned(), request_id.clone().into());
    let event = asked.event.as_deref().map_or("null", RawValue::get);
    let context = serde_json::to_string(&context).unwrap_or_default();
    Ok((request_id, format!("{{\"event\":{event},\"context\":{context}}}").into_bytes()))
}

/// Reads JSON: what is large, where it holds up no traffic.
async fn read<T: Send + 'static>(
    body: Bytes,
    reader: impl FnOnce(&[u8]) -> T + Send + 'static,
) -> Result<T, Refusal> {
    if body.len() <= LARGE {
        return Ok(reader(&body));
    }
    tokio::task::spawn_blocking(move || reader(&body)).await.map_err(Refusal::internal)
}

fn request(body: Vec<u8>) -> Request<RequestBody> {
    let body = Full::new(Bytes::from(body)).map_err(|never| -> io::Error { match never {} });
    let mut request = Request::new(RequestBody::Boxed(body.boxed_unsync()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = http::Uri::from_static("/invoke");
    let headers = request.headers_mut();
    headers.insert(http::header::HOST, http::HeaderValue::from_static("function"));
    headers.insert(http::HeaderName::from_static(INVOKE_HEADER), http::HeaderValue::from_static("1"));
    request
}

async fn answer_of(
    sent: Result<http::Response<hearth_supervisor::ResponseBody>, SendError>,
) -> Result<Answer, Failed> {
    let crashed = |message: String| {
        Failed::Function(FunctionError { kind: "Crashed".into(), message, stack: String::new() })
    };
    let response = match sent {
        Ok(response) => response,
        Err(SendError::Died(death)) => return Err(Failed::Died(death)),
        Err(error) => return Err(crashed(format!("The function's process did not answer: {error}"))),
    };
    let body = match Limited::new(response.into_body(), MAX_ANSWER).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            let message = format!("the result is larger than {} MiB", MAX_EVENT >> 20);
            let kind = "ResultTooLarge".into();
            return Err(Failed::Function(FunctionError { kind, message, stack: String::new() }));
        }
        Err(error) => return Err(crashed(format!("The function's process broke off: {error}"))),
    };
    match read(body, |body| serde_json::from_slice(body)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(crashed(format!("The function's process answered what is not JSON: {error}"))),
        Err(refusal) => Err(crashed(refusal.message().to_owned())),
    }
}

/// The answer to who called.
#[derive(Serialize)]
struct Shown<'a> {
    request_id: &'a str,
    success: bool,
    /// As the function wrote it.
    result: Option<&'a RawValue>,
    error: Option<&'a FunctionError>,
    logs: &'a [String],
    duration_ms: f64,
    billed_ms: u64,
    memory_mb: f64,
    baseline_mb: f64,
    cold_start: bool,
}

impl<'a> Shown<'a> {
    fn of(record: &'a Record, result: Option<&'a RawValue>) -> Self {
        Self {
            request_id: &record.request_id,
            success: record.success,
            result,
            error: record.error.as_ref(),
            logs: &record.logs,
            duration_ms: record.duration_ms,
            billed_ms: record.billed_ms,
            memory_mb: record.memory_mb,
            baseline_mb: record.baseline_mb,
            cold_start: record.cold_start,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_an_id_and_its_event_as_it_was_sent() {
        let (id, body) = prepare(
            br#"{"event": {"big": 12345678901234567890123}, "context": {"request_id": "r1", "user": "u"}}"#,
        )
        .unwrap();
        let text = String::from_utf8(body).unwrap();
        assert_eq!(id, "r1");
        assert!(text.starts_with(r#"{"event":{"big": 12345678901234567890123},"context":{"#), "{text}");
        let (id, body) = prepare(b"").unwrap();
        assert!(id.starts_with("req_"));
        assert!(String::from_utf8(body).unwrap().starts_with(r#"{"event":null,"#));
        for wrong in [&b"["[..], b"[]", br#"{"context": 1}"#] {
            assert!(prepare(wrong).is_err());
        }
    }
}
