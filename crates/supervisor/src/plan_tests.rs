use super::*;
use hearth_model::{VersionId, WorkerId};
use proptest::prelude::*;

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn rules() -> Rules {
    Rules {
        memory_budget: 1000,
        max_processes: 8,
        max_per_key: 2,
        spare_cores: 0.5,
        cool_down: 30 * SECOND,
        max_per_function: 3,
        idle_timeout: 3600 * SECOND,
        linger: 30 * SECOND,
        drain_timeout: 300 * SECOND,
        stop_grace: 5 * SECOND,
        swap_window: SECOND,
        backoff: SECOND,
        max_backoff: 60 * SECOND,
        trace_linger: 60 * SECOND,
    }
}

fn key() -> InstanceKey {
    InstanceKey::fused(WorkerId::random(), VersionId::random())
}

/// A plan with one serving process of a key.
fn serving() -> (Plan, InstanceKey, Serial) {
    let mut plan = Plan::new(rules());
    let key = key();
    let effects = plan.on(Event::Wanted(key), Duration::ZERO);
    let [Effect::Start(serial, started)] = effects[..] else { panic!("{effects:?}") };
    assert_eq!(started, key);
    assert_eq!(plan.on(Event::Started(serial), Duration::ZERO), []);
    (plan, key, serial)
}

pub(super) fn load(in_flight: usize, served: u64, last_used: Duration) -> Load {
    Load { in_flight, served, last_used, memory: 100, ..Load::default() }
}

#[test]
fn one_start_serves_all_who_wait() {
    let mut plan = Plan::new(rules());
    let key = key();
    assert!(matches!(plan.on(Event::Wanted(key), Duration::ZERO)[..], [Effect::Start(..)]));
    assert_eq!(plan.on(Event::Wanted(key), Duration::ZERO), []);
}

#[test]
fn failed_starts_back_off_and_a_served_request_forgives() {
    let mut plan = Plan::new(rules());
    let key = key();
    let mut now = Duration::ZERO;
    for expected in [1, 2, 4] {
        let [Effect::Start(serial, _)] = plan.on(Event::Wanted(key), now)[..] else { panic!() };
        assert_eq!(plan.on(Event::Failed(serial), now), [Effect::Refuse(key)]);
        assert_eq!(plan.on(Event::Wanted(key), now), [Effect::Refuse(key)]);
        now += expected * SECOND;
    }
    let [Effect::Start(serial, _)] = plan.on(Event::Wanted(key), now)[..] else { panic!() };
    plan.on(Event::Started(serial), now);
    plan.on(Event::Observed(serial, load(0, 1, now)), now);
    plan.on(Event::Exited(serial), now);
    assert!(matches!(plan.on(Event::Wanted(key), now)[..], [Effect::Start(..)]));
}

#[test]
fn a_retired_process_leaves_after_its_last_request_and_its_wait_until() {
    let (mut plan, key, serial) = serving();
    plan.on(Event::Observed(serial, load(1, 5, Duration::ZERO)), Duration::ZERO);
    assert_eq!(plan.on(Event::Retired(key), SECOND), [Effect::Drain(serial)]);
    assert_eq!(plan.on(Event::Tick, 60 * SECOND), []);
    plan.on(Event::Observed(serial, load(0, 5, 60 * SECOND)), 60 * SECOND);
    assert_eq!(plan.on(Event::Tick, 89 * SECOND), []);
    assert_eq!(plan.on(Event::Tick, 90 * SECOND), [Effect::Terminate(serial)]);
    assert_eq!(plan.on(Event::Tick, 94 * SECOND), []);
    assert_eq!(plan.on(Event::Tick, 96 * SECOND), [Effect::Kill(serial, Death::Stopped)]);
    plan.on(Event::Exited(serial), 96 * SECOND);
    assert_eq!(plan.alive(), 0);
}

#[test]
fn a_process_that_served_nothing_leaves_at_once() {
    let (mut plan, key, serial) = serving();
    plan.on(Event::Retired(key), SECOND);
    assert_eq!(plan.on(Event::Tick, SECOND), [Effect::Terminate(serial)]);
}

#[test]
fn a_process_retired_while_it_starts_drains_once_it_has() {
    let mut plan = Plan::new(rules());
    let key = key();
    let [Effect::Start(serial, _)] = plan.on(Event::Wanted(key), Duration::ZERO)[..] else { panic!() };
    assert_eq!(plan.on(Event::Retired(key), Duration::ZERO), []);
    assert_eq!(plan.on(Event::Started(serial), Duration::ZERO), [Effect::Drain(serial)]);
}

#[test]
fn a_straggler_of_a_retired_version_leaves_soon_and_one_that_is_routed_to_again_stays() {
    for again in [false, true] {
        let mut plan = Plan::new(rules());
        let key = key();
        plan.on(Event::Retired(key), Duration::ZERO);
        let [Effect::Start(serial, _)] = plan.on(Event::Wanted(key), SECOND)[..] else { panic!() };
        assert_eq!(plan.on(Event::Started(serial), SECOND), []);
        plan.on(Event::Observed(serial, load(0, 1, 2 * SECOND)), 2 * SECOND);
        if again {
            plan.on(Event::Routed(key), 3 * SECOND);
        }
        assert_eq!(plan.on(Event::Tick, 32 * SECOND), []);
        let expected = if again { vec![] } else { vec![Effect::Drain(serial)] };
        assert_eq!(plan.on(Event::Tick, 33 * SECOND), expected);
    }
}

#[test]
fn a_draining_process_does_not_keep_a_version_from_starting_again() {
    let (mut plan, key, _) = serving();
    plan.on(Event::Retired(key), SECOND);
    assert!(matches!(plan.on(Event::Wanted(key), SECOND)[..], [Effect::Start(..)]));
}

#[test]
fn memory_over_budget_takes_the_longest_idle_and_never_one_in_use() {
    let mut plan = Plan::new(rules());
    let mut serials = Vec::new();
    for n in 0..4_u32 {
        let [Effect::Start(serial, _)] = plan.on(Event::Wanted(key()), Duration::ZERO)[..] else { panic!() };
        plan.on(Event::Started(serial), Duration::ZERO);
        let busy = usize::from(n == 0);
        let last_used = n * 10 * SECOND;
        plan.on(Event::Observed(serial, Load { memory: 400, ..load(busy, 1, last_used) }), 60 * SECOND);
        serials.push(serial);
    }
    let effects = plan.on(Event::Tick, 61 * SECOND);
    assert_eq!(effects, [Effect::Drain(serials[1]), Effect::Drain(serials[2])]);
}

#[test]
fn an_unused_instance_leaves_after_the_idle_timeout() {
    let (mut plan, _, serial) = serving();
    assert_eq!(plan.on(Event::Tick, 3599 * SECOND), []);
    assert_eq!(plan.on(Event::Tick, 3601 * SECOND), [Effect::Suspend(serial)]);
}

#[test]
fn a_hot_worker_gets_another_process_up_to_its_bound() {
    let (mut plan, key, serial) = serving();
    let hot = Load { cpu: 0.95, ..load(16, 100, SECOND) };
    plan.on(Event::Spare(0.2), SECOND);
    assert_eq!(plan.on(Event::Observed(serial, hot), SECOND), [], "the machine has nothing left");
    plan.on(Event::Spare(1.5), SECOND);
    let [Effect::Start(second, again)] = plan.on(Event::Observed(serial, hot), SECOND)[..] else { panic!() };
    assert_eq!(again, key);
    assert_eq!(plan.on(Event::Observed(serial, hot), SECOND), []);
    plan.on(Event::Started(second), SECOND);
    plan.on(Event::Observed(second, hot), SECOND);
    assert_eq!(plan.on(Event::Observed(serial, hot), SECOND), []);
}

#[test]
fn when_everything_is_full_and_busy_a_start_is_refused() {
    let mut plan = Plan::new(Rules { max_processes: 1, ..rules() });
    let [Effect::Start(serial, _)] = plan.on(Event::Wanted(key()), Duration::ZERO)[..] else { panic!() };
    plan.on(Event::Started(serial), Duration::ZERO);
    plan.on(Event::Observed(serial, load(1, 1, Duration::ZERO)), Duration::ZERO);
    let other = key();
    assert_eq!(plan.on(Event::Wanted(other), SECOND), [Effect::Refuse(other)]);
}

#[test]
fn shutdown_drains_all_and_starts_none() {
    let (mut plan, key, serial) = serving();
    assert_eq!(plan.on(Event::Shutdown, SECOND), [Effect::Drain(serial)]);
    assert_eq!(plan.on(Event::Wanted(key), SECOND), [Effect::Refuse(key)]);
    assert_eq!(plan.on(Event::Tick, SECOND), [Effect::Terminate(serial)]);
}

/// A plan with a worker that has storage, and the process that runs on it.
pub(super) fn owning() -> (Plan, InstanceKey, Serial) {
    let mut plan = Plan::new(rules());
    let key = key();
    assert_eq!(plan.on(Event::Owned(key.worker, Some(key)), Duration::ZERO), []);
    let [Effect::Start(serial, _)] = plan.on(Event::Wanted(key), Duration::ZERO)[..] else { panic!() };
    plan.on(Event::Started(serial), Duration::ZERO);
    plan.on(Event::Listening(serial, Tracing::Always), Duration::ZERO);
    (plan, key, serial)
}

fn successor(key: InstanceKey) -> InstanceKey {
    InstanceKey::fused(key.worker, VersionId::random())
}

#[test]
fn fronts_run_beside_the_owner_and_through_its_swaps() {
    let (mut plan, old, _) = owning();
    let front = InstanceKey::front(old.worker, VersionId::random());
    let [Effect::Start(serial, started)] = plan.on(Event::Wanted(front), SECOND)[..] else { panic!() };
    assert_eq!(started, front);
    assert_eq!(plan.on(Event::Started(serial), SECOND), []);
    let swap = plan.on(Event::Owned(old.worker, Some(successor(old))), SECOND);
    assert!(!swap.is_empty() && !swap.contains(&Effect::Drain(serial)), "{swap:?}");
    assert_eq!(plan.on(Event::Retired(front), 2 * SECOND), [Effect::Drain(serial)]);
}

#[test]
fn on_storage_the_next_starts_when_the_last_is_gone() {
    let (mut plan, old, first) = owning();
    let new = successor(old);
    plan.on(Event::Observed(first, load(3, 9, SECOND)), SECOND);
    let effects = plan.on(Event::Owned(old.worker, Some(new)), SECOND);
    assert_eq!(effects, [Effect::Refuse(old), Effect::Drain(first), Effect::Terminate(first)]);
    assert_eq!(plan.on(Event::Wanted(new), SECOND), [], "it waits");
    assert_eq!(plan.on(Event::Wanted(old), SECOND), [Effect::Refuse(old)]);
    assert_eq!(plan.on(Event::Tick, 2 * SECOND), []);
    let late = plan.on(Event::Tick, 2 * SECOND + Duration::from_millis(1));
    assert_eq!(late, [Effect::Kill(first, Death::Stopped)]);
    let [Effect::Start(second, started)] = plan.on(Event::Exited(first), 3 * SECOND)[..] else { panic!() };
    assert_eq!((started, second != first), (new, true));
    assert_eq!(plan.on(Event::Wanted(new), 3 * SECOND), []);
}

#[test]
fn storage_has_one_process_however_hot_and_who_leaves_it_is_waited_for() {
    let (mut plan, key, serial) = owning();
    plan.on(Event::Spare(2.0), SECOND);
    let hot = Load { cpu: 0.99, ..load(16, 100, SECOND) };
    assert_eq!(plan.on(Event::Observed(serial, hot), SECOND), []);
    // It has been idle, and is wanted again just as it begins to leave.
    plan.on(Event::Observed(serial, load(0, 100, SECOND)), SECOND);
    assert_eq!(plan.on(Event::Tick, 3602 * SECOND), [Effect::Suspend(serial)]);
    assert_eq!(plan.on(Event::Wanted(key), 3602 * SECOND), [Effect::Terminate(serial)]);
    assert!(matches!(plan.on(Event::Exited(serial), 3603 * SECOND)[..], [Effect::Start(..)]));
}

#[test]
fn one_that_still_starts_is_evicted_when_it_has_started() {
    let mut plan = Plan::new(rules());
    let old = key();
    let new = successor(old);
    plan.on(Event::Owned(old.worker, Some(old)), Duration::ZERO);
    let [Effect::Start(first, _)] = plan.on(Event::Wanted(old), Duration::ZERO)[..] else { panic!() };
    assert_eq!(plan.on(Event::Owned(old.worker, Some(new)), SECOND), [Effect::Refuse(old)]);
    assert_eq!(plan.on(Event::Wanted(new), SECOND), []);
    assert_eq!(plan.on(Event::Tick, 100 * SECOND), []);
    assert_eq!(plan.on(Event::Started(first), SECOND), [Effect::Drain(first), Effect::Terminate(first)]);
    assert!(matches!(plan.on(Event::Failed(first), SECOND)[..], [.., Effect::Start(_, key)] if key == new));
}

#[test]
fn a_worker_that_gets_storage_need_not_wait_for_those_without() {
    let (mut plan, old, first) = serving();
    let new = successor(old);
    assert_eq!(plan.on(Event::Owned(old.worker, Some(new)), SECOND), []);
    assert!(matches!(plan.on(Event::Wanted(new), SECOND)[..], [Effect::Start(..)]));
    assert_eq!(plan.on(Event::Retired(old), SECOND), [Effect::Drain(first)]);
}

/// What a start of the plan's is answered with.
fn comes_up(plan: &mut Plan, serial: Serial, tracing: Tracing, now: Duration) -> Vec<Effect> {
    assert_eq!(plan.on(Event::Started(serial), now), []);
    plan.on(Event::Listening(serial, tracing), now)
}

#[test]
fn a_worker_that_is_watched_changes_processes_and_changes_back_when_it_is_not() {
    let (mut plan, key, old) = serving();
    plan.on(Event::Listening(old, Tracing::Off), Duration::ZERO);
    assert_eq!(plan.on(Event::Tick, SECOND), []);
    let [Effect::Start(new, again)] = plan.on(Event::Trace(key.worker, true), SECOND)[..] else { panic!() };
    assert_eq!(again, key);
    assert_eq!(plan.on(Event::Tick, 2 * SECOND), [], "one successor is enough");
    assert_eq!(plan.on(Event::Started(new), 2 * SECOND), [], "the old one serves until the new one listens");
    assert_eq!(plan.on(Event::Tick, 2 * SECOND), []);
    assert_eq!(plan.on(Event::Listening(new, Tracing::On), 2 * SECOND), [Effect::Drain(old)]);
    plan.on(Event::Tick, 3 * SECOND);
    plan.on(Event::Exited(old), 3 * SECOND);

    assert_eq!(plan.on(Event::Trace(key.worker, false), 10 * SECOND), []);
    assert_eq!(plan.on(Event::Tick, 70 * SECOND), [], "whoever comes back soon finds it as it was");
    let [Effect::Start(last, _)] = plan.on(Event::Tick, 71 * SECOND)[..] else { panic!() };
    assert_eq!(comes_up(&mut plan, last, Tracing::Off, 72 * SECOND), [Effect::Drain(new)]);
    assert_eq!(plan.on(Event::Tick, 72 * SECOND), [Effect::Terminate(new)]);
}

#[test]
fn a_watcher_who_comes_back_in_time_costs_nothing() {
    let (mut plan, key, serial) = serving();
    plan.on(Event::Listening(serial, Tracing::On), Duration::ZERO);
    plan.on(Event::Trace(key.worker, true), SECOND);
    plan.on(Event::Trace(key.worker, false), 2 * SECOND);
    plan.on(Event::Trace(key.worker, true), 30 * SECOND);
    assert_eq!(plan.on(Event::Tick, 600 * SECOND), []);
}

#[test]
fn who_always_reports_is_never_replaced() {
    let (mut plan, key, serial) = serving();
    plan.on(Event::Listening(serial, Tracing::Always), Duration::ZERO);
    assert_eq!(plan.on(Event::Trace(key.worker, true), SECOND), []);
    assert_eq!(plan.on(Event::Trace(key.worker, false), 2 * SECOND), []);
    assert_eq!(plan.on(Event::Tick, 600 * SECOND), []);
}

#[test]
fn every_process_of_a_hot_worker_is_replaced_one_after_the_other() {
    let (mut plan, key, first) = serving();
    plan.on(Event::Listening(first, Tracing::Off), Duration::ZERO);
    plan.on(Event::Spare(1.5), SECOND);
    let hot = Load { cpu: 0.95, ..load(16, 100, SECOND) };
    let [Effect::Start(second, _)] = plan.on(Event::Observed(first, hot), SECOND)[..] else { panic!() };
    comes_up(&mut plan, second, Tracing::Off, SECOND);
    let mut drained = Vec::new();
    let mut effects = plan.on(Event::Trace(key.worker, true), 2 * SECOND);
    while let Some(Effect::Start(serial, _)) = effects.iter().find(|e| matches!(e, Effect::Start(..))) {
        effects = comes_up(&mut plan, *serial, Tracing::On, 2 * SECOND);
        drained.extend(effects.iter().filter(|e| matches!(e, Effect::Drain(_))).copied());
    }
    assert_eq!(drained, [Effect::Drain(first), Effect::Drain(second)]);
}

#[test]
fn a_successor_that_does_not_start_is_tried_again_later_and_the_old_one_serves() {
    let (mut plan, key, old) = serving();
    plan.on(Event::Listening(old, Tracing::Off), Duration::ZERO);
    let [Effect::Start(new, _)] = plan.on(Event::Trace(key.worker, true), SECOND)[..] else { panic!() };
    assert_eq!(plan.on(Event::Failed(new), SECOND), [Effect::Refuse(key)]);
    assert_eq!(plan.on(Event::Tick, SECOND), []);
    assert!(matches!(plan.on(Event::Tick, 3 * SECOND)[..], [Effect::Start(..)]));
}

/// A plan whose budget is `n` fresh processes, with a pinned one that serves for each of `pins`, oldest first.
fn pinned(n: u64, pins: usize) -> (Plan, Vec<(InstanceKey, Serial)>) {
    let mut plan = Plan::new(Rules { memory_budget: n * (10 << 20), ..rules() });
    let mut all = Vec::new();
    for _ in 0..pins {
        let key = key();
        let [Effect::Start(serial, started)] = plan.on(Event::Pinned(key.worker, Some(key)), SECOND)[..]
        else {
            panic!("a pinned version starts unasked")
        };
        assert_eq!(started, key);
        plan.on(Event::Started(serial), SECOND);
        plan.on(Event::Observed(serial, Load { memory: 10 << 20, ..load(0, 0, SECOND) }), SECOND);
        all.push((key, serial));
    }
    (plan, all)
}

#[test]
fn a_pinned_version_starts_stays_and_comes_back() {
    let (mut plan, pins) = pinned(3, 1);
    let (key, serial) = pins[0];
    assert_eq!(plan.on(Event::Tick, 4000 * SECOND), [], "unused for longer than others stay");
    plan.on(Event::Observed(serial, Load { memory: 1, ..load(0, 3, SECOND) }), 4000 * SECOND);
    let [Effect::Start(again, _)] =
        [plan.on(Event::Exited(serial), 4000 * SECOND), plan.on(Event::Tick, 4000 * SECOND)].concat()[..]
    else {
        panic!("it comes back when its process has died")
    };
    plan.on(Event::Started(again), 4000 * SECOND);
    assert_eq!(plan.on(Event::Pinned(key.worker, None), 4001 * SECOND), []);
    assert_eq!(plan.on(Event::Tick, 9000 * SECOND), [Effect::Suspend(again)]);
}

#[test]
fn a_pinned_version_that_is_stopped_waits_until_it_is_wanted() {
    let (mut plan, pins) = pinned(3, 1);
    let (key, serial) = pins[0];
    assert_eq!(plan.on(Event::Stopped(key), 2 * SECOND), [Effect::Drain(serial)]);
    assert_eq!(plan.on(Event::Tick, 3 * SECOND), [Effect::Terminate(serial)]);
    plan.on(Event::Exited(serial), 3 * SECOND);
    assert_eq!(plan.on(Event::Tick, 4 * SECOND), []);
    let [Effect::Start(again, _)] = plan.on(Event::Wanted(key), 5 * SECOND)[..] else { panic!() };
    plan.on(Event::Started(again), 5 * SECOND);
    assert_eq!(plan.on(Event::Tick, 9000 * SECOND), [], "it is pinned as before");
}

#[test]
fn beyond_the_budget_the_oldest_loses_its_pin() {
    let (mut plan, pins) = pinned(2, 2);
    let third = key();
    let effects = plan.on(Event::Pinned(third.worker, Some(third)), 2 * SECOND);
    assert_eq!(effects, [Effect::Unpinned(pins[0].0), Effect::Drain(pins[0].1)]);
    assert!(
        matches!(plan.on(Event::Tick, 3 * SECOND)[..], [Effect::Terminate(_), Effect::Start(_, key)] if key == third)
    );
}

#[test]
fn the_oldest_loses_its_pin_though_its_process_cannot_go_yet() {
    let (mut plan, pins) = pinned(2, 2);
    for (_, serial) in &pins {
        plan.on(Event::Observed(*serial, Load { memory: 10 << 20, ..load(0, 1, SECOND) }), SECOND);
    }
    let third = key();
    assert_eq!(
        plan.on(Event::Pinned(third.worker, Some(third)), 2 * SECOND),
        [],
        "both may have `waitUntil` work"
    );
    assert_eq!(plan.on(Event::Tick, 20 * SECOND), []);
    let effects = plan.on(Event::Tick, 60 * SECOND);
    assert_eq!(effects, [Effect::Unpinned(pins[0].0), Effect::Drain(pins[0].1)]);
}

#[test]
fn one_that_grows_costs_the_oldest_pin_and_only_when_nothing_else_can_go() {
    let (mut plan, pins) = pinned(4, 2);
    let [Effect::Start(other, _)] = plan.on(Event::Wanted(key()), SECOND)[..] else { panic!() };
    plan.on(Event::Started(other), SECOND);
    let grown = Load { memory: 60 << 20, ..load(0, 1, SECOND) };
    plan.on(Event::Observed(other, grown), SECOND);
    assert_eq!(plan.on(Event::Tick, 60 * SECOND), [Effect::Drain(other)]);
    plan.on(Event::Observed(pins[1].1, Load { in_flight: 1, ..grown }), 61 * SECOND);
    let effects = plan.on(Event::Tick, 61 * SECOND);
    assert!(effects.contains(&Effect::Unpinned(pins[0].0)), "{effects:?}");
    assert!(!effects.contains(&Effect::Unpinned(pins[1].0)), "{effects:?}");
}

#[test]
fn a_worker_may_be_less_patient_than_others() {
    let (mut plan, key, serial) = serving();
    plan.on(Event::Patience(key.worker, Some(5 * SECOND)), SECOND);
    assert_eq!(plan.on(Event::Tick, 5 * SECOND), []);
    assert_eq!(plan.on(Event::Tick, 6 * SECOND), [Effect::Suspend(serial)]);
}

#[derive(Debug, Clone)]
enum Step {
    Listen(usize, bool),
    Trace(usize, bool),
    Want(usize),
    Retire(usize),
    Pin(usize, bool),
    Stop(usize),
    Own(usize, usize),
    Start(usize),
    Fail(usize),
    Exit(usize),
    Observe(usize, usize, u64),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4_usize).prop_map(Step::Want),
        (0..9_usize, any::<bool>()).prop_map(|(i, on)| Step::Listen(i, on)),
        (0..4_usize, any::<bool>()).prop_map(|(k, on)| Step::Trace(k, on)),
        (0..4_usize).prop_map(Step::Retire),
        (0..4_usize, any::<bool>()).prop_map(|(k, on)| Step::Pin(k, on)),
        (0..4_usize).prop_map(Step::Stop),
        (0..4_usize, 0..3_usize).prop_map(|(k, v)| Step::Own(k, v)),
        (0..9_usize).prop_map(Step::Start),
        (0..9_usize).prop_map(Step::Fail),
        (0..9_usize).prop_map(Step::Exit),
        (0..9_usize, 0..3_usize, 0..900_u64).prop_map(|(i, n, m)| Step::Observe(i, n, m)),
        (0..120_u64).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever happens in whatever order: the bound on processes holds, nothing in use is told to leave before the
    /// drain timeout, and every effect names a process that is there.
    #[test]
    fn bounds_hold_under_any_history(steps in prop::collection::vec(step(), 0..200)) {
        let keys: Vec<_> = (0..4).map(|_| key()).collect();
        let others: Vec<_> = keys.iter().map(|key| successor(*key)).collect();
        let mut owners: HashMap<WorkerId, InstanceKey> = HashMap::new();
        let mut storage: HashMap<Serial, WorkerId> = HashMap::new();
        let mut started: HashMap<Serial, InstanceKey> = HashMap::new();
        let mut evicted: Vec<Serial> = Vec::new();
        let mut plan = Plan::new(rules());
        plan.on(Event::Spare(2.0), Duration::ZERO);
        let known = |key: InstanceKey| {
            let fused = InstanceKey::fused(key.worker, key.version);
            keys.contains(&fused) || others.contains(&fused)
        };
        let mut alive: Vec<Serial> = Vec::new();
        let mut in_flight: HashMap<Serial, usize> = HashMap::new();
        let mut draining: HashMap<Serial, Duration> = HashMap::new();
        let mut now = Duration::ZERO;
        let pick = |alive: &Vec<Serial>, i: usize| (!alive.is_empty()).then(|| alive[i % alive.len()]);
        for step in steps {
            let event = match step {
                Step::Want(k) => Some(Event::Wanted(owners.get(&keys[k].worker).copied().unwrap_or(keys[k]))),
                Step::Retire(k) => Some(Event::Retired(keys[k])),
                Step::Pin(k, on) => Some(Event::Pinned(keys[k].worker, on.then_some(keys[k]))),
                Step::Stop(k) => Some(Event::Stopped(keys[k])),
                // Some workers have storage, whose owner is now this version and now that.
                Step::Own(k, v) => {
                    let owner = [Some(keys[k]), Some(others[k]), None][v];
                    Some(Event::Owned(keys[k].worker, owner))
                }
                Step::Listen(i, on) => pick(&alive, i)
                    .map(|serial| Event::Listening(serial, if on { Tracing::On } else { Tracing::Off })),
                Step::Trace(k, on) => Some(Event::Trace(keys[k].worker, on)),
                Step::Start(i) => pick(&alive, i).map(Event::Started),
                Step::Fail(i) => pick(&alive, i).map(Event::Failed),
                Step::Exit(i) => pick(&alive, i).map(Event::Exited),
                Step::Observe(i, n, memory) => pick(&alive, i).map(|serial| {
                    in_flight.insert(serial, n);
                    Event::Observed(serial, Load { memory, cpu: n as f64 / 2.0, divisible: true, ..load(n, 1, now) })
                }),
                Step::Wait(seconds) => {
                    now += Duration::from_secs(seconds);
                    Some(Event::Tick)
                }
            };
            let Some(event) = event else { continue };
            if let Event::Failed(serial) | Event::Exited(serial) = event {
                alive.retain(|s| *s != serial);
                storage.remove(&serial);
            }
            if let Event::Owned(worker, owner) = event {
                let same = started.iter().filter(|(_, key)| key.worker == worker && Some(**key) == owner);
                evicted.extend(same.map(|(serial, _)| *serial));
                match owner {
                    Some(owner) => owners.insert(worker, owner),
                    None => owners.remove(&worker),
                };
            }
            for effect in plan.on(event, now) {
                match effect {
                    Effect::Start(serial, key) => {
                        prop_assert!(known(key));
                        if key.role == crate::Role::Front {
                            let host = InstanceKey::fused(key.worker, key.version);
                            prop_assert_eq!(owners.get(&key.worker), Some(&host));
                        }
                        if owners.get(&key.worker) == Some(&key) {
                            // Nobody else runs on it.
                            prop_assert!(!storage.values().any(|worker| *worker == key.worker));
                            storage.insert(serial, key.worker);
                        }
                        started.insert(serial, key);
                        alive.push(serial);
                    }
                    Effect::Drain(serial) | Effect::Suspend(serial) => {
                        prop_assert!(alive.contains(&serial));
                        draining.entry(serial).or_insert(now);
                    }
                    Effect::Terminate(serial) => {
                        prop_assert!(alive.contains(&serial));
                        let idle = in_flight.get(&serial).copied().unwrap_or(0) == 0;
                        let late = draining.get(&serial).is_none_or(|since| now - *since > rules().drain_timeout);
                        prop_assert!(idle || late || evicted.contains(&serial) || storage.contains_key(&serial));
                    }
                    Effect::Kill(serial, _) => prop_assert!(alive.contains(&serial)),
                    Effect::Unpinned(key) | Effect::Refuse(key) | Effect::RefuseShare(key) => prop_assert!(known(key)),
                }
            }
            prop_assert_eq!(plan.alive(), alive.len());
            // Evicting does not free a place at once, so one drained process may stand beside its successor.
            prop_assert!(alive.len() <= rules().max_processes * 2, "{}", alive.len());
        }
    }
}

#[test]
fn a_crowded_function_gets_one_process_after_another_up_to_its_most() {
    let (mut plan, key, _) = serving();
    for _ in 0..2 {
        let [Effect::Start(serial, _)] = plan.on(Event::Crowded(key), SECOND)[..] else { panic!() };
        assert_eq!(plan.on(Event::Crowded(key), SECOND), [], "one starts already");
        plan.on(Event::Started(serial), SECOND);
    }
    assert_eq!(plan.on(Event::Crowded(key), SECOND), [], "it has as many as it may");
}

#[test]
fn a_retired_function_leaves_after_its_last_call() {
    let (mut plan, key, serial) = serving();
    let load = |in_flight| Load { prompt: true, ..load(in_flight, 5, SECOND) };
    plan.on(Event::Observed(serial, load(1)), SECOND);
    assert_eq!(plan.on(Event::Retired(key), SECOND), [Effect::Drain(serial)]);
    assert_eq!(plan.on(Event::Tick, 2 * SECOND), []);
    plan.on(Event::Observed(serial, load(0)), 2 * SECOND);
    assert_eq!(plan.on(Event::Tick, 2 * SECOND), [Effect::Terminate(serial)]);
}
