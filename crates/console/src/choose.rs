//! Which of a file's codings a client gets.

use http::{HeaderMap, header};

/// How a file is compressed beside itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Brotli,
    Gzip,
    Identity,
}

impl Coding {
    /// What its name in the folder ends in.
    pub(crate) fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
            Self::Identity => "",
        }
    }

    /// `Content-Encoding`.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Brotli => Some("br"),
            Self::Gzip => Some("gzip"),
            Self::Identity => None,
        }
    }
}

/// The compressed codings that a client takes, the smaller one first. RFC 9110 12.5.3; weights other than 0 say nothing
/// that matters where every file is at hand.
pub(crate) fn codings(headers: &HeaderMap) -> Vec<Coding> {
    let taken: Vec<&str> = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|entry| {
            let (name, weight) = entry.split_once(';').unwrap_or((entry, ""));
            let refused = weight
                .trim()
                .strip_prefix("q=")
                .is_some_and(|weight| weight.trim().parse::<f32>().is_ok_and(|weight| weight <= 0.0));
            (!refused).then_some(name.trim())
        })
        .collect();
    [Coding::Brotli, Coding::Gzip]
        .into_iter()
        .filter(|coding| {
            taken.iter().any(|name| coding.name().is_some_and(|coding| name.eq_ignore_ascii_case(coding)))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(accepted: &str) -> Vec<Coding> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, accepted.parse().unwrap());
        codings(&headers)
    }

    #[test]
    fn a_client_gets_what_it_takes() {
        assert_eq!(of("gzip, deflate, br, zstd"), [Coding::Brotli, Coding::Gzip]);
        assert_eq!(of("gzip, deflate"), [Coding::Gzip]);
        assert_eq!(of("br;q=0, gzip;q=0.5"), [Coding::Gzip]);
        assert_eq!(of("GZIP"), [Coding::Gzip]);
        assert_eq!(of("identity"), []);
        assert_eq!(codings(&HeaderMap::new()), []);
    }
}
