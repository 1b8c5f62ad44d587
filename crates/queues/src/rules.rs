//! Cloudflare's limits, codes and words, which hold for the binding and for the API alike, and how a queue is set.

use hearth_api::ApiError;
use http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store::{EngineError, Format, Patience};

/// Longest body of a message, in bytes.
pub const MAX_MESSAGE: usize = 128_000;
/// Most messages of a batch that is sent or pulled.
pub const MAX_BATCH: usize = 100;
/// Most bytes of the bodies of a batch that is sent.
pub const MAX_BATCH_BYTES: usize = 256_000;
/// Longest delay, in seconds (Cloudflare's error 10202, and what wrangler 4.164 lets through).
pub const MAX_DELAY: u32 = 86_400;
/// Longest time that a client may keep what it pulled, in milliseconds.
pub const MAX_VISIBILITY: u32 = 12 * 60 * 60 * 1000;
/// Consumers that run at a time, at most.
pub const MAX_CONCURRENCY: u32 = 250;

/// Cloudflare's codes. Those from 11000 on are of the API for queues and consumers, those from 10104 to 15000 of what
/// sends and takes messages.
pub mod code {
    /// No such queue, where messages are sent and taken.
    pub const NO_QUEUE_HERE: u32 = 10104;
    /// A delay that cannot be one.
    pub const BAD_DELAY: u32 = 10202;
    /// A content type that does not exist, or a body that is not of its type.
    pub const BAD_METADATA: u32 = 10203;
    /// A message that is too large.
    pub const MESSAGE_SIZE: u32 = 10204;
    /// A batch that is too large.
    pub const BATCH_SIZE: u32 = 10205;
    /// A batch with too many messages, or with none.
    pub const BATCH_COUNT: u32 = 10206;
    /// JSON of another shape.
    pub const BAD_JSON: u32 = 10207;
    /// No JSON.
    pub const NO_JSON: u32 = 10208;
    /// More than can be done now.
    pub const OVERLOADED: u32 = 10250;
    /// No room for more.
    pub const STORAGE_LIMIT: u32 = 10251;
    /// Something of ours failed.
    pub const INTERNAL: u32 = 15000;
    /// No such queue.
    pub const NO_QUEUE: u32 = 11000;
    /// A consumer that has no handler `queue`.
    pub const NO_HANDLER: u32 = 11001;
    /// No such consumer.
    pub const NO_CONSUMER: u32 = 11003;
    /// The queue has a consumer already.
    pub const CONSUMER_EXISTS: u32 = 11004;
    /// A worker still binds the queue.
    pub const IN_USE: u32 = 11005;
    /// The account has a queue of the name.
    pub const NAME_TAKEN: u32 = 11009;
    /// A pull where no client is to pull.
    pub const PULL_NOT_ENABLED: u32 = 11010;
    /// Settings of a consumer that cannot be.
    pub const BAD_CONSUMER: u32 = 100_127;
    /// Settings of a queue that cannot be.
    pub const BAD_QUEUE: u32 = 100_128;
}

/// What a caller is refused with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The status on the wire.
    pub status: StatusCode,
    /// Cloudflare's code.
    pub code: u32,
    /// For the caller.
    pub message: String,
    /// For the operator.
    pub detail: Option<String>,
}

impl Refusal {
    /// A refusal with a status, a code and words for the caller.
    pub fn new(status: StatusCode, code: u32, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), detail: None }
    }

    /// 400.
    pub fn bad(code: u32, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    fn too_large(code: u32, message: String) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, code, message)
    }
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::NoQueue => {
                Self::new(StatusCode::NOT_FOUND, code::NO_QUEUE_HERE, "Queue does not exist")
            }
            EngineError::Overloaded => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                code::OVERLOADED,
                "Queue is overloaded. Please back off.",
            ),
            EngineError::NoRoom(refusal) => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, code::STORAGE_LIMIT, refusal.to_string())
            }
            EngineError::Full => Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                code::STORAGE_LIMIT,
                "Queue storage limit exceeded: the server's disk is full.",
            ),
            EngineError::Failed(detail) => Self {
                detail: Some(detail),
                ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, code::INTERNAL, "Unknown Internal Error")
            },
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let error = Self::new(refusal.status, refusal.code, refusal.message);
        match refusal.detail {
            Some(detail) => error.with_detail(detail),
            None => error,
        }
    }
}

/// Judges a message that is to be sent.
///
/// # Errors
/// It is too large, or JSON that is none: a consumer could not be given it.
pub fn check_message(format: Format, body: &[u8]) -> Result<(), Refusal> {
    if body.len() > MAX_MESSAGE {
        let length = body.len();
        return Err(Refusal::too_large(
            code::MESSAGE_SIZE,
            format!("message length of {length} bytes exceeds limit of {MAX_MESSAGE} bytes"),
        ));
    }
    let is_right = match format {
        Format::Json => serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok(),
        Format::Text => std::str::from_utf8(body).is_ok(),
        Format::Bytes | Format::V8 => true,
    };
    if is_right {
        return Ok(());
    }
    Err(Refusal::bad(code::BAD_METADATA, format!("message body is not valid {}", format.as_str())))
}

/// Judges a batch that is to be sent, by the sizes of its messages.
///
/// # Errors
/// It has too many messages, or too many bytes.
pub fn check_batch(sizes: impl ExactSizeIterator<Item = usize>) -> Result<(), Refusal> {
    let count = sizes.len();
    if count == 0 {
        return Err(Refusal::bad(code::BATCH_COUNT, "batch has no messages"));
    }
    if count > MAX_BATCH {
        return Err(Refusal::too_large(
            code::BATCH_COUNT,
            format!("batch message count of {count} exceeds limit of {MAX_BATCH}"),
        ));
    }
    let total: usize = sizes.sum();
    if total > MAX_BATCH_BYTES {
        return Err(Refusal::too_large(
            code::BATCH_SIZE,
            format!("batch size of {total} bytes exceeds limit of {MAX_BATCH_BYTES} bytes"),
        ));
    }
    Ok(())
}

/// Judges a delay in seconds.
///
/// # Errors
/// It is negative, no whole number, or too long.
pub fn check_delay(seconds: f64) -> Result<u32, Refusal> {
    whole(seconds, 0, MAX_DELAY).ok_or_else(|| {
        let message = format!("delay of {seconds} seconds is not between 0 and {MAX_DELAY}");
        Refusal::bad(code::BAD_DELAY, message)
    })
}

/// A content type by its name.
///
/// # Errors
/// There is none of the name.
pub fn check_format(name: &str) -> Result<Format, Refusal> {
    Format::parse(name).ok_or_else(|| {
        let message = format!(
            "message content type {name} is invalid; if specified, must be one of 'text', 'json', 'bytes', or 'v8'"
        );
        Refusal::bad(code::BAD_METADATA, message)
    })
}

/// A whole number between two others.
pub fn whole(number: f64, least: u32, most: u32) -> Option<u32> {
    let fits = number.fract() == 0.0 && (f64::from(least)..=f64::from(most)).contains(&number);
    // It was just seen to fit.
    fits.then_some(number as u32)
}

/// How a queue is set. In the metadata store this is the resource's `settings`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct QueueSettings {
    /// Seconds that messages wait unless they or their binding say otherwise.
    pub delivery_delay: u32,
    /// Seconds after which a message is deleted.
    pub message_retention_period: u32,
    /// Whether nothing is delivered.
    pub delivery_paused: bool,
    /// Accepted and shown; everything lies on this installation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jurisdiction: Option<String>,
    /// Who takes its messages. There is at most one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<Consumer>,
    /// Event subscriptions that lead here, in Cloudflare's shape.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subscriptions: Vec<Value>,
    /// When it was last purged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purged_on: Option<Timestamp>,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            delivery_delay: 0,
            message_retention_period: 4 * 24 * 60 * 60,
            delivery_paused: false,
            jurisdiction: None,
            consumer: None,
            subscriptions: Vec::new(),
            purged_on: None,
        }
    }
}

/// Who takes a queue's messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Consumer {
    /// Its id.
    pub id: String,
    /// When it was made.
    pub created_on: Timestamp,
    /// The queue for messages that were tried often enough, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letter_queue: Option<String>,
    /// How often a message is tried again.
    pub max_retries: u32,
    /// Seconds until a message is tried again that does not say otherwise.
    pub retry_delay: u32,
    /// Messages of a batch, at most.
    pub batch_size: u32,
    /// What it is.
    #[serde(flatten)]
    pub kind: ConsumerKind,
}

/// What a consumer is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ConsumerKind {
    /// A worker's handler `queue`.
    Worker {
        /// Its name. It may not exist: the messages wait.
        script: String,
        /// How long a batch waits until it is full, in milliseconds.
        max_wait_time_ms: u32,
        /// Batches at a time; as many as it takes when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_concurrency: Option<u32>,
    },
    /// A client that pulls over HTTP.
    HttpPull {
        /// How long a client has what it pulled, in milliseconds.
        visibility_timeout_ms: u32,
    },
}

impl Consumer {
    /// When a message is given up.
    pub fn patience(&self) -> Patience {
        Patience { attempts: self.max_retries + 1, keep_dead: self.dead_letter_queue.is_some() }
    }

    /// The worker, if it is one.
    pub fn script(&self) -> Option<&str> {
        match &self.kind {
            ConsumerKind::Worker { script, .. } => Some(script),
            ConsumerKind::HttpPull { .. } => None,
        }
    }
}

/// Without a consumer nothing is given up.
pub const ENDLESS: Patience = Patience { attempts: u32::MAX, keep_dead: false };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_batches_have_cloudflares_bounds() {
        assert!(check_message(Format::Bytes, &[0; MAX_MESSAGE]).is_ok());
        let error = check_message(Format::Bytes, &[0; MAX_MESSAGE + 1]).unwrap_err();
        assert_eq!((error.status.as_u16(), error.code), (413, 10204));
        assert!(error.message.contains("128001 bytes exceeds limit of 128000"), "{error:?}");
        let batch = |sizes: &[usize]| check_batch(sizes.iter().copied()).map_err(|error| error.code);
        assert_eq!(batch(&[2560; 100]), Ok(()));
        assert_eq!(batch(&[2561; 100]), Err(10205));
        assert_eq!(batch(&[1; 101]), Err(10206));
        assert_eq!(batch(&[]), Err(10206));
    }

    #[test]
    fn a_body_is_what_its_type_says() {
        for (format, good, bad) in
            [(Format::Json, &b"{\"a\":1}"[..], &b"{}]"[..]), (Format::Text, "ü".as_bytes(), &[0xff])]
        {
            assert!(check_message(format, good).is_ok());
            assert_eq!(check_message(format, bad).unwrap_err().code, 10203);
        }
        assert_eq!(check_format("xml").unwrap_err().code, 10203);
    }

    #[test]
    fn delays_are_whole_and_bounded() {
        assert_eq!(check_delay(86_400.0), Ok(86_400));
        for bad in [-1.0, 1.5, 86_401.0, f64::NAN, f64::INFINITY] {
            assert_eq!(check_delay(bad).unwrap_err().code, 10202, "{bad}");
        }
    }

    #[test]
    fn settings_survive_a_round_trip_and_have_defaults() {
        let consumer = Consumer {
            id: "c".to_owned(),
            created_on: Timestamp::UNIX_EPOCH,
            dead_letter_queue: Some("dead".to_owned()),
            max_retries: 3,
            retry_delay: 0,
            batch_size: 10,
            kind: ConsumerKind::Worker {
                script: "w".to_owned(),
                max_wait_time_ms: 5000,
                max_concurrency: None,
            },
        };
        let settings = QueueSettings { consumer: Some(consumer), ..QueueSettings::default() };
        let text = serde_json::to_value(&settings).unwrap();
        assert_eq!(serde_json::from_value::<QueueSettings>(text).unwrap(), settings);
        assert_eq!(serde_json::from_str::<QueueSettings>("{}").unwrap(), QueueSettings::default());
    }
}
