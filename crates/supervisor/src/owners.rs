//! Which version of a worker with Durable Objects or workflows runs. Whoever asks for another one gets this one: of such a worker one
//! version runs at a time, and a request that was routed just before a change is served just after it.

use std::collections::HashMap;
use std::time::Duration;

use hearth_model::{CodeUpdate, NamedWorkflow, Namespace, VersionId, WorkerId};
use parking_lot::RwLock;
use tokio::time::Instant;

use crate::InstanceKey;
use crate::plan::Event;
use crate::supervisor::Supervisor;

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
    /// The key that serves who asks for this version.
    pub(crate) fn key(&self, worker: WorkerId, version: VersionId) -> InstanceKey {
        let owners = self.0.read();
        let owner = owners.get(&worker).and_then(|entry| entry.owner.as_ref());
        InstanceKey::fused(worker, owner.map_or(version, |owner| owner.version))
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
        entry.owner = owner;
        // Under the lock: the plan must know before anybody can want the new key.
        self.shared.tell(Event::Owned(worker, key));
    }

    /// Whether something is in a process of the worker.
    fn is_busy(&self, worker: WorkerId) -> bool {
        let running = self.shared.running.lock();
        let mut instances = running.values().map(|running| &running.instance);
        instances.any(|instance| instance.key.worker == worker && instance.in_flight() > 0)
    }
}
