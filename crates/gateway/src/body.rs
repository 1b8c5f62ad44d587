//! The bodies the gateway answers with.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hearth_supervisor::ResponseBody;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use parking_lot::Mutex;

use crate::access::Exchange;

/// Any error of a body's stream.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A response's body. It holds the place in the instance until its last byte.
#[derive(Debug)]
pub struct Body {
    // Never locked by two: the mutex makes the body `Sync`, which egress asks for.
    content: Mutex<Content>,
    exchange: Option<Exchange>,
}

#[derive(Debug)]
enum Content {
    Full(Option<Bytes>),
    Instance(ResponseBody),
    /// The control host's, or one that passes through a coder.
    Boxed(UnsyncBoxBody<Bytes, BoxError>),
}

impl Body {
    /// A body that is there already.
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Content::Full((!bytes.is_empty()).then_some(bytes)).into()
    }

    /// An instance's, as it comes.
    pub(crate) fn instance(body: ResponseBody) -> Self {
        Content::Instance(body).into()
    }

    /// Any other.
    pub(crate) fn boxed(body: UnsyncBoxBody<Bytes, BoxError>) -> Self {
        Content::Boxed(body).into()
    }

    /// Keeps the record of the exchange, and with it the place in the instance, until the body has ended.
    pub(crate) fn with_exchange(mut self, exchange: Exchange) -> Self {
        let ended = self.is_end_stream();
        let exchange = self.exchange.insert(exchange);
        if ended {
            exchange.complete();
        }
        self
    }
}

impl From<Content> for Body {
    fn from(content: Content) -> Self {
        Self { content: Mutex::new(content), exchange: None }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let frame = match this.content.get_mut() {
            Content::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Content::Instance(body) => Pin::new(body).poll_frame(cx).map_err(Into::into),
            Content::Boxed(body) => Pin::new(body).poll_frame(cx),
        };
        // hyper does not ask again once the announced length has gone out, so the end is looked for here.
        let ended = this.is_end_stream();
        if let (Some(exchange), Poll::Ready(frame)) = (&mut this.exchange, &frame) {
            match frame {
                Some(Ok(frame)) => {
                    exchange.count(frame.data_ref().map_or(0, Bytes::len));
                    if ended {
                        exchange.complete();
                    }
                }
                Some(Err(_)) => exchange.cut_short(),
                None => exchange.complete(),
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &*self.content.lock() {
            Content::Full(bytes) => bytes.is_none(),
            Content::Instance(body) => body.is_end_stream(),
            Content::Boxed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &*self.content.lock() {
            Content::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64),
            Content::Instance(body) => body.size_hint(),
            Content::Boxed(body) => body.size_hint(),
        }
    }
}
