//! What of the processes one account may have. Those on their way out no longer count: an account that is at its limit lets
//! an idle process go for the one that is wanted.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use hearth_model::WorkerId;

use super::pins::FRESH;
use super::{Effect, Load, Member, Plan, Serial, Stage};
use crate::InstanceKey;

/// Stands for an account.
pub(crate) type Tenant = u32;

/// What an account may have of processes; None: as much as there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allotment {
    /// Processes that serve, or are about to.
    pub instances: Option<u64>,
    /// Bytes of memory of them together. One whose worker uses more than is left is not ended: none further starts.
    pub memory: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Shares {
    of: HashMap<WorkerId, Tenant>,
    allotted: HashMap<Tenant, Allotment>,
}

impl Shares {
    pub(super) fn belongs(&mut self, worker: WorkerId, tenant: Tenant) {
        self.of.insert(worker, tenant);
    }

    pub(super) fn allot(&mut self, tenant: Tenant, allotment: Allotment) {
        match allotment == Allotment::default() {
            true => self.allotted.remove(&tenant),
            false => self.allotted.insert(tenant, allotment),
        };
    }

    fn limited(&self, worker: WorkerId) -> Option<(Tenant, Allotment)> {
        let tenant = *self.of.get(&worker)?;
        Some((tenant, *self.allotted.get(&tenant)?))
    }
}

impl Plan {
    /// Whether it is known whose the worker is.
    pub(crate) fn knows(&self, worker: WorkerId) -> bool {
        self.shares.of.contains_key(&worker)
    }

    /// Those of its processes that are looked at when an account's share is given out; none where it has as much as there is.
    pub(crate) fn competitors(&self, worker: WorkerId) -> Vec<Serial> {
        let limited = self.shares.limited(worker);
        limited
            .map_or_else(Vec::new, |(tenant, _)| self.of_tenant(tenant).map(|(serial, _)| serial).collect())
    }

    /// Takes in what was just measured of a process, and decides nothing.
    pub(crate) fn note(&mut self, serial: Serial, load: Load) {
        if let Some(member) = self.members.get_mut(&serial) {
            member.load = load;
        }
    }

    /// Whether the account of the key's worker may have one process more.
    pub(super) fn has_share(&self, key: InstanceKey) -> bool {
        self.shares.limited(key.worker).is_none_or(|(tenant, allotment)| self.fits(tenant, allotment, 1))
    }

    /// Lets idle processes of the key's account go until it may have one more. None: too many are in use.
    pub(super) fn make_share(&mut self, key: InstanceKey, now: Duration) -> Option<Vec<Effect>> {
        let mut effects = Vec::new();
        let Some((tenant, allotment)) = self.shares.limited(key.worker) else { return Some(effects) };
        // What would not be enough is not given up.
        let mut leaving = Vec::new();
        while !self.fits_without(tenant, allotment, 1, &leaving) {
            leaving.push(self.most_dispensable_of(tenant, now, &leaving)?);
        }
        effects.extend(leaving.into_iter().filter_map(|serial| self.drain(serial, now)));
        Some(effects)
    }

    /// Brings each account's memory to what it may have, as far as idle processes allow.
    pub(super) fn relieve_accounts(&mut self, now: Duration) -> Vec<Effect> {
        let limited: Vec<_> = self.shares.allotted.iter().map(|(tenant, share)| (*tenant, *share)).collect();
        let mut effects = Vec::new();
        for (tenant, allotment) in limited {
            while !self.fits(tenant, allotment, 0) {
                let Some(serial) = self.most_dispensable_of(tenant, now, &[]) else { break };
                effects.extend(self.drain(serial, now));
            }
        }
        self.forget_strangers();
        effects
    }

    fn fits(&self, tenant: Tenant, allotment: Allotment, more: u64) -> bool {
        self.fits_without(tenant, allotment, more, &[])
    }

    /// Whether `more` processes are within the account's share, when some have left.
    fn fits_without(&self, tenant: Tenant, allotment: Allotment, more: u64, left: &[Serial]) -> bool {
        let (mut instances, mut memory) = (more, more * FRESH);
        for (_, member) in self.of_tenant(tenant).filter(|(serial, _)| !left.contains(serial)) {
            instances += 1;
            memory += if member.load.memory == 0 { FRESH } else { member.load.memory };
        }
        allotment.instances.is_none_or(|most| instances <= most)
            && allotment.memory.is_none_or(|most| memory <= most)
    }

    /// Its processes that stay.
    fn of_tenant(&self, tenant: Tenant) -> impl Iterator<Item = (Serial, &Member)> {
        let stays = |member: &Member| matches!(member.stage, Stage::Starting | Stage::Serving);
        let members = self.members.iter().map(|(serial, member)| (*serial, member));
        members.filter(move |(_, member)| {
            stays(member) && self.shares.of.get(&member.key.worker) == Some(&tenant)
        })
    }

    /// As [`Plan::most_dispensable`] among the account's own; a pinned one only where there is no other.
    fn most_dispensable_of(&self, tenant: Tenant, now: Duration, but: &[Serial]) -> Option<Serial> {
        let unused = |m: &Member| now.saturating_sub(m.load.last_used).as_secs_f64();
        let score = |m: &Member| (!self.pins.holds(m.key), m.load.memory as f64 * unused(m));
        self.of_tenant(tenant)
            .filter(|(serial, member)| !but.contains(serial) && self.is_dispensable(member, now))
            .max_by(|(_, a), (_, b)| {
                let (a, b) = (score(a), score(b));
                a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
            })
            .map(|(serial, _)| serial)
    }

    /// Workers of which nothing runs are asked for anew when something shall.
    fn forget_strangers(&mut self) {
        if self.shares.of.len() <= 2 * self.members.len() + 64 {
            return;
        }
        let running: HashSet<WorkerId> = self.members.values().map(|member| member.key.worker).collect();
        self.shares.of.retain(|worker, _| running.contains(worker));
    }
}

#[cfg(test)]
#[path = "shares_tests.rs"]
mod tests;
