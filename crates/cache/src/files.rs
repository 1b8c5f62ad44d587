//! The files of a cache: a body, what is known of it, and where that begins. A file that is not whole is none.
//!
//! Small bodies are checked when they are read; large ones are on the disk before they get their name. So a file that a
//! power cut left half written is a miss, and nothing needs to be written twice for that.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::entry::Entry;
use crate::index::Id;

/// Longest body that is held in memory, in bytes.
pub(crate) const SMALL: usize = 128 << 10;

/// Threads that work on files at a time.
const THREADS: usize = 16;

/// Longest description that is believed: headers of at most 128 KiB, in JSON.
const MOST_TAIL: u64 = 2 << 20;

/// Ends a file: the length of the description before it, 32 bits of its hash, and what kind of file this is.
const MARK: &[u8; 8] = b"hcache01";
const END: u64 = 16;

/// What stands behind a body.
#[derive(Serialize, Deserialize)]
struct Tail {
    entry: Entry,
    /// The body's length.
    length: u64,
    /// BLAKE3 of a body of at most [`SMALL`] bytes, in hex.
    hash: Option<String>,
}

/// A stored response.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub entry: Arc<Entry>,
    pub body: StoredBody,
}

/// Where a body is.
#[derive(Debug, Clone)]
pub(crate) enum StoredBody {
    Memory(Bytes),
    File { file: Arc<File>, length: u64 },
}

impl StoredBody {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
        }
    }
}

/// The folder. Clones are the same.
#[derive(Debug, Clone)]
pub(crate) struct Files(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    threads: Arc<Semaphore>,
}

impl Files {
    /// The folder, with what it needs in it. What was being written when the server ended is removed.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let incoming = folder.join("incoming");
        match fs::remove_dir_all(&incoming) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => fs::create_dir_all(&incoming)?,
        }
        for first in 0..=u8::MAX {
            fs::create_dir_all(folder.join(format!("{first:02x}")))?;
        }
        Ok(Self(Arc::new(Inner { folder: folder.to_owned(), threads: Arc::new(Semaphore::new(THREADS)) })))
    }

    /// Runs work that blocks.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let thread = Arc::clone(&self.0.threads).acquire_owned().await.map_err(io::Error::other)?;
        let files = self.clone();
        let done = tokio::task::spawn_blocking(move || {
            let _thread = thread;
            work(&files)
        });
        done.await.map_err(io::Error::other)?
    }

    fn path(&self, id: Id) -> PathBuf {
        self.0.folder.join(format!("{:02x}", id as u8)).join(format!("{id:016x}"))
    }

    fn incoming(&self, id: Id) -> PathBuf {
        self.0.folder.join("incoming").join(format!("{id:016x}"))
    }

    /// A file to be written, which has no name yet that anybody looks for.
    pub(crate) fn create(&self, id: Id) -> io::Result<File> {
        OpenOptions::new().read(true).write(true).create_new(true).open(self.incoming(id))
    }

    /// Ends a file and gives it its name. `small`: its body, if that is in memory. Its length is returned.
    pub(crate) fn finish(
        &self,
        id: Id,
        mut file: &File,
        length: u64,
        small: Option<&[u8]>,
        entry: &Entry,
    ) -> io::Result<u64> {
        let tail = tail(entry, length, small.map(|body| blake3::hash(body).to_hex().to_string()))?;
        if let Some(body) = small {
            file.write_all(&[body, &tail].concat())?;
        } else {
            file.write_all(&tail)?;
            file.sync_data()?;
        }
        fs::rename(self.incoming(id), self.path(id))?;
        Ok(length + tail.len() as u64)
    }

    /// Replaces what is known of a body.
    pub(crate) fn describe(&self, id: Id, entry: &Entry) -> io::Result<()> {
        let file = OpenOptions::new().read(true).write(true).open(self.path(id))?;
        let Tail { length, hash, .. } = read_tail(&file)?;
        let tail = tail(entry, length, hash)?;
        file.set_len(length)?;
        file.write_all_at(&tail, length)
    }

    /// A stored response; a small body is in memory then.
    pub(crate) fn read(&self, id: Id) -> io::Result<Stored> {
        let file = File::open(self.path(id))?;
        let Tail { entry, length, hash } = read_tail(&file)?;
        let body = match hash {
            Some(hash) => {
                let mut body = vec![0; usize::try_from(length).map_err(io::Error::other)?];
                file.read_exact_at(&mut body, 0)?;
                if blake3::hash(&body).to_hex().as_str() != hash {
                    return Err(io::Error::from(io::ErrorKind::InvalidData));
                }
                StoredBody::Memory(body.into())
            }
            None => StoredBody::File { file: Arc::new(file), length },
        };
        Ok(Stored { entry: Arc::new(entry), body })
    }

    /// Removes files that may be there.
    pub(crate) fn remove(&self, ids: &[Id]) {
        for id in ids {
            if let Err(error) = fs::remove_file(self.path(*id))
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(%error, id = format!("{id:016x}"), "a file of the cache cannot be removed");
            }
        }
    }

    /// Removes a file that was not finished.
    pub(crate) fn give_up(&self, id: Id) {
        // What cannot be removed now goes at the next start.
        let _ = fs::remove_file(self.incoming(id));
    }

    /// Every file with its length and what it says, the oldest first. What is not whole says nothing.
    pub(crate) fn scan(&self) -> io::Result<Vec<(Id, u64, io::Result<Entry>)>> {
        let mut found = Vec::new();
        for first in 0..=u8::MAX {
            for file in fs::read_dir(self.0.folder.join(format!("{first:02x}")))? {
                let path = file?.path();
                let id = path.file_name().and_then(|name| Id::from_str_radix(name.to_str()?, 16).ok());
                // Whoever puts files of other names there has to see to them.
                let Some(id) = id else { continue };
                let read = || {
                    let file = File::open(&path)?;
                    io::Result::Ok((file.metadata()?.len(), read_tail(&file)?.entry))
                };
                match read() {
                    Ok((length, entry)) => found.push((id, length, Ok(entry))),
                    Err(error) => found.push((id, 0, Err(error))),
                }
            }
        }
        found.sort_by_key(|(_, _, entry)| entry.as_ref().map_or(0, |entry| entry.stored_at));
        Ok(found)
    }
}

fn tail(entry: &Entry, length: u64, hash: Option<String>) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(&Tail { entry: entry.clone(), length, hash })?;
    let (size, hash) = (u32::try_from(bytes.len()).map_err(io::Error::other)?, blake3::hash(&bytes));
    bytes.extend_from_slice(&size.to_le_bytes());
    bytes.extend_from_slice(&hash.as_bytes()[..4]);
    bytes.extend_from_slice(MARK);
    Ok(bytes)
}

fn read_tail(file: &File) -> io::Result<Tail> {
    let bad = || io::Error::from(io::ErrorKind::InvalidData);
    let whole = file.metadata()?.len();
    let mut end = [0; END as usize];
    file.read_exact_at(&mut end, whole.checked_sub(END).ok_or_else(bad)?)?;
    let size = u64::from(u32::from_le_bytes([end[0], end[1], end[2], end[3]]));
    let begin = whole.checked_sub(END + size).filter(|_| size <= MOST_TAIL && end[8..] == *MARK);
    let begin = begin.ok_or_else(bad)?;
    let mut text = vec![0; size as usize];
    file.read_exact_at(&mut text, begin)?;
    if blake3::hash(&text).as_bytes()[..4] != end[4..8] {
        return Err(bad());
    }
    let tail: Tail = serde_json::from_slice(&text)?;
    if tail.length == begin { Ok(tail) } else { Err(bad()) }
}

/// Reads from an open file at `offset`, up to `length` bytes.
pub(crate) fn read_at(file: &File, offset: u64, length: usize) -> io::Result<Bytes> {
    let mut piece = vec![0; length];
    file.read_exact_at(&mut piece, offset)?;
    Ok(piece.into())
}
