//! Headers that are not stored.

use http::header::{
    AGE, CONNECTION, HeaderMap, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};

use crate::respond::CACHE_STATUS;

/// Those of one connection (RFC 9110 section 7.6.1), and those that the cache itself sets.
const NOT_STORED: [HeaderName; 11] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    AGE,
    CACHE_STATUS,
];

/// What a 304 does not say anything new about (RFC 9111 section 3.2).
const OF_THE_BODY: [HeaderName; 4] = [
    http::header::CONTENT_LENGTH,
    http::header::CONTENT_ENCODING,
    http::header::CONTENT_TYPE,
    http::header::CONTENT_RANGE,
];

/// Removes them.
pub(crate) fn strip(headers: &mut HeaderMap) {
    for name in &NOT_STORED {
        headers.remove(name);
    }
}

/// The headers of a stored response after a 304.
pub(crate) fn merge(stored: &HeaderMap, fresh: &HeaderMap) -> HeaderMap {
    let mut merged = stored.clone();
    for name in fresh.keys().filter(|name| !OF_THE_BODY.contains(name)) {
        merged.remove(name);
        for value in fresh.get_all(name) {
            merged.append(name.clone(), value.clone());
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_304_replaces_what_it_says_and_leaves_the_bodys() {
        let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            pairs
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
                .collect()
        };
        let stored =
            headers(&[("etag", "a"), ("content-length", "9"), ("cache-control", "max-age=1"), ("x-a", "1")]);
        let fresh =
            headers(&[("etag", "a"), ("content-length", "0"), ("cache-control", "max-age=2"), ("x-b", "2")]);
        let expected = headers(&[
            ("etag", "a"),
            ("content-length", "9"),
            ("cache-control", "max-age=2"),
            ("x-a", "1"),
            ("x-b", "2"),
        ]);
        assert_eq!(merge(&stored, &fresh), expected);
    }
}
