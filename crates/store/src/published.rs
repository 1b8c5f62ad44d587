//! What the data plane loads: everything at start, single entries after changes.

use hearth_model::{Published, PublishedDomain, PublishedRoute, PublishedWorker, WorkerId};

use crate::{Result, Store};

impl Store {
    /// Everything that is served.
    pub async fn published(&self) -> Result<Published> {
        unimplemented!()
    }

    /// One worker; None when it does not exist or has no version.
    pub async fn published_worker(&self, id: WorkerId) -> Result<Option<PublishedWorker>> {
        unimplemented!()
    }

    /// All routes.
    pub async fn published_routes(&self) -> Result<Vec<PublishedRoute>> {
        unimplemented!()
    }

    /// All custom domains that are enabled.
    pub async fn published_domains(&self) -> Result<Vec<PublishedDomain>> {
        unimplemented!()
    }
}
