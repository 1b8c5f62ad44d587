use super::*;
use crate::plan::tests::{SECOND, load, owning, rules};
use crate::plan::{Event, Load, Rules, Serial};
use hearth_model::VersionId;

fn hot() -> Load {
    Load { cpu: 0.95, divisible: true, ..load(16, 100, SECOND) }
}

/// A worker with storage whose process is hot, and the front that it gets for that.
fn spread_out() -> (Plan, InstanceKey, Serial, Serial) {
    let (mut plan, host, first) = owning();
    plan.on(Event::Spare(1.5), SECOND);
    let [Effect::Start(second, front)] = plan.on(Event::Observed(first, hot()), SECOND)[..] else { panic!() };
    assert_eq!(front, InstanceKey::front(host.worker, host.version));
    assert_eq!(plan.on(Event::Observed(first, hot()), SECOND), [], "one at a time");
    assert_eq!(plan.on(Event::Started(second), SECOND), []);
    (plan, host, first, second)
}

/// Looks at a process, and then lets a moment pass.
fn look(plan: &mut Plan, serial: Serial, load: Load, now: Duration) -> Vec<Effect> {
    let mut effects = plan.on(Event::Observed(serial, load), now);
    effects.extend(plan.on(Event::Tick, now));
    effects
}

#[test]
fn a_hot_host_gets_fronts_up_to_the_bound() {
    let (mut plan, _, first, second) = spread_out();
    plan.on(Event::Observed(second, hot()), 2 * SECOND);
    assert_eq!(plan.on(Event::Observed(first, hot()), 2 * SECOND), [], "two of two");
}

#[test]
fn a_further_front_comes_when_all_are_hot() {
    let (_, host, _) = owning();
    let mut plan = Plan::new(Rules { max_per_key: 3, ..rules() });
    plan.on(Event::Owned(host.worker, Some(host)), Duration::ZERO);
    let [Effect::Start(first, _)] = plan.on(Event::Wanted(host), Duration::ZERO)[..] else { panic!() };
    plan.on(Event::Started(first), Duration::ZERO);
    plan.on(Event::Spare(2.0), SECOND);
    let [Effect::Start(second, front)] = plan.on(Event::Observed(first, hot()), SECOND)[..] else { panic!() };
    plan.on(Event::Started(second), SECOND);
    plan.on(Event::Observed(second, Load { cpu: 0.5, ..hot() }), SECOND);
    assert_eq!(plan.on(Event::Observed(first, hot()), SECOND), [], "one has room");
    let [Effect::Start(_, third)] = plan.on(Event::Observed(second, hot()), SECOND)[..] else { panic!() };
    assert_eq!(third, front);
}

#[test]
fn a_host_gets_no_front_that_would_not_run_or_not_help() {
    for (spare, load, why) in [
        (0.2, hot(), "the machine has nothing left"),
        (1.5, Load { divisible: false, ..hot() }, "its code needs the objects' process"),
        (1.5, Load { in_flight: 1, ..hot() }, "nothing waits"),
        (1.5, Load { cpu: 0.5, ..hot() }, "it is not hot"),
    ] {
        let (mut plan, _, first) = owning();
        plan.on(Event::Spare(spare), SECOND);
        assert_eq!(plan.on(Event::Observed(first, load), SECOND), [], "{why}");
    }
}

#[test]
fn a_front_leaves_when_one_fewer_has_been_enough_for_some_time() {
    let (mut plan, _, first, second) = spread_out();
    let half = |in_flight| Load { cpu: 0.25, burned: 9 * SECOND, ..load(in_flight, 100, SECOND) };
    look(&mut plan, first, half(1), 10 * SECOND);
    assert_eq!(look(&mut plan, second, half(1), 10 * SECOND), []);
    assert_eq!(plan.on(Event::Tick, 39 * SECOND), []);
    plan.on(Event::Observed(first, hot()), 39 * SECOND);
    assert_eq!(plan.on(Event::Tick, 40 * SECOND), [], "it is busy again");
    look(&mut plan, first, half(1), 41 * SECOND);
    assert_eq!(plan.on(Event::Tick, 72 * SECOND), [], "something is in it");
    plan.on(Event::Observed(second, half(0)), 72 * SECOND);
    assert_eq!(plan.on(Event::Tick, 73 * SECOND), [Effect::Drain(second)]);
    assert_eq!(plan.on(Event::Tick, 74 * SECOND), [Effect::Terminate(second)]);
}

#[test]
fn fronts_that_only_pass_calls_on_leave_and_come_back_later_and_later() {
    let (mut plan, _, first, mut second) = spread_out();
    let mut now = 2 * SECOND;
    for pause in [60, 120, 240] {
        let calls = |forwarded| Load { forwarded, ..hot() };
        let burned = |millis| Load { burned: Duration::from_millis(millis), ..hot() };
        plan.on(Event::Observed(first, calls(1000)), now);
        look(&mut plan, second, burned(100), now);
        now += TRIAL;
        plan.on(Event::Observed(first, calls(2000)), now);
        assert_eq!(look(&mut plan, second, burned(800), now), [Effect::Drain(second)]);
        plan.on(Event::Exited(second), now);
        now += Duration::from_secs(pause - 1);
        assert_eq!(look(&mut plan, first, hot(), now), [], "after {pause} s");
        now += SECOND;
        let [Effect::Start(next, _)] = look(&mut plan, first, hot(), now)[..] else { panic!("{pause}") };
        plan.on(Event::Started(next), now);
        second = next;
    }
}

#[test]
fn fronts_that_compute_stay_though_they_call_objects() {
    let (mut plan, _, first, second) = spread_out();
    for n in 0..10_u32 {
        let now = n * TRIAL + 2 * SECOND;
        plan.on(Event::Observed(first, Load { forwarded: 400 * u64::from(n), ..hot() }), now);
        let burned = Load { burned: n * 4 * SECOND, ..hot() };
        assert_eq!(look(&mut plan, second, burned, now), []);
    }
}

#[test]
fn fronts_leave_with_their_version_and_when_the_storage_is_gone() {
    for next in [true, false] {
        let (mut plan, host, first, second) = spread_out();
        let next = next.then(|| InstanceKey::fused(host.worker, VersionId::random()));
        let effects = plan.on(Event::Owned(host.worker, next), 2 * SECOND);
        assert!(effects.contains(&Effect::Drain(second)), "{effects:?}");
        assert!(effects.contains(&Effect::Terminate(first)), "{effects:?}");
    }
}

#[test]
fn fronts_stay_when_the_host_starts_anew_and_leave_when_the_version_is_sent_away() {
    let (mut plan, host, first, second) = spread_out();
    plan.on(Event::Exited(first), 2 * SECOND);
    let [Effect::Start(third, again)] = plan.on(Event::Wanted(host), 2 * SECOND)[..] else { panic!() };
    assert_eq!(again, host);
    plan.on(Event::Started(third), 2 * SECOND);
    assert_eq!(plan.on(Event::Stopped(host), 3 * SECOND), [Effect::Drain(second), Effect::Drain(third)]);
}

#[test]
fn the_last_process_that_is_a_front_leaves_too() {
    let (mut plan, _, first, second) = spread_out();
    plan.on(Event::Exited(first), 2 * SECOND);
    let idle = load(0, 100, SECOND);
    assert_eq!(look(&mut plan, second, idle, 10 * SECOND), []);
    assert_eq!(plan.on(Event::Tick, 40 * SECOND), [Effect::Drain(second)]);
}
