//! Follows HTTP/1 messages in a stream of bytes, just far enough to see a `Content-Length` beside a
//! `Transfer-Encoding` in one head. All other judgement is hyper's; where bytes make no sense here, they make none
//! there, and hyper closes the connection.

/// Longest beginning of a line that is looked at: a header's name and a length.
const LINE: usize = 48;

/// What came of some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing to object to.
    Pass,
    /// The line that ends with the byte at this index makes its head ambiguous.
    Refuse(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a request line: empty lines may stand here.
    Start,
    Headers,
    /// So many bytes of a body are left.
    Body(u64),
    ChunkSize,
    /// So many bytes of a chunk and its line end are left.
    Chunk(u64),
    Trailers,
    /// Not HTTP/1 or beyond repair: no longer watched.
    Lost,
}

/// The place in a stream of messages.
#[derive(Debug)]
pub(crate) struct Framing {
    state: State,
    line: [u8; LINE],
    /// Length of the line so far; more than [`LINE`] for one that is longer.
    length: usize,
    content_length: Option<u64>,
    chunked: bool,
}

impl Default for Framing {
    fn default() -> Self {
        Self { state: State::Start, line: [0; LINE], length: 0, content_length: None, chunked: false }
    }
}

impl Framing {
    /// Follows the next bytes. After a refusal nothing is followed any more.
    pub(crate) fn advance(&mut self, data: &[u8]) -> Verdict {
        let mut at = 0;
        while at < data.len() {
            match self.state {
                State::Lost => return Verdict::Pass,
                State::Body(left) => {
                    at += self.skip(left, data.len() - at, State::Start, State::Body);
                }
                State::Chunk(left) => {
                    at += self.skip(left, data.len() - at, State::ChunkSize, State::Chunk);
                }
                State::Start | State::Headers | State::ChunkSize | State::Trailers => {
                    let rest = &data[at..];
                    let Some(end) = rest.iter().position(|b| *b == b'\n') else {
                        self.keep(rest);
                        return Verdict::Pass;
                    };
                    self.keep(&rest[..end]);
                    at += end + 1;
                    self.end_line();
                    if self.chunked && self.content_length.is_some() {
                        self.state = State::Lost;
                        return Verdict::Refuse(at - 1);
                    }
                }
            }
        }
        Verdict::Pass
    }

    fn skip(&mut self, left: u64, available: usize, after: State, within: fn(u64) -> State) -> usize {
        let step = usize::try_from(left).unwrap_or(usize::MAX).min(available);
        self.state = if step as u64 == left { after } else { within(left - step as u64) };
        step
    }

    fn keep(&mut self, part: &[u8]) {
        let start = self.length.min(LINE);
        let count = part.len().min(LINE - start);
        self.line[start..start + count].copy_from_slice(&part[..count]);
        self.length = self.length.saturating_add(part.len());
    }

    fn end_line(&mut self) {
        let line = self.line;
        let text = &line[..self.length.min(LINE)];
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        self.length = 0;
        match self.state {
            State::Start if text.is_empty() => {}
            // The preface of HTTP/2, whose frames are another matter.
            State::Start if text.starts_with(b"PRI * HTTP/2") => self.state = State::Lost,
            State::Start => self.state = State::Headers,
            State::Headers if text.is_empty() => self.end_head(),
            State::Headers => self.header(text),
            State::ChunkSize => self.chunk_size(text),
            State::Trailers if text.is_empty() => self.state = State::Start,
            State::Trailers | State::Body(_) | State::Chunk(_) | State::Lost => {}
        }
    }

    fn header(&mut self, line: &[u8]) {
        let Some(colon) = line.iter().position(|b| *b == b':') else { return };
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.chunked = true;
        } else if name.eq_ignore_ascii_case(b"content-length") {
            // An illegal length is hyper's to refuse; here it only has to count as one.
            let length = std::str::from_utf8(value).ok().and_then(|value| value.parse().ok());
            self.content_length = Some(length.unwrap_or(0));
        }
    }

    fn end_head(&mut self) {
        self.state = match (self.chunked, self.content_length) {
            (true, _) => State::ChunkSize,
            (false, None | Some(0)) => State::Start,
            (false, Some(length)) => State::Body(length),
        };
        self.chunked = false;
        self.content_length = None;
    }

    fn chunk_size(&mut self, line: &[u8]) {
        let digits = line.split(|b| matches!(b, b';' | b' ' | b'\t')).next().unwrap_or_default();
        let size = std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok());
        self.state = match size {
            None => State::Lost,
            Some(0) => State::Trailers,
            Some(size) => State::Chunk(size.saturating_add(2)),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CLEAN: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n\
        POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 49\r\n\r\n\
        \r\n\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\
        POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
        1B;x=y\r\nContent-Length: 5\nx: y\n\r\n\r\n\r\n0\r\nContent-Length: 9\r\n\r\n\
        PUT / HTTP/1.1\nhost: a\ncontent-length: 0\n\n\
        GET / HTTP/1.1\r\nHost: a\r\n\r\n";

    fn run(framing: &mut Framing, text: &str, step: usize) -> Option<usize> {
        let mut base = 0;
        for part in text.as_bytes().chunks(step) {
            if let Verdict::Refuse(at) = framing.advance(part) {
                return Some(base + at);
            }
            base += part.len();
        }
        None
    }

    #[test]
    fn bodies_are_not_taken_for_heads() {
        for step in [1, 2, 3, 7, 16, 4096] {
            let mut framing = Framing::default();
            assert_eq!(run(&mut framing, CLEAN, step), None, "{step}");
            assert_eq!(framing.state, State::Start, "{step}");
        }
    }

    #[test]
    fn a_length_beside_an_encoding_is_seen_wherever_it_stands() {
        let cases = [
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nX: y\r\ncontent-length: 5\r\n",
            "POST / HTTP/1.1\nTRANSFER-ENCODING : identity\nContent-Length:\n",
        ];
        for case in cases {
            for step in [1, 5, 4096] {
                let all = format!("{CLEAN}{case}");
                assert_eq!(run(&mut Framing::default(), &all, step), Some(all.len() - 1), "{case:?} {step}");
            }
        }
    }

    #[test]
    fn http2_is_left_alone() {
        let mut framing = Framing::default();
        let frames = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nContent-Length: 1\nTransfer-Encoding: chunked\n";
        assert_eq!(framing.advance(frames.as_bytes()), Verdict::Pass);
        assert_eq!(framing.state, State::Lost);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_give_one_verdict(
            data in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b':'), any::<u8>()], 0..200),
            step in 1..50_usize,
        ) {
            let whole = match Framing::default().advance(&data) {
                Verdict::Refuse(at) => Some(at),
                Verdict::Pass => None,
            };
            let mut framing = Framing::default();
            let mut base = 0;
            let mut pieces = None;
            for part in data.chunks(step) {
                if let Verdict::Refuse(at) = framing.advance(part) {
                    pieces = Some(base + at);
                    break;
                }
                base += part.len();
            }
            prop_assert_eq!(whole, pieces);
        }
    }
}
