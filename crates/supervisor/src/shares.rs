//! What each account may have of processes, and has.

use std::collections::HashMap;

use hearth_model::{AccountId, WorkerId};

use crate::plan::{Event, Plan, Tenant};
use crate::supervisor::{Shared, Supervisor};
use crate::{AcquireError, Allotment, InstanceKey};

/// What the plan calls accounts, and what each may have.
#[derive(Debug, Default)]
pub(crate) struct Tenants {
    numbers: HashMap<AccountId, Tenant>,
    by_default: Allotment,
    own: HashMap<AccountId, Allotment>,
}

impl Tenants {
    fn allotment(&self, account: &AccountId) -> Allotment {
        self.own.get(account).copied().unwrap_or(self.by_default)
    }
}

impl Supervisor {
    /// Sets what each account may have of processes, and what those may that have an allotment of their own.
    pub fn allot(&self, by_default: Allotment, own: HashMap<AccountId, Allotment>) {
        let mut tenants = self.shared.tenants.lock();
        (tenants.by_default, tenants.own) = (by_default, own);
        for (account, tenant) in &tenants.numbers {
            self.shared.tell(Event::Allotted(*tenant, tenants.allotment(account)));
        }
    }

    /// An account's processes that serve, and bytes of memory of them.
    pub fn used_by(&self, account: &AccountId) -> (u64, u64) {
        let running: Vec<_> = self.shared.running.lock().values().cloned().collect();
        let own = |worker: WorkerId| self.shared.code.account(worker).as_ref() == Some(account);
        let own = running.iter().filter(|running| {
            let instance = &running.instance;
            !instance.is_draining() && own(instance.key.worker)
        });
        own.fold((0, 0), |(count, bytes), running| (count + 1, bytes + running.monitored.lock().memory()))
    }
}

impl Shared {
    /// Says whose a worker is before the plan decides about it, and how busy those are that it competes with: one that was
    /// used since the last look is not idle.
    pub(crate) fn introduce(&self, plan: &mut Plan, event: &Event) {
        let (Event::Wanted(key) | Event::Crowded(key) | Event::Pinned(_, Some(key))) = event else { return };
        if !plan.knows(key.worker) {
            self.introduce_worker(plan, *key);
        }
        for serial in plan.competitors(key.worker) {
            if let Some(running) = self.running(serial) {
                plan.note(serial, running.load(self.began));
            }
        }
    }

    fn introduce_worker(&self, plan: &mut Plan, key: InstanceKey) {
        let Some(account) = self.code.account(key.worker) else { return };
        let mut tenants = self.tenants.lock();
        let next = Tenant::try_from(tenants.numbers.len()).unwrap_or(Tenant::MAX);
        let allotment = tenants.allotment(&account);
        let tenant = *tenants.numbers.entry(account).or_insert(next);
        let now = self.began.elapsed();
        plan.on(Event::Allotted(tenant, allotment), now);
        plan.on(Event::Belongs(key.worker, tenant), now);
    }
}

/// What those are told who wait for a process that their account may not have.
pub(crate) const EXHAUSTED: AcquireError = AcquireError::Quota(
    "This account has as many instances as it may, or as much memory in them, and all are in use.",
);
