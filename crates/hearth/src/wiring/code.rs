//! Supervisor → store: the code of a version that starts.

use std::sync::Arc;

use async_trait::async_trait;
use hearth_functions::Builder;
use hearth_gateway::RouteTable;
use hearth_jail::Folder;
use hearth_model::{AccountId, Format, Launch, VersionId, WorkerId};
use hearth_store::{Entity, Store};
use hearth_supervisor::{AcquireError, CodeSource};

/// Reads launches from the store, and asks the builder for what was made of them.
pub struct Code {
    pub store: Store,
    pub table: Arc<RouteTable>,
    pub builder: Builder,
}

#[async_trait]
impl CodeSource for Code {
    async fn launch(&self, version: VersionId) -> Result<Launch, AcquireError> {
        let launch =
            self.store.launch(version).await.map_err(|error| match error.is_not_found(Entity::Version) {
                true => AcquireError::NoSuchVersion(version),
                false => AcquireError::Internal(error.to_string()),
            })?;
        if launch.format == Format::Assets { Err(AcquireError::NoCode) } else { Ok(launch) }
    }

    fn account(&self, worker: WorkerId) -> Option<AccountId> {
        self.table.worker(worker).map(|served| served.worker.account.clone())
    }

    async fn folders(&self, launch: &Launch) -> Result<Vec<Folder>, AcquireError> {
        self.builder.folders(launch).await
    }
}
