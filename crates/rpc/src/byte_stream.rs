//! Bodies that a worker writes into.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use capnp_rpc::new_client_from_rc;
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio::sync::{mpsc, oneshot};

use crate::router::{Body, BoxError};
use crate::schema::byte_stream_capnp::byte_stream::{self, substream_callback};

/// Chunks that wait for their reader before the worker's writes do.
const CHUNKS: usize = 8;

enum Chunk {
    Data(Bytes),
    End,
}

/// The worker's end of a body.
pub(crate) struct ByteSink {
    sender: mpsc::Sender<Chunk>,
    ended: Rc<Cell<bool>>,
    finish: Cell<Option<oneshot::Sender<()>>>,
}

/// Our end of a body.
pub(crate) struct Received {
    chunks: mpsc::Receiver<Chunk>,
    ended: Rc<Cell<bool>>,
    finished: oneshot::Receiver<()>,
}

/// Knows how the reading of a body goes.
pub(crate) struct Reading {
    ended: Rc<Cell<bool>>,
    finished: oneshot::Receiver<()>,
    given_up: oneshot::Receiver<Infallible>,
}

impl Reading {
    /// Waits until the worker has written all of the body, or went without; `false` when the reader gave up before.
    pub(crate) async fn finished(self) -> bool {
        tokio::select! {
            _ = self.finished => true,
            _ = self.given_up => self.ended.get(),
        }
    }
}

impl Received {
    pub(crate) fn into_body(self) -> (Body, Reading) {
        let (reader, given_up) = oneshot::channel();
        let body = ChannelBody { chunks: self.chunks, _reader: reader }.boxed_unsync();
        (body, Reading { ended: self.ended, finished: self.finished, given_up })
    }
}

impl ByteSink {
    pub(crate) fn new() -> (Self, Received) {
        let (sender, chunks) = mpsc::channel(CHUNKS);
        let (finish, finished) = oneshot::channel();
        let ended = Rc::new(Cell::new(false));
        let sink = Self { sender, ended: ended.clone(), finish: Cell::new(Some(finish)) };
        (sink, Received { chunks, ended, finished })
    }

    async fn push(&self, chunk: Chunk) -> Result<(), capnp::Error> {
        let sent = self.sender.send(chunk).await;
        sent.map_err(|_| capnp::Error::disconnected("nobody reads the body".to_owned()))
    }
}

impl byte_stream::Server for ByteSink {
    async fn write(self: Rc<Self>, params: byte_stream::WriteParams) -> Result<(), capnp::Error> {
        let data = Bytes::copy_from_slice(params.get()?.get_bytes()?);
        if data.is_empty() { Ok(()) } else { self.push(Chunk::Data(data)).await }
    }

    async fn end(
        self: Rc<Self>,
        _: byte_stream::EndParams,
        _: byte_stream::EndResults,
    ) -> Result<(), capnp::Error> {
        self.ended.set(true);
        let pushed = self.push(Chunk::End).await;
        self.finish.take();
        pushed
    }

    async fn get_substream(
        self: Rc<Self>,
        params: byte_stream::GetSubstreamParams,
        results: byte_stream::GetSubstreamResults,
    ) -> Result<(), capnp::Error> {
        Substream::open(new_client_from_rc(self), &params, results)
    }
}

/// A part of another stream, whose end does not end the whole. workerd asks for one when it finds that a stream it
/// reads goes straight into ours, as when a worker answers with its request's body.
struct Substream {
    parent: byte_stream::Client,
    /// Released when it has been called: until then workerd does not see the end.
    callback: RefCell<Option<substream_callback::Client>>,
    left: Cell<u64>,
    written: Cell<u64>,
    /// Where everything past the limit goes.
    next: RefCell<Option<byte_stream::Client>>,
}

impl Substream {
    fn open(
        parent: byte_stream::Client,
        params: &byte_stream::GetSubstreamParams,
        mut results: byte_stream::GetSubstreamResults,
    ) -> Result<(), capnp::Error> {
        let params = params.get()?;
        let substream = Rc::new(Self {
            parent,
            callback: RefCell::new(Some(params.get_callback()?)),
            left: Cell::new(params.get_limit()),
            written: Cell::new(0),
            next: RefCell::new(None),
        });
        results.get().set_substream(new_client_from_rc(substream));
        Ok(())
    }

    fn callback(&self) -> Result<substream_callback::Client, capnp::Error> {
        self.callback.take().ok_or_else(|| capnp::Error::failed("the substream has ended".to_owned()))
    }

    fn next(&self) -> Option<byte_stream::Client> {
        self.next.borrow().clone()
    }
}

async fn write(stream: &byte_stream::Client, data: &[u8]) -> Result<(), capnp::Error> {
    let mut request = stream.write_request();
    request.get().set_bytes(data);
    request.send().await
}

impl byte_stream::Server for Substream {
    async fn write(self: Rc<Self>, params: byte_stream::WriteParams) -> Result<(), capnp::Error> {
        let data = params.get()?.get_bytes()?;
        if let Some(next) = self.next() {
            return write(&next, data).await;
        }
        let (now, rest) =
            data.split_at(data.len().min(usize::try_from(self.left.get()).unwrap_or(usize::MAX)));
        write(&self.parent, now).await?;
        self.written.set(self.written.get() + now.len() as u64);
        self.left.set(self.left.get() - now.len() as u64);
        if self.left.get() > 0 {
            return Ok(());
        }
        let callback = self.callback()?;
        let response = callback.reached_limit_request().send().promise.await?;
        let next = response.get()?.get_next()?;
        self.next.replace(Some(next.clone()));
        if rest.is_empty() { Ok(()) } else { write(&next, rest).await }
    }

    async fn end(
        self: Rc<Self>,
        _: byte_stream::EndParams,
        _: byte_stream::EndResults,
    ) -> Result<(), capnp::Error> {
        if let Some(next) = self.next() {
            return next.end_request().send().promise.await.map(drop);
        }
        let callback = self.callback()?;
        let mut ended = callback.ended_request();
        ended.get().set_byte_count(self.written.get());
        ended.send().promise.await.map(drop)
    }

    async fn get_substream(
        self: Rc<Self>,
        params: byte_stream::GetSubstreamParams,
        results: byte_stream::GetSubstreamResults,
    ) -> Result<(), capnp::Error> {
        Self::open(new_client_from_rc(self), &params, results)
    }
}

/// The reader's end. Dropping it before the end gives the body up.
struct ChannelBody {
    chunks: mpsc::Receiver<Chunk>,
    _reader: oneshot::Sender<Infallible>,
}

impl http_body::Body for ChannelBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(match ready!(self.chunks.poll_recv(cx)) {
            Some(Chunk::Data(data)) => Some(Ok(Frame::data(data))),
            Some(Chunk::End) => None,
            None => Some(Err("the worker broke its answer off".into())),
        })
    }
}
