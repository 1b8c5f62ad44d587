//! Opening and closing.

use std::path::Path;

use crate::Result;

/// The store of one installation. Clones are the same store.
#[derive(Clone)]
pub struct Store {}

impl Store {
    /// Opens the data folder, and makes it on first start: the folder (mode 0700), `hearth.db`, `blobs/` and
    /// `secrets.key` (mode 0600). It holds the folder's lock until the last clone is gone.
    ///
    /// # Errors
    /// [`StoreError::Locked`](crate::StoreError::Locked) when another Hearth has it open,
    /// [`StoreError::Key`](crate::StoreError::Key) when there are encrypted secrets that the master key in the
    /// folder, if any, does not fit.
    pub async fn open(data_dir: impl AsRef<Path>) -> Result<Self> {
        let _ = data_dir;
        unimplemented!()
    }

    /// Ends the connections after what is running; later calls fail. Not needed for durability.
    pub async fn close(&self) {
        unimplemented!()
    }

    /// Makes a new master key and re-encrypts every secret with it. Returns how many were.
    ///
    /// A crash at any moment leaves every secret readable: the key file holds both keys until it is done.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`](crate::StoreError::Corrupt) when a secret does not decrypt; nothing has changed then.
    pub async fn rotate_secrets(&self) -> Result<u64> {
        unimplemented!()
    }
}
