//! Access that people gave to programs: which of their tokens is a program's, and what it renews that with. Only digests of
//! the latter are stored. It changes with each use; one that comes again has been copied, and ends the access.

use jiff::{SignedDuration, Timestamp};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::tokens::{hash_of, random_token};
use crate::{Result, Store, TokenId, UserId, rows};

/// For how long a program may come twice with the same: two of its processes may have begun at once.
const AT_ONCE: SignedDuration = SignedDuration::from_secs(30);

/// What a person gave a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OauthGrant {
    /// The token that the program has.
    pub token: TokenId,
    /// The program.
    pub client: String,
    /// What was agreed to.
    pub scopes: Vec<String>,
}

/// What comes of renewing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renewal {
    /// It goes on, with a new text to renew with.
    Renewed(OauthGrant, String),
    /// It was renewed by somebody else a moment ago.
    Raced,
    /// There is no such access, or no longer.
    Gone,
}

impl Store {
    /// Notes what a person gave a program. Returns what it renews that with, until `renews_until`; None: it does not.
    pub async fn add_oauth_grant(
        &self,
        grant: &OauthGrant,
        renews_until: Option<Timestamp>,
    ) -> Result<Option<String>> {
        let secret = renews_until.is_some().then(random_token);
        let mut transaction = self.write().await?;
        sqlx::query(
            "INSERT INTO oauth_grants (token, client, scopes, renewal, renews_until) VALUES (?, ?, ?, ?, ?)",
        )
        .bind(grant.token.as_str())
        .bind(&grant.client)
        .bind(rows::to_json(&grant.scopes)?)
        .bind(secret.as_deref().map(|secret| hash_of(secret).to_vec()))
        .bind(renews_until.map(Timestamp::as_microsecond))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(secret)
    }

    /// Renews access of a program, once with each text. Access whose last text comes again ends.
    pub async fn renew_oauth_grant(
        &self,
        client: &str,
        secret: &str,
        renews_until: Timestamp,
    ) -> Result<Renewal> {
        let (digest, now) = (hash_of(secret).to_vec(), rows::now());
        let mut transaction = self.write().await?;
        let row = sqlx::query(
            "SELECT *, renewal = ?1 AS is_current FROM oauth_grants
             WHERE client = ?2 AND (renewal = ?1 OR renewal_before = ?1) AND renews_until > ?3",
        )
        .bind(&digest)
        .bind(client)
        .bind(now.as_microsecond())
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = row else { return Ok(Renewal::Gone) };
        let grant = grant_of(&row)?;
        if !rows::flag(&row, "is_current")? {
            let renewed_on = rows::time_option(&row, "renewed_on")?.unwrap_or(now);
            if now.duration_since(renewed_on) < AT_ONCE {
                return Ok(Renewal::Raced);
            }
            end(&mut transaction, &grant.token).await?;
            transaction.commit().await?;
            self.inner.tokens.forget();
            return Ok(Renewal::Gone);
        }
        let next = random_token();
        sqlx::query(
            "UPDATE oauth_grants SET renewal_before = renewal, renewal = ?, renewed_on = ?, renews_until = ?
             WHERE token = ?",
        )
        .bind(hash_of(&next).to_vec())
        .bind(now.as_microsecond())
        .bind(renews_until.as_microsecond())
        .bind(grant.token.as_str())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Renewal::Renewed(grant, next))
    }

    /// Ends access of a program, which shows its token or what renews that. Returns whether there was such.
    pub async fn end_oauth_grant(&self, client: &str, shown: &str) -> Result<bool> {
        let digest = hash_of(shown).to_vec();
        let mut transaction = self.write().await?;
        let row = sqlx::query(
            "SELECT g.* FROM oauth_grants g JOIN tokens t ON t.id = g.token
             WHERE g.client = ?1 AND (g.renewal = ?2 OR g.renewal_before = ?2 OR t.hash = ?2)",
        )
        .bind(client)
        .bind(&digest)
        .fetch_optional(&mut *transaction)
        .await?;
        let Some(row) = row else { return Ok(false) };
        end(&mut transaction, &grant_of(&row)?.token).await?;
        transaction.commit().await?;
        self.inner.tokens.forget();
        Ok(true)
    }
}

/// Ends all access that a person gave to programs.
pub(crate) async fn end_all(connection: &mut SqliteConnection, user: &UserId) -> Result<()> {
    sqlx::query("DELETE FROM tokens WHERE user = ? AND id IN (SELECT token FROM oauth_grants)")
        .bind(user.as_str())
        .execute(connection)
        .await?;
    Ok(())
}

async fn end(connection: &mut SqliteConnection, token: &TokenId) -> Result<()> {
    sqlx::query("DELETE FROM tokens WHERE id = ?").bind(token.as_str()).execute(connection).await?;
    Ok(())
}

fn grant_of(row: &SqliteRow) -> Result<OauthGrant> {
    Ok(OauthGrant {
        token: rows::parsed(row, "token")?,
        client: row.try_get("client")?,
        scopes: rows::json(row, "scopes")?,
    })
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::{TokenOwner, TokenTerms};

    async fn granted(store: &Store, lasts: SignedDuration) -> (OauthGrant, String) {
        let user = store.create_user("ann@corp.test", "", true).await.unwrap();
        let terms = TokenTerms { name: "w".to_owned(), ..TokenTerms::default() };
        let made = store.create_token("ann@corp.test", TokenOwner::User(user.id), terms).await.unwrap();
        let grant = OauthGrant { token: made.token.id, client: "w".to_owned(), scopes: Vec::new() };
        let until = rows::now().saturating_add(lasts).unwrap();
        let secret = store.add_oauth_grant(&grant, Some(until)).await.unwrap().unwrap();
        (grant, secret)
    }

    #[tokio::test]
    async fn what_renews_is_one_programs_and_good_once_for_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let (grant, first) = granted(&store, SignedDuration::from_hours(1)).await;
        let later = rows::now() + 1.hour();
        let renew =
            async |client: &str, shown: &str| store.renew_oauth_grant(client, shown, later).await.unwrap();
        assert_eq!(renew("other", &first).await, Renewal::Gone, "another program's");
        assert_eq!(renew("w", "none").await, Renewal::Gone);
        let Renewal::Renewed(renewed, second) = renew("w", &first).await else { panic!("it is good") };
        assert_eq!(renewed, grant);
        assert_eq!(renew("w", &first).await, Renewal::Raced, "two of its processes at once");
        assert!(store.token(&grant.token).await.is_ok());
        // Later than that it was copied: whoever has the copy, nobody goes on.
        let mut transaction = store.write().await.unwrap();
        sqlx::query("UPDATE oauth_grants SET renewed_on = renewed_on - ?")
            .bind(i64::try_from(AT_ONCE.as_micros()).unwrap())
            .execute(&mut *transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        assert_eq!(renew("w", &first).await, Renewal::Gone);
        assert!(store.token(&grant.token).await.is_err(), "the access has ended");
        assert_eq!(renew("w", &second).await, Renewal::Gone, "for who has the newer one too");
    }

    #[tokio::test]
    async fn what_is_too_old_renews_nothing_and_another_program_ends_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let (grant, secret) = granted(&store, SignedDuration::from_secs(-1)).await;
        let later = rows::now() + 1.hour();
        assert_eq!(store.renew_oauth_grant("w", &secret, later).await.unwrap(), Renewal::Gone);
        assert!(!store.end_oauth_grant("other", &secret).await.unwrap());
        assert!(store.token(&grant.token).await.is_ok());
        assert!(store.end_oauth_grant("w", &secret).await.unwrap());
        assert!(store.token(&grant.token).await.is_err());
    }
}
