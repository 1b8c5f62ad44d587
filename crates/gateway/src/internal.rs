//! Requests that workers make to hosts of this installation: they never leave it.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use bytes::Bytes;
use hearth_model::WorkerId;
use hearth_supervisor::RequestBody;
use http::{HeaderValue, Request, Response, Version, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio_util::sync::CancellationToken;

use crate::access::Exchange;
use crate::body::Body;
use crate::cf;
use crate::door;
use crate::failure::Failure;
use crate::gateway::{Gateway, accept_of, host_of};
use crate::guard::{self, Sender, Verdict};
use crate::headers::{self, Client, Identity};
use crate::host::HostName;
use crate::lineage::{DEEPEST, Departure};
use crate::proxy::body_of;
use crate::ray::Ray;
use crate::table::{Match, Target};

/// What a worker sees as the client's address when another worker calls it (Cloudflare's documentation of
/// `CF-Connecting-IP`).
const WORKERS_IP: HeaderValue = HeaderValue::from_static("2a06:98c0:3600::103");

/// The same as an address.
const INSIDE: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2a06, 0x98c0, 0x3600, 0, 0, 0, 0, 0x103));

/// Bytes in flight each way on a WebSocket between two workers.
const DUPLEX: usize = 64 << 10;

/// The worker that makes a request.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Its id.
    pub id: WorkerId,
    /// Its name.
    pub name: String,
}

impl Gateway {
    /// Serves a worker's request, if its host is one of ours; gives it back if it is not, or if it would reach the
    /// caller itself: a worker's own route leads to what lies behind it. The control host is never ours here.
    ///
    /// The URI is absolute; hop-by-hop headers but a WebSocket's are gone; `CF-EW-Via` holds how many workers the
    /// chain has passed, where scripts pass it on; where they do not, what is in flight tells when workers call each
    /// other in a circle ([`lineage`](crate::lineage)). The response to a WebSocket is a 101 with a `hyper::upgrade::OnUpgrade`.
    ///
    /// # Errors
    /// The request, untouched.
    pub async fn dispatch_internal(
        self: &Arc<Self>,
        caller: &Caller,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Request<Incoming>> {
        if guard::is_keys(&request)
            && let Some(response) = self.keys_for(&request)
        {
            return Ok(response);
        }
        let Some(target) = self.internal_target(caller, &request) else { return Err(request) };
        if !headers::is_websocket(&request) {
            return Ok(self.internal(caller, request, target).await);
        }
        // An upgrade can only be had from a connection, so the two ends get one between them.
        let refusal = accept_of(request.headers());
        let websocket = self.internal_websocket(caller.clone(), request, target).await;
        Ok(websocket.unwrap_or_else(|_| Failure::NoResponse.response(&refusal, None)))
    }

    /// A call of the control host's own to a worker, so no rule about who may come in holds. The URI is absolute. None:
    /// there is no such worker.
    pub async fn invoke(
        self: &Arc<Self>,
        worker: WorkerId,
        mut request: Request<Bytes>,
    ) -> Option<Response<Body>> {
        let found = Match { worker: self.table.worker(worker)?, version: None, prefix: 0 };
        let ray = Ray::random();
        let mut exchange = Exchange::new(&self.others, ray, &request);
        let ray = ray.header(&self.config.colo);
        let https = request.uri().scheme() == Some(&http::uri::Scheme::HTTPS);
        headers::clean_request(request.headers_mut(), false);
        headers::set_identity(request.headers_mut(), &self.identity_of_ours(None), https, ray.clone());
        let request = request.map(|body| match body.is_empty() {
            true => RequestBody::Empty,
            false => RequestBody::Boxed(Full::new(body).map_err(|never| match never {}).boxed_unsync()),
        });
        let leaving = CancellationToken::new();
        let answered = self.to_worker(request, found, 0, &mut exchange, &leaving, None).await;
        let response = answered.unwrap_or_else(|(failure, accept)| failure.response(&accept, Some(&ray)));
        Some(self.finish(response, ray, exchange))
    }

    fn internal_target(&self, caller: &Caller, request: &Request<Incoming>) -> Option<Target> {
        let host = HostName::parse(host_of(request)?)?;
        if host.is_local() || self.config.api_hosts.iter().any(|name| name.as_str() == host.as_str()) {
            return None;
        }
        let https = request.uri().scheme() == Some(&http::uri::Scheme::HTTPS);
        let target = self.table.lookup(https, &host, request.uri().path());
        match &target {
            Target::Worker(found) => {
                let itself = found.worker.worker.id == caller.id;
                (!itself).then_some(target)
            }
            // What lies behind a route that is switched off is outside; a name below a base domain is nowhere else.
            Target::SwitchedOff => None,
            Target::Unknown => self.table.is_below_base(&host).then_some(target),
        }
    }

    async fn internal(
        self: &Arc<Self>,
        caller: &Caller,
        mut request: Request<Incoming>,
        target: Target,
    ) -> Response<Body> {
        let ray = Ray::random();
        let mut exchange = Exchange::new(&self.others, ray, &request);
        let ray = ray.header(&self.config.colo);
        let https = request.uri().scheme() == Some(&http::uri::Scheme::HTTPS);
        let via = request.headers().get(headers::CF_EW_VIA).cloned();
        let hops = via.as_ref().and_then(|via| via.to_str().ok()?.trim().parse::<u32>().ok()).unwrap_or(0);
        let departure = self.table.departure(caller.id);
        let level = departure.as_ref().map_or(0, Departure::level);
        let answered = match target {
            _ if hops > self.config.max_hops || level > DEEPEST => {
                Err((Failure::Loop, accept_of(request.headers())))
            }
            Target::Worker(found) => {
                let account = self.table.worker(caller.id).map(|caller| caller.worker.account.clone());
                // By their hosts workers reach each other as everybody does.
                let told = match self.look_inside(&request, &found, https) {
                    Verdict::Open => Vec::new(),
                    Verdict::Answer(response) => {
                        return self.finish(response.map(Body::boxed), ray, exchange);
                    }
                    Verdict::Pass(told) => {
                        guard::keep_to_ourselves(request.headers_mut());
                        told
                    }
                };
                let admitted = door::admit(&found.worker, request.headers_mut(), account.as_ref());
                self.introduce(caller, &mut request, https, via, ray.clone());
                request.headers_mut().extend(told);
                // The caller's instance ends its own WebSockets when it leaves, so no listener has to.
                let leaving = CancellationToken::new();
                match admitted {
                    Ok(()) => {
                        let request = request.map(body_of);
                        self.to_worker(request, found, level, &mut exchange, &leaving, None).await
                    }
                    Err(failure) => Err((failure, accept_of(request.headers()))),
                }
            }
            Target::SwitchedOff | Target::Unknown => {
                let host = host_of(&request).unwrap_or_default().to_owned();
                Err((Failure::UnknownHost(host), accept_of(request.headers())))
            }
        };
        let response = answered.unwrap_or_else(|(failure, accept)| failure.response(&accept, Some(&ray)));
        self.finish(response, ray, exchange)
    }

    fn look_inside(&self, request: &Request<Incoming>, found: &Match, https: bool) -> Verdict {
        let Some(host) = host_of(request).and_then(HostName::parse) else { return Verdict::Open };
        let country = HeaderValue::from_static("XX");
        let sender = Sender { client: Client { ip: INSIDE, https }, country: &country };
        self.look(request, &host, found, &sender, false)
    }

    /// The keys with which a worker verifies what it is shown, from wherever of this installation it asks for them.
    fn keys_for(&self, request: &Request<Incoming>) -> Option<Response<Body>> {
        let host = HostName::parse(host_of(request)?)?;
        let is_control =
            host.is_local() || self.config.api_hosts.iter().any(|name| name.as_str() == host.as_str());
        let country = HeaderValue::from_static("XX");
        let sender = Sender { client: Client { ip: INSIDE, https: false }, country: &country };
        match is_control {
            true => self.guard_keys(request, &host, &sender),
            false => self.guard_page(request, &host, &sender),
        }
    }

    /// Takes away what the caller's script made up, and says who calls.
    fn introduce(
        &self,
        caller: &Caller,
        request: &mut Request<Incoming>,
        https: bool,
        via: Option<HeaderValue>,
        ray: HeaderValue,
    ) {
        let encoding = request.headers().get(header::ACCEPT_ENCODING).cloned();
        headers::clean_request_of(request, false);
        let identity = self.identity_of_ours(encoding.as_ref());
        let headers = request.headers_mut();
        headers::set_identity(headers, &identity, https, ray);
        if let Some(via) = via {
            headers.insert(headers::CF_EW_VIA, via);
        }
        if let Ok(name) = HeaderValue::from_str(&caller.name) {
            headers.insert(headers::CF_WORKER, name);
        }
    }

    /// Of what comes from inside of this installation.
    fn identity_of_ours(&self, accept_encoding: Option<&HeaderValue>) -> Identity {
        Identity {
            ip: WORKERS_IP,
            peer: WORKERS_IP,
            country: HeaderValue::from_static("XX"),
            blob: cf::blob(&self.config.colo, Version::HTTP_11, accept_encoding, &cf::Location::default()),
        }
    }

    async fn internal_websocket(
        self: &Arc<Self>,
        caller: Caller,
        mut request: Request<Incoming>,
        target: Target,
    ) -> hyper::Result<Response<Body>> {
        let (ours, theirs) = tokio::io::duplex(DUPLEX);
        let gateway = Arc::clone(self);
        let target = parking_lot::Mutex::new(Some(target));
        let service = service_fn(move |request: Request<Incoming>| {
            let (gateway, caller, target) = (Arc::clone(&gateway), caller.clone(), target.lock().take());
            async move {
                let target = target.unwrap_or(Target::Unknown);
                Ok::<_, std::convert::Infallible>(gateway.internal(&caller, request, target).await)
            }
        });
        let serving = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(theirs), service)
            .with_upgrades();
        tokio::spawn(serving);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake::<_, Incoming>(TokioIo::new(ours)).await?;
        tokio::spawn(connection.with_upgrades());
        if !request.headers().contains_key(header::HOST)
            && let Some(host) = host_of(&request).and_then(|host| HeaderValue::from_str(host).ok())
        {
            request.headers_mut().insert(header::HOST, host);
        }
        let response = sender.send_request(request).await?;
        Ok(response.map(|body| Body::boxed(box_incoming(body))))
    }
}

fn box_incoming(body: Incoming) -> crate::ControlBody {
    body.map_err(Into::into).boxed_unsync()
}
