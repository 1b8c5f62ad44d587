//! A request's body on its way up, which notes that it moves.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

/// How many frames of a body have been taken so far; shared with whoever waits for the response.
pub(crate) type Progress = Arc<AtomicU64>;

pub(crate) struct Upload {
    /// `None` for a request that is sent again, which has no body.
    inner: Option<Incoming>,
    progress: Progress,
}

impl Upload {
    pub fn new(inner: Incoming) -> (Self, Progress) {
        let progress = Progress::default();
        (Self { inner: Some(inner), progress: progress.clone() }, progress)
    }

    pub fn empty() -> Self {
        Self { inner: None, progress: Progress::default() }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let frame = Pin::new(inner).poll_frame(cx);
        if frame.is_ready() {
            self.progress.fetch_add(1, Ordering::Relaxed);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}
