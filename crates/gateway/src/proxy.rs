//! A request on its way to a worker, and the response on its way back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hearth_assets::Guard;
use hearth_model::{Dialect, Split, VersionId};
use hearth_supervisor::{RequestBody, ResponseBody, SendError};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version, header};
use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tokio_util::sync::CancellationToken;

use crate::access::Exchange;
use crate::assets::{blocked, guarded, passes};
use crate::body::{Body, BoxError};
use crate::encoding::{self, Plan};
use crate::failure::Failure;
use crate::gateway::{Gateway, accept_of, host_of};
use crate::headers;
use crate::inspect::Inspected;
use crate::linger::Lingering;
use crate::losses::Ongoing;
use crate::table::Match;
use crate::{whole, ws};

/// What a worker is told that we accept, as Cloudflare tells it; what the client accepts is in `request.cf`.
const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("gzip, br");

/// A failure, and the part of the request's headers that its page depends on.
type Failed = (Failure, HeaderMap);

impl Gateway {
    /// Sends a cleaned request to its worker. `level` is 0 for one from outside, else how deep it is nested; `tunnel` is set when the connection becomes a WebSocket.
    pub(crate) async fn to_worker(
        self: &Arc<Self>,
        mut request: Request<RequestBody>,
        found: Match,
        level: usize,
        exchange: &mut Exchange,
        leaving: &CancellationToken,
        tunnel: Option<&Arc<AtomicBool>>,
    ) -> Result<Response<Body>, Failed> {
        let worker = &found.worker.worker;
        let Some(version) = version_of(&found, request.headers()) else {
            let failure = Failure::NotDeployed(worker.name.to_string());
            return Err((failure, accept_of(request.headers())));
        };
        let place = self
            .table
            .accounts
            .enter(&worker.account, self.config.max_in_flight_per_account)
            .map_err(|failure| (failure, accept_of(request.headers())))?;
        let _presence = found.worker.presence(level);
        let alone = worker.dialect == Dialect::Functions;
        if alone {
            request = whole::request(request).await?;
        }
        exchange.found(&found.worker, version, place);
        let mut guard = Guard::Pass;
        if found.worker.has_assets(version) {
            // A body cannot be looked at from several threads, a head can.
            let (head, body) = request.into_parts();
            if let Some(answered) = self.ask_assets(&found, version, &head).await {
                return answered.map_err(|failure| (failure, accept_of(&head.headers)));
            }
            guard = guarded(&found, &head);
            request = Request::from_parts(head, body);
        }
        if guard == Guard::Refuse {
            return Ok(blocked());
        }
        let websocket = headers::is_websocket(&request);
        let acquired = match request.extensions().get::<Inspected>() {
            Some(session) => session.lease().map(|lease| {
                exchange.hold(lease);
            }),
            None => self.acquire(worker.id, version, websocket, exchange).await,
        };
        acquired.map_err(|failure| (failure, accept_of(request.headers())))?;

        let upgrade = websocket.then(|| hyper::upgrade::on(&mut request));
        // What the response's treatment depends on; the request itself goes away. Cloning shares the bytes.
        let asked = Asked::of(&request);
        let request = outgoing(request, &found);
        let ongoing =
            exchange.lease().and_then(|lease| Ongoing::of(&self.losses, lease.instance(), &request));
        exchange.note(ongoing);
        let lease = exchange.lease().expect("a place was just acquired");
        let response = match lease.send(request).await {
            Ok(response) => response,
            Err(error) => {
                if let SendError::Died(death) = error {
                    exchange.died(death);
                }
                tracing::warn!(worker = %worker.name, %version, %error, "a request failed in its instance");
                return Err((Failure::of_send(&error), asked.headers));
            }
        };
        if !passes(guard, &response) {
            return Ok(blocked());
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            let switched = upgrade.and_then(|upgrade| self.open_tunnel(response, upgrade, exchange, leaving));
            if let (Some(_), Some(tunnel)) = (&switched, tunnel) {
                tunnel.store(true, Ordering::Relaxed);
            }
            return switched.ok_or((Failure::NoResponse, asked.headers));
        }
        if alone {
            let response =
                whole::response(response).await.map_err(|failure| (failure, asked.headers.clone()))?;
            drop(exchange.take_lease());
            return Ok(self.incoming(response, &asked, |body| {
                Body::boxed(body.map_err(|never| match never {}).boxed_unsync())
            }));
        }
        Ok(self.incoming(response, &asked, Body::instance))
    }

    async fn acquire(
        &self,
        worker: hearth_model::WorkerId,
        version: VersionId,
        lasting: bool,
        exchange: &mut Exchange,
    ) -> Result<(), Failure> {
        let acquiring = match lasting {
            true => self.instances.acquire_lasting(worker, version),
            false => self.instances.acquire(worker, version),
        };
        match acquiring.await {
            Ok(lease) => {
                exchange.hold(lease);
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%worker, %version, %error, "no place for a request");
                Err(Failure::of_acquire(&error))
            }
        }
    }

    /// The response as the client gets it.
    fn incoming<B>(
        &self,
        response: Response<B>,
        asked: &Asked,
        as_it_is: impl FnOnce(B) -> Body,
    ) -> Response<Body>
    where
        B: http_body::Body<Data = bytes::Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (mut parts, body) = response.into_parts();
        headers::clean_response(&mut parts.headers);
        parts.version = Version::HTTP_11;
        let length = body.size_hint().exact();
        let plan = encoding::plan(
            self.config.compression,
            &asked.method,
            &asked.headers,
            parts.status,
            &parts.headers,
            length,
        );
        let body = match plan {
            Plan::Keep => as_it_is(body),
            plan => encoding::apply(plan, &mut parts.headers, body),
        };
        Response::from_parts(parts, body)
    }

    /// Answers 101 and joins both ends once they have changed over. The place in the instance goes with the tunnel.
    fn open_tunnel(
        self: &Arc<Self>,
        mut response: Response<ResponseBody>,
        client: OnUpgrade,
        exchange: &mut Exchange,
        leaving: &CancellationToken,
    ) -> Option<Response<Body>> {
        let lease = exchange.take_lease()?;
        let mut tunnelled = exchange.split_off();
        let open = tunnelled.websocket();
        let worker = hyper::upgrade::on(&mut response);
        let leaving = leaving.clone();
        let grace = self.config.shutdown_grace;
        self.tunnels.spawn(async move {
            let _open = open;
            tunnelled.answered(StatusCode::SWITCHING_PROTOCOLS);
            let lease = tunnelled.hold(lease);
            let (Ok(client), Ok(worker)) = tokio::join!(client, worker) else { return };
            let leaving = async {
                tokio::select! {
                    () = lease.draining() => {}
                    () = leaving.cancelled() => {}
                }
            };
            let (bytes, in_order) = ws::tunnel(client, worker, leaving, grace).await;
            let lives = lease.instance().death().is_none();
            tunnelled.count(usize::try_from(bytes).unwrap_or(usize::MAX));
            if in_order && lives {
                tunnelled.complete();
            }
        });
        let (mut parts, _) = response.into_parts();
        headers::clean_response(&mut parts.headers);
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        parts.headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        parts.extensions.clear();
        Some(Response::from_parts(parts, Body::full("")))
    }
}

/// The version that the host names, or that the deployment chooses; None: there is no deployment.
fn version_of(found: &Match, headers: &HeaderMap) -> Option<VersionId> {
    let worker = &found.worker.worker;
    let choose = |split: &Split| {
        let choice = headers::version_choice(headers, worker.name.as_str());
        split.choose(choice, if split.shares().len() > 1 { rand::random() } else { 0.0 })
    };
    found.version.or_else(|| worker.split.as_ref().map(choose))
}

/// What the treatment of a response depends on.
struct Asked {
    method: Method,
    /// `Accept` and `Accept-Encoding`.
    headers: HeaderMap,
}

impl Asked {
    fn of<B>(request: &Request<B>) -> Self {
        let names = [header::ACCEPT, header::ACCEPT_ENCODING];
        let mut kept = HeaderMap::new();
        for name in names {
            for value in request.headers().get_all(&name) {
                kept.append(name.clone(), value.clone());
            }
        }
        Self { method: request.method().clone(), headers: kept }
    }
}

/// A client's body on its way to an instance.
pub(crate) fn body_of(body: Incoming) -> RequestBody {
    match body.is_end_stream() {
        true => RequestBody::Empty,
        false => RequestBody::Boxed(Lingering::new(body).boxed_unsync()),
    }
}

/// The request as the instance gets it.
fn outgoing(request: Request<RequestBody>, found: &Match) -> Request<RequestBody> {
    let host = host_of(&request).and_then(|host| HeaderValue::from_str(host).ok());
    let (mut parts, body) = request.into_parts();
    if let Some(host) = host.filter(|_| !parts.headers.contains_key(header::HOST)) {
        parts.headers.insert(header::HOST, host);
    }
    parts.headers.insert(header::ACCEPT_ENCODING, ACCEPT_ENCODING);
    let mut request = Request::new(body);
    *request.method_mut() = parts.method;
    if found.prefix > 0 {
        let prefix = HeaderValue::from_str(&parts.uri.path()[..found.prefix]);
        if let Ok(prefix) = prefix {
            parts.headers.insert(headers::FORWARDED_PREFIX, prefix);
        }
    }
    *request.uri_mut() = origin_form(parts.uri, found.prefix);
    *request.headers_mut() = parts.headers;
    request
}

/// Path and query only, without the first `prefix` bytes.
pub(crate) fn origin_form(uri: Uri, prefix: usize) -> Uri {
    if prefix == 0 && uri.authority().is_none() {
        return uri;
    }
    let all = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let rest = all.get(prefix..).unwrap_or_default();
    let text = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
    text.parse().unwrap_or_else(|_| Uri::from_static("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_loses_authority_and_prefix() {
        for (given, prefix, expected) in [
            ("/a?b", 0, "/a?b"),
            ("http://h.test/a//b?c#d", 0, "/a//b?c"),
            ("http://h.test", 0, "/"),
            ("/app/x?y", 4, "/x?y"),
            ("/app", 4, "/"),
            ("/app?q=1", 4, "/?q=1"),
            ("/app//x", 4, "//x"),
        ] {
            assert_eq!(origin_form(given.parse().unwrap(), prefix), expected, "{given}");
        }
    }
}
