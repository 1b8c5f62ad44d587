//! Messages over HTTP: clients send, pull, acknowledge and look.
//!
//! A pulled body is text as it is, and base64 otherwise, as Cloudflare documents for `json` and `bytes`.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::State;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hearth_api::{ApiError, InAccount, Params, Reply, read};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Answer, No, Rest};
use crate::message_id;
use crate::queues::Outgoing;
use crate::rules::{
    Consumer, ConsumerKind, ENDLESS, MAX_BATCH, MAX_VISIBILITY, Refusal, check_delay, code, whole,
};
use crate::store::{Format, Holder, Lease, Message, Metrics, Settled, Take, Verdict};

/// Messages of a pull, where the client does not say.
const PULLED: f64 = 5.0;
/// Bytes after which a pull takes no more messages.
const PULL_BYTES: usize = 16 << 20;
/// Longest body of a call, in bytes.
const MAX_BODY: usize = 4 << 20;

pub(super) fn metrics_view(metrics: Metrics) -> Value {
    json!({
        "backlog_count": metrics.count,
        "backlog_bytes": metrics.bytes,
        "oldest_message_timestamp_ms": metrics.oldest,
    })
}

/// Reads JSON; an empty body is an empty object.
async fn parse<T: DeserializeOwned>(body: Body) -> Result<T, No> {
    let body = read(body, MAX_BODY).await?;
    let body = if body.is_empty() { &b"{}"[..] } else { &body };
    serde_json::from_slice(body).map_err(|error| {
        let number = if error.is_data() { code::BAD_JSON } else { code::NO_JSON };
        Refusal::bad(number, error.to_string()).into()
    })
}

#[derive(Deserialize)]
struct Pushed {
    body: Box<RawValue>,
    content_type: Option<String>,
    delay_seconds: Option<f64>,
}

impl Pushed {
    /// `bytes` come as base64; that is ours, Cloudflare takes `text` and `json` only.
    fn outgoing(self, delay: Option<u32>) -> Result<Outgoing, Refusal> {
        let bad = |what: &str| Refusal::bad(code::BAD_METADATA, what);
        let text =
            || serde_json::from_str::<String>(self.body.get()).map_err(|_| bad("body is not a string"));
        let (format, body) = match self.content_type.as_deref() {
            Some("json") | None => (Format::Json, self.body.get().to_owned().into_bytes()),
            Some("text") => (Format::Text, text()?.into_bytes()),
            Some("bytes") => {
                let decoded = BASE64_STANDARD.decode(text()?);
                (Format::Bytes, decoded.map_err(|_| bad("body is not base64"))?)
            }
            Some(other) => {
                let message = format!("message content type {other} is invalid; use 'text' or 'json'");
                return Err(bad(&message));
            }
        };
        let delay = self.delay_seconds.map(check_delay).transpose()?.or(delay);
        Ok(Outgoing { format, body: body.into(), delay })
    }
}

fn sent(metrics: Metrics) -> Reply {
    Reply::new(json!({ "metadata": { "metrics": metrics_view(metrics) } }))
}

pub(super) async fn push(State(rest): State<Rest>, account: InAccount, params: Params, body: Body) -> Answer {
    let id = rest.id(&account, &params).await?;
    let message = parse::<Pushed>(body).await?.outgoing(None)?;
    Ok(sent(rest.queues.send_batch(&id, vec![message]).await?))
}

#[derive(Deserialize)]
struct PushedBatch {
    messages: Vec<Pushed>,
    delay_seconds: Option<f64>,
}

pub(super) async fn push_batch(
    State(rest): State<Rest>,
    account: InAccount,
    params: Params,
    body: Body,
) -> Answer {
    let id = rest.id(&account, &params).await?;
    let batch: PushedBatch = parse(body).await?;
    let delay = batch.delay_seconds.map(check_delay).transpose()?;
    let messages: Vec<_> =
        batch.messages.into_iter().map(|message| message.outgoing(delay)).collect::<Result<_, _>>()?;
    Ok(sent(rest.queues.send_batch(&id, messages).await?))
}

fn view(message: &Message) -> Value {
    let body = match message.format {
        Format::Text => String::from_utf8_lossy(&message.body).into_owned(),
        Format::Json | Format::Bytes | Format::V8 => BASE64_STANDARD.encode(&message.body),
    };
    json!({
        "id": message_id(&message.id),
        "body": body,
        "timestamp_ms": message.timestamp,
        "attempts": message.attempts,
        "metadata": { "CF-Content-Type": message.format.as_str() },
    })
}

/// A lease as a client has it. It names only what the client's own queue holds.
fn lease_text(lease: Lease) -> String {
    BASE64_URL_SAFE_NO_PAD.encode([lease.sequence.to_be_bytes(), lease.token.to_be_bytes()].concat())
}

fn lease_of(text: &str) -> Option<Lease> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    let number = |at| Some(i64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    (bytes.len() == 16).then_some(Lease { sequence: number(0)?, token: number(8)? })
}

#[derive(Deserialize)]
struct Pull {
    batch_size: Option<f64>,
    /// Cloudflare's documentation has it without the unit, its schema with it.
    #[serde(alias = "visibility_timeout")]
    visibility_timeout_ms: Option<f64>,
}

/// The queue's consumer, if clients may pull.
fn puller(rest: &Rest, id: &str) -> Result<(Consumer, u32, bool), No> {
    let queue = rest.queues.queue(id).ok_or(crate::store::EngineError::NoQueue)?;
    match &queue.settings.consumer {
        Some(consumer @ Consumer { kind: ConsumerKind::HttpPull { visibility_timeout_ms }, .. }) => {
            Ok((consumer.clone(), *visibility_timeout_ms, queue.settings.delivery_paused))
        }
        _ => Err(ApiError::bad_request(
            code::PULL_NOT_ENABLED,
            "Queue does not have HTTP pull enabled. Add a consumer of type http_pull.",
        )
        .into()),
    }
}

pub(super) async fn pull(State(rest): State<Rest>, account: InAccount, params: Params, body: Body) -> Answer {
    let id = rest.id(&account, &params).await?;
    let wanted: Pull = parse(body).await?;
    let (consumer, usual, is_paused) = puller(&rest, &id)?;
    let bad = |what: &str| Refusal::bad(code::BAD_JSON, what);
    let size = whole(wanted.batch_size.unwrap_or(PULLED), 1, MAX_BATCH as u32);
    let size = size.ok_or_else(|| bad("batch_size must be between 1 and 100"))?;
    let timeout = whole(wanted.visibility_timeout_ms.unwrap_or(f64::from(usual)), 0, MAX_VISIBILITY);
    let timeout = timeout.ok_or_else(|| bad("visibility_timeout_ms must be between 0 and 43200000"))?;
    let take = Take {
        batches: 1,
        messages: size as usize,
        bytes: PULL_BYTES,
        wait: 0,
        lease: i64::from(timeout),
        holder: Holder::Client,
    };
    let take = (!is_paused).then_some(take);
    let exchanged = rest.queues.engine().exchange(&id, Vec::new(), take, consumer.patience()).await?;
    if exchanged.given_up > 0 {
        rest.queues.bury(&id);
    }
    let pulled = exchanged.taken.batches.iter().flatten().map(|message| {
        let mut shown = view(message);
        shown["lease_id"] = lease_text(message.lease).into();
        shown
    });
    Ok(Reply::new(json!({
        "messages": pulled.collect::<Vec<_>>(),
        "message_backlog_count": exchanged.metrics.count,
        "metadata": { "metrics": metrics_view(exchanged.metrics) },
    })))
}

#[derive(Deserialize)]
struct Acknowledge {
    #[serde(default)]
    acks: Vec<Leased>,
    #[serde(default)]
    retries: Vec<Leased>,
}

#[derive(Deserialize)]
struct Leased {
    lease_id: String,
    delay_seconds: Option<f64>,
}

pub(super) async fn acknowledge(
    State(rest): State<Rest>,
    account: InAccount,
    params: Params,
    body: Body,
) -> Answer {
    let id = rest.id(&account, &params).await?;
    let Acknowledge { acks, retries } = parse(body).await?;
    let queue = rest.queues.queue(&id).ok_or(crate::store::EngineError::NoQueue)?;
    let consumer = queue.settings.consumer.as_ref();
    let usual = consumer.map_or(0, |consumer| consumer.retry_delay);
    let mut warnings = BTreeMap::new();
    let (mut names, mut settled) = (Vec::new(), Vec::new());
    let acks = acks.into_iter().map(|leased| (leased, true));
    for (leased, is_ack) in acks.chain(retries.into_iter().map(|leased| (leased, false))) {
        let Some(lease) = lease_of(&leased.lease_id) else {
            warnings.insert(leased.lease_id, "The lease ID is not valid.");
            continue;
        };
        let delay = leased.delay_seconds.map(check_delay).transpose()?.unwrap_or(usual);
        let verdict = if is_ack { Verdict::Acknowledged } else { Verdict::Retry(i64::from(delay) * 1000) };
        settled.push(Settled { lease, verdict });
        names.push((leased.lease_id, is_ack));
    }
    let patience = consumer.map_or(ENDLESS, Consumer::patience);
    let exchanged = rest.queues.engine().exchange(&id, settled, None, patience).await?;
    if exchanged.given_up > 0 {
        rest.queues.bury(&id);
    }
    let (mut acked, mut retried) = (0, 0);
    for ((name, is_ack), was_there) in names.into_iter().zip(exchanged.effective) {
        match (was_there, is_ack) {
            (true, true) => acked += 1,
            (true, false) => retried += 1,
            (false, true) => drop(warnings.insert(name, "The message is no longer in the queue.")),
            (false, false) => drop(warnings.insert(name, "The lease has ended.")),
        }
    }
    Ok(Reply::new(json!({ "ackCount": acked, "retryCount": retried, "warnings": warnings })))
}

#[derive(Deserialize)]
struct Peek {
    batch_size: Option<f64>,
}

/// What would be delivered next. Nothing is taken.
pub(super) async fn peek(State(rest): State<Rest>, account: InAccount, params: Params, body: Body) -> Answer {
    let id = rest.id(&account, &params).await?;
    let wanted: Peek = parse(body).await?;
    let size = whole(wanted.batch_size.unwrap_or(PULLED), 1, MAX_BATCH as u32)
        .ok_or_else(|| Refusal::bad(code::BAD_JSON, "batch_size must be between 1 and 100"))?;
    let messages = rest.queues.engine().peek(&id, size as usize).await?;
    let shown = messages.iter().map(|message| {
        let mut shown = view(message);
        shown["ref"] = lease_text(message.lease).into();
        shown
    });
    Ok(Reply::new(json!({ "messages": shown.collect::<Vec<_>>() })))
}

#[derive(Deserialize)]
struct PurgeSome {
    refs: Vec<Reference>,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(rename = "ref")]
    reference: String,
}

/// Deletes messages that were looked at.
pub(super) async fn purge(
    State(rest): State<Rest>,
    account: InAccount,
    params: Params,
    body: Body,
) -> Answer {
    let id = rest.id(&account, &params).await?;
    let PurgeSome { refs } = parse(body).await?;
    let mut warnings = BTreeMap::new();
    let mut sequences = Vec::new();
    for Reference { reference } in refs {
        match lease_of(&reference) {
            Some(lease) => sequences.push(lease.sequence),
            None => drop(warnings.insert(reference, "The ref is not valid.")),
        }
    }
    rest.queues.engine().remove(&id, sequences).await?;
    Ok(Reply::new(json!({ "errors": [], "warnings": warnings })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_survive_a_round_trip_and_others_are_none() {
        let lease = Lease { sequence: 7, token: i64::MAX };
        assert_eq!(lease_of(&lease_text(lease)), Some(lease));
        for wrong in ["", "AAAA", "not base64!", &lease_text(lease)[1..]] {
            assert_eq!(lease_of(wrong), None, "{wrong}");
        }
    }
}
