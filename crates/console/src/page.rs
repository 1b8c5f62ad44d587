//! The responses: the document with a nonce of its own, files that may be kept for good, and what stands there instead.

use std::borrow::Cow;

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::choose::Coding;
use crate::headers;

/// What stands in `index.html` where this response's nonce belongs. `console/index.html` has the same.
const NONCE: &str = "{{nonce}}";

/// Vite names what it builds by what is in it: such a name's contents never change.
const FOR_GOOD: &str = "public, max-age=31536000, immutable";

/// The document, for every page alike: never kept, since its nonce is good once.
pub(crate) fn document(index: Option<&[u8]>) -> Response {
    let Some(index) = index else { return missing() };
    let nonce = STANDARD.encode(rand::random::<[u8; 16]>());
    let text = String::from_utf8_lossy(index).replace(NONCE, &nonce);
    let mut response = html(StatusCode::OK, text);
    headers::of_document(response.headers_mut(), &nonce);
    response
}

/// A file of the console; `digest` is of the bytes that are sent.
pub(crate) fn file(
    name: &str,
    coding: Coding,
    data: Cow<'static, [u8]>,
    digest: &[u8; 32],
    asked: &HeaderMap,
) -> Response {
    let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(digest.get(..12).unwrap_or_default()));
    let known = asked
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|tag| tag.trim().trim_start_matches("W/") == etag));
    let body = if known { Body::empty() } else { Body::from(data) };
    let mut response = Response::new(body);
    if known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let set = response.headers_mut();
    set.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type(name)));
    set.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    let cache = if is_named_by_contents(name) { FOR_GOOD } else { "no-cache" };
    set.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    if let Ok(etag) = HeaderValue::try_from(etag) {
        set.insert(header::ETAG, etag);
    }
    if let Some(coding) = coding.name() {
        set.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    headers::of_file(set);
    response
}

/// A short text.
pub(crate) fn text(status: StatusCode, text: &'static str) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let set = response.headers_mut();
    set.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers::seal(set);
    response
}

fn html(status: StatusCode, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let set = response.headers_mut();
    set.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    set.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// What a build without the console says.
fn missing() -> Response {
    let text = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Hearth</title>\
        <h1>Hearth runs, without its console</h1>\
        <p>This binary was built before the console was. Run <code>make console</code>; a release needs \
        <code>make build</code> after it. The API is at <code>/client/v4</code>.</p></html>";
    let mut response = html(StatusCode::OK, text.to_owned());
    headers::seal(response.headers_mut());
    response
}

/// Whether a name holds a hash of what the file holds: `assets/index-B3xK9_aQ.js`.
fn is_named_by_contents(name: &str) -> bool {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    name.starts_with("assets/")
        && stem.get(stem.len().saturating_sub(9)..).is_some_and(|tail| {
            tail.len() == 9
                && tail.starts_with('-')
                && tail
                    .bytes()
                    .skip(1)
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
                && tail.bytes().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
        })
}

/// The media types of what Vite builds.
fn media_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        Some("json") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_document_has_a_nonce_of_its_own() {
        let index = b"<meta content=\"{{nonce}}\">";
        let nonce = |response: &Response| {
            let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
            policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned()
        };
        let (one, other) = (document(Some(index)), document(Some(index)));
        assert_ne!(nonce(&one), nonce(&other));
        assert_eq!(one.headers()[header::CACHE_CONTROL], "no-store");
    }

    #[test]
    fn only_what_is_named_by_its_contents_is_kept_for_good() {
        assert!(is_named_by_contents("assets/index-B3xK9_aQ.js"));
        assert!(is_named_by_contents("assets/inter-latin-DxKq0A7b.woff2"));
        for name in ["assets/scheme.js", "favicon.svg", "assets/my-console.js", "assets/-B3xK9a.js"] {
            assert!(!is_named_by_contents(name), "{name}");
        }
    }

    #[test]
    fn a_file_that_is_known_is_not_sent_again() {
        let mut asked = HeaderMap::new();
        let data = || Cow::Borrowed(&b"x"[..]);
        let first = file("favicon.svg", Coding::Identity, data(), &[7; 32], &asked);
        assert_eq!(first.status(), StatusCode::OK);
        asked.insert(header::IF_NONE_MATCH, first.headers()[header::ETAG].clone());
        let second = file("favicon.svg", Coding::Identity, data(), &[7; 32], &asked);
        assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
    }
}
