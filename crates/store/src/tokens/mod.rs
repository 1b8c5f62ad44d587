//! API tokens. Only their SHA-256 is stored: they are random, so nothing slower is needed.
//!
//! That digest is also the secret with which S3 clients sign, Cloudflare's rule for R2: the access key id is the token's
//! id, the secret access key the SHA-256 of the token in hex. So whoever reads `hearth.db` cannot call the API with what
//! stands there, but can sign S3 requests with it.

mod condition;
mod known;
mod shown;

use hearth_model::{AccountId, Policy};
use jiff::Timestamp;
use rand::Rng;
use rand::distr::Alphanumeric;
use sha2::{Digest, Sha256};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

pub use condition::{Condition, RequestIp};
pub(crate) use known::Known;
pub use shown::{Principal, S3Key, Shown};

use crate::{
    Account, DEFAULT_ACCOUNT, Entity, Result, Store, StoreError, TokenId, UserId, accounts, rows, users,
};

const GENERATED_LENGTH: usize = 48;
const SHORTEST_GIVEN: usize = 16;
const LONGEST_NAME: usize = 120;
const ADMIN_NAME: &str = "admin";
const ADMIN_EMAIL: &str = "admin@localhost";

/// Whose a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenOwner {
    /// Who answers for the installation, by the admin token or under `--dev`.
    Installation,
    /// A person's: it is never more than what they may do at that moment, and goes with them.
    User(UserId),
    /// An account's: it outlives who made it.
    Account(AccountId),
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

/// What its owner decides of a token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenTerms {
    /// Its name.
    pub name: String,
    /// What it may do; without a policy that is nothing.
    pub policies: Vec<Policy>,
    /// From where.
    pub condition: Condition,
    /// When.
    pub validity: Validity,
    /// Whether it is good for nothing for now.
    pub disabled: bool,
}

/// A token as a listing shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// Whose it is.
    pub owner: TokenOwner,
    /// The e-mail address of who made it.
    pub email: String,
    /// What its owner decides.
    pub terms: TokenTerms,
    /// When it was made.
    pub created_on: Timestamp,
    /// When its terms or its text changed last.
    pub modified_on: Timestamp,
    /// When it was used last, to a quarter of an hour.
    pub last_used_on: Option<Timestamp>,
    /// Whether it is the installation's own, which the start makes.
    pub is_admin: bool,
}

impl Token {
    /// Whether it is good at `time`, from an address that its condition admits.
    pub fn is_good(&self, time: Timestamp) -> bool {
        !self.terms.disabled && self.terms.validity.includes(time)
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
            let terms = TokenTerms { name: ADMIN_NAME.to_owned(), ..TokenTerms::default() };
            let admin = Token { is_admin: true, ..new_token(ADMIN_EMAIL, TokenOwner::Installation, terms) };
            insert(&mut transaction, token, &admin).await?;
        }
        transaction.commit().await?;
        self.inner.tokens.forget();
        Ok(Bootstrap { account, generated_token })
    }

    /// Makes a token of 48 random characters. `email`: of who makes it.
    ///
    /// # Errors
    /// Not found when its owner or an account in its policies does not exist; invalid when its name cannot be one.
    pub async fn create_token(
        &self,
        email: &str,
        owner: TokenOwner,
        terms: TokenTerms,
    ) -> Result<CreatedToken> {
        let mut transaction = self.write().await?;
        match &owner {
            TokenOwner::Installation => {}
            TokenOwner::User(user) => drop(users::find(&mut transaction, user).await?),
            TokenOwner::Account(account) => drop(accounts::find(&mut transaction, account).await?),
        }
        let terms = checked(&mut transaction, terms).await?;
        let text = random_token();
        let token = new_token(email, owner, terms);
        insert(&mut transaction, &text, &token).await?;
        transaction.commit().await?;
        Ok(CreatedToken { token, text })
    }

    /// One token.
    ///
    /// # Errors
    /// Not found.
    pub async fn token(&self, id: &TokenId) -> Result<Token> {
        find(&mut *self.read().await?, id).await
    }

    /// An owner's tokens, oldest first.
    pub async fn tokens(&self, owner: &TokenOwner) -> Result<Vec<Token>> {
        let (user, account) = columns(owner);
        let found =
            sqlx::query("SELECT * FROM tokens WHERE user IS ? AND account IS ? ORDER BY created_on, id")
                .bind(user)
                .bind(account)
                .fetch_all(&mut *self.read().await?)
                .await?;
        found.iter().map(token_of).collect()
    }

    /// Gives a token other terms.
    ///
    /// # Errors
    /// Not found; invalid when its name cannot be one; conflict for the admin token.
    pub async fn set_token(&self, id: &TokenId, terms: TokenTerms) -> Result<Token> {
        let mut transaction = self.write().await?;
        let before = find(&mut transaction, id).await?;
        refuse_admin(&before)?;
        let terms = checked(&mut transaction, terms).await?;
        let after = Token { terms, modified_on: rows::now(), ..before };
        let sql = "UPDATE tokens SET name = ?, policies = ?, condition = ?, not_before = ?, expires_on = ?,
                   disabled = ?, modified_on = ? WHERE id = ?";
        sqlx::query(sql)
            .bind(&after.terms.name)
            .bind(rows::to_json(&after.terms.policies)?)
            .bind(condition_column(&after.terms)?)
            .bind(after.terms.validity.not_before.map(|time| time.as_microsecond()))
            .bind(after.terms.validity.expires_on.map(|time| time.as_microsecond()))
            .bind(after.terms.disabled)
            .bind(after.modified_on.as_microsecond())
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.inner.tokens.forget();
        Ok(after)
    }

    /// Gives a token another text; the one before is nobody's from now on, and sessions that began with it end. Its id, and
    /// so its access key, stays.
    ///
    /// # Errors
    /// Not found; conflict for the admin token.
    pub async fn roll_token(&self, id: &TokenId) -> Result<CreatedToken> {
        let mut transaction = self.write().await?;
        let before = find(&mut transaction, id).await?;
        refuse_admin(&before)?;
        let text = random_token();
        let token = Token { modified_on: rows::now(), ..before };
        sqlx::query("DELETE FROM sessions WHERE token = ?")
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await?;
        sqlx::query("UPDATE tokens SET hash = ?, modified_on = ? WHERE id = ?")
            .bind(hash_of(&text).as_slice())
            .bind(token.modified_on.as_microsecond())
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.inner.tokens.forget();
        Ok(CreatedToken { token, text })
    }

    /// Ends a token.
    ///
    /// # Errors
    /// Not found; conflict for the admin token.
    pub async fn revoke_token(&self, id: &TokenId) -> Result<()> {
        let mut transaction = self.write().await?;
        refuse_admin(&find(&mut transaction, id).await?)?;
        sqlx::query("DELETE FROM tokens WHERE id = ?").bind(id.as_str()).execute(&mut *transaction).await?;
        transaction.commit().await?;
        self.inner.tokens.forget();
        Ok(())
    }
}

async fn find(connection: &mut SqliteConnection, id: &TokenId) -> Result<Token> {
    let row =
        sqlx::query("SELECT * FROM tokens WHERE id = ?").bind(id.as_str()).fetch_optional(connection).await?;
    token_of(&row.ok_or_else(|| StoreError::not_found(Entity::Token, id))?)
}

fn refuse_admin(token: &Token) -> Result<()> {
    if !token.is_admin {
        return Ok(());
    }
    let text = "the admin token stays as it is. Another one takes its place when the server starts with HEARTH_ADMIN_TOKEN";
    Err(StoreError::conflict(Entity::Token, text))
}

async fn checked(connection: &mut SqliteConnection, terms: TokenTerms) -> Result<TokenTerms> {
    let name = terms.name.trim().to_owned();
    if name.is_empty() || name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
        let text = format!("a token's name has 1 to {LONGEST_NAME} bytes and no control characters");
        return Err(StoreError::invalid(Entity::Token, text));
    }
    for account in terms.policies.iter().flat_map(|policy| &policy.resources).filter_map(|on| on.account()) {
        accounts::find(connection, account).await?;
    }
    Ok(TokenTerms { name, ..terms })
}

fn new_token(email: &str, owner: TokenOwner, terms: TokenTerms) -> Token {
    let now = rows::now();
    Token {
        id: TokenId::random(),
        owner,
        email: email.to_owned(),
        terms,
        created_on: now,
        modified_on: now,
        last_used_on: None,
        is_admin: false,
    }
}

async fn insert(connection: &mut SqliteConnection, text: &str, token: &Token) -> Result<()> {
    let (user, account) = columns(&token.owner);
    sqlx::query(
        "INSERT INTO tokens (id, name, email, hash, is_admin, created_on, modified_on, policies, condition,
                             not_before, expires_on, disabled, user, account)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(token.id.as_str())
    .bind(&token.terms.name)
    .bind(&token.email)
    .bind(hash_of(text).as_slice())
    .bind(token.is_admin)
    .bind(token.created_on.as_microsecond())
    .bind(token.modified_on.as_microsecond())
    .bind(rows::to_json(&token.terms.policies)?)
    .bind(condition_column(&token.terms)?)
    .bind(token.terms.validity.not_before.map(|time| time.as_microsecond()))
    .bind(token.terms.validity.expires_on.map(|time| time.as_microsecond()))
    .bind(token.terms.disabled)
    .bind(user)
    .bind(account)
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

/// The columns `user` and `account` of an owner.
fn columns(owner: &TokenOwner) -> (Option<&str>, Option<&str>) {
    match owner {
        TokenOwner::Installation => (None, None),
        TokenOwner::User(user) => (Some(user.as_str()), None),
        TokenOwner::Account(account) => (None, Some(account.as_str())),
    }
}

fn condition_column(terms: &TokenTerms) -> Result<Option<String>> {
    (terms.condition != Condition::default()).then(|| rows::to_json(&terms.condition)).transpose()
}

pub(crate) fn hash_of(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

pub(crate) fn random_token() -> String {
    rand::rng().sample_iter(Alphanumeric).take(GENERATED_LENGTH).map(char::from).collect()
}

fn token_of(row: &SqliteRow) -> Result<Token> {
    let owner = match (rows::parsed_option(row, "user")?, rows::parsed_option(row, "account")?) {
        (Some(user), _) => TokenOwner::User(user),
        (None, Some(account)) => TokenOwner::Account(account),
        (None, None) => TokenOwner::Installation,
    };
    let created_on = rows::time(row, "created_on")?;
    Ok(Token {
        id: rows::parsed(row, "id")?,
        owner,
        email: rows::text(row, "email")?,
        terms: TokenTerms {
            name: rows::text(row, "name")?,
            policies: rows::json_option(row, "policies")?.unwrap_or_default(),
            condition: rows::json_option(row, "condition")?.unwrap_or_default(),
            validity: Validity {
                not_before: rows::time_option(row, "not_before")?,
                expires_on: rows::time_option(row, "expires_on")?,
            },
            disabled: rows::flag(row, "disabled")?,
        },
        created_on,
        modified_on: rows::time_option(row, "modified_on")?.unwrap_or(created_on),
        last_used_on: rows::time_option(row, "last_used_on")?,
        is_admin: rows::flag(row, "is_admin")?,
    })
}
