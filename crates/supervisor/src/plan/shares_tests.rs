use hearth_model::VersionId;
use proptest::prelude::*;

use super::super::Event;
use super::super::tests::{SECOND, load, rules};
use super::*;

const A: Tenant = 1;
const B: Tenant = 2;

fn instances(most: u64) -> Allotment {
    Allotment { instances: Some(most), memory: None }
}

fn memory(most: u64) -> Allotment {
    Allotment { instances: None, memory: Some(most) }
}

/// A worker of an account.
fn key(plan: &mut Plan, tenant: Tenant) -> InstanceKey {
    let key = InstanceKey::fused(WorkerId::random(), VersionId::random());
    plan.on(Event::Belongs(key.worker, tenant), Duration::ZERO);
    key
}

fn allot(plan: &mut Plan, tenant: Tenant, allotment: Allotment) {
    plan.on(Event::Allotted(tenant, allotment), Duration::ZERO);
}

/// A process that serves, as it is wanted.
fn serve(plan: &mut Plan, key: InstanceKey, now: Duration) -> Serial {
    let effects = plan.on(Event::Wanted(key), now);
    let Some(Effect::Start(serial, started)) = effects.last() else { panic!("{effects:?}") };
    assert_eq!(*started, key);
    plan.on(Event::Started(*serial), now);
    *serial
}

#[test]
fn a_further_process_is_refused_when_all_are_in_use_and_others_are_not_touched() {
    let mut plan = Plan::new(rules());
    allot(&mut plan, A, instances(2));
    for _ in 0..2 {
        let key = key(&mut plan, A);
        let serial = serve(&mut plan, key, Duration::ZERO);
        plan.on(Event::Observed(serial, load(1, 1, Duration::ZERO)), Duration::ZERO);
    }
    let (third, other) = (key(&mut plan, A), key(&mut plan, B));
    assert_eq!(plan.on(Event::Wanted(third), SECOND), [Effect::RefuseShare(third)]);
    serve(&mut plan, other, SECOND);
    allot(&mut plan, A, Allotment::default());
    serve(&mut plan, third, SECOND);
}

#[test]
fn an_idle_process_of_the_account_makes_room_and_none_of_another() {
    let mut plan = Plan::new(rules());
    allot(&mut plan, A, instances(1));
    let (first, second, other) = (key(&mut plan, A), key(&mut plan, A), key(&mut plan, B));
    let others = serve(&mut plan, other, Duration::ZERO);
    plan.on(Event::Observed(others, load(0, 1, Duration::ZERO)), Duration::ZERO);
    let idle = serve(&mut plan, first, Duration::ZERO);
    plan.on(Event::Observed(idle, load(0, 1, Duration::ZERO)), Duration::ZERO);
    assert_eq!(
        plan.on(Event::Wanted(second), 10 * SECOND),
        [Effect::RefuseShare(second)],
        "waitUntil may run"
    );
    let effects = plan.on(Event::Wanted(second), 60 * SECOND);
    assert!(matches!(effects[..], [Effect::Drain(gone), Effect::Start(..)] if gone == idle), "{effects:?}");
}

#[test]
fn a_process_that_was_used_since_the_last_look_is_not_idle() {
    let mut plan = Plan::new(rules());
    allot(&mut plan, A, instances(1));
    let (first, second) = (key(&mut plan, A), key(&mut plan, A));
    let serial = serve(&mut plan, first, Duration::ZERO);
    assert_eq!(plan.competitors(second.worker), [serial]);
    plan.note(serial, load(0, 1, SECOND));
    assert_eq!(plan.on(Event::Wanted(second), 2 * SECOND), [Effect::RefuseShare(second)]);
    allot(&mut plan, A, Allotment::default());
    assert!(plan.competitors(second.worker).is_empty(), "nobody looks where there is no limit");
}

#[test]
fn a_busy_worker_gets_no_second_process_beyond_the_share() {
    for (most, starts) in [(1, false), (2, true)] {
        let mut plan = Plan::new(rules());
        allot(&mut plan, A, instances(most));
        let key = key(&mut plan, A);
        let serial = serve(&mut plan, key, Duration::ZERO);
        plan.on(Event::Spare(2.0), SECOND);
        let hot = super::super::Load { cpu: 1.0, ..load(9, 9, SECOND) };
        let effects = plan.on(Event::Observed(serial, hot), SECOND);
        assert_eq!(!effects.is_empty(), starts, "{effects:?}");
        assert_eq!(!plan.on(Event::Crowded(key), SECOND).is_empty(), starts && effects.is_empty());
    }
}

#[test]
fn a_pinned_version_waits_for_its_accounts_share() {
    let mut plan = Plan::new(super::super::Rules { memory_budget: 1 << 40, ..rules() });
    allot(&mut plan, A, instances(1));
    let (first, second) = (key(&mut plan, A), key(&mut plan, A));
    serve(&mut plan, first, Duration::ZERO);
    assert_eq!(plan.on(Event::Pinned(second.worker, Some(second)), SECOND), []);
    allot(&mut plan, A, instances(2));
    assert!(matches!(plan.on(Event::Tick, 2 * SECOND)[..], [Effect::Start(_, key)] if key == second));
}

#[test]
fn memory_is_brought_to_what_the_account_may_have() {
    let mut plan = Plan::new(rules());
    let (first, second) = (key(&mut plan, A), key(&mut plan, A));
    let now = 60 * SECOND;
    for (key, bytes) in [(first, 60 << 20), (second, 50 << 20)] {
        let serial = serve(&mut plan, key, Duration::ZERO);
        let held = super::super::Load { memory: bytes, ..load(0, 1, Duration::ZERO) };
        plan.on(Event::Observed(serial, held), Duration::ZERO);
    }
    // Not by the installation's budget.
    plan.rules.memory_budget = 1 << 40;
    assert_eq!(plan.on(Event::Tick, now), []);
    allot(&mut plan, A, memory(100 << 20));
    assert!(matches!(plan.on(Event::Tick, now)[..], [Effect::Drain(_)]));
    let third = key(&mut plan, A);
    serve(&mut plan, third, now);
    let fourth = key(&mut plan, A);
    let busy = super::super::Load { memory: 50 << 20, ..load(1, 1, now) };
    let serials: Vec<_> = plan.of_tenant(A).map(|(serial, _)| serial).collect();
    for serial in serials {
        plan.on(Event::Observed(serial, busy), now);
    }
    assert_eq!(plan.on(Event::Wanted(fourth), now), [Effect::RefuseShare(fourth)]);
}

proptest! {
    #[test]
    fn no_history_gives_an_account_more_than_its_share(
        steps in prop::collection::vec((0_u8..6, 0_usize..5, 0_u64..3), 1..120),
    ) {
        let mut plan = Plan::new(rules());
        allot(&mut plan, A, instances(2));
        let keys: Vec<_> = (0..5).map(|_| key(&mut plan, A)).collect();
        let mut serials: Vec<Serial> = Vec::new();
        let mut now = Duration::ZERO;
        for (what, which, number) in steps {
            now += Duration::from_secs(number * 20);
            let of = serials.get(which % serials.len().max(1)).copied();
            let event = match (what, of) {
                (0, _) => Event::Wanted(keys[which]),
                (1, _) => Event::Pinned(keys[which].worker, (number > 0).then_some(keys[which])),
                (2, Some(serial)) => Event::Started(serial),
                (3, Some(serial)) => {
                    Event::Observed(serial, super::super::Load { cpu: 1.0, ..load(number as usize, number, now) })
                }
                (4, Some(serial)) => Event::Exited(serial),
                _ => Event::Tick,
            };
            plan.on(Event::Spare(2.0), now);
            for effect in plan.on(event, now) {
                if let Effect::Start(serial, _) = effect {
                    serials.push(serial);
                }
            }
            prop_assert!(plan.of_tenant(A).count() <= 2);
        }
    }
}
