//! The gateway's parts put together, and the first decision about a request: control host or worker.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use hearth_assets::Sites;
use hearth_model::WorkerId;
use hearth_supervisor::Instances;
use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::Incoming;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::{CountersSnapshot, Exchange, Traffic};
use crate::body::Body;
use crate::cf::{self, Geo};
use crate::control::{self, Control};
use crate::door;
use crate::failure::Failure;
use crate::guard::{self, Sender, Verdict};
use crate::headers::{self, Client, Identity};
use crate::host::HostName;
use crate::inspect;
use crate::losses::Losses;
use crate::proxy::body_of;
use crate::public::Admission;
use crate::ray::Ray;
use crate::strict;
use crate::table::{Match, RouteTable};
use crate::{Config, ConfigError};

/// Takes requests from clients to workers, and to the control host.
pub struct Gateway {
    pub(crate) config: Config,
    pub(crate) instances: Arc<dyn Instances>,
    pub(crate) table: Arc<RouteTable>,
    pub(crate) sites: Sites,
    pub(crate) control: Arc<dyn Control>,
    pub(crate) losses: Arc<dyn Losses>,
    /// Of requests that reach no worker.
    pub(crate) others: Arc<Traffic>,
    geo: Geo,
    /// Connections and tunnels; a listener waits for its own.
    pub(crate) tunnels: TaskTracker,
}

impl Gateway {
    /// A gateway. Nothing is served before [`Gateway::serve`].
    ///
    /// # Errors
    /// When the configuration cannot be used.
    pub fn new(
        config: Config,
        instances: Arc<dyn Instances>,
        table: Arc<RouteTable>,
        sites: Sites,
        control: Arc<dyn Control>,
        losses: Arc<dyn Losses>,
    ) -> Result<Arc<Self>, ConfigError> {
        let colo_fits =
            (1..=8).contains(&config.colo.len()) && config.colo.bytes().all(|b| b.is_ascii_alphanumeric());
        if !colo_fits {
            return Err(ConfigError::Colo(config.colo));
        }
        let geo = Geo::open(&config)?;
        Ok(Arc::new(Self {
            config,
            instances,
            table,
            sites,
            control,
            losses,
            others: Arc::default(),
            geo,
            tunnels: TaskTracker::new(),
        }))
    }

    /// The counters of every worker that has had a request, and under None those of requests that reached none.
    pub fn counters(&self) -> Vec<(Option<WorkerId>, CountersSnapshot)> {
        let others = (None, self.others.snapshot().unwrap_or_default());
        let workers = self.table.counters().into_iter().map(|(id, seen)| (Some(id), seen));
        std::iter::once(others).chain(workers).collect()
    }

    /// Answers one request of a connection.
    pub(crate) async fn handle(
        self: Arc<Self>,
        connection: Arc<Connection>,
        request: Request<Incoming>,
    ) -> Response<Body> {
        let ray = Ray::random();
        let mut exchange = Exchange::new(&self.others, ray, &request);
        let ray_header = ray.header(&self.config.colo);
        let response = match self.route(&connection, request, &ray_header, &mut exchange).await {
            Ok(response) => response,
            Err((failure, accept)) => failure.response(&accept, Some(&ray_header)),
        };
        self.finish(response, ray_header, exchange)
    }

    /// What every response gets.
    pub(crate) fn finish(
        &self,
        response: Response<Body>,
        ray: HeaderValue,
        mut exchange: Exchange,
    ) -> Response<Body> {
        exchange.answered(response.status());
        let (mut parts, body) = response.into_parts();
        parts.headers.insert(headers::CF_RAY, ray);
        parts.headers.insert(header::SERVER, HeaderValue::from_static("hearth"));
        Response::from_parts(parts, body.with_exchange(exchange))
    }

    async fn route(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        mut request: Request<Incoming>,
        ray: &HeaderValue,
        exchange: &mut Exchange,
    ) -> Result<Response<Body>, (Failure, http::HeaderMap)> {
        let fail = |failure, request: &Request<Incoming>| (failure, accept_of(request.headers()));
        if let Err(what) = strict::check(&request) {
            return Err(fail(Failure::Malformed(what), &request));
        }
        let session = request.headers_mut().remove(inspect::SESSION);
        let Some(host) = host_of(&request).and_then(HostName::parse) else {
            return Err(fail(Failure::Malformed("the host is not valid"), &request));
        };
        let (host, inspected) = match inspect::named(self.control.inspections(), host, session.as_ref()) {
            Ok(named) => named,
            Err(failure) => return Err(fail(failure, &request)),
        };
        let is_control = |host: &HostName<'_>| {
            control::is_control_host(host, connection.local.ip(), &self.config.api_hosts)
        };
        let attaching = inspect::attaching(&host, request.uri()).filter(|(behind, _)| is_control(behind));
        let client = headers::client(connection.peer, request.headers(), &self.config.trusted_proxies);
        if let Some((_, uri)) = attaching {
            *request.uri_mut() = uri;
            request.extensions_mut().insert(client);
            return Ok(self.control.call(request).await.map(Body::boxed));
        }
        let apart = is_control(&host);
        let mut admission = None;
        let found = if apart {
            // Debuggers are pages of the browser's own, and show a key that no page of others has.
            let shows_key = request.uri().path().starts_with(inspect::INSPECTOR_PATH);
            if self.config.dev
                && !shows_key
                && let Err(why) = control::check_local(&host, request.headers())
            {
                return Err(fail(Failure::Forbidden(why), &request));
            }
            if guard::is_page(request.uri().path()) {
                let identity = connection.identity(self, client, &request);
                let sender = Sender { client, country: &identity.country };
                if let Some(response) = self.guard_page_of_control(&request, &host, &sender) {
                    return Ok(response);
                }
            }
            let public = self.control.public();
            let Some(way) = public.and_then(|paths| paths.find(request.method(), request.uri().path()))
            else {
                request.extensions_mut().insert(client);
                return Ok(self.control.call(request).await.map(Body::boxed));
            };
            admission = Some(way.admission);
            let worker = way.worker.and_then(|worker| self.table.worker(worker));
            worker.map(|worker| Match { worker, version: None, prefix: 0 })
        } else {
            if guard::is_page(request.uri().path()) {
                let identity = connection.identity(self, client, &request);
                let sender = Sender { client, country: &identity.country };
                if let Some(response) = self.guard_page(&request, &host, &sender) {
                    return Ok(response);
                }
            }
            match self.table.lookup(client.https, &host, request.uri().path()) {
                crate::Target::Worker(found) => Some(found),
                crate::Target::SwitchedOff | crate::Target::Unknown => None,
            }
        };
        let Some(found) = found else {
            if let Some(admission) = admission
                && let Admission::Answer(response) = admission.await
            {
                return Ok(response.map(Body::boxed));
            }
            let failure = Failure::UnknownHost(host.as_str().to_owned());
            return Err(fail(failure, &request));
        };
        let found = match &inspected {
            Some(session) => session.instead_of(found).map_err(|failure| fail(failure, &request))?,
            None => found,
        };
        let identity = connection.identity(self, client, &request);
        let sender = Sender { client, country: &identity.country };
        let told = match self.look(&request, &host, &found, &sender, apart) {
            Verdict::Open => Vec::new(),
            Verdict::Answer(response) => return Ok(response.map(Body::boxed)),
            Verdict::Pass(told) => {
                guard::keep_to_ourselves(request.headers_mut());
                told
            }
        };
        if let Err(failure) = door::admit(&found.worker, request.headers_mut(), None) {
            return Err(fail(failure, &request));
        }
        // Who may not enter takes nobody's turn, and is told nothing of what the worker takes.
        if let Some(admission) = admission {
            match admission.await {
                Admission::Answer(response) => return Ok(response.map(Body::boxed)),
                Admission::Enter(visit) => exchange.attend(visit),
            }
        }
        if let Some(session) = inspected {
            request.extensions_mut().insert(session);
        }
        let trusted = headers::is_trusted(connection.peer.ip(), &self.config.trusted_proxies);
        headers::clean_request_of(&mut request, trusted);
        headers::set_identity(request.headers_mut(), &identity, client.https, ray.clone());
        request.headers_mut().extend(told);
        if apart {
            headers::hide_session(request.headers_mut());
        }
        let request = request.map(body_of);
        let unlisted = found.is_unlisted();
        let (leaving, tunnel) = (&connection.leaving, Some(&connection.tunnel));
        let mut response = self.to_worker(request, found, 0, exchange, leaving, tunnel).await?;
        if unlisted {
            headers::unlist(response.headers_mut());
        }
        Ok(if apart { control::set_apart(response) } else { response })
    }
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The header that a failure's response depends on.
pub(crate) fn accept_of(request: &http::HeaderMap) -> http::HeaderMap {
    request.get(header::ACCEPT).map(|accept| (header::ACCEPT, accept.clone())).into_iter().collect()
}

/// The authority that a request names.
pub(crate) fn host_of<B>(request: &Request<B>) -> Option<&str> {
    authority_of(request.headers(), request.uri())
}

/// The same of a request's head.
pub(crate) fn authority_of<'a>(headers: &'a http::HeaderMap, uri: &'a http::Uri) -> Option<&'a str> {
    match headers.get(header::HOST) {
        Some(host) => host.to_str().ok(),
        None => uri.authority().map(http::uri::Authority::as_str),
    }
}

/// What the requests of one connection share.
#[derive(Debug)]
pub(crate) struct Connection {
    peer: SocketAddr,
    local: SocketAddr,
    /// Set when the connection has become a WebSocket.
    pub(crate) tunnel: Arc<AtomicBool>,
    /// The listener shuts down.
    pub(crate) leaving: CancellationToken,
    identity: Mutex<Option<(IdentityKey, Identity)>>,
}

type IdentityKey = (Client, Version, Option<HeaderValue>);

impl Connection {
    pub(crate) fn new(peer: SocketAddr, local: SocketAddr, leaving: CancellationToken) -> Arc<Self> {
        let tunnel = Arc::default();
        Arc::new(Self { peer, local, tunnel, leaving, identity: Mutex::new(None) })
    }

    /// Who asks; usually the same as in the connection's last request.
    fn identity(&self, gateway: &Gateway, client: Client, request: &Request<Incoming>) -> Identity {
        let accept_encoding = request.headers().get(header::ACCEPT_ENCODING);
        let mut cached = self.identity.lock();
        if let Some(((of, version, encoding), identity)) = &*cached
            && (*of, *version, encoding.as_ref()) == (client, request.version(), accept_encoding)
        {
            return identity.clone();
        }
        let location = gateway.geo.locate(client.ip);
        let country = location.country.as_deref().unwrap_or("XX");
        let identity = Identity {
            ip: address_header(client.ip),
            peer: address_header(self.peer.ip().to_canonical()),
            country: HeaderValue::from_str(country).unwrap_or(HeaderValue::from_static("XX")),
            blob: cf::blob(&gateway.config.colo, request.version(), accept_encoding, &location),
        };
        *cached = Some(((client, request.version(), accept_encoding.cloned()), identity.clone()));
        identity
    }
}

pub(crate) fn address_header(ip: std::net::IpAddr) -> HeaderValue {
    HeaderValue::try_from(ip.to_string()).expect("an address is ASCII")
}
