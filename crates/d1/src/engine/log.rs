//! The write-ahead log as a file: what SQLite itself does not do for it here.
//!
//! SQLite runs with `synchronous=NORMAL`: it appends a transaction to the log and leaves it to us when that is on disk.
//! Before it folds the log into the database, and when it begins the log anew, it waits for the disk itself
//! (sqlite.org/wal.html, "Performance Considerations").

use std::cell::Cell;
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::frame::PAGE;

/// Bytes of a log's header, and of a frame with its page (SQLite's file format, section 4).
const HEADER: u64 = 32;
const FRAME: u64 = 24 + PAGE;

/// Frames that room is made for at once, and how few are left when more is made.
const ROOM: u32 = 256;
const ROOM_LEFT: u32 = 32;

thread_local! {
    // SQLite's hook is a plain function, and this thread has one database.
    /// Frames that are committed.
    static FRAMES: Cell<u32> = const { Cell::new(0) };
    /// Whether some of them may not be on disk.
    static BEHIND: Cell<bool> = const { Cell::new(false) };
}

/// The log of this thread's database is committed up to this frame.
pub fn committed(frame: u32) {
    FRAMES.set(frame);
    BEHIND.set(frame > 0);
}

/// Frames of the log of this thread's database that are committed.
pub fn frame() -> u32 {
    FRAMES.get()
}

/// The log of this thread's database.
pub struct Log {
    path: PathBuf,
    file: Option<File>,
    /// Frames that were acknowledged, or were there before this engine.
    kept: u32,
    /// Frames that the file has room for already.
    room: u32,
}

impl Log {
    /// The log of this database, whether it is there already or not.
    pub fn of(database: &Path) -> Self {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        Self { path: path.into(), file: None, kept: 0, room: 0 }
    }

    /// The database was opened: what its log holds may have been acknowledged by an engine before.
    pub fn opened(&mut self) {
        self.kept = frame();
    }

    /// The log was folded, and is empty.
    pub fn folded(&mut self) {
        FRAMES.set(0);
        BEHIND.set(false);
        (self.kept, self.room) = (0, 0);
    }

    /// Makes room in a log that is written to: a commit that lengthens the file costs the disk several times what one
    /// does that overwrites. Zeros are no frames, for SQLite as for the archive. To be called when nobody waits.
    pub fn make_room(&mut self) {
        let frame = frame();
        if frame == 0 || frame + ROOM_LEFT <= self.room {
            return;
        }
        // On a full disk it goes on without.
        self.room = frame + ROOM;
        let _ = self.lengthen(HEADER + FRAME * u64::from(self.room));
    }

    /// Takes back what is not on disk: what the kernel failed to write it will not write again, and whoever opens the
    /// database must not find it.
    fn take_back(&mut self) -> io::Result<()> {
        let whole = HEADER + FRAME * u64::from(self.kept);
        self.file()?.set_len(whole)
    }

    /// Writes zeros behind its end, up to a length.
    fn lengthen(&mut self, length: u64) -> io::Result<()> {
        let file = self.file()?;
        let end = file.seek(SeekFrom::End(0))?;
        if let Ok(missing @ 1..) = usize::try_from(length.saturating_sub(end)) {
            file.write_all(&vec![0; missing])?;
            file.sync_all()?;
        }
        Ok(())
    }

    /// SQLite only ever empties the file, it never makes another one.
    fn file(&mut self) -> io::Result<&mut File> {
        if self.file.is_none() {
            self.file = Some(OpenOptions::new().write(true).open(&self.path)?);
        }
        self.file.as_mut().ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// Something that has to be on disk before anybody hears of it.
pub trait Durable {
    /// Whether something was committed that may not be on disk.
    fn is_behind(&self) -> bool;

    /// Waits until all that was committed is on disk. Quick when it is.
    ///
    /// # Errors
    /// It is not, and never will be: nothing of it may be acknowledged.
    fn settle(&mut self) -> io::Result<()>;
}

impl Durable for Log {
    fn is_behind(&self) -> bool {
        BEHIND.get()
    }

    fn settle(&mut self) -> io::Result<()> {
        if !self.is_behind() {
            return Ok(());
        }
        let synced = self.file().and_then(|file| file.sync_data());
        if synced.is_err() {
            let _ = self.take_back();
            return synced;
        }
        self.kept = frame();
        BEHIND.set(false);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_synced_is_taken_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("database.db");
        let path = folder.path().join("database.db-wal");
        std::fs::write(&path, vec![1; (HEADER + 5 * FRAME) as usize]).expect("writes");
        let length = || std::fs::metadata(&path).expect("is there").len();
        let mut log = Log::of(&database);
        committed(4);
        log.opened();
        log.take_back().expect("is shortened");
        assert_eq!(length(), HEADER + 4 * FRAME, "what was there before is not this engine's to take");
        log.settle().expect("is on disk");
        committed(3);
        log.settle().expect("is on disk");
        committed(5);
        log.take_back().expect("is shortened");
        assert_eq!(length(), HEADER + 3 * FRAME);

        // A pipe can be written to and not be synced, as a disk that fails.
        let (_reader, writer) = std::io::pipe().expect("a pipe");
        log.file = Some(File::from(std::os::fd::OwnedFd::from(writer)));
        assert!(log.settle().is_err());
    }

    #[test]
    fn room_is_made_ahead() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("database.db-wal");
        std::fs::write(&path, []).expect("writes");
        let length = || std::fs::metadata(&path).expect("is there").len();
        let mut log = Log::of(&folder.path().join("database.db"));
        log.make_room();
        assert_eq!(length(), 0, "nothing was written yet");
        committed(1);
        log.make_room();
        let made = length();
        assert_eq!(made, HEADER + FRAME * u64::from(1 + ROOM));
        committed(ROOM - ROOM_LEFT);
        log.make_room();
        assert_eq!(length(), made, "there is enough");
        committed(ROOM);
        log.make_room();
        assert!(length() > made);
        log.folded();
        assert_eq!(frame(), 0);
    }
}
