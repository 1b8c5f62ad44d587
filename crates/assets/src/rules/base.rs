//! `base_path`, and paths in general: what a client's means, and how one is written.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What `encodeURIComponent` leaves as it is.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// The path below which assets lie: `/`, or a path that begins and ends with a slash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BasePath(String);

impl BasePath {
    pub(super) fn read(value: &str) -> Result<Self, String> {
        let has_scheme = value.split_once(':').is_some_and(|(scheme, _)| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'.' | b'-'))
        });
        let refuse = |reason: &str| Err(reason.to_owned());
        match value {
            "" => return refuse("The value must not be empty."),
            _ if value.starts_with("//") || has_scheme => {
                return refuse("The value must be a pathname, not a URL.");
            }
            _ if value.contains('\\') => return refuse("The value must not contain backslashes."),
            _ if value.chars().any(|c| c <= '\u{1f}' || c == '\u{7f}') => {
                return refuse("The value must not contain control characters.");
            }
            _ if value.contains(['?', '#']) => {
                return refuse("The value must not contain query strings or fragments.");
            }
            _ if value.contains('%') => {
                return refuse("The value must not contain percent-encoded sequences.");
            }
            _ => {}
        }
        let mut segments = Vec::new();
        for segment in value.split('/') {
            match segment {
                "" | "." => {}
                ".." => drop(segments.pop()),
                _ => segments.push(segment),
            }
        }
        Ok(Self(if segments.is_empty() { "/".to_owned() } else { format!("/{}/", segments.join("/")) }))
    }

    /// Assets lie at the top.
    pub(super) fn root() -> Self {
        Self("/".to_owned())
    }

    pub(crate) fn is_root(&self) -> bool {
        self.0 == "/"
    }

    /// The base with its last slash.
    pub(crate) fn with_slash(&self) -> &str {
        &self.0
    }

    /// The base without its last slash.
    pub(crate) fn without_slash(&self) -> &str {
        &self.0[..self.0.len() - 1]
    }

    /// A public path as the assets have it; None: it lies elsewhere.
    pub(crate) fn strip<'a>(&self, public: &'a str) -> Option<&'a str> {
        let rest = public.strip_prefix(self.without_slash())?;
        match rest {
            "" => Some("/"),
            _ => rest.starts_with('/').then_some(rest),
        }
    }

    /// An asset's path as the public has it. An empty one is the base without its slash.
    pub(crate) fn add(&self, asset: &str) -> String {
        format!("{}{asset}", self.without_slash())
    }
}

/// A path as files are named: each segment decoded if it can be, and several slashes as one.
pub(crate) fn decode(path: &str) -> String {
    let mut decoded = String::with_capacity(path.len());
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 {
            decoded.push('/');
        }
        match decode_component(segment) {
            Some(text) => decoded.push_str(&text),
            None => decoded.push_str(segment),
        }
    }
    while decoded.contains("//") {
        decoded = decoded.replace("//", "/");
    }
    decoded
}

/// `decodeURIComponent`: None for what it throws at.
fn decode_component(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        if *first == b'%' {
            let pair = tail.get(..2)?;
            let mut byte = [0];
            hex::decode_to_slice(pair, &mut byte).ok()?;
            bytes.push(byte[0]);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

/// A decoded path as a URL has it.
pub(crate) fn encode(path: &str) -> String {
    let segments: Vec<String> =
        path.split('/').map(|segment| utf8_percent_encode(segment, COMPONENT).to_string()).collect();
    segments.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_base_is_a_path_and_nothing_else() {
        for (given, expected) in
            [("/", "/"), ("docs", "/docs/"), ("/docs", "/docs/"), ("/a/./b/../c/", "/a/c/"), ("/..", "/")]
        {
            assert_eq!(BasePath::read(given).unwrap().0, expected, "{given}");
        }
        for given in ["", "//x", "https://x/y", "a\\b", "/a?b", "/a#b", "/a%20b", "/a\nb"] {
            assert!(BasePath::read(given).is_err(), "{given}");
        }
    }

    #[test]
    fn only_what_lies_below_the_base_is_stripped() {
        let base = BasePath::read("/docs").unwrap();
        for (public, asset) in [
            ("/docs", Some("/")),
            ("/docs/", Some("/")),
            ("/docs/a", Some("/a")),
            ("/docsa", None),
            ("/", None),
        ] {
            assert_eq!(base.strip(public), asset, "{public}");
        }
        assert_eq!(
            (base.add("/a"), base.add("/"), base.add("")),
            ("/docs/a".into(), "/docs/".into(), "/docs".into())
        );
        assert_eq!(BasePath::read("/").unwrap().strip("/a"), Some("/a"));
    }

    #[test]
    fn a_segment_that_cannot_be_decoded_stays() {
        for (path, decoded) in [
            ("/a%20b/%C3%BC", "/a b/ü"),
            ("/a%2Fb", "/a/b"),
            ("/%2F%2Fa", "/a"),
            ("//a///b", "/a/b"),
            ("/%zz/%20", "/%zz/ "),
            ("/%C3", "/%C3"),
            ("/%", "/%"),
            ("/%2e%2e/x", "/../x"),
        ] {
            assert_eq!(decode(path), decoded, "{path}");
        }
        assert_eq!(encode("/a b/ü/(x)'!~*"), "/a%20b/%C3%BC/(x)'!~*");
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(path in "(/[^/\\p{Cc}]{0,6}[a-z])+") {
            prop_assert_eq!(decode(&encode(&path)), path);
        }
    }
}
