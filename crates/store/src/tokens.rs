//! API tokens. Only their SHA-256 is stored: they are random, so nothing slower is needed.

use hearth_model::AccountId;
use jiff::Timestamp;
use rand::Rng;
use rand::distr::Alphanumeric;
use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use subtle::ConstantTimeEq;

use crate::{Account, DEFAULT_ACCOUNT, Entity, Result, Store, StoreError, TokenId, accounts, rows};

const GENERATED_LENGTH: usize = 48;
const SHORTEST_GIVEN: usize = 16;
const ADMIN_NAME: &str = "admin";
const ADMIN_EMAIL: &str = "admin@localhost";

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
    /// Invalid when the given token is shorter than 16 characters; conflict when it is another token already.
    pub async fn bootstrap(&self, admin_token: Option<&str>) -> Result<Bootstrap> {
        if admin_token.is_some_and(|token| token.len() < SHORTEST_GIVEN) {
            return Err(StoreError::invalid(
                Entity::Token,
                format!("the admin token must have at least {SHORTEST_GIVEN} characters"),
            ));
        }
        let mut transaction = self.write().await?;
        let account = match accounts::default(&mut transaction).await? {
            Some(account) => account,
            None => accounts::insert(&mut transaction, DEFAULT_ACCOUNT, true).await?,
        };
        let present = sqlx::query("SELECT hash FROM tokens WHERE is_admin = 1")
            .fetch_optional(&mut *transaction)
            .await?
            .map(|row| row.try_get::<Vec<u8>, _>("hash"))
            .transpose()?;
        let generated_token = (admin_token.is_none() && present.is_none()).then(random_token);
        let wanted = admin_token.or(generated_token.as_deref());
        if let Some(token) = wanted.filter(|token| present.as_deref() != Some(hash_of(token).as_slice())) {
            sqlx::query("DELETE FROM tokens WHERE is_admin = 1").execute(&mut *transaction).await?;
            insert(&mut transaction, token, true, ADMIN_NAME, ADMIN_EMAIL, Scope::Installation).await?;
        }
        transaction.commit().await?;
        Ok(Bootstrap { account, generated_token })
    }

    /// Whose token it is; None when it is nobody's.
    pub async fn authenticate(&self, token: &str) -> Result<Option<Principal>> {
        let hash = hash_of(token);
        let row = sqlx::query("SELECT * FROM tokens WHERE hash = ?")
            .bind(hash.as_slice())
            .fetch_optional(&mut *self.read().await?)
            .await?;
        let Some(row) = row else { return Ok(None) };
        // The index compares byte by byte, but on digests, which nobody can steer towards a stored one.
        let stored: Vec<u8> = row.try_get("hash")?;
        if !bool::from(stored.as_slice().ct_eq(&hash)) {
            return Ok(None);
        }
        let token = token_of(&row)?;
        Ok(Some(Principal { token_id: token.id, email: token.email, scope: token.scope }))
    }

    /// Makes a token of 48 random characters.
    ///
    /// # Errors
    /// Not found when the scope names an account that does not exist.
    pub async fn create_token(&self, name: &str, email: &str, scope: Scope) -> Result<CreatedToken> {
        let mut transaction = self.write().await?;
        if let Scope::Accounts(accounts) = &scope {
            for account in accounts {
                accounts::find(&mut transaction, account).await?;
            }
        }
        let text = random_token();
        let token = insert(&mut transaction, &text, false, name, email, scope).await?;
        transaction.commit().await?;
        Ok(CreatedToken { token, text })
    }

    /// All tokens, oldest first.
    pub async fn tokens(&self) -> Result<Vec<Token>> {
        let all = sqlx::query("SELECT * FROM tokens ORDER BY created_on, id")
            .fetch_all(&mut *self.read().await?)
            .await?;
        all.iter().map(token_of).collect()
    }

    /// Ends a token.
    ///
    /// # Errors
    /// Not found.
    pub async fn revoke_token(&self, id: &TokenId) -> Result<()> {
        let mut transaction = self.write().await?;
        let done = sqlx::query("DELETE FROM tokens WHERE id = ?")
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::not_found(Entity::Token, id));
        }
        Ok(transaction.commit().await?)
    }
}

async fn insert(
    connection: &mut SqliteConnection,
    text: &str,
    is_admin: bool,
    name: &str,
    email: &str,
    scope: Scope,
) -> Result<Token> {
    let accounts = match &scope {
        Scope::Installation => None,
        Scope::Accounts(accounts) => Some(rows::to_json(accounts)?),
    };
    let token = Token {
        id: TokenId::random(),
        name: name.to_owned(),
        email: email.to_owned(),
        scope,
        created_on: rows::now(),
    };
    sqlx::query(
        "INSERT INTO tokens (id, name, email, hash, accounts, is_admin, created_on) VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(token.id.as_str())
    .bind(name)
    .bind(email)
    .bind(hash_of(text).as_slice())
    .bind(accounts)
    .bind(is_admin)
    .bind(token.created_on.as_microsecond())
    .execute(connection)
    .await
    .map_err(|error| match error {
        sqlx::Error::Database(inner) if inner.is_unique_violation() => {
            StoreError::conflict(Entity::Token, "this token exists already")
        }
        other => other.into(),
    })?;
    Ok(token)
}

fn hash_of(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

fn random_token() -> String {
    rand::rng().sample_iter(Alphanumeric).take(GENERATED_LENGTH).map(char::from).collect()
}

fn token_of(row: &SqliteRow) -> Result<Token> {
    let accounts: Option<Vec<AccountId>> = rows::json_option(row, "accounts")?;
    Ok(Token {
        id: rows::parsed(row, "id")?,
        name: rows::text(row, "name")?,
        email: rows::text(row, "email")?,
        scope: accounts.map_or(Scope::Installation, Scope::Accounts),
        created_on: rows::time(row, "created_on")?,
    })
}
