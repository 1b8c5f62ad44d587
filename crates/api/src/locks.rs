//! One writer per worker at a time: a deploy reads the version before it, probes, and only then writes, so a secret
//! put in between would be lost.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use hearth_model::{AccountId, WorkerName};
use tokio::sync::{Mutex, OwnedMutexGuard};

type Key = (AccountId, String);

/// Locks by account and folded name; an entry lives as long as somebody holds or awaits it.
#[derive(Default)]
pub(crate) struct Locks(std::sync::Mutex<HashMap<Key, Weak<Mutex<()>>>>);

impl Locks {
    /// Waits until nobody else writes to the worker.
    pub async fn worker(&self, account: &AccountId, name: &WorkerName) -> OwnedMutexGuard<()> {
        let lock = {
            let mut locks = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            locks.retain(|_, lock| lock.strong_count() > 0);
            let key = (account.clone(), name.folded());
            match locks.get(&key).and_then(Weak::upgrade) {
                Some(lock) => lock,
                None => {
                    let lock = Arc::new(Mutex::new(()));
                    locks.insert(key, Arc::downgrade(&lock));
                    lock
                }
            }
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_worker_has_one_writer_and_others_go_on() {
        let locks = Locks::default();
        let account = AccountId::random();
        let held = locks.worker(&account, &"Demo".parse().unwrap()).await;
        let name = "demo".parse().unwrap();
        let mut second = std::pin::pin!(locks.worker(&account, &name));
        assert!(futures::poll!(&mut second).is_pending());
        locks.worker(&account, &"other".parse().unwrap()).await;
        drop(held);
        second.await;
        assert!(locks.0.lock().unwrap().len() <= 2);
    }
}
