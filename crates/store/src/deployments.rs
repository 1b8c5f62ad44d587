//! Deployments: which versions serve a worker, from when on.

use std::collections::BTreeMap;

use hearth_model::{Deployment, DeploymentSource, Split, WorkerId};

use crate::{Listing, Page, Result, Store};

/// Who deploys, and what is said about it.
#[derive(Debug, Clone)]
pub struct Release {
    /// Which client.
    pub source: DeploymentSource,
    /// The e-mail of the token's owner.
    pub author_email: String,
    /// `workers/message`, `workers/triggered_by`.
    pub annotations: BTreeMap<String, String>,
}

impl Store {
    /// Puts a split in force.
    ///
    /// # Errors
    /// Worker not found; version not found when one is not the worker's.
    pub async fn deploy(&self, worker: WorkerId, split: Split, release: Release) -> Result<Deployment> {
        unimplemented!()
    }

    /// The deployments of a worker, newest first.
    pub async fn deployments(&self, worker: WorkerId, page: Page) -> Result<Listing<Deployment>> {
        unimplemented!()
    }

    /// One deployment of a worker.
    ///
    /// # Errors
    /// Not found when it is not that worker's.
    pub async fn deployment(&self, worker: WorkerId, id: uuid::Uuid) -> Result<Deployment> {
        unimplemented!()
    }

    /// The deployment in force; None for a worker that was never deployed.
    pub async fn current_deployment(&self, worker: WorkerId) -> Result<Option<Deployment>> {
        unimplemented!()
    }
}
