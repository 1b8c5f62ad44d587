//! Events that do not come as requests of a client: they go to the dispatcher beside the worker (`runtime/events/`),
//! which calls its handler.

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::net::UnixStream;

use crate::{Lease, SendError};

/// Largest answer of the dispatcher about an event, in bytes.
const MAX_ANSWER: usize = 1 << 20;

/// Largest answer of the workflow engine: an instance with the outputs of its steps, 1 MiB each as Cloudflare has it.
const MAX_INSTANCE: usize = 64 << 20;

/// A cron trigger that is due.
#[derive(Debug, Clone, Serialize)]
pub struct Scheduled {
    /// The expression.
    pub cron: String,
    /// The minute it was due, in milliseconds since 1970.
    #[serde(rename = "scheduledTime")]
    pub scheduled_time_ms: i64,
}

/// How an event's handler ended, its `waitUntil` tasks included (workerd.md 2.1).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Ended {
    /// `ok`, `exception`, `exceededCpu`, … in workerd's words.
    pub outcome: String,
    /// The handler asked not to be run again for this event.
    #[serde(default, rename = "noRetry")]
    pub no_retry: bool,
}

impl Ended {
    /// Whether the handler ended well.
    pub fn is_ok(&self) -> bool {
        self.outcome == "ok"
    }
}

/// A batch of a queue's messages.
#[derive(Debug, Clone, Serialize)]
pub struct QueueBatch {
    /// The queue's name.
    pub queue: String,
    /// Its messages.
    pub messages: Vec<QueueMessage>,
    /// What the queue holds.
    pub metrics: QueueMetrics,
}

/// A message of a queue. One of its three bodies is there.
#[derive(Debug, Clone, Serialize)]
pub struct QueueMessage {
    /// Its id.
    pub id: String,
    /// When it was sent, in milliseconds since 1970.
    pub timestamp: i64,
    /// How often its delivery was tried, this time included.
    pub attempts: u32,
    /// A body of JSON or text, as JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Box<RawValue>>,
    /// A body of bytes, base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
    /// A body that V8 serialized, base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub v8: Option<String>,
}

/// What a handler sees as `batch.metadata.metrics`.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueMetrics {
    /// Messages that are not acknowledged.
    pub backlog_count: u64,
    /// Bytes of their bodies.
    pub backlog_bytes: u64,
    /// When the oldest was sent, in milliseconds since 1970; 0 without one.
    pub oldest_message_timestamp: i64,
}

/// How a `queue` handler ended, and what it wants of its messages (workerd.md 2.1).
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueEnded {
    /// `ok`, `exception`, … in workerd's words.
    pub outcome: String,
    /// All are acknowledged that are not retried by name.
    pub ack_all: bool,
    /// Whether all are retried.
    pub retry_batch: QueueRetryBatch,
    /// Messages that are acknowledged, by id.
    pub explicit_acks: Vec<String>,
    /// Messages that are retried.
    pub retry_messages: Vec<QueueRetry>,
}

/// A retry of a whole batch.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct QueueRetryBatch {
    /// Whether it is asked for.
    pub retry: bool,
    /// After so many seconds.
    pub delay_seconds: Option<f64>,
}

/// A retry of one message.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueueRetry {
    /// Its id.
    pub msg_id: String,
    /// After so many seconds.
    #[serde(default)]
    pub delay_seconds: Option<f64>,
}

impl QueueEnded {
    /// Whether the handler ended well.
    pub fn is_ok(&self) -> bool {
        self.outcome == "ok"
    }
}

/// What the workflow engine says.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkflowAnswer {
    /// The operation's result.
    Result(Value),
    /// It was refused, in the engine's words.
    Error(String),
}

/// The source of a [`SendError::Connection`] of an event that no handler is there for: nothing has run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("The version that serves has no handler for this event.")]
pub struct NoHandler;

impl Lease {
    /// Runs the worker's `queue` handler and waits for its end.
    ///
    /// # Errors
    /// [`SendError`]; the handler may have run, unless the source is [`NoHandler`].
    pub async fn queue(&self, batch: &QueueBatch) -> Result<QueueEnded, SendError> {
        match self.deliver("/queue", batch, MAX_ANSWER).await {
            Ok(ended) => Ok(ended),
            Err(error) if error.is::<NoHandler>() => Err(SendError::Connection { source: error }),
            Err(error) => Err(self.explain(error).await),
        }
    }

    /// Runs the worker's `scheduled` handler and waits for its end, `waitUntil` included.
    ///
    /// # Errors
    /// [`SendError`]; the handler may have run.
    pub async fn scheduled(&self, event: &Scheduled) -> Result<Ended, SendError> {
        match self.deliver("/scheduled", event, MAX_ANSWER).await {
            Ok(ended) => Ok(ended),
            Err(error) => Err(self.explain(error).await),
        }
    }

    /// Has the workflow engine beside the worker carry out an operation (`runtime/workflows/engine.js`).
    ///
    /// # Errors
    /// [`SendError`]; its source is [`NoHandler`] when the worker has no workflows.
    pub async fn workflow(&self, operation: &str, arguments: &Value) -> Result<WorkflowAnswer, SendError> {
        match self.deliver(&format!("/workflows/{operation}"), arguments, MAX_INSTANCE).await {
            Ok(answer) => Ok(answer),
            Err(error) if error.is::<NoHandler>() => Err(SendError::Connection { source: error }),
            Err(error) => Err(self.explain(error).await),
        }
    }

    async fn deliver<T: for<'de> Deserialize<'de>>(
        &self,
        path: &str,
        event: &impl Serialize,
        max_answer: usize,
    ) -> Result<T, Box<dyn std::error::Error + Send + Sync>> {
        let stream = UnixStream::connect(self.instance().events_socket()).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let request = Request::post(path)
            .header(header::HOST, "events")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::<Bytes>::from(serde_json::to_vec(event)?))?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), max_answer).collect().await?.to_bytes();
        connection.abort();
        if status == StatusCode::NOT_FOUND
            || status == StatusCode::METHOD_NOT_ALLOWED
            || status == StatusCode::NOT_IMPLEMENTED
        {
            // No dispatcher stands beside a worker that the probe found without such handlers.
            return Err(NoHandler.into());
        }
        if status != StatusCode::OK {
            return Err(format!("The dispatcher answered {status}.").into());
        }
        Ok(serde_json::from_slice(&body)?)
    }
}
