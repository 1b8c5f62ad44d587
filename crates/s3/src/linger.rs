//! The body of a request on its way in: it must keep coming, and is read on where nobody wants it.
//!
//! An answer may be there before the body was read, and closing then would reset the connection under a client that still
//! writes: it would never see the answer. So the rest is read and forgotten, up to a bound.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep};

use crate::integrity::Check;

/// Most bytes read for nobody.
const MOST: usize = 64 << 20;

/// Longest time spent on it.
const LONGEST: Duration = Duration::from_secs(10);

/// The body of a request.
pub(crate) struct Upload {
    body: Option<Incoming>,
    check: Option<Box<Check>>,
    patience: Duration,
    deadline: Pin<Box<Sleep>>,
    /// Whether the deadline runs: while somebody waits for more, not while what came is being written down.
    waiting: bool,
    asked: Asked,
}

/// Whether a client that waits to be asked for the body (`Expect: 100-continue`) was asked, which happens when the body is
/// first polled.
///
/// One that was not sends its next request where the body would have been. hyper cannot tell the two apart: it tries to
/// read what is left of a body, so the answer has to end the connection.
#[derive(Clone)]
pub(crate) struct Asked(Arc<AtomicBool>);

impl Asked {
    /// Of a request that has just come; without the expectation the body comes unasked.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self(Arc::new(AtomicBool::new(!headers.contains_key(header::EXPECT))))
    }

    /// Whether the body is on its way.
    pub(crate) fn yes(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

impl Upload {
    /// A body that must not stand still for longer than `patience`, and has to pass a check.
    pub(crate) fn new(body: Incoming, asked: Asked, check: Option<Check>, patience: Duration) -> Self {
        Self {
            body: Some(body),
            check: check.map(Box::new),
            patience,
            deadline: Box::pin(sleep(patience)),
            waiting: false,
            asked,
        }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        let Some(body) = &mut this.body else { return Poll::Ready(None) };
        this.asked.0.store(true, Ordering::Release);
        if let Poll::Ready(frame) = Pin::new(body).poll_frame(context) {
            this.waiting = false;
            if let (Some(check), Some(Ok(frame))) = (&mut this.check, &frame)
                && !frame.data_ref().is_none_or(|bytes| check.update(bytes))
            {
                return Poll::Ready(Some(Err(io::Error::other("the body is not what was announced"))));
            }
            return Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)));
        }
        if !this.waiting {
            this.waiting = true;
            this.deadline.as_mut().reset(Instant::now() + this.patience);
        }
        match this.deadline.as_mut().poll(context) {
            Poll::Ready(()) => {
                Poll::Ready(Some(Err(io::Error::new(io::ErrorKind::TimedOut, "the body stands still"))))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(SizeHint::default, Body::size_hint)
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let coming = self.asked.yes();
        let Some(body) = self.body.take().filter(|body| coming && !body.is_end_stream()) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                // Out of time, or the client is gone: there is nobody to be kind to.
                let _ = tokio::time::timeout(LONGEST, discard(body)).await;
            });
        }
    }
}

async fn discard(mut body: Incoming) {
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > MOST {
            return;
        }
    }
}
