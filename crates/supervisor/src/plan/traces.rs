//! Which processes report their invocations. Whether one does is fixed when it starts, so a worker that somebody begins
//! to watch gets other processes: the new one listens before the old one drains.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use hearth_model::WorkerId;

use super::{Effect, Member, Plan, Serial, Stage};
use crate::InstanceKey;

/// Whether a process reports its invocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tracing {
    /// It does not.
    Off,
    /// As long as somebody wants it.
    On,
    /// Whoever wants it: another process in its place would cost what it holds, or the configuration says so, or it is a
    /// function's, which is told with each call whether to.
    Always,
}

/// Of which workers somebody wants to know.
#[derive(Debug, Default)]
pub(super) struct Traces {
    wanted: HashSet<WorkerId>,
    /// Since when nobody does any more.
    unwanted: HashMap<WorkerId, Duration>,
}

impl Traces {
    pub(super) fn want(&mut self, worker: WorkerId, wanted: bool, now: Duration) {
        if wanted {
            self.wanted.insert(worker);
            self.unwanted.remove(&worker);
        } else if self.wanted.remove(&worker) {
            self.unwanted.insert(worker, now);
        }
    }
}

impl Plan {
    pub(super) fn listening(&mut self, serial: Serial, tracing: Tracing, now: Duration) -> Vec<Effect> {
        let Some(member) = self.members.get_mut(&serial) else { return Vec::new() };
        member.tracing = Some(tracing);
        let key = member.key;
        let mut effects = Vec::new();
        // It stands for one that should have been as it is.
        if member.stage == Stage::Serving && !self.is_wrong(&self.members[&serial], now) {
            let replaced = self.members.iter().find(|(_, m)| m.key == key && self.is_wrong(m, now));
            let replaced = replaced.map(|(serial, _)| *serial);
            effects.extend(replaced.and_then(|serial| self.drain(serial, now)));
        }
        effects.extend(self.retrace(now));
        effects
    }

    /// Starts a process for each version of which one reports and should not, or the other way round. One at a time: the
    /// next begins when this one has replaced its predecessor.
    pub(super) fn retrace(&mut self, now: Duration) -> Vec<Effect> {
        let linger = self.rules.trace_linger;
        let wrong = self.members.values().filter(|member| self.is_wrong(member, now));
        let keys: HashSet<InstanceKey> = wrong.map(|member| member.key).collect();
        let mut effects = Vec::new();
        for key in keys {
            let on_its_way = |m: &Member| {
                let coming = m.stage == Stage::Starting || m.stage == Stage::Serving && m.tracing.is_none();
                m.key == key && coming
            };
            let waits = self.failures.get(&key).is_some_and(|failures| now < failures.until);
            let room = self.members.len() < self.rules.max_processes;
            if room && !waits && !self.members.values().any(on_its_way) {
                effects.push(self.start(key, now));
            }
        }
        let members = &self.members;
        self.traces.unwanted.retain(|worker, since| {
            let reports = |m: &Member| m.key.worker == *worker && m.tracing == Some(Tracing::On);
            now.saturating_sub(*since) <= linger || members.values().any(reports)
        });
        effects
    }

    fn is_wrong(&self, member: &Member, now: Duration) -> bool {
        let worker = &member.key.worker;
        if self.closing
            || self.owners.is_owner(member.key)
            || member.stage != Stage::Serving
            || self.retired.contains_key(&member.key)
        {
            return false;
        }
        match member.tracing {
            Some(Tracing::Off) => self.traces.wanted.contains(worker),
            Some(Tracing::On) => {
                let since = self.traces.unwanted.get(worker);
                since.is_some_and(|since| now.saturating_sub(*since) > self.rules.trace_linger)
            }
            Some(Tracing::Always) | None => false,
        }
    }
}
