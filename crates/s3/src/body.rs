//! Bodies on their way in: checksums are computed as they pass, and why one broke off is remembered.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use hearth_r2::store::{BoxError, Finish, Incoming, R2Error};
use s3s::TrailingHeaders;
use s3s::checksum::ChecksumHasher;
use s3s::dto::StreamingBlob;

use crate::checksum::Announced;

/// What passed, and how it ended.
#[derive(Default)]
struct Passed {
    hasher: ChecksumHasher,
    ended: bool,
    cause: Option<Cause>,
}

/// Why a body broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cause {
    /// A chunk's signature is not what it has to be.
    Signature,
    /// The whole's SHA-256 is not what was signed.
    Sha256,
    /// Anything else: the client left, or its framing is broken.
    Broken,
}

impl Cause {
    /// `s3s` does not export the types of these errors, only their texts.
    fn of(error: &BoxError) -> Self {
        let text = error.to_string();
        if text.contains("SignatureMismatch") {
            Self::Signature
        } else if text.contains("Sha256Mismatch") {
            Self::Sha256
        } else {
            Self::Broken
        }
    }
}

/// A body that is being read, from the side of who ordered it.
pub(crate) struct Watched(Arc<Mutex<Passed>>);

impl Watched {
    /// Why the body broke off, if it did.
    pub(crate) fn cause(&self) -> Option<Cause> {
        lock(&self.0).cause
    }
}

/// Makes a body into what the store takes: the content, what is to run behind its last byte, and a look at how it ended.
/// Of a `secret` one no checksum is kept: it tells what it was made of.
pub(crate) fn take(
    body: Option<StreamingBlob>,
    length: Option<u64>,
    announced: Announced,
    trailers: Option<TrailingHeaders>,
    secret: bool,
) -> (Incoming, Finish, Watched) {
    let passed = Arc::new(Mutex::new(Passed { hasher: announced.hasher(), ..Passed::default() }));
    let incoming = match body {
        Some(body) => Incoming::stream(Hashing { body, passed: Arc::clone(&passed) }, length),
        None => {
            lock(&passed).ended = true;
            Incoming::bytes(Bytes::new())
        }
    };
    let behind = Arc::clone(&passed);
    let finish: Finish = Box::new(move |_| {
        let checksums = finish(&behind, &announced, trailers.as_ref())?;
        Ok(if secret { BTreeMap::new() } else { checksums })
    });
    (incoming, finish, Watched(passed))
}

fn finish(
    passed: &Mutex<Passed>,
    announced: &Announced,
    trailers: Option<&TrailingHeaders>,
) -> Result<BTreeMap<String, String>, R2Error> {
    let mut passed = lock(passed);
    // The last chunk's signature and the trailers stand behind the last byte.
    if !passed.ended {
        return Err(R2Error::IncompleteBody);
    }
    let computed = std::mem::take(&mut passed.hasher).finalize();
    let trailers = trailers.and_then(TrailingHeaders::take).unwrap_or_default();
    announced.check(&computed, &trailers)
}

/// A body whose bytes are hashed as they pass.
struct Hashing {
    body: StreamingBlob,
    passed: Arc<Mutex<Passed>>,
}

impl Stream for Hashing {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.body).poll_next(context);
        if let Poll::Ready(item) = &next {
            let mut passed = lock(&self.passed);
            match item {
                Some(Ok(chunk)) => passed.hasher.update(chunk),
                Some(Err(error)) => passed.cause = Some(Cause::of(error)),
                None => passed.ended = passed.cause.is_none(),
            }
        }
        next
    }
}

fn lock(passed: &Mutex<Passed>) -> std::sync::MutexGuard<'_, Passed> {
    passed.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::StreamExt;
    use hearth_r2::store::Digests;

    fn blob(items: Vec<Result<Bytes, std::io::Error>>) -> StreamingBlob {
        StreamingBlob::wrap(futures::stream::iter(items))
    }

    #[tokio::test]
    async fn nothing_is_kept_before_the_end_was_seen() {
        for to_its_end in [true, false] {
            let body = blob(vec![Ok(Bytes::from_static(b"hello"))]);
            let (mut incoming, finish, _) = take(Some(body), Some(5), Announced::default(), None, false);
            assert_eq!(incoming.stream.next().await.unwrap().unwrap(), "hello");
            if to_its_end {
                assert!(incoming.stream.next().await.is_none());
            }
            // What is signed and announced behind the last byte is read at the end only.
            assert_eq!(finish(&Digests::default()).is_ok(), to_its_end);
        }
    }

    #[tokio::test]
    async fn why_a_body_broke_off_is_remembered() {
        let causes = [
            ("UploadStreamError: Sha256Mismatch", Cause::Sha256),
            ("AwsChunkedStreamError: SignatureMismatch", Cause::Signature),
            ("connection reset", Cause::Broken),
        ];
        for (text, cause) in causes {
            let body = blob(vec![Err(std::io::Error::other(text))]);
            let (mut incoming, finish, watched) =
                take(Some(body), Some(5), Announced::default(), None, false);
            assert!(incoming.stream.next().await.unwrap().is_err());
            assert!(incoming.stream.next().await.is_none());
            assert_eq!(watched.cause(), Some(cause));
            assert!(finish(&Digests::default()).is_err());
        }
    }

    #[tokio::test]
    async fn of_a_secret_body_no_checksum_is_kept() {
        let headers = http::HeaderMap::from_iter([(
            http::HeaderName::from_static("x-amz-checksum-crc32"),
            http::HeaderValue::from_static("NhCmhg=="),
        )]);
        for secret in [true, false] {
            let announced = Announced::read(&headers).unwrap();
            let body = blob(vec![Ok(Bytes::from_static(b"hello"))]);
            let (mut incoming, finish, _) = take(Some(body), Some(5), announced, None, secret);
            while incoming.stream.next().await.is_some() {}
            assert_eq!(finish(&Digests::default()).unwrap().is_empty(), secret);
        }
    }
}
