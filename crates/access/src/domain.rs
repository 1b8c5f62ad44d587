//! What an application stands before: a host, with a path below which it does (Cloudflare's documentation, "Application
//! paths"). Pure.

use std::cmp::Ordering;

use hearth_model::Hostname;

/// A host and a path, each of which may have `*` in a label or a segment for any characters in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Domain {
    /// The host in lower case.
    pub host: String,
    /// The path's segments in lower case.
    pub path: Vec<String>,
    text: String,
}

impl Domain {
    /// Reads `host/path`.
    ///
    /// # Errors
    /// Why it cannot be one, for the caller.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bad = |why: &str| Err(format!("the domain {text:?} {why}"));
        if text.contains("://") || text.contains(['?', '#', '%', '\\', '@', ':']) || text.len() > 1000 {
            return bad("is to be a host with a path, without scheme, port, query or escapes");
        }
        let (host, path) = text.split_once('/').unwrap_or((text, ""));
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        // A wildcard stands for characters of a host, so with some in its place it is one.
        if host.replace('*', "x").parse::<Hostname>().is_err() {
            return bad("has no valid host");
        }
        if host.split('.').skip(1).any(|label| label.contains('*')) || host == "*" {
            return bad("may have * in the first label of its host, beside others");
        }
        let path: Vec<String> =
            path.split('/').filter(|segment| !segment.is_empty()).map(str::to_lowercase).collect();
        if path.iter().any(|segment| segment == "." || segment == "..") {
            return bad("has a path that is not resolved");
        }
        let text = [&[host.clone()][..], &path[..]].concat().join("/");
        Ok(Self { host, path, text })
    }

    /// As it is shown.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn has_wildcard_host(&self) -> bool {
        self.host.contains('*')
    }

    /// Whether a host is one that it names. It covers a label, not what is below it.
    pub(crate) fn names(&self, host: &str) -> bool {
        let (Some((pattern, behind)), Some((label, rest))) =
            (self.host.split_once('.'), host.split_once('.'))
        else {
            return self.host == host;
        };
        behind == rest && fits(pattern, label)
    }

    /// Whether it is at the control host, which is always called `localhost` too.
    pub(crate) fn is_at(&self, control: &[Hostname]) -> bool {
        self.host == "localhost" || control.iter().any(|host| host.as_str() == self.host)
    }

    /// Whether a reading of a path lies in it.
    pub(crate) fn encloses(&self, reading: &[String]) -> bool {
        reading.len() >= self.path.len()
            && self.path.iter().zip(reading).all(|(pattern, segment)| fits(pattern, segment))
    }

    /// Which of two that enclose the same is meant: the longer path, then the plainer one.
    pub(crate) fn specificity(&self, other: &Self) -> Ordering {
        let rank = |domain: &Self| {
            let wild = domain.path.iter().filter(|segment| segment.contains('*')).count();
            (domain.path.len(), std::cmp::Reverse(wild), !domain.has_wildcard_host(), domain.text.len())
        };
        rank(self).cmp(&rank(other))
    }

    /// The path below which a cookie of the application is sent: as far as it has no wildcard.
    pub(crate) fn plain_path(&self) -> String {
        let plain: Vec<&str> =
            self.path.iter().map(String::as_str).take_while(|segment| !segment.contains('*')).collect();
        format!("/{}", plain.join("/"))
    }
}

/// Whether a text fits a pattern in which `*` stands for any characters.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(start) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let Some(end) = pieces.pop() else { return true };
    for piece in pieces {
        match left.find(piece) {
            Some(at) => left = &left[at + piece.len()..],
            None => return false,
        }
    }
    left.len() >= end.len() && left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::readings;

    fn domain(text: &str) -> Domain {
        Domain::parse(text).unwrap()
    }

    fn covers(text: &str, host: &str, path: &str) -> bool {
        let domain = domain(text);
        domain.names(host) && readings(path).iter().any(|reading| domain.encloses(reading))
    }

    #[test]
    fn it_covers_its_host_and_what_is_below_its_path() {
        for (text, host, path, expected) in [
            ("a.test", "a.test", "/", true),
            ("a.test", "a.test", "/x/y", true),
            ("a.test", "b.a.test", "/", false),
            ("*.a.test", "b.a.test", "/", true),
            ("*.a.test", "a.test", "/", false),
            ("*.a.test", "c.b.a.test", "/", false),
            ("x-*.a.test", "x-y.a.test", "/", true),
            ("x-*.a.test", "y.a.test", "/", false),
            ("a.test/admin", "a.test", "/admin", true),
            ("a.test/admin/", "a.test", "/admin/", true),
            ("a.test/Admin", "a.test", "/aDmIn/x", true),
            ("a.test/admin", "a.test", "/administrator", false),
            ("a.test/adm*", "a.test", "/administrator", true),
            ("a.test/*/admin", "a.test", "/v1/admin", true),
            ("a.test/*/admin", "a.test", "/admin", false),
            ("a.test/admin/*", "a.test", "/admin", false),
            ("localhost", "localhost", "/", true),
        ] {
            assert_eq!(covers(text, host, path), expected, "{text} {host}{path}");
        }
    }

    #[test]
    fn what_is_no_domain_is_refused() {
        for text in [
            "",
            "https://a.test",
            "a.test:80",
            "*",
            "a.*.test",
            "a b",
            "a.test/../x",
            "a.test/%61",
            "a.test?x",
        ] {
            assert!(Domain::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_more_specific_is_meant() {
        let order = ["*.a.test", "b.a.test", "b.a.test/*", "b.a.test/x", "b.a.test/x/y"];
        for pair in order.windows(2) {
            assert_eq!(domain(pair[0]).specificity(&domain(pair[1])), Ordering::Less, "{pair:?}");
        }
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, expected) in [
            ("a*", "a", true),
            ("*", "", true),
            ("a*b*c", "axbxc", true),
            ("a*a", "a", false),
            ("*b", "ab", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }
}
