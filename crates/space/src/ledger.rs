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

/// Who owns which resource, what each account uses, and what the disk has left.
#[derive(Debug)]
pub struct Ledger {
    /// What one account may use; `None` for all there is.
    quota: Option<u64>,
    /// Free space that is not given out.
    reserve: u64,
    free: u64,
    /// Admitted since the disk was asked.
    admitted: u64,
    /// A resource's owner and size.
    resources: HashMap<String, (AccountId, u64)>,
    used: HashMap<AccountId, u64>,
}

impl Ledger {
    /// A ledger by these rules. Before the disk was asked nothing is refused for it.
    pub fn new(quota: Option<u64>, reserve: u64) -> Self {
        let (resources, used) = (HashMap::new(), HashMap::new());
        Self { quota, reserve, free: u64::MAX, admitted: 0, resources, used }
    }

    /// Takes in what the disk has free now.
    pub fn disk(&mut self, free: u64) {
        self.free = free;
        self.admitted = 0;
    }

    /// Takes in a resource, with what it holds now.
    pub fn opened(&mut self, resource: &str, owner: &AccountId, bytes: u64) {
        self.closed(resource);
        self.resources.insert(resource.to_owned(), (owner.clone(), bytes));
        *self.used.entry(owner.clone()).or_default() += bytes;
    }

    /// Forgets a resource that was deleted.
    pub fn closed(&mut self, resource: &str) {
        if let Some((owner, bytes)) = self.resources.remove(resource) {
            self.take(&owner, bytes);
        }
    }

    /// Takes in what a write made of a resource: how much larger or smaller it is.
    pub fn changed(&mut self, resource: &str, by: i64) {
        let Some((owner, bytes)) = self.resources.get_mut(resource) else { return };
        let before = *bytes;
        *bytes = bytes.saturating_add_signed(by);
        let (owner, after) = (owner.clone(), *bytes);
        *self.used.entry(owner.clone()).or_default() += after.saturating_sub(before);
        self.take(&owner, before.saturating_sub(after));
    }

    fn take(&mut self, owner: &AccountId, bytes: u64) {
        if let Some(used) = self.used.get_mut(owner) {
            *used = used.saturating_sub(bytes);
        }
    }

    /// What an account uses.
    pub fn used(&self, account: &AccountId) -> u64 {
        self.used.get(account).copied().unwrap_or_default()
    }

    /// Asks whether a resource may grow by so much. A quota can be passed by what is admitted at the same moment.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn admit(&mut self, resource: &str, bytes: u64) -> Result<(), Refusal> {
        if let (Some(quota), Some((owner, _))) = (self.quota, self.resources.get(resource))
            && self.used(owner).saturating_add(bytes) > quota
        {
            return Err(Refusal::Quota { quota });
        }
        let wanted = self.admitted.saturating_add(bytes);
        if wanted.saturating_add(self.reserve) > self.free {
            return Err(Refusal::Disk);
        }
        self.admitted = wanted;
        Ok(())
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
        ledger.opened("kv", &account("a"), 60);
        ledger.opened("r2", &account("a"), 30);
        ledger.opened("d1", &account("b"), 0);
        assert_eq!(ledger.admit("kv", 11), Err(Refusal::Quota { quota: 100 }));
        assert_eq!(ledger.admit("r2", 10), Ok(()));
        ledger.changed("r2", 10);
        assert_eq!(ledger.admit("kv", 1), Err(Refusal::Quota { quota: 100 }));
        assert_eq!(ledger.admit("d1", 100), Ok(()));
        ledger.changed("kv", -20);
        assert_eq!(ledger.admit("r2", 20), Ok(()));
        ledger.closed("r2");
        assert_eq!((ledger.used(&account("a")), ledger.admit("kv", 60)), (40, Ok(())));
    }

    #[test]
    fn the_reserve_is_not_given_out() {
        let mut ledger = Ledger::new(None, 100);
        assert_eq!(ledger.admit("x", 1 << 40), Ok(()), "nothing is known yet");
        ledger.disk(150);
        assert_eq!(ledger.admit("x", 51), Err(Refusal::Disk));
        assert_eq!(ledger.admit("x", 50), Ok(()));
        assert_eq!(ledger.admit("y", 1), Err(Refusal::Disk));
        ledger.disk(99);
        assert_eq!(ledger.admit("x", 0), Err(Refusal::Disk));
    }

    proptest! {
        #[test]
        fn what_is_used_is_what_resources_hold(
            changes in prop::collection::vec((0_usize..4, -50_i64..80), 0..60), close in 0_usize..4,
        ) {
            let mut ledger = Ledger::new(None, 0);
            let names = ["a1", "a2", "b1", "b2"];
            let mut sizes = [0_i64; 4];
            for name in names {
                ledger.opened(name, &account(&name[..1]), 0);
            }
            for (which, by) in changes {
                ledger.changed(names[which], by);
                sizes[which] = (sizes[which] + by).max(0);
            }
            ledger.closed(names[close]);
            sizes[close] = 0;
            prop_assert_eq!(ledger.used(&account("a")) as i64, sizes[0] + sizes[1]);
            prop_assert_eq!(ledger.used(&account("b")) as i64, sizes[2] + sizes[3]);
        }
    }
}
