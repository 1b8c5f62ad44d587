//! Follows the log of one database and writes what is committed there into the history.

use std::fs::{self, File};
use std::io::{self, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::files::{Files, damaged};
use super::plan::Point;
use super::segment::{End, Head, Segment, Writer};
use super::wal::{self, Checksum, FRAME_HEADER, HEADER, Header, WalReader};
use crate::Position;

/// One database's history, as far as it grows.
pub struct Keeper {
    files: Files,
    database: PathBuf,
    log: PathBuf,
    generation: u32,
    /// How far this generation's log is kept; None while nothing of it is.
    tail: Option<Tail>,
    /// The last state that is kept.
    last: Point,
}

/// Where reading the log goes on.
#[derive(Clone, Copy)]
struct Tail {
    header: Header,
    frame: u32,
    checksum: Checksum,
    /// Where the segment's next record begins.
    end: u64,
}

impl Keeper {
    /// Finds out where the history stands, and keeps what the log has beyond it. Nothing may write to the database
    /// meanwhile. A restore that a crash interrupted is done.
    ///
    /// # Errors
    /// The files'; `InvalidData` when history and log do not belong together.
    pub fn load(files: Files, database: PathBuf, log: PathBuf) -> io::Result<Self> {
        files.prepare()?;
        finish_restore(&files, &database, &log)?;
        if files.base()?.file.is_none() && files.generations()?.is_empty() {
            adopt(&files, &database)?;
        }
        let mut last = files.base()?.point;
        let mut segment = None;
        for generation in files.generations()?.into_iter().rev() {
            segment = Segment::open_sound(&files.segment(generation))?
                .filter(|segment| !segment.records.is_empty());
            if segment.is_some() {
                break;
            }
            fs::remove_file(files.segment(generation))?;
        }
        if let Some(segment) = &segment {
            let path = files.segment(segment.head.generation);
            Writer::resume(&path, segment.head.page_size, segment.size())?.sync()?;
            last = segment.last().map_or(last, |(position, time)| Point { position, time });
        }
        let found = match File::open(&log) {
            Ok(file) => {
                // What was written when a crash came may be read from memory and not be on disk.
                file.sync_all()?;
                wal::committed(BufReader::with_capacity(1 << 18, file))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let same =
            segment.filter(|segment| found.is_some_and(|found| segment.head.salts == found.header.salts));
        let generation = last.position.generation + u32::from(same.is_none());
        let mut keeper = Self { files, database, log, generation, tail: None, last };
        if let Some(found) = found {
            if let Some(segment) = same {
                keeper.tail = Some(keeper.find_tail(last.position.frame, segment.size())?);
            }
            let written = modified(&keeper.log)?;
            keeper.keep(found.frames, |_| written)?;
        }
        Ok(keeper)
    }

    /// The database's file.
    pub fn database(&self) -> &Path {
        &self.database
    }

    /// The log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The history's files.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// The generation of the log.
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// The last state that is kept. Its time is never before that of the one before it, whatever the clock did.
    pub fn last(&self) -> Point {
        self.last
    }

    /// Keeps what was committed up to a frame of the log, and waits until it is on disk. `time_of` says when a
    /// transaction that ends at a frame was committed, in microseconds since 1970.
    ///
    /// # Errors
    /// The files'; `InvalidData` when the log is shorter. Nothing more is kept than before then.
    pub fn keep(&mut self, until: u32, time_of: impl Fn(u32) -> i64) -> io::Result<()> {
        let from = self.tail.map_or(0, |tail| tail.frame);
        if until <= from {
            return Ok(());
        }
        let mut reader = self.reader()?;
        let mut writer = self.writer(reader.header())?;
        let mut page = vec![0; reader.header().page_size as usize];
        let mut point = self.last;
        while reader.frames() < until {
            writer.append(|pages| {
                loop {
                    let frame = reader
                        .next(&mut page)?
                        .ok_or_else(|| damaged(format!("the log ends before frame {until}")))?;
                    pages.add(frame.page, &page)?;
                    if frame.db_pages != 0 {
                        let frame_number = reader.frames();
                        let time = time_of(frame_number).max(point.time);
                        let position = Position { generation: self.generation, frame: frame_number };
                        point = Point { position, time };
                        return Ok(End { frame: frame_number, db_pages: frame.db_pages, time });
                    }
                }
            })?;
        }
        writer.sync()?;
        if from == 0 {
            self.files.sync()?;
        }
        let (header, frame, checksum) = (reader.header(), reader.frames(), reader.checksum());
        self.tail = Some(Tail { header, frame, checksum, end: writer.end() });
        self.last = point;
        Ok(())
    }

    /// Whether a state of the log is kept.
    pub fn has(&self, position: Position) -> bool {
        let kept = self.tail.map_or(0, |tail| tail.frame);
        position.generation == self.generation && position.frame <= kept
    }

    /// The log was emptied after all of it was kept.
    pub fn folded(&mut self, generation: u32) {
        self.generation = generation;
        self.tail = None;
    }

    fn reader(&self) -> io::Result<WalReader<BufReader<File>>> {
        let mut file = File::open(&self.log)?;
        let Some(Tail { header, frame, checksum, .. }) = self.tail else {
            return WalReader::begin(BufReader::with_capacity(1 << 18, file))?
                .ok_or_else(|| damaged("the log has no header".to_owned()));
        };
        file.seek(SeekFrom::Start(offset(header, frame)))?;
        Ok(WalReader::resume(BufReader::with_capacity(1 << 18, file), header, frame, checksum))
    }

    fn writer(&self, header: Header) -> io::Result<Writer> {
        let path = self.files.segment(self.generation);
        if let Some(tail) = self.tail {
            return Writer::resume(&path, header.page_size, tail.end);
        }
        let head = Head {
            generation: self.generation,
            page_size: header.page_size,
            salts: header.salts,
            previous: self.last.position,
        };
        Writer::create(&path, head)
    }

    /// Reads up to a frame that is kept already, in a segment that ends at `end`.
    fn find_tail(&self, frame: u32, end: u64) -> io::Result<Tail> {
        let mut reader = self.reader()?;
        let mut page = vec![0; reader.header().page_size as usize];
        while reader.frames() < frame {
            reader
                .next(&mut page)?
                .ok_or_else(|| damaged(format!("the log ends before frame {frame}, which is kept")))?;
        }
        Ok(Tail { header: reader.header(), frame, checksum: reader.checksum(), end })
    }
}

/// Where a frame of a log ends.
pub fn offset(header: Header, frame: u32) -> u64 {
    HEADER as u64 + u64::from(frame) * (FRAME_HEADER as u64 + u64::from(header.page_size))
}

/// Begins the history of a database that had none with what is there: its file without the log.
fn adopt(files: &Files, database: &Path) -> io::Result<()> {
    match fs::metadata(database) {
        Ok(found) if found.len() > 0 => {
            let point = Point { position: super::files::GENESIS, time: modified(database)? };
            files.adopt(database, point)
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Puts a restored database in its place, once that is decided: the segment that says so has its name.
///
/// The log goes before the database comes: SQLite would apply the one to the other. Either step may have been done.
///
/// # Errors
/// The file system's; it is tried again at the next start.
pub fn finish_restore(files: &Files, database: &Path, log: &Path) -> io::Result<()> {
    let Some((generation, decided)) = files.pending()? else {
        return remove(&files.candidate());
    };
    if files.candidate().exists() {
        remove(log)?;
        remove(&log.with_file_name(shared_memory(database)))?;
        fs::rename(files.candidate(), database)?;
        if let Some(folder) = database.parent() {
            File::open(folder)?.sync_all()?;
        }
    }
    fs::rename(decided, files.segment(generation))?;
    files.sync()
}

fn shared_memory(database: &Path) -> String {
    format!("{}-shm", database.file_name().unwrap_or_default().to_string_lossy())
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// When a file was last written, in microseconds since 1970.
fn modified(path: &Path) -> io::Result<i64> {
    let since = fs::metadata(path)?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
