//! The addresses that rules are written with: a path, or `https://` with a host.

use url::Url;

/// What an address may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What a `_redirects` rule is for: a path alone.
    From,
    /// Where such a rule leads: with query and fragment.
    To,
    /// What a `_headers` rule is for.
    Headers,
}

/// An address as requests' are written, or why it cannot be one.
pub(super) fn normalize(token: &str, kind: Kind) -> Result<String, String> {
    if let Some((host, path)) = split_host(token) {
        if kind == Kind::From {
            return Err(format!("Only relative URLs are allowed. Skipping absolute URL {token}."));
        }
        let port = host.rsplit_once(':').map(|(_, port)| port);
        let has_port = port.is_some_and(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
        if kind == Kind::Headers && has_port {
            return Err(format!("Specifying ports is not supported. Skipping absolute URL {token}."));
        }
        let path = pathname(path, kind).ok_or_else(|| unreadable(token))?;
        return Ok(format!("https://{host}{path}"));
    }
    match (token.starts_with('/'), kind) {
        (true, _) | (false, Kind::From) => pathname(token, kind).ok_or_else(|| unreadable(token)),
        (false, _) => Err(
            "URLs should either be relative (e.g. begin with a forward-slash), or use HTTPS (e.g. begin with \"https://\")."
                .to_owned(),
        ),
    }
}

fn unreadable(token: &str) -> String {
    format!("Error parsing URL segment {token}. Skipping.")
}

/// Host and path of an address that has a host.
pub(super) fn split_host(token: &str) -> Option<(&str, &str)> {
    let rest = token.strip_prefix("https://")?.trim_start_matches('/');
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    (!host.is_empty()).then_some((host, path))
}

/// Dot segments are resolved, and what a URL must not hold is encoded: as a request's path is read.
fn pathname(path: &str, kind: Kind) -> Option<String> {
    let slash = if path.starts_with('/') { "" } else { "/" };
    // No special scheme: of those, backslashes would be slashes.
    let url = Url::parse(&format!("relative://{slash}{path}")).ok()?;
    let mut text = url.path().to_owned();
    if kind == Kind::To {
        if let Some(query) = url.query() {
            text = text + "?" + query;
        }
        if let Some(fragment) = url.fragment() {
            text = text + "#" + fragment;
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_one_way() {
        for (token, kind, expected) in [
            ("/a/../b", Kind::From, "/b"),
            ("a", Kind::From, "/a"),
            ("/ü/:id/*?x#y", Kind::From, "/%C3%BC/:id/*"),
            ("/a?x=1#y", Kind::To, "/a?x=1#y"),
            ("//other.test/x", Kind::To, "//other.test/x"),
            ("https://other.test:8080", Kind::To, "https://other.test:8080/"),
            ("https://:name.test/*", Kind::Headers, "https://:name.test/*"),
        ] {
            assert_eq!(normalize(token, kind).as_deref(), Ok(expected), "{token}");
        }
        for (token, kind) in [
            ("https://other.test/x", Kind::From),
            ("http://other.test/x", Kind::To),
            ("x", Kind::To),
            ("https://other.test:80/x", Kind::Headers),
        ] {
            assert!(normalize(token, kind).is_err(), "{token}");
        }
    }
}
