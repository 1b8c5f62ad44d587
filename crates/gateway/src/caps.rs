//! How much of one account may be in flight at once.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hearth_model::AccountId;
use parking_lot::RwLock;

/// Requests in flight by account.
#[derive(Debug)]
pub(crate) struct AccountCaps {
    max: usize,
    in_flight: RwLock<HashMap<AccountId, Arc<AtomicUsize>>>,
}

/// A request's place in its account; dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Place(Arc<AtomicUsize>);

impl AccountCaps {
    /// At most `max` requests in flight for each account.
    pub(crate) fn new(max: usize) -> Self {
        Self { max, in_flight: RwLock::default() }
    }

    /// A place, if there is one.
    pub(crate) fn enter(&self, account: &AccountId) -> Option<Place> {
        let known = self.in_flight.read().get(account).cloned();
        let count =
            known.unwrap_or_else(|| Arc::clone(self.in_flight.write().entry(account.clone()).or_default()));
        let place = Place(count);
        (place.0.fetch_add(1, Ordering::Relaxed) < self.max).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_so_many_places_and_gets_them_back() {
        let caps = AccountCaps::new(2);
        let (a, b) = (AccountId::random(), AccountId::random());
        let held = [caps.enter(&a), caps.enter(&a)];
        assert!(held.iter().all(Option::is_some));
        assert!(caps.enter(&a).is_none());
        assert!(caps.enter(&a).is_none(), "a refusal holds nothing");
        assert!(caps.enter(&b).is_some(), "another account is not touched");
        drop(held);
        assert!(caps.enter(&a).is_some());
    }
}
