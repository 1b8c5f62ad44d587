//! `Accept-Encoding` between client and worker: what the worker encoded passes if the client takes it, and what
//! nobody encoded is compressed on the way.

use std::io;

use async_compression::Level;
use async_compression::tokio::bufread::{
    BrotliDecoder, BrotliEncoder, GzipDecoder, GzipEncoder, ZlibDecoder, ZstdDecoder, ZstdEncoder,
};
use bytes::Bytes;
use futures::TryStreamExt as _;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body::{Body as HttpBody, Frame};
use http_body_util::{BodyExt as _, StreamBody};
use tokio::io::AsyncRead;
use tokio_util::io::{ReaderStream, StreamReader};

use crate::BoxError;
use crate::body::Body;

/// Bodies shorter than this gain nothing, in bytes.
const MIN_LENGTH: u64 = 1024;

/// Size of the pieces that leave a coder, in bytes.
const PIECE: usize = 16 << 10;

/// Brotli's quality for bodies compressed while somebody waits: a fifth of the time of the next step that pays.
const BROTLI_QUALITY: i32 = 4;

/// A way of encoding that we can speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Brotli,
    Zstd,
    Gzip,
    Deflate,
}

impl Coding {
    /// Those we encode with, best first where a client has no preference.
    const OFFERED: [Self; 3] = [Self::Brotli, Self::Zstd, Self::Gzip];

    fn from_name(name: &str) -> Option<Self> {
        let is = |candidate| name.eq_ignore_ascii_case(candidate);
        match () {
            () if is("br") => Some(Self::Brotli),
            () if is("zstd") => Some(Self::Zstd),
            () if is("gzip") || is("x-gzip") => Some(Self::Gzip),
            () if is("deflate") => Some(Self::Deflate),
            () => None,
        }
    }

    fn name(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Brotli => "br",
            Self::Zstd => "zstd",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        })
    }
}

/// What happens to a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plan {
    Keep,
    Encode(Coding),
    Decode(Coding),
}

/// What a client says it takes.
fn weight(accept: &HeaderMap, coding: Coding) -> f32 {
    let mut wildcard = 0.0;
    for value in accept.get_all(header::ACCEPT_ENCODING) {
        for item in value.to_str().unwrap_or_default().split(',') {
            let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
            let q = parameters.trim().strip_prefix("q=").map_or(1.0, |q| q.parse().unwrap_or(0.0));
            if Coding::from_name(name.trim()) == Some(coding) {
                return q;
            }
            if name.trim() == "*" {
                wildcard = q;
            }
        }
    }
    wildcard
}

/// Decides for a response. `accept` are the client's headers.
pub(crate) fn plan(
    compress: bool,
    method: &Method,
    accept: &HeaderMap,
    status: StatusCode,
    headers: &HeaderMap,
    length: Option<u64>,
) -> Plan {
    let bodyless = method == Method::HEAD
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
        || status.is_informational()
        || length == Some(0);
    if bodyless {
        return Plan::Keep;
    }
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING) {
        let coding = encoding.to_str().ok().and_then(|name| Coding::from_name(name.trim()));
        return match coding {
            Some(coding) if weight(accept, coding) <= 0.0 => Plan::Decode(coding),
            // What we cannot read is between the worker and its client.
            _ => Plan::Keep,
        };
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let pays = compress
        && !headers.contains_key(header::CONTENT_RANGE)
        && length.is_none_or(|length| length >= MIN_LENGTH)
        && is_compressible(text(header::CONTENT_TYPE))
        && !text(header::CACHE_CONTROL).to_ascii_lowercase().contains("no-transform");
    if !pays {
        return Plan::Keep;
    }
    // `max_by` takes the last of equals, so the best is asked last.
    let weighed = Coding::OFFERED.iter().rev().map(|coding| (*coding, weight(accept, *coding)));
    let best = weighed.filter(|(_, q)| *q > 0.0).max_by(|a, b| a.1.total_cmp(&b.1));
    best.map_or(Plan::Keep, |(coding, _)| Plan::Encode(coding))
}

/// Whether a type compresses well. Event streams are left alone: each event would have to be flushed by itself.
fn is_compressible(content_type: &str) -> bool {
    let mime = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match mime.split_once('/') {
        Some(("text", subtype)) => subtype != "event-stream",
        Some(("application", subtype)) => {
            subtype.ends_with("+json")
                || subtype.ends_with("+xml")
                || matches!(
                    subtype,
                    "json"
                        | "javascript"
                        | "x-javascript"
                        | "xml"
                        | "wasm"
                        | "manifest"
                        | "x-web-app-manifest+json"
                        | "graphql"
                        | "vnd.ms-fontobject"
                )
        }
        Some(("image", subtype)) => matches!(subtype, "svg+xml" | "bmp" | "x-icon" | "vnd.microsoft.icon"),
        Some(("font", subtype)) => matches!(subtype, "ttf" | "otf"),
        _ => false,
    }
}

/// Carries a plan out on a response's head and body.
pub(crate) fn apply<B>(plan: Plan, headers: &mut HeaderMap, body: B) -> Body
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let stream = body.into_data_stream().map_err(|error| io::Error::other(error.into()));
    let reader = StreamReader::new(stream);
    other_bytes(headers);
    let mut encode = |coding: Coding| headers.insert(header::CONTENT_ENCODING, coding.name());
    match plan {
        Plan::Encode(Coding::Brotli) => {
            encode(Coding::Brotli);
            pieces(BrotliEncoder::with_quality(reader, Level::Precise(BROTLI_QUALITY)))
        }
        Plan::Encode(Coding::Zstd) => {
            encode(Coding::Zstd);
            pieces(ZstdEncoder::new(reader))
        }
        Plan::Encode(Coding::Gzip | Coding::Deflate) => {
            encode(Coding::Gzip);
            pieces(GzipEncoder::new(reader))
        }
        Plan::Decode(coding) => {
            headers.remove(header::CONTENT_ENCODING);
            match coding {
                Coding::Brotli => pieces(BrotliDecoder::new(reader)),
                Coding::Zstd => pieces(ZstdDecoder::new(reader)),
                Coding::Gzip => pieces(GzipDecoder::new(reader)),
                Coding::Deflate => pieces(ZlibDecoder::new(reader)),
            }
        }
        Plan::Keep => pieces(reader),
    }
}

/// Says of a response that its body is encoded like this.
pub(crate) fn mark(headers: &mut HeaderMap, coding: Coding) {
    other_bytes(headers);
    headers.insert(header::CONTENT_ENCODING, coding.name());
}

/// What a head must not say of a body with other bytes, and must say of why it has them.
fn other_bytes(headers: &mut HeaderMap) {
    headers.remove(header::CONTENT_LENGTH);
    headers.remove(header::ACCEPT_RANGES);
    weaken_etag(headers);
    if !varies_by_encoding(headers) {
        headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

fn pieces(reader: impl AsyncRead + Send + 'static) -> Body {
    let stream = ReaderStream::with_capacity(reader, PIECE).map_ok(Frame::data).map_err(BoxError::from);
    Body::boxed(StreamBody::new(stream).boxed_unsync())
}

/// Equal bytes are what a strong validator promises.
fn weaken_etag(headers: &mut HeaderMap) {
    if let Some(etag) = headers.get(header::ETAG).filter(|etag| etag.as_bytes().starts_with(b"\""))
        && let Ok(weak) = HeaderValue::from_bytes(&[b"W/", etag.as_bytes()].concat())
    {
        headers.insert(header::ETAG, weak);
    }
}

fn varies_by_encoding(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::VARY).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|name| matches!(name.trim(), "*") || name.trim().eq_ignore_ascii_case("accept-encoding"))
}

#[cfg(test)]
#[path = "encoding_tests.rs"]
mod tests;
