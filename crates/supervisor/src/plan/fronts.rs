//! Further processes for a worker with storage that is hot. One process runs on the storage, however busy. What needs none
//! can run beside it, in fronts of the same version, whose calls to the objects go to that one process.
//!
//! A front comes when all that share the load are hot. It leaves when one fewer would do; and all leave when they
//! hardly do more than call objects: the load is in these, and a call from outside costs more than one inside.

use std::collections::HashMap;
use std::time::Duration;

use hearth_model::WorkerId;

use super::{Effect, Member, Plan, Stage};
use crate::{InstanceKey, Role};

/// CPU time that a front must take for each call to an object, to be of use. Where it does nothing but call, that is 1 to
/// 1.6 ms, of which the host saves a fifth (SPECIFICATION.md).
const CALL: Duration = Duration::from_millis(2);

/// How long fronts are looked at before it is said whether they help.
const TRIAL: Duration = Duration::from_secs(5);

/// How long there are none after some that did not help. It doubles each time.
const PAUSE: Duration = Duration::from_secs(60);

/// The longest such time.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Share of the cores of one process fewer, up to which that would do. Far from where one is hot, so that none comes and
/// goes by turns.
const COOL_CPU: f64 = 0.6;

/// What is remembered of workers that have fronts, or had some that did not help.
#[derive(Debug, Default)]
pub(super) struct Fronts(HashMap<WorkerId, Spread>);

#[derive(Debug, Default)]
struct Spread {
    /// Since when one fewer would do.
    cool: Option<Duration>,
    trial: Option<Trial>,
    /// The last pause, and its end.
    paused: Option<(Duration, Duration)>,
}

/// What was known when it began to be looked at whether fronts help.
#[derive(Debug, Clone, Copy)]
struct Trial {
    began: Duration,
    fronts: usize,
    burned: Duration,
    forwarded: u64,
}

impl Fronts {
    fn is_paused(&self, worker: WorkerId, now: Duration) -> bool {
        let paused = self.0.get(&worker).and_then(|spread| spread.paused);
        paused.is_some_and(|(_, until)| now < until)
    }

    /// There is one more, or one fewer: what was seen of the others says nothing of it.
    fn begin_anew(&mut self, worker: WorkerId) {
        if let Some(spread) = self.0.get_mut(&worker) {
            *spread = Spread { paused: spread.paused, ..Spread::default() };
        }
    }
}

impl Plan {
    /// Whether it is the key of a worker's fronts that run what its host runs.
    pub(super) fn is_beside(&self, key: InstanceKey) -> bool {
        key.role == Role::Front
            && self.owners.of(key.worker).is_some_and(|owner| owner.version == key.version)
    }

    /// A process of a worker with storage was looked at: whether the worker gets a front more.
    pub(super) fn spread(&mut self, worker: WorkerId, now: Duration) -> Vec<Effect> {
        let Some(host) = self.owners.of(worker) else { return Vec::new() };
        let front = InstanceKey::front(worker, host.version);
        let divisible = self.members.values().any(|m| m.key == host && m.load.divisible);
        let waits = self.failures.get(&front).is_some_and(|failures| now < failures.until);
        let shares = |key| key == host || key == front;
        let room = || self.lacks_one(shares) && self.has_share(front);
        if !divisible || waits || self.fronts.is_paused(worker, now) || !room() {
            return Vec::new();
        }
        // It may have been a version's of a gradual deployment that ended.
        self.retired.remove(&front);
        self.fronts.begin_anew(worker);
        vec![self.start(front, now)]
    }

    /// Lets fronts go that are not needed, or do not help.
    pub(super) fn thin_out(&mut self, now: Duration) -> Vec<Effect> {
        let mut fronts: HashMap<InstanceKey, Vec<&Member>> = HashMap::new();
        for member in self.members.values().filter(|m| m.stage == Stage::Serving && self.is_beside(m.key)) {
            fronts.entry(member.key).or_default().push(member);
        }
        let mut leaving = Vec::new();
        for (front, members) in fronts {
            let host = self.members.values().find(|m| m.owns && m.key.worker == front.worker);
            let spread = self.fronts.0.entry(front.worker).or_default();
            if spread.is_futile(host, &members, now) {
                leaving.push((front, usize::MAX));
            } else if spread.is_cool(host, &members, now, self.rules.cool_down) {
                leaving.push((front, 1));
            }
        }
        let mut effects = Vec::new();
        for (front, count) in leaving {
            let dismissed = self.dismiss(front, count, now);
            if !dismissed.is_empty() {
                self.fronts.begin_anew(front.worker);
            }
            effects.extend(dismissed);
        }
        self.fronts.0.retain(|worker, spread| {
            let runs = || self.members.values().any(|m| m.key.worker == *worker && m.key.role == Role::Front);
            let remembered = spread.paused.is_some_and(|(pause, until)| now < until + pause);
            remembered || runs()
        });
        effects
    }

    /// Lets some of the fronts go, those with least in them. One that is in use leaves only with all the others: what is
    /// open in it may stay for long.
    fn dismiss(&mut self, front: InstanceKey, count: usize, now: Duration) -> Vec<Effect> {
        let mut serving: Vec<_> = self
            .members
            .iter()
            .filter(|(_, m)| m.key == front && m.stage == Stage::Serving)
            .filter(|(_, m)| count > 1 || m.load.in_flight == 0)
            .map(|(serial, m)| (m.load.in_flight, *serial))
            .collect();
        serving.sort_unstable();
        serving.into_iter().take(count).filter_map(|(_, serial)| self.drain(serial, now)).collect()
    }

    /// The fronts of a version go that no longer has the storage.
    pub(super) fn disband(&mut self, host: InstanceKey, now: Duration) -> Vec<Effect> {
        self.fronts.0.remove(&host.worker);
        let front = InstanceKey::front(host.worker, host.version);
        self.drain_all(|member| member.key == front, now)
    }
}

impl Spread {
    /// Whether all of it would for some time have fitted in one process fewer.
    fn is_cool(
        &mut self,
        host: Option<&Member>,
        fronts: &[&Member],
        now: Duration,
        patience: Duration,
    ) -> bool {
        let used: f64 = host.into_iter().chain(fronts.iter().copied()).map(|m| m.load.cpu).sum();
        let fewer = fronts.len() + usize::from(host.is_some()) - 1;
        if used > COOL_CPU * fewer.max(1) as f64 {
            self.cool = None;
            return false;
        }
        now.saturating_sub(*self.cool.get_or_insert(now)) >= patience
    }

    /// Whether the fronts hardly do more than call objects. Looked at from time to time.
    fn is_futile(&mut self, host: Option<&Member>, fronts: &[&Member], now: Duration) -> bool {
        let seen = Trial {
            began: now,
            fronts: fronts.len(),
            burned: fronts.iter().map(|m| m.load.burned).sum(),
            forwarded: host.map_or(0, |host| host.load.forwarded),
        };
        let Some(trial) = self.trial.filter(|trial| trial.fronts == seen.fronts) else {
            self.trial = Some(seen);
            return false;
        };
        if now.saturating_sub(trial.began) < TRIAL {
            return false;
        }
        self.trial = Some(seen);
        let calls = u32::try_from(seen.forwarded.saturating_sub(trial.forwarded)).unwrap_or(u32::MAX);
        if seen.burned.saturating_sub(trial.burned) >= CALL.saturating_mul(calls) {
            self.paused = None;
            return false;
        }
        let pause = self.paused.map_or(PAUSE, |(last, _)| (last * 2).min(LONGEST_PAUSE));
        self.paused = Some((pause, now + pause));
        self.trial = None;
        true
    }
}

#[cfg(test)]
#[path = "fronts_tests.rs"]
mod tests;
