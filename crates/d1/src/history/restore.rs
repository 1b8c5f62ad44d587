//! Puts a database back to an earlier state. For the history it is one more commit, which writes every page that
//! differs: so it can be undone as it was done.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::files::damaged;
use super::keeper::{Keeper, finish_restore, offset};
use super::segment::{End, Head, Writer};
use super::wal::{FRAME_HEADER, WalReader};

/// Makes the database what `candidate` holds, a whole database file without a log, and consumes it. No engine may run
/// on the database; the keeper has to be loaded again afterwards. `time` is the present, in microseconds since 1970.
///
/// # Errors
/// The files'. The database is as it was, unless the decision had been written: then it is carried out when the keeper
/// is loaded.
pub fn restore(keeper: &Keeper, candidate: &Path, time: i64) -> io::Result<()> {
    let files = keeper.files();
    let next = keeper.generation() + 1;
    fs::rename(candidate, files.candidate())?;
    let after = File::open(files.candidate())?;
    after.sync_all()?;
    let before = Present::open(keeper.database(), keeper.log())?;
    let draft = files.temporary("restore");
    let head = Head {
        generation: next,
        page_size: page_size(&after, &before)?,
        salts: [0, 0],
        previous: keeper.last().position,
    };
    let mut writer = Writer::create(&draft, head)?;
    let size = u64::from(head.page_size);
    let pages_after = u32::try_from(after.metadata()?.len() / size).map_err(|_| too_large())?;
    let (mut old, mut new) = (vec![0; size as usize], vec![0; size as usize]);
    writer.append(|pages| {
        for page in 1..=pages_after {
            after.read_exact_at(&mut new, u64::from(page - 1) * size)?;
            if !before.read(page, &mut old)? || old != new {
                pages.add(page, &new)?;
            }
        }
        // A database that only became shorter has its size in its first page, which thus differs; one that became
        // nothing has no page at all.
        Ok(End { frame: 1, db_pages: pages_after, time: time.max(keeper.last().time) })
    })?;
    writer.sync()?;
    // From here on it is decided.
    fs::rename(draft, files.restore(next))?;
    files.sync()?;
    finish_restore(files, keeper.database(), keeper.log())
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a database of more pages than SQLite can have")
}

/// The page size of a restored database; that of the present one when it is empty.
fn page_size(after: &File, before: &Present) -> io::Result<u32> {
    let mut bytes = [0; 2];
    if after.metadata()?.len() < 100 {
        return Ok(before.page_size);
    }
    after.read_exact_at(&mut bytes, 16)?;
    Ok(header_page_size(bytes))
}

/// The page size as the header of a database says it: 1 stands for 65536.
fn header_page_size(bytes: [u8; 2]) -> u32 {
    match u16::from_be_bytes(bytes) {
        1 => 65_536,
        size => u32::from(size),
    }
}

/// The database as its file and its log together say.
struct Present {
    database: Option<File>,
    log: Option<File>,
    /// Where in the log a page's last content begins.
    in_log: HashMap<u32, u64>,
    page_size: u32,
    pages: u32,
}

impl Present {
    fn open(database: &Path, log: &Path) -> io::Result<Self> {
        let (database, log) = (existing(database)?, existing(log)?);
        let mut present = Self { database, log, in_log: HashMap::new(), page_size: 4096, pages: 0 };
        if let Some(file) =
            present.database.as_ref().filter(|file| file.metadata().is_ok_and(|meta| meta.len() >= 100))
        {
            let mut bytes = [0; 2];
            file.read_exact_at(&mut bytes, 16)?;
            present.page_size = header_page_size(bytes);
            let pages = file.metadata()?.len() / u64::from(present.page_size);
            present.pages = u32::try_from(pages).map_err(|_| too_large())?;
        }
        present.read_log()?;
        Ok(present)
    }

    fn read_log(&mut self) -> io::Result<()> {
        let Some(log) = &self.log else { return Ok(()) };
        let Some(mut reader) = WalReader::begin(BufReader::with_capacity(1 << 18, log.try_clone()?))? else {
            return Ok(());
        };
        let header = reader.header();
        self.page_size = header.page_size;
        let mut page = vec![0; header.page_size as usize];
        let mut open: Vec<(u32, u64)> = Vec::new();
        while let Some(frame) = reader.next(&mut page)? {
            open.push((frame.page, offset(header, reader.frames() - 1) + FRAME_HEADER as u64));
            if frame.db_pages != 0 {
                self.in_log.extend(open.drain(..));
                self.pages = frame.db_pages;
            }
        }
        Ok(())
    }

    /// Reads a page; false when the database has none of that number.
    fn read(&self, page: u32, into: &mut [u8]) -> io::Result<bool> {
        if page > self.pages {
            return Ok(false);
        }
        let missing = || damaged(format!("page {page} is missing"));
        match self.in_log.get(&page) {
            Some(at) => self.log.as_ref().ok_or_else(missing)?.read_exact_at(into, *at)?,
            None => {
                let at = u64::from(page - 1) * u64::from(self.page_size);
                self.database.as_ref().ok_or_else(missing)?.read_exact_at(into, at)?;
            }
        }
        Ok(true)
    }
}

fn existing(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
