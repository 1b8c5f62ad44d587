//! Conditions of requests, from what S3 clients send to what the store takes.

use hearth_r2::store::{Conditional, EtagMatch, R2Error};
use http::{HeaderMap, HeaderName};
use jiff::{SignedDuration, Timestamp};
use s3s::dto::{self, ETag, ETagCondition};

use crate::convert;

/// The four conditions of HTTP.
#[derive(Default)]
pub(crate) struct Given<'a> {
    pub(crate) if_match: Option<&'a ETagCondition>,
    pub(crate) if_none_match: Option<&'a ETagCondition>,
    pub(crate) if_modified_since: Option<&'a dto::Timestamp>,
    pub(crate) if_unmodified_since: Option<&'a dto::Timestamp>,
}

impl Given<'_> {
    /// As the store takes them.
    pub(crate) fn conditional(&self) -> Conditional {
        Conditional {
            etag_matches: self.if_match.map(etag).into_iter().collect(),
            etag_does_not_match: self.if_none_match.map(etag).into_iter().collect(),
            uploaded_before: self.if_unmodified_since.map(convert::time).map(until),
            uploaded_after: self.if_modified_since.map(convert::time),
            seconds_granularity: true,
        }
    }
}

/// HTTP counts the very second of `If-Unmodified-Since` as unmodified (RFC 9110, 13.1.4), the store does not.
fn until(time: Timestamp) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(1)).unwrap_or(time)
}

fn etag(condition: &ETagCondition) -> EtagMatch {
    match condition {
        ETagCondition::Any => EtagMatch::Any,
        ETagCondition::ETag(ETag::Strong(value)) => EtagMatch::Strong(value.clone()),
        ETagCondition::ETag(ETag::Weak(value)) => EtagMatch::Weak(value.clone()),
    }
}

/// The conditions in headers that begin with `prefix`: `cf-copy-destination-` for what is at a copy's destination
/// (<https://developers.cloudflare.com/r2/api/s3/extensions/>), nothing for HTTP's own.
///
/// # Errors
/// An argument that cannot be read: a condition is never left out silently.
pub(crate) fn from_headers(headers: &HeaderMap, prefix: &str) -> Result<Conditional, R2Error> {
    let text = |name: &str| {
        let name = HeaderName::try_from(format!("{prefix}{name}")).ok()?;
        Some((headers.get(&name)?.to_str().unwrap_or_default().to_owned(), name))
    };
    let invalid =
        |name: &HeaderName| R2Error::InvalidArgument(format!("Value for {name} header is invalid."));
    let etags = |name: &str| match text(name) {
        None => Ok::<_, R2Error>(Vec::new()),
        Some((value, name)) => {
            let condition = ETagCondition::parse_http_header(value.as_bytes()).map_err(|_| invalid(&name))?;
            Ok(vec![etag(&condition)])
        }
    };
    let time = |name: &str| match text(name) {
        None => Ok::<_, R2Error>(None),
        Some((value, name)) => {
            let parsed: Timestamp = convert::parse_http_date(&value).ok_or_else(|| invalid(&name))?;
            Ok(Some(parsed))
        }
    };
    Ok(Conditional {
        etag_matches: etags("if-match")?,
        etag_does_not_match: etags("if-none-match")?,
        uploaded_before: time("if-unmodified-since")?.map(until),
        uploaded_after: time("if-modified-since")?,
        seconds_granularity: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_r2::store::Verdict;

    #[test]
    fn an_object_is_unmodified_since_its_own_second() {
        let uploaded = Timestamp::from_millisecond(1_763_683_200_900).unwrap();
        let verdict = |name: &'static str, seconds: i64| {
            let date = convert::http_date(Timestamp::from_second(1_763_683_200 + seconds).unwrap());
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), date.parse().unwrap())]);
            from_headers(&headers, "").unwrap().verdict(Some(("e", uploaded)))
        };
        assert_eq!(verdict("if-unmodified-since", 0), Verdict::Holds);
        assert_eq!(verdict("if-unmodified-since", -1), Verdict::Failed);
        assert_eq!(verdict("if-modified-since", 0), Verdict::NotModified);
        assert_eq!(verdict("if-modified-since", -1), Verdict::Holds);
    }

    #[test]
    fn a_condition_that_cannot_be_read_is_no_absent_one() {
        for (name, value) in [("if-match", "\"a"), ("if-none-match", ""), ("if-modified-since", "soon")] {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())]);
            assert!(from_headers(&headers, "").is_err(), "{name}: {value}");
        }
        let headers =
            HeaderMap::from_iter([(HeaderName::from_static("if-none-match"), "*".parse().unwrap())]);
        assert_eq!(from_headers(&headers, "").unwrap().etag_does_not_match, [EtagMatch::Any]);
        assert!(from_headers(&headers, "cf-copy-destination-").unwrap().is_empty());
    }
}
