//! API tokens. Only their SHA-256 is stored: they are random, so nothing slower is needed.
//!
//! That digest is also the secret with which S3 clients sign, Cloudflare's rule for R2: the access key id is the token's
//! id, the secret access key the SHA-256 of the token in hex. So whoever reads `hearth.db` cannot call the API with what
//! stands there, but can sign S3 requests with it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use hearth_model::AccountId;
use jiff::Timestamp;
use rand::Rng;
use rand::distr::Alphanumeric;
use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use subtle::ConstantTimeEq;

use crate::{
    Account, DEFAULT_ACCOUNT, Entity, R2Action, R2Policy, Result, Store, StoreError, TokenId, accounts, rows,
};

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
    /// R2 and nothing else, as the policies say.
    R2(Vec<R2Policy>),
}

impl Scope {
    /// Whether an account is within, with all that it has.
    pub fn allows(&self, account: &AccountId) -> bool {
        match self {
            Self::Installation => true,
            Self::Accounts(accounts) => accounts.contains(account),
            Self::R2(_) => false,
        }
    }

    /// Whether it allows an action on a bucket of an account; None for the bucket is the account itself.
    pub fn allows_r2(&self, account: &AccountId, bucket: Option<&str>, action: R2Action) -> bool {
        match self {
            Self::R2(policies) => policies.iter().any(|policy| policy.allows(account, bucket, action)),
            _ => self.allows(account),
        }
    }

    /// The accounts that it names; None when it is for all.
    pub fn accounts(&self) -> Option<Vec<&AccountId>> {
        let mut named: Vec<&AccountId> = match self {
            Self::Installation => return None,
            Self::Accounts(accounts) => accounts.iter().collect(),
            Self::R2(policies) => policies
                .iter()
                .flat_map(|policy| policy.resources.iter().map(|resource| resource.account()))
                .collect(),
        };
        named.sort_unstable();
        named.dedup();
        Some(named)
    }
}

/// When a token is good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Validity {
    /// Not earlier than that.
    pub not_before: Option<Timestamp>,
    /// Not at that moment, nor later.
    pub expires_on: Option<Timestamp>,
}

impl Validity {
    /// Whether it is good at `time`.
    pub fn includes(&self, time: Timestamp) -> bool {
        self.not_before.is_none_or(|begin| begin <= time) && self.expires_on.is_none_or(|end| time < end)
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
    /// When it is good.
    pub validity: Validity,
    /// Whether it is the installation's own, which the start makes.
    pub is_admin: bool,
}

/// What signatures of S3 requests are made with.
#[derive(Clone)]
pub struct S3Key {
    /// Whose it is.
    pub principal: Principal,
    /// The secret access key: 64 hex digits.
    pub secret: String,
    validity: Validity,
}

/// Keys of tokens in memory: every S3 request needs one. Only what exists is kept, so strangers cannot fill it.
#[derive(Default)]
pub(crate) struct KeyCache {
    inner: RwLock<CachedKeys>,
}

#[derive(Default)]
struct CachedKeys {
    /// Counts what made cached keys wrong, so that a row read before is not kept after.
    generation: u64,
    keys: HashMap<TokenId, Arc<S3Key>>,
}

impl KeyCache {
    fn get(&self, id: &TokenId) -> (Option<Arc<S3Key>>, u64) {
        let inner = self.inner.read().unwrap_or_else(PoisonError::into_inner);
        (inner.keys.get(id).cloned(), inner.generation)
    }

    fn put(&self, id: &TokenId, key: Arc<S3Key>, generation: u64) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        if inner.generation == generation {
            inner.keys.insert(id.clone(), key);
        }
    }

    fn forget(&self) {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        inner.generation += 1;
        inner.keys.clear();
    }
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
            let admin = new_token(ADMIN_NAME, ADMIN_EMAIL, Scope::Installation, Validity::default(), true);
            insert(&mut transaction, token, &admin).await?;
        }
        transaction.commit().await?;
        self.inner.s3_keys.forget();
        Ok(Bootstrap { account, generated_token })
    }

    /// Whose token it is; None when it is nobody's, or not good now.
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
        Ok(token.validity.includes(Timestamp::now()).then(|| token.principal()))
    }

    /// Whose a token is, by its id: of somebody who has shown it before. None when there is none, or it is not good now.
    pub async fn principal(&self, id: &TokenId) -> Result<Option<Principal>> {
        match self.token(id).await {
            Ok(token) => Ok(token.validity.includes(Timestamp::now()).then(|| token.principal())),
            Err(error) if error.is_not_found(Entity::Token) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The secret of an access key and whose it is; None when there is none, or it is not good now.
    pub async fn s3_key(&self, access_key: &str) -> Result<Option<Arc<S3Key>>> {
        let Ok(id) = access_key.parse::<TokenId>() else { return Ok(None) };
        let (cached, generation) = self.inner.s3_keys.get(&id);
        let key = match cached {
            Some(key) => key,
            None => {
                let row = sqlx::query("SELECT * FROM tokens WHERE id = ?")
                    .bind(id.as_str())
                    .fetch_optional(&mut *self.read().await?)
                    .await?;
                let Some(row) = row else { return Ok(None) };
                let token = token_of(&row)?;
                let secret = hex::encode(row.try_get::<&[u8], _>("hash")?);
                let key = Arc::new(S3Key { principal: token.principal(), secret, validity: token.validity });
                self.inner.s3_keys.put(&id, Arc::clone(&key), generation);
                key
            }
        };
        Ok(key.validity.includes(Timestamp::now()).then_some(key))
    }

    /// Makes a token of 48 random characters.
    ///
    /// # Errors
    /// Not found when the scope names an account that does not exist.
    pub async fn create_token(&self, name: &str, email: &str, scope: Scope) -> Result<CreatedToken> {
        self.create_token_within(name, email, scope, Validity::default()).await
    }

    /// Makes a token of 48 random characters that is good for a time.
    ///
    /// # Errors
    /// As [`Store::create_token`].
    pub async fn create_token_within(
        &self,
        name: &str,
        email: &str,
        scope: Scope,
        validity: Validity,
    ) -> Result<CreatedToken> {
        let mut transaction = self.write().await?;
        for account in scope.accounts().unwrap_or_default() {
            accounts::find(&mut transaction, account).await?;
        }
        let text = random_token();
        let token = new_token(name, email, scope, validity, false);
        insert(&mut transaction, &text, &token).await?;
        transaction.commit().await?;
        Ok(CreatedToken { token, text })
    }

    /// One token.
    ///
    /// # Errors
    /// Not found.
    pub async fn token(&self, id: &TokenId) -> Result<Token> {
        let row = sqlx::query("SELECT * FROM tokens WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(&mut *self.read().await?)
            .await?;
        token_of(&row.ok_or_else(|| StoreError::not_found(Entity::Token, id))?)
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
        transaction.commit().await?;
        self.inner.s3_keys.forget();
        Ok(())
    }
}

impl Token {
    fn principal(&self) -> Principal {
        Principal { token_id: self.id.clone(), email: self.email.clone(), scope: self.scope.clone() }
    }
}

fn new_token(name: &str, email: &str, scope: Scope, validity: Validity, is_admin: bool) -> Token {
    Token {
        id: TokenId::random(),
        name: name.to_owned(),
        email: email.to_owned(),
        scope,
        created_on: rows::now(),
        validity,
        is_admin,
    }
}

async fn insert(connection: &mut SqliteConnection, text: &str, token: &Token) -> Result<()> {
    let (accounts, policies) = match &token.scope {
        Scope::Installation => (None, None),
        Scope::Accounts(accounts) => (Some(rows::to_json(accounts)?), None),
        Scope::R2(policies) => (None, Some(rows::to_json(policies)?)),
    };
    sqlx::query(
        "INSERT INTO tokens (id, name, email, hash, accounts, is_admin, created_on, policies, not_before, expires_on)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(token.id.as_str())
    .bind(&token.name)
    .bind(&token.email)
    .bind(hash_of(text).as_slice())
    .bind(accounts)
    .bind(token.is_admin)
    .bind(token.created_on.as_microsecond())
    .bind(policies)
    .bind(token.validity.not_before.map(|time| time.as_microsecond()))
    .bind(token.validity.expires_on.map(|time| time.as_microsecond()))
    .execute(connection)
    .await
    .map_err(|error| match error {
        sqlx::Error::Database(inner) if inner.is_unique_violation() => {
            StoreError::conflict(Entity::Token, "this token exists already")
        }
        other => other.into(),
    })?;
    Ok(())
}

pub(crate) fn hash_of(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

pub(crate) fn random_token() -> String {
    rand::rng().sample_iter(Alphanumeric).take(GENERATED_LENGTH).map(char::from).collect()
}

fn token_of(row: &SqliteRow) -> Result<Token> {
    let accounts: Option<Vec<AccountId>> = rows::json_option(row, "accounts")?;
    let policies: Option<Vec<R2Policy>> = rows::json_option(row, "policies")?;
    Ok(Token {
        id: rows::parsed(row, "id")?,
        name: rows::text(row, "name")?,
        email: rows::text(row, "email")?,
        scope: match (policies, accounts) {
            (Some(policies), _) => Scope::R2(policies),
            (None, Some(accounts)) => Scope::Accounts(accounts),
            (None, None) => Scope::Installation,
        },
        created_on: rows::time(row, "created_on")?,
        validity: Validity {
            not_before: rows::time_option(row, "not_before")?,
            expires_on: rows::time_option(row, "expires_on")?,
        },
        is_admin: rows::flag(row, "is_admin")?,
    })
}
