//! What is kept of tokens in memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};

use super::S3Key;
use crate::TokenId;

/// How exactly it is known when a token was used last: more often nothing is written.
const USE_IS_WRITTEN: SignedDuration = SignedDuration::from_mins(15);

/// Keys of tokens: every S3 request needs one. Only what exists is kept, so strangers cannot fill it. And when the use of
/// which token, or the sight of which person, was last written.
#[derive(Default)]
pub(crate) struct Known {
    keys: RwLock<Keys>,
    uses: Mutex<HashMap<String, Timestamp>>,
}

#[derive(Default)]
struct Keys {
    /// Counts what made cached keys wrong, so that a row read before is not kept after.
    generation: u64,
    keys: HashMap<TokenId, Arc<S3Key>>,
}

impl Known {
    pub(super) fn key(&self, id: &TokenId) -> (Option<Arc<S3Key>>, u64) {
        let inner = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        (inner.keys.get(id).cloned(), inner.generation)
    }

    pub(super) fn keep(&self, id: &TokenId, key: Arc<S3Key>, generation: u64) {
        let mut inner = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        if inner.generation == generation {
            inner.keys.insert(id.clone(), key);
        }
    }

    /// Whenever a token changes, or what its owner may do.
    pub(crate) fn forget(&self) {
        let mut inner = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        inner.generation += 1;
        inner.keys.clear();
    }

    /// Whether the use of a token or the sight of a person is to be written.
    pub(super) fn is_due(&self, id: &str, now: Timestamp) -> bool {
        let mut uses = self.uses.lock().unwrap_or_else(PoisonError::into_inner);
        let due = uses.get(id).is_none_or(|last| now.duration_since(*last) >= USE_IS_WRITTEN);
        if due {
            uses.insert(id.to_owned(), now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_every_use_is_written() {
        let known = Known::default();
        let at = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).unwrap();
        let due: Vec<bool> = [0, 1, 899, 900, 901].map(|seconds| known.is_due("a", at(seconds))).into();
        assert_eq!(due, [true, false, false, true, false]);
        assert!(known.is_due("b", at(1)));
    }
}
