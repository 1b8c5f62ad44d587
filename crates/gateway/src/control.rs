//! The control host: which requests are for it, and whether they may come from where they come.

use std::net::IpAddr;

use futures::future::BoxFuture;
use hearth_model::Hostname;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;

use crate::headers::keep_session;
use crate::host::HostName;
use crate::{BoxError, Guard, Inspections, PublicPaths};

/// The body of a control response. An `axum::body::Body` becomes one by `boxed_unsync` of `http_body_util::BodyExt`.
pub type ControlBody = UnsyncBoxBody<bytes::Bytes, BoxError>;

/// What answers on the control host. The request's extensions hold a [`crate::Client`].
pub trait Control: Send + Sync + 'static {
    /// Answers one request. An upgrade works as with any hyper server.
    fn call(&self, request: Request<Incoming>) -> BoxFuture<'static, Response<ControlBody>>;

    /// Who stands before workers.
    fn guard(&self) -> Option<&dyn Guard> {
        None
    }

    /// The sessions of debuggers.
    fn inspections(&self) -> Option<&dyn Inspections> {
        None
    }

    /// Which of its paths are workers'.
    fn public(&self) -> Option<&dyn PublicPaths> {
        None
    }
}

impl<F> Control for F
where
    F: Fn(Request<Incoming>) -> BoxFuture<'static, Response<ControlBody>> + Send + Sync + 'static,
{
    fn call(&self, request: Request<Incoming>) -> BoxFuture<'static, Response<ControlBody>> {
        self(request)
    }
}

/// Whether a host is the control host. `listening` is the address that the connection was made to.
pub(crate) fn is_control_host(host: &HostName<'_>, listening: IpAddr, api_hosts: &[Hostname]) -> bool {
    host.is_local()
        || host.ip() == Some(listening.to_canonical())
        || api_hosts.iter().any(|name| name.as_str() == host.as_str())
}

/// Whether a control request may be a person's or a tool's on this machine, and not a web page's: a name that was
/// rebound to a loopback address betrays itself by its `Host`, a page of another origin by its `Origin`.
///
/// # Errors
/// What is wrong, for the caller.
pub(crate) fn check_local(host: &HostName<'_>, headers: &HeaderMap) -> Result<(), &'static str> {
    if !host.is_local() {
        return Err("under --dev the control host is reached as localhost only");
    }
    for origin in headers.get_all(header::ORIGIN) {
        let local = origin.to_str().ok().and_then(|origin| {
            let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"))?;
            HostName::parse(authority).map(|origin| origin.is_local())
        });
        if local != Some(true) {
            return Err("under --dev the control host takes no requests from pages of other origins");
        }
    }
    Ok(())
}

/// What a worker's answer may do in a browser that has a path of the control host: all that a page can, on an origin of
/// its own.
const APART: HeaderValue =
    HeaderValue::from_static("sandbox allow-scripts allow-forms allow-popups allow-modals allow-downloads");

/// Takes the control host's origin, where people are signed in, from a worker's answer. A policy of the worker's own
/// applies beside this one and cannot weaken it. Nor does it sign anybody in.
pub(crate) fn set_apart<B>(mut response: Response<B>) -> Response<B> {
    keep_session(response.headers_mut());
    response.headers_mut().append(header::CONTENT_SECURITY_POLICY, APART);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_cannot_lift_its_sandbox() {
        let mut response = Response::new(());
        let own = HeaderValue::from_static("default-src *");
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, own);
        let response = set_apart(response);
        let all: Vec<_> = response.headers().get_all(header::CONTENT_SECURITY_POLICY).iter().collect();
        assert_eq!(all.len(), 2);
        let policy = APART.to_str().unwrap().to_owned();
        assert!(policy.starts_with("sandbox ") && !policy.contains("allow-same-origin"), "{policy}");
    }

    fn host(text: &str) -> HostName<'_> {
        HostName::parse(text).unwrap()
    }

    #[test]
    fn the_control_host_is_local_or_named() {
        let api = ["api.example".parse().unwrap()];
        let control = |name, address: &str| is_control_host(&host(name), address.parse().unwrap(), &api);
        for name in ["localhost:1", "127.0.0.1", "[::1]:8787", "10.1.2.3:8787", "API.example"] {
            assert!(control(name, "10.1.2.3"), "{name}");
        }
        assert!(control("10.1.2.3", "::ffff:10.1.2.3"), "a dual-stack socket shows mapped addresses");
        for name in ["hello.localhost", "10.1.2.4", "example", "x.api.example"] {
            assert!(!control(name, "10.1.2.3"), "{name}");
        }
    }

    #[test]
    fn a_web_page_cannot_drive_it() {
        let check = |name, origin: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(origin) = origin {
                headers.insert(header::ORIGIN, origin.parse().unwrap());
            }
            check_local(&host(name), &headers).is_ok()
        };
        assert!(check("localhost:8787", None));
        assert!(check("127.0.0.1:8787", Some("http://localhost:8787")));
        assert!(check("[::1]:8787", Some("https://127.0.0.1")));
        for (name, origin) in [
            ("rebound.evil.test", None),
            ("localhost", Some("https://evil.test")),
            ("localhost", Some("http://localhost.evil.test")),
            ("localhost", Some("http://hello.localhost:8787")),
            ("localhost", Some("null")),
            ("localhost", Some("")),
            ("localhost", Some("file://")),
        ] {
            assert!(!check(name, origin), "{name} {origin:?}");
        }
    }
}
