//! Cloudflare's route patterns: `[scheme://]host/path`, with `*` at the host's start and at the end.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Hostname;

/// Why a pattern was refused; fit for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A query or a fragment.
    #[error("route pattern {0:?} must not contain a query string or a fragment")]
    Query(String),
    /// A scheme that is not http or https.
    #[error("route pattern {0:?} must begin with a host, http:// or https://")]
    Scheme(String),
    /// A wildcard inside the host.
    #[error("route pattern {0:?}: a wildcard in the host may stand at its beginning only")]
    HostWildcard(String),
    /// A wildcard inside the path.
    #[error("route pattern {0:?}: a wildcard in the path may stand at its end only")]
    PathWildcard(String),
    /// Not a host.
    #[error("route pattern {0:?} has no valid host")]
    Host(String),
}

/// A parsed pattern. `*.example.com` matches subdomains only, `*example.com` the apex too and whatever ends so, as
/// on Cloudflare, where a route sees the hosts of its zone only
/// ([`PublishedRoute::zone`](crate::PublishedRoute::zone)). A pattern without a scheme matches both.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoutePattern {
    text: String,
    https: Option<bool>,
    host_wildcard: bool,
    host: String,
    path: String,
    path_wildcard: bool,
}

impl RoutePattern {
    /// The pattern as it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host without its wildcard: `example.com` for `*.example.com/*`, empty for `*/*`.
    pub fn host_suffix(&self) -> &str {
        self.host.strip_prefix('.').unwrap_or(&self.host)
    }

    /// Whether the host has no wildcard: such patterns can be looked up by host.
    pub fn exact_host(&self) -> Option<&str> {
        (!self.host_wildcard).then_some(self.host.as_str())
    }

    /// One spelling of all patterns that match the same requests: two patterns clash when theirs are equal.
    pub fn canonical(&self) -> String {
        let scheme = match self.https {
            None => "",
            Some(false) => "http://",
            Some(true) => "https://",
        };
        let star = |wildcard: bool| if wildcard { "*" } else { "" };
        let (host, path) = (&self.host, &self.path);
        format!("{scheme}{}{host}{path}{}", star(self.host_wildcard), star(self.path_wildcard))
    }

    /// Whether a request matches. `host` is lower case without port, `path` begins with `/` and has no query.
    pub fn matches(&self, https: bool, host: &str, path: &str) -> bool {
        let scheme = self.https.is_none_or(|wanted| wanted == https);
        let host_matches = if self.host_wildcard { host.ends_with(&self.host) } else { host == self.host };
        let path_matches = if self.path_wildcard { path.starts_with(&self.path) } else { path == self.path };
        scheme && host_matches && path_matches
    }

    /// The more specific of two patterns that match one request is *greater*: an exact host before a wildcard, the
    /// longer host, then the longer path, an exact path before a wildcard, a scheme before none.
    pub fn specificity(&self, other: &Self) -> Ordering {
        let rank =
            |p: &Self| (!p.host_wildcard, p.host.len(), p.path.len(), !p.path_wildcard, p.https.is_some());
        rank(self).cmp(&rank(other))
    }
}

impl FromStr for RoutePattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let owned = || text.to_owned();
        if text.contains(['?', '#']) {
            return Err(PatternError::Query(owned()));
        }
        let (https, rest) = match text.split_once("://") {
            None => (None, text),
            Some(("http", rest)) => (Some(false), rest),
            Some(("https", rest)) => (Some(true), rest),
            Some(("*", rest)) => (None, rest),
            Some(_) => return Err(PatternError::Scheme(owned())),
        };
        let (host, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
        let (host_wildcard, bare) = host.strip_prefix('*').map_or((false, host), |bare| (true, bare));
        if bare.contains('*') {
            return Err(PatternError::HostWildcard(owned()));
        }
        let (dot, name) = bare.strip_prefix('.').map_or(("", bare), |name| (".", name));
        let host = match (name, host_wildcard) {
            ("", true) if dot.is_empty() => String::new(),
            _ => {
                let canonical = name.parse::<Hostname>().map_err(|_| PatternError::Host(owned()))?;
                if !host_wildcard && !dot.is_empty() {
                    return Err(PatternError::Host(owned()));
                }
                format!("{dot}{canonical}")
            }
        };
        let (path, path_wildcard) = path.strip_suffix('*').map_or((path, false), |path| (path, true));
        if path.contains('*') {
            return Err(PatternError::PathWildcard(owned()));
        }
        Ok(Self { text: owned(), https, host_wildcard, host, path: path.to_owned(), path_wildcard })
    }
}

impl TryFrom<String> for RoutePattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        text.parse()
    }
}

impl From<RoutePattern> for String {
    fn from(pattern: RoutePattern) -> String {
        pattern.text
    }
}

impl fmt::Display for RoutePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> RoutePattern {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn matching_follows_cloudflares_table() {
        for (text, host, path, expected) in [
            ("example.com/*", "example.com", "/", true),
            ("example.com/*", "example.com", "/a/b", true),
            ("example.com/*", "www.example.com", "/", false),
            ("*.example.com/*", "www.example.com", "/", true),
            ("*.example.com/*", "example.com", "/", false),
            ("*example.com/*", "example.com", "/", true),
            ("*example.com/*", "notexample.com", "/", true),
            ("example.com/a", "example.com", "/a", true),
            ("example.com/a", "example.com", "/a/", false),
            ("example.com/a*", "example.com", "/abc", true),
            ("example.com", "example.com", "/", true),
            ("example.com", "example.com", "/a", false),
            ("*/*", "anything.test", "/x", true),
            ("EXAMPLE.com/A*", "example.com", "/Abc", true),
            ("EXAMPLE.com/A*", "example.com", "/abc", false),
        ] {
            assert_eq!(pattern(text).matches(false, host, path), expected, "{text} {host}{path}");
        }
        assert!(pattern("https://example.com/*").matches(true, "example.com", "/"));
        assert!(!pattern("https://example.com/*").matches(false, "example.com", "/"));
    }

    #[test]
    fn equal_patterns_have_one_canonical_spelling() {
        for (text, canonical) in [
            ("EXAMPLE.com/A*", "example.com/A*"),
            ("*://*.Example.com/*", "*.example.com/*"),
            ("https://example.com", "https://example.com/"),
            ("http://*/x", "http://*/x"),
        ] {
            assert_eq!(pattern(text).canonical(), canonical);
            assert_eq!(pattern(canonical).canonical(), canonical);
        }
    }

    #[test]
    fn what_cloudflare_refuses_is_refused() {
        for bad in [
            "",
            "/",
            "a.*.com/*",
            "example.com/*/a",
            "example.com/a?b=1",
            "ftp://example.com/*",
            "exa mple.com/*",
            ".example.com/*",
            "**example.com/*",
        ] {
            assert!(bad.parse::<RoutePattern>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_most_specific_pattern_is_the_greatest() {
        let order = [
            "*/*",
            "*.example.com/*",
            "*.example.com/images/*",
            "www.example.com/*",
            "www.example.com/images/*",
            "www.example.com/images/cat",
        ];
        for pair in order.windows(2) {
            assert_eq!(pattern(pair[0]).specificity(&pattern(pair[1])), Ordering::Less, "{pair:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_keeps_the_text(text in ".{0,60}") {
            if let Ok(parsed) = text.parse::<RoutePattern>() {
                prop_assert_eq!(parsed.as_str(), text);
            }
        }
    }
}
