//! The stream of a connection to an instance, which stays readable when it can no longer be written to.
//!
//! A worker may answer before it has read an upload; workerd then closes under what it has left unread, and the next
//! write fails. What it had sent until then is still there to be read on a unix socket, but an HTTP client gives a
//! connection up at its first failed write, answer or not. So from a failed write on, what is written is taken and
//! forgotten, and the reading side says how it ends: with the answer, or with the end of a process that gave none.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;

/// A unix stream whose writes do not fail because the peer has closed.
#[derive(Debug)]
pub(crate) struct InstanceStream {
    stream: UnixStream,
    /// Whether the peer has closed, as a write has told.
    closed: bool,
}

impl InstanceStream {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self { stream, closed: false }
    }

    /// What to say of a write of `length` bytes: all of it, where the peer has closed.
    fn or_forget(&mut self, written: Poll<io::Result<usize>>, length: usize) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Err(error))
                if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) =>
            {
                self.closed = true;
                Poll::Ready(Ok(length))
            }
            other => other,
        }
    }
}

impl AsyncRead for InstanceStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for InstanceStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.closed {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.or_forget(written, bytes.len())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let length = slices.iter().map(|slice| slice.len()).sum();
        if this.closed {
            return Poll::Ready(Ok(length));
        }
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.or_forget(written, length)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
