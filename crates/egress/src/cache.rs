//! What may answer in an origin's place, and keeps what origins answer.

use std::net::SocketAddr;

use async_trait::async_trait;
use http::Response;
use http::header::HeaderValue;
use http::request::Parts;

use crate::{Body, Origin};

/// Keeps responses for the workers of each account.
#[async_trait]
pub trait ResponseCache: Send + Sync + 'static {
    /// Asks for the answer to a request, whose URI is absolute; it is for no host of this installation and no WebSocket.
    /// `cf`: the JSON of its `cf`. `permits`: whether the worker may reach the address that a response once came from:
    /// where it may not, that response is not for it.
    ///
    /// What has to be asked of the origin may have become conditional.
    async fn look(
        &self,
        origin: &Origin,
        request: &mut Parts,
        cf: Option<HeaderValue>,
        permits: &(dyn Fn(SocketAddr) -> bool + Sync),
    ) -> Looked;
}

/// What a cache says to a request.
pub enum Looked {
    /// Here is the answer.
    Answer(Response<Body>),
    /// The origin has to be asked, and its answer be brought to this.
    Ask(Box<dyn Filing>),
}

/// Takes an origin's answer.
#[async_trait]
pub trait Filing: Send {
    /// Takes the answer, which came from `address`, and gives what the worker gets.
    async fn file(self: Box<Self>, response: Response<Body>, address: SocketAddr) -> Response<Body>;
}
