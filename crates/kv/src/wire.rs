//! What workerd speaks to a KV binding: HTTP/1.1 on the instance's socket (workerd.md 1.1).
//!
//! A status other than 2xx (404 on a get: null) becomes a JavaScript error whose text is the **reason phrase**.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, BodyDataStream, to_bytes};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use hearth_api::Query as Parameters;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::ext::ReasonPhrase;
use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::sync::Mutex;

use crate::kv::{Held, Kv};
use crate::rules::{self, Key, MAX_BULK_GET, MAX_KEY, MAX_VALUE, Refusal, code};
use crate::store::{Attributes, EngineError, Entry, Incoming, Listing, Query, Value};

const METADATA: HeaderName = HeaderName::from_static("cf-kv-metadata");
const EXPIRATION: HeaderName = HeaderName::from_static("cf-expiration");
/// Longest body of a bulk get: every byte of a key may be written as `\u0000`.
const MAX_BULK_BODY: usize = MAX_BULK_GET * (MAX_KEY * 6 + 4) + 1024;
/// How much of a value that is too long anyway is read, so that its sender hears why it was refused.
const MAX_DRAINED: u64 = 1 << 30;

/// Answers one request.
pub(crate) async fn serve(kv: &Kv, namespace: &str, request: Request<Body>) -> Response<Body> {
    match answer(kv, namespace, request).await {
        Ok(response) => response,
        Err(refusal) => refuse(&refusal),
    }
}

async fn answer(kv: &Kv, namespace: &str, request: Request<Body>) -> Result<Response<Body>, Refusal> {
    let (parts, body) = request.into_parts();
    let parameters = Parameters::parse(parts.uri.query().unwrap_or_default());
    let path = parts.uri.path();
    match parts.method {
        Method::GET if path == "/" && parameters.get("urlencoded").is_none() => {
            list(kv, namespace, &parameters).await
        }
        Method::GET => get(kv, namespace, &key(path)?, &parameters).await,
        Method::PUT => {
            let upload = Upload::new(body);
            let put = put(kv, namespace, path, &parameters, &parts.headers, &upload).await;
            if put.is_err() {
                upload.finish().await;
            }
            put
        }
        Method::DELETE => {
            let change = crate::store::Change::Delete(key(path)?);
            kv.engine().apply(namespace, vec![change]).await?;
            Ok(Response::new(Body::empty()))
        }
        Method::POST if path == "/bulk/get" => bulk_get(kv, namespace, body).await,
        _ => Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, code::BAD_REQUEST, "Method not allowed")),
    }
}

/// The key of a path. Of its two encodings only the part before `?` is percent-encoded in both.
fn key(path: &str) -> Result<Key, Refusal> {
    let encoded = path.strip_prefix('/').unwrap_or(path);
    let text = percent_decode_str(encoded)
        .decode_utf8()
        .map_err(|_| Refusal::bad(code::BAD_KEY, "Could not URL-decode key name"))?;
    Key::new(text)
}

async fn get(
    kv: &Kv,
    namespace: &str,
    key: &Key,
    parameters: &Parameters,
) -> Result<Response<Body>, Refusal> {
    rules::check_cache_ttl(parameters.get("cache_ttl"))?;
    let Some(Entry { value, attributes }) = kv.engine().get(namespace, key).await? else {
        let mut absent = Response::new(Body::empty());
        *absent.status_mut() = StatusCode::NOT_FOUND;
        return Ok(absent);
    };
    let mut response = Response::new(body(value));
    let headers = response.headers_mut();
    if let Some(metadata) = attributes.metadata {
        headers.insert(METADATA, header_value(metadata)?);
    }
    if let Some(at) = attributes.expiration {
        headers.insert(EXPIRATION, HeaderValue::from(at));
    }
    Ok(response)
}

/// JSON as a header carries it. A control character in it can only be white space between its tokens.
pub(crate) fn header_value(json: String) -> Result<HeaderValue, EngineError> {
    let line: Bytes = json.replace(|letter: char| letter.is_ascii_control(), " ").into();
    HeaderValue::from_maybe_shared(line).map_err(|error| EngineError::Failed(error.to_string()))
}

/// A value as a body of known length.
pub(crate) fn body(value: Value) -> Body {
    match value {
        Value::Whole(value) => Body::from(value),
        Value::Stream { length, pieces } => {
            let frames = pieces.map(|piece| piece.map(http_body::Frame::data));
            Body::new(Sized { length, frames: http_body_util::StreamBody::new(frames) })
        }
    }
}

/// A stream whose length is known, so that it is sent with a `Content-Length`.
struct Sized<B> {
    length: u64,
    frames: B,
}

impl<B: http_body::Body + Unpin> http_body::Body for Sized<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<B::Data>, B::Error>>> {
        std::pin::Pin::new(&mut self.frames).poll_frame(context)
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(self.length)
    }
}

async fn put(
    kv: &Kv,
    namespace: &str,
    path: &str,
    parameters: &Parameters,
    headers: &HeaderMap,
    upload: &Upload,
) -> Result<Response<Body>, Refusal> {
    let key = key(path)?;
    let metadata = match headers.get(METADATA).map(|value| std::str::from_utf8(value.as_bytes())) {
        Some(Ok(text)) => Some(text),
        Some(Err(_)) => return Err(Refusal::bad(code::BAD_METADATA, "Metadata must be valid JSON.")),
        None => None,
    };
    let (expiration, ttl) = (parameters.get("expiration"), parameters.get("expiration_ttl"));
    let attributes = rules::attributes(kv.now(), expiration, ttl, metadata)?;
    put_upload(kv, namespace, key, attributes, headers, upload).await?;
    Ok(Response::new(Body::empty()))
}

/// Stores a request's body as a value.
pub(crate) async fn put_upload(
    kv: &Kv,
    namespace: &str,
    key: Key,
    attributes: Attributes,
    headers: &HeaderMap,
    upload: &Upload,
) -> Result<(), Refusal> {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > MAX_VALUE) {
        return Err(Refusal::value_too_large(upload.finish().await));
    }
    let incoming = Incoming { length, pieces: upload.pieces() };
    match kv.engine().put(namespace, key, attributes, incoming).await {
        Ok(()) => Ok(()),
        Err(error) => match upload.finish().await {
            length if length > MAX_VALUE => Err(Refusal::value_too_large(length)),
            _ => Err(error.into()),
        },
    }
}

/// A request's body that is read to its end even when nobody wants it any more: who is still sending would otherwise
/// see a closed connection instead of the reason.
pub(crate) struct Upload {
    body: Arc<Mutex<BodyDataStream>>,
    seen: Arc<AtomicU64>,
}

impl Upload {
    pub(crate) fn new(body: Body) -> Self {
        Self { body: Arc::new(Mutex::new(body.into_data_stream())), seen: Arc::default() }
    }

    /// The body, ended by an error once it is longer than a value may be.
    fn pieces(&self) -> stream::BoxStream<'static, Result<Bytes, String>> {
        let begin = Some((Arc::clone(&self.body), Arc::clone(&self.seen)));
        stream::unfold(begin, |state| async {
            let (body, seen) = state?;
            let next = body.lock().await.next().await?;
            let piece = match next {
                Ok(piece) => piece,
                Err(error) => return Some((Err(error.to_string()), None)),
            };
            let length = piece.len() as u64;
            if seen.fetch_add(length, Ordering::Relaxed) + length > MAX_VALUE {
                return Some((Err("the value is too long".to_owned()), None));
            }
            Some((Ok(piece), Some((body, seen))))
        })
        .boxed()
    }

    /// Reads on without keeping anything. How long the body was in all.
    pub(crate) async fn finish(&self) -> u64 {
        let mut body = self.body.lock().await;
        while let Some(Ok(piece)) = body.next().await {
            let length = piece.len() as u64;
            if self.seen.fetch_add(length, Ordering::Relaxed) + length > MAX_DRAINED {
                break;
            }
        }
        self.seen.load(Ordering::Relaxed)
    }
}

/// A page of keys as workerd reads it; metadata is JSON in a string.
#[derive(Serialize)]
struct Page<'a> {
    keys: Vec<Name<'a>>,
    list_complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    #[serde(rename = "cacheStatus")]
    cache_status: Option<()>,
}

#[derive(Serialize)]
struct Name<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a str>,
}

async fn list(kv: &Kv, namespace: &str, parameters: &Parameters) -> Result<Response<Body>, Refusal> {
    let query = query(parameters, "key_count_limit")?;
    let listing = kv.engine().list(namespace, query).await?;
    let names = listing.keys.iter().map(|listed| Name {
        name: listed.key.as_str(),
        expiration: listed.attributes.expiration,
        metadata: listed.attributes.metadata.as_deref(),
    });
    let keys = names.collect();
    let page = Page { keys, list_complete: listing.complete, cursor: cursor(&listing), cache_status: None };
    json(&page)
}

/// What a list asks for.
pub(crate) fn query(parameters: &Parameters, limit: &str) -> Result<Query, Refusal> {
    let limit = rules::limit(parameters.get(limit))?;
    let prefix = parameters.get("prefix").unwrap_or_default().to_owned();
    rules::check_prefix(&prefix)?;
    let after = match parameters.get("cursor").filter(|cursor| !cursor.is_empty()) {
        Some(cursor) => Some(decode_cursor(cursor)?),
        None => None,
    };
    Ok(Query { prefix, after, limit })
}

/// Where the next page begins; None on the last.
pub(crate) fn cursor(listing: &Listing) -> Option<String> {
    let last = listing.keys.last().filter(|_| !listing.complete)?;
    Some(BASE64_URL_SAFE_NO_PAD.encode(last.key.as_str()))
}

fn decode_cursor(cursor: &str) -> Result<String, Refusal> {
    let decoded = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|key| String::from_utf8(key).ok());
    decoded
        .filter(|key| (1..=MAX_KEY).contains(&key.len()))
        .ok_or_else(|| Refusal::bad(code::BAD_CURSOR, "Invalid cursor."))
}

/// The body of a bulk get; `cacheTtl` is a string there.
#[derive(Deserialize)]
struct BulkGet {
    keys: Vec<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default, rename = "withMetadata")]
    with_metadata: bool,
    #[serde(rename = "cacheTtl")]
    cache_ttl: Option<serde_json::Value>,
}

async fn bulk_get(kv: &Kv, namespace: &str, body: Body) -> Result<Response<Body>, Refusal> {
    let unreadable = || Refusal::bad(code::BAD_REQUEST, "Could not read the keys of a bulk get");
    let body = to_bytes(body, MAX_BULK_BODY).await.map_err(|_| unreadable())?;
    let wanted: BulkGet = serde_json::from_slice(&body).map_err(|_| unreadable())?;
    let is_json = rules::bulk_is_json(wanted.kind.as_deref())?;
    let cache_ttl = wanted.cache_ttl.map(|ttl| ttl.as_str().map_or_else(|| ttl.to_string(), str::to_owned));
    rules::check_cache_ttl(cache_ttl.as_deref())?;
    let keys = rules::bulk_keys(wanted.keys)?;
    let (found, permit) = kv.get_many(namespace, keys.clone()).await?;
    let text = bulk_answer(&keys, found, is_json, wanted.with_metadata)?;
    Ok(json_body(Held::bytes(text, permit)))
}

/// The values of a bulk get by their keys; a key that was asked for twice is there once.
pub(crate) fn bulk_answer(
    keys: &[Key],
    found: Vec<Option<(Bytes, Attributes)>>,
    is_json: bool,
    with_metadata: bool,
) -> Result<Vec<u8>, Refusal> {
    let mut seen = std::collections::HashSet::new();
    let mut text = vec![b'{'];
    for (key, found) in keys.iter().zip(found) {
        if !seen.insert(key) {
            continue;
        }
        if text.len() > 1 {
            text.push(b',');
        }
        write_json(&mut text, key.as_str())?;
        text.push(b':');
        let Some((value, attributes)) = found else {
            text.extend_from_slice(b"null");
            continue;
        };
        if with_metadata {
            text.extend_from_slice(b"{\"value\":");
        }
        if is_json {
            let value = serde_json::from_slice::<&RawValue>(&value).map_err(|_| rules::bulk_not_json())?;
            text.extend_from_slice(value.get().as_bytes());
        } else {
            write_json(&mut text, &*String::from_utf8_lossy(&value))?;
        }
        if with_metadata {
            text.extend_from_slice(b",\"metadata\":");
            text.extend_from_slice(attributes.metadata.as_deref().unwrap_or("null").as_bytes());
            text.push(b'}');
        }
    }
    text.push(b'}');
    Ok(text)
}

fn write_json(to: &mut Vec<u8>, value: impl Serialize) -> Result<(), EngineError> {
    serde_json::to_writer(to, &value).map_err(|error| EngineError::Failed(error.to_string()))
}

fn json(value: &impl Serialize) -> Result<Response<Body>, Refusal> {
    let mut text = Vec::new();
    write_json(&mut text, value)?;
    Ok(json_body(text.into()))
}

fn json_body(text: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An answer that says no, in its reason phrase. workerd reads no body of it, and gives up a connection on which one
/// comes.
fn refuse(refusal: &Refusal) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = refusal.status;
    // What cannot stand in one is some key's; the status alone must do then.
    if let Ok(reason) = ReasonPhrase::try_from(refusal.message.as_bytes()) {
        response.extensions_mut().insert(reason);
    }
    response
}

impl From<EngineError> for Refusal {
    fn from(error: EngineError) -> Self {
        let refusal = |status, code, text: &str| Self::new(status, code, text);
        match error {
            EngineError::NoNamespace => {
                refusal(StatusCode::BAD_REQUEST, code::NAMESPACE_NOT_FOUND, "namespace not found")
            }
            EngineError::Overloaded => refusal(
                StatusCode::TOO_MANY_REQUESTS,
                code::TOO_MANY_REQUESTS,
                "Too Many Requests: too many KV operations are waiting.",
            ),
            EngineError::Full => refusal(
                StatusCode::INSUFFICIENT_STORAGE,
                code::UNAVAILABLE,
                "Insufficient Storage: there is no room for KV values.",
            ),
            EngineError::NoRoom(reason) => {
                let text = format!("Insufficient Storage: {reason}");
                refusal(StatusCode::INSUFFICIENT_STORAGE, code::UNAVAILABLE, &text)
            }
            EngineError::TooMuch => rules::bulk_too_large(),
            EngineError::Broken(reason) => {
                tracing::debug!(reason, "a KV value broke off");
                refusal(StatusCode::BAD_REQUEST, code::BAD_VALUE, "The value ended before it was complete.")
            }
            EngineError::Failed(reason) => {
                tracing::error!(reason, "KV failed");
                refusal(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    code::UNAVAILABLE,
                    "Internal Server Error: KV failed; the server's log says more.",
                )
            }
        }
    }
}
