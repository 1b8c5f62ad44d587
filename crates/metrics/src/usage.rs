//! What was asked of namespaces, counted where bindings are answered and taken away once a minute.

use std::collections::HashMap;

use hearth_model::AccountId;
use parking_lot::Mutex;

/// What is done with a namespace, with the names that Cloudflare's analytics give it.
pub const ACTIONS: [&str; 4] = ["read", "write", "delete", "list"];

/// How often each of [`ACTIONS`] was done.
pub type Counts = [u64; ACTIONS.len()];

/// Counts by namespace.
#[derive(Debug, Default)]
pub struct Usage(Mutex<HashMap<String, (AccountId, Counts)>>);

impl Usage {
    /// Counts one of [`ACTIONS`], by its position. Only the first in a minute allocates.
    pub fn record(&self, account: &AccountId, namespace: &str, action: usize) {
        let mut all = self.0.lock();
        let counts = match all.get_mut(namespace) {
            Some((_, counts)) => counts,
            None => {
                &mut all.entry(namespace.to_owned()).or_insert_with(|| (account.clone(), Counts::default())).1
            }
        };
        if let Some(count) = counts.get_mut(action) {
            *count += 1;
        }
    }

    /// Takes away what was counted: whose it is, the namespace, and how often.
    pub fn take(&self) -> Vec<(AccountId, String, Counts)> {
        let all = std::mem::take(&mut *self.0.lock());
        all.into_iter().map(|(namespace, (account, counts))| (account, namespace, counts)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_counted_once() {
        let usage = Usage::default();
        let account = AccountId::random();
        for action in [0, 0, 3] {
            usage.record(&account, "n", action);
        }
        assert_eq!(usage.take(), [(account, "n".to_owned(), [2, 0, 0, 1])]);
        assert!(usage.take().is_empty());
    }
}
