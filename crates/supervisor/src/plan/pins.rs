//! Versions that run whether or not somebody asks for them, and how long others stay unused.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use hearth_model::WorkerId;

use super::{Effect, Plan, Serial, Stage, is_idle};
use crate::InstanceKey;

/// Processes for pinned versions that start at a time: after a restart there are many, and requests come first.
const STARTS: usize = 2;

/// Bytes that a process is counted as before it was looked at.
pub(super) const FRESH: u64 = 10 << 20;

#[derive(Debug, Default)]
pub(super) struct Pins {
    /// The one pinned last comes last.
    keys: Vec<InstanceKey>,
    /// The same, to look one up.
    pinned: HashSet<InstanceKey>,
    /// Those of them that were sent away, until somebody asks for one.
    stopped: HashSet<InstanceKey>,
    patience: HashMap<WorkerId, Duration>,
}

impl Pins {
    pub(super) fn set(&mut self, worker: WorkerId, key: Option<InstanceKey>) {
        self.keys.retain(|old| old.worker != worker);
        self.pinned.retain(|old| old.worker != worker);
        self.stopped.retain(|old| old.worker != worker);
        self.keys.extend(key);
        self.pinned.extend(key);
    }

    pub(super) fn stop(&mut self, key: InstanceKey) {
        if self.pinned.contains(&key) {
            self.stopped.insert(key);
        }
    }

    pub(super) fn resume(&mut self, key: InstanceKey) {
        self.stopped.remove(&key);
    }

    pub(super) fn be_patient(&mut self, worker: WorkerId, patience: Option<Duration>) {
        match patience {
            Some(patience) => self.patience.insert(worker, patience),
            None => self.patience.remove(&worker),
        };
    }

    /// Whether the version shall run though nobody asks for it.
    pub(super) fn holds(&self, key: InstanceKey) -> bool {
        self.pinned.contains(&key) && !self.stopped.contains(&key)
    }

    fn drop_at(&mut self, position: usize) -> Effect {
        let key = self.keys.remove(position);
        self.pinned.remove(&key);
        self.stopped.remove(&key);
        Effect::Unpinned(key)
    }
}

impl Plan {
    /// Lets go of those that nobody has used for as long as they may stay.
    pub(super) fn suspend_idle(&mut self, now: Duration) -> Vec<Effect> {
        let idle = |pins: &Pins, member: &super::Member| {
            let patience = pins.patience.get(&member.key.worker).unwrap_or(&self.rules.idle_timeout);
            is_idle(member)
                && now.saturating_sub(member.load.last_used) > *patience
                && !pins.holds(member.key)
        };
        let idle: Vec<Serial> =
            self.members.iter().filter(|(_, m)| idle(&self.pins, m)).map(|(serial, _)| *serial).collect();
        idle.into_iter()
            .filter_map(|serial| self.drain(serial, now).map(|_| Effect::Suspend(serial)))
            .collect()
    }

    /// Starts pinned versions that do not run, the newest pin first.
    pub(super) fn keep_pins(&mut self, now: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.closing || self.pins.keys.is_empty() {
            return effects;
        }
        let starting =
            self.members.values().filter(|m| m.stage == Stage::Starting && self.pins.holds(m.key)).count();
        let mut free = STARTS.saturating_sub(starting);
        let runs = |stage: Stage| matches!(stage, Stage::Starting | Stage::Serving);
        let running: HashSet<_> = self.members.values().filter(|m| runs(m.stage)).map(|m| m.key).collect();
        let keys: Vec<_> = self.pins.keys.iter().rev().copied().filter(|key| self.pins.holds(*key)).collect();
        for key in keys {
            let waits = self.failures.get(&key).is_some_and(|failures| now < failures.until);
            // One on storage is started when its turn has come.
            if running.contains(&key) || waits || self.owners.is_owner(key) || self.owners.excludes(key) {
                continue;
            }
            // The account chose what it keeps running; what it has no share for does not take another's.
            if !self.has_share(key) {
                continue;
            }
            if free == 0 {
                break;
            }
            if !self.has_room() {
                let mut older = self.pins.keys.iter().take_while(|other| **other != key);
                let waits = older.any(|other| self.pins.holds(*other) && running.contains(other));
                effects.extend(match self.make_room(now) {
                    Some(freed) => freed,
                    // An older pin is lost first, as soon as its process can go.
                    None if waits => Vec::new(),
                    None => self.give_up_oldest(),
                });
                // What that frees is seen at the next look.
                break;
            }
            free -= 1;
            effects.push(self.start(key, now));
        }
        effects
    }

    fn has_room(&self) -> bool {
        let leaves = |stage: Stage| matches!(stage, Stage::Draining(_) | Stage::Stopping(_));
        let counted = |memory: u64| if memory == 0 { FRESH } else { memory };
        let staying = self.members.values().filter(|m| !leaves(m.stage));
        let used: u64 = staying.map(|m| counted(m.load.memory)).sum();
        used.saturating_add(FRESH) <= self.rules.memory_budget
            && self.members.len() < self.rules.max_processes
    }

    /// Of the pins whose process could go, the oldest is lost. Its process.
    pub(super) fn unpin(&mut self, now: Duration, effects: &mut Vec<Effect>) -> Option<Serial> {
        let of = |key: &InstanceKey| {
            let mut members = self.members.iter();
            members.find(|(_, m)| m.key == *key && self.is_dispensable(m, now)).map(|(serial, _)| *serial)
        };
        let (position, serial) =
            self.pins.keys.iter().enumerate().find_map(|(at, key)| Some((at, of(key)?)))?;
        effects.push(self.pins.drop_at(position));
        Some(serial)
    }

    /// The oldest pin that does not run is lost: there is no room for it.
    fn give_up_oldest(&mut self) -> Vec<Effect> {
        let running: HashSet<_> = self.members.values().map(|m| m.key).collect();
        let position = self.pins.keys.iter().position(|key| self.pins.holds(*key) && !running.contains(key));
        position.map(|position| self.pins.drop_at(position)).into_iter().collect()
    }
}
