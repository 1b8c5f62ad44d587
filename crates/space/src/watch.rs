//! The ledger of a running server.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hearth_model::AccountId;
use parking_lot::Mutex;
use tokio::time::MissedTickBehavior;

use crate::{Kind, Ledger, Refusal};

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
    /// What one account may keep, in bytes, unless it has a quota of its own. Default: as much as there is.
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
    /// `None` where the disk does not matter.
    folder: Option<PathBuf>,
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
        let space = Self(Arc::new(Inner { folder: Some(config.folder), ledger: Mutex::new(ledger) }));
        space.ask_disk()?;
        Ok(space)
    }

    /// As much as anybody wants, for an engine that nobody shares.
    pub fn unbounded() -> Self {
        Self(Arc::new(Inner { folder: None, ledger: Mutex::new(Ledger::new(None, 0)) }))
    }

    /// Asks whether a resource may grow by so many bytes. What only removes need not ask. Keep what is returned until
    /// the write was told with [`Space::holds`], or given up.
    ///
    /// # Errors
    /// [`Refusal`], whose text is for the caller.
    pub fn admit(&self, resource: &str, bytes: u64) -> Result<Admitted, Refusal> {
        self.0.ledger.lock().admit(resource, bytes)?;
        Ok(Admitted { space: self.clone(), resource: resource.to_owned(), bytes })
    }

    /// By how many bytes a resource may grow: for an engine that asks only afterwards how much it was.
    pub fn room(&self, resource: &str) -> u64 {
        self.0.ledger.lock().room(resource)
    }

    /// Says what a resource holds after a write, in the order of writes.
    pub fn holds(&self, resource: &str, bytes: u64) {
        self.0.ledger.lock().holds(resource, bytes);
    }

    /// As [`Space::holds`], for a write that [`Space::room`] was asked for and not [`Space::admit`].
    pub fn wrote(&self, resource: &str, bytes: u64) {
        self.0.ledger.lock().wrote(resource, bytes);
    }

    /// Says who owns a resource, and what it is of.
    pub fn opened(&self, resource: &str, owner: &AccountId, kind: Kind) {
        self.0.ledger.lock().opened(resource, owner, kind);
    }

    /// Says what a resource held at some moment; a write that was told already knows better.
    pub fn found(&self, resource: &str, bytes: u64) {
        self.0.ledger.lock().found(resource, bytes);
    }

    /// Says that a resource was deleted.
    pub fn closed(&self, resource: &str) {
        self.0.ledger.lock().closed(resource);
    }

    /// Sets the quotas that accounts have of their own, in bytes; `None` for all there is. Others have the default.
    pub fn set_quotas(&self, quotas: HashMap<AccountId, Option<u64>>) {
        self.0.ledger.lock().set_quotas(quotas);
    }

    /// What an account may use, in bytes; `None` for all there is.
    pub fn quota(&self, account: &AccountId) -> Option<u64> {
        self.0.ledger.lock().quota(account)
    }

    /// Whether an account may not keep as much as there is.
    pub fn is_limited(&self, account: &AccountId) -> bool {
        self.quota(account).is_some()
    }

    /// Bytes that an account uses.
    pub fn used(&self, account: &AccountId) -> u64 {
        self.0.ledger.lock().used(account)
    }

    /// Bytes that an account has of a kind: with what is being written, those of all kinds are [`Space::used`].
    pub fn held(&self, account: &AccountId, kind: Kind) -> u64 {
        self.0.ledger.lock().held(account, kind)
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
        if let Some(folder) = &self.0.folder {
            let disk = rustix::fs::statvfs(folder)?;
            self.0.ledger.lock().disk(disk.f_bavail * disk.f_frsize);
        }
        Ok(())
    }
}

/// A write that was admitted. Dropped, it is over.
#[derive(Debug)]
pub struct Admitted {
    space: Space,
    resource: String,
    bytes: u64,
}

impl Admitted {
    /// Asks for more: for a body whose length nobody said.
    ///
    /// # Errors
    /// [`Refusal`]; what was admitted before stays so.
    pub fn more(&mut self, bytes: u64) -> Result<(), Refusal> {
        self.space.0.ledger.lock().admit(&self.resource, bytes)?;
        self.bytes += bytes;
        Ok(())
    }

    /// Asks for as much as is missing to `bytes`.
    ///
    /// # Errors
    /// As [`Self::more`].
    pub fn up_to(&mut self, bytes: u64) -> Result<(), Refusal> {
        self.more(bytes.saturating_sub(self.bytes))
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.space.0.ledger.lock().ended(&self.resource, self.bytes);
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
        assert_eq!(space(Some(u64::MAX)).admit("x", 0).unwrap_err(), Refusal::Disk);
        assert!(space(Some(0)).admit("x", 1).is_ok());
    }

    #[test]
    fn a_write_that_is_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { folder: folder.path().to_owned(), account_quota: Some(100), reserve: Some(0) };
        let space = Space::new(config).unwrap();
        let account = "a".parse().unwrap();
        space.opened("x", &account, Kind::Kv);
        let mut admitted = space.admit("x", 60).unwrap();
        admitted.up_to(100).unwrap();
        assert_eq!(admitted.more(1), Err(Refusal::Quota { quota: 100 }));
        assert_eq!(space.used(&account), 100);
        drop(admitted);
        assert_eq!(space.used(&account), 0);
    }
}
