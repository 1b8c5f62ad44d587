//! Segments: what was committed, in files that only grow. One file holds one log (a generation): a header, then a
//! record for each commit with the pages that it wrote.
//!
//! A record's head is written after its pages and says their digest, so a record that a crash cut off is told from a
//! whole one; what follows the last whole record counts for nothing.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::Position;

/// Bytes of a segment's head.
const HEAD: usize = 40;
/// Bytes of a record's head.
const RECORD: usize = 56;
const MAGIC: [u8; 8] = *b"hearthD1";
const RECORD_MAGIC: u32 = 0x4831_7265;
/// zstd's level: pages of a database shrink to a third at any level, and commits should not wait.
const LEVEL: i32 = 1;

/// A segment's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Which log it holds.
    pub generation: u32,
    /// Bytes of a page.
    pub page_size: u32,
    /// The log's salts; zeros for one that was not taken from a log.
    pub salts: [u32; 2],
    /// The last point before it, so that a gap is noticed.
    pub previous: Position,
}

impl Head {
    fn encode(self) -> [u8; HEAD] {
        let mut bytes = [0; HEAD];
        bytes[..8].copy_from_slice(&MAGIC);
        let Position { generation, frame } = self.previous;
        let numbers = [self.generation, self.page_size, self.salts[0], self.salts[1], generation, frame];
        for (at, number) in (8..).step_by(4).zip(numbers) {
            bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
        }
        let check = blake3::hash(&bytes[..32]);
        bytes[32..].copy_from_slice(&check.as_bytes()[..8]);
        bytes
    }

    fn decode(bytes: &[u8; HEAD]) -> Option<Self> {
        let whole = bytes[..8] == MAGIC && bytes[32..] == blake3::hash(&bytes[..32]).as_bytes()[..8];
        whole.then(|| Self {
            generation: u32_at(bytes, 8),
            page_size: u32_at(bytes, 12),
            salts: [u32_at(bytes, 16), u32_at(bytes, 20)],
            previous: Position { generation: u32_at(bytes, 24), frame: u32_at(bytes, 28) },
        })
    }
}

/// One record: the state of the database after one or several commits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Frame of the log that it leads up to.
    pub frame: u32,
    /// Pages that it holds.
    pub pages: u32,
    /// Pages of the database then.
    pub db_pages: u32,
    /// When it was committed, in microseconds since 1970.
    pub time: i64,
    /// Where its pages lie in the file, compressed.
    offset: u64,
    length: u64,
    digest: [u8; 16],
}

impl Record {
    fn end(&self) -> u64 {
        self.offset + self.length
    }

    fn encode(&self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        for (at, number) in [(0, RECORD_MAGIC), (4, self.frame), (8, self.pages), (12, self.db_pages)] {
            bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
        }
        bytes[16..24].copy_from_slice(&self.time.to_be_bytes());
        bytes[24..32].copy_from_slice(&self.length.to_be_bytes());
        bytes[32..48].copy_from_slice(&self.digest);
        let check = blake3::hash(&bytes[..48]);
        bytes[48..].copy_from_slice(&check.as_bytes()[..8]);
        bytes
    }

    fn decode(bytes: &[u8; RECORD], offset: u64) -> Option<Self> {
        let check = blake3::hash(&bytes[..48]);
        if u32_at(bytes, 0) != RECORD_MAGIC || bytes[48..] != check.as_bytes()[..8] {
            return None;
        }
        let mut digest = [0; 16];
        digest.copy_from_slice(&bytes[32..48]);
        Some(Self {
            frame: u32_at(bytes, 4),
            pages: u32_at(bytes, 8),
            db_pages: u32_at(bytes, 12),
            time: i64_at(bytes, 16),
            offset,
            length: u64::try_from(i64_at(bytes, 24)).ok()?,
            digest,
        })
    }
}

/// A segment that is read.
#[derive(Debug)]
pub struct Segment {
    file: File,
    /// Its head.
    pub head: Head,
    /// Its whole records, in their order.
    pub records: Vec<Record>,
}

impl Segment {
    /// Opens a segment and reads its records' heads; None when not even its own head is whole.
    ///
    /// # Errors
    /// The file's.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let mut bytes = [0; HEAD];
        if length < HEAD as u64 {
            return Ok(None);
        }
        file.read_exact_at(&mut bytes, 0)?;
        let Some(head) = Head::decode(&bytes) else { return Ok(None) };
        let mut records: Vec<Record> = Vec::new();
        let mut at = HEAD as u64;
        while at + RECORD as u64 <= length {
            let mut bytes = [0; RECORD];
            file.read_exact_at(&mut bytes, at)?;
            let Some(record) = Record::decode(&bytes, at + RECORD as u64) else { break };
            let in_order = records.last().is_none_or(|last| last.frame < record.frame);
            if !in_order || record.length > length - record.offset {
                break;
            }
            at = record.end();
            records.push(record);
        }
        Ok(Some(Self { file, head, records }))
    }

    /// Opens a segment and forgets what follows its last sound record: a crash may have left the head of a record on
    /// disk and not its pages.
    ///
    /// # Errors
    /// The file's.
    pub fn open_sound(path: &Path) -> io::Result<Option<Self>> {
        let Some(mut segment) = Self::open(path)? else { return Ok(None) };
        let mut sound = 0;
        for record in &segment.records {
            if !segment.is_sound(record)? {
                break;
            }
            sound += 1;
        }
        segment.records.truncate(sound);
        Ok(Some(segment))
    }

    /// The points that its records lead to, with their times.
    pub fn points(&self) -> impl Iterator<Item = (Position, i64)> + '_ {
        let generation = self.head.generation;
        self.records.iter().map(move |record| (Position { generation, frame: record.frame }, record.time))
    }

    /// The last record's point.
    pub fn last(&self) -> Option<(Position, i64)> {
        self.points().last()
    }

    /// Bytes of the file that count.
    pub fn size(&self) -> u64 {
        self.records.last().map_or(HEAD as u64, Record::end)
    }

    /// Whether a record's pages are what was written.
    ///
    /// # Errors
    /// The file's.
    pub fn is_sound(&self, record: &Record) -> io::Result<bool> {
        let mut hasher = blake3::Hasher::new();
        io::copy(&mut self.raw(record), &mut hasher)?;
        Ok(hasher.finalize().as_bytes()[..16] == record.digest)
    }

    /// Gives the pages of a record: number and content.
    ///
    /// # Errors
    /// The file's and `each`'s; `InvalidData` when the record is damaged.
    pub fn pages(
        &self,
        record: &Record,
        mut each: impl FnMut(u32, &[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        if !self.is_sound(record)? {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a record of the history is damaged"));
        }
        let mut source = zstd::stream::read::Decoder::new(self.raw(record))?;
        let mut number = [0; 4];
        let mut page = vec![0; self.head.page_size as usize];
        for _ in 0..record.pages {
            source.read_exact(&mut number)?;
            source.read_exact(&mut page)?;
            each(u32::from_be_bytes(number), &page)?;
        }
        Ok(())
    }

    fn raw(&self, record: &Record) -> impl Read + '_ {
        Part { file: &self.file, at: record.offset, end: record.end() }
    }
}

/// A part of a file as a stream.
struct Part<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let room = buffer.len().min(left);
        let read = self.file.read_at(&mut buffer[..room], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// A segment that is written.
#[derive(Debug)]
pub struct Writer {
    file: File,
    page_size: u32,
    /// Where the next record goes.
    end: u64,
}

impl Writer {
    /// Begins a segment, in place of whatever has its name.
    ///
    /// # Errors
    /// The file's.
    pub fn create(path: &Path, head: Head) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
        file.write_all_at(&head.encode(), 0)?;
        Ok(Self { file, page_size: head.page_size, end: HEAD as u64 })
    }

    /// Goes on with a segment at `end`, and forgets what lies behind it.
    ///
    /// # Errors
    /// The file's.
    pub fn resume(path: &Path, page_size: u32, end: u64) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        file.set_len(end)?;
        Ok(Self { file, page_size, end })
    }

    /// Where the next record begins.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Appends one record, whose pages `fill` gives to a [`Pages`]; where that leads to is what it returns. Counts
    /// once [`Self::sync`] has returned.
    ///
    /// # Errors
    /// The file's and `fill`'s. What was written has no head then, and counts for nothing.
    pub fn append(&mut self, fill: impl FnOnce(&mut Pages<'_>) -> io::Result<End>) -> io::Result<()> {
        let offset = self.end + RECORD as u64;
        (&self.file).seek(SeekFrom::Start(offset))?;
        let sink = Hashing { file: &self.file, hasher: blake3::Hasher::new(), written: 0 };
        let mut pages = Pages {
            encoder: zstd::stream::write::Encoder::new(sink, LEVEL)?,
            page_size: self.page_size,
            count: 0,
        };
        let End { frame, db_pages, time } = fill(&mut pages)?;
        let count = pages.count;
        let sink = pages.encoder.finish()?;
        let mut digest = [0; 16];
        digest.copy_from_slice(&sink.hasher.finalize().as_bytes()[..16]);
        let record = Record { frame, pages: count, db_pages, time, offset, length: sink.written, digest };
        self.file.write_all_at(&record.encode(), self.end)?;
        self.end = record.end();
        Ok(())
    }

    /// Waits until everything appended is on disk.
    ///
    /// # Errors
    /// The file's.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Where a record leads to.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// Frame of the log.
    pub frame: u32,
    /// Pages of the database then.
    pub db_pages: u32,
    /// When it was committed, in microseconds since 1970.
    pub time: i64,
}

/// Takes the pages of a record.
pub struct Pages<'a> {
    encoder: zstd::stream::write::Encoder<'static, Hashing<'a>>,
    page_size: u32,
    count: u32,
}

impl Pages<'_> {
    /// Adds a page: its number, from 1, and its whole content.
    ///
    /// # Errors
    /// The file's; `InvalidInput` for a content of another size.
    pub fn add(&mut self, number: u32, content: &[u8]) -> io::Result<()> {
        if content.len() != self.page_size as usize {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a page of another size"));
        }
        self.encoder.write_all(&number.to_be_bytes())?;
        self.encoder.write_all(content)?;
        self.count += 1;
        Ok(())
    }
}

/// Writes to a file and digests what it writes.
struct Hashing<'a> {
    file: &'a File,
    hasher: blake3::Hasher,
    written: u64,
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut file = self.file;
        let count = file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    i64::from_be_bytes(number)
}
