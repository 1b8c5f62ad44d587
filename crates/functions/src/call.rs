//! One call of a function, from the API to its process and back, and what is remembered of it.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use hearth_model::{VersionId, WorkerId};
use hearth_supervisor::{
    AcquireError, CallMemory, Death, FunctionError, INVOKE_HEADER, Identity, Instances, RequestBody,
    SendError,
};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::error::Refusal;
use crate::functions::Functions;
use crate::records::{Record, round};

/// Largest body of a call, in bytes: AWS Lambda's.
pub(crate) const MAX_EVENT: usize = 6 << 20;

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
    request_id: String,
    started_ms: i64,
    success: bool,
    duration_ms: f64,
    error: Option<FunctionError>,
    logs: Vec<String>,
}

impl Functions {
    /// Calls a function and says what came of it, in JSON.
    pub(crate) async fn invoke(
        &self,
        id: WorkerId,
        version: VersionId,
        body: &[u8],
    ) -> Result<Bytes, Refusal> {
        let (request_id, sent) = prepare(body)?;
        let supervisor = &self.0.config.supervisor;
        let (began, started) = (Instant::now(), jiff::Timestamp::now());
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
            Err(AcquireError::Died(death)) => Err(Failed::Function(self.of_death(id, version, death).await)),
            Err(other) => return Err(other.into()),
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(Failed::Function(error)) => Answer {
                success: false,
                duration_ms: outcome.took.as_secs_f64() * 1000.0,
                logs: Vec::new(),
                result: None,
                error: Some(error),
            },
            Err(Failed::Died(death)) => Answer {
                success: false,
                duration_ms: outcome.took.as_secs_f64() * 1000.0,
                logs: Vec::new(),
                result: None,
                error: Some(self.of_death(id, version, death).await),
            },
        };
        let record = Record {
            request_id,
            version: version.to_string(),
            via: "api".to_owned(),
            started_at: started.to_string(),
            duration_ms: round(answer.duration_ms),
            billed_ms: answer.duration_ms.ceil().max(1.0) as u64,
            memory_mb: mib(outcome.memory.peak),
            baseline_mb: mib(outcome.memory.baseline),
            cold_start: outcome.cold,
            success: answer.success,
            error: answer.error,
            logs: answer.logs,
        };
        let shown = shown(&record, answer.result.as_deref());
        self.0.config.records.add(id, record);
        Ok(shown)
    }

    /// Remembers a call that came over the function's host.
    pub fn called(&self, identity: &Identity, line: &str) {
        let Ok(called) = serde_json::from_str::<Called>(line) else { return };
        let started = jiff::Timestamp::from_millisecond(called.started_ms).unwrap_or_default();
        let record = Record {
            request_id: called.request_id,
            version: identity.key.version.to_string(),
            via: "http".to_owned(),
            started_at: started.to_string(),
            duration_ms: called.duration_ms,
            billed_ms: called.duration_ms.ceil().max(1.0) as u64,
            memory_mb: 0.0,
            baseline_mb: 0.0,
            cold_start: false,
            success: called.success,
            error: called.error,
            logs: called.logs,
        };
        self.0.config.records.add(identity.key.worker, record);
    }

    /// What a process's end means to who called.
    async fn of_death(&self, id: WorkerId, version: VersionId, death: Death) -> FunctionError {
        let limits = match self.store().version(id, version).await {
            Ok(version) => version.limits,
            Err(_) => hearth_model::Limits::default(),
        };
        let (kind, message) = match death {
            Death::Timeout => (
                "Timeout",
                format!("The function took longer than its timeout of {} s.", limits.timeout_ms() / 1000),
            ),
            Death::Memory => (
                "OutOfMemory",
                format!("The function used more than its {} MB of memory.", limits.memory_mb()),
            ),
            Death::CpuBudget | Death::Stuck => {
                ("CpuLimit", "The function went on using the processor when it had answered.".to_owned())
            }
            _ => ("Crashed", "The function's process ended before it had answered.".to_owned()),
        };
        FunctionError { kind: kind.to_owned(), message, stack: String::new() }
    }
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
    serde_json::from_slice(&body)
        .map_err(|error| crashed(format!("The function's process answered what is not JSON: {error}")))
}

/// The answer to who called.
fn shown(record: &Record, result: Option<&RawValue>) -> Bytes {
    let fields: BTreeMap<&str, Value> = BTreeMap::from([
        ("request_id", json!(record.request_id)),
        ("success", json!(record.success)),
        ("error", json!(record.error)),
        ("logs", json!(record.logs)),
        ("duration_ms", json!(record.duration_ms)),
        ("billed_ms", json!(record.billed_ms)),
        ("memory_mb", json!(record.memory_mb)),
        ("baseline_mb", json!(record.baseline_mb)),
        ("cold_start", json!(record.cold_start)),
    ]);
    let fields = serde_json::to_string(&fields).unwrap_or_default();
    // The result passes as the function wrote it.
    let result = result.map_or("null", RawValue::get);
    format!("{},\"result\":{result}}}", fields.trim_end_matches('}')).into()
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
