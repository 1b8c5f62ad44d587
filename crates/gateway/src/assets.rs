//! Static assets: answered here, without waking a worker.

use futures::TryStreamExt as _;
use hearth_assets::{Answer, Asked, Coding, Content, Guard, Loaded, Part, Piece, guard, is_harmless};
use hearth_model::{Dialect, VersionId};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use url::Url;

use crate::body::{Body, BoxError};
use crate::encoding::{self, Plan};
use crate::failure::Failure;
use crate::gateway::{Gateway, authority_of};
use crate::headers::FORWARDED_PROTO;
use crate::proxy::origin_form;
use crate::table::Match;

impl Gateway {
    /// What a version's assets answer a cleaned request; None: it is the worker's.
    pub(crate) async fn ask_assets(
        &self,
        found: &Match,
        version: VersionId,
        request: &Parts,
    ) -> Option<Result<Response<Body>, Failure>> {
        let loaded = match self.sites.get(version).await {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::error!(worker = %found.worker.worker.name, %version, %error, "assets cannot be served");
                return Some(Err(Failure::Internal));
            }
        };
        let Some(url) = url_of(request, found.prefix) else {
            return Some(Err(Failure::Malformed("the URL cannot be read")));
        };
        let asked = Asked { method: &request.method, url: &url, headers: &request.headers };
        let mut answer = loaded.site.route(asked)?;
        below_prefix(&mut answer.headers, request.uri.path(), found.prefix);
        let part = answer.take_part(&request.method, &request.headers);
        let served = self.send_asset(&loaded, answer, part, request).await;
        Some(served.map_err(|error| {
            tracing::error!(worker = %found.worker.worker.name, %version, %error, "an asset cannot be read");
            Failure::Internal
        }))
    }

    async fn send_asset(
        &self,
        loaded: &Loaded,
        answer: Answer,
        part: Option<Part>,
        request: &Parts,
    ) -> std::io::Result<Response<Body>> {
        let Answer { status, mut headers, content } = answer;
        let (Some((hash, _)), Some(part)) = (content, part) else {
            return Ok(respond(status, headers, Body::full("")));
        };
        let (method, asked) = (&request.method, &request.headers);
        let plan =
            encoding::plan(self.config.compression, method, asked, status, &headers, Some(part.length));
        if method == http::Method::HEAD {
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(part.length));
            return Ok(respond(status, headers, Body::full("")));
        }
        if let Plan::Encode(coding) = plan
            && let Some(kept) = kept_as(coding)
            && let Some(content) = loaded.folder.encoded(hash, kept).await
        {
            encoding::mark(&mut headers, coding);
            let whole = Part { start: 0, length: content.length() };
            let body = whole_body(content, whole, &mut headers).await?;
            return Ok(respond(status, headers, body));
        }
        let content = loaded.folder.read(hash, None).await?;
        let body = whole_body(content, part, &mut headers).await?;
        let body = match plan {
            Plan::Keep => body,
            plan => encoding::apply(plan, &mut headers, body),
        };
        Ok(respond(status, headers, body))
    }
}

/// Whether a request that its worker is to answer passes; Pages has no such rule.
pub(crate) fn guarded(found: &Match, request: &Parts) -> Guard {
    match url_of(request, found.prefix) {
        Some(url) if found.worker.worker.dialect == Dialect::Workers => {
            guard(Asked { method: &request.method, url: &url, headers: &request.headers })
        }
        _ => Guard::Pass,
    }
}

/// Whether the response to such a request passes.
pub(crate) fn passes<B>(guard: Guard, response: &Response<B>) -> bool {
    guard != Guard::Watch || is_harmless(response.status(), response.headers())
}

/// What is answered instead of what does not pass, in Cloudflare's word.
pub(crate) fn blocked() -> Response<Body> {
    let text = HeaderValue::from_static("text/plain;charset=UTF-8");
    respond(
        StatusCode::FORBIDDEN,
        HeaderMap::from_iter([(header::CONTENT_TYPE, text)]),
        Body::full("Blocked"),
    )
}

fn respond(status: StatusCode, headers: HeaderMap, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

async fn whole_body(content: Content, part: Part, headers: &mut HeaderMap) -> std::io::Result<Body> {
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(part.length));
    Ok(match content.part(part).await? {
        Piece::Bytes(bytes) => Body::full(bytes),
        Piece::Stream(stream) => {
            let frames = stream.map_ok(Frame::data).map_err(BoxError::from);
            Body::boxed(StreamBody::new(frames).boxed_unsync())
        }
    })
}

/// What contents are kept as; nothing is kept as what no client prefers.
fn kept_as(coding: encoding::Coding) -> Option<Coding> {
    match coding {
        encoding::Coding::Brotli => Some(Coding::Brotli),
        encoding::Coding::Zstd => Some(Coding::Zstd),
        encoding::Coding::Gzip => Some(Coding::Gzip),
        encoding::Coding::Deflate => None,
    }
}

/// The URL that the client asked for, without the path's part that names the worker.
fn url_of(request: &Parts, prefix: usize) -> Option<Url> {
    let https = request.headers.get(FORWARDED_PROTO).is_some_and(|proto| proto == "https");
    let scheme = if https { "https" } else { "http" };
    let target = origin_form(request.uri.clone(), prefix);
    Url::parse(&format!("{scheme}://{}{target}", authority_of(&request.headers, &request.uri)?)).ok()
}

/// Where the path names the worker, so does a redirect's.
fn below_prefix(headers: &mut HeaderMap, path: &str, prefix: usize) {
    if prefix == 0 {
        return;
    }
    let location = headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
    let own = location.filter(|location| location.starts_with('/') && !location.starts_with("//"));
    if let Some(location) = own
        && let Ok(location) = HeaderValue::from_str(&format!("{}{location}", &path[..prefix]))
    {
        headers.insert(header::LOCATION, location);
    }
}
