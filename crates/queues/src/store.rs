//! What keeps the messages: a trait that knows neither paths nor rows, so that NATS JetStream or PostgreSQL can stand
//! behind it.
//!
//! Times are milliseconds since 1970 by the engine's clock.

use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::watch;

/// What a message's body is (Cloudflare's content types).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// JSON text.
    Json,
    /// UTF-8.
    Text,
    /// Any bytes.
    Bytes,
    /// V8's serialization, which only a worker can read.
    V8,
}

impl Format {
    /// All of them; the position is how a row writes it.
    pub(crate) const ALL: [Self; 4] = [Self::Json, Self::Text, Self::Bytes, Self::V8];

    /// Cloudflare's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::V8 => "v8",
        }
    }

    /// By Cloudflare's name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }
}

/// Names a message, also in a dead letter queue.
pub type MessageId = [u8; 16];

/// A message on its way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMessage {
    /// Its id.
    pub id: MessageId,
    /// When it was sent. A dead letter keeps the time of its first sending.
    pub timestamp: i64,
    /// What its body is.
    pub format: Format,
    /// Its body.
    pub body: Bytes,
    /// Milliseconds until it can be delivered.
    pub delay: i64,
}

/// Names a message and the delivery that has it. Sequence numbers are never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lease {
    /// Which message of the queue.
    pub sequence: i64,
    /// Which delivery of it.
    pub token: i64,
}

/// A message on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its lease; the last one, for a message that is only looked at.
    pub lease: Lease,
    /// Its id.
    pub id: MessageId,
    /// When it was sent.
    pub timestamp: i64,
    /// How often its delivery was tried, this time included.
    pub attempts: u32,
    /// What its body is.
    pub format: Format,
    /// Its body.
    pub body: Bytes,
}

/// What a queue holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Metrics {
    /// Messages that are not acknowledged.
    pub count: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// When the oldest was sent; 0 where there is none.
    pub oldest: i64,
}

/// Who gets a message, which says what becomes of its lease when the server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// A worker: the delivery ends with the server.
    Worker,
    /// A client that pulls: its lease goes on.
    Client,
}

/// When a message is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// Deliveries that are tried.
    pub attempts: u32,
    /// Whether it is kept for the dead letter queue then, or else deleted.
    pub keep_dead: bool,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Take {
    /// Batches, at most.
    pub batches: usize,
    /// Messages of a batch, at most.
    pub messages: usize,
    /// Bytes after which a batch takes no more messages.
    pub bytes: usize,
    /// How long a batch that is not full waits for more, in milliseconds. A message that is tried again does not wait.
    pub wait: i64,
    /// For how long its messages are nobody else's, in milliseconds.
    pub lease: i64,
    /// For whom.
    pub holder: Holder,
}

/// What there was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// The batches; none of them is empty.
    pub batches: Vec<Vec<Message>>,
    /// Messages that could be delivered now beside them, counted up to one batch.
    pub ready: usize,
    /// When to ask again, if nothing arrives until then.
    pub wake: Option<i64>,
}

/// What becomes of a delivered message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is done, and never delivered again.
    Acknowledged,
    /// It is tried again after so many milliseconds, unless that was the last time.
    Retry(i64),
    /// It never got to its consumer: the attempt does not count. It is tried again after so many milliseconds.
    Returned(i64),
}

/// What a delivery came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// The message's lease. An acknowledgement holds even if the lease has ended; a retry does not.
    pub lease: Lease,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// What an exchange did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Exchanged {
    /// For each of the settled messages, whether that had an effect.
    pub effective: Vec<bool>,
    /// Messages that were given up, by a verdict or because a lease had ended for the last time.
    pub given_up: usize,
    /// What was taken.
    pub taken: Taken,
    /// What the queue holds now.
    pub metrics: Metrics,
}

/// Why an engine did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// There is no such queue, or no longer.
    #[error("queue not found")]
    NoQueue,
    /// Too much is waiting already.
    #[error("too many operations are waiting")]
    Overloaded,
    /// No room for it.
    #[error("storage is full")]
    Full,
    /// It may not have the room.
    #[error(transparent)]
    NoRoom(#[from] hearth_space::Refusal),
    /// Storage failed; for the operator.
    #[error("{0}")]
    Failed(String),
}

/// Storage of all queues. What a call acknowledges survives a crash.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Makes a queue; one that exists stays as it is.
    async fn create(&self, queue: &str) -> Result<(), EngineError>;

    /// Forgets a queue and everything in it. One that does not exist is fine.
    async fn destroy(&self, queue: &str) -> Result<(), EngineError>;

    /// Adds messages, all or none.
    async fn send(&self, queue: &str, messages: Vec<NewMessage>) -> Result<Metrics, EngineError>;

    /// Records what deliveries came to, then gives out messages that are due, in one step: either all of it has
    /// happened or nothing.
    async fn exchange(
        &self,
        queue: &str,
        settled: Vec<Settled>,
        take: Option<Take>,
        patience: Patience,
    ) -> Result<Exchanged, EngineError>;

    /// Messages that were given up and wait for the dead letter queue.
    async fn dead(&self, queue: &str, most: usize) -> Result<Vec<Message>, EngineError>;

    /// Deletes messages, whoever has them. Returns how many were there.
    async fn remove(&self, queue: &str, sequences: Vec<i64>) -> Result<usize, EngineError>;

    /// The oldest messages that could be delivered, without taking them.
    async fn peek(&self, queue: &str, most: usize) -> Result<Vec<Message>, EngineError>;

    /// What a queue holds.
    async fn metrics(&self, queue: &str) -> Result<Metrics, EngineError>;

    /// Deletes everything in a queue.
    async fn purge(&self, queue: &str) -> Result<(), EngineError>;

    /// Deletes what has been in a queue for longer than so many milliseconds, if anything may have. Cheap when nothing
    /// has.
    async fn expire(&self, queue: &str, retention: i64) -> Result<(), EngineError>;

    /// Counts the messages that have arrived in a queue since the start.
    fn arrivals(&self, queue: &str) -> Result<watch::Receiver<u64>, EngineError>;

    /// Writes a copy of every queue into an empty folder, each as it was at one moment, while all else goes on.
    async fn snapshot(&self, to: &Path) -> Result<(), EngineError>;
}
