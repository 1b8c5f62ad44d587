//! Host names as requests and configurations carry them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The cookies of the control host by which a browser is signed in there, over TLS and without it. No worker's code sees or
/// sets them, also where it answers on that host. The prefix keeps other hosts from setting one (RFC 6265bis, 4.1.3.2).
pub const SESSION_COOKIES: [&str; 2] = ["__Host-hearth_session", "hearth_session"];

/// Why a host name was refused; fit for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a host name")]
pub struct HostError(String);

/// A host name in lower-case ASCII (IDNA applied), without port and trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hostname(String);

impl Hostname {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands before this name and its dot in a host below it: `a.b` for `a.b.example.com` and `example.com`.
    pub fn below<'a>(&self, host: &'a str) -> Option<&'a str> {
        host.strip_suffix(self.as_str())?.strip_suffix('.').filter(|rest| !rest.is_empty())
    }

    /// Whether a host (in lower case) is this one or below it.
    pub fn encloses(&self, host: &str) -> bool {
        host == self.as_str() || self.below(host).is_some()
    }

    /// The name and its parents, from the longest: `a.b.c`, `b.c`, `c`.
    pub fn suffixes(&self) -> impl Iterator<Item = &str> {
        let mut rest = Some(self.0.as_str());
        std::iter::from_fn(move || {
            let current = rest?;
            rest = current.split_once('.').map(|(_, parent)| parent);
            Some(current)
        })
    }
}

impl FromStr for Hostname {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let refuse = || HostError(text.chars().take(255).collect());
        let trimmed = text.strip_suffix('.').unwrap_or(text);
        let ascii = match url::Host::parse(trimmed) {
            Ok(url::Host::Domain(domain)) => domain,
            Ok(other) => other.to_string(),
            Err(_) => return Err(refuse()),
        };
        if ascii.is_empty() || ascii.len() > 253 || ascii.split('.').any(str::is_empty) {
            return Err(refuse());
        }
        Ok(Self(ascii))
    }
}

impl TryFrom<String> for Hostname {
    type Error = HostError;

    fn try_from(text: String) -> Result<Self, HostError> {
        text.parse()
    }
}

impl From<Hostname> for String {
    fn from(host: Hostname) -> String {
        host.0
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_have_one_spelling() {
        for (given, canonical) in [
            ("Example.COM.", "example.com"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("2130706433", "127.0.0.1"),
        ] {
            assert_eq!(given.parse::<Hostname>().unwrap().as_str(), canonical);
        }
        for bad in ["", ".", "a..b", "a b", "a/b", "a:80", "[::1"] {
            assert!(bad.parse::<Hostname>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_host_is_below_another_at_a_dot_only() {
        let host: Hostname = "example.com".parse().unwrap();
        for (other, below) in [
            ("a.b.example.com", Some("a.b")),
            ("example.com", None),
            (".example.com", None),
            ("notexample.com", None),
            ("com", None),
        ] {
            assert_eq!(host.below(other), below, "{other}");
            assert_eq!(host.encloses(other), below.is_some() || other == "example.com", "{other}");
        }
    }

    #[test]
    fn suffixes_walk_up_the_labels() {
        let host: Hostname = "a.b.c".parse().unwrap();
        assert_eq!(host.suffixes().collect::<Vec<_>>(), ["a.b.c", "b.c", "c"]);
    }
}
