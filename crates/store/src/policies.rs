//! What a token that is limited to R2 may do: Cloudflare's permission groups of R2 and the resources they are given on.
//!
//! The four groups are those of <https://developers.cloudflare.com/r2/api/tokens/>: *Workers R2 Storage* is what its
//! dashboard calls Admin, *Bucket Item* is what it calls Object.

use hearth_model::AccountId;
use serde::{Deserialize, Serialize};

/// A permission group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum R2Permission {
    /// Buckets, their settings and their objects may be seen.
    StorageRead,
    /// … and made, changed and deleted.
    StorageWrite,
    /// Objects may be listed and read.
    ItemRead,
    /// … and written and deleted.
    ItemWrite,
}

impl R2Permission {
    fn allows(self, action: R2Action) -> bool {
        match action {
            R2Action::ReadItems => true,
            R2Action::WriteItems => matches!(self, Self::StorageWrite | Self::ItemWrite),
            R2Action::ReadStorage => matches!(self, Self::StorageRead | Self::StorageWrite),
            R2Action::WriteStorage => self == Self::StorageWrite,
        }
    }
}

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum R2Action {
    /// Lists or reads objects.
    ReadItems,
    /// Writes or deletes objects.
    WriteItems,
    /// Lists buckets, or reads a bucket's settings.
    ReadStorage,
    /// Makes, changes or deletes a bucket.
    WriteStorage,
}

/// What a permission is given on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum R2Resource {
    /// An account's buckets, all that there are and will be.
    Account(AccountId),
    /// One bucket, by its name: a bucket made under that name later is meant too.
    Bucket {
        /// Whose.
        account: AccountId,
        /// Its name.
        bucket: String,
    },
}

impl R2Resource {
    /// The account it belongs to.
    pub fn account(&self) -> &AccountId {
        match self {
            Self::Account(account) | Self::Bucket { account, .. } => account,
        }
    }

    fn covers(&self, account: &AccountId, bucket: Option<&str>) -> bool {
        self.account() == account
            && match self {
                Self::Account(_) => true,
                Self::Bucket { bucket: own, .. } => bucket == Some(own.as_str()),
            }
    }
}

/// Permissions on resources: each of the ones on each of the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct R2Policy {
    /// Its id, 32 hex digits.
    pub id: String,
    /// On what.
    pub resources: Vec<R2Resource>,
    /// What is allowed there.
    pub permissions: Vec<R2Permission>,
}

impl R2Policy {
    /// Whether it allows an action on a bucket; None for the bucket is the account itself, as for listing its buckets
    /// and for making one.
    pub fn allows(&self, account: &AccountId, bucket: Option<&str>, action: R2Action) -> bool {
        self.resources.iter().any(|resource| resource.covers(account, bucket))
            && self.permissions.iter().any(|permission| permission.allows(action))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACTIONS: [R2Action; 4] =
        [R2Action::ReadItems, R2Action::WriteItems, R2Action::ReadStorage, R2Action::WriteStorage];

    fn allowed(permission: R2Permission) -> Vec<R2Action> {
        ACTIONS.into_iter().filter(|action| permission.allows(*action)).collect()
    }

    #[test]
    fn each_group_allows_what_cloudflare_says() {
        use R2Action::{ReadItems, ReadStorage, WriteItems};
        assert_eq!(allowed(R2Permission::ItemRead), [ReadItems]);
        assert_eq!(allowed(R2Permission::ItemWrite), [ReadItems, WriteItems]);
        assert_eq!(allowed(R2Permission::StorageRead), [ReadItems, ReadStorage]);
        assert_eq!(allowed(R2Permission::StorageWrite), ACTIONS);
    }

    #[test]
    fn a_bucket_is_one_name_in_one_account() {
        let (ours, theirs) = (AccountId::random(), AccountId::random());
        let resource = R2Resource::Bucket { account: ours.clone(), bucket: "a".to_owned() };
        let policy = R2Policy {
            id: String::new(),
            resources: vec![resource],
            permissions: vec![R2Permission::StorageWrite],
        };
        let may = |account, bucket| policy.allows(account, bucket, R2Action::WriteItems);
        assert!(may(&ours, Some("a")));
        assert!(!may(&ours, Some("b")));
        assert!(!may(&theirs, Some("a")));
        assert!(!may(&ours, None), "a bucket's right is none on the account");
        let account = R2Policy { resources: vec![R2Resource::Account(ours.clone())], ..policy.clone() };
        assert!(account.allows(&ours, None, R2Action::ReadStorage));
        assert!(account.allows(&ours, Some("b"), R2Action::WriteItems));
        assert!(!account.allows(&theirs, None, R2Action::ReadStorage));
    }
}
