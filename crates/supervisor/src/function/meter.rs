//! Keeps what reads a process's output from being kept busy by it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// Bytes that are read in one span of time; who writes faster waits.
const ALLOWANCE: usize = 256 << 10;
const SPAN: Duration = Duration::from_millis(250);

/// A stream that is read no faster than a megabyte a second.
pub(crate) struct Metered<R> {
    inner: R,
    left: usize,
    until: Pin<Box<Sleep>>,
}

impl<R> Metered<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, left: ALLOWANCE, until: Box::pin(sleep_until(Instant::now() + SPAN)) }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Metered<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.left == 0 {
            if this.until.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            this.left = ALLOWANCE;
            this.until.as_mut().reset(Instant::now() + SPAN);
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buffer);
        this.left = this.left.saturating_sub(buffer.filled().len() - before);
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test]
    async fn a_flood_is_read_slowly_and_whole() {
        let began = Instant::now();
        let mut all = Vec::new();
        Metered::new(&vec![b'x'; 4 * ALLOWANCE][..]).read_to_end(&mut all).await.unwrap();
        assert_eq!(all.len(), 4 * ALLOWANCE);
        assert!(began.elapsed() >= 2 * SPAN, "{:?}", began.elapsed());
    }
}
