//! API → supervisor and gateway: a candidate is probed, a change takes effect.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use hearth_api::{Change, Runtime, Used};
use hearth_cron::Cron;
use hearth_egress::Policy;
use hearth_gateway::RouteTable;
use hearth_model::{AccountId, CodeUpdate, Launch, ProbeError, Probed, PublishedWorker, VersionId, WorkerId};
use hearth_objects::Objects;
use hearth_observe::Hub;
use hearth_space::Space;
use hearth_store::{EgressScope, Store};
use hearth_supervisor::{Owner, Supervisor};
use serde_json::Value;
use tokio::sync::Mutex;

use super::Attach;
use super::services::parse_policy;
use super::space::CodeChanged;
use super::{departed, dialects, quotas};

/// Locks for changes of one worker at a time; workers share them by hash.
const LANES: usize = 64;

/// What the API drives.
pub struct Platform {
    pub store: Store,
    pub table: Arc<RouteTable>,
    pub supervisor: Supervisor,
    pub services: Arc<Attach>,
    /// What the configuration file opens, beside what is stored.
    pub configured: Policy,
    pub cron: Cron,
    pub hub: Hub,
    pub objects: Objects,
    pub space: Space,
    pub code: CodeChanged,
    pub lanes: Lanes,
    pub data_dir: PathBuf,
}

/// In which changes of one worker take turns.
pub struct Lanes(Vec<Mutex<()>>);

impl Default for Lanes {
    fn default() -> Self {
        Self((0..LANES).map(|_| Mutex::new(())).collect())
    }
}

impl Platform {
    /// Moves a worker's traffic to what the store says now: new versions start first, then the table changes, then
    /// versions that no longer have a share drain. Changes of one worker take turns, so that the last one read is the
    /// last one published.
    async fn follow(&self, id: WorkerId, update: CodeUpdate) -> Result<(), hearth_store::StoreError> {
        let mut hasher = DefaultHasher::new();
        id.hash(&mut hasher);
        let _lane = self.lanes.0[hasher.finish() as usize % LANES].lock().await;

        let Some(new) = self.store.published_worker(id).await? else {
            return Ok(());
        };
        let worker = self.store.worker(id).await?;
        self.hub.follow(&worker);
        let old = shares(self.table.worker(id).as_ref().map(|served| &served.worker));
        let current = shares(Some(&new));
        let live = self.supervisor.is_live(id);
        let owner = owner_of(&self.store, &new).await?;
        let owns = owner.is_some();
        // One with storage moves all at once, and its process starts when the last one is gone.
        self.supervisor.own(id, owner, update);
        for version in current.iter().filter(|version| !old.contains(version)) {
            self.supervisor.routed(id, *version);
            let later = owns && update != CodeUpdate::Immediate;
            let has_code = new.versions.iter().any(|other| other.id == *version && other.code);
            if live
                && has_code
                && !later
                && let Err(error) = self.supervisor.warm(id, *version).await
            {
                tracing::warn!(%error, worker = %new.name, %version, "a deployed version does not start");
            }
        }
        self.table.upsert_worker(new.clone());
        // By the table it is known whose it is.
        dialects::keep(&self.supervisor, &worker, &new);
        self.objects.changed();
        for version in old.into_iter().filter(|version| !current.contains(version)) {
            self.supervisor.retire(id, version);
        }
        Ok(())
    }

    async fn apply(&self, change: Change) -> Result<(), hearth_store::StoreError> {
        if let Change::Worker(id) | Change::Deployed(id, _) | Change::WorkerGone(id) = &change {
            // One that is gone is no longer known; then it may be anybody's.
            self.code.tell(self.store.worker(*id).await.ok().map(|worker| worker.account));
        }
        match change {
            Change::Worker(id) => {
                self.follow(id, CodeUpdate::Immediate).await?;
                self.cron.follow(id).await?;
            }
            Change::Deployed(id, update) => {
                self.follow(id, update).await?;
                self.cron.follow(id).await?;
            }
            Change::WorkerGone(id) => {
                self.cron.follow(id).await?;
                self.hub.forget(id);
                self.table.remove_worker(id);
                self.supervisor.own(id, None, CodeUpdate::Immediate);
                self.objects.changed();
                self.supervisor.unpin(id);
                self.supervisor.set_idle_timeout(id, None);
                self.supervisor.retire_worker(id);
            }
            Change::Settings(id) => self.hub.follow(&self.store.worker(id).await?),
            Change::Routes => self.table.set_routes(self.store.published_routes().await?),
            Change::Domains => self.table.set_domains(self.store.published_domains().await?),
            Change::Egress => self.reload_egress().await?,
            Change::Quotas => quotas::apply(&self.store, &self.space, &self.table, &self.supervisor).await?,
            Change::AccountGone => departed::remove(&self.data_dir, &self.store).await,
            Change::Accounts => {
                for worker in self.store.published().await?.workers {
                    self.table.upsert_worker(worker);
                }
            }
        }
        Ok(())
    }

    async fn reload_egress(&self) -> Result<(), hearth_store::StoreError> {
        let stored = self.store.egress_rules(&EgressScope::Installation).await?;
        let mut policy = self.configured.clone();
        policy.extend(stored.map(parse_policy).unwrap_or_default());
        self.services.egress.set_policy(policy);
        self.services.reload_egress().await;
        Ok(())
    }
}

/// What runs on a worker's storage; None: it has none, or nothing to run.
async fn owner_of(
    store: &Store,
    worker: &PublishedWorker,
) -> Result<Option<Owner>, hearth_store::StoreError> {
    let objects = store.namespaces_of(worker.id).await?;
    let workflows = store.workflows_of(worker.id).await?;
    let stores = !objects.is_empty() || !workflows.is_empty();
    let Some(version) = host(worker).filter(|_| stores) else { return Ok(None) };
    let fronts: Vec<_> = shares(Some(worker)).into_iter().filter(|other| *other != version).collect();
    Ok(Some(Owner { version, objects, workflows, fronts }))
}

/// The version that runs the worker's objects: the one with the largest share, of equal ones the newest.
fn host(worker: &PublishedWorker) -> Option<VersionId> {
    let age = |id: &VersionId| worker.versions.iter().position(|version| version.id == *id);
    let shares = worker.split.as_ref()?.shares();
    let host = shares.iter().max_by(|a, b| a.1.total_cmp(&b.1).then_with(|| age(&b.0).cmp(&age(&a.0))));
    host.map(|(version, _)| *version)
}

/// Says of every worker with storage what runs on it, before anything does.
///
/// # Errors
/// When the metadata cannot be read.
pub async fn own_all(
    store: &Store,
    table: &RouteTable,
    supervisor: &Supervisor,
) -> Result<(), hearth_store::StoreError> {
    let all = store.all_namespaces().await?;
    let mut workers: HashSet<WorkerId> = all.into_iter().map(|owned| owned.worker).collect();
    workers.extend(store.all_workflows().await?.into_iter().map(|named| named.workflow.worker));
    for id in workers {
        let Some(served) = table.worker(id) else { continue };
        let owner = owner_of(store, &served.worker).await?;
        supervisor.own(id, owner, CodeUpdate::Immediate);
    }
    Ok(())
}

/// The versions that have a share of the traffic.
fn shares(worker: Option<&PublishedWorker>) -> Vec<VersionId> {
    let split = worker.and_then(|worker| worker.split.as_ref());
    split.map(|split| split.shares().iter().map(|(version, _)| *version).collect()).unwrap_or_default()
}

#[async_trait]
impl Runtime for Platform {
    async fn probe(&self, candidate: Launch) -> Result<Probed, ProbeError> {
        self.supervisor.probe(candidate).await
    }

    fn used(&self, account: &AccountId) -> Used {
        let (instances, memory) = self.supervisor.used_by(account);
        Used {
            instances,
            memory,
            storage: self.space.used(account),
            requests: self.table.of_last_minute(account),
        }
    }

    fn check_egress_rules(&self, rules: &Value) -> Result<(), String> {
        serde_json::from_value::<Policy>(rules.clone()).map(drop).map_err(|error| error.to_string())
    }

    async fn changed(&self, change: Change) {
        if let Err(error) = self.apply(change).await {
            tracing::error!(%error, "a change is stored and does not take effect before the next start");
        }
    }
}
