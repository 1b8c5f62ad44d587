//! The body of a request on its way in: it must keep coming, and is read on where nobody wants it.
//!
//! An answer may be there before the body was read, and closing then would reset the connection under a client that still
//! writes: it would never see the answer. So the rest is read and forgotten, up to a bound.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header;
use http::request::Parts;
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
    /// Whether the client waits to be asked for the body (`Expect: 100-continue`), which happens when it is first polled.
    unasked: bool,
}

impl Upload {
    /// A body that must not stand still for longer than `patience`, and has to pass a check.
    pub(crate) fn new(request: &Parts, body: Incoming, check: Option<Check>, patience: Duration) -> Self {
        let unasked = request.headers.contains_key(header::EXPECT);
        Self {
            body: Some(body),
            check: check.map(Box::new),
            patience,
            deadline: Box::pin(sleep(patience)),
            waiting: false,
            unasked,
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
        this.unasked = false;
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
        // To ask for it now would make the client's next request the body: hyper closes the connection instead.
        let wanted = !self.unasked;
        let Some(body) = self.body.take().filter(|body| wanted && !body.is_end_stream()) else { return };
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
