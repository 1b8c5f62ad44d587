//! A bucket's settings, as the metadata store keeps them, and what its lock rules say.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::types::StorageClass;

/// When a lock lets an object go (wrangler-api.md 7, `lock`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type")]
pub enum LockCondition {
    /// So many seconds after the object was written.
    #[serde(rename_all = "camelCase")]
    Age {
        /// Seconds.
        max_age_seconds: i64,
    },
    /// At a moment.
    Date {
        /// The moment.
        date: Timestamp,
    },
    /// Never.
    Indefinite {},
}

/// A rule that keeps objects from being deleted and overwritten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockRule {
    /// Its name, unique in the bucket.
    pub id: String,
    /// Whether it counts.
    pub enabled: bool,
    /// The keys that it is for; all without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// How long it holds.
    pub condition: LockCondition,
}

impl LockRule {
    /// Whether the rule is for a key.
    pub fn covers(&self, key: &str) -> bool {
        self.enabled && self.prefix.as_deref().is_none_or(|prefix| key.starts_with(prefix))
    }

    /// Whether the rule holds an object of a key it covers that was written at `uploaded`.
    pub fn holds(&self, uploaded: Timestamp, now: Timestamp) -> bool {
        match &self.condition {
            LockCondition::Age { max_age_seconds } => {
                now.as_second() < uploaded.as_second().saturating_add(*max_age_seconds)
            }
            LockCondition::Date { date } => now < *date,
            LockCondition::Indefinite {} => true,
        }
    }
}

/// How a bucket is set. In the metadata store this is the resource's `settings`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BucketSettings {
    /// The class of objects that do not say another.
    pub storage_class: StorageClass,
    /// Where it was asked to be; shown, otherwise without effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// Where it was asked to stay; shown, otherwise without effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jurisdiction: Option<String>,
    /// CORS rules, each `{allowed: {origins, methods, headers}, exposeHeaders, maxAgeSeconds}`; None until they are set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cors: Option<Vec<Value>>,
    /// Lifecycle rules in R2's shape.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Vec<Value>>,
    /// Lock rules.
    pub locks: Vec<LockRule>,
    /// Whether the bucket's own public domain is on.
    pub managed_domain: bool,
    /// Custom domains in R2's shape.
    pub custom_domains: Vec<Value>,
    /// Event notifications, one entry for each queue, in R2's shape.
    pub notifications: Vec<Value>,
}
