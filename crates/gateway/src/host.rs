//! The host a request asks for, as it is compared.

use std::borrow::Cow;
use std::net::IpAddr;

/// A host from a `Host` header or `:authority`, in lower case, without port and trailing dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName<'a>(Cow<'a, str>);

impl<'a> HostName<'a> {
    /// Reads an authority. None: it is no host with an optional port.
    pub fn parse(authority: &'a str) -> Option<Self> {
        let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, port)) => {
                address.parse::<std::net::Ipv6Addr>().ok()?;
                (&authority[..address.len() + 2], port)
            }
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port_is_number = match port.strip_prefix(':') {
            Some(digits) => digits.is_empty() || digits.parse::<u16>().is_ok(),
            None => port.is_empty(),
        };
        let host = host.strip_suffix('.').unwrap_or(host);
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let named = host.starts_with('[') || host.bytes().all(legal);
        if !port_is_number || !named || host.is_empty() || host.len() > 253 {
            return None;
        }
        Some(Self(Self::fold(host)))
    }

    /// Lower case; allocates only where something changes.
    pub(crate) fn fold(text: &str) -> Cow<'_, str> {
        if text.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(text.to_ascii_lowercase())
        } else {
            Cow::Borrowed(text)
        }
    }

    /// The host; an IPv6 address stands in brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host behind the first label.
    pub(crate) fn without_label(self) -> Self {
        let from = self.0.find('.').map_or(0, |dot| dot + 1);
        Self(match self.0 {
            Cow::Borrowed(text) => Cow::Borrowed(&text[from..]),
            Cow::Owned(text) => Cow::Owned(text[from..].to_owned()),
        })
    }

    /// The address, if the host is one.
    pub fn ip(&self) -> Option<IpAddr> {
        let text = self.0.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&self.0);
        text.parse().ok()
    }

    /// Whether it names this machine for whoever asks: `localhost` or a loopback address.
    pub fn is_local(&self) -> bool {
        *self.0 == *"localhost" || self.ip().is_some_and(|ip| ip.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read_with_and_without_port() {
        for (given, expected) in [
            ("Hello.Example.com:8787", Some("hello.example.com")),
            ("a.localhost.", Some("a.localhost")),
            ("a.localhost.:80", Some("a.localhost")),
            ("a:", Some("a")),
            ("[::1]:80", Some("[::1]")),
            ("[::1]", Some("[::1]")),
            ("", None),
            (".", None),
            (":80", None),
            ("a b", None),
            ("a/b", None),
            ("u@a", None),
            ("a:b", None),
            ("a:99999", None),
            ("a:1:2", None),
            ("[::1", None),
            ("[evil]", None),
            ("[::1]x", None),
        ] {
            assert_eq!(HostName::parse(given).as_ref().map(HostName::as_str), expected, "{given:?}");
        }
    }

    #[test]
    fn only_this_machine_is_local() {
        for (host, local) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("[::1]:1", true),
            ("hello.localhost", false),
            ("localhost.evil.test", false),
            ("127.0.0.1.nip.io", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(HostName::parse(host).unwrap().is_local(), local, "{host}");
        }
    }
}
