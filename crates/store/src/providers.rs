//! Providers of single sign-on, and who people are to them. What a provider's settings say is the affair of
//! `hearth-signin`.

use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::keys::{Keyring, Sealed};
use crate::{Result, Store, User, UserId, rows, users};

/// What the secret of a client is sealed as.
const SECRET: &str = "client-secret";

/// A provider.
#[derive(Debug, Clone, PartialEq)]
pub struct Provider {
    /// What it is called in paths.
    pub id: String,
    /// Its settings, without the client's secret.
    pub settings: Value,
    /// Whether there is a secret.
    pub has_secret: bool,
}

/// A provider to be written.
#[derive(Clone)]
pub struct ProviderWrite {
    /// See [`Provider::id`].
    pub id: String,
    /// See [`Provider::settings`].
    pub settings: Value,
    /// The client's secret: None keeps the one that there is, an empty one removes it.
    pub secret: Option<String>,
}

impl Store {
    /// All providers, by their ids.
    pub async fn providers(&self) -> Result<Vec<Provider>> {
        let all =
            sqlx::query("SELECT id, settings, key_id IS NOT NULL AS has_secret FROM providers ORDER BY id")
                .fetch_all(&mut *self.read().await?)
                .await?;
        let provider = |row: &SqliteRow| {
            Ok(Provider {
                id: rows::text(row, "id")?,
                settings: rows::json(row, "settings")?,
                has_secret: rows::flag(row, "has_secret")?,
            })
        };
        all.iter().map(provider).collect()
    }

    /// Replaces all providers. Who people are to one that goes is forgotten.
    pub async fn put_providers(&self, all: &[ProviderWrite]) -> Result<()> {
        let mut transaction = self.write().await?;
        let ids: Vec<&str> = all.iter().map(|provider| provider.id.as_str()).collect();
        sqlx::query("DELETE FROM providers WHERE id NOT IN (SELECT value FROM json_each(?))")
            .bind(rows::to_json(&ids)?)
            .execute(&mut *transaction)
            .await?;
        for provider in all {
            sqlx::query(
                "INSERT INTO providers (id, settings) VALUES (?, ?)
                 ON CONFLICT (id) DO UPDATE SET settings = excluded.settings",
            )
            .bind(&provider.id)
            .bind(rows::to_json(&provider.settings)?)
            .execute(&mut *transaction)
            .await?;
            if let Some(secret) = &provider.secret {
                put_secret(&mut transaction, &self.keys(), &provider.id, secret).await?;
            }
        }
        Ok(transaction.commit().await?)
    }

    /// The secret of the client that we are to a provider.
    pub async fn provider_secret(&self, id: &str) -> Result<Option<String>> {
        let row = sqlx::query("SELECT key_id, sealed FROM providers WHERE id = ? AND key_id IS NOT NULL")
            .bind(id)
            .fetch_optional(&mut *self.read().await?)
            .await?;
        row.map(|row| self.keys().open(sealed_for(id), SECRET, &sealed_of(&row)?)).transpose()
    }

    /// Who somebody is whom a provider knows.
    pub async fn identified(&self, provider: &str, subject: &str) -> Result<Option<User>> {
        let mut connection = self.read().await?;
        let row = sqlx::query("SELECT user FROM identities WHERE provider = ? AND subject = ?")
            .bind(provider)
            .bind(subject)
            .fetch_optional(&mut *connection)
            .await?;
        match row {
            Some(row) => Ok(Some(users::find(&mut connection, &rows::parsed(&row, "user")?).await?)),
            None => Ok(None),
        }
    }

    /// Remembers who somebody is to a provider.
    pub async fn identify(&self, provider: &str, subject: &str, user: &UserId) -> Result<()> {
        let mut transaction = self.write().await?;
        sqlx::query("INSERT OR IGNORE INTO identities (provider, subject, user) VALUES (?, ?, ?)")
            .bind(provider)
            .bind(subject)
            .bind(user.as_str())
            .execute(&mut *transaction)
            .await?;
        Ok(transaction.commit().await?)
    }
}

/// Seals all secrets of providers with the active key; how many had another.
pub(crate) async fn reseal(connection: &mut SqliteConnection, keys: &Keyring) -> Result<u64> {
    let all = sqlx::query("SELECT id, key_id, sealed FROM providers WHERE key_id <> ?")
        .bind(keys.active_id())
        .fetch_all(&mut *connection)
        .await?;
    for row in &all {
        let id = rows::text(row, "id")?;
        let secret = keys.open(sealed_for(&id), SECRET, &sealed_of(row)?)?;
        put_secret(connection, keys, &id, &secret).await?;
    }
    Ok(all.len() as u64)
}

async fn put_secret(connection: &mut SqliteConnection, keys: &Keyring, id: &str, secret: &str) -> Result<()> {
    let sealed = match secret {
        "" => None,
        secret => Some(keys.seal(sealed_for(id), SECRET, secret)?),
    };
    let (key_id, bytes) = sealed.map(|sealed| (sealed.key_id, sealed.bytes)).unzip();
    sqlx::query("UPDATE providers SET key_id = ?, sealed = ? WHERE id = ?")
        .bind(key_id)
        .bind(bytes)
        .bind(id)
        .execute(connection)
        .await?;
    Ok(())
}

fn sealed_of(row: &SqliteRow) -> Result<Sealed> {
    Ok(Sealed { key_id: rows::text(row, "key_id")?, bytes: row.try_get("sealed")? })
}

fn sealed_for(id: &str) -> String {
    format!("provider:{id}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn a_secret_stays_until_another_is_given_and_outlives_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let write = |secret: Option<&str>| ProviderWrite {
            id: "corp".to_owned(),
            settings: json!({"name": "Corp"}),
            secret: secret.map(str::to_owned),
        };
        store.put_providers(&[write(Some("s3cret"))]).await.unwrap();
        store.put_providers(&[write(None)]).await.unwrap();
        assert_eq!(store.rotate_secrets().await.unwrap(), 1);
        assert_eq!(store.provider_secret("corp").await.unwrap().as_deref(), Some("s3cret"));
        assert!(store.providers().await.unwrap()[0].has_secret);

        let ann = store.create_user("ann@corp.test", "", true).await.unwrap();
        store.identify("corp", "1", &ann.id).await.unwrap();
        store.identify("corp", "1", &ann.id).await.unwrap();
        assert_eq!(store.identified("corp", "1").await.unwrap(), Some(ann));
        assert_eq!(store.identified("corp", "2").await.unwrap(), None);
        store.put_providers(&[write(Some(""))]).await.unwrap();
        assert!(!store.providers().await.unwrap()[0].has_secret);
        store.put_providers(&[]).await.unwrap();
        assert_eq!(store.identified("corp", "1").await.unwrap(), None, "gone with its provider");
    }
}
