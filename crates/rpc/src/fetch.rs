//! Plain `fetch` on a service binding.

use std::any::Any;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderName, Request, Response, StatusCode, Uri, header};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use crate::router::{Body, BoxError, HttpSender};
use crate::serve::{BINDING_HEADER, Shared, empty, plain};
use crate::{Callee, DebugPort, Entrypoint, FetchError};

/// The header that carries `request.cf` as JSON between workerd and Hearth (`cfBlobHeader`).
pub const CF_HEADER: HeaderName = HeaderName::from_static("x-hearth-cf");

/// The header that carries a URL's scheme between workerd and Hearth (`forwardedProtoHeader`).
pub const PROTO_HEADER: HeaderName = HeaderName::from_static("x-forwarded-proto");

type Lease = Box<dyn Any + Send>;

/// An error closes the connection, by which the caller's code learns that the callee is lost.
pub(crate) async fn answer(
    mut request: Request<Incoming>,
    shared: Shared,
) -> Result<Response<Body>, BoxError> {
    let binding = request.headers_mut().remove(BINDING_HEADER);
    let Some(binding) = binding.as_ref().and_then(|binding| binding.to_str().ok()) else {
        return Ok(plain(
            StatusCode::BAD_REQUEST,
            "This socket takes calls through service bindings only.\n",
        ));
    };
    let callee = match shared.router.route(binding).await {
        Ok(callee) => callee,
        Err(error) => {
            tracing::info!(binding, message = error.message, internal = error.internal, "fetch refused");
            return Ok(plain(error.status, format!("{}\n", error.message)));
        }
    };
    let Callee { debug_socket, service, entrypoint, props_json, lease, http } = callee;
    if let Some(send) = http {
        return over_http(request, send, lease).await;
    }
    let cf = request.headers_mut().remove(CF_HEADER);
    let entrypoint = Entrypoint {
        service,
        name: entrypoint,
        props_json,
        cf_json: cf.map(|cf| String::from_utf8_lossy(cf.as_bytes()).into_owned()),
    };
    let Some(uri) = absolute(&mut request) else {
        return Ok(plain(StatusCode::BAD_REQUEST, "The request has no usable Host.\n"));
    };
    *request.uri_mut() = uri;
    let port = DebugPort::new(debug_socket, &shared.threads);
    match port.fetch_holding(entrypoint, request, lease).await {
        Ok(response) => Ok(response),
        Err(FetchError::Method(_)) => Ok(plain(StatusCode::NOT_IMPLEMENTED, "Unknown method.\n")),
        // What the callee's own HTTP socket would say.
        Err(FetchError::Exception(error)) => {
            tracing::info!(binding, error, "a called worker failed");
            Ok(plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"))
        }
        Err(error) => Err(error.into()),
    }
}

fn absolute(request: &mut Request<Incoming>) -> Option<Uri> {
    let proto = request.headers_mut().remove(PROTO_HEADER);
    let scheme = if proto.is_some_and(|proto| proto == "https") { "https" } else { "http" };
    let path = request.uri().path_and_query()?.clone();
    let host = request.headers().get(header::HOST)?.as_bytes();
    Uri::builder().scheme(scheme).authority(host).path_and_query(path).build().ok()
}

async fn over_http(
    mut request: Request<Incoming>,
    send: HttpSender,
    lease: Lease,
) -> Result<Response<Body>, BoxError> {
    let upgrade = request.headers().contains_key(header::UPGRADE).then(|| hyper::upgrade::on(&mut request));
    let mut response = send(request).await?;
    let Some(upgrade) = upgrade.filter(|_| response.status() == StatusCode::SWITCHING_PROTOCOLS) else {
        return Ok(response.map(|inner| Leased { inner, _lease: lease }.boxed_unsync()));
    };
    let callee = hyper::upgrade::on(&mut response);
    tokio::spawn(async move {
        let _lease = lease;
        if let Ok((caller, callee)) = tokio::try_join!(upgrade, callee) {
            let (mut caller, mut callee) = (TokioIo::new(caller), TokioIo::new(callee));
            let _ = tokio::io::copy_bidirectional(&mut caller, &mut callee).await;
        }
    });
    Ok(response.map(|_| empty()))
}

/// A body that holds the event's lease until it has ended or is given up.
struct Leased {
    inner: Body,
    _lease: Lease,
}

impl http_body::Body for Leased {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
