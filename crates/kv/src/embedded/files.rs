//! Values too large for a row: one file each, written and synced before the row that names it, unlinked after the row
//! is gone. What a crash leaves in between, the next start collects.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connections::io as failed;
use super::threads::Threads;
use crate::store::EngineError;

/// Bytes that are read or written at a time.
const PIECE: usize = 256 << 10;

/// The folders of all namespaces.
pub(super) struct Files {
    folder: PathBuf,
    /// Begins the names that this process gives: what begins otherwise was there before it.
    run: String,
    next: AtomicU64,
    /// Files open at a time; each is a descriptor.
    room: Arc<Semaphore>,
}

impl Files {
    pub(super) fn new(folder: PathBuf, most_open: usize) -> Self {
        Self {
            folder,
            run: format!("{:016x}", rand::random::<u64>()),
            next: 0.into(),
            room: Arc::new(Semaphore::new(most_open)),
        }
    }

    /// Where a namespace's files lie.
    pub(super) fn folder(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.values"))
    }

    /// Whether this process made the file.
    pub(super) fn is_of_this_run(&self, name: &str) -> bool {
        name.starts_with(&self.run)
    }

    /// The right to have one more open.
    ///
    /// # Errors
    /// Too many are.
    pub(super) fn permit(&self) -> Result<OwnedSemaphorePermit, EngineError> {
        Arc::clone(&self.room).try_acquire_owned().map_err(|_| EngineError::Overloaded)
    }

    /// Unlinks a value that no row names any more.
    pub(super) fn remove(&self, id: &str, name: &str) {
        if let Err(error) = fs::remove_file(self.folder(id).join(name)) {
            tracing::warn!(%error, namespace = id, name, "a value's file stays until the next start");
        }
    }

    /// Begins a file.
    pub(super) fn create(self: &Arc<Self>, id: &str, threads: Arc<Threads>) -> Result<Staged, EngineError> {
        let folder = self.folder(id);
        match fs::create_dir(&folder) {
            Ok(()) => sync(&self.folder)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
        let name = format!("{}-{:x}", self.run, self.next.fetch_add(1, Ordering::Relaxed));
        let file = File::create_new(folder.join(&name)).map_err(failed)?;
        Ok(Staged { files: Arc::clone(self), threads, id: id.to_owned(), name, length: 0, kept: false, file })
    }
}

fn sync(folder: &std::path::Path) -> Result<(), EngineError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
}

/// A file that no row names yet; dropped, it is unlinked.
pub(super) struct Staged {
    files: Arc<Files>,
    threads: Arc<Threads>,
    id: String,
    pub(super) name: String,
    /// Bytes written so far.
    pub(super) length: u64,
    kept: bool,
    file: File,
}

impl Staged {
    pub(super) fn write(&mut self, pieces: &[Bytes]) -> Result<(), EngineError> {
        for piece in pieces {
            self.file.write_all(piece).map_err(failed)?;
            self.length += piece.len() as u64;
        }
        Ok(())
    }

    /// Makes it last.
    pub(super) fn finish(&mut self) -> Result<(), EngineError> {
        self.file.sync_all().map_err(failed)?;
        sync(&self.files.folder(&self.id))
    }

    /// A row names it, or may: it is not to be unlinked.
    pub(super) fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // This may be an async thread, of a caller that went away.
        let (files, id, name) = (Arc::clone(&self.files), self.id.clone(), self.name.clone());
        if self.threads.run(move || files.remove(&id, &name)).is_err() {
            tracing::warn!(
                namespace = self.id,
                name = self.name,
                "a value's file stays until the next start"
            );
        }
    }
}

/// Whether what is gathered is worth a write.
pub(super) fn is_full(bytes: usize) -> bool {
    bytes >= PIECE
}

/// A file's content, read piece by piece as it is asked for.
pub(super) fn pieces(
    file: File,
    length: u64,
    threads: Arc<Threads>,
    permit: OwnedSemaphorePermit,
) -> BoxStream<'static, io::Result<Bytes>> {
    let begin = Some((file, length, threads, permit));
    stream::unfold(begin, |state| async {
        let (file, left, threads, permit) = state?;
        if left == 0 {
            return None;
        }
        let read = threads.call(move || {
            let mut file = file;
            let mut piece = vec![0; usize::try_from(left).unwrap_or(PIECE).min(PIECE)];
            file.read_exact(&mut piece).map_err(failed)?;
            Ok((file, piece))
        });
        match read.await {
            Ok((file, piece)) => {
                let left = left - piece.len() as u64;
                Some((Ok(Bytes::from(piece)), Some((file, left, threads, permit))))
            }
            Err(error) => Some((Err(io::Error::other(error)), None)),
        }
    })
    .boxed()
}
