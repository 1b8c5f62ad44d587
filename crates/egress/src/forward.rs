//! One request of a worker, from its socket to its answer.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body as _;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use parking_lot::Mutex;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::destination::Destination;
use crate::dial::{DialError, is_local};
use crate::download::{Download, Loan};
use crate::failure::Failure;
use crate::policy::Rules;
use crate::pool::{Connection, Key};
use crate::rate::Rate;
use crate::throttle::{Throttle, Verdict};
use crate::upload::{Progress, Upload};
use crate::{Body, Dispatch, Egress, Looked, Origin, Policy, headers, throttle, tunnel};

/// How long a request waits for the room that an evicted idle connection leaves.
const EVICTION_PATIENCE: Duration = Duration::from_secs(1);

/// One instance's socket, served.
pub(crate) struct Instance {
    pub egress: Arc<Egress>,
    pub origin: Arc<ArcSwap<Origin>>,
    pub slots: Arc<Semaphore>,
    pub rate: Mutex<Rate>,
    pub stop: CancellationToken,
    /// How many refusals have been written to the operator's log.
    pub refusals: Arc<Mutex<Throttle>>,
}

/// The room that a connection takes, of its instance's and of the installation's.
#[derive(Debug)]
pub struct Held {
    _slot: OwnedSemaphorePermit,
    _permit: Arc<OwnedSemaphorePermit>,
}

/// What one request is judged by; a snapshot, so that a change of rules never splits a request.
struct Call {
    origin: Arc<Origin>,
    installation: Arc<Policy>,
    destination: Destination,
}

impl Call {
    fn rules<'a>(&'a self, egress: &'a Egress) -> Rules<'a> {
        Rules { own: &egress.config.own, caller: &self.origin.policy, installation: &self.installation }
    }

    /// Whether an address that the host led to once may be used today.
    fn permits<'a>(&'a self, egress: &'a Egress) -> impl Fn(SocketAddr) -> bool + Sync + 'a {
        let (name, rules) = (self.destination.name(), self.rules(egress));
        move |address| rules.leads_to(&name, address) && rules.judge(&name, address, is_local).is_ok()
    }
}

impl Instance {
    pub async fn handle(&self, request: Request<Incoming>) -> Response<Body> {
        let connect = request.method() == Method::CONNECT;
        let destination = if connect {
            Destination::of_authority(request.uri())
        } else {
            Destination::of_url(request.uri())
        };
        let Some(destination) = destination else { return Failure::BadRequest.response("") };
        let call = Call {
            origin: self.origin.load_full(),
            installation: self.egress.policy.load_full(),
            destination,
        };
        if !self.rate.lock().allows(Instant::now()) {
            return self.fail(&call, Failure::TooFast, "max_requests_per_second_per_instance");
        }
        let Ok(slot) = self.slots.clone().try_acquire_owned() else {
            return self.fail(&call, Failure::TooManyInFlight, "max_in_flight_per_instance");
        };
        if connect { self.connect(call, request, slot).await } else { self.fetch(call, request, slot).await }
    }

    /// A connection for who speaks no HTTP here. It holds its room as long as what is beside it.
    pub async fn dial(&self, destination: Destination) -> io::Result<(TcpStream, Held)> {
        let call = Call {
            origin: self.origin.load_full(),
            installation: self.egress.policy.load_full(),
            destination,
        };
        let refuse = |failure, detail: &str| {
            self.note(&call, failure, detail);
            Err(io::Error::new(io::ErrorKind::ConnectionRefused, detail.to_owned()))
        };
        if !self.rate.lock().allows(Instant::now()) {
            return refuse(Failure::TooFast, "max_requests_per_second_per_instance");
        }
        let Ok(slot) = self.slots.clone().try_acquire_owned() else {
            return refuse(Failure::TooManyInFlight, "max_in_flight_per_instance");
        };
        let Some(permit) = self.egress.permit().await else {
            return refuse(Failure::Saturated, "max_connections");
        };
        match self.egress.dialer.tcp(&call.destination, &call.rules(&self.egress)).await {
            Ok(stream) => Ok((stream, Held { _slot: slot, _permit: permit })),
            Err(error) => refuse(error.failure, &error.detail),
        }
    }

    /// Whether a name leads anywhere: by a rule, or by what the name servers say.
    pub async fn knows(&self, name: &str) -> bool {
        let (origin, installation) = (self.origin.load_full(), self.egress.policy.load_full());
        let rules =
            Rules { own: &self.egress.config.own, caller: &origin.policy, installation: &installation };
        if rules.target(name).is_some() {
            return true;
        }
        let found = timeout(self.egress.config.connect_timeout, self.egress.dialer.resolve(name)).await;
        found.is_ok_and(|found| found.is_ok_and(|addresses| !addresses.is_empty()))
    }

    async fn connect(
        &self,
        call: Call,
        mut request: Request<Incoming>,
        slot: OwnedSemaphorePermit,
    ) -> Response<Body> {
        let egress = &*self.egress;
        let Some(permit) = egress.permit().await else {
            return self.fail(&call, Failure::Saturated, "max_connections");
        };
        let upstream = match egress.dialer.tcp(&call.destination, &call.rules(egress)).await {
            Ok(upstream) => upstream,
            Err(error) => return self.fail_dial(&call, error),
        };
        let worker = hyper::upgrade::on(&mut request);
        self.spawn(async move {
            let _held = (slot, permit);
            tunnel::connect(worker, upstream).await;
        });
        Response::new(Empty::new().map_err(|never| match never {}).boxed())
    }

    async fn fetch(
        &self,
        call: Call,
        mut request: Request<Incoming>,
        slot: OwnedSemaphorePermit,
    ) -> Response<Body> {
        let egress = &*self.egress;
        let cf = request.headers_mut().remove(headers::CF);
        headers::scrub(request.headers_mut());
        let hops = headers::hops(request.headers());
        if hops >= egress.config.max_hops {
            return self.fail(&call, Failure::Loop, "max_hops");
        }
        request.headers_mut().insert(headers::HOPS, HeaderValue::from(hops + 1));
        let websocket = headers::is_websocket(request.headers());
        let upgrade = websocket.then(|| hyper::upgrade::on(&mut request));

        let request = match egress.internal.dispatch(&call.origin, request).await {
            Dispatch::NotOurs(request) => request,
            Dispatch::Response(response) => return self.answer(response, upgrade, None, slot, None),
        };

        let (mut parts, body) = request.into_parts();
        parts.headers.remove(headers::HOPS);
        let filing = match egress.cache.get().filter(|_| !websocket) {
            None => None,
            Some(cache) => match cache.look(&call.origin, &mut parts, cf, &call.permits(egress)).await {
                Looked::Answer(response) => return self.answer(response, None, None, slot, None),
                Looked::Ask(filing) => Some(filing),
            },
        };
        let (upload, progress) = Upload::new(body);
        let sent = egress.send(&call, parts, upload, progress, websocket).await;
        match sent {
            Ok((response, connection)) => {
                let (permit, address) = (connection.permit.clone(), connection.address);
                // A connection that was asked for a WebSocket serves nothing else.
                let loan = (!websocket).then(|| Loan {
                    pool: egress.pool.clone(),
                    key: egress.key(&call),
                    connection,
                });
                let response = self.answer(response, upgrade, loan, slot, Some(permit));
                match filing {
                    Some(filing) => filing.file(response, address).await,
                    None => response,
                }
            }
            Err(error) => self.fail_dial(&call, error),
        }
    }

    /// The response as the worker gets it, with the tunnel behind it if it is a WebSocket's.
    fn answer<B>(
        &self,
        mut response: Response<B>,
        upgrade: Option<OnUpgrade>,
        loan: Option<Loan>,
        slot: OwnedSemaphorePermit,
        permit: Option<Arc<OwnedSemaphorePermit>>,
    ) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Sync + Unpin + 'static,
        B::Error: Into<crate::BoxError>,
    {
        headers::scrub(response.headers_mut());
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return response.map(|body| Download::new(body, loan, slot).boxed());
        }
        let Some(worker) = upgrade else {
            return Failure::NotHttp.response("");
        };
        let upstream = hyper::upgrade::on(&mut response);
        self.spawn(async move {
            let _held = (slot, permit);
            tunnel::websocket(worker, upstream).await;
        });
        response.map(|_| Empty::new().map_err(|never| match never {}).boxed())
    }

    fn fail(&self, call: &Call, failure: Failure, detail: &str) -> Response<Body> {
        self.note(call, failure, detail);
        failure.response(&call.destination.to_string())
    }

    /// Tells the operator.
    fn note(&self, call: &Call, failure: Failure, detail: &str) {
        let Origin { account, worker, version, .. } = &*call.origin;
        let destination = &call.destination;
        match failure {
            Failure::Refused
            | Failure::Loop
            | Failure::TooManyInFlight
            | Failure::TooFast
            | Failure::Saturated => {
                if self.may_log(&call.origin) {
                    tracing::warn!(%account, %worker, %version, %destination, ?failure, detail, "egress: refused");
                }
            }
            _ => {
                tracing::debug!(%account, %worker, %version, %destination, ?failure, detail, "egress: failed")
            }
        }
    }

    fn fail_dial(&self, call: &Call, error: DialError) -> Response<Body> {
        self.fail(call, error.failure, &error.detail)
    }

    /// Whether a refusal may be written to the log. Of those that may not, their number will be.
    fn may_log(&self, origin: &Arc<Origin>) -> bool {
        match self.refusals.lock().event(Instant::now()) {
            Verdict::Write => return true,
            Verdict::LeaveOut => {}
            Verdict::LeaveOutAndClose => {
                let (refusals, origin) = (self.refusals.clone(), origin.clone());
                // Outlives the instance: a worker that floods and ends has its number written too.
                tokio::spawn(async move {
                    sleep(throttle::WINDOW).await;
                    let count = refusals.lock().close();
                    let Origin { account, worker, version, .. } = &*origin;
                    tracing::warn!(%account, %worker, %version, count, "egress: refused more than is listed");
                });
            }
        }
        false
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.stop.clone().run_until_cancelled_owned(task));
    }
}

impl Egress {
    fn key(&self, call: &Call) -> Key {
        Key {
            account: call.origin.account.clone(),
            worker: call.origin.worker.clone(),
            destination: call.destination.clone(),
        }
    }

    /// Room for one more upstream connection, made by closing an idle one if need be.
    async fn permit(&self) -> Option<Arc<OwnedSemaphorePermit>> {
        if let Ok(permit) = self.connections.clone().try_acquire_owned() {
            return Some(Arc::new(permit));
        }
        if !self.pool.evict_one() {
            return None;
        }
        timeout(EVICTION_PATIENCE, self.connections.clone().acquire_owned()).await.ok()?.ok().map(Arc::new)
    }

    async fn send(
        &self,
        call: &Call,
        mut parts: Parts,
        mut upload: Upload,
        progress: Progress,
        websocket: bool,
    ) -> Result<(Response<Incoming>, Connection), DialError> {
        let path = parts.uri.path_and_query().cloned();
        let host = HeaderValue::try_from(call.destination.authority())
            .map_err(|error| DialError { failure: Failure::BadRequest, detail: error.to_string() })?;
        let mut fresh = websocket;
        loop {
            let (mut connection, kept) = self.connection(call, websocket, fresh).await?;
            let version = connection.version();
            parts.version = version;
            parts.uri = call
                .destination
                .target(path.as_ref(), version)
                .ok_or(DialError { failure: Failure::BadRequest, detail: "authority".to_owned() })?;
            // HTTP/2 has the host in a pseudo-header. What the worker wrote never counts: the host is the one judged.
            if version == Version::HTTP_2 {
                parts.headers.remove(HOST);
            } else {
                parts.headers.insert(HOST, host.clone());
            }
            // Whether the upstream acted on a request that went out on a kept connection just when that ended, nobody
            // here knows. Only what does no harm twice is sent twice (RFC 9110 section 9.2.2).
            let again =
                (kept && parts.method.is_idempotent() && upload.is_end_stream()).then(|| parts.clone());
            let sending = connection.send(Request::from_parts(parts, upload));
            let mut error = tokio::select! {
                sent = sending => match sent {
                    Ok(response) => return Ok((response, connection)),
                    Err(error) => error,
                },
                () = stalled(&progress, self.config.response_timeout) => {
                    return Err(DialError { failure: Failure::ResponseTimeout, detail: "response_timeout".to_owned() });
                }
            };
            (parts, upload) = match (error.take_message(), again) {
                // The upstream closed a kept connection before it was used again: no fault of the request.
                (Some(request), _) if kept => request.into_parts(),
                (None, Some(again)) => {
                    fresh = true;
                    (again, Upload::empty())
                }
                _ => return Err(DialError { failure: Failure::NotHttp, detail: error.error().to_string() }),
            };
        }
    }

    /// A connection for this call, and whether it had been in use before; never one that had if it must be `fresh`.
    async fn connection(
        &self,
        call: &Call,
        websocket: bool,
        fresh: bool,
    ) -> Result<(Connection, bool), DialError> {
        let key = self.key(call);
        let rules = call.rules(self);
        if !fresh && let Some(connection) = self.pool.take(&key, call.permits(self)) {
            return Ok((connection, true));
        }
        let permit = self
            .permit()
            .await
            .ok_or_else(|| DialError { failure: Failure::Saturated, detail: "max_connections".to_owned() })?;
        let not_http =
            |error: hyper::Error| DialError { failure: Failure::NotHttp, detail: error.to_string() };
        let stream = self.dialer.tcp(&call.destination, &rules).await?;
        let address = stream
            .peer_addr()
            .map_err(|error| DialError { failure: Failure::of_connect(&error), detail: error.to_string() })?;
        if !call.destination.tls {
            let connection =
                Connection::open(stream, Version::HTTP_11, address, permit).await.map_err(not_http)?;
            return Ok((connection, false));
        }
        let stream = self.dialer.tls(stream, &call.destination.host, websocket).await?;
        let version = match stream.get_ref().1.alpn_protocol() {
            Some(b"h2") => Version::HTTP_2,
            _ => Version::HTTP_11,
        };
        let connection = Connection::open(stream, version, address, permit).await.map_err(not_http)?;
        self.pool.announce(&key, &connection);
        Ok((connection, false))
    }
}

/// Ends when for `patience` no byte of the upload has moved.
async fn stalled(progress: &Progress, patience: Duration) {
    let mut before = progress.load(Ordering::Relaxed);
    loop {
        sleep(patience).await;
        let now = progress.load(Ordering::Relaxed);
        if now == before {
            return;
        }
        before = now;
    }
}
