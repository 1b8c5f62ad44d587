//! Accounts and their host labels.

use hearth_model::AccountId;
use jiff::Timestamp;

use crate::{Listing, Page, Result, Store};

/// The name of the account that the first start makes. Its workers are served right below a base domain.
pub const DEFAULT_ACCOUNT: &str = "default";

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// Its name.
    pub name: String,
    /// What wrangler knows as the account's workers.dev subdomain: a DNS label, unique in the installation.
    pub subdomain: String,
    /// Whether it is the default account.
    pub is_default: bool,
    /// When it was made.
    pub created_on: Timestamp,
}

impl Account {
    /// The label in `<worker>.<label>.<base-domain>`; None for the default account, whose workers have no such part.
    pub fn host_label(&self) -> Option<&str> {
        (!self.is_default).then_some(self.subdomain.as_str())
    }
}

impl Store {
    /// All accounts, the default one first, then by name.
    pub async fn accounts(&self, page: Page) -> Result<Listing<Account>> {
        unimplemented!()
    }

    /// One account.
    ///
    /// # Errors
    /// Not found.
    pub async fn account(&self, id: &AccountId) -> Result<Account> {
        unimplemented!()
    }

    /// The default account.
    ///
    /// # Errors
    /// Not found before [`Store::bootstrap`].
    pub async fn default_account(&self) -> Result<Account> {
        unimplemented!()
    }

    /// Makes an account. Its subdomain is its name as a DNS label: lower case, other characters as `-`.
    ///
    /// # Errors
    /// Conflict when the name or the label is taken, by an account or by a worker of the default account; invalid
    /// when no label can be made of the name.
    pub async fn create_account(&self, name: &str) -> Result<Account> {
        unimplemented!()
    }

    /// Gives an account another workers.dev subdomain.
    ///
    /// # Errors
    /// Not found; invalid when it is no DNS label; conflict as in [`Store::create_account`].
    pub async fn set_account_subdomain(&self, id: &AccountId, label: &str) -> Result<Account> {
        unimplemented!()
    }

    /// Whether a workers.dev subdomain is still free.
    pub async fn subdomain_is_free(&self, label: &str) -> Result<bool> {
        unimplemented!()
    }
}
