//! Plain `fetch` on a service binding.

use std::any::Any;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderName, Request, Response, StatusCode, Uri, header};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::router::{Body, BoxError};
use crate::serve::{BINDING_HEADER, Shared, plain};
use crate::{Callee, DebugPort, Entrypoint, FetchError};

/// The header that carries `request.cf` as JSON between workerd and Hearth (`cfBlobHeader`).
pub const CF_HEADER: HeaderName = HeaderName::from_static("x-hearth-cf");

/// The header in which the forwarding class names the object of a WebSocket.
pub const OBJECT_HEADER: HeaderName = HeaderName::from_static("x-hearth-object");

/// The header that says to the forwarding class with what that failed, percent-encoded.
const FAILURE_HEADER: HeaderName = HeaderName::from_static("x-hearth-failure");

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
    let named = request.headers_mut().remove(OBJECT_HEADER);
    let object = match shared.router.is_namespace(binding) {
        false => None,
        true => match named.as_ref().and_then(|named| named.to_str().ok()?.parse().ok()) {
            Some(object) => Some(object),
            None => return Ok(plain(StatusCode::BAD_REQUEST, "No Durable Object is named.\n")),
        },
    };
    let callee = match shared.router.route(binding, object.as_ref()).await {
        Ok(callee) => callee,
        Err(error) => {
            tracing::info!(binding, message = error.message, internal = error.internal, "fetch refused");
            if object.is_some() {
                return Ok(failure(error.status, &error.message));
            }
            return Ok(plain(error.status, format!("{}\n", error.message)));
        }
    };
    let Callee { debug_socket, service, entrypoint, props_json, lease, leaving, http } = callee;
    if let Some(send) = http.filter(|_| !request.headers().contains_key(header::UPGRADE)) {
        let response = send(request).await?;
        return Ok(response.map(|inner| Leased { inner, _lease: lease }.boxed_unsync()));
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
    match port.fetch_until(entrypoint, request, leaving, lease).await {
        Ok(response) => Ok(response),
        Err(FetchError::Method(_)) => Ok(plain(StatusCode::NOT_IMPLEMENTED, "Unknown method.\n")),
        // What the callee's own HTTP socket would say.
        Err(FetchError::Exception(error)) => {
            tracing::info!(binding, error, "a called worker failed");
            if object.is_some() {
                // `remote.jsg.TypeError: …`: which class it is of cannot be kept.
                let (_, text) = error.split_once("jsg.").unwrap_or_default();
                let text = text.split_once(": ").map_or(&*error, |(_, text)| text);
                return Ok(failure(StatusCode::INTERNAL_SERVER_ERROR, text));
            }
            Ok(plain(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"))
        }
        Err(error) => Err(error.into()),
    }
}

/// What the forwarding class throws.
fn failure(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = plain(status, "");
    let encoded = percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    if let Ok(value) = http::HeaderValue::from_str(&encoded) {
        response.headers_mut().insert(FAILURE_HEADER, value);
    }
    response
}

fn absolute(request: &mut Request<Incoming>) -> Option<Uri> {
    let proto = request.headers_mut().remove(PROTO_HEADER);
    let scheme = if proto.is_some_and(|proto| proto == "https") { "https" } else { "http" };
    let path = request.uri().path_and_query()?.clone();
    let host = request.headers().get(header::HOST)?.as_bytes();
    Uri::builder().scheme(scheme).authority(host).path_and_query(path).build().ok()
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
