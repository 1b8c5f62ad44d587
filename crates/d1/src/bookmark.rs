//! A place in a database's past.

use std::fmt;
use std::str::FromStr;

/// How often the write-ahead log had been folded away, and how far the log went: after which transaction of a database
/// we are. Later ones are greater. Durable: it survives restarts, and a restore makes a greater one.
///
/// As text it is a bookmark in Cloudflare's form, `gggggggg-ffffffff-00000000-` and 32 digits that say nothing, all of
/// it hexadecimal in lower case: fixed width, so that the order of the texts is that of the places, for `localeCompare`
/// too (workerd.md 1.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Position {
    /// How many logs came before this one.
    pub generation: u32,
    /// Frames of this log that are committed.
    pub frame: u32,
}

/// A bookmark that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the bookmark is not valid")]
pub struct BadBookmark;

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}-{:08x}-{:08x}-{:032x}", self.generation, self.frame, 0, 0)
    }
}

impl FromStr for Position {
    type Err = BadBookmark;

    fn from_str(text: &str) -> Result<Self, BadBookmark> {
        let hex = |part: &str, digits: usize| {
            let legal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
            part.len() == digits && part.bytes().all(legal)
        };
        let parts: Vec<&str> = text.split('-').collect();
        match parts[..] {
            [generation, frame, third, last]
                if [generation, frame, third].iter().all(|part| hex(part, 8)) && hex(last, 32) =>
            {
                let number = |part| u32::from_str_radix(part, 16).map_err(|_| BadBookmark);
                Ok(Self { generation: number(generation)?, frame: number(frame)? })
            }
            _ => Err(BadBookmark),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn texts_sort_as_places_do(a in any::<(u32, u32)>(), b in any::<(u32, u32)>()) {
            let [a, b] = [a, b].map(|(generation, frame)| Position { generation, frame });
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
            prop_assert_eq!(a.to_string().len(), b.to_string().len());
            prop_assert_eq!(a.to_string().parse(), Ok(a));
        }
    }

    #[test]
    fn what_is_no_bookmark_is_refused() {
        let good = Position { generation: 1, frame: 2 }.to_string();
        for bad in
            ["", "first-primary", &good[1..], &good.to_uppercase().replace('0', "A"), &format!("{good}0")]
        {
            assert_eq!(bad.parse::<Position>(), Err(BadBookmark), "{bad}");
        }
    }
}
