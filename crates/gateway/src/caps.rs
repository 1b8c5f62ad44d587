//! How much of one account may come in: in flight at once, and in a minute.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hearth_model::{AccountId, TooMany};
use parking_lot::{Mutex, RwLock};

use crate::failure::Failure;

/// Requests of each account.
#[derive(Debug)]
pub(crate) struct AccountCaps {
    accounts: RwLock<Accounts>,
    began: Instant,
}

#[derive(Debug, Default)]
struct Accounts {
    /// Requests in a minute, of accounts that have no limit of their own.
    by_default: Option<u64>,
    own: HashMap<AccountId, Option<u64>>,
    seen: HashMap<AccountId, Arc<Account>>,
}

#[derive(Debug, Default)]
struct Account {
    in_flight: AtomicUsize,
    pace: Mutex<Pace>,
}

/// A request's place in its account; dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Place(Arc<Account>);

impl Default for AccountCaps {
    fn default() -> Self {
        Self { accounts: RwLock::default(), began: Instant::now() }
    }
}

impl AccountCaps {
    /// Sets how many requests may come in a minute: into each account, and into those that have a limit of their own.
    pub(crate) fn set_rates(&self, by_default: Option<u64>, own: HashMap<AccountId, Option<u64>>) {
        let mut accounts = self.accounts.write();
        let now = self.began.elapsed();
        (accounts.by_default, accounts.own) = (by_default, own);
        for (id, account) in &accounts.seen {
            account.pace.lock().limit(accounts.limit(id), now);
        }
    }

    /// A place, of at most `most` in the account, if there is one and its minute has room.
    ///
    /// # Errors
    /// The refusal.
    pub(crate) fn enter(&self, account: &AccountId, most: usize) -> Result<Place, Failure> {
        let place = Place(self.known(account));
        if place.0.in_flight.fetch_add(1, Ordering::Relaxed) >= most {
            return Err(Failure::Overloaded);
        }
        self.pass(&place.0).map_err(Failure::TooMany)?;
        Ok(place)
    }

    /// Counts a request that takes no place: it comes another way than through the gateway.
    ///
    /// # Errors
    /// The account's minute has no room for it.
    pub(crate) fn arrive(&self, account: &AccountId) -> Result<(), TooMany> {
        self.pass(&self.known(account))
    }

    fn pass(&self, account: &Account) -> Result<(), TooMany> {
        let passed = account.pace.lock().arrive(self.began.elapsed());
        passed.map_err(|TooFast { limit, wait }| {
            let wait = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            TooMany { limit, wait }
        })
    }

    fn known(&self, account: &AccountId) -> Arc<Account> {
        let known = self.accounts.read().seen.get(account).cloned();
        known.unwrap_or_else(|| self.meet(account))
    }

    /// Requests of an account that were let in within the last minute.
    pub(crate) fn of_last_minute(&self, account: &AccountId) -> u64 {
        let known = self.accounts.read().seen.get(account).cloned();
        known.map_or(0, |account| account.pace.lock().of_last_minute(self.began.elapsed()))
    }

    fn meet(&self, id: &AccountId) -> Arc<Account> {
        let mut accounts = self.accounts.write();
        let limit = accounts.limit(id);
        let account = accounts.seen.entry(id.clone()).or_insert_with(|| {
            let account = Account::default();
            account.pace.lock().limit(limit, self.began.elapsed());
            Arc::new(account)
        });
        Arc::clone(account)
    }
}

impl Accounts {
    fn limit(&self, account: &AccountId) -> Option<u64> {
        self.own.get(account).copied().unwrap_or(self.by_default)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// How fast requests come. Pure: times go in, since the gateway started.
#[derive(Debug, Default)]
struct Pace {
    bucket: Option<Bucket>,
    /// Which minute it is, and what was let in in it and in the one before.
    minute: (u64, u64, u64),
}

/// Tokens for a minute at most, which come at that pace.
#[derive(Debug)]
struct Bucket {
    per_minute: u64,
    tokens: f64,
    at: Duration,
}

/// The minute is used up.
#[derive(Debug, PartialEq)]
struct TooFast {
    limit: u64,
    /// How long until a request is let in.
    wait: Duration,
}

impl Pace {
    /// Sets the limit, at which a minute begins; the same one changes nothing.
    fn limit(&mut self, per_minute: Option<u64>, now: Duration) {
        if self.bucket.as_ref().map(|bucket| bucket.per_minute) != per_minute {
            self.bucket =
                per_minute.map(|per_minute| Bucket { per_minute, tokens: per_minute as f64, at: now });
        }
    }

    fn arrive(&mut self, now: Duration) -> Result<(), TooFast> {
        if let Some(bucket) = &mut self.bucket {
            bucket.take(now)?;
        }
        self.turn(now);
        self.minute.1 += 1;
        Ok(())
    }

    /// As if what came in the minute before had come evenly.
    fn of_last_minute(&mut self, now: Duration) -> u64 {
        self.turn(now);
        let (minute, this, before) = self.minute;
        let into = now.as_secs_f64() / MINUTE.as_secs_f64() - minute as f64;
        this + (before as f64 * (1.0 - into).clamp(0.0, 1.0)) as u64
    }

    fn turn(&mut self, now: Duration) {
        let minute = now.as_secs() / MINUTE.as_secs();
        if minute != self.minute.0 {
            let before = if minute == self.minute.0 + 1 { self.minute.1 } else { 0 };
            self.minute = (minute, 0, before);
        }
    }
}

impl Bucket {
    fn take(&mut self, now: Duration) -> Result<(), TooFast> {
        let most = self.per_minute as f64;
        let came = now.saturating_sub(self.at).as_secs_f64() / MINUTE.as_secs_f64() * most;
        self.tokens = (self.tokens + came).min(most);
        self.at = self.at.max(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        // Of none at all there never is one; a minute later it may have been changed.
        let wait = match self.per_minute {
            0 => MINUTE,
            _ => MINUTE.mul_f64((1.0 - self.tokens) / most),
        };
        Err(TooFast { limit: self.per_minute, wait })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_account_has_so_many_places_and_gets_them_back() {
        let caps = AccountCaps::default();
        let (a, b) = (AccountId::random(), AccountId::random());
        let held = [caps.enter(&a, 2), caps.enter(&a, 2)];
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(caps.enter(&a, 2).unwrap_err(), Failure::Overloaded);
        assert!(caps.enter(&a, 2).is_err(), "a refusal holds nothing");
        assert!(caps.enter(&b, 2).is_ok(), "another account is not touched");
        drop(held);
        assert!(caps.enter(&a, 2).is_ok());
        assert_eq!(caps.of_last_minute(&a), 3, "what is refused is not counted");
    }

    #[test]
    fn a_limit_holds_for_its_account_from_when_it_is_set() {
        let caps = AccountCaps::default();
        let (a, b) = (AccountId::random(), AccountId::random());
        caps.set_rates(Some(1), HashMap::from([(b.clone(), None)]));
        assert!(caps.enter(&a, 9).is_ok());
        assert!(matches!(caps.enter(&a, 9), Err(Failure::TooMany(TooMany { limit: 1, wait: 1..=60 }))));
        assert!((0..9).all(|_| caps.enter(&b, 9).is_ok()));
        caps.set_rates(Some(1), HashMap::from([(a.clone(), Some(3))]));
        // However they come: both are of the same minute.
        assert_eq!(
            (0..9)
                .filter(|at| if at % 2 > 0 { caps.enter(&a, 9).is_ok() } else { caps.arrive(&a).is_ok() })
                .count(),
            3
        );
        assert!(matches!(caps.arrive(&a), Err(TooMany { limit: 3, wait: 1..=20 })));
        assert_eq!((0..9).filter(|_| caps.enter(&b, 9).is_ok()).count(), 1);
    }

    #[test]
    fn who_waits_as_long_as_is_said_is_let_in() {
        let mut pace = Pace::default();
        pace.limit(Some(7), Duration::ZERO);
        let mut now = Duration::ZERO;
        for _ in 0..7 {
            pace.arrive(now).unwrap();
        }
        for _ in 0..20 {
            let TooFast { wait, limit } = pace.arrive(now).unwrap_err();
            assert!(limit == 7 && wait <= MINUTE / 7 + Duration::from_millis(1), "{wait:?}");
            now += wait + Duration::from_micros(1);
            pace.arrive(now).unwrap();
        }
    }

    #[test]
    fn the_last_minute_is_counted_without_a_limit_too() {
        let mut pace = Pace::default();
        let second = Duration::from_secs(1);
        for _ in 0..60 {
            pace.arrive(30 * second).unwrap();
        }
        assert_eq!(pace.of_last_minute(30 * second), 60);
        assert_eq!(pace.of_last_minute(90 * second), 30);
        assert_eq!(pace.of_last_minute(200 * second), 0);
    }

    proptest! {
        #[test]
        fn no_minute_has_more_than_twice_the_limit(
            limit in 0_u64..20, pauses in prop::collection::vec(0_u64..5000, 1..200),
        ) {
            let mut pace = Pace::default();
            pace.limit(Some(limit), Duration::ZERO);
            let (mut now, mut let_in) = (Duration::ZERO, Vec::new());
            for pause in pauses {
                now += Duration::from_millis(pause);
                if pace.arrive(now).is_ok() {
                    let_in.push(now);
                }
            }
            for (at, from) in let_in.iter().enumerate() {
                let within = let_in[at..].iter().take_while(|when| **when - *from < MINUTE).count();
                prop_assert!(within as u64 <= 2 * limit, "{within} of {limit}");
            }
        }
    }
}
