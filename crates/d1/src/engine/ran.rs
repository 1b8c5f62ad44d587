//! What a request ran, summed up by kind of statement: the engine knows it, and sends it behind the results so that
//! nobody has to read those again.
//!
//! Of one kind after the other: how often it ran (u32), microseconds in SQLite, rows read, written and returned (u64
//! each), bytes of its text (u16), its text.

use std::rc::Rc;

/// Kinds that are told apart in one request; what comes beyond them is of the kind without a text.
const KINDS: usize = 100;

/// Bytes before a text.
const HEAD: usize = 4 + 4 * 8 + 2;

/// Sums over runs of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// How often it ran.
    pub count: u32,
    /// Microseconds in SQLite.
    pub duration_us: u64,
    /// Rows that were looked at.
    pub rows_read: u64,
    /// Rows that were written.
    pub rows_written: u64,
    /// Rows that were given back.
    pub rows_returned: u64,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.duration_us += other.duration_us;
        self.rows_read += other.rows_read;
        self.rows_written += other.rows_written;
        self.rows_returned += other.rows_returned;
    }
}

/// What a request ran so far.
#[derive(Debug, Default)]
pub struct Ran(Vec<(Rc<str>, Sums)>);

impl Ran {
    /// Adds a statement. The same kind is the same text, usually also the same allocation.
    pub fn add(&mut self, kind: &Rc<str>, sums: &Sums) {
        let found = self.0.iter().position(|(known, _)| Rc::ptr_eq(known, kind) || known == kind);
        match (found, self.0.len()) {
            (Some(at), _) => self.0[at].1.add(sums),
            (None, ..KINDS) => self.0.push((Rc::clone(kind), *sums)),
            (None, KINDS) => self.0.push(("".into(), *sums)),
            (None, _) => self.0[KINDS].1.add(sums),
        }
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Writes it behind `bytes`, and says how many bytes that are.
    pub fn write(&self, bytes: &mut Vec<u8>) -> usize {
        let before = bytes.len();
        for (kind, sums) in &self.0 {
            let length = u16::try_from(kind.len()).unwrap_or(0);
            bytes.extend_from_slice(&sums.count.to_le_bytes());
            for sum in [sums.duration_us, sums.rows_read, sums.rows_written, sums.rows_returned] {
                bytes.extend_from_slice(&sum.to_le_bytes());
            }
            bytes.extend_from_slice(&length.to_le_bytes());
            bytes.extend_from_slice(&kind.as_bytes()[..length.into()]);
        }
        bytes.len() - before
    }
}

/// Reads what [`Ran::write`] wrote. The engine may be a tenant's: what makes no sense ends it, and there are no more kinds
/// than there can be.
pub fn read(mut bytes: &[u8]) -> impl Iterator<Item = (&str, Sums)> {
    let kinds = std::iter::from_fn(move || {
        let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
        let (count, figures) = head.split_first_chunk::<4>()?;
        let mut figures =
            figures.chunks_exact(8).filter_map(|figure| figure.first_chunk()).map(|f| u64::from_le_bytes(*f));
        let sums = Sums {
            count: u32::from_le_bytes(*count),
            duration_us: figures.next()?,
            rows_read: figures.next()?,
            rows_written: figures.next()?,
            rows_returned: figures.next()?,
        };
        let length = u16::from_le_bytes(*head.last_chunk()?);
        let (kind, rest) = rest.split_at_checked(length.into())?;
        bytes = rest;
        Some((std::str::from_utf8(kind).ok()?, sums))
    });
    kinds.take(KINDS + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sums(count: u32) -> Sums {
        Sums { count, duration_us: 2, rows_read: 3, rows_written: 4, rows_returned: 5 }
    }

    #[test]
    fn what_ran_is_read_as_it_was_written() {
        let mut ran = Ran::default();
        let kind: Rc<str> = "SELECT ?".into();
        ran.add(&kind, &sums(1));
        ran.add(&"UPDATE ü".into(), &sums(1));
        ran.add(&kind, &sums(2));
        let mut bytes = b"before".to_vec();
        let length = ran.write(&mut bytes);
        let read: Vec<_> = read(&bytes[bytes.len() - length..]).collect();
        let twice = Sums { count: 3, duration_us: 4, rows_read: 6, rows_written: 8, rows_returned: 10 };
        assert_eq!(read, [("SELECT ?", twice), ("UPDATE ü", sums(1))]);
        assert_eq!(&bytes[..bytes.len() - length], b"before");
    }

    #[test]
    fn it_is_bounded() {
        let mut ran = Ran::default();
        for kind in 0..300 {
            ran.add(&format!("q{kind}").into(), &sums(1));
        }
        let mut bytes = Vec::new();
        ran.write(&mut bytes);
        let read: Vec<_> = read(&bytes).collect();
        assert_eq!(read.len(), KINDS + 1);
        assert_eq!(read.iter().map(|(_, sums)| sums.count).sum::<u32>(), 300, "nothing is lost");
        assert_eq!(read[KINDS].0, "");
    }

    proptest! {
        #[test]
        fn any_bytes_are_something_or_nothing(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(read(&bytes).count() <= KINDS + 1);
        }
    }
}
