//! API tokens. Only their SHA-256 is stored: they are random, so nothing slower is needed.

use hearth_model::AccountId;
use jiff::Timestamp;

use crate::{Account, Result, Store, TokenId};

/// What a token may touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Every account, and the installation itself.
    Installation,
    /// These accounts.
    Accounts(Vec<AccountId>),
}

impl Scope {
    /// Whether an account is within.
    pub fn allows(&self, account: &AccountId) -> bool {
        match self {
            Self::Installation => true,
            Self::Accounts(accounts) => accounts.contains(account),
        }
    }
}

/// Who makes a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The token that was shown.
    pub token_id: TokenId,
    /// The e-mail of its owner.
    pub email: String,
    /// What it may touch.
    pub scope: Scope,
}

/// A token as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Its name.
    pub name: String,
    /// The e-mail of its owner.
    pub email: String,
    /// What it may touch.
    pub scope: Scope,
    /// When it was made.
    pub created_on: Timestamp,
}

/// A token that was just made.
#[derive(Clone)]
pub struct CreatedToken {
    /// Its record.
    pub token: Token,
    /// The token itself. It is not stored and cannot be shown again.
    pub text: String,
}

/// What [`Store::bootstrap`] found or made.
#[derive(Clone)]
pub struct Bootstrap {
    /// The default account.
    pub account: Account,
    /// The admin token, when this call generated it. It is not stored and cannot be shown again.
    pub generated_token: Option<String>,
}

impl Store {
    /// Makes what every installation has: the default account and one admin token for the installation.
    ///
    /// With `admin_token` that becomes the admin token, in place of the one before. Without, an existing one stays,
    /// and one of 48 random characters is generated where there is none.
    ///
    /// # Errors
    /// Invalid when the given token is shorter than 16 characters.
    pub async fn bootstrap(&self, admin_token: Option<&str>) -> Result<Bootstrap> {
        unimplemented!()
    }

    /// Whose token it is; None when it is nobody's.
    pub async fn authenticate(&self, token: &str) -> Result<Option<Principal>> {
        unimplemented!()
    }

    /// Makes a token of 48 random characters.
    ///
    /// # Errors
    /// Not found when the scope names an account that does not exist.
    pub async fn create_token(&self, name: &str, email: &str, scope: Scope) -> Result<CreatedToken> {
        unimplemented!()
    }

    /// All tokens, oldest first.
    pub async fn tokens(&self) -> Result<Vec<Token>> {
        unimplemented!()
    }

    /// Ends a token.
    ///
    /// # Errors
    /// Not found.
    pub async fn revoke_token(&self, id: &TokenId) -> Result<()> {
        unimplemented!()
    }
}
