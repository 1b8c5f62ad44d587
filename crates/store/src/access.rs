//! Access at the gateway: applications, their policies, groups and service tokens. What documents say is the affair of
//! `hearth-access`.

use std::collections::{HashMap, HashSet};

use hearth_model::AccountId;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::{Entity, Result, Store, StoreError, rows};

/// A protected application.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessApp {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub account: AccountId,
    /// Whom tokens of it are for.
    pub aud: String,
    /// What it says.
    pub document: Value,
    /// The ids of its policies, in the order in which they are asked.
    pub policies: Vec<String>,
    /// When it was made.
    pub created_on: Timestamp,
    /// When something of it changed last.
    pub updated_on: Timestamp,
    /// Tokens that were issued before open nothing.
    pub revoked_on: Timestamp,
}

/// A policy.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessPolicy {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub account: AccountId,
    /// The application that it belongs to; None: applications share it.
    pub app: Option<String>,
    /// What it says.
    pub document: Value,
    /// When it was made.
    pub created_on: Timestamp,
    /// When it changed last.
    pub updated_on: Timestamp,
}

/// A group: rules that have a name.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessGroup {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub account: AccountId,
    /// What it says.
    pub document: Value,
    /// When it was made.
    pub created_on: Timestamp,
    /// When it changed last.
    pub updated_on: Timestamp,
}

/// A service token, without its secret.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessServiceToken {
    /// Its id.
    pub id: String,
    /// Whose it is.
    pub account: AccountId,
    /// What it is called.
    pub name: String,
    /// What it calls itself.
    pub client_id: String,
    /// SHA-256 of its secret.
    pub digest: [u8; 32],
    /// How long it is good for after it was made or refreshed, as it was sent.
    pub duration: String,
    /// From when on it opens nothing.
    pub expires_on: Timestamp,
    /// When it was made.
    pub created_on: Timestamp,
    /// When something of it changed last.
    pub updated_on: Timestamp,
}

/// Everything but the keys.
#[derive(Debug, Clone, Default)]
pub struct AccessRecords {
    /// Applications, oldest first.
    pub apps: Vec<AccessApp>,
    /// Policies, oldest first.
    pub policies: Vec<AccessPolicy>,
    /// Groups, oldest first.
    pub groups: Vec<AccessGroup>,
    /// Service tokens, oldest first.
    pub tokens: Vec<AccessServiceToken>,
}

impl Store {
    /// What an account has, or what there is.
    pub async fn access(&self, account: Option<&AccountId>) -> Result<AccessRecords> {
        let account = account.map(AccountId::as_str);
        let mut connection = self.read().await?;
        let mut links: HashMap<String, Vec<String>> = HashMap::new();
        let all = sqlx::query("SELECT app, policy FROM access_app_policies ORDER BY app, position")
            .fetch_all(&mut *connection)
            .await?;
        for row in &all {
            links.entry(rows::text(row, "app")?).or_default().push(rows::text(row, "policy")?);
        }
        let apps =
            sqlx::query("SELECT * FROM access_apps WHERE ?1 IS NULL OR account = ?1 ORDER BY created_on, id")
                .bind(account)
                .fetch_all(&mut *connection)
                .await?;
        let policies = sqlx::query(
            "SELECT * FROM access_policies WHERE ?1 IS NULL OR account = ?1 ORDER BY created_on, id",
        )
        .bind(account)
        .fetch_all(&mut *connection)
        .await?;
        let groups = sqlx::query(
            "SELECT * FROM access_groups WHERE ?1 IS NULL OR account = ?1 ORDER BY created_on, id",
        )
        .bind(account)
        .fetch_all(&mut *connection)
        .await?;
        let tokens = sqlx::query(
            "SELECT * FROM access_tokens WHERE ?1 IS NULL OR account = ?1 ORDER BY created_on, id",
        )
        .bind(account)
        .fetch_all(&mut *connection)
        .await?;
        let app = |row: &SqliteRow| {
            let mut app = app_of(row)?;
            app.policies = links.remove(&app.id).unwrap_or_default();
            Ok(app)
        };
        Ok(AccessRecords {
            apps: apps.iter().map(app).collect::<Result<_>>()?,
            policies: policies.iter().map(policy_of).collect::<Result<_>>()?,
            groups: groups.iter().map(group_of).collect::<Result<_>>()?,
            tokens: tokens.iter().map(token_of).collect::<Result<_>>()?,
        })
    }

    /// Writes an application with the policies that are its own, and asks its policies in the order of
    /// [`AccessApp::policies`].
    ///
    /// # Errors
    /// Conflict when the id is another account's.
    pub async fn put_access_app(&self, app: &AccessApp, own: &[AccessPolicy]) -> Result<()> {
        let mut transaction = self.write().await?;
        let written = sqlx::query(
            "INSERT INTO access_apps (id, account, aud, document, created_on, updated_on, revoked_on)
             VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET document = excluded.document,
             updated_on = excluded.updated_on, revoked_on = excluded.revoked_on WHERE account = excluded.account",
        )
        .bind(&app.id)
        .bind(app.account.as_str())
        .bind(&app.aud)
        .bind(rows::to_json(&app.document)?)
        .bind(app.created_on.as_microsecond())
        .bind(app.updated_on.as_microsecond())
        .bind(app.revoked_on.as_microsecond())
        .execute(&mut *transaction)
        .await?;
        taken(written.rows_affected(), "application")?;
        for policy in own {
            put_policy(&mut transaction, policy).await?;
        }
        sqlx::query("DELETE FROM access_app_policies WHERE app = ?")
            .bind(&app.id)
            .execute(&mut *transaction)
            .await?;
        for (position, policy) in app.policies.iter().enumerate() {
            sqlx::query("INSERT INTO access_app_policies (app, policy, position) VALUES (?, ?, ?)")
                .bind(&app.id)
                .bind(policy)
                .bind(i64::try_from(position).unwrap_or(i64::MAX))
                .execute(&mut *transaction)
                .await?;
        }
        // What was its own and is no longer asked is nobody's.
        sqlx::query(
            "DELETE FROM access_policies WHERE app = ?1
             AND id NOT IN (SELECT policy FROM access_app_policies WHERE app = ?1)",
        )
        .bind(&app.id)
        .execute(&mut *transaction)
        .await?;
        Ok(transaction.commit().await?)
    }

    /// Writes a policy that applications share.
    ///
    /// # Errors
    /// Conflict when the id is another account's.
    pub async fn put_access_policy(&self, policy: &AccessPolicy) -> Result<()> {
        let mut transaction = self.write().await?;
        put_policy(&mut transaction, policy).await?;
        Ok(transaction.commit().await?)
    }

    /// Writes a group.
    ///
    /// # Errors
    /// Conflict when the id is another account's.
    pub async fn put_access_group(&self, group: &AccessGroup) -> Result<()> {
        let mut transaction = self.write().await?;
        let written = sqlx::query(
            "INSERT INTO access_groups (id, account, document, created_on, updated_on) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (id) DO UPDATE SET document = excluded.document, updated_on = excluded.updated_on
             WHERE account = excluded.account",
        )
        .bind(&group.id)
        .bind(group.account.as_str())
        .bind(rows::to_json(&group.document)?)
        .bind(group.created_on.as_microsecond())
        .bind(group.updated_on.as_microsecond())
        .execute(&mut *transaction)
        .await?;
        taken(written.rows_affected(), "group")?;
        Ok(transaction.commit().await?)
    }

    /// Writes a service token.
    ///
    /// # Errors
    /// Conflict when the id is another account's.
    pub async fn put_access_token(&self, token: &AccessServiceToken) -> Result<()> {
        let mut transaction = self.write().await?;
        let written = sqlx::query(
            "INSERT INTO access_tokens (id, account, name, client_id, digest, duration, expires_on, created_on,
             updated_on) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name,
             digest = excluded.digest, duration = excluded.duration, expires_on = excluded.expires_on,
             updated_on = excluded.updated_on WHERE account = excluded.account",
        )
        .bind(&token.id)
        .bind(token.account.as_str())
        .bind(&token.name)
        .bind(&token.client_id)
        .bind(token.digest.as_slice())
        .bind(&token.duration)
        .bind(token.expires_on.as_microsecond())
        .bind(token.created_on.as_microsecond())
        .bind(token.updated_on.as_microsecond())
        .execute(&mut *transaction)
        .await?;
        taken(written.rows_affected(), "service token")?;
        Ok(transaction.commit().await?)
    }

    /// Removes an application, with the policies that are its own. False: there is none.
    pub async fn delete_access_app(&self, account: &AccountId, id: &str) -> Result<bool> {
        self.delete_access("DELETE FROM access_apps WHERE account = ? AND id = ?", account, id).await
    }

    /// Removes a policy. False: there is none.
    pub async fn delete_access_policy(&self, account: &AccountId, id: &str) -> Result<bool> {
        self.delete_access("DELETE FROM access_policies WHERE account = ? AND id = ?", account, id).await
    }

    /// Removes a group. False: there is none.
    pub async fn delete_access_group(&self, account: &AccountId, id: &str) -> Result<bool> {
        self.delete_access("DELETE FROM access_groups WHERE account = ? AND id = ?", account, id).await
    }

    /// Removes a service token. False: there is none.
    pub async fn delete_access_token(&self, account: &AccountId, id: &str) -> Result<bool> {
        self.delete_access("DELETE FROM access_tokens WHERE account = ? AND id = ?", account, id).await
    }

    async fn delete_access(&self, sql: &'static str, account: &AccountId, id: &str) -> Result<bool> {
        let mut transaction = self.write().await?;
        let gone = sqlx::query(sql).bind(account.as_str()).bind(id).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(gone.rows_affected() > 0)
    }

    /// What stands in hosts of accounts other than the default one, in lower case.
    pub async fn host_labels(&self) -> Result<HashSet<String>> {
        let all = sqlx::query("SELECT subdomain FROM accounts WHERE is_default = 0")
            .fetch_all(&mut *self.read().await?)
            .await?;
        all.iter().map(|row| Ok(rows::text(row, "subdomain")?.to_ascii_lowercase())).collect()
    }

    /// The addresses of all people who are not suspended, by their ids.
    pub async fn access_people(&self) -> Result<HashMap<String, String>> {
        let all = sqlx::query("SELECT id, email FROM users WHERE suspended = 0")
            .fetch_all(&mut *self.read().await?)
            .await?;
        all.iter().map(|row| Ok((rows::text(row, "id")?, rows::text(row, "email")?))).collect()
    }
}

async fn put_policy(connection: &mut SqliteConnection, policy: &AccessPolicy) -> Result<()> {
    let written = sqlx::query(
        "INSERT INTO access_policies (id, account, app, document, created_on, updated_on)
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET document = excluded.document,
         updated_on = excluded.updated_on WHERE account = excluded.account AND app IS excluded.app",
    )
    .bind(&policy.id)
    .bind(policy.account.as_str())
    .bind(&policy.app)
    .bind(rows::to_json(&policy.document)?)
    .bind(policy.created_on.as_microsecond())
    .bind(policy.updated_on.as_microsecond())
    .execute(connection)
    .await?;
    taken(written.rows_affected(), "policy")
}

fn taken(written: u64, what: &str) -> Result<()> {
    match written {
        0 => Err(StoreError::conflict(Entity::Access, format!("the id is that of another {what}"))),
        _ => Ok(()),
    }
}

fn app_of(row: &SqliteRow) -> Result<AccessApp> {
    Ok(AccessApp {
        id: rows::text(row, "id")?,
        account: rows::parsed(row, "account")?,
        aud: rows::text(row, "aud")?,
        document: rows::json(row, "document")?,
        policies: Vec::new(),
        created_on: rows::time(row, "created_on")?,
        updated_on: rows::time(row, "updated_on")?,
        revoked_on: rows::time(row, "revoked_on")?,
    })
}

fn policy_of(row: &SqliteRow) -> Result<AccessPolicy> {
    Ok(AccessPolicy {
        id: rows::text(row, "id")?,
        account: rows::parsed(row, "account")?,
        app: row.try_get("app")?,
        document: rows::json(row, "document")?,
        created_on: rows::time(row, "created_on")?,
        updated_on: rows::time(row, "updated_on")?,
    })
}

fn group_of(row: &SqliteRow) -> Result<AccessGroup> {
    Ok(AccessGroup {
        id: rows::text(row, "id")?,
        account: rows::parsed(row, "account")?,
        document: rows::json(row, "document")?,
        created_on: rows::time(row, "created_on")?,
        updated_on: rows::time(row, "updated_on")?,
    })
}

fn token_of(row: &SqliteRow) -> Result<AccessServiceToken> {
    let digest: &[u8] = row.try_get("digest")?;
    Ok(AccessServiceToken {
        id: rows::text(row, "id")?,
        account: rows::parsed(row, "account")?,
        name: rows::text(row, "name")?,
        client_id: rows::text(row, "client_id")?,
        digest: digest
            .try_into()
            .map_err(|_| StoreError::Corrupt("a service token's digest has another length".to_owned()))?,
        duration: rows::text(row, "duration")?,
        expires_on: rows::time(row, "expires_on")?,
        created_on: rows::time(row, "created_on")?,
        updated_on: rows::time(row, "updated_on")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_writes_to_what_is_another_accounts() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).await.unwrap();
        let account = store.bootstrap(None).await.unwrap().account.id;
        let now = rows::now();
        let app = AccessApp {
            id: "app".into(),
            account: account.clone(),
            aud: "aud".into(),
            document: serde_json::json!({}),
            policies: vec!["p".into()],
            created_on: now,
            updated_on: now,
            revoked_on: Timestamp::UNIX_EPOCH,
        };
        let policy = AccessPolicy {
            id: "p".into(),
            account: account.clone(),
            app: Some("app".into()),
            document: serde_json::json!({}),
            created_on: now,
            updated_on: now,
        };
        store.put_access_app(&app, std::slice::from_ref(&policy)).await.unwrap();
        let records = store.access(Some(&account)).await.unwrap();
        assert_eq!((records.apps, records.policies), (vec![app.clone()], vec![policy]));
        let other: AccountId = "0123456789abcdef0123456789abcdef".parse().unwrap();
        assert!(
            store.put_access_app(&AccessApp { account: other.clone(), ..app.clone() }, &[]).await.is_err()
        );
        assert!(!store.delete_access_app(&other, "app").await.unwrap());
        // A policy of its own goes with the application that asks it no more.
        store.put_access_app(&AccessApp { policies: Vec::new(), ..app }, &[]).await.unwrap();
        assert!(store.access(None).await.unwrap().policies.is_empty());
    }
}
