//! What every handler has at hand.

use std::sync::Arc;

use hearth_model::{Dialect, Version, WorkerId, WorkerName};
use hearth_store::{Account, Entity, Page, Store, StoreError, Worker};

use crate::auth::{self, Caller};
use crate::config::ApiConfig;
use crate::error::ApiError;
use crate::locks::Locks;
use crate::page::Window;
use crate::runtime::{Change, Runtime};

/// The state of the API. Clones are the same API.
#[derive(Clone)]
pub struct Api(Arc<Inner>);

struct Inner {
    store: Store,
    runtime: Arc<dyn Runtime>,
    config: ApiConfig,
    locks: Locks,
}

impl Api {
    /// The API over a store and a data plane.
    pub fn new(store: Store, runtime: Arc<dyn Runtime>, config: ApiConfig) -> Self {
        Self(Arc::new(Inner { store, runtime, config, locks: Locks::default() }))
    }

    /// The metadata.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn runtime(&self) -> &dyn Runtime {
        self.0.runtime.as_ref()
    }

    /// How the API is set.
    pub fn config(&self) -> &ApiConfig {
        &self.0.config
    }

    /// Who makes a call, for operations that stand open and answer whoever is known otherwise.
    ///
    /// # Errors
    /// 401; 403 for a token that may not be used from there.
    pub async fn caller(&self, parts: &http::request::Parts) -> Result<Caller, ApiError> {
        auth::caller(self, parts).await
    }

    /// Waits until nobody else writes to the worker.
    pub async fn lock(&self, account: &Account, name: &WorkerName) -> impl Drop + use<> {
        self.0.locks.worker(&account.id, name).await
    }

    /// Tells the data plane and waits for it.
    pub async fn changed(&self, change: Change) {
        self.runtime().changed(change).await;
    }

    /// A worker of Cloudflare's API by name.
    ///
    /// # Errors
    /// 10007 when it does not exist.
    pub async fn worker(&self, account: &Account, name: &WorkerName) -> Result<Worker, ApiError> {
        Ok(self.store().worker_by_name(&account.id, Dialect::Workers, name).await?)
    }

    /// A project of Pages by name.
    ///
    /// # Errors
    /// 8000007 when it does not exist.
    pub async fn project(&self, account: &Account, name: &WorkerName) -> Result<Worker, ApiError> {
        self.find_of(account, Dialect::Pages, name).await?.ok_or_else(ApiError::project_not_found)
    }

    /// A worker of Cloudflare's API by name, if it exists.
    pub(crate) async fn find_worker(
        &self,
        account: &Account,
        name: &WorkerName,
    ) -> Result<Option<Worker>, ApiError> {
        match self.store().worker_by_name(&account.id, Dialect::Workers, name).await {
            Ok(worker) => Ok(Some(worker)),
            Err(StoreError::NotFound { what: Entity::Worker, .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The version that serves a worker: of several the newest, or its newest at all when none is deployed.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn serving_version(&self, worker: WorkerId) -> Result<Option<Version>, ApiError> {
        let Some(deployment) = self.store().current_deployment(worker).await? else {
            return Ok(self.store().latest_version(worker).await?);
        };
        let mut newest: Option<Version> = None;
        for (id, _) in deployment.split.shares() {
            let version = self.store().version(worker, *id).await?;
            if newest.as_ref().is_none_or(|newest| newest.number < version.number) {
                newest = Some(version);
            }
        }
        Ok(newest)
    }
}

/// A window as the store takes it.
pub fn store_page(window: &Window) -> Page {
    Page { offset: window.offset(), limit: window.limit() }
}
