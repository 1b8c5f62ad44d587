//! Where contents lie: `<folder>/<account>/<two digits>/<hash>`, never changed once written, and beside a content what
//! it is compressed (`.br`, `.zst`, `.gz`), which is made when somebody first asks for it.
//!
//! An account's contents are its own: what one account says is a file's hash must not decide what another one serves.

mod encode;
mod incoming;
mod memory;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use hearth_model::AccountId;
use hearth_space::{Kind, Space};
use parking_lot::Mutex;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, Take};
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard, Semaphore};
use tokio_util::io::ReaderStream;

pub use encode::Coding;
pub use incoming::{Incoming, IncomingError};

use crate::manifest::ContentHash;
use crate::range::Part;
use memory::Memory;

/// Contents up to this many bytes are kept in memory once they were asked for.
const SMALL: u64 = 256 << 10;

/// Bytes of memory for them.
const MEMORY: usize = 64 << 20;

/// All accounts' contents. Clones are the same.
#[derive(Debug, Clone)]
pub struct Contents(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    space: Space,
    folders: Mutex<HashMap<AccountId, Folder>>,
    memory: Mutex<Memory>,
    /// Compressing is done one content after the other, beside the traffic.
    encoder: Arc<Semaphore>,
    encoding: Mutex<Vec<memory::Key>>,
    /// Held shared while contents are counted on that no version has yet, exclusively while unused ones are removed.
    gate: RwLock<()>,
}

/// An account's contents. Clones are the same.
#[derive(Debug, Clone)]
pub struct Folder(Arc<FolderInner>);

#[derive(Debug)]
struct FolderInner {
    contents: Contents,
    path: PathBuf,
    /// What the folder is called in memory.
    number: u32,
    /// What `hearth-space` knows it by.
    resource: String,
    /// Bytes of all that lies there.
    held: Mutex<u64>,
}

/// A content, to be read.
#[derive(Debug)]
pub enum Content {
    /// It is there.
    Bytes(Bytes),
    /// It is read as it is sent; so many bytes.
    File(File, u64),
}

impl Content {
    /// Bytes.
    pub fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, length) => *length,
        }
    }
}

/// Bytes of a file that are read at a time.
const PIECE: usize = 64 << 10;

/// A part of a content, to be sent.
pub enum Piece {
    /// It is there.
    Bytes(Bytes),
    /// It is read as it is sent.
    Stream(ReaderStream<Take<tokio::fs::File>>),
}

impl Content {
    /// A part of it, which lies within it.
    ///
    /// # Errors
    /// What the disk says.
    pub async fn part(self, part: Part) -> io::Result<Piece> {
        Ok(match self {
            Self::Bytes(bytes) => {
                let (start, length) = (part.start as usize, part.length as usize);
                let inside = start.checked_add(length).is_some_and(|end| end <= bytes.len());
                Piece::Bytes(match inside {
                    true => bytes.slice(start..start + length),
                    false => return Err(io::Error::other("a content is shorter than its list says")),
                })
            }
            Self::File(file, _) => {
                let mut file = tokio::fs::File::from_std(file);
                if part.start > 0 {
                    file.seek(io::SeekFrom::Start(part.start)).await?;
                }
                Piece::Stream(ReaderStream::with_capacity(file.take(part.length), PIECE))
            }
        })
    }
}

impl Contents {
    /// The contents below a folder, which is made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or what an interrupted upload left cannot be removed.
    pub fn open(root: PathBuf, space: Space) -> io::Result<Self> {
        create(&root)?;
        let incoming = root.join(incoming::FOLDER);
        match fs::remove_dir_all(&incoming) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => create(&incoming)?,
        }
        Ok(Self(Arc::new(Inner {
            root,
            space,
            folders: Mutex::default(),
            memory: Mutex::new(Memory::new(MEMORY)),
            encoder: Arc::new(Semaphore::new(1)),
            encoding: Mutex::default(),
            gate: RwLock::default(),
        })))
    }

    /// An account's. The first time, where it has a quota, what is there is added up.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn folder(&self, account: &AccountId) -> io::Result<Folder> {
        if let Some(folder) = self.0.folders.lock().get(account) {
            return Ok(folder.clone());
        }
        let path = self.0.root.join(account.as_str());
        let held = if self.0.space.is_limited(account) { size_of(&path)? } else { 0 };
        let mut folders = self.0.folders.lock();
        let number = folders.len() as u32;
        let make = || {
            let resource = format!("assets of {}", account.as_str());
            self.0.space.opened(&resource, account, Kind::Assets);
            self.0.space.found(&resource, held);
            let held = Mutex::new(held);
            Folder(Arc::new(FolderInner { contents: self.clone(), path, number, resource, held }))
        };
        Ok(folders.entry(account.clone()).or_insert_with(make).clone())
    }

    /// The accounts that have a folder.
    ///
    /// # Errors
    /// When the folders cannot be listed.
    pub fn accounts(&self) -> io::Result<Vec<AccountId>> {
        let names = fs::read_dir(&self.0.root)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        let names: Vec<Option<String>> = names.collect::<io::Result<_>>()?;
        let accounts = names.into_iter().flatten().filter(|name| name != incoming::FOLDER);
        Ok(accounts.filter_map(|name| name.parse().ok()).collect())
    }

    /// While this is held no content is removed.
    pub async fn using(&self) -> RwLockReadGuard<'_, ()> {
        self.0.gate.read().await
    }

    /// While this is held nobody counts on a content that no version or session has.
    pub async fn collecting(&self) -> RwLockWriteGuard<'_, ()> {
        self.0.gate.write().await
    }

    /// Gives every content a second name below another folder on the same file system, or copies it there.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn snapshot(&self, to: &Path) -> io::Result<()> {
        for account in self.accounts()? {
            for path in self.folder(&account)?.files()? {
                let below = path.strip_prefix(&self.0.root).map_err(io::Error::other)?;
                let copy = to.join(below);
                create(copy.parent().unwrap_or(to))?;
                match fs::hard_link(&path, &copy) {
                    Ok(()) => {}
                    // Removed meanwhile: nobody wants it.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(_) => drop(fs::copy(&path, &copy)?),
                }
            }
        }
        Ok(())
    }
}

impl Folder {
    /// A place for a content that comes in.
    ///
    /// # Errors
    /// When no file can be made.
    pub fn receive(&self) -> io::Result<Incoming> {
        Incoming::new(self.clone())
    }

    /// A content, or what it is compressed.
    ///
    /// # Errors
    /// Not found, and what the disk says.
    pub async fn read(&self, hash: ContentHash, coding: Option<Coding>) -> io::Result<Content> {
        let key = (self.0.number, hash, coding);
        if let Some(bytes) = self.inner().memory.lock().get(&key) {
            return Ok(Content::Bytes(bytes));
        }
        let path = self.path(hash, coding);
        let content = tokio::task::spawn_blocking(move || {
            let mut file = File::open(path)?;
            let length = file.metadata()?.len();
            if length > SMALL {
                return Ok(Content::File(file, length));
            }
            let mut bytes = Vec::with_capacity(length as usize);
            io::Read::read_to_end(&mut file, &mut bytes)?;
            Ok::<_, io::Error>(Content::Bytes(bytes.into()))
        });
        let content = content.await.map_err(io::Error::other)??;
        if let Content::Bytes(bytes) = &content {
            self.inner().memory.lock().insert(key, bytes.clone());
        }
        Ok(content)
    }

    /// What a content is compressed, if it was and if that pays. If it was not yet, it will be.
    pub async fn encoded(&self, hash: ContentHash, coding: Coding) -> Option<Content> {
        match self.read(hash, Some(coding)).await {
            Ok(content) if content.length() > 0 => Some(content),
            Ok(_) => None,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.encode(hash, coding);
                None
            }
            Err(error) => {
                tracing::warn!(%error, "a compressed asset cannot be read");
                None
            }
        }
    }

    /// Contents that were last stored longer than so many seconds ago.
    ///
    /// # Errors
    /// What the disk says.
    pub fn older_than(&self, age: std::time::Duration) -> io::Result<Vec<ContentHash>> {
        let mut found = Vec::new();
        for path in self.files()? {
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(hash) = name.and_then(|name| name.parse().ok()) else { continue };
            let modified = fs::metadata(&path).and_then(|metadata| metadata.modified());
            if modified.is_ok_and(|time| time.elapsed().unwrap_or_default() >= age) {
                found.push(hash);
            }
        }
        Ok(found)
    }

    /// Removes a content, and says how many bytes that were.
    ///
    /// # Errors
    /// What the disk says.
    pub fn remove(&self, hash: ContentHash) -> io::Result<u64> {
        let mut freed = 0;
        for coding in std::iter::once(None).chain(Coding::ALL.map(Some)) {
            self.inner().memory.lock().remove(&(self.0.number, hash, coding));
            let path = self.path(hash, coding);
            match fs::metadata(&path) {
                Ok(metadata) => {
                    fs::remove_file(&path)?;
                    freed += metadata.len();
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        self.holds(|held| held.saturating_sub(freed));
        Ok(freed)
    }

    /// Adds up what lies there, where that was not done when the folder was first asked for. What is written meanwhile may
    /// be missing from the sum.
    ///
    /// # Errors
    /// What the disk says.
    pub fn measure(&self) -> io::Result<()> {
        let found = size_of(&self.0.path)?;
        self.holds(|held| held.max(found));
        Ok(())
    }

    fn inner(&self) -> &Inner {
        &self.0.contents.0
    }

    fn path(&self, hash: ContentHash, coding: Option<Coding>) -> PathBuf {
        let name = hash.to_string();
        let folder = self.0.path.join(&name[..2]);
        folder.join(coding.map_or(name.clone(), |coding| format!("{name}.{}", coding.extension())))
    }

    fn grew(&self, bytes: u64) {
        self.holds(|held| held.saturating_add(bytes));
    }

    /// What lay there at the start may not have been added up yet, so that more is removed than is known of.
    fn holds(&self, change: impl Fn(u64) -> u64) {
        let mut held = self.0.held.lock();
        *held = change(*held);
        self.inner().space.holds(&self.0.resource, *held);
    }

    fn files(&self) -> io::Result<Vec<PathBuf>> {
        files_below(&self.0.path)
    }
}

fn files_below(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let outer = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        outer => outer?,
    };
    for fan_out in outer {
        for entry in fs::read_dir(fan_out?.path())? {
            found.push(entry?.path());
        }
    }
    Ok(found)
}

fn size_of(folder: &Path) -> io::Result<u64> {
    let sizes = files_below(folder)?.into_iter().map(|path| Ok(fs::metadata(path)?.len()));
    sizes.sum()
}

/// For its owner only.
fn create(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests;
