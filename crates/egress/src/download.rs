//! A response's body on its way down, which holds what the request occupies until its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;

use crate::BoxError;
use crate::pool::{Connection, Key, Pool};

/// A connection on loan; given back only when the body has been read to its end. Dropped before, it is closed, which
/// is how a worker's going away reaches the upstream.
pub(crate) struct Loan {
    pub pool: Arc<Pool>,
    pub key: Key,
    pub connection: Connection,
}

impl Loan {
    pub fn give_back(self) {
        self.pool.give_back(self.key, self.connection);
    }
}

pub(crate) struct Download<B> {
    inner: B,
    loan: Option<Loan>,
    _slot: OwnedSemaphorePermit,
}

impl<B: Body> Download<B> {
    pub fn new(inner: B, loan: Option<Loan>, slot: OwnedSemaphorePermit) -> Self {
        let mut download = Self { inner, loan, _slot: slot };
        if download.inner.is_end_stream() {
            download.ended();
        }
        download
    }

    fn ended(&mut self) {
        if let Some(loan) = self.loan.take() {
            loan.give_back();
        }
    }
}

impl<B> Body for Download<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = Pin::new(&mut self.inner).poll_frame(cx).map_err(Into::into);
        match &frame {
            // hyper stops asking once the announced length is reached, so the last frame counts as the end.
            Poll::Ready(Some(Ok(_))) if self.inner.is_end_stream() => self.ended(),
            Poll::Ready(None) => self.ended(),
            Poll::Ready(Some(Err(_))) => self.loan = None,
            _ => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
