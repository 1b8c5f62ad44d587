//! Supervisor → store: the code of a version that starts.

use async_trait::async_trait;
use hearth_model::{Launch, VersionId};
use hearth_store::{Entity, Store};
use hearth_supervisor::{AcquireError, CodeSource};

/// Reads launches from the store.
pub struct Code(pub Store);

#[async_trait]
impl CodeSource for Code {
    async fn launch(&self, version: VersionId) -> Result<Launch, AcquireError> {
        self.0.launch(version).await.map_err(|error| match error.is_not_found(Entity::Version) {
            true => AcquireError::NoSuchVersion(version),
            false => AcquireError::Internal(error.to_string()),
        })
    }
}
