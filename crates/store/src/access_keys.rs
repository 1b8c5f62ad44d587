//! The keys with which Access signs, sealed, and how long each does.

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::keys::{Keyring, Sealed};
use crate::{Result, Store, rows};

/// What the private half of a key is sealed as.
const PRIVATE: &str = "private";

/// A key that signs.
#[derive(Clone)]
pub struct AccessKey {
    /// Its id, as it stands in what it signed.
    pub id: String,
    /// PKCS #8, base64.
    pub private: String,
    /// When it was made.
    pub created_on: Timestamp,
}

impl Store {
    /// The keys that sign, newest first.
    pub async fn access_keys(&self) -> Result<Vec<AccessKey>> {
        let all = sqlx::query("SELECT * FROM access_keys ORDER BY created_on DESC, id")
            .fetch_all(&mut *self.read().await?)
            .await?;
        let keys = self.keys();
        let key = |row: &SqliteRow| {
            let id = rows::text(row, "id")?;
            let private = keys.open(sealed_for(&id), PRIVATE, &sealed_of(row)?)?;
            Ok(AccessKey { id, private, created_on: rows::time(row, "created_on")? })
        };
        all.iter().map(key).collect()
    }

    /// How many days a key signs; None: nobody has said.
    pub async fn access_rotation(&self) -> Result<Option<u32>> {
        let days: Option<i64> = sqlx::query_scalar("SELECT days FROM access_rotation")
            .fetch_optional(&mut *self.read().await?)
            .await?;
        Ok(days.and_then(|days| days.try_into().ok()))
    }

    /// Says how many days a key signs.
    pub async fn set_access_rotation(&self, days: u32) -> Result<()> {
        let mut transaction = self.write().await?;
        sqlx::query(
            "INSERT INTO access_rotation (only, days) VALUES ('only', ?)
             ON CONFLICT (only) DO UPDATE SET days = excluded.days",
        )
        .bind(days)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// Adds a key, and forgets those that another one had followed before `ended`: they have signed nothing since.
    pub async fn add_access_key(&self, key: &AccessKey, ended: Timestamp) -> Result<()> {
        let mut transaction = self.write().await?;
        let old = "DELETE FROM access_keys WHERE created_on <
                   (SELECT max(created_on) FROM access_keys WHERE created_on < ?)";
        sqlx::query(old).bind(ended.as_microsecond()).execute(&mut *transaction).await?;
        let sealed = self.keys().seal(sealed_for(&key.id), PRIVATE, &key.private)?;
        sqlx::query("INSERT INTO access_keys (id, key_id, sealed, created_on) VALUES (?, ?, ?, ?)")
            .bind(&key.id)
            .bind(sealed.key_id)
            .bind(sealed.bytes)
            .bind(key.created_on.as_microsecond())
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }
}

/// Seals all private keys with the active key; how many had another.
pub(crate) async fn reseal(connection: &mut SqliteConnection, keys: &Keyring) -> Result<u64> {
    let all = sqlx::query("SELECT id, key_id, sealed FROM access_keys WHERE key_id <> ?")
        .bind(keys.active_id())
        .fetch_all(&mut *connection)
        .await?;
    for row in &all {
        let id = rows::text(row, "id")?;
        let private = keys.open(sealed_for(&id), PRIVATE, &sealed_of(row)?)?;
        let sealed = keys.seal(sealed_for(&id), PRIVATE, &private)?;
        sqlx::query("UPDATE access_keys SET key_id = ?, sealed = ? WHERE id = ?")
            .bind(sealed.key_id)
            .bind(sealed.bytes)
            .bind(id)
            .execute(&mut *connection)
            .await?;
    }
    Ok(all.len() as u64)
}

fn sealed_of(row: &SqliteRow) -> Result<Sealed> {
    Ok(Sealed { key_id: rows::text(row, "key_id")?, bytes: row.try_get("sealed")? })
}

fn sealed_for(id: &str) -> String {
    format!("access-key:{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn keys_are_sealed_and_outlive_a_new_master_key() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let key = |id: &str, second: i64| AccessKey {
            id: id.to_owned(),
            private: format!("private-{id}"),
            created_on: Timestamp::from_second(second).unwrap(),
        };
        let never = Timestamp::UNIX_EPOCH;
        store.add_access_key(&key("a", 10), never).await.unwrap();
        store.add_access_key(&key("b", 20), never).await.unwrap();
        assert_eq!(store.rotate_secrets().await.unwrap(), 2);
        let found = store.access_keys().await.unwrap();
        let found: Vec<_> = found.iter().map(|key| (key.id.as_str(), key.private.as_str())).collect();
        assert_eq!(found, [("b", "private-b"), ("a", "private-a")]);
        // The second has followed the first at 20, and signs still.
        for (id, made, ended, left) in [("c", 30, 20, 3), ("d", 40, 21, 3), ("e", 50, 1000, 2)] {
            let ended = Timestamp::from_second(ended).unwrap();
            store.add_access_key(&key(id, made), ended).await.unwrap();
            assert_eq!(store.access_keys().await.unwrap().len(), left, "{id}");
        }
        drop(store);
        let file = std::fs::read(folder.path().join("hearth.db")).unwrap();
        assert!(!file.windows(9).any(|piece| piece == b"private-b"));
    }
}
