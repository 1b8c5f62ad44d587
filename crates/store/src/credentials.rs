//! What people prove who they are with: passwords, invitations to set one, codes of an authenticator, recovery codes.
//! `hearth-signin` makes and checks them; here they are kept, and spent once where that is their nature.

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::{Row, SqliteConnection};

use crate::keys::{Keyring, Sealed};
use crate::sessions::{Signed, end_all};
use crate::tokens::{hash_of, random_token};
use crate::{Entity, Result, SessionId, Store, StoreError, User, UserId, oauth_grants, rows, users};

/// What the secret of an authenticator is sealed as.
const TOTP: &str = "totp";

/// An authenticator's secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Totp {
    /// The secret, in base32.
    pub secret: String,
    /// Whether a code has shown that the authenticator has it.
    pub confirmed: bool,
}

/// What an operator sees of how somebody signs in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SigninFacts {
    /// Whether they have a password.
    pub password: bool,
    /// Whether a code of an authenticator is asked for.
    pub totp: bool,
    /// How many passkeys they have.
    pub passkeys: u64,
    /// Whether an invitation waits for them.
    pub invited: bool,
    /// Whether a provider of single sign-on knows them.
    pub linked: bool,
    /// When a session of theirs was used last, of those that last.
    pub seen_on: Option<Timestamp>,
}

impl Store {
    /// A person's password, as a PHC string of argon2.
    pub async fn password(&self, user: &UserId) -> Result<Option<String>> {
        let found = sqlx::query_scalar("SELECT hash FROM passwords WHERE user = ?")
            .bind(user.as_str())
            .fetch_optional(&mut *self.read().await?)
            .await?;
        Ok(found)
    }

    /// Gives a person another password, and ends their sessions but for that one.
    pub async fn set_password(&self, user: &User, hash: &str, but: Option<&SessionId>) -> Result<()> {
        let mut transaction = self.write().await?;
        put_password(&mut transaction, user, hash, but).await?;
        Ok(transaction.commit().await?)
    }

    /// Makes a one-time link for a person to set a password with, in place of the one before. Returns its secret, which is
    /// kept nowhere.
    ///
    /// # Errors
    /// User not found.
    pub async fn invite(&self, user: &UserId, expires_on: Timestamp) -> Result<String> {
        let secret = random_token();
        let mut transaction = self.write().await?;
        users::find(&mut transaction, user).await?;
        sqlx::query(
            "INSERT INTO invitations (user, digest, expires_on) VALUES (?, ?, ?)
             ON CONFLICT (user) DO UPDATE SET digest = excluded.digest, expires_on = excluded.expires_on",
        )
        .bind(user.as_str())
        .bind(hash_of(&secret).as_slice())
        .bind(expires_on.as_microsecond())
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(secret)
    }

    /// Whom an invitation is for, and until when.
    ///
    /// # Errors
    /// Not found when there is none, or it was used, replaced or has expired, or its person is suspended.
    pub async fn invitation(&self, secret: &str) -> Result<(User, Timestamp)> {
        invitation(&mut *self.read().await?, secret).await
    }

    /// Uses an invitation up: sets the password that was chosen, and ends all sessions.
    ///
    /// # Errors
    /// As [`Store::invitation`].
    pub async fn accept_invitation(&self, secret: &str, hash: &str) -> Result<User> {
        let mut transaction = self.write().await?;
        let (user, _) = invitation(&mut transaction, secret).await?;
        sqlx::query("DELETE FROM invitations WHERE user = ?")
            .bind(user.id.as_str())
            .execute(&mut *transaction)
            .await?;
        put_password(&mut transaction, &user, hash, None).await?;
        transaction.commit().await?;
        Ok(user)
    }

    /// A person's authenticator, confirmed or not.
    pub async fn totp(&self, user: &UserId) -> Result<Option<Totp>> {
        let row = sqlx::query("SELECT * FROM totp WHERE user = ?")
            .bind(user.as_str())
            .fetch_optional(&mut *self.read().await?)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let sealed = Sealed { key_id: rows::text(&row, "key_id")?, bytes: row.try_get("sealed")? };
        let secret = self.keys().open(sealed_for(user), TOTP, &sealed)?;
        Ok(Some(Totp { secret, confirmed: rows::flag(&row, "confirmed")? }))
    }

    /// Keeps an authenticator's secret until it is confirmed.
    ///
    /// # Errors
    /// Conflict when one is confirmed already.
    pub async fn begin_totp(&self, user: &UserId, secret: &str) -> Result<()> {
        let mut transaction = self.write().await?;
        let sealed = self.keys().seal(sealed_for(user), TOTP, secret)?;
        let done = sqlx::query(
            "INSERT INTO totp (user, key_id, sealed, confirmed, last_step) VALUES (?, ?, ?, 0, 0)
             ON CONFLICT (user) DO UPDATE SET key_id = excluded.key_id, sealed = excluded.sealed WHERE confirmed = 0",
        )
        .bind(user.as_str())
        .bind(sealed.key_id)
        .bind(sealed.bytes)
        .execute(&mut *transaction)
        .await?;
        if done.rows_affected() == 0 {
            let text = "an authenticator is in use already: remove it first";
            return Err(StoreError::conflict(Entity::User, text));
        }
        Ok(transaction.commit().await?)
    }

    /// Takes a person's authenticator into use, with the recovery codes that stand for it. `step` is that of the code which
    /// showed it. Returns whether there was one to confirm.
    pub async fn confirm_totp(&self, user: &UserId, step: u64, codes: &[[u8; 32]]) -> Result<bool> {
        let mut transaction = self.write().await?;
        let done =
            sqlx::query("UPDATE totp SET confirmed = 1, last_step = ? WHERE user = ? AND confirmed = 0")
                .bind(step.cast_signed())
                .bind(user.as_str())
                .execute(&mut *transaction)
                .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        put_recovery_codes(&mut transaction, user, codes).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Puts other recovery codes in the place of those that a person has. Returns false where no authenticator is in use, for
    /// which they could stand.
    pub async fn renew_recovery_codes(&self, user: &UserId, codes: &[[u8; 32]]) -> Result<bool> {
        let mut transaction = self.write().await?;
        let used: i64 = sqlx::query_scalar("SELECT count(*) FROM totp WHERE user = ? AND confirmed = 1")
            .bind(user.as_str())
            .fetch_one(&mut *transaction)
            .await?;
        if used == 0 {
            return Ok(false);
        }
        put_recovery_codes(&mut transaction, user, codes).await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Spends the codes of a time step and of those before it. Returns false when they are spent already.
    pub async fn spend_totp_step(&self, user: &UserId, step: u64) -> Result<bool> {
        let mut transaction = self.write().await?;
        let done = sqlx::query("UPDATE totp SET last_step = ?1 WHERE user = ?2 AND last_step < ?1")
            .bind(step.cast_signed())
            .bind(user.as_str())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Spends a recovery code. Returns false when there is none such, or it is spent already.
    pub async fn spend_recovery_code(&self, user: &UserId, digest: &[u8; 32]) -> Result<bool> {
        let mut transaction = self.write().await?;
        let done = sqlx::query("DELETE FROM recovery_codes WHERE user = ? AND digest = ?")
            .bind(user.as_str())
            .bind(digest.as_slice())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// How many recovery codes a person has left.
    pub async fn recovery_codes(&self, user: &UserId) -> Result<u64> {
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM recovery_codes WHERE user = ?")
            .bind(user.as_str())
            .fetch_one(&mut *self.read().await?)
            .await?;
        Ok(left.unsigned_abs())
    }

    /// Forgets a person's authenticator and recovery codes.
    pub async fn remove_totp(&self, user: &UserId) -> Result<()> {
        let mut transaction = self.write().await?;
        for sql in ["DELETE FROM totp WHERE user = ?", "DELETE FROM recovery_codes WHERE user = ?"] {
            sqlx::query(sql).bind(user.as_str()).execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Forgets all that a person has to sign in with, but for who they are to providers of single sign-on, and ends their
    /// sessions and the access that they gave to programs.
    pub async fn forget_credentials(&self, user: &User) -> Result<()> {
        let mut transaction = self.write().await?;
        for sql in [
            "DELETE FROM passwords WHERE user = ?",
            "DELETE FROM totp WHERE user = ?",
            "DELETE FROM recovery_codes WHERE user = ?",
            "DELETE FROM passkeys WHERE user = ?",
            "DELETE FROM invitations WHERE user = ?",
        ] {
            sqlx::query(sql).bind(user.id.as_str()).execute(&mut *transaction).await?;
        }
        oauth_grants::end_all(&mut transaction, &user.id).await?;
        end_all(&mut transaction, &Signed::User(user.clone()), None).await?;
        transaction.commit().await?;
        self.inner.tokens.forget();
        Ok(())
    }

    /// How these people sign in.
    pub async fn signin_facts(&self, users: &[UserId]) -> Result<HashMap<UserId, SigninFacts>> {
        let found = sqlx::query(
            "SELECT u.id,
                    EXISTS (SELECT 1 FROM passwords p WHERE p.user = u.id) AS password,
                    EXISTS (SELECT 1 FROM totp t WHERE t.user = u.id AND t.confirmed = 1) AS totp,
                    (SELECT count(*) FROM passkeys k WHERE k.user = u.id) AS passkeys,
                    EXISTS (SELECT 1 FROM invitations i WHERE i.user = u.id AND i.expires_on > ?2) AS invited,
                    EXISTS (SELECT 1 FROM identities i WHERE i.user = u.id) AS linked,
                    (SELECT max(seen_on) FROM sessions s WHERE s.user = u.id) AS seen_on
             FROM users u WHERE u.id IN (SELECT value FROM json_each(?1))",
        )
        .bind(rows::to_json(&users)?)
        .bind(rows::now().as_microsecond())
        .fetch_all(&mut *self.read().await?)
        .await?;
        let fact = |row| {
            let facts = SigninFacts {
                password: rows::flag(row, "password")?,
                totp: rows::flag(row, "totp")?,
                passkeys: rows::count(row, "passkeys")?,
                invited: rows::flag(row, "invited")?,
                linked: rows::flag(row, "linked")?,
                seen_on: rows::time_option(row, "seen_on")?,
            };
            Ok((rows::parsed(row, "id")?, facts))
        };
        found.iter().map(fact).collect()
    }
}

/// Seals all secrets of authenticators with the active key; how many had another.
pub(crate) async fn reseal(connection: &mut SqliteConnection, keys: &Keyring) -> Result<u64> {
    let all = sqlx::query("SELECT user, key_id, sealed FROM totp WHERE key_id <> ?")
        .bind(keys.active_id())
        .fetch_all(&mut *connection)
        .await?;
    for row in &all {
        let user: UserId = rows::parsed(row, "user")?;
        let sealed = Sealed { key_id: rows::text(row, "key_id")?, bytes: row.try_get("sealed")? };
        let secret = keys.open(sealed_for(&user), TOTP, &sealed)?;
        let sealed = keys.seal(sealed_for(&user), TOTP, &secret)?;
        sqlx::query("UPDATE totp SET key_id = ?, sealed = ? WHERE user = ?")
            .bind(sealed.key_id)
            .bind(sealed.bytes)
            .bind(user.as_str())
            .execute(&mut *connection)
            .await?;
    }
    Ok(all.len() as u64)
}

/// Whom a person's secrets are sealed for. No worker's id looks like that.
fn sealed_for(user: &UserId) -> String {
    format!("user:{user}")
}

async fn put_recovery_codes(
    connection: &mut SqliteConnection,
    user: &UserId,
    codes: &[[u8; 32]],
) -> Result<()> {
    sqlx::query("DELETE FROM recovery_codes WHERE user = ?")
        .bind(user.as_str())
        .execute(&mut *connection)
        .await?;
    for code in codes {
        sqlx::query("INSERT INTO recovery_codes (user, digest) VALUES (?, ?)")
            .bind(user.as_str())
            .bind(code.as_slice())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn put_password(
    connection: &mut SqliteConnection,
    user: &User,
    hash: &str,
    but: Option<&SessionId>,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO passwords (user, hash, set_on) VALUES (?, ?, ?)
         ON CONFLICT (user) DO UPDATE SET hash = excluded.hash, set_on = excluded.set_on",
    )
    .bind(user.id.as_str())
    .bind(hash)
    .bind(rows::now().as_microsecond())
    .execute(&mut *connection)
    .await?;
    end_all(connection, &Signed::User(user.clone()), but).await
}

async fn invitation(connection: &mut SqliteConnection, secret: &str) -> Result<(User, Timestamp)> {
    let unknown = || StoreError::not_found(Entity::Invitation, "(secret)");
    let row = sqlx::query("SELECT user, expires_on FROM invitations WHERE digest = ? AND expires_on > ?")
        .bind(hash_of(secret).as_slice())
        .bind(rows::now().as_microsecond())
        .fetch_optional(&mut *connection)
        .await?
        .ok_or_else(unknown)?;
    let user = users::find(connection, &rows::parsed(&row, "user")?).await?;
    if user.suspended {
        return Err(unknown());
    }
    Ok((user, rows::time(&row, "expires_on")?))
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;
    use crate::UserChanges;

    async fn opened() -> (tempfile::TempDir, Store, User) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let ann = store.create_user("ann@corp.test", "Ann", true).await.unwrap();
        (folder, store, ann)
    }

    #[tokio::test]
    async fn an_invitation_opens_once_and_for_a_time() {
        let (_folder, store, ann) = opened().await;
        let soon = Timestamp::now() + 1.hour();
        let replaced = store.invite(&ann.id, soon).await.unwrap();
        let secret = store.invite(&ann.id, soon).await.unwrap();
        assert!(store.invitation(&replaced).await.is_err());
        assert_eq!(store.invitation(&secret).await.unwrap().0, ann);
        assert!(store.signin_facts(std::slice::from_ref(&ann.id)).await.unwrap()[&ann.id].invited);
        assert_eq!(store.accept_invitation(&secret, "hash").await.unwrap(), ann);
        assert!(store.accept_invitation(&secret, "other").await.is_err(), "used");
        assert_eq!(store.password(&ann.id).await.unwrap().unwrap(), "hash");
        let late = store.invite(&ann.id, Timestamp::now() - 1.second()).await.unwrap();
        assert!(store.accept_invitation(&late, "other").await.is_err(), "expired");
        store.create_user("op@corp.test", "", true).await.unwrap();
        let secret = store.invite(&ann.id, soon).await.unwrap();
        let suspend = |suspended| UserChanges { suspended: Some(suspended), ..UserChanges::default() };
        store.update_user(&ann.id, suspend(true)).await.unwrap();
        assert!(store.accept_invitation(&secret, "other").await.is_err(), "suspended");
        store.update_user(&ann.id, suspend(false)).await.unwrap();
        assert!(store.accept_invitation(&secret, "other").await.is_ok());
    }

    #[tokio::test]
    async fn codes_are_spent_once() {
        let (_folder, store, ann) = opened().await;
        assert!(!store.renew_recovery_codes(&ann.id, &[[9; 32]]).await.unwrap(), "they stand for nothing");
        store.begin_totp(&ann.id, "SECRET").await.unwrap();
        assert!(
            !store.renew_recovery_codes(&ann.id, &[[9; 32]]).await.unwrap(),
            "nor before it is confirmed"
        );
        assert!(!store.totp(&ann.id).await.unwrap().unwrap().confirmed);
        store.begin_totp(&ann.id, "OTHER").await.unwrap();
        assert!(store.confirm_totp(&ann.id, 7, &[[1; 32], [2; 32]]).await.unwrap());
        assert!(!store.confirm_totp(&ann.id, 8, &[]).await.unwrap(), "confirmed already");
        assert!(store.begin_totp(&ann.id, "THIRD").await.is_err(), "not replaced under the hand");
        assert!(!store.spend_totp_step(&ann.id, 7).await.unwrap(), "it confirmed");
        assert!(store.spend_totp_step(&ann.id, 9).await.unwrap());
        assert!(
            !store.spend_totp_step(&ann.id, 9).await.unwrap()
                && !store.spend_totp_step(&ann.id, 8).await.unwrap()
        );
        let bob = store.create_user("bob@corp.test", "", false).await.unwrap();
        assert!(!store.spend_recovery_code(&bob.id, &[1; 32]).await.unwrap(), "somebody else's");
        assert!(store.spend_recovery_code(&ann.id, &[1; 32]).await.unwrap());
        assert!(!store.spend_recovery_code(&ann.id, &[1; 32]).await.unwrap());
        assert_eq!(store.recovery_codes(&ann.id).await.unwrap(), 1);
        store.rotate_secrets().await.unwrap();
        assert_eq!(store.totp(&ann.id).await.unwrap().unwrap().secret, "OTHER");
        store.remove_totp(&ann.id).await.unwrap();
        assert!(store.totp(&ann.id).await.unwrap().is_none());
        assert_eq!(store.recovery_codes(&ann.id).await.unwrap(), 0);
    }
}
