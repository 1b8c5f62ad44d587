//! How an engine's process is started: by the jailer in a server, as a plain child in tests.

use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use tokio::net::UnixStream;

/// Starts engines.
#[async_trait]
pub trait Spawn: Send + Sync + 'static {
    /// Starts one. With a folder it sees that from its first instruction; without, it waits until it is shown one.
    ///
    /// # Errors
    /// No process was started, and nothing is left behind.
    async fn spawn(&self, folder: Option<&Path>) -> io::Result<Started>;

    /// Whether an engine can be shown its folder after its start: then spares make sense.
    fn shows_later(&self) -> bool;
}

/// A started engine.
pub struct Started {
    /// Our end of the pair whose other end is the engine's standard input.
    pub socket: UnixStream,
    /// The process itself.
    pub process: Box<dyn Process>,
    /// Where it sees its folder, if it was given one.
    pub folder: Option<PathBuf>,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The kernel, or who watches its memory, killed it over its limit.
    Memory,
    /// Anything else: it was killed, or gave up.
    Other,
}

/// An engine's process. Dropped, it is killed.
#[async_trait]
pub trait Process: Send + Sync {
    /// Shows it a folder, writable, and says where it sees it.
    ///
    /// # Errors
    /// It has ended, or its kind cannot be shown anything later.
    async fn show(&self, folder: &Path) -> io::Result<PathBuf>;

    /// Kills it, and returns when it has gone: only then may another one be given its folder.
    async fn kill(&self) -> Ended;
}
