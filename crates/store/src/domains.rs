//! Custom domains: hosts that belong to a worker as a whole.

use hearth_model::{AccountId, Hostname, WorkerId, WorkerName};
use jiff::Timestamp;

use crate::{DomainId, Result, Store, ZoneId};

/// A custom domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Its id.
    pub id: DomainId,
    /// The host; unique in the installation.
    pub hostname: Hostname,
    /// The zone it belongs to.
    pub zone: ZoneId,
    /// That zone's name.
    pub zone_name: Hostname,
    /// The worker's id.
    pub worker: WorkerId,
    /// The worker's name.
    pub script: WorkerName,
    /// wrangler's `enabled`; a disabled domain is kept and not served.
    pub enabled: bool,
    /// wrangler's `previews_enabled`; stored and shown.
    pub previews_enabled: bool,
    /// When it was made.
    pub created_on: Timestamp,
}

/// A custom domain as a deploy asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainSpec {
    /// The host.
    pub hostname: Hostname,
    /// The zone, when it was named by id.
    pub zone_id: Option<ZoneId>,
    /// The zone, when it was named by its apex. Without either, the host's zone; it is claimed if there is none.
    pub zone_name: Option<Hostname>,
    /// Whether it is served.
    pub enabled: bool,
    /// Stored and shown.
    pub previews_enabled: bool,
}

/// How [`Store::write_domains`] treats what is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DomainWrite {
    /// The worker's domains that are not listed go (wrangler's `override_scope`).
    pub replace: bool,
    /// Domains of other workers of the account move here (wrangler's `override_existing_origin`).
    pub take_over: bool,
}

/// What writing domains would do, as wrangler asks before it does it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainChangeset {
    /// Not there yet.
    pub added: Vec<DomainSpec>,
    /// Would go.
    pub removed: Vec<Domain>,
    /// The worker's own, with whether it would change.
    pub updated: Vec<(Domain, bool)>,
    /// Another worker's.
    pub conflicting: Vec<Domain>,
}

/// Which domains a listing shows; absent fields do not narrow it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainFilter {
    /// Of this worker.
    pub worker: Option<WorkerId>,
    /// In this zone.
    pub zone: Option<ZoneId>,
    /// This host.
    pub hostname: Option<Hostname>,
}

impl Store {
    /// The custom domains of an account, by host.
    pub async fn domains(&self, account: &AccountId, filter: &DomainFilter) -> Result<Vec<Domain>> {
        unimplemented!()
    }

    /// One custom domain of an account.
    ///
    /// # Errors
    /// Not found.
    pub async fn domain(&self, account: &AccountId, id: &DomainId) -> Result<Domain> {
        unimplemented!()
    }

    /// Removes a custom domain.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete_domain(&self, account: &AccountId, id: &DomainId) -> Result<()> {
        unimplemented!()
    }

    /// What [`Store::write_domains`] with these would do. With `replace` the worker's others are `removed`.
    ///
    /// # Errors
    /// Worker not found.
    pub async fn domain_changeset(
        &self,
        worker: WorkerId,
        wanted: &[DomainSpec],
        replace: bool,
    ) -> Result<DomainChangeset> {
        unimplemented!()
    }

    /// Adds or changes custom domains of a worker, all or nothing, and returns those it has then.
    ///
    /// # Errors
    /// Worker or zone not found; invalid when a host lies outside the named zone; conflict, naming the owner, when
    /// a host is another worker's and may not be taken over, or is in another account's zone.
    pub async fn write_domains(
        &self,
        worker: WorkerId,
        wanted: Vec<DomainSpec>,
        how: DomainWrite,
    ) -> Result<Vec<Domain>> {
        unimplemented!()
    }
}
