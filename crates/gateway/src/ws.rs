//! The tunnel of a WebSocket: bytes pass as they are, and when the instance leaves, both ends are closed in order.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::frames::{self, Frames};

/// Read at once, in bytes. It lives on the stack while something is read, so that an idle socket holds no buffer.
const SCRATCH: usize = 8 << 10;

/// How long the client of a worker that hung up without a close frame waits for the news that its process is gone: the
/// kernel closes a dead process's sockets before its parent is told.
const NOTICE: Duration = Duration::from_millis(500);

type Stream = TokioIo<Upgraded>;

/// One way of a tunnel.
#[derive(Debug, Default)]
struct Way {
    frames: Frames,
    /// Read and not written yet.
    pending: Vec<u8>,
    /// Our close frame is to follow at the next boundary, or has followed.
    closing: Option<Vec<u8>>,
    /// What is read goes nowhere any more: the close frame has been sent.
    discard: bool,
    ended: bool,
    /// When this way has ended without a close frame, what it leads to is not told yet: one of ours may be to follow.
    holds: bool,
    /// Bytes that passed.
    bytes: u64,
}

impl Way {
    /// Whether it has ended between two frames, with none that closed.
    fn lost(&self) -> bool {
        self.ended && self.frames.at_boundary() && !self.frames.closed() && !self.discard
    }

    /// Asks for a close frame at the next boundary.
    fn close(&mut self, masked: bool) {
        if !self.frames.closed() && !self.discard && self.closing.is_none() {
            self.closing = Some(frames::close(masked));
        }
    }

    /// Whether the sender's close frame has passed, and nothing of ours is left to send. When that is so both ways,
    /// the WebSocket is over: the server's side hangs up first (RFC 6455, 7.1.1).
    fn over(&self) -> bool {
        self.frames.closed() && self.pending.is_empty() && self.closing.is_none()
    }

    /// Moves what can be moved. Ready when this way has ended.
    fn poll(&mut self, cx: &mut Context<'_>, from: &mut Stream, to: &mut Stream) -> Poll<io::Result<()>> {
        let mut scratch = [const { MaybeUninit::uninit() }; SCRATCH];
        loop {
            self.inject();
            ready!(self.poll_drain(cx, to))?;
            if self.ended {
                if self.holds && self.lost() {
                    return Poll::Pending;
                }
                return Pin::new(to).poll_shutdown(cx);
            }
            let mut buf = ReadBuf::uninit(&mut scratch);
            if let Err(error) = ready!(Pin::new(&mut *from).poll_read(cx, &mut buf)) {
                if !self.holds {
                    return Poll::Ready(Err(error));
                }
                buf.clear();
            }
            let data = buf.filled();
            if data.is_empty() {
                self.ended = true;
            } else if !self.discard {
                let passes = self.frames.advance(data, self.closing.is_some());
                self.bytes += passes as u64;
                let written = match Pin::new(&mut *to).poll_write(cx, &data[..passes]) {
                    Poll::Ready(written) => written?,
                    Poll::Pending => 0,
                };
                self.pending.extend_from_slice(&data[written..passes]);
            } else {
                // Only the peer's own close frame is still of interest.
                self.frames.advance(data, false);
                self.ended |= self.frames.closed();
            }
        }
    }

    fn inject(&mut self) {
        if self.frames.at_boundary()
            && let Some(frame) = self.closing.take()
        {
            self.discard = true;
            if !self.frames.closed() {
                self.pending.extend(frame);
            }
        }
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>, to: &mut Stream) -> Poll<io::Result<()>> {
        while !self.pending.is_empty() {
            let written = ready!(Pin::new(&mut *to).poll_write(cx, &self.pending))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.pending.drain(..written);
        }
        // Sockets have no buffer of ours to flush, and an idle one keeps none.
        self.pending = Vec::new();
        Poll::Ready(Ok(()))
    }
}

/// Joins a client and a worker until both have closed, or until `leaving` resolves: then each gets a close frame with
/// code 1012 at the next frame boundary and so much `grace` to answer it. A client gets it too when the worker is gone
/// before it could be told. Returns the bytes that passed towards the
/// client and whether the tunnel ended in order.
pub(crate) async fn tunnel(
    client: Upgraded,
    worker: Upgraded,
    leaving: impl Future<Output = ()>,
    grace: Duration,
) -> (u64, bool) {
    let (mut client, mut worker) = (TokioIo::new(client), TokioIo::new(worker));
    let (mut up, mut down) = (Way::default(), Way { holds: true, ..Way::default() });
    let mut leaving = std::pin::pin!(leaving);
    let mut deadline: Option<Pin<Box<tokio::time::Sleep>>> = None;
    let mut notice: Option<Pin<Box<tokio::time::Sleep>>> = None;
    let (mut up_ended, mut down_ended, mut told) = (false, false, false);
    let result: io::Result<()> = poll_fn(|cx| {
        if !told && leaving.as_mut().poll(cx).is_ready() {
            told = true;
            up.close(true);
            down.close(false);
            deadline = Some(Box::pin(tokio::time::sleep(grace)));
        }
        if !up_ended {
            up_ended = poll_way(up.poll(cx, &mut client, &mut worker))?;
        }
        if !down_ended {
            down_ended = poll_way(down.poll(cx, &mut worker, &mut client))?;
        }
        if down.holds && down.lost() {
            let notice = notice.get_or_insert_with(|| Box::pin(tokio::time::sleep(NOTICE)));
            if told || notice.as_mut().poll(cx).is_ready() {
                down.holds = false;
                down_ended = poll_way(down.poll(cx, &mut worker, &mut client))?;
            }
        }
        if (up_ended && down_ended) || (up.over() && down.over()) {
            return Poll::Ready(Ok(()));
        }
        // There is no half-open WebSocket: when one way has ended, the other has so long to end too.
        if (up_ended || down_ended) && deadline.is_none() {
            deadline = Some(Box::pin(tokio::time::sleep(grace)));
        }
        match &mut deadline {
            Some(deadline) => deadline.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into())),
            None => Poll::Pending,
        }
    })
    .await;
    (down.bytes, result.is_ok())
}

fn poll_way(polled: Poll<io::Result<()>>) -> io::Result<bool> {
    match polled {
        Poll::Ready(result) => result.map(|()| true),
        Poll::Pending => Ok(false),
    }
}
