//! The listener of an instance's `rpc.sock`.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderName, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::upgrade::{Parts, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::router::{Body, Router};
use crate::{RpcThreads, fetch, session};

/// The header in which a caller's workerd names the binding of a plain `fetch` (`injectRequestHeaders`).
pub const BINDING_HEADER: HeaderName = HeaderName::from_static("x-hearth-binding");

/// Stops the listener and everything it accepted when dropped.
#[must_use = "dropping it stops the listener"]
pub struct ServeHandle {
    stop: CancellationToken,
    _guard: DropGuard,
}

impl ServeHandle {
    /// Resolves when the listener has stopped.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }
}

/// Serves the calls that leave one caller process through its service bindings. `admits` says of a connection whether
/// it is that process's.
///
/// A binding's key, in `capnpConnectHost` and in [`BINDING_HEADER`], consists of letters, digits, `-`, `_` and `.`:
/// it travels as the authority of a `CONNECT`. Must be called inside a tokio runtime.
pub fn serve(
    listener: UnixListener,
    admits: impl Fn(&UnixStream) -> bool + Send + Sync + 'static,
    router: Arc<dyn Router>,
    threads: &RpcThreads,
) -> ServeHandle {
    let stop = CancellationToken::new();
    let shared = Shared { router, threads: threads.clone(), stop: stop.clone() };
    tokio::spawn(async move {
        let each = |stream| {
            let shared = shared.clone();
            let stop = shared.stop.clone();
            tokio::spawn(connection(stream, stop, move |request| answer(request, shared.clone())));
        };
        tokio::select! {
            () = shared.stop.cancelled() => {}
            () = accept(listener, admits, each) => shared.stop.cancel(),
        }
    });
    ServeHandle { _guard: stop.clone().drop_guard(), stop }
}

#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) router: Arc<dyn Router>,
    pub(crate) threads: RpcThreads,
    pub(crate) stop: CancellationToken,
}

/// Takes connections for ever, and closes those that are not admitted.
pub(crate) async fn accept(
    listener: UnixListener,
    admits: impl Fn(&UnixStream) -> bool,
    each: impl Fn(UnixStream),
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) if admits(&stream) => each(stream),
            Ok(_) => {}
            Err(error) => {
                // Out of descriptors, most likely: the connection waits in the backlog until there are some again.
                tracing::warn!(%error, "cannot accept a process's connection");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
}

/// Serves the HTTP of one connection until it ends or `stop` does.
pub(crate) async fn connection<A>(
    stream: UnixStream,
    stop: CancellationToken,
    answer: impl Fn(Request<Incoming>) -> A,
) where
    A: Future<Output = Result<Response<Body>, crate::BoxError>> + Send + 'static,
{
    // Header values and reason phrases pass as they are; the peer is our own workerd, so no header timeout either.
    let serving = hyper::server::conn::http1::Builder::new()
        .preserve_header_case(true)
        .serve_connection(TokioIo::new(stream), service_fn(answer))
        .with_upgrades();
    tokio::select! {
        result = serving => if let Err(error) = result {
            tracing::debug!(%error, "a process's connection ended");
        },
        () = stop.cancelled() => {}
    }
}

async fn answer(mut request: Request<Incoming>, shared: Shared) -> Result<Response<Body>, crate::BoxError> {
    if request.method() != Method::CONNECT {
        return fetch::answer(request, shared).await;
    }
    // workerd's own connections name a key. A port is in the address of a worker's `connect()`, which must not speak
    // Cap'n Proto to us, and does not say which binding it was called on.
    let binding = match request.uri().authority() {
        Some(key) if key.port().is_none() => key.as_str().to_owned(),
        _ => return Ok(plain(StatusCode::NOT_IMPLEMENTED, "A service binding takes no connect().\n")),
    };
    Ok(tunnel(&mut request, move |stream, already_read| {
        shared.threads.clone().spawn(move || async move {
            let served = session::serve(stream, already_read, binding, shared.router, shared.stop).await;
            if let Err(error) = served {
                tracing::warn!(%error, "a caller's connection cannot be served");
            }
        });
    }))
}

/// Accepts a `CONNECT`, and hands the socket on with what was read of it too early.
pub(crate) fn tunnel(
    request: &mut Request<Incoming>,
    then: impl FnOnce(std::os::unix::net::UnixStream, Bytes) + Send + 'static,
) -> Response<Body> {
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        let socket = match upgrade.await {
            Ok(upgraded) => into_socket(upgraded),
            Err(error) => Err(io::Error::other(error)),
        };
        match socket {
            Ok((stream, already_read)) => then(stream, already_read),
            Err(error) => tracing::debug!(%error, "a process left during CONNECT"),
        }
    });
    Response::new(empty())
}

/// The raw socket under an upgraded HTTP connection, to be moved to another runtime.
fn into_socket(upgraded: Upgraded) -> io::Result<(std::os::unix::net::UnixStream, Bytes)> {
    let Parts { io, read_buf, .. } = upgraded
        .downcast::<TokioIo<UnixStream>>()
        .map_err(|_| io::Error::other("not a connection of the listener's"))?;
    Ok((io.into_inner().into_std()?, read_buf))
}

pub(crate) fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(text.into()).map_err(infallible).boxed_unsync());
    *response.status_mut() = status;
    response
}

pub(crate) fn empty() -> Body {
    Full::new(Bytes::new()).map_err(infallible).boxed_unsync()
}

fn infallible(never: Infallible) -> crate::BoxError {
    match never {}
}
