//! The decision. Sizes are bytes.

use std::collections::HashMap;

use hearth_model::AccountId;

/// Why nothing more may be written; the text is fit for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The account has used what it may.
    #[error(
        "The account's storage quota of {quota} bytes is used up. Delete something, or ask the operator for more."
    )]
    Quota {
        /// What it may use.
        quota: u64,
    },
    /// What is left of the disk is kept for metadata, so that workers can still be deployed and data be deleted.
    #[error("The server's disk is full.")]
    Disk,
}

/// What a resource is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A KV namespace.
    Kv,
    /// An R2 bucket.
    R2,
    /// A D1 database.
    D1,
    /// A queue.
    Queues,
    /// A namespace of Durable Objects, or a worker's workflows.
    DurableObjects,
    /// An account's static assets.
    Assets,
    /// An account's points of Analytics Engine.
    Analytics,
    /// An account's logs that are kept.
    Logs,
    /// An account's code: of workers and of functions, each of their versions.
    Code,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Kv,
        Self::R2,
        Self::D1,
        Self::Queues,
        Self::DurableObjects,
        Self::Assets,
        Self::Analytics,
        Self::Logs,
        Self::Code,
    ];

    /// Its name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kv => "kv",
            Self::R2 => "r2",
            Self::D1 => "d1",
            Self::Queues => "queues",
            Self::DurableObjects => "durable_objects",
            Self::Assets => "assets",
            Self::Analytics => "analytics",
            Self::Logs => "logs",
            Self::Code => "code",
        }
    }
}

/// Who owns which resource, what each account uses, and what the disk has left.
#[derive(Debug)]
pub struct Ledger {
    /// What one account may use, unless it has a quota of its own; `None` for all there is.
    quota: Option<u64>,
    /// Accounts' own.
    quotas: HashMap<AccountId, Option<u64>>,
    /// Free space that is not given out.
    reserve: u64,
    free: u64,
    /// Admitted since the disk was asked.
    admitted: u64,
    resources: HashMap<String, Resource>,
    accounts: HashMap<AccountId, Account>,
}

#[derive(Debug)]
struct Resource {
    owner: AccountId,
    kind: Kind,
    /// `None` until somebody has looked.
    bytes: Option<u64>,
}

#[derive(Debug, Default)]
struct Account {
    /// By kind, in the order of [`Kind::ALL`].
    held: [u64; Kind::ALL.len()],
    /// Admitted, and neither written nor given up yet.
    under_way: u64,
}

impl Ledger {
    /// A ledger by these rules. Before the disk was asked nothing is refused for it.
    pub fn new(quota: Option<u64>, reserve: u64) -> Self {
        let (quotas, resources, accounts) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { quota, quotas, reserve, free: u64::MAX, admitted: 0, resources, accounts }
    }

    /// Takes in what the disk has free now.
    pub fn disk(&mut self, free: u64) {
        self.free = free;
        self.admitted = 0;
    }

    /// Sets the quotas that accounts have of their own, all of them. What an account has already, it keeps.
    pub fn set_quotas(&mut self, quotas: HashMap<AccountId, Option<u64>>) {
        self.quotas = quotas;
    }

    /// What an account may use.
    pub fn quota(&self, account: &AccountId) -> Option<u64> {
        self.quotas.get(account).copied().unwrap_or(self.quota)
    }

    /// Takes in a resource; what it holds is still to be found out. One that is known stays what it is.
    pub fn opened(&mut self, resource: &str, owner: &AccountId, kind: Kind) {
        let unknown = || Resource { owner: owner.clone(), kind, bytes: None };
        self.resources.entry(resource.to_owned()).or_insert_with(unknown);
    }

    /// Forgets a resource that was deleted.
    pub fn closed(&mut self, resource: &str) {
        self.holds(resource, 0);
        self.resources.remove(resource);
    }

    /// Takes in what somebody found who looked at a resource while others wrote to it: what they said counts.
    pub fn found(&mut self, resource: &str, bytes: u64) {
        if self.resources.get(resource).is_some_and(|resource| resource.bytes.is_none()) {
            self.holds(resource, bytes);
        }
    }

    /// Takes in what a resource holds after a write.
    pub fn holds(&mut self, resource: &str, bytes: u64) {
        let Some(resource) = self.resources.get_mut(resource) else { return };
        let before = resource.bytes.replace(bytes).unwrap_or(0);
        let account = self.accounts.entry(resource.owner.clone()).or_default();
        let held = &mut account.held[resource.kind as usize];
        *held = held.saturating_add(bytes).saturating_sub(before);
    }

    /// As [`Self::holds`], where nobody had asked before: the disk has so much less.
    pub fn wrote(&mut self, resource: &str, bytes: u64) {
        let before = self.resources.get(resource).and_then(|resource| resource.bytes).unwrap_or(bytes);
        self.admitted = self.admitted.saturating_add(bytes.saturating_sub(before));
        self.holds(resource, bytes);
    }

    /// What an account uses, with what is being written.
    pub fn used(&self, account: &AccountId) -> u64 {
        let Some(account) = self.accounts.get(account) else { return 0 };
        account.held.iter().fold(account.under_way, |sum, bytes| sum.saturating_add(*bytes))
    }

    /// What an account has of a kind.
    pub fn held(&self, account: &AccountId, kind: Kind) -> u64 {
        self.accounts.get(account).map_or(0, |account| account.held[kind as usize])
    }

    /// By how much a resource may grow.
    pub fn room(&self, resource: &str) -> u64 {
        let disk = self.free.saturating_sub(self.reserve).saturating_sub(self.admitted);
        let Some(Resource { owner, .. }) = self.resources.get(resource) else { return disk };
        match self.quota(owner) {
            Some(quota) => disk.min(quota.saturating_sub(self.used(owner))),
            None => disk,
        }
    }

    /// Asks whether a resource may grow by so much, which is under way then until [`Self::ended`].
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn admit(&mut self, resource: &str, bytes: u64) -> Result<(), Refusal> {
        let owner = self.resources.get(resource).map(|resource| resource.owner.clone());
        if let Some(owner) = &owner
            && let Some(quota) = self.quota(owner)
            && self.used(owner).saturating_add(bytes) > quota
        {
            return Err(Refusal::Quota { quota });
        }
        let wanted = self.admitted.saturating_add(bytes);
        if wanted.saturating_add(self.reserve) > self.free {
            return Err(Refusal::Disk);
        }
        self.admitted = wanted;
        if let Some(owner) = owner {
            self.accounts.entry(owner).or_default().under_way += bytes;
        }
        Ok(())
    }

    /// What was admitted is written, and counted as what the resource holds, or given up.
    pub fn ended(&mut self, resource: &str, bytes: u64) {
        if let Some(resource) = self.resources.get(resource)
            && let Some(account) = self.accounts.get_mut(&resource.owner)
        {
            account.under_way = account.under_way.saturating_sub(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn account(name: &str) -> AccountId {
        name.parse().unwrap()
    }

    #[test]
    fn an_account_gets_its_quota_over_all_it_has_and_others_theirs() {
        let mut ledger = Ledger::new(Some(100), 0);
        for (resource, owner, bytes) in [("kv", "a", 60), ("r2", "a", 30), ("d1", "b", 0)] {
            ledger.opened(resource, &account(owner), Kind::Kv);
            ledger.found(resource, bytes);
        }
        assert_eq!(ledger.admit("kv", 11), Err(Refusal::Quota { quota: 100 }));
        assert_eq!((ledger.room("kv"), ledger.room("d1")), (10, 100));
        assert_eq!(ledger.admit("r2", 10), Ok(()));
        assert_eq!(ledger.admit("kv", 1), Err(Refusal::Quota { quota: 100 }), "what is under way counts");
        ledger.holds("r2", 40);
        ledger.ended("r2", 10);
        assert_eq!(ledger.admit("kv", 1), Err(Refusal::Quota { quota: 100 }), "what is written counts");
        assert_eq!(ledger.admit("d1", 100), Ok(()));
        ledger.holds("kv", 40);
        assert_eq!(ledger.admit("r2", 20), Ok(()));
        ledger.ended("r2", 20);
        ledger.closed("r2");
        assert_eq!((ledger.used(&account("a")), ledger.admit("kv", 60)), (40, Ok(())));
    }

    #[test]
    fn an_accounts_own_quota_goes_before_the_default_one() {
        let mut ledger = Ledger::new(Some(100), 0);
        ledger.opened("a1", &account("a"), Kind::Kv);
        ledger.opened("b1", &account("b"), Kind::Kv);
        ledger.holds("a1", 50);
        ledger.set_quotas(HashMap::from([(account("a"), Some(10)), (account("b"), None)]));
        assert_eq!(ledger.admit("a1", 1), Err(Refusal::Quota { quota: 10 }), "what it has, it keeps");
        assert_eq!((ledger.room("a1"), ledger.admit("b1", 1 << 40)), (0, Ok(())));
        ledger.set_quotas(HashMap::new());
        assert_eq!((ledger.admit("a1", 50), ledger.quota(&account("b"))), (Ok(()), Some(100)));
    }

    #[test]
    fn what_is_used_is_told_by_kind_too() {
        let mut ledger = Ledger::new(None, 0);
        for (number, kind) in Kind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, number);
            for resource in [format!("{number}"), format!("{number} too")] {
                ledger.opened(&resource, &account("a"), kind);
                ledger.holds(&resource, 1 << number);
            }
        }
        ledger.opened("other", &account("b"), Kind::Logs);
        ledger.holds("other", 5);
        ledger.closed("0");
        let held = Kind::ALL.map(|kind| ledger.held(&account("a"), kind));
        assert_eq!(held, [1, 4, 8, 16, 32, 64, 128, 256, 512]);
        assert_eq!(ledger.used(&account("a")), held.iter().sum::<u64>());
        assert_eq!(ledger.admit("1", 7), Ok(()));
        assert_eq!(ledger.used(&account("a")), held.iter().sum::<u64>() + 7, "with what is being written");
    }

    #[test]
    fn who_wrote_knows_better_than_who_looked() {
        let mut ledger = Ledger::new(Some(100), 0);
        ledger.opened("kv", &account("a"), Kind::Kv);
        ledger.holds("kv", 50);
        ledger.found("kv", 40);
        ledger.opened("kv", &account("a"), Kind::Kv);
        assert_eq!(ledger.used(&account("a")), 50);
    }

    #[test]
    fn the_reserve_is_not_given_out() {
        let mut ledger = Ledger::new(None, 100);
        assert_eq!(ledger.admit("x", 1 << 40), Ok(()), "nothing is known yet");
        ledger.disk(150);
        assert_eq!(ledger.admit("x", 51), Err(Refusal::Disk));
        assert_eq!(ledger.admit("x", 50), Ok(()));
        assert_eq!((ledger.admit("y", 1), ledger.room("y")), (Err(Refusal::Disk), 0));
        ledger.disk(99);
        assert_eq!(ledger.admit("x", 0), Err(Refusal::Disk));
        ledger.disk(150);
        ledger.opened("x", &account("a"), Kind::Kv);
        ledger.wrote("x", 10);
        ledger.wrote("x", 60);
        assert_eq!(ledger.admit("x", 1), Err(Refusal::Disk), "what nobody asked for is gone as well");
    }

    proptest! {
        #[test]
        fn what_is_used_is_what_resources_hold(
            writes in prop::collection::vec((0_usize..4, 0_u64..80), 0..60), close in 0_usize..4,
        ) {
            let mut ledger = Ledger::new(Some(1000), 0);
            let names = ["a1", "a2", "b1", "b2"];
            let mut sizes = [0; 4];
            for name in names {
                ledger.opened(name, &account(&name[..1]), Kind::Kv);
            }
            for (which, bytes) in writes {
                if ledger.admit(names[which], bytes).is_ok() {
                    ledger.holds(names[which], bytes);
                    ledger.ended(names[which], bytes);
                    sizes[which] = bytes;
                }
            }
            ledger.closed(names[close]);
            sizes[close] = 0;
            prop_assert_eq!(ledger.used(&account("a")), sizes[0] + sizes[1]);
            prop_assert_eq!(ledger.used(&account("b")), sizes[2] + sizes[3]);
        }
    }
}
