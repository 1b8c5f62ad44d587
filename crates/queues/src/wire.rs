//! What workerd speaks to a queue's binding: HTTP/1.1 on the instance's socket (workerd.md 1.3).
//!
//! Success must be exactly 200. Of another answer a worker sees `<CF-Queues-Error-Cause> (<CF-Queues-Error-Code>)`, with
//! an older compatibility date the reason phrase.

use axum::body::{Body, to_bytes};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::ext::ReasonPhrase;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::queues::{Outgoing, Queues};
use crate::rules::{MAX_BATCH_BYTES, MAX_MESSAGE, Refusal, check_batch, check_delay, check_format, code};
use crate::store::{EngineError, Format, Metrics};

const FORMAT: HeaderName = HeaderName::from_static("x-msg-fmt");
const DELAY: HeaderName = HeaderName::from_static("x-msg-delay-secs");
const BATCH_COUNT: HeaderName = HeaderName::from_static("cf-queue-batch-count");
const BATCH_BYTES: HeaderName = HeaderName::from_static("cf-queue-batch-bytes");
const LARGEST: HeaderName = HeaderName::from_static("cf-queue-largest-msg");
const ERROR_CODE: HeaderName = HeaderName::from_static("cf-queues-error-code");
const ERROR_CAUSE: HeaderName = HeaderName::from_static("cf-queues-error-cause");
/// Longest body of a batch whose bodies have no more bytes than they may: base64, and some for each message.
const MAX_BATCH_BODY: usize = MAX_BATCH_BYTES * 2 + (64 << 10);
/// How much of a body that is too long anyway is read, so that its sender hears why it was refused.
const MAX_DRAINED: usize = 64 << 20;

/// Answers one request.
pub(crate) async fn serve(
    queues: &Queues,
    queue: Option<&str>,
    delay: Option<u32>,
    request: Request<Body>,
) -> Response<Body> {
    match answer(queues, queue, delay, request).await {
        Ok(answer) => {
            let mut response = Response::new(Body::from(answer.to_string()));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(refusal) => refuse(&refusal),
    }
}

async fn answer(
    queues: &Queues,
    queue: Option<&str>,
    delay: Option<u32>,
    request: Request<Body>,
) -> Result<Value, Refusal> {
    let id = queue.ok_or(EngineError::NoQueue)?;
    let (parts, body) = request.into_parts();
    let metrics = match (parts.method, parts.uri.path()) {
        (Method::POST, "/message") => {
            let body = read(body, &parts.headers, MAX_MESSAGE).await?;
            let delay = own_delay(&parts.headers)?.or(delay);
            let format = format(parts.headers.get(FORMAT).map(HeaderValue::to_str))?;
            queues.send_batch(id, vec![Outgoing { format, body, delay }]).await?
        }
        (Method::POST, "/batch") => {
            if let Err(refusal) = announced(&parts.headers) {
                drain(body).await;
                return Err(refusal);
            }
            let body = read(body, &parts.headers, MAX_BATCH_BODY).await?;
            let delay = own_delay(&parts.headers)?.or(delay);
            queues.send_batch(id, batch(&body, delay)?).await?
        }
        (Method::GET, "/metrics") => return Ok(shown(queues.metrics(id).await?)),
        _ => return Err(Refusal::new(StatusCode::NOT_FOUND, code::BAD_JSON, "no such operation")),
    };
    Ok(json!({ "metadata": { "metrics": shown(metrics) } }))
}

fn shown(metrics: Metrics) -> Value {
    json!({
        "backlogCount": metrics.count,
        "backlogBytes": metrics.bytes,
        "oldestMessageTimestamp": metrics.oldest,
    })
}

/// A message without a format comes of a compatibility date of before there were any.
fn format<E>(name: Option<Result<&str, E>>) -> Result<Format, Refusal> {
    name.map_or(Ok(Format::V8), |name| check_format(name.unwrap_or_default()))
}

/// The delay that a call itself has.
fn own_delay(headers: &HeaderMap) -> Result<Option<u32>, Refusal> {
    let Some(value) = headers.get(DELAY) else { return Ok(None) };
    let seconds = value.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(f64::NAN);
    check_delay(seconds).map(Some)
}

/// Judges what the headers of a batch say of it, before it is read.
fn announced(headers: &HeaderMap) -> Result<(), Refusal> {
    let number = |name| headers.get(name)?.to_str().ok()?.parse::<usize>().ok();
    if let Some(count) = number(BATCH_COUNT) {
        check_batch(std::iter::repeat_n(0, count))?;
    }
    if let Some(length) = number(LARGEST).filter(|length| *length > MAX_MESSAGE) {
        return Err(Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            code::MESSAGE_SIZE,
            format!(
                "message in batch has length {length} bytes which exceeds single message size limit of {MAX_MESSAGE} bytes"
            ),
        ));
    }
    number(BATCH_BYTES).map_or(Ok(()), |bytes| check_batch(std::iter::once(bytes)))
}

#[derive(Deserialize)]
struct Batch {
    messages: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    body: String,
    content_type: Option<String>,
    delay_secs: Option<f64>,
}

fn batch(body: &[u8], delay: Option<u32>) -> Result<Vec<Outgoing>, Refusal> {
    let batch: Batch =
        serde_json::from_slice(body).map_err(|error| Refusal::bad(code::BAD_JSON, error.to_string()))?;
    let message = |entry: Entry| {
        let body = BASE64_STANDARD
            .decode(entry.body)
            .map_err(|_| Refusal::bad(code::BAD_JSON, "a message of the batch is not base64"))?;
        let format = format(entry.content_type.as_deref().map(Ok::<_, ()>))?;
        let delay = entry.delay_secs.map(check_delay).transpose()?.or(delay);
        Ok(Outgoing { format, body: body.into(), delay })
    };
    batch.messages.into_iter().map(message).collect()
}

/// Reads a body. One that is too long is read on and thrown away: a connection that is closed before its time would
/// look like a failure of ours.
async fn read(body: Body, headers: &HeaderMap, most: usize) -> Result<Bytes, Refusal> {
    let broken = |_| Refusal::bad(code::NO_JSON, "the request ended before it was complete");
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if let Some(length) = length.filter(|length: &usize| *length > most) {
        drain(body).await;
        return Err(too_long(length));
    }
    to_bytes(body, most).await.map_err(broken)
}

/// Reads a body that nobody wants.
async fn drain(mut body: Body) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > MAX_DRAINED {
            return;
        }
    }
}

fn too_long(length: usize) -> Refusal {
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        code::MESSAGE_SIZE,
        format!("message length of {length} bytes exceeds limit of {MAX_MESSAGE} bytes"),
    )
}

fn refuse(refusal: &Refusal) -> Response<Body> {
    if let Some(detail) = &refusal.detail {
        tracing::error!(code = refusal.code, %detail, "an operation on a queue's binding failed");
    }
    let mut response = Response::new(Body::from(refusal.message.clone()));
    *response.status_mut() = refusal.status;
    response.headers_mut().insert(ERROR_CODE, HeaderValue::from(refusal.code));
    // What a header cannot hold, the body does.
    if let Ok(cause) = HeaderValue::from_str(&refusal.message) {
        response.headers_mut().insert(ERROR_CAUSE, cause);
    }
    if let Ok(reason) = ReasonPhrase::try_from(refusal.message.as_bytes()) {
        response.extensions_mut().insert(reason);
    }
    response
}
