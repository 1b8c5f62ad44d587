//! Assets ← metadata, and what workers get of them: the `ASSETS` binding, and service bindings to workers with assets.

use async_trait::async_trait;
use axum::body::Body;
use hearth_assets::{Answer, Asked, Library, Loaded, Piece, SiteSource, Sites};
use hearth_model::VersionId;
use hearth_store::{ServedAssets, Store};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use tokio::runtime::Handle;
use url::Url;

/// How the scheme of a request is told, as the configuration of processes says.
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The assets that the metadata knows of.
pub struct KnownAssets {
    store: Store,
    /// The gateway's threads do not wait for a database themselves.
    here: Handle,
}

impl KnownAssets {
    /// Read on the runtime that this is called on.
    pub fn new(store: Store) -> Self {
        Self { store, here: Handle::current() }
    }
}

#[async_trait]
impl Library for KnownAssets {
    async fn site(&self, version: VersionId) -> Result<Option<SiteSource>, String> {
        let store = self.store.clone();
        let read = self.here.spawn(async move { store.served_assets(version).await });
        let served = read.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        Ok(served.map(|served| {
            let ServedAssets { account, assets, manifest, compatibility, has_code } = served;
            let (config, pages) = (assets.config, assets.pages);
            SiteSource { account, manifest, config, pages, compatibility, has_worker: has_code }
        }))
    }
}

/// What `env.ASSETS.fetch` gives, and a version without code.
pub async fn serve(sites: &Sites, version: VersionId, request: &Parts) -> Response<Body> {
    let answered = match (sites.get(version).await, url_of(request)) {
        (Ok(loaded), Some(url)) => {
            let answer = loaded.site.answer(asked(request, &url));
            respond(&loaded, answer, request).await.map_err(|error| error.to_string())
        }
        (Err(error), _) => Err(error.to_string()),
        (_, None) => return status(StatusCode::BAD_REQUEST),
    };
    answered.unwrap_or_else(|error| failed(version, &error))
}

/// What a request over a service binding gets of the callee's assets; None: it is its worker's.
pub async fn called(sites: &Sites, version: VersionId, request: &Parts) -> Option<Response<Body>> {
    let loaded = match sites.get(version).await {
        Ok(loaded) => loaded,
        Err(error) => return Some(failed(version, &error.to_string())),
    };
    let Some(url) = url_of(request) else { return Some(status(StatusCode::BAD_REQUEST)) };
    let answer = loaded.site.route(asked(request, &url))?;
    let answered = respond(&loaded, answer, request).await;
    Some(answered.unwrap_or_else(|error| failed(version, &error.to_string())))
}

fn asked<'a>(request: &'a Parts, url: &'a Url) -> Asked<'a> {
    Asked { method: &request.method, url, headers: &request.headers }
}

/// Uncompressed: whoever passes it on to a client compresses it for that client.
async fn respond(loaded: &Loaded, mut answer: Answer, request: &Parts) -> std::io::Result<Response<Body>> {
    let part = answer.take_part(&request.method, &request.headers);
    let Answer { status, headers, content } = answer;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    let (Some((hash, _)), Some(part)) = (content, part) else { return Ok(response) };
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(part.length));
    if request.method != Method::HEAD {
        let content = loaded.folder.read(hash, None).await?;
        *response.body_mut() = match content.part(part).await? {
            Piece::Bytes(bytes) => Body::from(bytes),
            Piece::Stream(stream) => Body::from_stream(stream),
        };
    }
    Ok(response)
}

fn url_of(request: &Parts) -> Option<Url> {
    let host = request.headers.get(header::HOST)?.to_str().ok()?;
    let https = request.headers.get(FORWARDED_PROTO).is_some_and(|proto| proto == "https");
    let target = request.uri.path_and_query().map_or("/", |target| target.as_str());
    Url::parse(&format!("{}://{host}{target}", if https { "https" } else { "http" })).ok()
}

fn failed(version: VersionId, error: &str) -> Response<Body> {
    tracing::error!(%version, error, "assets cannot be served to a worker");
    status(StatusCode::INTERNAL_SERVER_ERROR)
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
