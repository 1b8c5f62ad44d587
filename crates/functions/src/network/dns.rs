//! Questions for names and the answers to them (RFC 1035), as far as resolvers of libraries ask. Pure.

use std::net::Ipv4Addr;

/// Seconds that an answer may be kept: the name's address is ours and stays.
const KEEP: u32 = 60;
const TYPE_A: u16 = 1;
const CLASS_IN: u16 = 1;
const HEADER: usize = 12;

/// A question.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Question<'a> {
    message: &'a [u8],
    /// Where the question ends in the message.
    end: usize,
    /// The name, in lower case and without a trailing dot.
    pub name: String,
    /// Whether it asks for an IPv4 address: only then there is something in the answer.
    pub for_address: bool,
}

/// Reads a question. None: it is not one of the usual kind.
pub(crate) fn question(message: &[u8]) -> Option<Question<'_>> {
    let word = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
    let (flags, questions) = (word(2)?, word(4)?);
    // Not an answer, of the standard kind, and one question.
    if flags & 0xf800 != 0 || questions != 1 {
        return None;
    }
    let (mut at, mut labels) = (HEADER, Vec::new());
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        match length {
            0 => break,
            1..=63 => {
                let label = message.get(at..at + length)?;
                let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
                if !label.iter().all(plain) {
                    return None;
                }
                labels.push(std::str::from_utf8(label).ok()?.to_ascii_lowercase());
                at += length;
            }
            // A pointer has no place in a question.
            _ => return None,
        }
    }
    let (kind, class) = (word(at)?, word(at + 2)?);
    let name = labels.join(".");
    if class != CLASS_IN || name.is_empty() || name.len() > 253 {
        return None;
    }
    Some(Question { message, end: at + 4, name, for_address: kind == TYPE_A })
}

/// The answer to a question: the name's address, nothing of the kind that was asked for, or that there is no such name.
pub(crate) fn answer(question: &Question<'_>, exists: bool, address: Option<Ipv4Addr>) -> Vec<u8> {
    let mut answer = question.message[..question.end].to_vec();
    // An answer, recursion desired and available; 3 is "no such name".
    answer[2..4].copy_from_slice(&[0x81, if exists { 0x80 } else { 0x83 }]);
    answer[6..HEADER].fill(0);
    if let Some(address) = address.filter(|_| exists) {
        answer[7] = 1;
        // The name is the one at the header's end.
        answer.extend([0xc0, HEADER as u8, 0, TYPE_A as u8, 0, CLASS_IN as u8]);
        answer.extend(KEEP.to_be_bytes());
        answer.extend([0, 4]);
        answer.extend(address.octets());
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(kind: u8) -> Vec<u8> {
        let mut message = vec![0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
        message.extend(b"\x03API\x07example\x04test\x00");
        message.extend([0, kind, 0, 1]);
        // EDNS, as glibc may add.
        message.extend([0, 0, 41, 4, 0xb0, 0, 0, 0, 0, 0, 0]);
        message
    }

    #[test]
    fn an_address_is_asked_for_and_answered() {
        let message = ask(1);
        let question = question(&message).unwrap();
        assert_eq!((question.name.as_str(), question.for_address), ("api.example.test", true));
        let answer = answer(&question, true, Some(Ipv4Addr::new(198, 18, 0, 1)));
        assert_eq!(answer[..8], [0xab, 0xcd, 0x81, 0x80, 0, 1, 0, 1]);
        assert_eq!(answer[answer.len() - 4..], [198, 18, 0, 1]);
    }

    #[test]
    fn other_kinds_are_empty_and_unknown_names_are_not_there() {
        let message = ask(28);
        let question = question(&message).unwrap();
        assert!(!question.for_address);
        let empty = answer(&question, true, None);
        assert_eq!((empty[3], empty[7], empty.len()), (0x80, 0, question.end));
        assert_eq!(answer(&question, false, None)[3], 0x83);
    }

    #[test]
    fn what_is_no_question_is_not_read() {
        let mut pointer = ask(1);
        pointer[12] = 0xc0;
        let mut two = ask(1);
        two[5] = 2;
        let mut answered = ask(1);
        answered[2] = 0x81;
        for wrong in [&pointer[..], &two, &answered, &ask(1)[..20], b"", &[0; 12]] {
            assert_eq!(question(wrong), None, "{wrong:?}");
        }
    }
}
