//! HTTP and WebSocket towards the listen address, with the `Host` that a test wants.

use std::net::SocketAddr;

use anyhow::Context as _;
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::Hearth;

/// A WebSocket to a worker.
pub type Socket = WebSocketStream<TcpStream>;

/// A response that has been read to its end.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came, not decompressed.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is not JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }

    /// A header as text; empty when absent.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Reads a response to its end.
    ///
    /// # Errors
    /// When the connection breaks before the end.
    pub async fn read(response: Response<Incoming>) -> anyhow::Result<Self> {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.context("the body broke off")?.to_bytes();
        Ok(Self { status: parts.status.as_u16(), headers: parts.headers, body })
    }
}

/// Sends a request over HTTP/1.1, on a connection of its own, and reads the answer to its end: for whoever outlives a
/// server.
///
/// # Errors
/// If no whole answer comes.
pub async fn send_to(address: SocketAddr, request: Request<Bytes>) -> anyhow::Result<Answer> {
    Answer::read(open(address, request).await?).await
}

async fn open(address: SocketAddr, request: Request<Bytes>) -> anyhow::Result<Response<Incoming>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request.map(Full::new)).await?)
}

impl Hearth {
    /// `GET path` over HTTP/1.1.
    ///
    /// # Panics
    /// If no whole answer comes.
    pub async fn get(&self, host: &str, path: &str) -> Answer {
        self.try_get(host, path).await.unwrap_or_else(|error| panic!("GET {path} at {host}: {error:#}"))
    }

    /// `GET path` over HTTP/1.1.
    ///
    /// # Errors
    /// If no whole answer comes.
    pub async fn try_get(&self, host: &str, path: &str) -> anyhow::Result<Answer> {
        self.send(Request::get(path).header(header::HOST, host).body(Bytes::new())?).await
    }

    /// `GET path` with further headers.
    ///
    /// # Panics
    /// If no whole answer comes.
    pub async fn get_with(&self, host: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::get(path).header(header::HOST, host);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::new()).expect("the test's headers are valid");
        self.send(request).await.unwrap_or_else(|error| panic!("GET {path} at {host}: {error:#}"))
    }

    /// Sends a request over HTTP/1.1, on a connection of its own, and reads the answer to its end. The request's `Host`
    /// header is the caller's business.
    ///
    /// # Errors
    /// If no whole answer comes.
    pub async fn send(&self, request: Request<Bytes>) -> anyhow::Result<Answer> {
        Answer::read(self.open(request).await?).await
    }

    /// Like [`Hearth::send`], but leaves the body unread. The connection ends when the response is dropped.
    ///
    /// # Errors
    /// If no answer begins.
    pub async fn open(&self, request: Request<Bytes>) -> anyhow::Result<Response<Incoming>> {
        open(self.address(), request).await
    }

    /// `GET path` over HTTP/2 by prior knowledge.
    ///
    /// # Panics
    /// If no whole answer comes.
    pub async fn get_http2(&self, host: &str, path: &str) -> Answer {
        let attempt = async {
            let stream = TcpStream::connect(self.address()).await?;
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            let request = Request::get(format!("http://{host}{path}")).body(Full::new(Bytes::new()))?;
            Answer::read(sender.send_request(request).await?).await
        };
        attempt
            .await
            .unwrap_or_else(|error: anyhow::Error| panic!("GET {path} at {host} over HTTP/2: {error:#}"))
    }

    /// Opens a WebSocket.
    ///
    /// # Panics
    /// If the handshake fails.
    pub async fn websocket(&self, host: &str, path: &str) -> Socket {
        let request = format!("ws://{host}{path}").into_client_request().expect("a valid URL");
        let stream = TcpStream::connect(self.address()).await.expect("the server listens");
        let (socket, response) = tokio_tungstenite::client_async(request, stream)
            .await
            .unwrap_or_else(|error| panic!("WebSocket {path} at {host}: {error}"));
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        socket
    }
}
