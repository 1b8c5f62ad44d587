//! What a worker's `fetch` finds in the cache, and what of its answer is stored.

use std::net::SocketAddr;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, ETAG, EXPIRES, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED,
};
use http::{Method, Response, StatusCode, Uri, request, response};
use http_body::Frame;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::cache::{Cache, Found};
use crate::entry::{Entry, Vary};
use crate::key::{Key, Room};
use crate::plan::{Asked, Plan, Wish, plan};
use crate::respond::{CACHE_STATUS, CONDITIONS, respond, stamp};
use crate::rules::Refusal;
use crate::writer::Writer;
use crate::{headers, rules};

/// Any error of a body's stream.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A response's body on its way to a worker.
pub type FetchBody = BoxBody<Bytes, BoxError>;

/// Pieces of a body that wait for its worker.
const AHEAD: usize = 8;

/// What the cache says to a request.
pub enum Looked {
    /// Here is the answer.
    Answer(Response<FetchBody>),
    /// The origin has to be asked, and its answer be brought to this.
    Ask(Filing),
}

/// Takes the origin's answer.
pub struct Filing {
    cache: Cache,
    what: What,
}

enum What {
    /// It only says how it was.
    Stamp(&'static str),
    Store(Box<Store>),
}

struct Store {
    key: Key,
    wish: Wish,
    method: Method,
    uri: Uri,
    /// The request's headers as the worker sent them.
    request: HeaderMap,
    /// What is stored and stale, or has to be asked about.
    stale: Option<Found>,
    /// Whether the origin was asked if that has changed.
    conditional: bool,
}

impl Cache {
    /// Asks for the answer to a worker's request, whose URI is absolute. `cf`: the JSON of its `cf`. `permits`: whether
    /// the worker may reach the address that a stored response came from; where it may not, nothing is stored for it.
    ///
    /// If the origin has to be asked, the request may have become conditional.
    pub async fn look(
        &self,
        account: &str,
        request: &mut request::Parts,
        cf: Option<&[u8]>,
        permits: &(dyn Fn(SocketAddr) -> bool + Sync),
    ) -> Looked {
        let wish = match plan(&request.method, &request.uri, cf) {
            Plan::Dynamic => return self.stamped("DYNAMIC"),
            Plan::Bypass => return self.stamped("BYPASS"),
            Plan::Cached(wish) => wish,
        };
        let key = Key::new(account, Room::Fetch, &request.uri.to_string(), wish.key.clone());
        let Some(key) = key else { return self.stamped("DYNAMIC") };
        let found = self.find(&key, &request.headers).await;
        let found = found.filter(|found| found.stored.entry.address.is_none_or(permits));
        let original = request.headers.clone();
        let (stale, conditional) = match found {
            Some(found) if found.is_fresh && !wish.revalidate => {
                let answer = respond(self, &found.stored, &request.method, &original, "HIT");
                return Looked::Answer(answer.map(|body| body.map_err(BoxError::from).boxed()));
            }
            Some(found) => {
                let conditional =
                    request.method == Method::GET && ask_if_changed(request, &found.stored.entry.headers);
                (Some(found), conditional)
            }
            None => (None, false),
        };
        let (method, uri) = (request.method.clone(), request.uri.clone());
        let store = Store { key, wish, method, uri, request: original, stale, conditional };
        Looked::Ask(Filing { cache: self.clone(), what: What::Store(Box::new(store)) })
    }

    fn stamped(&self, status: &'static str) -> Looked {
        Looked::Ask(Filing { cache: self.clone(), what: What::Stamp(status) })
    }
}

/// Makes a request conditional by what is stored. Says whether it could.
fn ask_if_changed(request: &mut request::Parts, stored: &HeaderMap) -> bool {
    let validators = [(ETAG, IF_NONE_MATCH), (LAST_MODIFIED, IF_MODIFIED_SINCE)];
    if !validators.iter().any(|(name, _)| stored.contains_key(name)) {
        return false;
    }
    for name in &CONDITIONS {
        request.headers.remove(name);
    }
    for (name, condition) in validators {
        if let Some(value) = stored.get(name) {
            request.headers.insert(condition, value.clone());
        }
    }
    true
}

impl Filing {
    /// Takes the origin's answer, which came from `address`, and gives what the worker gets.
    pub async fn file(self, response: Response<FetchBody>, address: SocketAddr) -> Response<FetchBody> {
        let (mut parts, body) = response.into_parts();
        match self.what {
            What::Stamp(status) => {
                set_status(&mut parts.headers, status);
                parts.headers.remove(rules::CACHE_TAG);
                Response::from_parts(parts, body)
            }
            What::Store(store) => store.file(&self.cache, parts, body, address).await,
        }
    }
}

impl Store {
    async fn file(
        self,
        cache: &Cache,
        mut parts: response::Parts,
        body: FetchBody,
        address: SocketAddr,
    ) -> Response<FetchBody> {
        if self.conditional
            && parts.status == StatusCode::NOT_MODIFIED
            && let Some(found) = &self.stale
        {
            let stored = self.refreshed(cache, found, parts.headers, address).await;
            let answer = respond(cache, &stored, &self.method, &self.request, "REVALIDATED");
            return answer.map(|body| body.map_err(BoxError::from).boxed());
        }
        let status = if self.stale.is_some() { "EXPIRED" } else { "MISS" };
        set_status(&mut parts.headers, status);
        let entry = match self.entry(cache, parts.status, &parts.headers, address) {
            Ok(entry) if self.method == Method::GET => entry,
            refused => {
                if matches!(refused, Err(Refusal::Forbidden))
                    && parts.status.is_success()
                    && parts.status != StatusCode::PARTIAL_CONTENT
                {
                    set_status(&mut parts.headers, "BYPASS");
                }
                parts.headers.remove(rules::CACHE_TAG);
                return Response::from_parts(parts, body);
            }
        };
        parts.headers.remove(rules::CACHE_TAG);
        let Some(writer) = cache.begin(self.key) else { return Response::from_parts(parts, body) };
        let announced =
            parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let (pieces, given) = mpsc::channel(AHEAD);
        tokio::spawn(copy(body, writer, entry, announced, pieces));
        Response::from_parts(parts, StreamBody::new(ReceiverStream::new(given)).boxed())
    }

    fn entry(
        &self,
        cache: &Cache,
        status: StatusCode,
        response: &HeaderMap,
        address: SocketAddr,
    ) -> Result<Entry, Refusal> {
        let mut stored = response.clone();
        let asked = match self.wish.asked(status) {
            Asked::Never => return Err(Refusal::NoLifetime),
            Asked::For(time) => Some(time),
            Asked::Nothing => None,
        };
        let now = cache.time();
        let lifetime = match &self.wish.control {
            None => rules::lifetime(&self.uri, &self.request, status, &mut stored, asked, now)?,
            Some(control) => {
                let mut judged = stored.clone();
                judged.insert(CACHE_CONTROL, HeaderValue::from_str(control).map_err(|_| Refusal::Forbidden)?);
                judged.remove(EXPIRES);
                rules::lifetime(&self.uri, &self.request, status, &mut judged, asked, now)?
            }
        };
        headers::strip(&mut stored);
        let mut tags = rules::take_tags(&mut stored);
        tags.extend(self.wish.tags.iter().cloned());
        stamp(&mut stored, now);
        let vary = Vary::of(&stored, &self.request).ok_or(Refusal::Forbidden)?;
        Ok(Entry {
            key: self.key.clone(),
            status,
            headers: stored,
            vary,
            tags,
            stored_at: cache.now(),
            age: lifetime.age,
            fresh_for: lifetime.fresh_for,
            address: Some(address),
        })
    }

    /// What is stored, with what a 304 says of it.
    async fn refreshed(
        &self,
        cache: &Cache,
        found: &Found,
        mut fresh: HeaderMap,
        address: SocketAddr,
    ) -> crate::files::Stored {
        let before = &found.stored.entry;
        headers::strip(&mut fresh);
        let mut tags = rules::take_tags(&mut fresh);
        tags.extend(self.wish.tags.iter().cloned());
        if tags.is_empty() {
            tags.clone_from(&before.tags);
        }
        let merged = headers::merge(&before.headers, &fresh);
        let entry = self.entry(cache, before.status, &merged, address);
        let entry = entry.map(|entry| Entry { tags, vary: before.vary.clone(), ..entry });
        // Where it may not be stored any longer it stays what it was: stale.
        match entry {
            Ok(entry) => cache.refresh(found, entry).await,
            Err(_) => found.stored.clone(),
        }
    }
}

fn set_status(headers: &mut HeaderMap, status: &'static str) {
    headers.insert(CACHE_STATUS, HeaderValue::from_static(status));
}

/// Hands a body on and stores it on the way. What cannot be stored is handed on all the same; what the worker does not
/// want to its end is not stored.
async fn copy(
    mut body: FetchBody,
    writer: Writer,
    entry: Entry,
    announced: Option<u64>,
    pieces: mpsc::Sender<Result<Frame<Bytes>, BoxError>>,
) {
    let (mut writer, mut brought) = (Some(writer), 0);
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            () = pieces.closed() => return,
        };
        let frame = match frame {
            None => break,
            Some(Err(error)) => {
                // It broke off, or its worker is gone: then nobody hears of it.
                let _ = pieces.send(Err(error)).await;
                return;
            }
            Some(Ok(frame)) => frame,
        };
        if let Some(piece) = frame.data_ref() {
            brought += piece.len() as u64;
            writer = keep(writer, piece.clone()).await;
        }
        // Whoever has read all of it finds it stored, so the last piece comes after that.
        if announced == Some(brought) {
            store(writer.take(), entry.clone(), announced).await;
        }
        if pieces.send(Ok(frame)).await.is_err() {
            return;
        }
    }
    store(writer.take(), entry, announced).await;
}

async fn keep(writer: Option<Writer>, piece: Bytes) -> Option<Writer> {
    let mut writer = writer?;
    match writer.write(piece).await {
        Ok(()) => Some(writer),
        Err(error) => {
            tracing::debug!(%error, "a response is not stored");
            None
        }
    }
}

async fn store(writer: Option<Writer>, entry: Entry, announced: Option<u64>) {
    if let Some(writer) = writer
        && let Err(error) = writer.finish(entry, announced).await
    {
        tracing::debug!(%error, "a response is not stored");
    }
}
