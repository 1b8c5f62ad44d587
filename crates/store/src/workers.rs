//! Workers and their settings that are not versioned.

use hearth_model::{AccountId, WorkerId, WorkerName};
use jiff::Timestamp;
use serde_json::Value;

use crate::{Listing, Page, Result, Store};

/// A worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// Its immutable id: Cloudflare's script tag.
    pub id: WorkerId,
    /// Its account.
    pub account: AccountId,
    /// Its name, in the case it was first given.
    pub name: WorkerName,
    /// When it was made.
    pub created_on: Timestamp,
    /// When it, its versions or its deployments last changed.
    pub modified_on: Timestamp,
    /// Tags.
    pub tags: Vec<String>,
    /// Whether logs are pushed; stored and shown.
    pub logpush: bool,
    /// wrangler's `observability` object, as sent.
    pub observability: Option<Value>,
    /// wrangler's `tail_consumers`, as sent.
    pub tail_consumers: Option<Value>,
    /// Where it is served without routes.
    pub subdomain: Subdomain,
    /// The last Durable Object migration applied.
    pub migration_tag: Option<String>,
    /// Which client deployed it last.
    pub last_deployed_from: String,
}

/// Where a worker is served without routes. A new worker is served nowhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Subdomain {
    /// On `<worker>.<base-domain>`.
    pub enabled: bool,
    /// On the preview hosts of its versions.
    pub previews_enabled: bool,
}

/// Changes to a worker; None leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkerChanges {
    /// Tags, all of them.
    pub tags: Option<Vec<String>>,
    /// Whether logs are pushed.
    pub logpush: Option<bool>,
    /// `observability`; `Some(None)` removes it.
    pub observability: Option<Option<Value>>,
    /// `tail_consumers`; `Some(None)` removes them.
    pub tail_consumers: Option<Option<Value>>,
    /// Where it is served without routes.
    pub subdomain: Option<Subdomain>,
    /// The last Durable Object migration applied; `Some(None)` removes it.
    pub migration_tag: Option<Option<String>>,
    /// Which client deployed it last.
    pub last_deployed_from: Option<String>,
}

impl Store {
    /// The worker of that name, compared without case, made when there is none. The flag says whether it was made.
    ///
    /// # Errors
    /// Account not found; conflict when the default account's worker would take another account's host label.
    pub async fn ensure_worker(&self, account: &AccountId, name: &WorkerName) -> Result<(Worker, bool)> {
        unimplemented!()
    }

    /// A worker by its id.
    ///
    /// # Errors
    /// Not found.
    pub async fn worker(&self, id: WorkerId) -> Result<Worker> {
        unimplemented!()
    }

    /// A worker by its name, compared without case.
    ///
    /// # Errors
    /// Not found.
    pub async fn worker_by_name(&self, account: &AccountId, name: &WorkerName) -> Result<Worker> {
        unimplemented!()
    }

    /// The workers of an account, by name.
    pub async fn workers(&self, account: &AccountId, page: Page) -> Result<Listing<Worker>> {
        unimplemented!()
    }

    /// Changes a worker's settings.
    ///
    /// # Errors
    /// Not found.
    pub async fn update_worker(&self, id: WorkerId, changes: WorkerChanges) -> Result<Worker> {
        unimplemented!()
    }

    /// Deletes a worker with its versions, secrets, deployments, routes, domains, schedules and egress rules. Its
    /// blobs go with the next [`Store::collect_garbage`].
    ///
    /// # Errors
    /// Not found.
    pub async fn delete_worker(&self, id: WorkerId) -> Result<()> {
        unimplemented!()
    }

    /// The other workers of the account that bind this one as a service, in a deployed version or their newest one;
    /// by name. References go by name, so this works for a worker that does not exist too.
    pub async fn references(&self, account: &AccountId, name: &WorkerName) -> Result<Vec<WorkerName>> {
        unimplemented!()
    }
}
