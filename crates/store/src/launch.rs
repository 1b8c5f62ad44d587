//! What a cold start reads.

use hearth_model::{Launch, VersionId};

use crate::{Result, Store};

impl Store {
    /// A version with its code and with its secrets in the clear. Source maps are left out.
    ///
    /// # Errors
    /// Version not found; [`StoreError::Corrupt`](crate::StoreError::Corrupt).
    pub async fn launch(&self, version: VersionId) -> Result<Launch> {
        unimplemented!()
    }
}
