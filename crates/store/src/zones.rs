//! Zones. Hearth has no DNS: a zone is a domain name that an account has claimed by using it.

use hearth_model::{AccountId, Hostname};
use jiff::Timestamp;

use crate::{Listing, Page, Result, Scope, Store, ZoneId};

/// A zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Its id.
    pub id: ZoneId,
    /// Its apex.
    pub name: Hostname,
    /// The account that claimed it.
    pub account: AccountId,
    /// When it was claimed.
    pub created_on: Timestamp,
}

impl Store {
    /// The zones of the accounts in `scope`, by name; with `name` only that one.
    pub async fn zones(&self, scope: &Scope, name: Option<&Hostname>, page: Page) -> Result<Listing<Zone>> {
        unimplemented!()
    }

    /// One zone.
    ///
    /// # Errors
    /// Not found.
    pub async fn zone(&self, id: &ZoneId) -> Result<Zone> {
        unimplemented!()
    }

    /// The zone that a host falls into: the one with the longest name that the host ends with.
    pub async fn zone_for_host(&self, host: &Hostname) -> Result<Option<Zone>> {
        unimplemented!()
    }

    /// Claims a zone. A zone inside or around one of the same account is fine.
    ///
    /// # Errors
    /// Conflict when it exists, or lies inside or around another account's zone; account not found.
    pub async fn create_zone(&self, account: &AccountId, name: &Hostname) -> Result<Zone> {
        unimplemented!()
    }

    /// Gives up a zone, with its routes and custom domains.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete_zone(&self, id: &ZoneId) -> Result<()> {
        unimplemented!()
    }
}
