//! What a caller gets when nothing came back from upstream.

use std::io;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};

use crate::Body;

/// The ways a request fails here. The numbers and texts are Cloudflare's where it has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The request is not one a proxy can act on.
    BadRequest,
    /// The policy does not permit it.
    Refused,
    /// The instance has too much in flight.
    TooManyInFlight,
    /// The instance makes too many requests a second.
    TooFast,
    /// The installation has no room for another connection.
    Saturated,
    /// Workers called each other in a circle.
    Loop,
    /// The name has no address.
    NoSuchHost,
    /// Nothing listens.
    ConnectionRefused,
    /// No address accepted in time.
    ConnectTimeout,
    /// No route.
    Unreachable,
    /// No response's head in time.
    ResponseTimeout,
    /// The TLS handshake failed.
    Handshake,
    /// The certificate is not valid for the host.
    Certificate,
    /// The answer is not HTTP, or ended before its head.
    NotHttp,
}

impl Failure {
    /// HTTP status and, where it differs, Cloudflare's error code.
    fn status_and_code(self) -> (u16, u16) {
        match self {
            Self::BadRequest => (400, 400),
            Self::Refused => (403, 403),
            Self::TooManyInFlight | Self::Saturated => (503, 503),
            Self::TooFast => (429, 429),
            Self::Loop => (508, 1019),
            Self::NoSuchHost => (530, 1016),
            Self::NotHttp => (520, 520),
            Self::ConnectionRefused => (521, 521),
            Self::ConnectTimeout => (522, 522),
            Self::Unreachable => (523, 523),
            Self::ResponseTimeout => (524, 524),
            Self::Handshake => (525, 525),
            Self::Certificate => (526, 526),
        }
    }

    /// The answer to the worker. `asked` is the destination in the caller's own terms, never what it resolved to: the
    /// text is the same whatever the reason, so that it tells a tenant nothing about the network.
    pub fn response(self, asked: &str) -> Response<Body> {
        let (status, code) = self.status_and_code();
        let text = match self {
            Self::BadRequest => {
                "egress: the request names no http, https or host:port destination\n".to_owned()
            }
            Self::Refused => format!(
                "egress: {asked} is not permitted by this installation's egress policy.\n\
                 By default workers reach the public internet only, and not port 25. The operator can open an internal \
                 host with `hearth egress allow {asked}`. Hearth's own listeners are never opened: call another worker \
                 through a service binding or its public host.\n"
            ),
            Self::TooManyInFlight => {
                "egress: this worker instance has too many requests and sockets in flight; retry later\n"
                    .to_owned()
            }
            Self::TooFast => {
                "egress: this worker instance makes too many requests a second; retry later\n".to_owned()
            }
            Self::Saturated => {
                "egress: this installation has no outgoing connection left; retry later\n".to_owned()
            }
            _ => format!("error code: {code}"),
        };
        let mut response =
            Response::new(Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed());
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=UTF-8"));
        response
    }

    pub fn of_connect(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::ConnectTimeout,
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::AddrNotAvailable
            | io::ErrorKind::PermissionDenied => Self::Unreachable,
            _ => Self::ConnectionRefused,
        }
    }

    pub fn of_handshake(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => {
                Self::Certificate
            }
            _ => Self::Handshake,
        }
    }
}
