//! Workers with storage. Two processes on one storage lose writes, so of such a worker one process runs at a time, and the
//! next one starts when it is gone: those who want it wait meanwhile.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use hearth_model::WorkerId;

use super::{Effect, Member, Plan, Serial, Stage};
use crate::{InstanceKey, Role};

/// Which key may run on each storage.
#[derive(Debug, Default)]
pub(super) struct Owners {
    keys: HashMap<WorkerId, InstanceKey>,
    /// Keys that are wanted, and wait for a process to be gone.
    held: HashSet<InstanceKey>,
}

impl Owners {
    pub(super) fn is_owner(&self, key: InstanceKey) -> bool {
        self.keys.get(&key.worker) == Some(&key)
    }

    /// The key that may run on a worker's storage.
    pub(super) fn of(&self, worker: WorkerId) -> Option<InstanceKey> {
        self.keys.get(&worker).copied()
    }

    /// Whether the key may not run: another has the storage. A front needs none.
    pub(super) fn excludes(&self, key: InstanceKey) -> bool {
        key.role == Role::Fused && self.keys.get(&key.worker).is_some_and(|owner| *owner != key)
    }
}

impl Plan {
    /// Changes who may run on a worker's storage. Even a process of the same version leaves: its storage is another now.
    pub(super) fn owned(
        &mut self,
        worker: WorkerId,
        owner: Option<InstanceKey>,
        now: Duration,
    ) -> Vec<Effect> {
        let mut effects = Vec::new();
        let before = match owner {
            Some(owner) => self.owners.keys.insert(worker, owner),
            None => self.owners.keys.remove(&worker),
        };
        // Those who wait for it choose anew.
        if let Some(before) = before.filter(|before| Some(*before) != owner) {
            self.owners.held.remove(&before);
            effects.push(Effect::Refuse(before));
            effects.extend(self.disband(before, now));
        }
        // One of the same version that had none yet is not what the version is now.
        let leaves = |m: &Member| m.key.worker == worker && (m.owns || Some(m.key) == owner);
        let leaving: Vec<_> = self.members.iter().filter(|(_, m)| leaves(m)).map(|(s, _)| *s).collect();
        for serial in leaving {
            effects.extend(self.evict(serial, now));
        }
        effects
    }

    /// None: nothing runs on the key's storage, so it may start. Else what brings that about.
    pub(super) fn hold(&mut self, key: InstanceKey, now: Duration) -> Option<Vec<Effect>> {
        let before = if self.owners.is_owner(key) { self.of_storage(key.worker) } else { Vec::new() };
        if before.is_empty() {
            return None;
        }
        self.owners.held.insert(key);
        let unused = |serial: &Serial| {
            let member = &self.members[serial];
            matches!(member.stage, Stage::Draining(_)) && member.load.in_flight == 0
        };
        let unused: Vec<_> = before.into_iter().filter(unused).collect();
        let grace = self.rules.swap_window;
        Some(unused.into_iter().filter_map(|serial| self.terminate(serial, grace, now)).collect())
    }

    /// A process that ran on storage is gone: who waited for that begins.
    pub(super) fn release(&mut self, gone: &Member, now: Duration) -> Vec<Effect> {
        if !gone.owns || !self.of_storage(gone.key.worker).is_empty() {
            return Vec::new();
        }
        match self.owners.keys.get(&gone.key.worker).copied() {
            Some(owner) if self.owners.held.remove(&owner) => self.wanted(owner, now),
            _ => Vec::new(),
        }
    }

    fn of_storage(&self, worker: WorkerId) -> Vec<Serial> {
        let owning = self.members.iter().filter(|(_, m)| m.owns && m.key.worker == worker);
        owning.map(|(serial, _)| *serial).collect()
    }

    /// Sends a process away from its storage now: what is in it has the time of a swap.
    fn evict(&mut self, serial: Serial, now: Duration) -> Vec<Effect> {
        let Some(member) = self.members.get_mut(&serial) else { return Vec::new() };
        let window = self.rules.swap_window;
        match member.stage {
            Stage::Serving => {
                let stop = self.terminate(serial, window, now);
                std::iter::once(Effect::Drain(serial)).chain(stop).collect()
            }
            Stage::Draining(_) => self.terminate(serial, window, now).into_iter().collect(),
            // It cannot be told before it has started.
            Stage::Starting => {
                member.stage = Stage::Evicted;
                Vec::new()
            }
            Stage::Evicted => Vec::new(),
            Stage::Stopping(until) => {
                member.stage = Stage::Stopping(until.min(now + window));
                Vec::new()
            }
        }
    }

    pub(super) fn terminate(&mut self, serial: Serial, grace: Duration, now: Duration) -> Option<Effect> {
        let member = self.members.get_mut(&serial)?;
        member.stage = Stage::Stopping(now + grace);
        Some(Effect::Terminate(serial))
    }
}
