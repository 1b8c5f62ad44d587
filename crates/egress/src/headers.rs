//! What may pass in each direction.

use http::header::{
    CONNECTION, EXPECT, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE,
};

/// How many workers a chain of calls has passed, as Cloudflare names it; for calls inside the installation only.
pub(crate) const HOPS: HeaderName = HeaderName::from_static("cf-ew-via");

const INTERNAL_PREFIX: &str = "x-hearth-";

/// The JSON of a request's `cf`, as workerd is configured to send it.
pub(crate) const CF: HeaderName = HeaderName::from_static("x-hearth-cf");

/// Headers of one connection (RFC 9110 section 7.6.1, and the older ones that are still seen). `Expect` is among them
/// because this proxy answers it itself.
const HOP_BY_HOP: [HeaderName; 10] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    EXPECT,
];

/// Whether the message asks for, or grants, a WebSocket.
pub(crate) fn is_websocket(headers: &HeaderMap) -> bool {
    headers.get(UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Removes what belongs to one connection and what belongs to Hearth, keeping a WebSocket's upgrade.
pub(crate) fn scrub(headers: &mut HeaderMap) {
    let websocket = is_websocket(headers);
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&HOP_BY_HOP) {
        headers.remove(name);
    }
    let internal: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(INTERNAL_PREFIX)).cloned().collect();
    for name in internal {
        headers.remove(name);
    }
    if websocket {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
}

/// How many workers the chain has passed so far. What is not a number counts as none: the in-flight cap ends such a
/// loop.
pub(crate) fn hops(headers: &HeaderMap) -> u32 {
    headers.get(HOPS).and_then(|value| value.to_str().ok()).and_then(|value| value.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn removes_what_belongs_to_the_connection_and_to_hearth() {
        let mut headers = map(&[
            ("connection", "x-mine, keep-alive"),
            ("x-mine", "1"),
            ("keep-alive", "5"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("expect", "100-continue"),
            ("proxy-authorization", "Basic x"),
            ("upgrade", "h2c"),
            ("x-hearth-cf", "{}"),
            ("x-hearth-binding", "kv:1"),
            ("accept", "*/*"),
        ]);
        scrub(&mut headers);
        assert_eq!(headers, map(&[("accept", "*/*")]));
    }

    #[test]
    fn keeps_a_websockets_upgrade_and_nothing_else_of_the_connection() {
        let mut headers =
            map(&[("connection", "keep-alive, Upgrade, x-a"), ("upgrade", "WebSocket"), ("x-a", "1")]);
        scrub(&mut headers);
        assert_eq!(headers, map(&[("connection", "Upgrade"), ("upgrade", "websocket")]));
    }

    #[test]
    fn a_hop_count_that_is_no_number_is_none() {
        assert_eq!(hops(&map(&[("cf-ew-via", "7")])), 7);
        assert_eq!(hops(&map(&[("cf-ew-via", "x")])), 0);
        assert_eq!(hops(&HeaderMap::new()), 0);
    }
}
