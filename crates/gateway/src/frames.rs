//! WebSocket frame boundaries (RFC 6455, 5.2): headers are read, payloads are only counted.

/// Longest header: two bytes, eight of length, four of mask.
const MAX_HEADER: usize = 14;

/// Status code 1012, service restart (IANA's registry of WebSocket close codes).
const SERVICE_RESTART: [u8; 2] = 1012_u16.to_be_bytes();

const CLOSE: u8 = 8;

/// The place in a stream of frames.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    header: [u8; MAX_HEADER],
    /// Bytes of the header that have been seen.
    seen: usize,
    /// Bytes of the payload that are still to come.
    payload: u64,
    closed: bool,
}

impl Frames {
    /// Whether the next byte begins a frame.
    pub(crate) fn at_boundary(&self) -> bool {
        self.seen == 0 && self.payload == 0
    }

    /// Whether a close frame has passed: nothing may follow it.
    pub(crate) fn closed(&self) -> bool {
        self.closed
    }

    /// Follows `data`, only up to the first boundary after its beginning if `stop`. Returns how many bytes it followed.
    pub(crate) fn advance(&mut self, data: &[u8], stop: bool) -> usize {
        let mut at = 0;
        while at < data.len() {
            if stop && self.at_boundary() {
                break;
            }
            if self.payload > 0 {
                let step = usize::try_from(self.payload).unwrap_or(usize::MAX).min(data.len() - at);
                self.payload -= step as u64;
                at += step;
                continue;
            }
            self.header[self.seen] = data[at];
            self.seen += 1;
            at += 1;
            if self.seen >= 2 && self.seen == self.header_length() {
                self.begin_payload();
            }
        }
        at
    }

    fn header_length(&self) -> usize {
        let length = match self.header[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        2 + length + mask
    }

    fn begin_payload(&mut self) {
        self.payload = match self.header[1] & 0x7f {
            126 => u64::from(u16::from_be_bytes([self.header[2], self.header[3]])),
            127 => {
                let mut length = [0; 8];
                length.copy_from_slice(&self.header[2..10]);
                u64::from_be_bytes(length)
            }
            short => u64::from(short),
        };
        self.closed |= self.header[0] & 0x0f == CLOSE;
        self.seen = 0;
    }
}

/// A close frame with code 1012. A client's frames are masked, a server's are not; the mask's value is free, since
/// this text is no one's choice.
pub(crate) fn close(masked: bool) -> Vec<u8> {
    let mut frame = vec![0x80 | CLOSE, 2];
    if masked {
        frame[1] |= 0x80;
        let mask: [u8; 4] = rand::random();
        frame.extend(mask);
        frame.extend([SERVICE_RESTART[0] ^ mask[0], SERVICE_RESTART[1] ^ mask[1]]);
    } else {
        frame.extend(SERVICE_RESTART);
    }
    frame
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(opcode: u8, length: usize, masked: bool) -> Vec<u8> {
        let mask_bit = if masked { 0x80 } else { 0 };
        let mut bytes = vec![opcode];
        match length {
            0..126 => bytes.push(mask_bit | length as u8),
            126..65536 => {
                bytes.push(mask_bit | 126);
                bytes.extend((length as u16).to_be_bytes());
            }
            _ => {
                bytes.push(mask_bit | 127);
                bytes.extend((length as u64).to_be_bytes());
            }
        }
        // A payload that looks like frame headers.
        bytes.extend(std::iter::repeat_n(0x88, length + if masked { 4 } else { 0 }));
        bytes
    }

    #[test]
    fn close_frames_say_service_restart() {
        assert_eq!(close(false), [0x88, 2, 0x03, 0xf4]);
        let masked = close(true);
        assert_eq!(masked[..2], [0x88, 0x82]);
        assert_eq!([masked[6] ^ masked[2], masked[7] ^ masked[3]], [0x03, 0xf4]);
        for bytes in [close(false), masked] {
            let mut frames = Frames::default();
            assert_eq!(frames.advance(&bytes, false), bytes.len());
            assert!(frames.at_boundary() && frames.closed());
        }
    }

    proptest! {
        #[test]
        fn boundaries_are_found_in_any_pieces(
            shapes in prop::collection::vec((0..3_u8, prop_oneof![0..300_usize, Just(65_535), Just(65_536)], any::<bool>()), 1..5),
            step in 1..2_000_usize,
        ) {
            let all: Vec<Vec<u8>> = shapes.iter().map(|(op, length, masked)| frame(*op, *length, *masked)).collect();
            let stream = all.concat();
            let mut frames = Frames::default();
            for piece in stream.chunks(step) {
                prop_assert_eq!(frames.advance(piece, false), piece.len());
            }
            prop_assert!(frames.at_boundary() && !frames.closed());
            // Stopping ends exactly behind the frame in progress.
            let mut frames = Frames::default();
            frames.advance(&stream[..1], false);
            prop_assert_eq!(1 + frames.advance(&stream[1..], true), all[0].len());
            prop_assert_eq!(frames.advance(&stream, true), 0);
        }
    }
}
