//! Conditions and ranges: decided from what is asked and what is there, nothing else.

use jiff::Timestamp;

use super::error::{R2Error, Result};
use super::types::{ByteRange, Conditional, EtagMatch, Object, Range, Verdict};

impl Conditional {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        *self == Self { seconds_granularity: self.seconds_granularity, ..Self::default() }
    }

    /// Holds the conditions against what is there.
    ///
    /// `If-Match` outweighs `If-Unmodified-Since`, and `If-None-Match` outweighs `If-Modified-Since` (RFC 9110, 13.2.2,
    /// and what miniflare does). Where nothing is, `If-None-Match` and `If-Unmodified-Since` hold.
    pub fn verdict(&self, present: Option<(&str, Timestamp)>) -> Verdict {
        let Some((etag, uploaded)) = present else {
            let holds = self.etag_matches.is_empty() && self.uploaded_after.is_none();
            return if holds { Verdict::Holds } else { Verdict::Failed };
        };
        let time = |time: Timestamp| {
            if self.seconds_granularity {
                time.as_millisecond().div_euclid(1000)
            } else {
                time.as_millisecond()
            }
        };
        let uploaded = time(uploaded);
        let matches = || self.etag_matches.iter().any(|wanted| wanted.is(etag, false));
        let differs = || !self.etag_does_not_match.iter().any(|unwanted| unwanted.is(etag, true));
        let unchanged = match (self.etag_matches.is_empty(), self.uploaded_before) {
            (false, _) => matches(),
            (true, Some(before)) => uploaded < time(before),
            (true, None) => true,
        };
        let changed = match (self.etag_does_not_match.is_empty(), self.uploaded_after) {
            (false, _) => differs(),
            (true, Some(after)) => time(after) < uploaded,
            (true, None) => true,
        };
        match (unchanged, changed) {
            (true, true) => Verdict::Holds,
            (true, false) => Verdict::NotModified,
            (false, _) => Verdict::Failed,
        }
    }

    /// The verdict as a result; the error carries `object` where the caller is to see it.
    ///
    /// # Errors
    /// [`R2Error::PreconditionFailed`].
    pub(super) fn check(&self, present: Option<&Object>, show: bool) -> Result<()> {
        let verdict = self.verdict(present.map(|object| (object.etag.as_str(), object.uploaded)));
        match verdict {
            Verdict::Holds => Ok(()),
            failed => Err(R2Error::PreconditionFailed {
                object: present.filter(|_| show).cloned().map(Box::new),
                not_modified: failed == Verdict::NotModified,
            }),
        }
    }
}

impl EtagMatch {
    fn is(&self, etag: &str, weakly: bool) -> bool {
        match self {
            Self::Any => true,
            Self::Strong(wanted) => wanted == etag,
            Self::Weak(wanted) => weakly && wanted == etag,
        }
    }
}

impl Range {
    /// The bytes that are meant in a content of `size` bytes that is in one piece; None where the whole is.
    ///
    /// # Errors
    /// [`R2Error::InvalidRange`] when no byte of the content is in the range.
    pub fn resolve(&self, size: u64) -> Result<Option<ByteRange>> {
        let within = |offset: u64, length: u64| {
            let length = length.min(size.saturating_sub(offset));
            if length == 0 { Err(R2Error::InvalidRange) } else { Ok(Some(ByteRange { offset, length })) }
        };
        match self {
            Self::Offset { offset, length } => within(*offset, length.unwrap_or(u64::MAX)),
            Self::Suffix(length) => within(size.saturating_sub(*length), *length),
            Self::Header(text) => match parse_header(text) {
                Some(range) => range.resolve(size),
                None => Ok(None),
            },
            Self::Part(1) => Ok(None),
            Self::Part(_) => Err(R2Error::InvalidRange),
        }
    }
}

/// The one range of a `Range` header; None when it is malformed or names several.
fn parse_header(text: &str) -> Option<Range> {
    let (unit, ranges) = text.split_once('=')?;
    let (start, end) = ranges.trim().split_once('-')?;
    let digits = |text: &str| text.bytes().all(|letter| letter.is_ascii_digit());
    if !unit.trim().eq_ignore_ascii_case("bytes") || !digits(start) || !digits(end) {
        return None;
    }
    // A number beyond 64 bits is beyond every object as well.
    let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
    match (start.is_empty(), end.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Range::Suffix(number(end))),
        (false, true) => Some(Range::Offset { offset: number(start), length: None }),
        (false, false) => {
            let length = number(end).checked_sub(number(start))?.saturating_add(1);
            Some(Range::Offset { offset: number(start), length: Some(length) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    fn strong(etag: &str) -> Vec<EtagMatch> {
        vec![EtagMatch::Strong(etag.to_owned())]
    }

    #[test]
    fn conditions_hold_as_http_says() {
        let none = Conditional::default();
        let matches = Conditional { etag_matches: strong("a"), ..none.clone() };
        let differs = Conditional { etag_does_not_match: strong("a"), ..none.clone() };
        let absent = Conditional { etag_does_not_match: vec![EtagMatch::Any], ..none.clone() };
        let before = Conditional { uploaded_before: Some(at(5000)), ..none.clone() };
        let after = Conditional { uploaded_after: Some(at(5000)), ..none.clone() };
        let weak = |weak: &str| vec![EtagMatch::Weak(weak.to_owned())];
        use Verdict::{Failed, Holds, NotModified};
        for (conditional, present, expected) in [
            (&none, None, Holds),
            (&none, Some(("a", at(1))), Holds),
            (&matches, None, Failed),
            (&matches, Some(("a", at(1))), Holds),
            (&matches, Some(("b", at(1))), Failed),
            (&differs, None, Holds),
            (&differs, Some(("a", at(1))), NotModified),
            (&differs, Some(("b", at(1))), Holds),
            (&absent, None, Holds),
            (&absent, Some(("b", at(1))), NotModified),
            (&before, None, Holds),
            (&before, Some(("a", at(4999))), Holds),
            (&before, Some(("a", at(5000))), Failed),
            (&after, None, Failed),
            (&after, Some(("a", at(5001))), Holds),
            (&after, Some(("a", at(5000))), NotModified),
            (&Conditional { seconds_granularity: true, ..after.clone() }, Some(("a", at(5999))), NotModified),
            (&Conditional { seconds_granularity: true, ..before.clone() }, Some(("a", at(5999))), Failed),
            (&Conditional { etag_matches: strong("a"), ..before.clone() }, Some(("a", at(9000))), Holds),
            (&Conditional { etag_does_not_match: strong("b"), ..after.clone() }, Some(("a", at(1))), Holds),
            (&Conditional { etag_matches: weak("a"), ..none.clone() }, Some(("a", at(1))), Failed),
            (
                &Conditional { etag_does_not_match: weak("a"), ..none.clone() },
                Some(("a", at(1))),
                NotModified,
            ),
        ] {
            assert_eq!(conditional.verdict(present), expected, "{conditional:?} {present:?}");
        }
    }

    #[test]
    fn ranges_are_cut_to_the_content() {
        let offset = |offset, length| Range::Offset { offset, length };
        let header = |text: &str| Range::Header(text.to_owned());
        for (range, expected) in [
            (offset(0, None), Some((0, 10))),
            (offset(3, Some(4)), Some((3, 4))),
            (offset(3, Some(40)), Some((3, 7))),
            (Range::Suffix(4), Some((6, 4))),
            (Range::Suffix(40), Some((0, 10))),
            (header("bytes=2-5"), Some((2, 4))),
            (header("bytes=2-"), Some((2, 8))),
            (header("bytes=2-99"), Some((2, 8))),
            (header("bytes=-3"), Some((7, 3))),
            (header("BYTES = 2-5"), Some((2, 4))),
            (header("bytes=0-1,4-5"), None),
            (header("bytes=5-2"), None),
            (header("bytes=a-b"), None),
            (header("bytes=-"), None),
            (header("lines=1-2"), None),
            (header(""), None),
        ] {
            let resolved = range.resolve(10).unwrap().map(|range| (range.offset, range.length));
            assert_eq!(resolved, expected, "{range:?}");
        }
        let huge = header("bytes=99999999999999999999999-");
        for outside in [offset(10, None), offset(0, Some(0)), Range::Suffix(0), header("bytes=10-12"), huge] {
            assert!(matches!(outside.resolve(10), Err(R2Error::InvalidRange)), "{outside:?}");
        }
        assert!(offset(0, None).resolve(0).is_err());
    }
}
