//! `Range`: one part of a content. Cloudflare's own assets service gives everything instead; several parts at once are
//! answered so here too.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use crate::site::Answer;

/// The bytes that are sent: where they begin, and how many there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The first.
    pub start: u64,
    /// How many.
    pub length: u64,
}

impl Answer {
    /// Makes a file's answer one of the part that was asked for, if one was, and says which bytes are to be sent; None:
    /// none.
    pub fn take_part(&mut self, method: &Method, asked: &HeaderMap) -> Option<Part> {
        let (_, size) = self.content?;
        let whole = Some(Part { start: 0, length: size });
        if self.status != StatusCode::OK {
            return whole;
        }
        self.headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
        let range = asked.get(header::RANGE).filter(|_| *method == Method::GET);
        let Some(text) = range.and_then(|range| range.to_str().ok()) else { return whole };
        if !self.is_of_the_condition(asked) {
            return whole;
        }
        let Ok(parsed) = http_range_header::parse_range_header(text) else { return whole };
        match parsed.validate(size) {
            Ok(ranges) => match &ranges[..] {
                [range] => {
                    let (start, end) = (*range.start(), *range.end());
                    self.status = StatusCode::PARTIAL_CONTENT;
                    self.say(&format!("bytes {start}-{end}/{size}"));
                    Some(Part { start, length: end + 1 - start })
                }
                _ => whole,
            },
            Err(_) => {
                self.status = StatusCode::RANGE_NOT_SATISFIABLE;
                self.headers.remove(header::CONTENT_TYPE);
                self.say(&format!("bytes */{size}"));
                self.content = None;
                None
            }
        }
    }

    fn say(&mut self, range: &str) {
        if let Ok(range) = HeaderValue::from_str(range) {
            self.headers.insert(header::CONTENT_RANGE, range);
        }
    }

    /// `If-Range`: a part is only of use to who has the rest of the same content.
    fn is_of_the_condition(&self, asked: &HeaderMap) -> bool {
        match asked.get(header::IF_RANGE) {
            None => true,
            Some(condition) => self.headers.get(header::ETAG) == Some(condition),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range: &str, condition: Option<&str>) -> (StatusCode, Option<Part>, Option<String>) {
        let mut answer = Answer {
            status: StatusCode::OK,
            headers: HeaderMap::from_iter([(header::ETAG, HeaderValue::from_static("\"e\""))]),
            content: Some(("0".repeat(32).parse().unwrap(), 10)),
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        if let Some(condition) = condition {
            headers.insert(header::IF_RANGE, condition.parse().unwrap());
        }
        let part = answer.take_part(&Method::GET, &headers);
        let said = answer.headers.get(header::CONTENT_RANGE).map(|said| said.to_str().unwrap().to_owned());
        (answer.status, part, said)
    }

    #[test]
    fn one_part_is_given_and_several_are_the_whole() {
        let part = |start, length| Some(Part { start, length });
        for (range, status, expected, said) in [
            ("bytes=0-3", 206, part(0, 4), Some("bytes 0-3/10")),
            ("bytes=7-", 206, part(7, 3), Some("bytes 7-9/10")),
            ("bytes=-2", 206, part(8, 2), Some("bytes 8-9/10")),
            ("bytes=5-99", 206, part(5, 5), Some("bytes 5-9/10")),
            ("bytes=10-", 416, None, Some("bytes */10")),
            ("bytes=0-1,3-4", 200, part(0, 10), None),
            ("lines=0-1", 200, part(0, 10), None),
        ] {
            let expected = (StatusCode::from_u16(status).unwrap(), expected, said.map(str::to_owned));
            assert_eq!(asked(range, None), expected, "{range}");
        }
        assert_eq!(asked("bytes=0-3", Some("\"e\"")).0, StatusCode::PARTIAL_CONTENT);
        assert_eq!(asked("bytes=0-3", Some("\"other\"")).0, StatusCode::OK);
        assert_eq!(asked("bytes=0-3", Some("W/\"e\"")).0, StatusCode::OK);
    }
}
