//! Egress → cache: what workers' `fetch` brought before.

use std::net::SocketAddr;

use async_trait::async_trait;
use hearth_cache::Cache;
use hearth_egress::{Body, Filing, Looked, Origin, ResponseCache};
use http::Response;
use http::header::HeaderValue;
use http::request::Parts;

/// Keeps what origins answer.
pub struct Kept(pub Cache);

#[async_trait]
impl ResponseCache for Kept {
    async fn look(
        &self,
        origin: &Origin,
        request: &mut Parts,
        cf: Option<HeaderValue>,
        permits: &(dyn Fn(SocketAddr) -> bool + Sync),
    ) -> Looked {
        let cf = cf.as_ref().map(HeaderValue::as_bytes);
        match self.0.look(&origin.account, request, cf, permits).await {
            hearth_cache::Looked::Answer(response) => Looked::Answer(response),
            hearth_cache::Looked::Ask(filing) => Looked::Ask(Box::new(Asked(filing))),
        }
    }
}

/// A question to an origin.
struct Asked(hearth_cache::Filing);

#[async_trait]
impl Filing for Asked {
    async fn file(self: Box<Self>, response: Response<Body>, address: SocketAddr) -> Response<Body> {
        self.0.file(response, address).await
    }
}
