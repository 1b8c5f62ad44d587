//! A request's body, of which the beginning is read here, the rest by the store, and what that leaves here again.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, BodyDataStream};
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt};
use parking_lot::Mutex;

use crate::store::{R2Error, Result};

/// The body.
pub(super) struct Sent(Arc<Mutex<Inner>>);

struct Inner {
    stream: BodyDataStream,
    /// What was read with the beginning and belongs to the rest.
    ahead: Bytes,
}

impl Sent {
    pub(super) fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Inner { stream: body.into_data_stream(), ahead: Bytes::new() })))
    }

    /// What is left of it.
    pub(super) fn stream(&self) -> Rest {
        Rest(Arc::clone(&self.0))
    }

    /// Takes `length` bytes.
    pub(super) async fn beginning(&self, length: usize) -> Result<Bytes> {
        let mut rest = self.stream();
        let mut taken = BytesMut::new();
        while taken.len() < length {
            match rest.next().await {
                Some(Ok(bytes)) => taken.extend_from_slice(&bytes),
                _ => return Err(R2Error::IncompleteBody),
            }
        }
        let mut taken = taken.freeze();
        let ahead = taken.split_off(length);
        self.0.lock().ahead = ahead;
        Ok(taken)
    }

    /// Takes what is left and forgets it.
    pub(super) async fn hear_out(&self) {
        let mut rest = self.stream();
        while let Some(Ok(_)) = rest.next().await {}
    }
}

/// What is left of a body.
pub(super) struct Rest(Arc<Mutex<Inner>>);

impl Stream for Rest {
    type Item = Result<Bytes, axum::Error>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut inner = self.0.lock();
        if !inner.ahead.is_empty() {
            return Poll::Ready(Some(Ok(std::mem::take(&mut inner.ahead))));
        }
        Pin::new(&mut inner.stream).poll_next(context)
    }
}
