//! Contents on their way in and out: streams of chunks, never whole objects.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use futures::stream::{self, StreamExt};

/// Why a sender's body broke off.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Content on its way in.
pub struct Incoming {
    /// Its chunks, of any size. An error ends the operation; nothing of it stays.
    pub stream: Pin<Box<dyn Stream<Item = Result<Bytes, BoxError>> + Send>>,
    /// How many bytes it must be; None where the sender does not say.
    pub length: Option<u64>,
}

impl Incoming {
    /// Content that comes as a stream.
    pub fn stream<S, E>(stream: S, length: Option<u64>) -> Self
    where
        S: Stream<Item = Result<Bytes, E>> + Send + 'static,
        E: Into<BoxError>,
    {
        Self { stream: Box::pin(stream.map(|chunk| chunk.map_err(Into::into))), length }
    }

    /// Content that is here already.
    pub fn bytes(content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let length = Some(content.len() as u64);
        Self::stream(stream::iter([Ok::<_, BoxError>(content)]), length)
    }
}

/// Content on its way out: a stream of chunks that gives exactly [`ObjectBody::len`] bytes, unless it fails. While it
/// lives its version's bytes do not go away, though the object be replaced or deleted.
pub struct ObjectBody {
    stream: Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send + Sync>>,
    length: u64,
}

impl ObjectBody {
    /// A body of `length` bytes.
    pub fn new(stream: impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static, length: u64) -> Self {
        Self { stream: Box::pin(stream), length }
    }

    /// A body that is here already.
    pub fn bytes(content: impl Into<Bytes>) -> Self {
        let content = content.into();
        let length = content.len() as u64;
        Self::new(stream::iter((!content.is_empty()).then_some(Ok(content))), length)
    }

    /// Bytes in all.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Everything at once, for what is known to be small.
    ///
    /// # Errors
    /// What reading failed with.
    pub async fn collect(mut self) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        while let Some(chunk) = self.next().await {
            content.extend_from_slice(&chunk?);
        }
        Ok(content)
    }
}

impl Stream for ObjectBody {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.stream.as_mut().poll_next(context)
    }
}

impl fmt::Debug for ObjectBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectBody").field("length", &self.length).finish_non_exhaustive()
    }
}
