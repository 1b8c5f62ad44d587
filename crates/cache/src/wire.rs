//! What workerd speaks to the Cache API's service: HTTP/1.1 on the instance's socket, in proxy style (workerd.md 1.7).
//!
//! A miss, a response that is not stored and a failure look alike to a worker: nothing is there. So no error reaches it.

use axum::body::{Body as Incoming, BodyDataStream};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use tokio_stream::StreamExt as _;

use crate::cache::Cache;
use crate::entry::{Entry, Vary};
use crate::key::{Key, Room};
use crate::respond::{CACHE_STATUS, respond, stamp};
use crate::writer::{NotStored, Writer};
use crate::{headers, rules};

/// The JSON of a request's `cf`, as workerd is configured to send it.
const CF: HeaderName = HeaderName::from_static("x-hearth-cf");

/// Which cache: absent for `caches.default`.
const NAMESPACE: HeaderName = HeaderName::from_static("cf-cache-namespace");

/// Longest head of a response that is put, in bytes.
const MOST_HEAD: usize = 128 << 10;

/// What ends a head.
const END: &[u8] = b"\r\n\r\n";

/// Most headers of a response that is put.
const MOST_HEADERS: usize = 512;

/// How much of a body that is not stored is read, so that who sends it hears of it.
const MOST_DRAINED: u64 = 1 << 30;

impl Cache {
    /// Answers a request of an account's worker.
    pub async fn serve(&self, account: &str, request: Request<Incoming>) -> Response<Incoming> {
        let (mut parts, body) = request.into_parts();
        let custom = parts.headers.remove(CF).and_then(|json| cache_key(json.as_bytes()));
        let room = match parts.headers.remove(NAMESPACE) {
            Some(name) => Room::Named(String::from_utf8_lossy(name.as_bytes()).into_owned()),
            None => Room::Default,
        };
        let Some(key) = Key::new(account, room, &parts.uri.to_string(), custom) else {
            return status(StatusCode::BAD_REQUEST);
        };
        match parts.method.as_str() {
            "GET" => match self.find(&key, &parts.headers).await.filter(|found| found.is_fresh) {
                Some(found) => {
                    respond(self, &found.stored, &Method::GET, &parts.headers, "HIT").map(Incoming::new)
                }
                None => miss(),
            },
            "PUT" => match self.put(key, &parts.uri, &parts.headers, body).await {
                Ok(()) => status(StatusCode::NO_CONTENT),
                Err(refusal) => {
                    tracing::debug!(%refusal, "a response is not stored");
                    status(StatusCode::PAYLOAD_TOO_LARGE)
                }
            },
            "PURGE" if self.delete(&key).await => status(StatusCode::OK),
            "PURGE" => status(StatusCode::NOT_FOUND),
            _ => status(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    async fn put(&self, key: Key, uri: &Uri, request: &HeaderMap, body: Incoming) -> Result<(), Refused> {
        let mut body = body.into_data_stream();
        let stored = self.store(key, uri, request, &mut body).await;
        if stored.is_err() {
            drain(&mut body).await;
        }
        stored
    }

    async fn store(
        &self,
        key: Key,
        uri: &Uri,
        request: &HeaderMap,
        body: &mut BodyDataStream,
    ) -> Result<(), Refused> {
        let (status, mut head, first) = head(body).await?;
        let announced = head.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let now = self.time();
        let lifetime =
            rules::lifetime(uri, request, status, &mut head, None, now).map_err(|_| Refused::Rules)?;
        headers::strip(&mut head);
        let tags = rules::take_tags(&mut head);
        stamp(&mut head, now);
        let vary = Vary::of(&head, request).ok_or(Refused::Rules)?;
        let mut writer: Writer = self.begin(key.clone()).ok_or(Refused::Busy)?;
        writer.write(first).await?;
        while let Some(piece) = body.next().await {
            writer.write(piece.map_err(|_| Refused::Broken)?).await?;
        }
        let (age, fresh_for) = (lifetime.age, lifetime.fresh_for);
        let entry = Entry {
            key,
            status,
            headers: head,
            vary,
            tags,
            stored_at: self.now(),
            age,
            fresh_for,
            address: None,
        };
        writer.finish(entry, announced).await?;
        Ok(())
    }
}

/// Why a put stores nothing; for the operator.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("it is no HTTP response")]
    NotHttp,
    #[error("its headers do not let it be stored")]
    Rules,
    #[error("too many responses are being stored")]
    Busy,
    #[error("it broke off")]
    Broken,
    #[error(transparent)]
    NotStored(#[from] NotStored),
}

/// The head of a serialized response, and what came of its body with it.
async fn head(body: &mut BodyDataStream) -> Result<(StatusCode, HeaderMap, Bytes), Refused> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = body.next().await {
        // Looked through once, however many pieces it comes in.
        let new = bytes.len().saturating_sub(END.len() - 1);
        bytes.extend_from_slice(&piece.map_err(|_| Refused::Broken)?);
        let end = bytes[new..].windows(END.len()).position(|four| four == END).map(|at| new + at + END.len());
        if end.unwrap_or(bytes.len()) > MOST_HEAD {
            break;
        }
        if let Some(end) = end {
            let body = bytes.split_off(end).freeze();
            let (status, headers) = parse(&bytes)?;
            return Ok((status, headers, body));
        }
    }
    Err(Refused::NotHttp)
}

fn parse(bytes: &[u8]) -> Result<(StatusCode, HeaderMap), Refused> {
    let mut found = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut found);
    if response.parse(bytes).map_err(|_| Refused::NotHttp)?.is_partial() {
        return Err(Refused::NotHttp);
    }
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(Refused::NotHttp)?;
    let mut headers = HeaderMap::new();
    for header in response.headers {
        let name = HeaderName::from_bytes(header.name.as_bytes()).map_err(|_| Refused::NotHttp)?;
        headers.append(name, HeaderValue::from_bytes(header.value).map_err(|_| Refused::NotHttp)?);
    }
    Ok((status, headers))
}

async fn drain(body: &mut BodyDataStream) {
    let mut left = MOST_DRAINED;
    while let Some(Ok(piece)) = body.next().await {
        left = left.saturating_sub(piece.len() as u64);
        if left == 0 {
            return;
        }
    }
}

/// `cacheKey` of a request's `cf`.
fn cache_key(json: &[u8]) -> Option<String> {
    let cf: serde_json::Value = serde_json::from_slice(json).ok()?;
    Some(cf.get("cacheKey")?.as_str()?.to_owned())
}

fn miss() -> Response<Incoming> {
    let mut response = status(StatusCode::GATEWAY_TIMEOUT);
    response.headers_mut().insert(CACHE_STATUS, HeaderValue::from_static("MISS"));
    response
}

fn status(status: StatusCode) -> Response<Incoming> {
    let mut response = Response::new(Incoming::empty());
    *response.status_mut() = status;
    response
}
