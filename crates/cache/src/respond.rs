//! What a stored response answers to a request: all of it, a part, or that nothing has changed (RFC 9110 13.2, 14).

use std::ops::Range;

use http::header::{
    ACCEPT_RANGES, AGE, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE, ETAG, HeaderMap, HeaderName,
    HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED, RANGE,
};
use http::{Method, Response, StatusCode};
use http_range_header::{EndPosition, StartPosition, parse_range_header};

use crate::body::{Body, body, empty};
use crate::cache::Cache;
use crate::files::Stored;

/// How the cache was of use.
pub(crate) const CACHE_STATUS: HeaderName = HeaderName::from_static("cf-cache-status");

/// Request headers that a stored response is judged by, and that must not reach an origin whose whole answer is wanted.
pub(crate) const CONDITIONS: [HeaderName; 6] = [
    RANGE,
    IF_RANGE,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    http::header::IF_MATCH,
    http::header::IF_UNMODIFIED_SINCE,
];

/// What part of a response is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    Whole,
    /// It is what the client has.
    Unchanged,
    Bytes(Range<u64>),
    /// The range is outside.
    Outside,
}

/// Answers with a stored response.
pub(crate) fn respond(
    cache: &Cache,
    stored: &Stored,
    method: &Method,
    request: &HeaderMap,
    status: &'static str,
) -> Response<Body> {
    let entry = &stored.entry;
    let length = stored.body.len();
    let part =
        if entry.status == StatusCode::OK { part(request, &entry.headers, length) } else { Part::Whole };
    let mut response = Response::new(empty());
    *response.status_mut() = entry.status;
    *response.headers_mut() = entry.headers.clone();
    let headers = response.headers_mut();
    headers.insert(CACHE_STATUS, HeaderValue::from_static(status));
    headers.insert(AGE, entry.age_at(cache.now()).into());
    let range = match part {
        Part::Whole => 0..length,
        Part::Bytes(range) => {
            let text = format!("bytes {}-{}/{length}", range.start, range.end - 1);
            set(headers, CONTENT_RANGE, &text);
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            range
        }
        Part::Unchanged => {
            headers.remove(CONTENT_LENGTH);
            headers.remove(CONTENT_TYPE);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        Part::Outside => {
            set(headers, CONTENT_RANGE, &format!("bytes */{length}"));
            headers.insert(CONTENT_LENGTH, 0.into());
            *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
            return response;
        }
    };
    let headers = response.headers_mut();
    let has_body = entry.status != StatusCode::NO_CONTENT;
    if has_body {
        headers.insert(CONTENT_LENGTH, (range.end - range.start).into());
    }
    if entry.status == StatusCode::OK {
        headers.entry(ACCEPT_RANGES).or_insert(HeaderValue::from_static("bytes"));
    }
    if method != Method::HEAD && has_body {
        *response.body_mut() = body(cache.files(), &stored.body, range.start, range.end);
    }
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    if let Ok(value) = HeaderValue::from_str(text) {
        headers.insert(name, value);
    }
}

fn part(request: &HeaderMap, stored: &HeaderMap, length: u64) -> Part {
    if is_unchanged(request, stored) {
        return Part::Unchanged;
    }
    let Some(asked) = text(request, &RANGE).filter(|_| range_holds(request, stored)) else {
        return Part::Whole;
    };
    // What is no range, or several, may be answered with everything (RFC 9110 section 14.2).
    let Ok(parsed) = parse_range_header(asked) else { return Part::Whole };
    let [one] = parsed.ranges.as_slice() else { return Part::Whole };
    let start = match one.start {
        StartPosition::Index(start) => start,
        StartPosition::FromLast(last) => length.saturating_sub(last),
    };
    let end = match one.end {
        EndPosition::Index(last) if last < start => return Part::Whole,
        EndPosition::Index(last) => last.saturating_add(1).min(length),
        EndPosition::LastByte => length,
    };
    if start < end { Part::Bytes(start..end) } else { Part::Outside }
}

fn is_unchanged(request: &HeaderMap, stored: &HeaderMap) -> bool {
    if request.contains_key(IF_NONE_MATCH) {
        let Some(etag) = text(stored, &ETAG) else { return false };
        let mut asked = request.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        return asked
            .any(|value| value.split(',').map(str::trim).any(|one| one == "*" || weak(one) == weak(etag)));
    }
    let date = |headers, name| text(headers, name).and_then(|text| httpdate::parse_http_date(text).ok());
    match (date(request, &IF_MODIFIED_SINCE), date(stored, &LAST_MODIFIED)) {
        (Some(since), Some(modified)) => modified <= since,
        _ => false,
    }
}

/// `If-Range`: the range is meant for this very response.
fn range_holds(request: &HeaderMap, stored: &HeaderMap) -> bool {
    let Some(condition) = text(request, &IF_RANGE) else { return true };
    if condition.contains('"') {
        return !condition.starts_with("W/") && text(stored, &ETAG) == Some(condition);
    }
    text(stored, &LAST_MODIFIED) == Some(condition)
}

fn weak(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Stamps `Date` on a response that has none.
pub(crate) fn stamp(headers: &mut HeaderMap, now: std::time::SystemTime) {
    if !headers.contains_key(DATE) {
        set(headers, DATE, &httpdate::fmt_http_date(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_range_is_cut_out() {
        for (range, expected) in [
            ("bytes=0-4", Part::Bytes(0..5)),
            ("bytes=2-", Part::Bytes(2..10)),
            ("bytes=-3", Part::Bytes(7..10)),
            ("bytes=-30", Part::Bytes(0..10)),
            ("bytes=5-500", Part::Bytes(5..10)),
            ("bytes=9-9", Part::Bytes(9..10)),
            ("bytes=10-", Part::Outside),
            ("bytes=5-2", Part::Whole),
            ("bytes=0-1,4-5", Part::Whole),
            ("lines=0-1", Part::Whole),
            ("bytes=x", Part::Whole),
        ] {
            assert_eq!(part(&headers(&[("range", range)]), &HeaderMap::new(), 10), expected, "{range}");
        }
        assert_eq!(part(&headers(&[("range", "bytes=0-")]), &HeaderMap::new(), 0), Part::Outside);
        assert_eq!(
            part(&headers(&[("range", "bytes=0-")]), &HeaderMap::new(), u64::MAX),
            Part::Bytes(0..u64::MAX)
        );
    }

    #[test]
    fn conditions_are_asked_in_their_order() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        let later = "Mon, 07 Nov 1994 08:49:37 GMT";
        let stored = headers(&[("etag", "\"a\""), ("last-modified", date)]);
        let whole_or = |request: &[(&'static str, &str)]| part(&headers(request), &stored, 10);
        for (request, expected) in [
            (vec![("if-none-match", "\"a\"")], Part::Unchanged),
            (vec![("if-none-match", "\"x\", W/\"a\"")], Part::Unchanged),
            (vec![("if-none-match", "*")], Part::Unchanged),
            (vec![("if-none-match", "\"b\"")], Part::Whole),
            (vec![("if-none-match", "\"b\""), ("if-modified-since", later)], Part::Whole),
            (vec![("if-modified-since", date)], Part::Unchanged),
            (vec![("if-modified-since", "Sat, 05 Nov 1994 08:49:37 GMT")], Part::Whole),
            (vec![("if-modified-since", "soon")], Part::Whole),
            (vec![("range", "bytes=0-1"), ("if-none-match", "\"a\"")], Part::Unchanged),
            (vec![("range", "bytes=0-1"), ("if-range", "\"a\"")], Part::Bytes(0..2)),
            (vec![("range", "bytes=0-1"), ("if-range", "\"b\"")], Part::Whole),
            (vec![("range", "bytes=0-1"), ("if-range", date)], Part::Bytes(0..2)),
            (vec![("range", "bytes=0-1"), ("if-range", later)], Part::Whole),
        ] {
            assert_eq!(whole_or(&request), expected, "{request:?}");
        }
    }
}
