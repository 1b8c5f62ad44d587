//! Dialects → supervisor and gateway: processes that are kept, sent away and called.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use hearth_dialects::{Processes, deploy};
use hearth_gateway::{Gateway, RouteTable};
use hearth_model::{Dialect, PublishedWorker, VersionId, WorkerId};
use hearth_store::{Store, StoreError, Worker};
use hearth_supervisor::Supervisor;
use http::{Request, Response};
use http_body_util::{BodyExt, Limited};

/// Largest response that a call of a function through the API may have, in bytes.
const MAX_ANSWER: usize = 32 << 20;

/// The processes, for dialects.
pub struct DialectProcesses {
    supervisor: Supervisor,
    /// Set once the gateway is there.
    gateway: OnceLock<Arc<Gateway>>,
}

impl DialectProcesses {
    /// Over this supervisor.
    pub fn new(supervisor: Supervisor) -> Arc<Self> {
        Arc::new(Self { supervisor, gateway: OnceLock::new() })
    }

    /// Says which gateway leads to workers.
    pub fn begin(&self, gateway: Arc<Gateway>) {
        // Set twice would be the same one again.
        let _ = self.gateway.set(gateway);
    }
}

#[async_trait]
impl Processes for DialectProcesses {
    fn is_running(&self, worker: WorkerId, version: VersionId) -> bool {
        self.supervisor.is_running(worker, version)
    }

    async fn suspend(&self, worker: WorkerId, version: VersionId) {
        self.supervisor.suspend(worker, version).await;
    }

    fn count(&self, of: &(dyn Fn(WorkerId) -> bool + Sync)) -> (usize, usize) {
        self.supervisor.count(of)
    }

    async fn invoke(
        &self,
        worker: WorkerId,
        request: Request<Bytes>,
    ) -> Option<Result<Response<Bytes>, String>> {
        let response = self.gateway.get()?.invoke(worker, request).await?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MAX_ANSWER).collect().await;
        Some(match body {
            Ok(body) => Ok(Response::from_parts(parts, body.to_bytes())),
            Err(error) => Err(format!("The function's answer cannot be read: {error}.")),
        })
    }
}

/// Keeps running what a dialect wants to run, and tells how long the rest may be idle.
pub fn keep(supervisor: &Supervisor, worker: &Worker, published: &PublishedWorker) {
    if worker.dialect != Dialect::Deploy {
        return;
    }
    supervisor.set_idle_timeout(worker.id, deploy::idle_timeout(worker));
    let latest = published.split.as_ref().and_then(|split| split.shares().first());
    match latest {
        Some((version, _)) => supervisor.pin(worker.id, *version, title(published, *version)),
        None => supervisor.unpin(worker.id),
    }
}

/// The same for everything that is stored, before anything runs; what was deployed last is pinned last.
///
/// # Errors
/// When the metadata cannot be read.
pub async fn keep_all(store: &Store, table: &RouteTable, supervisor: &Supervisor) -> Result<(), StoreError> {
    for (id, _) in store.deployed(Dialect::Deploy).await? {
        if let Some(served) = table.worker(id) {
            keep(supervisor, &store.worker(id).await?, &served.worker);
        }
    }
    Ok(())
}

/// What the log calls a version: `hello:v1`.
fn title(worker: &PublishedWorker, version: VersionId) -> String {
    let label =
        worker.versions.iter().find(|known| known.id == version).and_then(|known| known.label.clone());
    format!("{}:{}", worker.name, label.unwrap_or_else(|| version.prefix()))
}
