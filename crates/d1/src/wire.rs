//! The protocol of workerd's D1 module (`cloudflare-internal:d1-api`, workerd.md 1.4): HTTP over an instance's own
//! socket.
//!
//! `POST /query` and `/execute` with `{"sql","params"}` or an array of such, `?resultsFormat=ROWS_AND_COLUMNS` or
//! anything else for objects; `POST /dump`. A failure is a 200 with `{"success":false,"error"}`, which the module makes
//! `D1_ERROR: …` of. A request with a session's header gets the header back with a bookmark.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::io::ReaderStream;

use crate::{Answer, D1, D1Error, DatabaseId, Position, Results, Shape};

/// What a session says it has seen, and hears where it is (D1's own name).
pub const SESSION_HEADER: &str = "x-cf-d1-session-commit-token";

/// The longest request: more than any statement with its hundred values of 2 MB can be useful for.
const MAX_REQUEST: usize = 32 << 20;

/// Requests and answers that are held at once, in KiB: all of them, however many instances there are.
const HELD_KIB: usize = 256 << 10;

/// What is smaller is not counted.
const UNCOUNTED: usize = 64 << 10;

/// An answer's body.
pub type AnswerBody = UnsyncBoxBody<Bytes, std::io::Error>;

/// The binding's service. Cheap to clone.
#[derive(Clone)]
pub struct Wire {
    d1: D1,
    requests: Arc<Semaphore>,
    answers: Arc<Semaphore>,
}

impl Wire {
    /// The service over these databases.
    pub fn new(d1: D1) -> Self {
        let held = || Arc::new(Semaphore::new(HELD_KIB));
        Self { d1, requests: held(), answers: held() }
    }

    /// Answers one request on a binding to a database.
    pub async fn answer<B>(&self, id: DatabaseId, request: Request<B>) -> Response<AnswerBody>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        if request.method() != Method::POST {
            return status(StatusCode::METHOD_NOT_ALLOWED);
        }
        match request.uri().path() {
            "/query" | "/execute" => self.query(id, request).await,
            "/dump" => self.dump(id).await,
            _ => status(StatusCode::NOT_FOUND),
        }
    }

    async fn query<B>(&self, id: DatabaseId, request: Request<B>) -> Response<AnswerBody>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let (head, body) = request.into_parts();
        let results = match head.uri.query() {
            Some("resultsFormat=ROWS_AND_COLUMNS") => Results::RowsAndColumns,
            _ => Results::Objects,
        };
        let in_session = head.headers.get(SESSION_HEADER).is_some_and(|token| !token.is_empty());
        let length =
            head.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let length = length.unwrap_or(MAX_REQUEST);
        if length > MAX_REQUEST {
            return failure(&format!("The request is larger than {MAX_REQUEST} bytes."));
        }
        let _held = hold(&self.requests, length).await;
        let queries = match read(body, length).await {
            Ok(queries) => queries,
            Err(text) => return failure(text),
        };
        let request = crate::Request { queries, results, shape: Shape::PerQuery };
        match self.d1.query(id, request).await {
            Ok(Answer { results, position, .. }) => {
                let held = hold(&self.answers, results.len()).await;
                json(results, held, in_session.then_some(position))
            }
            Err(error) => {
                tell_operator(id, &error);
                failure(&error.to_string())
            }
        }
    }

    /// The database as a file. It is copied first: who reads slowly holds nobody up.
    async fn dump(&self, id: DatabaseId) -> Response<AnswerBody> {
        match self.dumped(id).await {
            Ok(response) => response,
            Err(error) => {
                tell_operator(id, &error);
                let mut response = failure(&error.to_string());
                *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                response
            }
        }
    }

    async fn dumped(&self, id: DatabaseId) -> Result<Response<AnswerBody>, D1Error> {
        let copy = self.d1.folder(id).with_extension(format!("dump-{}", uuid::Uuid::new_v4()));
        self.d1.snapshot(id, &copy).await?;
        let file = tokio::fs::File::open(&copy).await;
        // Open, it needs no name any more, and nothing is left behind however this ends.
        let removed = tokio::fs::remove_file(&copy).await;
        let file = file?;
        removed?;
        let pieces =
            futures::StreamExt::map(ReaderStream::new(file), |piece| piece.map(http_body::Frame::data));
        Ok(Response::new(StreamBody::new(pieces).boxed_unsync()))
    }
}

/// Waits until so much may be held; nothing for what is small.
async fn hold(budget: &Arc<Semaphore>, bytes: usize) -> Option<OwnedSemaphorePermit> {
    if bytes < UNCOUNTED {
        return None;
    }
    let kib = u32::try_from((bytes >> 10).min(HELD_KIB)).unwrap_or(u32::MAX);
    Arc::clone(budget).acquire_many_owned(kib).await.ok()
}

async fn read<B: Body<Data = Bytes> + Unpin>(mut body: B, length: usize) -> Result<Bytes, &'static str> {
    let mut first: Option<Bytes> = None;
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Err("The request was cut off.") };
        let Ok(data) = frame.into_data() else { continue };
        if all.len() + data.len() > length {
            return Err("The request is longer than it said.");
        }
        match (&first, all.is_empty()) {
            (None, true) => first = Some(data),
            _ => {
                if let Some(first) = first.take() {
                    all.reserve(length);
                    all.extend_from_slice(&first);
                }
                all.extend_from_slice(&data);
            }
        }
    }
    Ok(first.unwrap_or_else(|| all.freeze()))
}

fn json(
    results: Bytes,
    held: Option<OwnedSemaphorePermit>,
    position: Option<Position>,
) -> Response<AnswerBody> {
    let body = match held {
        // The place is given back when the body has gone.
        Some(held) => Full::new(results)
            .map_frame(move |frame| {
                let _ = &held;
                frame
            })
            .map_err(never)
            .boxed_unsync(),
        None => Full::new(results).map_err(never).boxed_unsync(),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(position) = position
        && let Ok(bookmark) = HeaderValue::try_from(position.to_string())
    {
        response.headers_mut().insert(SESSION_HEADER, bookmark);
    }
    response
}

fn failure(text: &str) -> Response<AnswerBody> {
    json(serde_json::json!({ "success": false, "error": text }).to_string().into(), None, None)
}

fn status(status: StatusCode) -> Response<AnswerBody> {
    let mut response = Response::new(Full::new(Bytes::new()).map_err(never).boxed_unsync());
    *response.status_mut() = status;
    response
}

fn never(never: std::convert::Infallible) -> std::io::Error {
    match never {}
}

/// The cause of what the caller is only told in general.
fn tell_operator(id: DatabaseId, error: &D1Error) {
    if let D1Error::Internal(cause) = error {
        tracing::error!(database = %id, %cause, "a D1 request failed");
    }
}
