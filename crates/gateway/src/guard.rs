//! Who stands before workers: asked of every request from outside, and of those that workers make to hosts of this
//! installation, before anything of a worker's is touched.

use std::net::IpAddr;

use hearth_model::AccountId;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};

use crate::body::Body;
use crate::gateway::{Gateway, host_of};
use crate::host::HostName;
use crate::table::{Match, Target};
use crate::{Client, ControlBody};

/// Below this path a protected host has pages of whoever stands before it.
const PAGES: &str = "/cdn-cgi/access/";

/// Decides who may go on to a worker.
pub trait Guard: Send + Sync + 'static {
    /// Whether nothing at all is protected.
    fn is_idle(&self) -> bool;

    /// Looks at a request to a worker.
    fn check(&self, asked: &Asked<'_>, account: &AccountId) -> Verdict;

    /// Answers below `/cdn-cgi/access/`; None: nothing is protected at this host, or it is a page of the control host's own.
    fn page(&self, asked: &Asked<'_>) -> Option<Response<ControlBody>>;
}

/// A request, as far as it is decided by.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its target.
    pub uri: &'a Uri,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// The host as it was asked for, with its port.
    pub authority: &'a str,
    /// The host, in lower case, without port and trailing dot.
    pub host: &'a str,
    /// What the worker is called below a base domain, where host or path name it so.
    pub key: Option<&'a str>,
    /// How many bytes of the path name the worker.
    pub prefix: usize,
    /// Whether the host is the control host, under whichever of its names.
    pub control: bool,
    /// The client's address.
    pub ip: IpAddr,
    /// Whether the client speaks TLS.
    pub https: bool,
    /// Its country, `XX` if unknown.
    pub country: &'a str,
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Verdict {
    /// Nobody stands before it.
    Open,
    /// It goes on, with these headers, and without what it showed.
    Pass(Vec<(HeaderName, HeaderValue)>),
    /// It gets this.
    Answer(Box<Response<ControlBody>>),
}

/// Names of headers by which a client shows who it is; they do not go on to the worker.
pub const CLIENT_ID: HeaderName = HeaderName::from_static("cf-access-client-id");
/// The secret beside [`CLIENT_ID`].
pub const CLIENT_SECRET: HeaderName = HeaderName::from_static("cf-access-client-secret");
/// The cookie by which a browser does.
pub const COOKIE: &str = "CF_Authorization";
/// The cookie that binds a browser's way to the control host and back.
pub const NONCE_COOKIE: &str = "CF_AppSession";

/// Who makes a request.
pub(crate) struct Sender<'a> {
    pub client: Client,
    pub country: &'a HeaderValue,
}

impl Gateway {
    fn guard(&self) -> Option<&dyn Guard> {
        self.control.guard().filter(|guard| !guard.is_idle())
    }

    /// What becomes of a request to a worker. `host` is the one that the worker was found by; `control`: it is the control
    /// host.
    pub(crate) fn look<B>(
        &self,
        request: &Request<B>,
        host: &HostName<'_>,
        found: &Match,
        sender: &Sender<'_>,
        control: bool,
    ) -> Verdict {
        let Some(guard) = self.guard() else { return Verdict::Open };
        let named = found.prefix > 0 || self.table.is_below_base(host);
        let key = named.then(|| found.worker.host_name());
        let asked = Asked { control, ..asked(request, host, key, found.prefix, sender) };
        guard.check(&asked, &found.worker.worker.account)
    }

    /// The keys, as they are at the control host.
    pub(crate) fn guard_keys<B>(
        &self,
        request: &Request<B>,
        host: &HostName<'_>,
        sender: &Sender<'_>,
    ) -> Option<Response<Body>> {
        let response = self.guard()?.page(&asked(request, host, None, 1, sender))?;
        Some(response.map(Body::boxed))
    }

    /// What the guard answers below `/cdn-cgi/access/` of the control host.
    pub(crate) fn guard_page_of_control<B>(
        &self,
        request: &Request<B>,
        host: &HostName<'_>,
        sender: &Sender<'_>,
    ) -> Option<Response<Body>> {
        let asked = Asked { control: true, ..asked(request, host, None, 0, sender) };
        Some(self.guard()?.page(&asked)?.map(Body::boxed))
    }

    /// What the guard answers below `/cdn-cgi/access/`.
    pub(crate) fn guard_page<B>(
        &self,
        request: &Request<B>,
        host: &HostName<'_>,
        sender: &Sender<'_>,
    ) -> Option<Response<Body>> {
        let guard = self.guard()?;
        let target = self.table.lookup(sender.client.https, host, "/");
        let found = match &target {
            Target::Worker(found) => Some(found).filter(|_| self.table.is_below_base(host)),
            Target::SwitchedOff | Target::Unknown => None,
        };
        let key = found.map(|found| found.worker.host_name());
        // Where paths name workers, the first segment of this one names none.
        let prefix = usize::from(self.table.is_path_host(host));
        guard.page(&asked(request, host, key, prefix, sender)).map(|response| response.map(Body::boxed))
    }
}

/// Whether a path is one of the guard's pages.
pub(crate) fn is_page(path: &str) -> bool {
    path.starts_with(PAGES)
}

/// Whether somebody wants the keys that verify what workers are shown.
pub(crate) fn is_keys<B>(request: &Request<B>) -> bool {
    request.uri().path().strip_prefix(PAGES) == Some("certs")
}

fn asked<'a, B>(
    request: &'a Request<B>,
    host: &'a HostName<'_>,
    key: Option<&'a str>,
    prefix: usize,
    sender: &'a Sender<'_>,
) -> Asked<'a> {
    Asked {
        method: request.method(),
        uri: request.uri(),
        headers: request.headers(),
        authority: host_of(request).unwrap_or_default(),
        host: host.as_str(),
        key,
        prefix,
        control: false,
        ip: sender.client.ip,
        https: sender.client.https,
        country: sender.country.to_str().unwrap_or("XX"),
    }
}

/// Takes away what was shown to the guard: it would open the same door for whoever has it.
pub(crate) fn keep_to_ourselves(headers: &mut HeaderMap) {
    headers.remove(CLIENT_ID);
    headers.remove(CLIENT_SECRET);
    let all: Vec<HeaderValue> = headers.get_all(header::COOKIE).iter().cloned().collect();
    let ours = |pair: &str| {
        let name = pair.split('=').next().unwrap_or_default().trim();
        name == COOKIE || name == NONCE_COOKIE
    };
    let shown = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.split(';').any(ours));
    if !all.iter().any(shown) {
        return;
    }
    headers.remove(header::COOKIE);
    for value in all {
        // What is no text has been compared as bytes by nobody: it stays as it was, unless it is one of ours.
        let bytes: Vec<&[u8]> = value.as_bytes().split(|byte| *byte == b';').collect();
        let kept: Vec<&[u8]> =
            bytes.into_iter().filter(|pair| !std::str::from_utf8(pair).is_ok_and(ours)).collect();
        let joined = kept.join(&b";"[..]);
        if let Ok(joined) = HeaderValue::from_bytes(joined.trim_ascii())
            && !joined.is_empty()
        {
            headers.append(header::COOKIE, joined);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_goes_no_further() {
        let mut headers = HeaderMap::new();
        headers.insert(CLIENT_ID, HeaderValue::from_static("a"));
        headers.insert(CLIENT_SECRET, HeaderValue::from_static("b"));
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; CF_Authorization=x; b=2"));
        headers.append(header::COOKIE, HeaderValue::from_static("CF_AppSession=y"));
        keep_to_ourselves(&mut headers);
        let all: Vec<_> = headers.iter().collect();
        assert_eq!(all.len(), 1, "{all:?}");
        assert_eq!(headers[header::COOKIE], "a=1; b=2");
        let plain = HeaderValue::from_static("xCF_Authorization=x");
        let mut others = HeaderMap::from_iter([(header::COOKIE, plain.clone())]);
        keep_to_ourselves(&mut others);
        assert_eq!(others[header::COOKIE], plain);
    }
}
