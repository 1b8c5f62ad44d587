//! What hyper lets pass and a gateway must not: requests that two readers may read differently.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use http::{HeaderMap, Method, Request, Version, header};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::framing::{Framing, Verdict};

/// Checks a request's head as hyper hands it out.
///
/// # Errors
/// What is wrong; the connection must close.
pub(crate) fn check<B>(request: &Request<B>) -> Result<(), &'static str> {
    let headers = request.headers();
    if request.method() == Method::CONNECT {
        return Err("CONNECT is not served");
    }
    let mut encodings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if let Some(encoding) = encodings.next()
        && (encodings.next().is_some() || !encoding.as_bytes().eq_ignore_ascii_case(b"chunked"))
    {
        return Err("the transfer encoding is not plain `chunked`");
    }
    check_host(request.version(), request.uri().authority().map(http::uri::Authority::as_str), headers)
}

fn check_host(version: Version, authority: Option<&str>, headers: &HeaderMap) -> Result<(), &'static str> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err("there is more than one Host header");
    }
    match (host, authority) {
        (Some(host), Some(authority)) if !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) => {
            Err("the Host header and the request's target disagree")
        }
        (None, _) if version == Version::HTTP_11 => Err("there is no Host header"),
        (None, None) => Err("the request names no host"),
        _ => Ok(()),
    }
}

/// A connection that watches the heads of the requests read from it. hyper drops a `Content-Length` that stands
/// beside a `Transfer-Encoding` before anybody sees it, so that this has to be seen in the bytes.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    inner: S,
    framing: Framing,
    tunnel: Arc<AtomicBool>,
}

impl<S> Watched<S> {
    /// Watches until `tunnel` is set: what follows an upgrade is not HTTP.
    pub(crate) fn new(inner: S, tunnel: Arc<AtomicBool>) -> Self {
        Self { inner, framing: Framing::default(), tunnel }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
        let read = &mut buf.filled_mut()[before..];
        if !read.is_empty()
            && !this.tunnel.load(Ordering::Relaxed)
            && let Verdict::Refuse(at) = this.framing.advance(read)
        {
            // A NUL where the header's line would end: hyper answers 400 and closes, as with all else it refuses.
            read[at] = 0;
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
