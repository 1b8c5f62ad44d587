//! The storage of a worker's Durable Objects and workflows: a folder for each namespace and one for the instances of all
//! its workflows, and who may use them.
//!
//! Two processes on one folder lose acknowledged writes (workerd.md 3). So each folder is locked before it is shown to a
//! process, and the lock belongs to that process: it is sent into a socket that nobody reads, of which only the process
//! has the other end. The kernel keeps what waits there until the process is gone, also when Hearth is killed first.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hearth_jail::Folder;
use hearth_model::{Launch, Workflow};
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, sendmsg,
    socketpair,
};
use tokio::time::Instant;

use crate::workerd::config::STORAGE_FOLDER;

/// How often a lock that another process has is tried again: it is about to leave.
const RETRY: Duration = Duration::from_millis(5);

/// Descriptors of one message: the kernel takes up to 253 (unix(7)).
const AT_ONCE: usize = 200;

/// The locked folders of a worker.
#[derive(Debug)]
pub(crate) struct Storage {
    /// Its name in the jail, where it lies, its lock.
    folders: Vec<(String, PathBuf, OwnedFd)>,
}

/// The folders that a worker's process is to see: the name in its jail, and where it lies below `root`.
pub(crate) fn folders_of(root: &Path, launch: &Launch) -> Vec<(String, PathBuf)> {
    let ids = launch.objects.iter().map(|namespace| namespace.id.to_string());
    let mut folders: Vec<_> = ids.map(|id| (id.clone(), root.join(id))).collect();
    if !launch.workflows.is_empty() {
        folders.push((STORAGE_FOLDER.to_owned(), root.join(Workflow::folder(launch.worker))));
    }
    folders
}

impl Storage {
    /// Makes the folders that are not there yet, and locks all of them. Waits while somebody else has one.
    ///
    /// # Errors
    /// When a folder cannot be made or opened, or stays locked for longer than `patience`.
    pub(crate) async fn lock(
        root: &Path,
        wanted: Vec<(String, PathBuf)>,
        patience: Duration,
    ) -> io::Result<Self> {
        let until = Instant::now() + patience;
        let mut folders = Vec::with_capacity(wanted.len());
        for (name, path) in wanted {
            let folder = tokio::task::block_in_place(|| open(root, &path))?;
            while !try_lock(&folder)? {
                if Instant::now() > until {
                    let text = format!("another process uses the storage of {}", path.display());
                    return Err(io::Error::new(io::ErrorKind::TimedOut, text));
                }
                tokio::time::sleep(RETRY).await;
            }
            folders.push((name, path, OwnedFd::from(folder)));
        }
        Ok(Self { folders })
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.folders.is_empty()
    }

    /// The folders as a jail shows them.
    pub(crate) fn folders(&self) -> Vec<Folder> {
        let folder = |(name, path, _): &(String, PathBuf, OwnedFd)| Folder {
            host: path.clone(),
            name: name.clone(),
            writable: true,
            executable: false,
        };
        self.folders.iter().map(folder).collect()
    }

    /// Gives the locks to the process behind an [`Anchor`].
    ///
    /// # Errors
    /// When the process is gone, or the system's bound on descriptors under way is reached.
    pub(crate) fn give_to(self, anchor: &Anchor) -> io::Result<()> {
        let locks: Vec<BorrowedFd<'_>> = self.folders.iter().map(|(_, _, lock)| lock.as_fd()).collect();
        for some in locks.chunks(AT_ONCE) {
            let mut space = vec![std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !control.push(SendAncillaryMessage::ScmRights(some)) {
                return Err(io::Error::other("too many namespaces"));
            }
            sendmsg(&anchor.0, &[io::IoSlice::new(b".")], &mut control, SendFlags::NOSIGNAL)?;
        }
        Ok(())
    }
}

/// Our end of the socket that holds a process's locks.
#[derive(Debug)]
pub(crate) struct Anchor(OwnedFd);

impl Anchor {
    /// Ours, and the end for the process.
    pub(crate) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        Ok((Self(ours), theirs))
    }
}

fn open(root: &Path, path: &Path) -> io::Result<File> {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = std::fs::DirBuilder::new();
    builder.mode(0o700);
    if !root.is_dir() {
        builder.create(root)?;
    }
    match builder.create(path) {
        // What is acknowledged in it must not go with the folder itself.
        Ok(()) => File::open(root)?.sync_all()?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    File::open(path)
}

fn try_lock(folder: &File) -> io::Result<bool> {
    match rustix::fs::flock(folder, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    fn folders(root: &Path, count: usize) -> Vec<(String, PathBuf)> {
        (0..count).map(|number| (number.to_string(), root.join(number.to_string()))).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_lock_is_the_process_s_until_it_is_gone() {
        let root = tempfile::tempdir().unwrap();
        let wanted = folders(root.path(), AT_ONCE + 1);
        let storage = Storage::lock(root.path(), wanted.clone(), SOON).await.unwrap();
        let (anchor, theirs) = Anchor::pair().unwrap();
        storage.give_to(&anchor).unwrap();
        // As if Hearth were killed.
        drop(anchor);
        for one in [&wanted[0], &wanted[AT_ONCE]] {
            let taken = Storage::lock(root.path(), vec![one.clone()], SOON).await.unwrap_err();
            assert_eq!(taken.kind(), io::ErrorKind::TimedOut);
        }
        drop(theirs);
        Storage::lock(root.path(), wanted, Duration::from_secs(5)).await.unwrap();
    }
}
