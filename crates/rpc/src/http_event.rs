//! One HTTP request to an entrypoint, over Cap'n Proto.

use std::cell::Cell;
use std::rc::Rc;

use capnp_rpc::new_client;
use futures::FutureExt as _;
use futures::future::FusedFuture;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use crate::byte_stream::{ByteSink, Received};
use crate::callee::Connection;
use crate::debug_port::{Entrypoint, FetchError};
use crate::fields::{method_to_capnp, read_headers, url, write_headers};
use crate::router::Body;
use crate::schema::byte_stream_capnp::byte_stream;
use crate::schema::http_over_capnp_capnp::http_service::client_request_context as context;
use crate::schema::http_over_capnp_capnp::web_socket;
use crate::websocket::{DownSocket, Upgrade};
use crate::{serve, vat};

type Respond = oneshot::Sender<Result<Response<Body>, FetchError>>;

/// Sends `request`, answers through `respond`, and returns when the event has ended or whoever asked has gone away;
/// dropping `connection` then cancels what is left of it. A WebSocket is closed when `leaving` resolves.
pub(crate) async fn run(
    connection: &Connection,
    entrypoint: &Entrypoint,
    mut request: Request<Body>,
    leaving: impl Future<Output = ()>,
    mut respond: Respond,
) {
    let Some(method) = method_to_capnp(request.method()) else {
        let _ = respond.send(Err(FetchError::Method(request.method().clone())));
        return;
    };
    let upgrade = Upgrade::of(&mut request);
    let (head, body) = request.into_parts();
    let dispatcher = connection.start_event(entrypoint.target(), entrypoint.cf_json.as_deref());
    let service = dispatcher.get_http_service_request().send().pipeline.get_http();
    let mut call = service.request_request();
    let mut params = call.get().init_request();
    params.set_method(method);
    params.set_url(url(&head));
    write_headers(&head.headers, |count| params.reborrow().init_headers(count));
    let size = if upgrade.is_some() { Some(0) } else { body.size_hint().exact() };
    match size {
        Some(size) => params.init_body_size().set_fixed(size),
        None => params.init_body_size().set_unknown(()),
    }
    let (answered, answer) = oneshot::channel();
    call.get().set_context(new_client(Answerer { answered: Cell::new(Some(answered)) }));
    let sent = call.send();
    let _upload = (size != Some(0)).then(|| {
        let upload = upload(body, sent.pipeline.get_request_body());
        AbortOnDropHandle::new(tokio::task::spawn_local(upload))
    });
    let done = sent.promise.map(|result| result.map(drop)).fuse();

    // The call may be seen to return before the answer it made on its way is delivered.
    let answer = tokio::select! {
        answer = answer => answer,
        () = respond.closed() => return,
    };
    match (answer, upgrade) {
        (Ok(Answer::Response { head, body }), _) => {
            let Some(received) = body else {
                let _ = respond.send(Ok(Response::from_parts(head, serve::empty())));
                return finish(done, connection).await;
            };
            let (body, reading) = received.into_body();
            if respond.send(Ok(Response::from_parts(head, body))).is_ok() && reading.finished().await {
                finish(done, connection).await;
            }
        }
        (Ok(Answer::WebSocket { headers, up, down }), Some(upgrade)) => {
            if respond.send(Ok(upgrade.response(headers))).is_ok() {
                upgrade.run(up, down, leaving, done).await;
            }
        }
        (Ok(Answer::WebSocket { .. }), None) => {
            let text = "the worker answered a plain request with a WebSocket".to_owned();
            let _ = respond.send(Err(FetchError::Exception(text)));
        }
        // The worker can answer no more.
        (Err(_), _) => {
            let error = match done.await {
                Err(error) => failure(&error),
                Ok(()) => FetchError::Exception("the worker gave no answer".to_owned()),
            };
            let _ = respond.send(Err(error));
        }
    }
}

/// Awaits the end of an event that was answered in whole. Its connection is as it was before.
async fn finish(done: impl Future<Output = capnp::Result<()>>, connection: &Connection) {
    if done.await.is_ok() {
        connection.ended();
    }
}

/// Awaits what may have been awaited to its end before.
pub(crate) async fn rest<F: FusedFuture + Unpin>(future: F) {
    if !future.is_terminated() {
        future.await;
    }
}

pub(crate) fn failure(error: &capnp::Error) -> FetchError {
    match error.kind {
        capnp::ErrorKind::Disconnected => FetchError::Disconnected(vat::readable(error)),
        _ => FetchError::Exception(vat::readable(error)),
    }
}

/// A body that breaks off ends without `end`, by which the worker knows.
async fn upload(mut body: Body, stream: byte_stream::Client) {
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return };
        let Ok(data) = frame.into_data() else { continue };
        let mut write = stream.write_request();
        write.get().set_bytes(&data);
        if write.send().await.is_err() {
            return;
        }
    }
    let _ = stream.end_request().send().promise.await;
}

enum Answer {
    Response { head: http::response::Parts, body: Option<Received> },
    WebSocket { headers: HeaderMap, up: web_socket::Client, down: crate::websocket::Frames },
}

struct Answerer {
    answered: Cell<Option<oneshot::Sender<Answer>>>,
}

impl Answerer {
    fn answer(&self, answer: Answer) -> Result<(), capnp::Error> {
        let answered =
            self.answered.take().ok_or_else(|| capnp::Error::failed("answered already".to_owned()))?;
        answered
            .send(answer)
            .map_err(|_| capnp::Error::disconnected("nobody waits for the answer".to_owned()))
    }
}

impl context::Server for Answerer {
    async fn start_response(
        self: Rc<Self>,
        params: context::StartResponseParams,
        mut results: context::StartResponseResults,
    ) -> Result<(), capnp::Error> {
        use crate::schema::http_over_capnp_capnp::http_response::body_size::Which;
        let response = params.get()?.get_response()?;
        let status = StatusCode::from_u16(response.get_status_code())
            .map_err(|error| capnp::Error::failed(error.to_string()))?;
        let mut head = Response::new(()).into_parts().0;
        head.status = status;
        head.headers = read_headers(response.get_headers()?)?;
        let text = response.get_status_text()?.as_bytes();
        if !text.is_empty()
            && Some(text) != status.canonical_reason().map(str::as_bytes)
            && let Ok(reason) = hyper::ext::ReasonPhrase::try_from(text)
        {
            head.extensions.insert(reason);
        }
        let body = match response.get_body_size().which()? {
            Which::Fixed(0) => None,
            size => {
                if let Which::Fixed(size) = size {
                    head.headers.insert(header::CONTENT_LENGTH, size.into());
                }
                let (sink, received) = ByteSink::new();
                results.get().set_body(new_client(sink));
                Some(received)
            }
        };
        self.answer(Answer::Response { head, body })
    }

    async fn start_web_socket(
        self: Rc<Self>,
        params: context::StartWebSocketParams,
        mut results: context::StartWebSocketResults,
    ) -> Result<(), capnp::Error> {
        let params = params.get()?;
        let headers = read_headers(params.get_headers()?)?;
        let (socket, down) = DownSocket::new();
        results.get().set_down_socket(new_client(socket));
        self.answer(Answer::WebSocket { headers, up: params.get_up_socket()?, down })
    }
}
