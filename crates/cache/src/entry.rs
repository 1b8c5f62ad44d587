//! A stored response, but for its body.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::StatusCode;
use http::header::{HeaderMap, HeaderName, VARY};
use serde::{Deserialize, Serialize};

use crate::key::Key;

/// What is known of a stored response.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// Its name.
    pub key: Key,
    /// Its status.
    #[serde(with = "http_serde::status_code")]
    pub status: StatusCode,
    /// Its headers, without those of a connection.
    #[serde(with = "http_serde::header_map")]
    pub headers: HeaderMap,
    /// The request headers that its `Vary` names, as the request had them.
    pub vary: Vary,
    /// `Cache-Tag` and `cf.cacheTags`, in lower case.
    pub tags: Vec<String>,
    /// When it was stored, in milliseconds since 1970.
    pub stored_at: u64,
    /// How old it was then.
    pub age: Duration,
    /// How much longer it was fresh then.
    pub fresh_for: Duration,
    /// Where `fetch` has it from; whoever asks for it must be allowed to go there.
    pub address: Option<SocketAddr>,
}

impl Entry {
    /// Milliseconds since 1970 from which on it is stale.
    pub(crate) fn fresh_until(&self) -> u64 {
        self.stored_at.saturating_add(u64::try_from(self.fresh_for.as_millis()).unwrap_or(u64::MAX))
    }

    /// Its age in seconds, as in `Age`.
    pub(crate) fn age_at(&self, now: u64) -> u64 {
        (Duration::from_millis(now.saturating_sub(self.stored_at)) + self.age).as_secs()
    }
}

/// Milliseconds since 1970.
pub(crate) fn millis(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Request headers that choose among several responses to one URL (RFC 9111 section 4.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vary(Vec<(String, Option<String>)>);

impl Vary {
    /// What a response asks to be compared. `None` for `*`, which nothing equals.
    pub(crate) fn of(response: &HeaderMap, request: &HeaderMap) -> Option<Self> {
        let fields =
            response.get_all(VARY).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        let mut named = Vec::new();
        for field in fields.map(|field| field.trim_ascii()).filter(|field| !field.is_empty()) {
            let name = HeaderName::from_bytes(field).ok().filter(|name| name != "*")?;
            let value = value_of(request, &name);
            named.push((name.as_str().to_owned(), value));
        }
        named.sort();
        named.dedup();
        Some(Self(named))
    }

    /// Whether the response is one for this request.
    pub(crate) fn selects(&self, request: &HeaderMap) -> bool {
        self.0.iter().all(|(name, stored)| {
            HeaderName::from_bytes(name.as_bytes()).is_ok_and(|name| value_of(request, &name) == *stored)
        })
    }

    /// Bytes that it takes in memory, about.
    pub(crate) fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| 64 + name.len() + value.as_ref().map_or(0, String::len)).sum()
    }
}

fn value_of(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
    let first = values.next()?.trim().to_owned();
    Some(values.fold(first, |all, value| format!("{all}, {}", value.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn a_response_is_for_requests_that_are_alike_in_what_it_varies_by() {
        let response = headers(&[("vary", "Accept-Encoding, x-lang")]);
        let vary = Vary::of(&response, &headers(&[("accept-encoding", "gzip"), ("x-other", "1")])).unwrap();
        assert!(vary.selects(&headers(&[("accept-encoding", "gzip")])));
        assert!(vary.selects(&headers(&[("accept-encoding", " gzip"), ("x-other", "2")])));
        assert!(!vary.selects(&headers(&[])));
        assert!(!vary.selects(&headers(&[("accept-encoding", "br")])));
        assert!(!vary.selects(&headers(&[("accept-encoding", "gzip"), ("x-lang", "de")])));
        assert_eq!(
            vary,
            Vary::of(
                &headers(&[("vary", "X-Lang,accept-encoding")]),
                &headers(&[("accept-encoding", "gzip")])
            )
            .unwrap()
        );
    }

    #[test]
    fn a_star_is_never_stored() {
        assert_eq!(Vary::of(&headers(&[("vary", "*")]), &HeaderMap::new()), None);
        assert_eq!(Vary::of(&headers(&[("vary", "accept, *")]), &HeaderMap::new()), None);
        assert!(Vary::of(&headers(&[]), &HeaderMap::new()).unwrap().selects(&headers(&[("a", "b")])));
    }
}
