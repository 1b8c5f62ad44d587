//! SQLite's write-ahead log as a file: which frames of it are committed.
//!
//! Facts of sqlite.org, "WAL-mode File Format": a header of 32 bytes, then frames, each a header of 24 bytes and one
//! page. All numbers are big-endian. A frame counts when its salts are the header's and its checksum, which runs on
//! through all frames from the header's, is right; a frame that names a database size ends a transaction.

use std::io::{self, Read};

/// Bytes of the file's header.
pub const HEADER: usize = 32;
/// Bytes of a frame's header.
pub const FRAME_HEADER: usize = 24;

const MAGIC_LITTLE: u32 = 0x377f_0682;
const MAGIC_BIG: u32 = 0x377f_0683;
const VERSION: u32 = 3_007_000;

/// Two sums that run through the file.
pub type Checksum = [u32; 2];

/// What the header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes of a page: a power of two of 512 to 65536.
    pub page_size: u32,
    /// Tell this log from the one that was in the same file before.
    pub salts: [u32; 2],
    big_endian: bool,
    checksum: Checksum,
}

impl Header {
    /// Reads a header; None when it is none, or was not written to its end.
    pub fn parse(bytes: &[u8; HEADER]) -> Option<Self> {
        let big_endian = match number(bytes, 0) {
            MAGIC_LITTLE => false,
            MAGIC_BIG => true,
            _ => return None,
        };
        let page_size = number(bytes, 8);
        let sound =
            number(bytes, 4) == VERSION && page_size.is_power_of_two() && (512..=65536).contains(&page_size);
        let checksum = [number(bytes, 24), number(bytes, 28)];
        (sound && add(big_endian, [0, 0], &bytes[..24]) == checksum).then(|| Self {
            page_size,
            salts: [number(bytes, 16), number(bytes, 20)],
            big_endian,
            checksum,
        })
    }
}

/// One frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// The page, from 1.
    pub page: u32,
    /// Pages of the database after the transaction that ends here; 0 when none ends here.
    pub db_pages: u32,
}

/// Reads the valid frames of a log in their order.
pub struct WalReader<R> {
    source: R,
    header: Header,
    checksum: Checksum,
    frames: u32,
}

impl<R: Read> WalReader<R> {
    /// Reads the header; None when the log is empty or has no valid one.
    ///
    /// # Errors
    /// The source's.
    pub fn begin(mut source: R) -> io::Result<Option<Self>> {
        let mut bytes = [0; HEADER];
        if !fill(&mut source, &mut bytes)? {
            return Ok(None);
        }
        Ok(Header::parse(&bytes).map(|header| Self { source, header, checksum: header.checksum, frames: 0 }))
    }

    /// Goes on after `frames` frames, the last of which left `checksum`; the source stands behind them.
    pub fn resume(source: R, header: Header, frames: u32, checksum: Checksum) -> Self {
        Self { source, header, checksum, frames }
    }

    /// What the log's header says.
    pub fn header(&self) -> Header {
        self.header
    }

    /// Frames read so far.
    pub fn frames(&self) -> u32 {
        self.frames
    }

    /// The sums after the last frame.
    pub fn checksum(&self) -> Checksum {
        self.checksum
    }

    /// The next valid frame, its content in `page`, which has a page's size; None where the log ends.
    ///
    /// # Errors
    /// The source's.
    pub fn next(&mut self, page: &mut [u8]) -> io::Result<Option<Frame>> {
        let mut head = [0; FRAME_HEADER];
        if !fill(&mut self.source, &mut head)? || !fill(&mut self.source, page)? {
            return Ok(None);
        }
        let sum = add(self.header.big_endian, self.checksum, &head[..8]);
        let sum = add(self.header.big_endian, sum, page);
        let salts = [number(&head, 8), number(&head, 12)];
        let frame = Frame { page: number(&head, 0), db_pages: number(&head, 4) };
        if salts != self.header.salts || sum != [number(&head, 16), number(&head, 20)] || frame.page == 0 {
            return Ok(None);
        }
        self.checksum = sum;
        self.frames += 1;
        Ok(Some(frame))
    }
}

/// Where the last committed transaction of a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// What the log's header says.
    pub header: Header,
    /// Frames up to there; 0 when no transaction is complete.
    pub frames: u32,
    /// Pages of the database then; 0 without a transaction.
    pub db_pages: u32,
}

/// Reads a log to the end of its last committed transaction; None when it has no valid header.
///
/// # Errors
/// The source's.
pub fn committed(source: impl Read) -> io::Result<Option<Committed>> {
    let Some(mut reader) = WalReader::begin(source)? else { return Ok(None) };
    let mut last = Committed { header: reader.header(), frames: 0, db_pages: 0 };
    let mut page = vec![0; last.header.page_size as usize];
    while let Some(frame) = reader.next(&mut page)? {
        if frame.db_pages != 0 {
            last = Committed { frames: reader.frames(), db_pages: frame.db_pages, ..last };
        }
    }
    Ok(Some(last))
}

/// Fills the buffer; false when the source ends before.
fn fill(source: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match source.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Runs the sums on over `bytes`, whose length is a multiple of 8.
fn add(big_endian: bool, mut sums: Checksum, bytes: &[u8]) -> Checksum {
    let word = |bytes: &[u8]| {
        let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    };
    for pair in bytes.chunks_exact(8) {
        sums[0] = sums[0].wrapping_add(word(pair)).wrapping_add(sums[1]);
        sums[1] = sums[1].wrapping_add(word(&pair[4..])).wrapping_add(sums[0]);
    }
    sums
}
