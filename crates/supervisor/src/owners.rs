//! Which version of a worker with Durable Objects or workflows runs. Whoever asks for another one gets this one: of such a worker one
//! version runs at a time, and a request that was routed just before a change is served just after it.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hearth_model::{CodeUpdate, NamedWorkflow, Namespace, NamespaceId, VersionId, WorkerId};
use parking_lot::RwLock;
use tokio::time::Instant;

use crate::choose::{Keys, Need};
use crate::instance::{InstanceKey, Role};
use crate::lease::{AcquireError, Lease};
use crate::plan::Event;
use crate::supervisor::Supervisor;

/// How long until a process that is about to leave has left.
const AGAIN: Duration = Duration::from_millis(5);

/// How often it is looked whether a deferred change can be made.
const LOOK: Duration = Duration::from_millis(50);

/// What runs on a worker's storage.
#[derive(Debug, Clone, PartialEq)]
pub struct Owner {
    /// The version.
    pub version: VersionId,
    /// The worker's namespaces.
    pub objects: Vec<Namespace>,
    /// The worker's workflows.
    pub workflows: Vec<NamedWorkflow>,
    /// Versions that serve too, and call the objects in the owner's process.
    pub fronts: Vec<VersionId>,
}

impl Owner {
    /// Whether a process of `self` is one of `other` too.
    fn runs_as(&self, other: &Self) -> bool {
        self.version == other.version && self.objects == other.objects && self.workflows == other.workflows
    }
}

#[derive(Debug, Default)]
struct Entry {
    owner: Option<Owner>,
    /// Counts what was asked for, so that a deferred change knows that another came after it.
    turn: u64,
}

/// The owners of all workers with storage.
#[derive(Debug, Default)]
pub(crate) struct Owners(RwLock<HashMap<WorkerId, Entry>>);

impl Owners {
    /// Who serves those who ask for this version.
    pub(crate) fn keys(&self, worker: WorkerId, version: VersionId) -> Keys {
        let owners = self.0.read();
        match owners.get(&worker).and_then(|entry| entry.owner.as_ref()) {
            Some(owner) if owner.fronts.contains(&version) => {
                Keys { usual: InstanceKey::front(worker, version), beside: None }
            }
            Some(owner) => {
                let usual = InstanceKey::fused(worker, owner.version);
                Keys { usual, beside: Some(InstanceKey::front(worker, owner.version)) }
            }
            None => Keys { usual: InstanceKey::fused(worker, version), beside: None },
        }
    }

    /// The worker that has a namespace.
    fn of(&self, namespace: NamespaceId) -> Option<WorkerId> {
        let owners = self.0.read();
        let mut all = owners.iter().filter_map(|(worker, entry)| Some((*worker, entry.owner.as_ref()?)));
        let has = |owner: &Owner| owner.objects.iter().any(|object| object.id == namespace);
        all.find(|(_, owner)| has(owner)).map(|(worker, _)| worker)
    }

    /// The version that has the worker's storage.
    fn host(&self, worker: WorkerId) -> Option<VersionId> {
        let owners = self.0.read();
        owners.get(&worker)?.owner.as_ref().map(|owner| owner.version)
    }

    fn turn(&self, worker: WorkerId) -> u64 {
        self.0.read().get(&worker).map_or(0, |entry| entry.turn)
    }
}

impl Supervisor {
    /// Says what runs on a worker's storage from now on; None: it has none any more. If that changes, the process that
    /// runs on it leaves: at once, with the time of a swap for what is in it, or as `update` says when it has nothing to
    /// do. Requests wait meanwhile, and another process starts when it is gone.
    pub fn own(&self, worker: WorkerId, owner: Option<Owner>, update: CodeUpdate) {
        let (turn, changes, replaces) = {
            let mut owners = self.shared.owners.0.write();
            if owner.is_none() && !owners.contains_key(&worker) {
                return;
            }
            let entry = owners.entry(worker).or_default();
            entry.turn += 1;
            if let (Some(now), Some(next)) = (&mut entry.owner, &owner)
                && next.runs_as(now)
            {
                self.refront(worker, &now.fronts, &next.fronts);
                now.fronts.clone_from(&next.fronts);
            }
            (entry.turn, entry.owner != owner, entry.owner.is_some())
        };
        match update {
            _ if !changes => {}
            CodeUpdate::Deferred { max_delay } if replaces && self.is_busy(worker) => {
                let supervisor = self.clone();
                let until = Instant::now() + Duration::from_secs_f64(max_delay);
                tokio::spawn(async move { supervisor.own_later(worker, owner, turn, until).await });
            }
            _ => self.own_now(worker, owner, turn),
        }
    }

    async fn own_later(&self, worker: WorkerId, owner: Option<Owner>, turn: u64, until: Instant) {
        while self.is_busy(worker) && Instant::now() < until {
            tokio::time::sleep_until(until.min(Instant::now() + LOOK)).await;
            if self.shared.owners.turn(worker) != turn {
                return;
            }
        }
        self.own_now(worker, owner, turn);
    }

    fn own_now(&self, worker: WorkerId, owner: Option<Owner>, turn: u64) {
        let mut owners = self.shared.owners.0.write();
        let Some(entry) = owners.get_mut(&worker).filter(|entry| entry.turn == turn) else { return };
        let key = owner.as_ref().map(|owner| InstanceKey::fused(worker, owner.version));
        let fronts =
            |owner: &Option<Owner>| owner.as_ref().map(|owner| owner.fronts.clone()).unwrap_or_default();
        self.refront(worker, &fronts(&entry.owner), &fronts(&owner));
        entry.owner = owner;
        // Under the lock: the plan must know before anybody can want the new key.
        self.shared.tell(Event::Owned(worker, key));
    }

    fn refront(&self, worker: WorkerId, before: &[VersionId], after: &[VersionId]) {
        for version in before.iter().filter(|version| !after.contains(version)) {
            self.shared.tell(Event::Retired(InstanceKey::front(worker, *version)));
        }
        for version in after {
            self.shared.tell(Event::Routed(InstanceKey::front(worker, *version)));
        }
    }

    /// A place in the process that has a namespace's objects, for a call of the worker `caller`; starts one if none runs.
    /// None: no worker that is deployed has the namespace.
    ///
    /// # Errors
    /// [`AcquireError`].
    pub async fn acquire_objects(
        &self,
        namespace: NamespaceId,
        caller: WorkerId,
    ) -> Result<Option<Lease>, AcquireError> {
        let Some(worker) = self.shared.owners.of(namespace) else { return Ok(None) };
        let lease = self.acquire_host(worker).await?;
        if let Some(lease) = lease.as_ref().filter(|_| caller == worker) {
            lease.instance().forwarded.fetch_add(1, Ordering::Relaxed);
        }
        Ok(lease)
    }

    /// A place in the process that has a worker's storage, its workflows among it; starts one if none runs. None: the
    /// worker has no storage, or is not deployed.
    ///
    /// # Errors
    /// [`AcquireError`].
    pub async fn acquire_host(&self, worker: WorkerId) -> Result<Option<Lease>, AcquireError> {
        loop {
            let Some(version) = self.shared.owners.host(worker) else { return Ok(None) };
            let lease = self.shared.lease(worker, version, Need::Host).await?;
            if lease.instance().key.role == Role::Fused {
                return Ok(Some(lease));
            }
            // The storage moved to another version meanwhile.
            drop(lease);
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Says that the process that has a worker's storage is in use, though no request need be in it.
    pub fn used(&self, worker: WorkerId) {
        let running = self.shared.running.lock();
        let instances = running.values().map(|running| &running.instance);
        for instance in
            instances.filter(|instance| instance.key.worker == worker && instance.key.role == Role::Fused)
        {
            *instance.last_used.lock() = Instant::now();
        }
    }

    /// Whether something is in a process of the worker.
    fn is_busy(&self, worker: WorkerId) -> bool {
        let running = self.shared.running.lock();
        let mut instances = running.values().map(|running| &running.instance);
        instances.any(|instance| instance.key.worker == worker && instance.in_flight() > 0)
    }
}
