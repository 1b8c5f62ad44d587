//! Who shows a token, and what that may do.

use std::net::IpAddr;
use std::sync::Arc;

use hearth_model::{Grant, Grants};
use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use subtle::ConstantTimeEq;

use super::{Token, TokenOwner, hash_of, token_of};
use crate::{Result, Store, TokenId, User, UserId, members, rows, users};

/// Who makes a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The token that was shown.
    pub token: Token,
    /// The person whose token it is.
    pub user: Option<User>,
    /// What it may do.
    pub grants: Grants,
}

impl Principal {
    /// The e-mail address of its person, or of who made it.
    pub fn email(&self) -> &str {
        self.user.as_ref().map_or(&self.token.email, |user| &user.email)
    }
}

/// What a token that is shown turns out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// Nobody's, or not good now.
    Nobody,
    /// A good one, which may not be used from there.
    Elsewhere,
    /// A good one.
    Good(Box<Principal>),
}

impl Shown {
    /// Who shows it, if it is good.
    pub fn good(self) -> Option<Principal> {
        match self {
            Self::Good(principal) => Some(*principal),
            Self::Nobody | Self::Elsewhere => None,
        }
    }
}

/// What signatures of S3 requests are made with.
#[derive(Clone)]
pub struct S3Key {
    /// Whose it is.
    pub principal: Principal,
    /// The secret access key: 64 hex digits.
    pub secret: String,
}

impl Store {
    /// Who shows a token, from which address.
    pub async fn authenticate(&self, token: &str, from: Option<IpAddr>) -> Result<Shown> {
        let hash = hash_of(token);
        let mut connection = self.read().await?;
        let row = sqlx::query("SELECT * FROM tokens WHERE hash = ?")
            .bind(hash.as_slice())
            .fetch_optional(&mut *connection)
            .await?;
        let Some(row) = row else { return Ok(Shown::Nobody) };
        // The index compares byte by byte, but on digests, which nobody can steer towards a stored one.
        let stored: Vec<u8> = row.try_get("hash")?;
        if !bool::from(stored.as_slice().ct_eq(&hash)) {
            return Ok(Shown::Nobody);
        }
        Ok(self.judge(principal(&mut connection, &row).await?, from))
    }

    /// Who has a token that was shown before, by its id.
    pub async fn principal(&self, id: &TokenId, from: Option<IpAddr>) -> Result<Shown> {
        let mut connection = self.read().await?;
        let row = sqlx::query("SELECT * FROM tokens WHERE id = ?")
            .bind(id.as_str())
            .fetch_optional(&mut *connection)
            .await?;
        match row {
            Some(row) => Ok(self.judge(principal(&mut connection, &row).await?, from)),
            None => Ok(Shown::Nobody),
        }
    }

    /// Whether somebody's token is good now and there.
    fn judge(&self, principal: Option<Principal>, from: Option<IpAddr>) -> Shown {
        let Some(principal) = principal.filter(|own| own.token.is_good(Timestamp::now())) else {
            return Shown::Nobody;
        };
        if !principal.token.terms.condition.admits(from) {
            return Shown::Elsewhere;
        }
        self.used(&principal);
        Shown::Good(Box::new(principal))
    }

    /// The secret of an access key and whose it is; None when there is none, or it is not good now. From where it may be
    /// used, its token says ([`super::Condition::admits`]).
    pub async fn s3_key(&self, access_key: &str) -> Result<Option<Arc<S3Key>>> {
        let Ok(id) = access_key.parse::<TokenId>() else { return Ok(None) };
        let (cached, generation) = self.inner.tokens.key(&id);
        let key = match cached {
            Some(key) => key,
            None => {
                let mut connection = self.read().await?;
                let row = sqlx::query("SELECT * FROM tokens WHERE id = ?")
                    .bind(id.as_str())
                    .fetch_optional(&mut *connection)
                    .await?;
                let Some(row) = row else { return Ok(None) };
                let secret = hex::encode(row.try_get::<&[u8], _>("hash")?);
                let Some(principal) = principal(&mut connection, &row).await? else { return Ok(None) };
                let key = Arc::new(S3Key { principal, secret });
                self.inner.tokens.keep(&id, Arc::clone(&key), generation);
                key
            }
        };
        let good = key.principal.token.is_good(Timestamp::now());
        if good {
            self.used(&key.principal);
        }
        Ok(good.then_some(key))
    }

    /// A person who calls, and what they may do; None for one who is not there, or suspended.
    pub async fn person(&self, id: &UserId) -> Result<Option<(User, Grants)>> {
        let mut connection = self.read().await?;
        let Some((user, limit)) = person(&mut connection, id).await? else { return Ok(None) };
        self.seen(&user);
        Ok(Some((user, Grants::all_of(vec![limit]))))
    }

    /// Notes that a token was used.
    fn used(&self, principal: &Principal) {
        self.note("UPDATE tokens SET last_used_on = ? WHERE id = ?", principal.token.id.as_str());
        if let Some(user) = &principal.user {
            self.seen(user);
        }
    }

    /// Notes that a person was seen.
    fn seen(&self, user: &User) {
        self.note("UPDATE users SET last_seen_on = ? WHERE id = ?", user.id.as_str());
    }

    /// Writes that something was used now. That is not worth making a call wait, or fail.
    fn note(&self, sql: &'static str, id: &str) {
        let now = rows::now();
        if !self.inner.tokens.is_due(id, now) {
            return;
        }
        let (store, id) = (self.clone(), id.to_owned());
        tokio::spawn(async move {
            let written = async {
                let mut transaction = store.write().await?;
                sqlx::query(sql).bind(now.as_microsecond()).bind(id).execute(&mut *transaction).await?;
                Ok::<_, crate::StoreError>(transaction.commit().await?)
            };
            if let Err(error) = written.await {
                tracing::debug!(%error, "that something was used was not written");
            }
        });
    }
}

/// None: its person is suspended.
async fn principal(connection: &mut SqliteConnection, row: &SqliteRow) -> Result<Option<Principal>> {
    let token = token_of(row)?;
    let mut user = None;
    let mut limits = Vec::new();
    match &token.owner {
        TokenOwner::Installation => {}
        TokenOwner::Account(account) => limits.push(Grant::Within(account.clone())),
        TokenOwner::User(id) => {
            let Some((found, limit)) = person(connection, id).await? else { return Ok(None) };
            user = Some(found);
            limits.push(limit);
        }
    }
    if token.is_admin {
        limits.push(Grant::Everything);
    } else {
        limits.push(Grant::Policies(token.terms.policies.clone()));
    }
    Ok(Some(Principal { token, user, grants: Grants::all_of(limits) }))
}

async fn person(connection: &mut SqliteConnection, id: &UserId) -> Result<Option<(User, Grant)>> {
    let user = match users::find(&mut *connection, id).await {
        Ok(user) if !user.suspended => user,
        Ok(_) | Err(crate::StoreError::NotFound { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    if user.is_operator {
        return Ok(Some((user, Grant::Everything)));
    }
    let roles = members::roles(connection, id).await?;
    Ok(Some((user, Grant::Person { user: id.to_string(), roles })))
}
