//! What a cold start reads: one query and the blobs, or memory.

use std::sync::Arc;

use bytes::Bytes;
use hearth_model::{
    AccountId, Binding, BindingKind, Launch, LaunchModule, Module, ModuleKind, NamedWorkflow, Namespace,
    VersionId, WorkerId, WorkerName, Workflow,
};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::keys::{Keyring, Sealed};
use crate::store::blocking;
use crate::versions::Document;
use crate::{Entity, Result, Store, StoreError, rows};

/// A version's row as it is cached: its secrets still encrypted.
pub(crate) struct LaunchRow {
    account: AccountId,
    worker: WorkerId,
    name: WorkerName,
    created_on: String,
    document: Document,
    objects: Vec<Namespace>,
    workflows: Vec<NamedWorkflow>,
    secrets: Vec<(String, Sealed)>,
}

impl Store {
    /// A version with its code and with its secrets in the clear. Source maps are left out.
    ///
    /// # Errors
    /// Version not found; [`StoreError::Corrupt`].
    pub async fn launch(&self, version: VersionId) -> Result<Launch> {
        let row = self.launch_row(version).await?;
        let modules: Vec<&Module> =
            row.document.modules.iter().filter(|module| module.kind != ModuleKind::SourceMap).collect();
        let hashes = modules.iter().map(|module| module.hash.clone()).collect();
        let contents = self.contents(hashes).await?;
        let module_of = |(module, content): (&Module, Bytes)| LaunchModule {
            name: module.name.clone(),
            kind: module.kind,
            content,
        };
        Ok(Launch {
            account: row.account.clone(),
            worker: row.worker,
            name: row.name.clone(),
            version,
            tag: row.document.annotations.get("workers/tag").cloned().unwrap_or_default(),
            created_on: row.created_on.clone(),
            format: row.document.format.clone(),
            modules: modules.into_iter().zip(contents).map(module_of).collect(),
            bindings: row.bindings(&self.keys())?,
            compatibility: row.document.compatibility.clone(),
            limits: row.document.limits,
            exports: row.document.exports.clone(),
            objects: row.objects.clone(),
            workflows: row.workflows.clone(),
        })
    }

    async fn launch_row(&self, version: VersionId) -> Result<Arc<LaunchRow>> {
        let generation = {
            let mut caches = self.caches();
            if let Some(row) = caches.launches.get(&version) {
                return Ok(row);
            }
            caches.generation
        };
        let row = sqlx::query(
            "SELECT w.account, w.id AS worker, w.name, v.created_on, v.document,
                    (SELECT json_group_array(json_array(s.name, s.key_id, hex(s.sealed)))
                     FROM version_secrets s WHERE s.version = v.id) AS secrets,
                    (SELECT json_group_array(json_array(n.id, n.class, n.sqlite) ORDER BY n.class)
                     FROM object_namespaces n WHERE n.worker = w.id) AS objects,
                    (SELECT json_group_array(json_array(r.name, json(r.settings)) ORDER BY r.name)
                     FROM resources r
                     WHERE r.kind = 'workflow' AND r.settings ->> '$.worker' = w.id) AS workflows
             FROM versions v JOIN workers w ON w.id = v.worker WHERE v.id = ?",
        )
        .bind(version.to_string())
        .fetch_optional(&mut *self.read().await?)
        .await?
        .ok_or_else(|| StoreError::not_found(Entity::Version, version))?;
        let bytes =
            row.try_get::<&str, _>("document")?.len() + row.try_get::<&str, _>("secrets")?.len() + 500;
        let row = Arc::new(LaunchRow::read(&row)?);
        let mut caches = self.caches();
        if caches.generation == generation {
            caches.launches.insert(version, row.clone(), bytes);
        }
        Ok(row)
    }

    /// The contents of blobs, in the order of their names.
    pub(crate) async fn contents(&self, hashes: Vec<String>) -> Result<Vec<Bytes>> {
        let mut found: Vec<Option<Bytes>> = {
            let mut caches = self.caches();
            hashes.iter().map(|hash| caches.blobs.get(hash)).collect()
        };
        if found.iter().any(Option::is_none) {
            let store = self.clone();
            found = blocking(move || {
                for (hash, content) in hashes.iter().zip(&mut found) {
                    if content.is_none() {
                        let read = Bytes::from(store.inner.blobs.get(hash)?);
                        store.caches().blobs.insert(hash.clone(), read.clone(), read.len() + hash.len());
                        *content = Some(read);
                    }
                }
                Ok(found)
            })
            .await?;
        }
        Ok(found.into_iter().flatten().collect())
    }
}

impl LaunchRow {
    fn read(row: &SqliteRow) -> Result<Self> {
        let secrets: Vec<(String, String, String)> = rows::json(row, "secrets")?;
        let sealed = |(name, key_id, bytes): (String, String, String)| {
            let bytes =
                hex::decode(bytes).map_err(|error| StoreError::Corrupt(format!("secret {name}: {error}")))?;
            Ok((name, Sealed { key_id, bytes }))
        };
        let objects: Vec<(String, String, i64)> = rows::json(row, "objects")?;
        let namespace = |(id, class, sqlite): (String, String, i64)| {
            Ok(Namespace { id: rows::from_text(&id, "objects")?, class, sqlite: sqlite != 0 })
        };
        let workflows: Vec<(String, Workflow)> = rows::json(row, "workflows")?;
        let named = |(name, workflow)| NamedWorkflow { name, workflow };
        Ok(Self {
            workflows: workflows.into_iter().map(named).collect(),
            account: rows::parsed(row, "account")?,
            worker: rows::parsed(row, "worker")?,
            name: rows::parsed(row, "name")?,
            created_on: rows::time(row, "created_on")?.to_string(),
            document: rows::json(row, "document")?,
            objects: objects.into_iter().map(namespace).collect::<Result<_>>()?,
            secrets: secrets.into_iter().map(sealed).collect::<Result<_>>()?,
        })
    }

    fn bindings(&self, keys: &Keyring) -> Result<Vec<Binding>> {
        let with_text = |binding: &Binding| {
            if !binding.is_secret() {
                return Ok(binding.clone());
            }
            let (name, sealed) = self
                .secrets
                .iter()
                .find(|(name, _)| *name == binding.name)
                .ok_or_else(|| StoreError::Corrupt(format!("secret {} has no text", binding.name)))?;
            let text = Some(keys.open(self.worker, name, sealed)?);
            Ok(Binding { name: binding.name.clone(), kind: BindingKind::SecretText { text } })
        };
        self.document.bindings.iter().map(with_text).collect()
    }
}
