//! What workers bind and what has data of its own. Here is who owns it, under which name, and how it is set; the data
//! lies with the capability, under the id.

use hearth_model::AccountId;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::{Entity, Listing, Page, Result, Store, StoreError, accounts, rows};

/// What a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceKind {
    /// A Workers KV namespace; its name is Cloudflare's `title`.
    KvNamespace,
    /// An R2 bucket.
    R2Bucket,
    /// A D1 database.
    D1Database,
    /// A queue.
    Queue,
    /// A workflow.
    Workflow,
}

impl ResourceKind {
    /// How the table writes it.
    fn as_str(self) -> &'static str {
        match self {
            Self::KvNamespace => "kv_namespace",
            Self::R2Bucket => "r2_bucket",
            Self::D1Database => "d1_database",
            Self::Queue => "queue",
            Self::Workflow => "workflow",
        }
    }

    /// How people write it.
    pub fn title(self) -> &'static str {
        match self {
            Self::KvNamespace => "KV namespace",
            Self::R2Bucket => "R2 bucket",
            Self::D1Database => "D1 database",
            Self::Queue => "queue",
            Self::Workflow => "workflow",
        }
    }
}

/// A resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// What it is.
    pub kind: ResourceKind,
    /// Names it in URLs and names its data; never used again once it is deleted.
    pub id: String,
    /// Who owns it.
    pub account: AccountId,
    /// Unique among the account's resources of the kind.
    pub name: String,
    /// When it was made.
    pub created_on: Timestamp,
    /// When its name or settings were last changed.
    pub modified_on: Timestamp,
    /// What the capability keeps with it: a JSON object.
    pub settings: Value,
}

impl Store {
    /// Makes a resource. `settings` is an object of the capability's own.
    ///
    /// # Errors
    /// Conflict when the account has one of the kind and name; account not found.
    pub async fn create_resource(
        &self,
        kind: ResourceKind,
        account: &AccountId,
        id: &str,
        name: &str,
        settings: Value,
    ) -> Result<Resource> {
        let mut transaction = self.write().await?;
        accounts::find(&mut transaction, account).await?;
        check_free(&mut transaction, kind, account, name, "").await?;
        let now = rows::now();
        let resource = Resource {
            kind,
            id: id.to_owned(),
            account: account.clone(),
            name: name.to_owned(),
            created_on: now,
            modified_on: now,
            settings,
        };
        sqlx::query(
            "INSERT INTO resources (id, kind, account, name, created_on, modified_on, settings)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)",
        )
        .bind(id)
        .bind(kind.as_str())
        .bind(account.as_str())
        .bind(name)
        .bind(now.as_microsecond())
        .bind(rows::to_json(&resource.settings)?)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        self.resource_changed(kind);
        Ok(resource)
    }

    /// What is read for a start holds the worker's workflows.
    fn resource_changed(&self, kind: ResourceKind) {
        if kind == ResourceKind::Workflow {
            self.forget_launches();
        }
    }

    /// An account's resources of a kind, by name.
    pub async fn resources(
        &self,
        kind: ResourceKind,
        account: &AccountId,
        page: Page,
    ) -> Result<Listing<Resource>> {
        let mut connection = self.read().await?;
        let total: i64 = sqlx::query("SELECT count(*) FROM resources WHERE kind = ? AND account = ?")
            .bind(kind.as_str())
            .bind(account.as_str())
            .fetch_one(&mut *connection)
            .await?
            .try_get(0)?;
        let (limit, offset) = page.bounds();
        let items = sqlx::query(
            "SELECT * FROM resources WHERE kind = ? AND account = ? ORDER BY name LIMIT ? OFFSET ?",
        )
        .bind(kind.as_str())
        .bind(account.as_str())
        .bind(limit)
        .bind(offset)
        .fetch_all(&mut *connection)
        .await?;
        Ok(Listing {
            items: items.iter().map(|row| resource_of(row, kind)).collect::<Result<_>>()?,
            total: u64::try_from(total).unwrap_or(0),
        })
    }

    /// Every resource of a kind, of all accounts: for what a capability knows from its start.
    pub async fn all_resources(&self, kind: ResourceKind) -> Result<Vec<Resource>> {
        let rows = sqlx::query("SELECT * FROM resources WHERE kind = ? ORDER BY account, name")
            .bind(kind.as_str())
            .fetch_all(&mut *self.read().await?)
            .await?;
        rows.iter().map(|row| resource_of(row, kind)).collect()
    }

    /// An account's resource by its id.
    ///
    /// # Errors
    /// Not found, also for one of another account.
    pub async fn resource(&self, kind: ResourceKind, account: &AccountId, id: &str) -> Result<Resource> {
        find(&mut *self.read().await?, kind, account, id).await
    }

    /// An account's resource by its name.
    ///
    /// # Errors
    /// Not found.
    pub async fn resource_by_name(
        &self,
        kind: ResourceKind,
        account: &AccountId,
        name: &str,
    ) -> Result<Resource> {
        let row = sqlx::query("SELECT * FROM resources WHERE kind = ? AND account = ? AND name = ?")
            .bind(kind.as_str())
            .bind(account.as_str())
            .bind(name)
            .fetch_optional(&mut *self.read().await?)
            .await?
            .ok_or_else(|| StoreError::not_found(Entity::Resource(kind), name))?;
        resource_of(&row, kind)
    }

    /// Gives a resource another name.
    ///
    /// # Errors
    /// Not found; conflict when the account has another one of that name.
    pub async fn rename_resource(
        &self,
        kind: ResourceKind,
        account: &AccountId,
        id: &str,
        name: &str,
    ) -> Result<Resource> {
        let mut transaction = self.write().await?;
        find(&mut transaction, kind, account, id).await?;
        check_free(&mut transaction, kind, account, name, id).await?;
        sqlx::query("UPDATE resources SET name = ?, modified_on = ? WHERE kind = ? AND id = ?")
            .bind(name)
            .bind(rows::now().as_microsecond())
            .bind(kind.as_str())
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        let renamed = find(&mut transaction, kind, account, id).await?;
        transaction.commit().await?;
        Ok(renamed)
    }

    /// Replaces a resource's settings by what `change` makes of them, in one transaction.
    ///
    /// # Errors
    /// Not found.
    pub async fn change_resource(
        &self,
        kind: ResourceKind,
        account: &AccountId,
        id: &str,
        change: impl FnOnce(&mut Value) + Send,
    ) -> Result<Resource> {
        let mut transaction = self.write().await?;
        let mut resource = find(&mut transaction, kind, account, id).await?;
        change(&mut resource.settings);
        resource.modified_on = rows::now();
        sqlx::query("UPDATE resources SET settings = ?, modified_on = ? WHERE kind = ? AND id = ?")
            .bind(rows::to_json(&resource.settings)?)
            .bind(resource.modified_on.as_microsecond())
            .bind(kind.as_str())
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.resource_changed(kind);
        Ok(resource)
    }

    /// Forgets a resource. Its data is the capability's to delete, afterwards: what has no row any more can be
    /// reclaimed at any time, a row without data could not be told from an empty resource.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete_resource(&self, kind: ResourceKind, account: &AccountId, id: &str) -> Result<()> {
        let mut transaction = self.write().await?;
        find(&mut transaction, kind, account, id).await?;
        sqlx::query("DELETE FROM resources WHERE kind = ? AND id = ?")
            .bind(kind.as_str())
            .bind(id)
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.resource_changed(kind);
        Ok(())
    }
}

async fn find(
    connection: &mut SqliteConnection,
    kind: ResourceKind,
    account: &AccountId,
    id: &str,
) -> Result<Resource> {
    let row = sqlx::query("SELECT * FROM resources WHERE kind = ? AND id = ? AND account = ?")
        .bind(kind.as_str())
        .bind(id)
        .bind(account.as_str())
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| StoreError::not_found(Entity::Resource(kind), id))?;
    resource_of(&row, kind)
}

/// Refuses a name that another resource than `except` has.
async fn check_free(
    connection: &mut SqliteConnection,
    kind: ResourceKind,
    account: &AccountId,
    name: &str,
    except: &str,
) -> Result<()> {
    let taken =
        sqlx::query("SELECT 1 FROM resources WHERE kind = ? AND account = ? AND name = ? AND id <> ?")
            .bind(kind.as_str())
            .bind(account.as_str())
            .bind(name)
            .bind(except)
            .fetch_optional(connection)
            .await?;
    match taken {
        None => Ok(()),
        Some(_) => Err(StoreError::conflict(
            Entity::Resource(kind),
            format!("a {} with the name `{name}` already exists", kind.title()),
        )),
    }
}

pub(crate) fn resource_of(row: &SqliteRow, kind: ResourceKind) -> Result<Resource> {
    Ok(Resource {
        kind,
        id: rows::text(row, "id")?,
        account: rows::parsed(row, "account")?,
        name: rows::text(row, "name")?,
        created_on: rows::time(row, "created_on")?,
        modified_on: rows::time(row, "modified_on")?,
        settings: rows::json(row, "settings")?,
    })
}
