//! What keeps the data: a trait that knows neither paths nor rows, so that Redis or PostgreSQL can stand behind it.

use std::path::Path;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::rules::Key;

/// What a value carries along.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// When it ceases to exist, in seconds since 1970.
    pub expiration: Option<i64>,
    /// JSON text.
    pub metadata: Option<String>,
}

/// A value on its way out.
pub enum Value {
    /// The whole of it.
    Whole(Bytes),
    /// A large one, piece by piece.
    Stream {
        /// Its length in bytes.
        length: u64,
        /// Its pieces; an error ends it early.
        pieces: BoxStream<'static, std::io::Result<Bytes>>,
    },
}

/// What a key holds.
pub struct Entry {
    /// The value.
    pub value: Value,
    /// Its attributes.
    pub attributes: Attributes,
}

/// A value on its way in, of at most [`crate::rules::MAX_VALUE`] bytes: what makes the stream ends it with an error
/// beyond that.
pub struct Incoming {
    /// Its length in bytes, when the sender says it.
    pub length: Option<u64>,
    /// Its pieces. An error means that nothing of it may be kept; its text is for the operator.
    pub pieces: BoxStream<'static, Result<Bytes, String>>,
}

/// One of several changes that are made together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A key gets a value.
    Put {
        /// The key.
        key: Key,
        /// Its value.
        value: Bytes,
        /// What it carries along.
        attributes: Attributes,
    },
    /// A key ceases to exist, if it does.
    Delete(Key),
}

/// Which keys are listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// What they begin with.
    pub prefix: String,
    /// Only keys behind this one.
    pub after: Option<String>,
    /// Most keys.
    pub limit: usize,
}

/// A key of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The key.
    pub key: Key,
    /// What its value carries along.
    pub attributes: Attributes,
}

/// One page, in the order of the keys' UTF-8 bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// The keys.
    pub keys: Vec<Listed>,
    /// Whether there are none behind them.
    pub complete: bool,
}

/// What a namespace takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Keys, those included that have expired and are not reclaimed yet.
    pub keys: u64,
    /// Bytes of keys, values and metadata.
    pub bytes: u64,
}

/// Why an engine did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// There is no such namespace, or no longer.
    #[error("namespace not found")]
    NoNamespace,
    /// Too much is waiting already.
    #[error("too many operations are waiting")]
    Overloaded,
    /// No room for it.
    #[error("storage is full")]
    Full,
    /// It may not have the room.
    #[error(transparent)]
    NoRoom(#[from] hearth_space::Refusal),
    /// The value ended in an error.
    #[error("the value broke off: {0}")]
    Broken(String),
    /// More bytes than were asked for at most.
    #[error("too many bytes")]
    TooMuch,
    /// Storage failed; for the operator.
    #[error("{0}")]
    Failed(String),
}

/// Storage of all namespaces. What a call acknowledges survives a crash, and every read that begins afterwards sees it.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// Makes a namespace; one that exists stays as it is.
    async fn create(&self, namespace: &str) -> Result<(), EngineError>;

    /// Forgets a namespace and everything in it. One that does not exist is fine.
    async fn destroy(&self, namespace: &str) -> Result<(), EngineError>;

    /// What a key holds; None for one that does not exist or has expired.
    async fn get(&self, namespace: &str, key: &Key) -> Result<Option<Entry>, EngineError>;

    /// What several keys hold, whole and in their order.
    ///
    /// # Errors
    /// [`EngineError::TooMuch`] when the values have more than `most` bytes together.
    async fn get_many(
        &self,
        namespace: &str,
        keys: Vec<Key>,
        most: u64,
    ) -> Result<Vec<Option<(Bytes, Attributes)>>, EngineError>;

    /// Gives a key a value, which is streamed.
    async fn put(
        &self,
        namespace: &str,
        key: Key,
        attributes: Attributes,
        value: Incoming,
    ) -> Result<(), EngineError>;

    /// Makes several changes, in their order and all or none.
    async fn apply(&self, namespace: &str, changes: Vec<Change>) -> Result<(), EngineError>;

    /// One page of keys that exist.
    async fn list(&self, namespace: &str, query: Query) -> Result<Listing, EngineError>;

    /// What a namespace takes; cheap.
    async fn usage(&self, namespace: &str) -> Result<Usage, EngineError>;

    /// Writes a copy of every namespace into an empty folder, each as it was at one moment, while all else goes on.
    /// What an engine of another kind backs up by its own means, it need not copy.
    async fn snapshot(&self, to: &Path) -> Result<(), EngineError>;
}
