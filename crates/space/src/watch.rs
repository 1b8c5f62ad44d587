//! The ledger of a running server.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hearth_model::AccountId;
use parking_lot::Mutex;
use tokio::time::MissedTickBehavior;

use crate::{Ledger, Refusal};

/// How often the disk is asked. What is admitted in between is counted as if it were written.
const EVERY: Duration = Duration::from_secs(2);

/// Least reserve, in bytes, where the disk is large enough.
const LEAST_RESERVE: u64 = 256 << 20;

/// The part of a disk that is reserved: a fiftieth.
const RESERVED_PART: u64 = 50;

/// What an operator may set.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data folder.
    pub folder: PathBuf,
    /// What one account may keep, in bytes. Default: as much as there is.
    pub account_quota: Option<u64>,
    /// Free bytes of the disk that only metadata may use. Default: a fiftieth of the disk, at least 256 MiB, at most a
    /// quarter of it.
    pub reserve: Option<u64>,
}

/// Who may still write how much. Clones are the same.
#[derive(Debug, Clone)]
pub struct Space(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    ledger: Mutex<Ledger>,
}

impl Space {
    /// The space of a data folder.
    ///
    /// # Errors
    /// When its disk cannot be asked.
    pub fn new(config: Config) -> io::Result<Self> {
        let disk = rustix::fs::statvfs(&config.folder)?;
        let size = disk.f_blocks * disk.f_frsize;
        let usual = (size / RESERVED_PART).max(LEAST_RESERVE).min(size / 4);
        let ledger = Ledger::new(config.account_quota, config.reserve.unwrap_or(usual));
        let space = Self(Arc::new(Inner { folder: config.folder, ledger: Mutex::new(ledger) }));
        space.ask_disk()?;
        Ok(space)
    }

    /// Asks whether a resource may grow by so many bytes. What only removes need not ask.
    ///
    /// # Errors
    /// [`Refusal`], whose text is for the caller.
    pub fn admit(&self, resource: &str, bytes: u64) -> Result<(), Refusal> {
        self.0.ledger.lock().admit(resource, bytes)
    }

    /// Says how much larger or smaller a write made a resource.
    pub fn changed(&self, resource: &str, by: i64) {
        self.0.ledger.lock().changed(resource, by);
    }

    /// Says who owns a resource, and what it holds now.
    pub fn opened(&self, resource: &str, owner: &AccountId, bytes: u64) {
        self.0.ledger.lock().opened(resource, owner, bytes);
    }

    /// Says that a resource was deleted.
    pub fn closed(&self, resource: &str) {
        self.0.ledger.lock().closed(resource);
    }

    /// Bytes that an account uses.
    pub fn used(&self, account: &AccountId) -> u64 {
        self.0.ledger.lock().used(account)
    }

    /// Asks the disk again and again, until it is dropped.
    pub async fn watch(self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.ask_disk() {
                tracing::warn!(%error, "the disk cannot be asked what it has free");
            }
        }
    }

    fn ask_disk(&self) -> io::Result<()> {
        let disk = rustix::fs::statvfs(&self.0.folder)?;
        self.0.ledger.lock().disk(disk.f_bavail * disk.f_frsize);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_asked_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let space = |reserve| {
            let config = Config { folder: folder.path().to_owned(), account_quota: None, reserve };
            Space::new(config).unwrap()
        };
        assert_eq!(space(Some(u64::MAX)).admit("x", 0), Err(Refusal::Disk));
        assert_eq!(space(Some(0)).admit("x", 1), Ok(()));
    }
}
