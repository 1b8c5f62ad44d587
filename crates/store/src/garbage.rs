//! Blobs that no version refers to.

use std::time::Duration;

use crate::{Result, Store};

/// What a collection removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blobs.
    pub blobs: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Store {
    /// Removes blobs that no version refers to and that were last stored longer than `grace` ago. The grace time
    /// must be longer than an upload takes from its first module to its version; an hour is plenty.
    pub async fn collect_garbage(&self, grace: Duration) -> Result<Collected> {
        unimplemented!()
    }
}
