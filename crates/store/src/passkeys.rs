//! Passkeys of people: their public halves.

use jiff::Timestamp;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::{Entity, Result, Store, StoreError, User, UserId, rows, users};

/// Passkeys of one person.
const MOST: i64 = 20;

/// A passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// The credential's id, in base64url.
    pub id: String,
    /// What its person calls it.
    pub name: String,
    /// Its public key, in COSE.
    pub public_key: Vec<u8>,
    /// When it was made.
    pub created_on: Timestamp,
    /// When it was used last.
    pub used_on: Option<Timestamp>,
}

impl Store {
    /// Keeps a passkey of a person. `counter`: how often it says that it was used.
    ///
    /// # Errors
    /// Conflict when it is known, whoever's it is, or the person has too many.
    pub async fn add_passkey(
        &self,
        user: &UserId,
        id: &str,
        name: &str,
        public_key: &[u8],
        counter: u32,
    ) -> Result<Passkey> {
        let mut transaction = self.write().await?;
        let present: i64 = sqlx::query_scalar("SELECT count(*) FROM passkeys WHERE user = ?")
            .bind(user.as_str())
            .fetch_one(&mut *transaction)
            .await?;
        if present >= MOST {
            let text = format!("a person has at most {MOST} passkeys: remove one first");
            return Err(StoreError::conflict(Entity::Passkey, text));
        }
        let passkey = Passkey {
            id: id.to_owned(),
            name: name.to_owned(),
            public_key: public_key.to_vec(),
            created_on: rows::now(),
            used_on: None,
        };
        let done = sqlx::query(
            "INSERT INTO passkeys (id, user, name, public_key, counter, created_on) VALUES (?, ?, ?, ?, ?, ?)
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(id)
        .bind(user.as_str())
        .bind(name)
        .bind(public_key)
        .bind(i64::from(counter))
        .bind(passkey.created_on.as_microsecond())
        .execute(&mut *transaction)
        .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::conflict(Entity::Passkey, "this passkey is known already"));
        }
        transaction.commit().await?;
        Ok(passkey)
    }

    /// A person's passkeys, oldest first.
    pub async fn passkeys(&self, user: &UserId) -> Result<Vec<Passkey>> {
        let all = sqlx::query("SELECT * FROM passkeys WHERE user = ? ORDER BY created_on, id")
            .bind(user.as_str())
            .fetch_all(&mut *self.read().await?)
            .await?;
        all.iter().map(passkey_of).collect()
    }

    /// A passkey, and whose it is.
    pub async fn passkey(&self, id: &str) -> Result<Option<(Passkey, User)>> {
        let mut connection = self.read().await?;
        let row = sqlx::query("SELECT * FROM passkeys WHERE id = ?")
            .bind(id)
            .fetch_optional(&mut *connection)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let user = users::find(&mut connection, &rows::parsed(&row, "user")?).await?;
        Ok(Some((passkey_of(&row)?, user)))
    }

    /// Notes that a passkey was used for the `counter`th time. Returns false when it has been used as often before: there
    /// is a copy of it then. One that does not count says 0 each time.
    pub async fn use_passkey(&self, id: &str, counter: u32) -> Result<bool> {
        let mut transaction = self.write().await?;
        let done = sqlx::query(
            "UPDATE passkeys SET counter = ?1, used_on = ?2
             WHERE id = ?3 AND (counter < ?1 OR (counter = 0 AND ?1 = 0))",
        )
        .bind(i64::from(counter))
        .bind(rows::now().as_microsecond())
        .bind(id)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(done.rows_affected() > 0)
    }

    /// Forgets a passkey of a person.
    ///
    /// # Errors
    /// Not found when it is not that person's.
    pub async fn remove_passkey(&self, user: &UserId, id: &str) -> Result<()> {
        let mut transaction = self.write().await?;
        let done = sqlx::query("DELETE FROM passkeys WHERE user = ? AND id = ?")
            .bind(user.as_str())
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::not_found(Entity::Passkey, id));
        }
        Ok(transaction.commit().await?)
    }
}

fn passkey_of(row: &SqliteRow) -> Result<Passkey> {
    Ok(Passkey {
        id: rows::text(row, "id")?,
        name: rows::text(row, "name")?,
        public_key: row.try_get("public_key")?,
        created_on: rows::time(row, "created_on")?,
        used_on: rows::time_option(row, "used_on")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_copy_is_noticed_and_a_passkey_is_one_persons() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let ann = store.create_user("ann@corp.test", "", true).await.unwrap();
        let bob = store.create_user("bob@corp.test", "", false).await.unwrap();
        store.add_passkey(&ann.id, "a", "Phone", &[1], 5).await.unwrap();
        assert!(store.add_passkey(&bob.id, "a", "Phone", &[2], 0).await.is_err(), "known");
        let (passkey, user) = store.passkey("a").await.unwrap().unwrap();
        assert_eq!((user.id.clone(), passkey.public_key), (ann.id.clone(), vec![1]));
        assert!(store.use_passkey("a", 6).await.unwrap());
        assert!(!store.use_passkey("a", 6).await.unwrap() && !store.use_passkey("a", 0).await.unwrap());
        store.add_passkey(&ann.id, "b", "Key", &[3], 0).await.unwrap();
        assert!(
            store.use_passkey("b", 0).await.unwrap() && store.use_passkey("b", 0).await.unwrap(),
            "does not count"
        );
        assert!(store.remove_passkey(&bob.id, "a").await.is_err(), "somebody else's");
        store.remove_passkey(&ann.id, "a").await.unwrap();
        assert_eq!(store.passkeys(&ann.id).await.unwrap().len(), 1);
    }
}
