//! Decides which processes there should be. Pure: events and the time go in, effects come out.
//!
//! Times are durations since the supervisor started.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::time::Duration;

use hearth_model::WorkerId;

use crate::{Death, InstanceKey};

mod fronts;
mod owners;
mod pins;
mod shares;
mod traces;

use fronts::Fronts;
use owners::Owners;
use pins::Pins;
pub use shares::Allotment;
use shares::Shares;
pub(crate) use shares::Tenant;
use traces::Traces;
pub(crate) use traces::Tracing;

/// Identifies a process among all of this run.
pub(crate) type Serial = u64;

/// The numbers that decisions depend on.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// Bytes that all instances together may use before idle ones are asked to leave.
    pub memory_budget: u64,
    /// Most processes alive, draining ones included.
    pub max_processes: usize,
    /// Most processes of one worker version that serve at a time.
    pub max_per_key: usize,
    /// Cores that must have nothing to do before a busy worker gets another process: without them it only takes turns
    /// with the rest.
    pub spare_cores: f64,
    /// How long one front fewer must have been enough before one leaves.
    pub cool_down: Duration,
    /// Most processes of one function's version that serve at a time.
    pub max_per_function: usize,
    /// How long an unused instance stays while memory lasts.
    pub idle_timeout: Duration,
    /// How long after its last response an instance may still have `waitUntil` work: Cloudflare's 30 s.
    pub linger: Duration,
    /// How long a draining instance's last requests may take.
    pub drain_timeout: Duration,
    /// How long a process may take to leave after SIGTERM.
    pub stop_grace: Duration,
    /// The same for one whose storage another is to take over.
    pub swap_window: Duration,
    /// The wait after a first failed start; it doubles with each further one.
    pub backoff: Duration,
    /// The longest wait after failed starts.
    pub max_backoff: Duration,
    /// How long a process goes on reporting its invocations when nobody wants that any more.
    pub trace_linger: Duration,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Event {
    /// Somebody waits for a place and found none.
    Wanted(InstanceKey),
    /// A call has waited for a while, and every process of the function has one already.
    Crowded(InstanceKey),
    /// A process that was asked for serves.
    Started(Serial),
    /// It listens, and this is whether it reports its invocations.
    Listening(Serial, Tracing),
    /// Somebody wants the worker's invocations reported, or nobody does any more.
    Trace(WorkerId, bool),
    /// A process that was asked for did not come to serve.
    Failed(Serial),
    /// A process is gone.
    Exited(Serial),
    /// What was measured of a process.
    Observed(Serial, Load),
    /// Cores of the machine that had nothing to do lately.
    Spare(f64),
    /// The version is routed to, perhaps again.
    Routed(InstanceKey),
    /// The version is no longer routed to.
    Retired(InstanceKey),
    /// The worker has storage, and from now on only this key may run on it, once; or it has none any more. Processes
    /// that run on it leave.
    Owned(WorkerId, Option<InstanceKey>),
    /// This version of the worker runs whether or not somebody asks for it, as long as there is room; or none does.
    Pinned(WorkerId, Option<InstanceKey>),
    /// Processes of the version leave, and none starts before somebody asks for one.
    Stopped(InstanceKey),
    /// How long an unused process of the worker stays, where it is not as long as everybody's.
    Patience(WorkerId, Option<Duration>),
    /// The worker is this account's.
    Belongs(WorkerId, Tenant),
    /// What an account may have of processes.
    Allotted(Tenant, Allotment),
    /// Time has passed.
    Tick,
    /// Everything shall end.
    Shutdown,
}

/// A measurement of one process.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Load {
    /// Requests and calls in it.
    pub in_flight: usize,
    /// Requests and calls since it started.
    pub served: u64,
    /// Of these, calls to its objects from fronts of its own worker.
    pub forwarded: u64,
    /// When its last request ended.
    pub last_used: Duration,
    /// Bytes charged to it.
    pub memory: u64,
    /// CPU time since it started.
    pub burned: Duration,
    /// Share of one core that it used or waited for since the last measurement.
    pub cpu: f64,
    /// It has nothing left to do once its last request has ended: a function has no `waitUntil`.
    pub prompt: bool,
    /// Its worker's code can run in fronts beside it.
    pub divisible: bool,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Effect {
    /// Start a process for the key.
    Start(Serial, InstanceKey),
    /// Those who wait for the key get nothing: its last starts failed.
    Refuse(InstanceKey),
    /// The same: its account has what it may have of processes, and all of that is in use.
    RefuseShare(InstanceKey),
    /// Give it no new work.
    Drain(Serial),
    /// Give it no new work: nobody has used it for long.
    Suspend(Serial),
    /// The version no longer runs without being asked for: there is no room for it.
    Unpinned(InstanceKey),
    /// Ask it to leave, if nothing is in it.
    Terminate(Serial),
    /// End it.
    Kill(Serial, Death),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Stage {
    Starting,
    /// It starts, and is to leave its storage as soon as it has.
    Evicted,
    Serving,
    Draining(Duration),
    /// It was asked to leave, and is killed when this time has come.
    Stopping(Duration),
}

#[derive(Debug)]
struct Member {
    key: InstanceKey,
    stage: Stage,
    /// It runs on storage, which no other may do meanwhile.
    owns: bool,
    /// None before it listens.
    tracing: Option<Tracing>,
    started: Duration,
    load: Load,
}

#[derive(Debug, Default, Clone, Copy)]
struct Failures {
    count: u32,
    until: Duration,
}

/// The state of all processes as far as decisions need it.
#[derive(Debug)]
pub(crate) struct Plan {
    rules: Rules,
    members: BTreeMap<Serial, Member>,
    failures: HashMap<InstanceKey, Failures>,
    /// Versions that are no longer routed to, and since when. A call that chose its version just before may start a
    /// process for one once more, and so may a preview; it leaves soon after.
    retired: HashMap<InstanceKey, Duration>,
    traces: Traces,
    owners: Owners,
    fronts: Fronts,
    pins: Pins,
    shares: Shares,
    next: Serial,
    spare_cores: f64,
    closing: bool,
}

/// A process that leaves this soon after its start without having served has failed to start.
const YOUNG: Duration = Duration::from_secs(10);

/// Above this share of a core a process is hot.
const HOT_CPU: f64 = 0.85;

impl Plan {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            members: BTreeMap::new(),
            failures: HashMap::new(),
            retired: HashMap::new(),
            traces: Traces::default(),
            owners: Owners::default(),
            fronts: Fronts::default(),
            pins: Pins::default(),
            shares: Shares::default(),
            next: 1,
            spare_cores: 0.0,
            closing: false,
        }
    }

    /// Takes an event in and says what follows from it.
    pub(crate) fn on(&mut self, event: Event, now: Duration) -> Vec<Effect> {
        match event {
            Event::Wanted(key) => self.wanted(key, now),
            Event::Crowded(key) => self.crowded(key, now),
            Event::Started(serial) => self.started(serial, now),
            Event::Listening(serial, tracing) => {
                let mut effects = self.listening(serial, tracing, now);
                effects.extend(self.keep_pins(now));
                effects
            }
            Event::Trace(worker, wanted) => {
                self.traces.want(worker, wanted, now);
                self.retrace(now)
            }
            Event::Failed(serial) => self.gone(serial, true, now),
            Event::Exited(serial) => self.gone(serial, false, now),
            Event::Observed(serial, load) => self.observed(serial, load, now),
            Event::Spare(cores) => {
                self.spare_cores = cores;
                Vec::new()
            }
            Event::Routed(key) => {
                self.retired.remove(&key);
                Vec::new()
            }
            Event::Owned(worker, owner) => self.owned(worker, owner, now),
            Event::Pinned(worker, key) => {
                self.pins.set(worker, key);
                self.keep_pins(now)
            }
            Event::Stopped(key) => {
                self.pins.stop(key);
                let of = |key: InstanceKey| (key.worker, key.version);
                self.drain_all(|member| of(member.key) == of(key), now)
            }
            Event::Patience(worker, patience) => {
                self.pins.be_patient(worker, patience);
                Vec::new()
            }
            Event::Belongs(worker, tenant) => {
                self.shares.belongs(worker, tenant);
                Vec::new()
            }
            Event::Allotted(tenant, allotment) => {
                self.shares.allot(tenant, allotment);
                Vec::new()
            }
            // What it owns it leaves to another when that comes.
            Event::Retired(key) if self.owners.is_owner(key) => Vec::new(),
            Event::Retired(key) => {
                self.retired.insert(key, now);
                self.drain_all(|member| member.key == key, now)
            }
            Event::Tick => self.tick(now),
            Event::Shutdown => {
                self.closing = true;
                self.drain_all(|_| true, now)
            }
        }
    }

    /// Processes that are not gone.
    pub(crate) fn alive(&self) -> usize {
        self.members.len()
    }

    fn of(&self, key: InstanceKey, stage: Stage) -> usize {
        self.members.values().filter(|m| m.key == key && m.stage == stage).count()
    }

    fn wanted(&mut self, key: InstanceKey, now: Duration) -> Vec<Effect> {
        self.pins.resume(key);
        if self.of(key, Stage::Starting) + self.of(key, Stage::Serving) > 0 {
            return Vec::new();
        }
        let waits = self.failures.get(&key).is_some_and(|failures| now < failures.until);
        if self.closing || waits || self.owners.excludes(key) {
            return vec![Effect::Refuse(key)];
        }
        if let Some(effects) = self.hold(key, now) {
            return effects;
        }
        let Some(mut effects) = self.make_share(key, now) else { return vec![Effect::RefuseShare(key)] };
        if self.members.len() >= self.rules.max_processes {
            match self.make_room(now) {
                Some(room) => effects.extend(room),
                None => return vec![Effect::Refuse(key)],
            }
        }
        effects.push(self.start(key, now));
        effects
    }

    /// One more process at a time: whether it helps shows in how long the next calls wait.
    fn crowded(&mut self, key: InstanceKey, now: Duration) -> Vec<Effect> {
        let waits = self.failures.get(&key).is_some_and(|failures| now < failures.until);
        let (starting, serving) = (self.of(key, Stage::Starting), self.of(key, Stage::Serving));
        let full = serving >= self.rules.max_per_function || self.members.len() >= self.rules.max_processes;
        let full = full || !self.has_share(key);
        if self.closing || waits || starting > 0 || full || self.retired.contains_key(&key) {
            return Vec::new();
        }
        vec![self.start(key, now)]
    }

    fn start(&mut self, key: InstanceKey, now: Duration) -> Effect {
        let serial = self.next;
        self.next += 1;
        let load = Load { last_used: now, ..Load::default() };
        let owns = self.owners.is_owner(key);
        let member = Member { key, stage: Stage::Starting, owns, tracing: None, started: now, load };
        self.members.insert(serial, member);
        Effect::Start(serial, key)
    }

    fn started(&mut self, serial: Serial, now: Duration) -> Vec<Effect> {
        let Some(member) = self.members.get_mut(&serial) else { return Vec::new() };
        if member.stage != Stage::Starting {
            // It was retired, or everything shut down, while it started. Its time to drain begins now.
            let evicted = member.stage == Stage::Evicted;
            member.stage = Stage::Draining(now);
            let mut effects = vec![Effect::Drain(serial)];
            if evicted {
                effects.extend(self.terminate(serial, self.rules.swap_window, now));
            }
            return effects;
        }
        member.stage = Stage::Serving;
        member.load.last_used = now;
        Vec::new()
    }

    fn gone(&mut self, serial: Serial, failed: bool, now: Duration) -> Vec<Effect> {
        let Some(member) = self.members.remove(&serial) else { return Vec::new() };
        let mut effects = self.count_failure(&member, failed, now);
        effects.extend(self.release(&member, now));
        effects
    }

    fn count_failure(&mut self, member: &Member, failed: bool, now: Duration) -> Vec<Effect> {
        let left_by_itself = matches!(member.stage, Stage::Starting | Stage::Serving);
        let young = now.saturating_sub(member.started) < YOUNG && member.load.served == 0;
        if !(failed || left_by_itself && young) {
            if member.load.served > 0 {
                self.failures.remove(&member.key);
            }
            return Vec::new();
        }
        let failures = self.failures.entry(member.key).or_default();
        failures.count += 1;
        let wait = self.rules.backoff.saturating_mul(1 << (failures.count - 1).min(16));
        failures.until = now + wait.min(self.rules.max_backoff);
        vec![Effect::Refuse(member.key)]
    }

    fn observed(&mut self, serial: Serial, load: Load, now: Duration) -> Vec<Effect> {
        let Some(member) = self.members.get_mut(&serial) else { return Vec::new() };
        member.load = load;
        let key = member.key;
        if member.stage != Stage::Serving || self.closing {
            return Vec::new();
        }
        if self.owners.is_owner(key) || self.is_beside(key) {
            return self.spread(key.worker, now);
        }
        match self.lacks_one(|other| other == key) && self.has_share(key) {
            true => vec![self.start(key, now)],
            false => Vec::new(),
        }
    }

    /// Whether processes that share a load have too much of it, and there is room for one more.
    fn lacks_one(&self, shares: impl Fn(InstanceKey) -> bool) -> bool {
        let hot = |m: &Member| m.load.cpu > HOT_CPU && m.load.in_flight > 1;
        let mut serving = 0;
        for member in self.members.values().filter(|m| shares(m.key)) {
            match member.stage {
                Stage::Serving if hot(member) => serving += 1,
                Stage::Serving | Stage::Starting => return false,
                Stage::Evicted | Stage::Draining(_) | Stage::Stopping(_) => {}
            }
        }
        let room = serving < self.rules.max_per_key && self.members.len() < self.rules.max_processes;
        room && self.spare_cores >= self.rules.spare_cores
    }

    fn drain_all(&mut self, which: impl Fn(&Member) -> bool, now: Duration) -> Vec<Effect> {
        let serials: Vec<_> = self.members.iter().filter(|(_, m)| which(m)).map(|(s, _)| *s).collect();
        serials.into_iter().flat_map(|serial| self.drain(serial, now)).collect()
    }

    /// Also for one that still starts: it drains as soon as it has.
    fn drain(&mut self, serial: Serial, now: Duration) -> Option<Effect> {
        let member = self.members.get_mut(&serial)?;
        let effect = match member.stage {
            Stage::Serving => Some(Effect::Drain(serial)),
            Stage::Starting => None,
            Stage::Evicted | Stage::Draining(_) | Stage::Stopping(_) => return None,
        };
        member.stage = Stage::Draining(now);
        effect
    }

    fn tick(&mut self, now: Duration) -> Vec<Effect> {
        let mut effects = Vec::new();
        for (serial, member) in &mut self.members {
            match member.stage {
                Stage::Draining(since) if leaves(&self.rules, member, since, now, self.closing) => {
                    member.stage = Stage::Stopping(now + self.rules.stop_grace);
                    effects.push(Effect::Terminate(*serial));
                }
                Stage::Stopping(until) if now > until => {
                    member.stage = Stage::Stopping(now + self.rules.stop_grace);
                    effects.push(Effect::Kill(*serial, Death::Stopped));
                }
                _ => {}
            }
        }
        let timeout = self.rules.idle_timeout;
        self.retired.retain(|_, since| now.saturating_sub(*since) <= timeout);
        let stragglers: Vec<_> = self.retired.keys().copied().collect();
        let linger = self.rules.linger;
        let unused = |m: &Member| now.saturating_sub(m.load.last_used);
        effects
            .extend(self.drain_all(|m| stragglers.contains(&m.key) && is_idle(m) && unused(m) > linger, now));
        effects.extend(self.thin_out(now));
        effects.extend(self.suspend_idle(now));
        effects.extend(self.relieve_accounts(now));
        effects.extend(self.relieve(now));
        effects.extend(self.keep_pins(now));
        effects.extend(self.retrace(now));
        self.failures.retain(|_, failures| now < failures.until + YOUNG);
        effects
    }

    /// Brings memory under its budget, as far as idle instances allow.
    fn relieve(&mut self, now: Duration) -> Vec<Effect> {
        let leaving = |m: &Member| matches!(m.stage, Stage::Draining(_) | Stage::Stopping(_));
        let mut used: u64 = self.members.values().filter(|m| !leaving(m)).map(|m| m.load.memory).sum();
        let mut effects = Vec::new();
        while used > self.rules.memory_budget {
            let Some(serial) = self.most_dispensable(now).or_else(|| self.unpin(now, &mut effects)) else {
                break;
            };
            used -= self.members[&serial].load.memory;
            effects.extend(self.drain(serial, now));
        }
        effects
    }

    /// Lets an idle process go, a pinned one only where there is no other. None: all are in use.
    fn make_room(&mut self, now: Duration) -> Option<Vec<Effect>> {
        let mut effects = Vec::new();
        let serial = self.most_dispensable(now).or_else(|| self.unpin(now, &mut effects))?;
        effects.extend(self.drain(serial, now));
        Some(effects)
    }

    /// The idle instance whose absence frees most for longest: memory times the time it has been unused. One that may
    /// still have `waitUntil` work is not idle.
    fn most_dispensable(&self, now: Duration) -> Option<Serial> {
        let score = |m: &Member| m.load.memory as f64 * now.saturating_sub(m.load.last_used).as_secs_f64();
        self.members
            .iter()
            .filter(|(_, m)| self.is_dispensable(m, now) && !self.pins.holds(m.key))
            .max_by(|(_, a), (_, b)| score(a).total_cmp(&score(b)))
            .map(|(serial, _)| *serial)
    }

    /// Nothing is in it, nor is there `waitUntil` work.
    fn is_dispensable(&self, member: &Member, now: Duration) -> bool {
        let unused = now.saturating_sub(member.load.last_used);
        is_idle(member) && (member.load.served == 0 && !member.owns || unused > self.rules.linger)
    }
}

fn is_idle(member: &Member) -> bool {
    member.stage == Stage::Serving && member.load.in_flight == 0
}

/// Whether a draining process has nothing left to do, or has had its time. When everything ends, `waitUntil` gets the
/// grace of a stop only.
fn leaves(rules: &Rules, member: &Member, since: Duration, now: Duration, closing: bool) -> bool {
    let linger = match (member.load.served, closing) {
        (0, _) => Duration::ZERO,
        _ if member.load.prompt => Duration::ZERO,
        (_, true) => rules.stop_grace,
        (_, false) => rules.linger,
    };
    let finished = member.load.in_flight == 0 && now.saturating_sub(member.load.last_used) >= linger;
    finished || now.saturating_sub(since) > rules.drain_timeout
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
