//! Versions: immutable once inserted, numbered per worker, their secrets encrypted beside them.

use std::collections::{BTreeMap, HashMap};

use bytes::Bytes;
use hearth_model::{
    AccountId, Binding, BindingKind, Compatibility, Deployment, Exports, Format, Limits, Module, ModuleKind,
    NamespaceChange, Split, Version, VersionAssets, VersionId, WorkerId,
};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, SqliteConnection, Transaction};

use crate::assets::no_manifest;
use crate::keys::{Keyring, Sealed};
use crate::store::blocking;
use crate::{
    Entity, Listing, NewWorker, Page, Release, Result, Store, StoreError, Worker, WorkerChanges, deployments,
    garbage, objects, rows, workers,
};

/// A module to be stored.
#[derive(Debug, Clone)]
pub struct NewModule {
    /// The specifier it is imported by.
    pub name: String,
    /// How the runtime takes it.
    pub kind: ModuleKind,
    /// The content.
    pub content: Bytes,
}

/// Who made a version, and what it says of itself.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// `wrangler`, `api`, `dash` or `terraform`.
    pub source: String,
    /// The e-mail of the token's owner.
    pub author_email: String,
    /// `workers/message`, `workers/tag`, `workers/alias`, `workers/triggered_by`.
    pub annotations: BTreeMap<String, String>,
}

/// A version to be inserted. Its number and time are given by the insert.
#[derive(Clone)]
pub struct NewVersion {
    /// Its id, made by the caller ([`VersionId::random`]), who may have probed the code under it.
    pub id: VersionId,
    /// The worker it belongs to, or the id of the one that `make` makes.
    pub worker: WorkerId,
    /// On a first deploy: the worker is made with it.
    pub make: Option<NewWorker>,
    /// Settings of the worker that come with it.
    pub settings: WorkerChanges,
    /// Who made it.
    pub origin: Origin,
    /// Modules or a service worker.
    pub format: Format,
    /// What [`Store::put_modules`] returned.
    pub modules: Vec<Module>,
    /// Bindings. A secret without text is copied, still encrypted, from `secrets_from` under the same name. No
    /// `inherit` bindings: the caller has resolved them.
    pub bindings: Vec<Binding>,
    /// The version of the same worker whose secrets are copied.
    pub secrets_from: Option<VersionId>,
    /// Date and flags.
    pub compatibility: Compatibility,
    /// Limits of its own.
    pub limits: Limits,
    /// What its main module exports.
    pub exports: Exports,
    /// How long its probe took to start, in milliseconds.
    pub startup_time_ms: u64,
    /// What becomes of the worker's namespaces of Durable Objects.
    pub objects: Vec<NamespaceChange>,
    /// Its static assets. Their list was stored with [`Store::put_asset_manifest`].
    pub assets: Option<VersionAssets>,
}

/// What an insert made.
#[derive(Debug, Clone, PartialEq)]
pub struct Inserted {
    /// Its worker.
    pub worker: Worker,
    /// The version.
    pub version: Version,
    /// Its deployment at 100 %, when one was asked for.
    pub deployment: Option<Deployment>,
}

/// A change to one secret: its name, and its new text or None to remove it.
pub type SecretChange = (String, Option<String>);

impl Store {
    /// Stores the modules of an upload, durably. They are kept for at least the grace time of
    /// [`Store::collect_garbage`] until a version refers to them.
    pub async fn put_modules(&self, modules: Vec<NewModule>) -> Result<Vec<Module>> {
        let mut writes = Vec::with_capacity(modules.len());
        for module in modules {
            let inner = self.inner.clone();
            let content = module.content.clone();
            let write = tokio::spawn(blocking(move || inner.blobs.put(&content)));
            writes.push((module, write));
        }
        let mut stored = Vec::with_capacity(writes.len());
        for (module, write) in writes {
            let hash = write.await.map_err(|error| StoreError::io("storing a blob")(error.into()))??;
            let size = module.content.len() as u64;
            stored.push(Module { name: module.name, kind: module.kind, hash, size });
        }
        Ok(stored)
    }

    /// The content of a module, checked against its digest.
    ///
    /// # Errors
    /// Blob not found; [`StoreError::Corrupt`](crate::StoreError::Corrupt).
    pub async fn module_content(&self, module: &Module) -> Result<Bytes> {
        let mut contents = self.contents(vec![module.hash.clone()]).await?;
        contents.pop().ok_or_else(|| StoreError::not_found(Entity::Blob, &module.hash))
    }

    /// Inserts a version with what comes with it: a worker that is made, its settings and, with `release`, a deployment
    /// at 100 %. All of it or nothing.
    ///
    /// # Errors
    /// Worker not found, or one to be made that cannot be ([`Store::create_worker`]); blob not found when a module's content was never stored; secret not found when one
    /// without text is not in `secrets_from`; version not found when `secrets_from` is not the worker's; invalid
    /// when two bindings have one name.
    pub async fn insert_version(&self, new: NewVersion, release: Option<Release>) -> Result<Inserted> {
        let mut transaction = self.write().await?;
        let inserted = self.insert_into(&mut transaction, new, release).await?;
        self.prune_and_commit(transaction, inserted.version.worker).await?;
        Ok(inserted)
    }

    /// Inserts a version that is `base` (of the same worker) with other secrets, and deploys it with `release`.
    /// Secrets that do not change are copied encrypted.
    ///
    /// # Errors
    /// Version not found; secret not found when one that is to be removed is not there; conflict when a name is
    /// taken by a binding of another type.
    pub async fn derive_version(
        &self,
        worker: WorkerId,
        base: VersionId,
        changes: Vec<SecretChange>,
        origin: Origin,
        release: Option<Release>,
    ) -> Result<Inserted> {
        let mut transaction = self.write().await?;
        let base_version = find(&mut transaction, worker, base).await?;
        let new = NewVersion {
            id: VersionId::random(),
            worker,
            make: None,
            settings: WorkerChanges::default(),
            origin,
            bindings: with_secrets(base_version.bindings, changes)?,
            secrets_from: Some(base),
            format: base_version.format,
            modules: base_version.modules,
            compatibility: base_version.compatibility,
            limits: base_version.limits,
            exports: base_version.exports,
            startup_time_ms: base_version.startup_time_ms,
            objects: Vec::new(),
            assets: base_version.assets,
        };
        let inserted = self.insert_into(&mut transaction, new, release).await?;
        self.prune_and_commit(transaction, worker).await?;
        Ok(inserted)
    }

    /// A version of a worker.
    ///
    /// # Errors
    /// Not found when it is not that worker's.
    pub async fn version(&self, worker: WorkerId, id: VersionId) -> Result<Version> {
        find(&mut *self.read().await?, worker, id).await
    }

    /// The versions of a worker, newest first: the newest hundred, and those of its newest hundred deployments. All of
    /// them are deployable: none loses its code before it goes.
    pub async fn versions(&self, worker: WorkerId, page: Page) -> Result<Listing<Version>> {
        let mut connection = self.read().await?;
        let (limit, offset) = page.bounds();
        let items =
            sqlx::query("SELECT * FROM versions WHERE worker = ? ORDER BY number DESC LIMIT ? OFFSET ?")
                .bind(worker.to_string())
                .bind(limit)
                .bind(offset)
                .fetch_all(&mut *connection)
                .await?;
        let total = sqlx::query("SELECT count(*) AS n FROM versions WHERE worker = ?")
            .bind(worker.to_string())
            .fetch_one(&mut *connection)
            .await?;
        Ok(Listing {
            items: items.iter().map(version_of).collect::<Result<_>>()?,
            total: rows::count(&total, "n")?,
        })
    }

    /// The newest version of a worker; None when it has none.
    pub async fn latest_version(&self, worker: WorkerId) -> Result<Option<Version>> {
        let row = sqlx::query("SELECT * FROM versions WHERE worker = ? ORDER BY number DESC LIMIT 1")
            .bind(worker.to_string())
            .fetch_optional(&mut *self.read().await?)
            .await?;
        row.as_ref().map(version_of).transpose()
    }

    /// The texts of a version's secrets, by name, in the clear.
    ///
    /// # Errors
    /// Version not found; [`StoreError::Corrupt`](crate::StoreError::Corrupt) when one does not decrypt.
    pub async fn secret_texts(&self, worker: WorkerId, id: VersionId) -> Result<BTreeMap<String, String>> {
        let mut connection = self.read().await?;
        find(&mut connection, worker, id).await?;
        let all = sqlx::query("SELECT name, key_id, sealed FROM version_secrets WHERE version = ?")
            .bind(id.to_string())
            .fetch_all(&mut *connection)
            .await?;
        let keys = self.keys();
        let open = |row: &SqliteRow| {
            let name = rows::text(row, "name")?;
            let sealed = Sealed { key_id: rows::text(row, "key_id")?, bytes: row.try_get("sealed")? };
            let text = keys.open(worker, &name, &sealed)?;
            Ok((name, text))
        };
        all.iter().map(open).collect()
    }
}

/// What a version holds beside its identity: one JSON document, since nothing inside it is searched for.
#[derive(Serialize, Deserialize)]
pub(crate) struct Document {
    source: String,
    author_email: String,
    pub annotations: BTreeMap<String, String>,
    pub format: Format,
    pub modules: Vec<Module>,
    pub bindings: Vec<Binding>,
    pub compatibility: Compatibility,
    pub limits: Limits,
    pub exports: Exports,
    startup_time_ms: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assets: Option<VersionAssets>,
}

/// Each content once, however many of an account's versions have it.
const CODE: &str = "SELECT account, SUM(size) AS bytes FROM (
        SELECT DISTINCT w.account AS account, m.value ->> '$.hash' AS hash, m.value ->> '$.size' AS size
        FROM workers w JOIN versions v ON v.worker = w.id, json_each(v.document, '$.modules') m
        WHERE ?1 IS NULL OR w.account = ?1
    ) GROUP BY account";

impl Store {
    /// Bytes of the code that an account, or each account, has in all versions that are kept; who has none is not in it.
    pub async fn code_bytes(&self, only: Option<&AccountId>) -> Result<HashMap<AccountId, u64>> {
        let query = sqlx::query(CODE).bind(only.map(AccountId::as_str));
        let found = query.fetch_all(&mut *self.read().await?).await?;
        found.iter().map(|row| Ok((rows::parsed(row, "account")?, rows::count(row, "bytes")?))).collect()
    }

    /// Ends a transaction that gave a worker another version, and perhaps other settings.
    async fn prune_and_commit(
        &self,
        mut transaction: Transaction<'static, Sqlite>,
        worker: WorkerId,
    ) -> Result<()> {
        garbage::prune(&mut transaction, worker).await?;
        transaction.commit().await?;
        self.forget_launches();
        Ok(())
    }

    async fn insert_into(
        &self,
        connection: &mut SqliteConnection,
        new: NewVersion,
        release: Option<Release>,
    ) -> Result<Inserted> {
        check_names(&new.bindings)?;
        if let Some(make) = &new.make {
            workers::insert(connection, new.worker, make, &self.default_quotas()).await?;
        }
        let (number, created_on) = next_number(connection, new.worker).await?;
        for module in &new.modules {
            if !self.inner.blobs.exists(&module.hash)? {
                return Err(StoreError::not_found(Entity::Blob, &module.hash));
            }
        }
        if let Some(assets) = &new.assets
            && !self.inner.blobs.exists(&assets.manifest)?
        {
            return Err(no_manifest(assets));
        }
        let version = Version {
            id: new.id,
            worker: new.worker,
            number,
            created_on,
            source: new.origin.source,
            author_email: new.origin.author_email,
            annotations: new.origin.annotations,
            format: new.format,
            modules: new.modules,
            bindings: new.bindings.iter().map(Binding::redacted).collect(),
            compatibility: new.compatibility,
            limits: new.limits,
            exports: new.exports,
            startup_time_ms: new.startup_time_ms,
            assets: new.assets,
        };
        insert_row(connection, &version).await?;
        if let Some(base) = new.secrets_from {
            find(connection, new.worker, base).await?;
        }
        let keys = self.keys();
        for binding in new.bindings {
            let BindingKind::SecretText { text } = binding.kind else { continue };
            match (text, new.secrets_from) {
                (Some(text), _) => {
                    insert_secret(connection, &keys, &version, &binding.name, &text).await?;
                }
                (None, Some(base)) => copy_secret(connection, base, version.id, &binding.name).await?,
                (None, None) => return Err(StoreError::not_found(Entity::Secret, binding.name)),
            }
        }
        let deployment = match release {
            None => None,
            Some(release) => {
                let split = Split::all(version.id);
                Some(deployments::insert(connection, version.worker, split, release).await?)
            }
        };
        objects::change(connection, version.worker, &new.objects).await?;
        let worker = workers::update(connection, version.worker, new.settings).await?;
        Ok(Inserted { worker, version, deployment })
    }
}

fn check_names(bindings: &[Binding]) -> Result<()> {
    let invalid = |reason| Err(StoreError::invalid(Entity::Version, reason));
    for (index, binding) in bindings.iter().enumerate() {
        if bindings[..index].iter().any(|other| other.name == binding.name) {
            return invalid(format!("two bindings have the name {}", binding.name));
        }
        if matches!(binding.kind, BindingKind::Inherit { .. }) {
            return invalid(format!(
                "inherit binding '{}' is invalid: there is nothing to inherit",
                binding.name
            ));
        }
    }
    Ok(())
}

/// The bindings with secrets added, replaced and removed. Secrets without text are copied by the insert.
fn with_secrets(mut bindings: Vec<Binding>, changes: Vec<SecretChange>) -> Result<Vec<Binding>> {
    for (name, text) in changes {
        let present = bindings.iter().position(|binding| binding.name == name);
        match (present, text) {
            (Some(index), _) if !bindings[index].is_secret() => {
                return Err(StoreError::conflict(
                    Entity::Secret,
                    format!("the name {name} is taken by a binding of type {}", bindings[index].type_name()),
                ));
            }
            (Some(index), Some(text)) => bindings[index].kind = BindingKind::SecretText { text: Some(text) },
            (Some(index), None) => {
                bindings.remove(index);
            }
            (None, Some(text)) => {
                bindings.push(Binding { name, kind: BindingKind::SecretText { text: Some(text) } });
            }
            (None, None) => return Err(StoreError::not_found(Entity::Secret, name)),
        }
    }
    Ok(bindings)
}

/// The number of a worker's next version, and its time: later than every one before, since wrangler sorts by time.
async fn next_number(connection: &mut SqliteConnection, worker: WorkerId) -> Result<(u64, Timestamp)> {
    let newest = sqlx::query("SELECT created_on FROM versions WHERE worker = ? ORDER BY number DESC LIMIT 1")
        .bind(worker.to_string())
        .fetch_optional(&mut *connection)
        .await?;
    let newest = newest.as_ref().map(|row| rows::time(row, "created_on")).transpose()?;
    let after = newest.map_or(Timestamp::UNIX_EPOCH, |time| time + SignedDuration::from_micros(1));
    let created_on = rows::now().max(after);
    let row = sqlx::query(
        "UPDATE workers SET last_version = last_version + 1, modified_on = ? WHERE id = ? RETURNING last_version",
    )
    .bind(created_on.as_microsecond())
    .bind(worker.to_string())
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(|| StoreError::not_found(Entity::Worker, worker))?;
    Ok((rows::count(&row, "last_version")?, created_on))
}

async fn insert_row(connection: &mut SqliteConnection, version: &Version) -> Result<()> {
    let document = Document {
        source: version.source.clone(),
        author_email: version.author_email.clone(),
        annotations: version.annotations.clone(),
        format: version.format.clone(),
        modules: version.modules.clone(),
        bindings: version.bindings.clone(),
        compatibility: version.compatibility.clone(),
        limits: version.limits,
        exports: version.exports.clone(),
        startup_time_ms: version.startup_time_ms,
        assets: version.assets.clone(),
    };
    let manifest = version.assets.as_ref().map(|assets| &assets.manifest);
    let id = version.id.to_string();
    sqlx::query(
        "INSERT INTO versions (worker, number, id, created_on, alias, label, assets, code, document)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(version.worker.to_string())
    .bind(version.number as i64)
    .bind(&id)
    .bind(version.created_on.as_microsecond())
    .bind(version.alias())
    .bind(version.label().map(str::to_ascii_lowercase))
    .bind(manifest)
    .bind(version.format != Format::Assets)
    .bind(rows::to_json(&document)?)
    .execute(&mut *connection)
    .await?;
    for hash in version.modules.iter().map(|module| &module.hash).chain(manifest) {
        sqlx::query("INSERT OR IGNORE INTO version_blobs (version, hash) VALUES (?, ?)")
            .bind(&id)
            .bind(hash)
            .execute(&mut *connection)
            .await?;
    }
    for binding in &version.bindings {
        if let BindingKind::Service { service, .. } = &binding.kind {
            sqlx::query("INSERT OR IGNORE INTO version_services (version, service) VALUES (?, ?)")
                .bind(&id)
                .bind(service.to_ascii_lowercase())
                .execute(&mut *connection)
                .await?;
        }
    }
    Ok(())
}

async fn insert_secret(
    connection: &mut SqliteConnection,
    keys: &Keyring,
    version: &Version,
    name: &str,
    text: &str,
) -> Result<()> {
    let sealed = keys.seal(version.worker, name, text)?;
    sqlx::query("INSERT INTO version_secrets (version, name, key_id, sealed) VALUES (?, ?, ?, ?)")
        .bind(version.id.to_string())
        .bind(name)
        .bind(sealed.key_id)
        .bind(sealed.bytes)
        .execute(connection)
        .await?;
    Ok(())
}

async fn copy_secret(
    connection: &mut SqliteConnection,
    from: VersionId,
    to: VersionId,
    name: &str,
) -> Result<()> {
    let done = sqlx::query(
        "INSERT INTO version_secrets (version, name, key_id, sealed)
         SELECT ?, name, key_id, sealed FROM version_secrets WHERE version = ? AND name = ?",
    )
    .bind(to.to_string())
    .bind(from.to_string())
    .bind(name)
    .execute(connection)
    .await?;
    if done.rows_affected() == 0 {
        return Err(StoreError::not_found(Entity::Secret, name));
    }
    Ok(())
}

async fn find(connection: &mut SqliteConnection, worker: WorkerId, id: VersionId) -> Result<Version> {
    let row = sqlx::query("SELECT * FROM versions WHERE id = ? AND worker = ?")
        .bind(id.to_string())
        .bind(worker.to_string())
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| StoreError::not_found(Entity::Version, id))?;
    version_of(&row)
}

pub(crate) fn version_of(row: &SqliteRow) -> Result<Version> {
    let document: Document = rows::json(row, "document")?;
    Ok(Version {
        id: rows::parsed(row, "id")?,
        worker: rows::parsed(row, "worker")?,
        number: rows::count(row, "number")?,
        created_on: rows::time(row, "created_on")?,
        source: document.source,
        author_email: document.author_email,
        annotations: document.annotations,
        format: document.format,
        modules: document.modules,
        bindings: document.bindings,
        compatibility: document.compatibility,
        limits: document.limits,
        exports: document.exports,
        startup_time_ms: document.startup_time_ms,
        assets: document.assets,
    })
}
