//! Workers and their settings that are not versioned.

use hearth_model::{Access, AccountId, Dialect, Quotas, WorkerId, WorkerName};
use jiff::Timestamp;
use serde_json::Value;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::{Entity, Listing, Page, Result, Store, StoreError, accounts, quotas, rows};

/// A worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Worker {
    /// Its immutable id: Cloudflare's script tag.
    pub id: WorkerId,
    /// Its account.
    pub account: AccountId,
    /// The API it belongs to.
    pub dialect: Dialect,
    /// What its dialect keeps of it, in the dialect's own form.
    pub dialect_settings: Value,
    /// Who may reach it from outside.
    pub access: Access,
    /// Its name, in the case it was first given.
    pub name: WorkerName,
    /// When it was made.
    pub created_on: Timestamp,
    /// When it, its versions or its deployments last changed.
    pub modified_on: Timestamp,
    /// Tags.
    pub tags: Vec<String>,
    /// Whether logs are pushed; stored and shown.
    pub logpush: bool,
    /// wrangler's `observability` object, as sent.
    pub observability: Option<Value>,
    /// wrangler's `tail_consumers`, as sent.
    pub tail_consumers: Option<Value>,
    /// Where it is served without routes.
    pub subdomain: Subdomain,
    /// The last Durable Object migration applied.
    pub migration_tag: Option<String>,
    /// Which client deployed it last: the source of its newest deployment; None before its first.
    pub last_deployed_from: Option<String>,
}

/// Where a worker is served without routes. A new worker is served nowhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Subdomain {
    /// On `<worker>.<base-domain>`.
    pub enabled: bool,
    /// On the preview hosts of its versions.
    pub previews_enabled: bool,
}

/// A worker to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct NewWorker {
    /// Whose it will be.
    pub account: AccountId,
    /// The API it is made with.
    pub dialect: Dialect,
    /// Its name.
    pub name: WorkerName,
}

/// Changes to a worker; None leaves a field as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WorkerChanges {
    /// What its dialect keeps of it, all of it.
    pub dialect_settings: Option<Value>,
    /// Who may reach it from outside.
    pub access: Option<Access>,
    /// Tags, all of them.
    pub tags: Option<Vec<String>>,
    /// Whether logs are pushed.
    pub logpush: Option<bool>,
    /// `observability`; `Some(None)` removes it.
    pub observability: Option<Option<Value>>,
    /// `tail_consumers`; `Some(None)` removes them.
    pub tail_consumers: Option<Option<Value>>,
    /// Where it is served without routes.
    pub subdomain: Option<Subdomain>,
    /// The last Durable Object migration applied; `Some(None)` removes it.
    pub migration_tag: Option<Option<String>>,
}

impl Worker {
    /// Refuses to write to this worker under a name that differs from its own in case: names are unique without regard
    /// to case, so two spellings are two people's different ideas, or one's mistake.
    ///
    /// # Errors
    /// Conflict, with both spellings.
    pub fn check_spelling(&self, name: &WorkerName) -> Result<()> {
        if name.as_str() == self.name.as_str() {
            return Ok(());
        }
        Err(StoreError::conflict(
            Entity::Worker,
            format!(
                "the name `{name}` differs from that of the existing {} `{}` in case only; use that spelling, \
                 or another name",
                self.dialect.title(),
                self.name
            ),
        ))
    }
}

impl Store {
    /// Makes a worker that has no version yet.
    ///
    /// # Errors
    /// Account not found; conflict when there is one of that name, in its dialect or on its host, or when the default
    /// account's worker would take another account's host label; quota when the account has as many as it may.
    pub async fn create_worker(&self, new: NewWorker, settings: WorkerChanges) -> Result<Worker> {
        let mut transaction = self.write().await?;
        let id = WorkerId::random();
        insert(&mut transaction, id, &new, &self.default_quotas()).await?;
        let worker = update(&mut transaction, id, settings).await?;
        transaction.commit().await?;
        Ok(worker)
    }

    /// A worker by its id.
    ///
    /// # Errors
    /// Not found.
    pub async fn worker(&self, id: WorkerId) -> Result<Worker> {
        find(&mut *self.read().await?, id).await
    }

    /// A worker of a dialect by its name, compared without case.
    ///
    /// # Errors
    /// Not found.
    pub async fn worker_by_name(
        &self,
        account: &AccountId,
        dialect: Dialect,
        name: &WorkerName,
    ) -> Result<Worker> {
        find_by_name(&mut *self.read().await?, account, dialect, name)
            .await?
            .ok_or_else(|| StoreError::not_found(Entity::Worker, name))
    }

    /// What the dialects have made of one name, compared without case.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn namesakes(&self, account: &AccountId, name: &WorkerName) -> Result<Vec<Worker>> {
        let all = sqlx::query("SELECT * FROM workers WHERE account = ? AND folded = ? ORDER BY dialect")
            .bind(account.as_str())
            .bind(name.folded())
            .fetch_all(&mut *self.read().await?)
            .await?;
        all.iter().map(worker_of).collect()
    }

    /// The workers of an account, by name: those of one dialect, or all.
    pub async fn workers(
        &self,
        account: &AccountId,
        dialect: Option<Dialect>,
        page: Page,
    ) -> Result<Listing<Worker>> {
        let mut connection = self.read().await?;
        let (limit, offset) = page.bounds();
        let dialect = dialect.map(Dialect::as_str);
        let items = sqlx::query(
            "SELECT * FROM workers WHERE account = ?1 AND (?2 IS NULL OR dialect = ?2)
             ORDER BY folded, dialect LIMIT ?3 OFFSET ?4",
        )
        .bind(account.as_str())
        .bind(dialect)
        .bind(limit)
        .bind(offset)
        .fetch_all(&mut *connection)
        .await?;
        let total = sqlx::query(
            "SELECT count(*) AS n FROM workers WHERE account = ?1 AND (?2 IS NULL OR dialect = ?2)",
        )
        .bind(account.as_str())
        .bind(dialect)
        .fetch_one(&mut *connection)
        .await?;
        Ok(Listing {
            items: items.iter().map(worker_of).collect::<Result<_>>()?,
            total: rows::count(&total, "n")?,
        })
    }

    /// The workers whose settings say what of their logs is kept, or who is told of their invocations.
    pub async fn watched_workers(&self) -> Result<Vec<Worker>> {
        let all = sqlx::query(
            "SELECT * FROM workers WHERE observability IS NOT NULL OR tail_consumers IS NOT NULL",
        )
        .fetch_all(&mut *self.read().await?)
        .await?;
        all.iter().map(worker_of).collect()
    }

    /// Changes a worker's settings.
    ///
    /// # Errors
    /// Not found.
    pub async fn update_worker(&self, id: WorkerId, changes: WorkerChanges) -> Result<Worker> {
        let mut transaction = self.write().await?;
        let worker = update(&mut transaction, id, changes).await?;
        transaction.commit().await?;
        Ok(worker)
    }

    /// Gives a worker another name. What refers to it by its name is left as it is.
    ///
    /// # Errors
    /// Not found; conflict when another of its dialect has the name.
    pub async fn rename_worker(&self, id: WorkerId, name: &WorkerName) -> Result<Worker> {
        let mut transaction = self.write().await?;
        let before = find(&mut transaction, id).await?;
        let present = find_by_name(&mut transaction, &before.account, before.dialect, name).await?;
        if let Some(other) = present.filter(|other| other.id != id) {
            return Err(StoreError::conflict(
                Entity::Worker,
                format!("the {} `{}` exists already", other.dialect.title(), other.name),
            ));
        }
        sqlx::query("UPDATE workers SET name = ?, folded = ?, modified_on = ? WHERE id = ?")
            .bind(name.as_str())
            .bind(name.folded())
            .bind(rows::now().as_microsecond())
            .bind(id.to_string())
            .execute(&mut *transaction)
            .await?;
        let worker = find(&mut transaction, id).await?;
        transaction.commit().await?;
        self.forget_launches();
        Ok(worker)
    }

    /// Deletes a worker with its versions, secrets, deployments, routes, domains, schedules, workflows and egress rules.
    /// Its blobs go with the next [`Store::collect_garbage`].
    ///
    /// # Errors
    /// Not found.
    pub async fn delete_worker(&self, id: WorkerId) -> Result<()> {
        let mut transaction = self.write().await?;
        let done = sqlx::query("DELETE FROM workers WHERE id = ?")
            .bind(id.to_string())
            .execute(&mut *transaction)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::not_found(Entity::Worker, id));
        }
        sqlx::query("DELETE FROM resources WHERE kind = 'workflow' AND settings ->> '$.worker' = ?")
            .bind(id.to_string())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        self.forget_launches();
        Ok(())
    }

    /// The other workers of the account that bind the worker (of Cloudflare's API) of this name as a service, in a deployed version or their newest one;
    /// by name. References go by name, so this works for a worker that does not exist too.
    pub async fn references(&self, account: &AccountId, name: &WorkerName) -> Result<Vec<WorkerName>> {
        let all = sqlx::query(
            "SELECT DISTINCT w.name, w.folded
             FROM version_services s
             JOIN versions v ON v.id = s.version
             JOIN workers w ON w.id = v.worker
             LEFT JOIN deployments d ON d.worker = w.id AND d.number = w.last_deployment
             WHERE s.service = ?1 AND w.account = ?2 AND NOT (w.dialect = 'workers' AND w.folded = ?1)
               AND (v.number = w.last_version OR instr(d.split, v.id) > 0)
             ORDER BY w.folded",
        )
        .bind(name.folded())
        .bind(account.as_str())
        .fetch_all(&mut *self.read().await?)
        .await?;
        all.iter().map(|row| rows::parsed(row, "name")).collect()
    }
}

pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    id: WorkerId,
    NewWorker { account, dialect, name }: &NewWorker,
    defaults: &Quotas,
) -> Result<()> {
    if let Some(present) = find_by_name(connection, account, *dialect, name).await? {
        present.check_spelling(name)?;
        return Err(StoreError::conflict(
            Entity::Worker,
            format!("the {} `{name}` exists already", dialect.title()),
        ));
    }
    if dialect.owns_host() {
        check_host(connection, account, name).await?;
    }
    let account = accounts::find(connection, account).await?;
    quotas::check_workers(connection, &account.id, defaults).await?;
    if account.is_default
        && dialect.owns_host()
        && accounts::is_label_of_one(connection, &name.folded()).await?
    {
        return Err(StoreError::conflict(
            Entity::Worker,
            format!("the name `{name}` is reserved: hosts of another account end in it"),
        ));
    }
    if *dialect == Dialect::Pages
        && account.is_default
        && accounts::is_label_of_one(connection, Dialect::PAGES_LABEL).await?
    {
        return Err(StoreError::conflict(
            Entity::Worker,
            format!(
                "an account has the subdomain `{}`, where projects have their hosts: whoever answers for the installation \
                 has to give it another one first",
                Dialect::PAGES_LABEL
            ),
        ));
    }
    let now = rows::now().as_microsecond();
    sqlx::query(
        "INSERT INTO workers (id, account, dialect, name, folded, created_on, modified_on)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(id.to_string())
    .bind(account.id.as_str())
    .bind(dialect.as_str())
    .bind(name.as_str())
    .bind(name.folded())
    .bind(now)
    .bind(now)
    .execute(connection)
    .await?;
    Ok(())
}

/// Refuses a name whose host another dialect's worker has.
async fn check_host(connection: &mut SqliteConnection, account: &AccountId, name: &WorkerName) -> Result<()> {
    for other in Dialect::ALL.into_iter().filter(|dialect| dialect.owns_host()) {
        if let Some(owner) = find_by_name(connection, account, other, name).await? {
            return Err(StoreError::conflict(
                Entity::Worker,
                format!(
                    "the name `{name}` is taken: its host belongs to the {} `{}`",
                    other.title(),
                    owner.name
                ),
            ));
        }
    }
    Ok(())
}

/// Changes a worker's settings; without changes only reads it.
pub(crate) async fn update(
    connection: &mut SqliteConnection,
    id: WorkerId,
    changes: WorkerChanges,
) -> Result<Worker> {
    let before = find(connection, id).await?;
    if changes == WorkerChanges::default() {
        return Ok(before);
    }
    let worker = Worker {
        modified_on: rows::now(),
        dialect_settings: changes.dialect_settings.unwrap_or(before.dialect_settings),
        access: changes.access.unwrap_or(before.access),
        tags: changes.tags.unwrap_or(before.tags),
        logpush: changes.logpush.unwrap_or(before.logpush),
        observability: changes.observability.unwrap_or(before.observability),
        tail_consumers: changes.tail_consumers.unwrap_or(before.tail_consumers),
        subdomain: changes.subdomain.unwrap_or(before.subdomain),
        migration_tag: changes.migration_tag.unwrap_or(before.migration_tag),
        ..before
    };
    sqlx::query(
        "UPDATE workers SET modified_on = ?, dialect_settings = ?, access = ?, tags = ?, logpush = ?,
         observability = ?, tail_consumers = ?, subdomain_enabled = ?, previews_enabled = ?, migration_tag = ?
         WHERE id = ?",
    )
    .bind(worker.modified_on.as_microsecond())
    .bind(worker.dialect_settings.to_string())
    .bind(worker.access.as_str())
    .bind(rows::to_json(&worker.tags)?)
    .bind(worker.logpush)
    .bind(worker.observability.as_ref().map(Value::to_string))
    .bind(worker.tail_consumers.as_ref().map(Value::to_string))
    .bind(worker.subdomain.enabled)
    .bind(worker.subdomain.previews_enabled)
    .bind(&worker.migration_tag)
    .bind(id.to_string())
    .execute(connection)
    .await?;
    Ok(worker)
}

pub(crate) async fn find(connection: &mut SqliteConnection, id: WorkerId) -> Result<Worker> {
    let row = sqlx::query("SELECT * FROM workers WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| StoreError::not_found(Entity::Worker, id))?;
    worker_of(&row)
}

async fn find_by_name(
    connection: &mut SqliteConnection,
    account: &AccountId,
    dialect: Dialect,
    name: &WorkerName,
) -> Result<Option<Worker>> {
    let row = sqlx::query("SELECT * FROM workers WHERE account = ? AND dialect = ? AND folded = ?")
        .bind(account.as_str())
        .bind(dialect.as_str())
        .bind(name.folded())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(worker_of).transpose()
}

pub(crate) fn worker_of(row: &SqliteRow) -> Result<Worker> {
    Ok(Worker {
        id: rows::parsed(row, "id")?,
        account: rows::parsed(row, "account")?,
        dialect: rows::parsed(row, "dialect")?,
        dialect_settings: rows::json(row, "dialect_settings")?,
        access: rows::parsed(row, "access")?,
        name: rows::parsed(row, "name")?,
        created_on: rows::time(row, "created_on")?,
        modified_on: rows::time(row, "modified_on")?,
        tags: rows::json(row, "tags")?,
        logpush: rows::flag(row, "logpush")?,
        observability: rows::json_option(row, "observability")?,
        tail_consumers: rows::json_option(row, "tail_consumers")?,
        subdomain: Subdomain {
            enabled: rows::flag(row, "subdomain_enabled")?,
            previews_enabled: rows::flag(row, "previews_enabled")?,
        },
        migration_tag: row.try_get("migration_tag")?,
        last_deployed_from: row.try_get("last_deployed_from")?,
    })
}
