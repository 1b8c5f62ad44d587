//! A writer that gathers what belongs together.
//!
//! capnp-rpc flushes after every message, and an event is half a dozen of them each way: every one would be a system
//! call of ours and a wake-up of workerd. Here a flush only marks what was written as ready to go, and it goes when
//! everything else that can run on this thread has had its turn.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures::AsyncWrite;
use tokio::io::{AsyncWrite as TokioWrite, AsyncWriteExt as _};

/// Bytes that may wait for the socket before the writer waits too.
const MAX_WAITING: usize = 256 << 10;

/// Room that is kept for what is written next.
const KEPT: usize = 16 << 10;

/// The end that is written to.
pub(crate) struct Corked(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    waiting: Vec<u8>,
    flush: bool,
    closed: bool,
    failed: Option<io::ErrorKind>,
    writer: Option<Waker>,
    pump: Option<Waker>,
}

impl State {
    fn check(&self) -> io::Result<()> {
        self.failed.map_or(Ok(()), |kind| Err(kind.into()))
    }

    fn flush(&mut self) {
        self.flush = true;
        if let Some(pump) = self.pump.take() {
            pump.wake();
        }
    }
}

impl Corked {
    /// Wraps a socket. Must be called on a `LocalSet`, where a task does the writing; it ends when the writer is
    /// dropped and all of it is written, or cannot be.
    pub(crate) fn new(socket: impl TokioWrite + Unpin + 'static) -> Self {
        let state = Rc::new(RefCell::new(State::default()));
        tokio::task::spawn_local(pump(socket, Rc::clone(&state)));
        Self(state)
    }
}

/// Lets the tasks that are ready run first. tokio's own way of yielding also asks the kernel for news, every time.
async fn turn() {
    let mut waited = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut waited, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn pump(mut socket: impl TokioWrite + Unpin, state: Rc<RefCell<State>>) {
    let mut going = Vec::new();
    loop {
        std::future::poll_fn(|cx| {
            let mut state = state.borrow_mut();
            if state.flush || state.closed {
                return Poll::Ready(());
            }
            state.pump = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
        turn().await;
        let closed = {
            let mut state = state.borrow_mut();
            state.flush = false;
            std::mem::swap(&mut going, &mut state.waiting);
            state.closed
        };
        let written = socket.write_all(&going).await;
        let mut state = state.borrow_mut();
        if let Err(error) = &written {
            state.failed = Some(error.kind());
        }
        if let Some(writer) = state.writer.take() {
            writer.wake();
        }
        if written.is_err() || closed {
            return;
        }
        going.clear();
        going.shrink_to(KEPT);
    }
}

impl AsyncWrite for Corked {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.0.borrow_mut();
        state.check()?;
        if state.waiting.len() >= MAX_WAITING {
            state.flush();
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = data.len().min(MAX_WAITING - state.waiting.len());
        state.waiting.extend_from_slice(&data[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.0.borrow_mut();
        state.check()?;
        state.flush();
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl Drop for Corked {
    fn drop(&mut self) {
        let mut state = self.0.borrow_mut();
        state.closed = true;
        state.flush();
    }
}

#[cfg(test)]
mod tests {
    use futures::AsyncWriteExt as _;
    use tokio::io::AsyncReadExt as _;
    use tokio::task::LocalSet;

    use super::*;

    #[tokio::test]
    async fn what_is_flushed_at_once_goes_at_once() {
        let local = LocalSet::new();
        let together = async {
            let (ours, mut theirs) = tokio::io::duplex(1 << 20);
            let mut corked = Corked::new(ours);
            for part in ["a", "b", "c"] {
                corked.write_all(part.as_bytes()).await.unwrap();
                corked.flush().await.unwrap();
            }
            let mut seen = [0; 16];
            assert_eq!(theirs.read(&mut seen).await.unwrap(), 3);
            corked.write_all(b"last").await.unwrap();
            drop(corked);
            let mut rest = Vec::new();
            theirs.read_to_end(&mut rest).await.unwrap();
            assert_eq!(rest, b"last");
        };
        local.run_until(together).await;
    }

    #[tokio::test]
    async fn a_peer_that_reads_nothing_holds_the_writer_up() {
        let local = LocalSet::new();
        let held = async {
            let (ours, mut theirs) = tokio::io::duplex(1024);
            let mut corked = Corked::new(ours);
            let all = vec![7; 4 * MAX_WAITING];
            let writing = tokio::task::spawn_local(async move {
                for chunk in all.chunks(1000) {
                    corked.write_all(chunk).await.unwrap();
                    corked.flush().await.unwrap();
                }
            });
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
            assert!(!writing.is_finished());
            let mut seen = Vec::new();
            theirs.read_to_end(&mut seen).await.unwrap();
            assert_eq!(seen.len(), 4 * MAX_WAITING);
            writing.await.unwrap();
        };
        local.run_until(held).await;
    }

    #[tokio::test]
    async fn a_peer_that_is_gone_is_an_error() {
        let local = LocalSet::new();
        let gone = async {
            let (ours, theirs) = tokio::io::duplex(16);
            drop(theirs);
            let mut corked = Corked::new(ours);
            let error = loop {
                tokio::task::yield_now().await;
                corked.flush().await.ok();
                if let Err(error) = corked.write_all(b"x").await {
                    break error;
                }
            };
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        };
        local.run_until(gone).await;
    }
}
