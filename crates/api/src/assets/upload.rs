//! `POST workers/assets/upload`: contents, as a form of base64 texts or one by one as they are. Streamed to disk.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::{Stream, StreamExt as _};
use hearth_assets::{ContentHash, Incoming, IncomingError};
use hearth_store::AssetContent;
use http::{HeaderMap, StatusCode, header};
use serde_json::json;

use super::sessions::{Assets, Session};
use crate::envelope::Reply;
use crate::error::{ApiError, code};
use crate::params::Params;
use crate::query::Query;

/// What wrangler says where it knows no type: responses shall have none.
const NO_TYPE: &str = "application/null";

/// Longest type, in bytes.
const MAX_TYPE: usize = 255;

/// Contents of one form.
const MAX_PARTS: usize = 2000;

/// Several contents in a form: each part is named by its hash. With `base64=true` they are base64 texts.
pub(super) async fn bulk(
    State(assets): State<Assets>,
    params: Params,
    query: Query,
    request: Request,
) -> Result<Response, ApiError> {
    let session = assets.session(request.headers(), params.get("account")).await?;
    let base64 = query.flag("base64");
    let boundary = text(request.headers(), header::CONTENT_TYPE.as_str())
        .and_then(|text| multer::parse_boundary(text).ok())
        .ok_or_else(|| ApiError::bad_request(code::BAD_BODY, "The body is not multipart/form-data."))?;
    let mut form = multer::Multipart::new(Paced::new(request.into_body().into_data_stream()), boundary);
    let mut stored = Vec::new();
    let taken = take_parts(&session, &mut form, base64, &mut stored).await;
    // What came before something that is refused is there: the next try need not send it again.
    record(&assets, &session, stored).await?;
    taken?;
    Ok(answer(&assets, &session))
}

async fn take_parts(
    session: &Session,
    form: &mut multer::Multipart<'_>,
    base64: bool,
    stored: &mut Vec<AssetContent>,
) -> Result<(), ApiError> {
    let malformed = |error: multer::Error| {
        ApiError::bad_request(code::BAD_BODY, format!("The multipart body is cut off or malformed: {error}."))
    };
    while let Some(mut part) = form.next_field().await.map_err(malformed)? {
        if stored.len() >= MAX_PARTS {
            return Err(ApiError::invalid_upload(format!("A form may have {MAX_PARTS} assets.")));
        }
        let name = part.name().unwrap_or_default().to_owned();
        let media_type = text(part.headers(), header::CONTENT_TYPE.as_str()).map(str::to_owned);
        let mut taking = Taking::begin(session, &name)?;
        let mut decoder = Decoder::default();
        while let Some(piece) = part.chunk().await.map_err(malformed)? {
            match base64 {
                true => taking.write(&decoder.decode(&piece).ok_or_else(|| no_base64(&name))?).await?,
                false => taking.write(&piece).await?,
            }
        }
        if base64 {
            taking.write(&decoder.finish().ok_or_else(|| no_base64(&name))?).await?;
        }
        stored.push(taking.finish(media_type).await?);
    }
    Ok(())
}

fn no_base64(name: &str) -> ApiError {
    ApiError::invalid_upload(format!("The asset {name} is not base64."))
}

/// One content, as it is, named by the path.
pub(super) async fn single(
    State(assets): State<Assets>,
    params: Params,
    request: Request,
) -> Result<Response, ApiError> {
    let session = assets.session(request.headers(), params.get("account")).await?;
    let media_type = text(request.headers(), header::CONTENT_TYPE.as_str()).map(str::to_owned);
    let mut taking = Taking::begin(&session, params.get("hash"))?;
    let mut body = Body::into_data_stream(request.into_body());
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| {
            ApiError::bad_request(code::BAD_BODY, "The request's body ended before it was complete.")
                .with_detail(error)
        })?;
        taking.write(&piece).await?;
    }
    let content = taking.finish(media_type).await?;
    record(&assets, &session, vec![content]).await?;
    Ok(answer(&assets, &session))
}

/// A content on its way to disk.
struct Taking<'a> {
    hash: ContentHash,
    extension: &'a str,
    size: u64,
    incoming: Incoming,
}

impl<'a> Taking<'a> {
    fn begin(session: &'a Session, name: &str) -> Result<Self, ApiError> {
        let unknown =
            || ApiError::invalid_upload(format!("The asset {name:?} was not announced in this session."));
        let hash: ContentHash = name.parse().map_err(|()| unknown())?;
        let announced = session.announced.get(&hash).ok_or_else(unknown)?;
        let incoming = session.folder.receive().map_err(ApiError::internal)?;
        Ok(Self { hash, extension: &announced.extension, size: announced.size, incoming })
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<(), ApiError> {
        Ok(self.incoming.write(bytes).await?)
    }

    async fn finish(self, media_type: Option<String>) -> Result<AssetContent, ApiError> {
        let hash = self.hash.to_string();
        let media_type = media_type.filter(|text| text != NO_TYPE && !text.is_empty());
        if media_type.as_ref().is_some_and(|text| text.len() > MAX_TYPE) {
            return Err(ApiError::invalid_upload(format!("The asset {hash} has too long a type.")));
        }
        let size = self.incoming.finish(self.hash, self.extension).await?;
        if size != self.size {
            return Err(ApiError::invalid_upload(format!(
                "The asset {hash} has {size} bytes and not the {} that were announced.",
                self.size
            )));
        }
        Ok(AssetContent { hash, size, media_type })
    }
}

async fn record(assets: &Assets, session: &Session, stored: Vec<AssetContent>) -> Result<(), ApiError> {
    if stored.is_empty() {
        return Ok(());
    }
    assets.api().store().put_asset_contents(&session.account, &stored).await?;
    let hashes: Vec<ContentHash> = stored.iter().filter_map(|content| content.hash.parse().ok()).collect();
    session.arrived(&hashes);
    Ok(())
}

/// 201 and the token that makes a version, once nothing is missing.
fn answer(assets: &Assets, session: &Session) -> Response {
    match session.complete(&assets.api().store().assets_key()) {
        Some(jwt) => (StatusCode::CREATED, Reply::new(json!({"jwt": jwt}))).into_response(),
        None => (StatusCode::ACCEPTED, Reply::new(json!({}))).into_response(),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// A body of which one piece is given for each time that somebody asks: `multer` takes whatever is there before it hands on
/// anything, and a client that is faster than the disk would fill the memory.
struct Paced<S> {
    body: S,
    given: bool,
}

impl<S> Paced<S> {
    fn new(body: S) -> Self {
        Self { body, given: false }
    }
}

impl<S: Stream + Unpin> Stream for Paced<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<S::Item>> {
        if std::mem::take(&mut self.given) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = self.body.poll_next_unpin(context);
        self.given = matches!(next, Poll::Ready(Some(_)));
        next
    }
}

/// Base64 that comes in pieces.
#[derive(Default)]
struct Decoder {
    /// What is not yet a whole group.
    carry: Vec<u8>,
}

impl Decoder {
    fn decode(&mut self, piece: &[u8]) -> Option<Vec<u8>> {
        self.carry.extend_from_slice(piece);
        // The last group may be padded, which only the end tells.
        let whole = self.carry.len().saturating_sub(1) / 4 * 4;
        let decoded = STANDARD.decode(&self.carry[..whole]).ok()?;
        self.carry.drain(..whole);
        Some(decoded)
    }

    fn finish(self) -> Option<Vec<u8>> {
        STANDARD.decode(self.carry).ok()
    }
}

impl From<IncomingError> for ApiError {
    fn from(error: IncomingError) -> Self {
        match error {
            IncomingError::TooLarge => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, code::TOO_LARGE, error.to_string())
            }
            IncomingError::WrongHash(_) => Self::invalid_upload(error.to_string()),
            IncomingError::NoRoom(_) => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, code::INVALID_UPLOAD, error.to_string())
            }
            IncomingError::Disk(_) => Self::internal(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pieces_decode_as_the_whole(bytes in prop::collection::vec(any::<u8>(), 0..100), cut in 1_usize..9) {
            let text = STANDARD.encode(&bytes);
            let mut decoder = Decoder::default();
            let mut decoded = Vec::new();
            for piece in text.as_bytes().chunks(cut) {
                decoded.extend(decoder.decode(piece).unwrap());
            }
            decoded.extend(decoder.finish().unwrap());
            prop_assert_eq!(decoded, bytes);
        }
    }

    #[tokio::test]
    async fn no_more_of_a_body_is_taken_than_is_written() {
        let taken = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&taken);
        let head = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
        let pieces = std::iter::once(head.to_owned()).chain(std::iter::repeat_n("x".repeat(1000), 1000));
        let body = futures::stream::iter(pieces.map(Ok::<_, std::io::Error>)).inspect(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        let mut form = multer::Multipart::new(Paced::new(body), "b");
        let mut part = form.next_field().await.unwrap().unwrap();
        part.chunk().await.unwrap().unwrap();
        let taken = taken.load(Ordering::Relaxed);
        assert!(taken < 10, "{taken} of 1001 pieces");
    }

    #[test]
    fn what_is_no_base64_is_refused() {
        for text in ["a", "ab=c", "a b=", "abc=d", "ab!="] {
            let mut decoder = Decoder::default();
            assert!(decoder.decode(text.as_bytes()).is_none() || decoder.finish().is_none(), "{text}");
        }
    }
}
