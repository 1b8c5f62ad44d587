//! What Hearth and an engine say to each other, over one stream socket: Hearth asks, the engine answers in the same
//! order. Questions that are asked together, each but the last with `follows`, may be answered together: they share the
//! wait for the disk. Numbers are little-endian.
//!
//! Hearth believes nothing of an answer but its form: a tenant's SQL may have taken the engine over.

/// Bytes of a question's head.
pub const ASK: usize = 16;

/// Bytes of an answer's head.
pub const REPLY: usize = 64;

/// Bytes of a page: what SQLite gives a new database, and no tenant can change.
pub const PAGE: u64 = 4096;

/// The longest payload either side takes.
pub const MAX_PAYLOAD: usize = 64 << 20;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Op {
    /// Open the database whose path is the payload. The first thing that is asked, and asked once.
    Open = 0,
    /// Run the queries in the payload (JSON), results as `{"columns","rows"}`; one for each query.
    Rows = 1,
    /// The same, results as objects.
    Objects = 2,
    /// As [`Op::Rows`], one result for each statement.
    RowsPerStatement = 3,
    /// As [`Op::Objects`], one result for each statement.
    ObjectsPerStatement = 4,
    /// A piece of a script; the first one begins a transaction.
    Import = 5,
    /// The script is whole: commit.
    ImportEnd = 6,
    /// The database as a script; options (JSON) in the payload. Answered in pieces.
    Export = 7,
    /// Fold the log into the database.
    Fold = 8,
    /// How large it is. The payload of the answer is the number of tables, as text.
    Size = 9,
}

impl Op {
    fn of(byte: u8) -> Option<Self> {
        const ALL: [Op; 10] = [
            Op::Open,
            Op::Rows,
            Op::Objects,
            Op::RowsPerStatement,
            Op::ObjectsPerStatement,
            Op::Import,
            Op::ImportEnd,
            Op::Export,
            Op::Fold,
            Op::Size,
        ];
        ALL.get(usize::from(byte)).copied()
    }
}

/// A question's head; the payload follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ask {
    /// What to do.
    pub op: Op,
    /// Another question is sent with this one: its answer may wait for that one's.
    pub follows: bool,
    /// Bytes of payload.
    pub length: u32,
    /// How long it may take, in milliseconds.
    pub time_ms: u32,
    /// By how many pages the database may grow.
    pub growth: u32,
}

impl Ask {
    /// As bytes.
    pub fn encode(&self) -> [u8; ASK] {
        let mut head = [0; ASK];
        head[0] = self.op as u8;
        head[1] = u8::from(self.follows);
        head[4..8].copy_from_slice(&self.length.to_le_bytes());
        head[8..12].copy_from_slice(&self.time_ms.to_le_bytes());
        head[12..16].copy_from_slice(&self.growth.to_le_bytes());
        head
    }

    /// From bytes; nothing if they are none.
    pub fn decode(head: &[u8; ASK]) -> Option<Self> {
        let (length, time_ms, growth) = (u32_at(head, 4), u32_at(head, 8), u32_at(head, 12));
        let ask = Self { op: Op::of(head[0])?, follows: head[1] != 0, length, time_ms, growth };
        (ask.length as usize <= MAX_PAYLOAD).then_some(ask)
    }
}

/// How something that was asked went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Outcome {
    /// Done; the payload is the result.
    Done = 0,
    /// Refused; the payload is the text for the caller. Nothing took effect.
    Refused = 1,
    /// Stopped since it took too long. Nothing took effect.
    Timeout = 2,
    /// Stopped since it took too much memory. Nothing took effect.
    Memory = 3,
    /// A piece of the result; more follows.
    More = 4,
    /// Not begun: what was asked before it took too long. To be asked again.
    Postponed = 5,
    /// No answer yet: this question takes long, and none of those that were asked with it and follow it will be begun.
    Running = 6,
}

/// An answer's head; the payload follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// How it went.
    pub outcome: Outcome,
    /// Bytes of payload.
    pub length: u32,
    /// Frames of the log that are committed.
    pub frame: u32,
    /// Statements that ran.
    pub statements: u32,
    /// Rows that were looked at.
    pub rows_read: u64,
    /// Rows that were written.
    pub rows_written: u64,
    /// Rows that changed.
    pub changes: u64,
    /// Microseconds in SQLite.
    pub duration_us: u64,
    /// Bytes of the database.
    pub size: u64,
    /// How many of the payload's last bytes say what ran ([`super::ran`]); the result ends before them.
    pub ran: u32,
}

impl Reply {
    /// As bytes.
    pub fn encode(&self) -> [u8; REPLY] {
        let mut head = [0; REPLY];
        head[0] = self.outcome as u8;
        head[4..8].copy_from_slice(&self.length.to_le_bytes());
        head[8..12].copy_from_slice(&self.frame.to_le_bytes());
        head[12..16].copy_from_slice(&self.statements.to_le_bytes());
        let figures = [self.rows_read, self.rows_written, self.changes, self.duration_us, self.size];
        for (place, figure) in head[16..].chunks_exact_mut(8).zip(figures) {
            place.copy_from_slice(&figure.to_le_bytes());
        }
        head[56..60].copy_from_slice(&self.ran.to_le_bytes());
        head
    }

    /// From bytes; nothing if they are none.
    pub fn decode(head: &[u8; REPLY]) -> Option<Self> {
        let outcome = match head[0] {
            0 => Outcome::Done,
            1 => Outcome::Refused,
            2 => Outcome::Timeout,
            3 => Outcome::Memory,
            4 => Outcome::More,
            5 => Outcome::Postponed,
            6 => Outcome::Running,
            _ => return None,
        };
        let reply = Self {
            outcome,
            length: u32_at(head, 4),
            frame: u32_at(head, 8),
            statements: u32_at(head, 12),
            rows_read: u64_at(head, 16),
            rows_written: u64_at(head, 24),
            changes: u64_at(head, 32),
            duration_us: u64_at(head, 40),
            size: u64_at(head, 48),
            ran: u32_at(head, 56),
        };
        (reply.length as usize <= MAX_PAYLOAD && reply.ran <= reply.length).then_some(reply)
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut four = [0; 4];
    four.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(four)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(eight)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_head_or_none(ask in any::<[u8; ASK]>(), reply in proptest::collection::vec(any::<u8>(), REPLY)) {
            if let Some(head) = Ask::decode(&ask) {
                prop_assert_eq!(Ask::decode(&head.encode()), Some(head));
            }
            let mut bytes = [0; REPLY];
            bytes.copy_from_slice(&reply);
            if let Some(head) = Reply::decode(&bytes) {
                prop_assert_eq!(Reply::decode(&head.encode()), Some(head));
                prop_assert!(head.length as usize <= MAX_PAYLOAD);
            }
        }
    }
}
