//! Versions: immutable once inserted, numbered per worker, their secrets encrypted beside them.

use std::collections::BTreeMap;

use bytes::Bytes;
use hearth_model::Deployment;
use hearth_model::{
    Binding, Compatibility, Exports, Format, Limits, Module, ModuleKind, Version, VersionId, WorkerId,
};

use crate::{Listing, Page, Release, Result, Store};

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
    /// The worker it belongs to.
    pub worker: WorkerId,
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
}

/// What an insert made.
#[derive(Debug, Clone, PartialEq)]
pub struct Inserted {
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
        unimplemented!()
    }

    /// The content of a module, checked against its digest.
    ///
    /// # Errors
    /// Blob not found; [`StoreError::Corrupt`](crate::StoreError::Corrupt).
    pub async fn module_content(&self, module: &Module) -> Result<Bytes> {
        unimplemented!()
    }

    /// Inserts a version and, with `release`, deploys it at 100 %: both or neither.
    ///
    /// # Errors
    /// Worker not found; blob not found when a module's content was never stored; secret not found when one
    /// without text is not in `secrets_from`; version not found when `secrets_from` is not the worker's; invalid
    /// when two bindings have one name.
    pub async fn insert_version(&self, new: NewVersion, release: Option<Release>) -> Result<Inserted> {
        unimplemented!()
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
        unimplemented!()
    }

    /// A version of a worker.
    ///
    /// # Errors
    /// Not found when it is not that worker's.
    pub async fn version(&self, worker: WorkerId, id: VersionId) -> Result<Version> {
        unimplemented!()
    }

    /// The versions of a worker, newest first. All of them are deployable: none loses its code before it goes.
    pub async fn versions(&self, worker: WorkerId, page: Page) -> Result<Listing<Version>> {
        unimplemented!()
    }

    /// The newest version of a worker; None when it has none.
    pub async fn latest_version(&self, worker: WorkerId) -> Result<Option<Version>> {
        unimplemented!()
    }

    /// The texts of a version's secrets, by name, in the clear.
    ///
    /// # Errors
    /// Version not found; [`StoreError::Corrupt`](crate::StoreError::Corrupt) when one does not decrypt.
    pub async fn secret_texts(&self, worker: WorkerId, id: VersionId) -> Result<BTreeMap<String, String>> {
        unimplemented!()
    }
}
