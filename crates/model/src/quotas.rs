//! What an account may have at most.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::IdError;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quota {
    /// Workers, functions and Pages projects together.
    Workers,
    /// Processes that serve.
    Instances,
    /// MiB of memory of these processes.
    MemoryMb,
    /// MiB of what is stored: KV, R2, D1, queues, Durable Objects, assets, data points.
    StorageMb,
    /// Requests in a minute: to workers and functions from wherever they come, and of S3 clients.
    RequestsPerMinute,
}

/// The account's requests of a minute are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Too many requests: this account may have {limit} in a minute.")]
pub struct TooMany {
    /// How many it may have.
    pub limit: u64,
    /// Whole seconds until there is another one.
    pub wait: u64,
}

impl Quota {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Workers, Self::Instances, Self::MemoryMb, Self::StorageMb, Self::RequestsPerMinute];

    /// As it is written in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Workers => "workers",
            Self::Instances => "instances",
            Self::MemoryMb => "memory_mb",
            Self::StorageMb => "storage_mb",
            Self::RequestsPerMinute => "requests_per_minute",
        }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Quota {
    type Err = IdError;

    /// Hyphens count as underscores, as a configuration file and a command line write them.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let name = text.replace('-', "_");
        Self::ALL.into_iter().find(|quota| quota.as_str() == name).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            IdError(format!("`{text}` is not a quota: there are {known}"))
        })
    }
}

/// Limits that are set, in JSON an object; null is no limit. What it does not name is as it is elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Quotas(BTreeMap<Quota, Option<u64>>);

impl Quotas {
    /// How much there may be; None: as much as anybody wants.
    pub fn limit(&self, quota: Quota) -> Option<u64> {
        self.0.get(&quota).copied().flatten()
    }

    /// Whether something is said of it, be it that there is no limit.
    pub fn names(&self, quota: Quota) -> bool {
        self.0.contains_key(&quota)
    }

    /// Sets a limit, or says that there is none.
    pub fn set(&mut self, quota: Quota, limit: Option<u64>) {
        self.0.insert(quota, limit);
    }

    /// Says nothing of it any more.
    pub fn forget(&mut self, quota: Quota) {
        self.0.remove(&quota);
    }

    /// What holds where these are set, and `defaults` elsewhere.
    pub fn over(&self, defaults: &Self) -> Self {
        let mut all = defaults.clone();
        all.0.extend(&self.0);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Quotas, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn what_is_set_goes_before_the_default_and_null_is_no_limit() {
        let defaults = read(r#"{"workers":10,"instances":4,"storage_mb":100}"#).unwrap();
        let own = read(r#"{"workers":3,"instances":null}"#).unwrap();
        let all = own.over(&defaults);
        assert_eq!(all.limit(Quota::Workers), Some(3));
        assert_eq!((all.limit(Quota::Instances), own.names(Quota::Instances)), (None, true));
        assert_eq!((all.limit(Quota::StorageMb), own.names(Quota::StorageMb)), (Some(100), false));
        assert_eq!(all.limit(Quota::RequestsPerMinute), None);
        assert_eq!(serde_json::to_string(&own).unwrap(), r#"{"workers":3,"instances":null}"#);
    }

    #[test]
    fn what_is_no_quota_is_refused_by_name() {
        for text in [r#"{"wokers":1}"#, r#"{"workers":-1}"#, r#"{"workers":1.5}"#, r#"{"workers":"1"}"#, "[]"]
        {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(read(r#"{"wokers":1}"#).unwrap_err().to_string().contains("wokers"));
        assert_eq!("requests-per-minute".parse::<Quota>().unwrap(), Quota::RequestsPerMinute);
        assert!("requests".parse::<Quota>().unwrap_err().to_string().contains("memory_mb"));
    }
}
