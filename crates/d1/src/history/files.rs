//! The files of one database's history: a base, and segments that lead on from it.
//!
//! ```text
//! base-<generation>-<frame>-<time>.db   the whole database at a point; without one the history begins with nothing
//! <generation>.seg                      what was committed in one log
//! <generation>.restore, candidate.db    a restore that is decided and not yet done
//! *.tmp                                 what a crash left half made
//! ```
//!
//! Numbers in names are hexadecimal and of fixed width. A base takes the place of every segment up to its own
//! generation; those that a crash left beside it count for nothing.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::plan::{self, Closed, Limits, Point};
use super::segment::{End, Segment, Writer};
use crate::Position;

/// The point before anything was written.
pub const GENESIS: Position = Position { generation: 0, frame: 0 };

/// The folder of one database's history.
#[derive(Debug, Clone)]
pub struct Files {
    folder: PathBuf,
}

/// Where the history begins.
#[derive(Debug, Clone)]
pub struct Base {
    /// Which state it is, since when.
    pub point: Point,
    /// The database then; None for nothing at all.
    pub file: Option<PathBuf>,
}

impl Files {
    /// The history in `folder`.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Makes the folder and removes what a crash left half made.
    ///
    /// # Errors
    /// The file system's.
    pub fn prepare(&self) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        for path in self.list()? {
            if path.extension().is_some_and(|extension| extension == "tmp") {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// The segment of a generation.
    pub fn segment(&self, generation: u32) -> PathBuf {
        self.folder.join(format!("{generation:08x}.seg"))
    }

    /// A file that is removed unless it gets another name.
    pub fn temporary(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.tmp"))
    }

    /// Where a restored database waits to be put in its place.
    pub fn candidate(&self) -> PathBuf {
        self.folder.join("candidate.db")
    }

    /// The segment of a restore that is decided and not yet done.
    pub fn restore(&self, generation: u32) -> PathBuf {
        self.folder.join(format!("{generation:08x}.restore"))
    }

    /// The restore that is decided and not yet done.
    ///
    /// # Errors
    /// The folder's.
    pub fn pending(&self) -> io::Result<Option<(u32, PathBuf)>> {
        Ok(self.numbered("restore")?.into_iter().next_back())
    }

    /// The base. The newest counts: of an older one, a crash prevented the removal.
    ///
    /// # Errors
    /// The folder's.
    pub fn base(&self) -> io::Result<Base> {
        let bases = self
            .list()?
            .into_iter()
            .filter_map(|path| Some(Base { point: base_point(&path)?, file: Some(path) }));
        let genesis = Base { point: Point { position: GENESIS, time: i64::MIN }, file: None };
        Ok(bases.max_by_key(|base| base.point.position).unwrap_or(genesis))
    }

    /// Makes `database` the base: a file that has all of it, so without a log. It is copied.
    ///
    /// # Errors
    /// The file system's.
    pub fn adopt(&self, database: &Path, point: Point) -> io::Result<()> {
        let copy = self.temporary("base");
        fs::copy(database, &copy)?;
        File::open(&copy)?.sync_all()?;
        self.set_base(&copy, point)
    }

    /// The generations that have a segment behind the base, ascending.
    ///
    /// # Errors
    /// The folder's.
    pub fn generations(&self) -> io::Result<Vec<u32>> {
        let base = self.base()?.point.position.generation;
        let all = self.numbered("seg")?.into_iter().map(|(generation, _)| generation);
        Ok(all.filter(|generation| *generation > base).collect())
    }

    /// Every state that can be had, ascending.
    ///
    /// # Errors
    /// The files', or that a part is missing.
    pub fn points(&self) -> io::Result<Vec<Point>> {
        let mut points = vec![self.base()?.point];
        self.each_segment(Position { generation: u32::MAX, frame: u32::MAX }, |segment| {
            points.extend(segment.points().map(|(position, time)| Point { position, time }));
            Ok(())
        })?;
        Ok(points)
    }

    /// Builds the database as it was at `position`, which is a point, into a new file, and waits until it is on disk.
    ///
    /// # Errors
    /// The files', or that a part is missing or damaged.
    pub fn build(&self, position: Position, to: &Path) -> io::Result<()> {
        match self.base()?.file {
            Some(base) => fs::copy(base, to).map(drop)?,
            None => File::create_new(to).map(drop)?,
        }
        let file = File::options().read(true).write(true).open(to)?;
        let mut reached = self.base()?.point.position;
        self.each_segment(position, |segment| {
            let generation = segment.head.generation;
            for record in segment
                .records
                .iter()
                .filter(|record| (generation, record.frame) <= (position.generation, position.frame))
            {
                let size = u64::from(segment.head.page_size);
                segment.pages(record, |page, content| {
                    file.write_all_at(content, (u64::from(page) - 1) * size)
                })?;
                file.set_len(u64::from(record.db_pages) * size)?;
                reached = Position { generation, frame: record.frame };
            }
            Ok(())
        })?;
        if reached != position {
            return Err(damaged(format!("the history leads to {reached}, not to {position}")));
        }
        file.sync_all()
    }

    /// Throws away what need not be kept of the segments before `current`. `merged` is the generation up to which there
    /// is nothing left to merge; the answer is the new one.
    ///
    /// # Errors
    /// The files'; nothing is lost then.
    pub fn compact(&self, current: u32, merged: u32, now: i64, limits: &Limits) -> io::Result<u32> {
        let mut closed = Vec::new();
        let base = self.base()?;
        for path in self.list()? {
            let older = base_point(&path).is_some_and(|point| point.position < base.point.position);
            let covered = number_of(&path, "seg")
                .is_some_and(|generation| generation <= base.point.position.generation);
            if older || covered {
                fs::remove_file(path)?;
            }
        }
        self.each_segment(Position { generation: current - 1, frame: u32::MAX }, |segment| {
            if let Some((position, until)) = segment.last() {
                closed.push((position, Closed { until, bytes: segment.size() }));
            }
            Ok(())
        })?;
        let figures: Vec<Closed> = closed.iter().map(|(_, closed)| *closed).collect();
        let folded = plan::fold(&figures, now, limits);
        if let Some((position, figures)) = folded.checked_sub(1).map(|last| closed[last]) {
            let next = self.temporary("base");
            self.build(position, &next)?;
            self.set_base(&next, Point { position, time: figures.until })?;
            for (position, _) in &closed[..folded] {
                fs::remove_file(self.segment(position.generation))?;
            }
        }
        let mut merged = merged;
        for (position, figures) in &closed[folded..] {
            if position.generation > merged {
                if now - figures.until < i64::try_from(limits.fine.as_micros()).unwrap_or(i64::MAX) {
                    break;
                }
                self.merge(position.generation, now, limits)?;
                merged = position.generation;
            }
        }
        Ok(merged)
    }

    /// Makes one record of those of one minute.
    fn merge(&self, generation: u32, now: i64, limits: &Limits) -> io::Result<()> {
        let path = self.segment(generation);
        let segment =
            Segment::open(&path)?.ok_or_else(|| damaged(format!("{} has no head", path.display())))?;
        let times: Vec<i64> = segment.records.iter().map(|record| record.time).collect();
        let Some(groups) = plan::merge(&times, now, limits) else { return Ok(()) };
        let next = self.temporary("segment");
        let mut writer = Writer::create(&next, segment.head)?;
        for group in groups {
            let records = &segment.records[group];
            // A page's last content in the minute is the one that counts.
            let mut last = std::collections::HashMap::new();
            for (at, record) in records.iter().enumerate() {
                segment.pages(record, |page, _| {
                    last.insert(page, at);
                    Ok(())
                })?;
            }
            writer.append(|pages| {
                for (at, record) in records.iter().enumerate() {
                    segment.pages(record, |page, content| {
                        if last.get(&page) == Some(&at) { pages.add(page, content) } else { Ok(()) }
                    })?;
                }
                let end = records[records.len() - 1];
                Ok(End { frame: end.frame, db_pages: end.db_pages, time: end.time })
            })?;
        }
        writer.sync()?;
        fs::rename(next, path)?;
        self.sync()
    }

    /// Gives the history's folder another name, so that a new one can begin.
    ///
    /// # Errors
    /// The file system's.
    pub fn set_aside(&self, now: i64) -> io::Result<()> {
        fs::rename(&self.folder, self.folder.with_extension(format!("damaged-{now}")))
    }

    /// Removes everything, also what was set aside.
    ///
    /// # Errors
    /// The file system's.
    pub fn remove(&self) -> io::Result<()> {
        let (Some(parent), Some(name)) = (self.folder.parent(), self.folder.file_name()) else {
            return Ok(());
        };
        let entries = match fs::read_dir(parent) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let path = entry?.path();
            if path.file_stem() == Some(name) {
                fs::remove_dir_all(path)?;
            }
        }
        Ok(())
    }

    /// Waits until the folder's names are on disk.
    ///
    /// # Errors
    /// The file system's.
    pub fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    /// Gives the segments up to `until`, ascending, each of which goes on where the one before it ends.
    fn each_segment(
        &self,
        until: Position,
        mut each: impl FnMut(&Segment) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut reached = self.base()?.point.position;
        for generation in self.generations()? {
            if generation > until.generation {
                break;
            }
            let Some(segment) = Segment::open(&self.segment(generation))? else { continue };
            if segment.records.is_empty() {
                continue;
            }
            if segment.head.previous != reached {
                return Err(damaged(format!("segment {generation:08x} does not follow on {reached}")));
            }
            each(&segment)?;
            if let Some((position, _)) = segment.last() {
                reached = position;
            }
        }
        Ok(())
    }

    fn set_base(&self, file: &Path, point: Point) -> io::Result<()> {
        let Point { position: Position { generation, frame }, time } = point;
        fs::rename(file, self.folder.join(format!("base-{generation:08x}-{frame:08x}-{time:016x}.db")))?;
        self.sync()
    }

    fn numbered(&self, extension: &str) -> io::Result<Vec<(u32, PathBuf)>> {
        let mut found: Vec<_> =
            self.list()?.into_iter().filter_map(|path| Some((number_of(&path, extension)?, path))).collect();
        found.sort();
        Ok(found)
    }

    fn list(&self) -> io::Result<Vec<PathBuf>> {
        fs::read_dir(&self.folder)?.map(|entry| Ok(entry?.path())).collect()
    }
}

/// A history that cannot be followed, with what the operator should read.
pub fn damaged(what: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

fn number_of(path: &Path, extension: &str) -> Option<u32> {
    let name = path.file_name()?.to_str()?.strip_suffix(extension)?.strip_suffix('.')?;
    (name.len() == 8).then(|| u32::from_str_radix(name, 16).ok()).flatten()
}

fn base_point(path: &Path) -> Option<Point> {
    let name = path.file_name()?.to_str()?.strip_prefix("base-")?.strip_suffix(".db")?;
    let mut parts = name.split('-');
    let generation = u32::from_str_radix(parts.next()?, 16).ok()?;
    let frame = u32::from_str_radix(parts.next()?, 16).ok()?;
    let time = i64::from_str_radix(parts.next()?, 16).ok()?;
    Some(Point { position: Position { generation, frame }, time })
}
