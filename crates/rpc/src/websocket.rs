//! WebSockets between an upgraded HTTP/1.1 connection and Cap'n Proto.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::FusedFuture;
use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::http_event::rest;
use crate::router::Body;
use crate::schema::http_over_capnp_capnp::web_socket;
use crate::serve;

/// How long a worker may go on after one side of its WebSocket has ended, until the event is cancelled.
const AFTER_CLOSE: Duration = Duration::from_secs(10);
/// The same when its process is to go.
const AFTER_RESTART: Duration = Duration::from_secs(1);
/// How long it may take to learn that a process whose connection has ended is gone.
const NOTICE: Duration = Duration::from_millis(500);
/// workerd closes at 32 MiB; ours is larger so that it decides.
const MAX_MESSAGE: usize = 64 << 20;
/// Messages that wait for the peer before the worker's sends do.
const QUEUED: usize = 16;
/// The code that stands for a close frame without one (RFC 6455, 7.4.1).
const NO_STATUS: u16 = 1005;

/// Messages from the worker.
pub(crate) type Frames = mpsc::Receiver<Message>;

/// A WebSocket handshake that waits for its answer.
pub(crate) struct Upgrade {
    on: OnUpgrade,
    accept: String,
}

impl Upgrade {
    /// Takes the handshake of a WebSocket request, leaving what the worker is to see of it.
    pub(crate) fn of(request: &mut Request<Body>) -> Option<Self> {
        let headers = request.headers_mut();
        let wanted = headers.get(header::UPGRADE)?.as_bytes().eq_ignore_ascii_case(b"websocket");
        let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| wanted)?;
        let accept = derive_accept_key(key.as_bytes());
        headers.remove(header::SEC_WEBSOCKET_KEY);
        headers.remove(header::SEC_WEBSOCKET_VERSION);
        // Each hop would have to agree on compression; this one does not compress.
        headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
        Some(Self { on: hyper::upgrade::on(request), accept })
    }

    pub(crate) fn response(&self, headers: HeaderMap) -> Response<Body> {
        let mut response = Response::new(serve::empty());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *response.headers_mut() = headers;
        let headers = response.headers_mut();
        let mut set = |name: HeaderName, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        set(header::UPGRADE, "websocket");
        set(header::CONNECTION, "Upgrade");
        set(header::SEC_WEBSOCKET_ACCEPT, &self.accept);
        response
    }

    /// Carries messages both ways until the event is `done` or one side has gone. When the worker's process is to go
    /// (`leaving`), both sides get a close with code 1012.
    pub(crate) async fn run(
        self,
        up: web_socket::Client,
        mut down: Frames,
        leaving: impl Future<Output = ()>,
        done: impl FusedFuture + Unpin,
    ) {
        let Ok(upgraded) = self.on.await else { return };
        let config =
            WebSocketConfig::default().max_message_size(Some(MAX_MESSAGE)).max_frame_size(Some(MAX_MESSAGE));
        let socket =
            WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        let (mut sink, mut stream) = socket.split();
        let worker = up.clone();
        let to_worker = async move {
            while let Some(Ok(message)) = stream.next().await {
                if deliver(&up, message).await.is_err() {
                    return;
                }
            }
        };
        let (tell, told) = oneshot::channel();
        // Ends only when the worker goes without a close.
        let lost = async move {
            futures::pin_mut!(leaving);
            let mut tell = Some(tell);
            loop {
                let next = tokio::select! {
                    next = down.recv() => next,
                    () = &mut leaving, if tell.is_some() => {
                        let _ = tell.take().map(|tell| tell.send(()));
                        let _ = deliver(&worker, service_restart()).await;
                        Some(service_restart())
                    }
                };
                let Some(message) = next else {
                    if tokio::time::timeout(NOTICE, &mut leaving).await.is_ok() {
                        let _ = sink.send(service_restart()).await;
                    }
                    return;
                };
                let closes = matches!(message, Message::Close(_));
                let sent = sink.send(message).await;
                if closes {
                    return futures::future::pending().await;
                }
                if sent.is_err() {
                    return;
                }
            }
        };
        let cut_off = async {
            match told.await {
                Ok(()) => tokio::time::sleep(AFTER_RESTART).await,
                Err(_) => futures::future::pending().await,
            }
        };
        let (to_worker, lost, cut_off) = (to_worker.fuse(), lost.fuse(), cut_off.fuse());
        futures::pin_mut!(to_worker, lost, cut_off, done);
        futures::select! {
            () = to_worker => {}
            () = lost => return,
            () = cut_off => return,
            _ = done => {}
        }
        let ending = async {
            tokio::select! {
                () = rest(lost) => {}
                () = rest(cut_off) => {}
                _ = async { tokio::join!(rest(to_worker), rest(done)) } => {}
            }
        };
        if tokio::time::timeout(AFTER_CLOSE, ending).await.is_err() {
            tracing::debug!("a WebSocket's event outlived its connection and is cancelled");
        }
    }
}

fn service_restart() -> Message {
    Message::Close(Some(CloseFrame { code: CloseCode::Restart, reason: Utf8Bytes::default() }))
}

async fn deliver(up: &web_socket::Client, message: Message) -> Result<(), capnp::Error> {
    match message {
        Message::Text(text) => {
            let mut request = up.send_text_request();
            request.get().set_text(text.as_str());
            request.send().await
        }
        Message::Binary(data) => {
            let mut request = up.send_data_request();
            request.get().set_data(&data);
            request.send().await
        }
        Message::Close(frame) => {
            let mut request = up.close_request();
            let (code, reason) =
                frame.map_or((NO_STATUS, Utf8Bytes::default()), |frame| (frame.code.into(), frame.reason));
            request.get().set_code(code);
            request.get().set_reason(reason.as_str());
            request.send().promise.await.map(drop)
        }
        // Answered by the WebSocket library; workers have no pings.
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(()),
    }
}

/// What the worker sends into. Dropping it without a close is a lost connection.
pub(crate) struct DownSocket(mpsc::Sender<Message>);

impl DownSocket {
    pub(crate) fn new() -> (Self, Frames) {
        let (sender, frames) = mpsc::channel(QUEUED);
        (Self(sender), frames)
    }

    async fn push(&self, message: Message) -> Result<(), capnp::Error> {
        let sent = self.0.send(message).await;
        sent.map_err(|_| capnp::Error::disconnected("the WebSocket is closed".to_owned()))
    }
}

impl web_socket::Server for DownSocket {
    async fn send_text(self: Rc<Self>, params: web_socket::SendTextParams) -> Result<(), capnp::Error> {
        let text = Bytes::copy_from_slice(params.get()?.get_text()?.as_bytes());
        let text =
            Utf8Bytes::try_from(text).map_err(|_| capnp::Error::failed("text is not UTF-8".to_owned()))?;
        self.push(Message::Text(text)).await
    }

    async fn send_data(self: Rc<Self>, params: web_socket::SendDataParams) -> Result<(), capnp::Error> {
        self.push(Message::Binary(Bytes::copy_from_slice(params.get()?.get_data()?))).await
    }

    async fn close(
        self: Rc<Self>,
        params: web_socket::CloseParams,
        _: web_socket::CloseResults,
    ) -> Result<(), capnp::Error> {
        let params = params.get()?;
        let frame = match params.get_code() {
            NO_STATUS => None,
            code => Some(CloseFrame {
                code: CloseCode::from(code),
                reason: params.get_reason()?.to_string()?.into(),
            }),
        };
        self.push(Message::Close(frame)).await
    }
}
