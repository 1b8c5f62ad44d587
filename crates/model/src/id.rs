//! Identifiers and names, checked once where they enter.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a name or an identifier was refused; the text is fit for the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IdError(pub(crate) String);

/// An account: 32 lower-case hex digits, as Cloudflare's are.
///
/// wrangler accepts any `[A-Za-z0-9_-]+` here (wrangler-api.md 1.1); we only ever hand out hex.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(String);

impl AccountId {
    /// A new random account id.
    pub fn random() -> Self {
        Self(Uuid::new_v4().simple().to_string())
    }

    /// The id as it stands in a URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AccountId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if text.is_empty() || text.len() > 64 || !text.bytes().all(legal) {
            return Err(IdError(format!("`{text}` is not an account id")));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for AccountId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The immutable identity of a worker (Cloudflare's *script tag*): 32 hex digits. A worker that is deleted and
/// made again under the same name is another worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct WorkerId(#[serde(with = "uuid::serde::simple")] Uuid);

impl WorkerId {
    /// A new random worker id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.simple())
    }
}

impl FromStr for WorkerId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Uuid::parse_str(text).map(Self).map_err(|_| IdError(format!("`{text}` is not a worker id")))
    }
}

/// One uploaded version of a worker: a hyphenated UUID, as wrangler prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VersionId(Uuid);

impl VersionId {
    /// A new random version id. Version 4, so that the first eight digits, which name preview hosts, are random.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// The first eight hex digits: what stands in a preview host.
    pub fn prefix(&self) -> String {
        self.0.simple().to_string()[..8].to_owned()
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.hyphenated())
    }
}

impl FromStr for VersionId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Uuid::parse_str(text).map(Self).map_err(|_| IdError(format!("`{text}` is not a version id")))
    }
}

/// A namespace of Durable Objects: 32 hex digits. It is workerd's `uniqueKey`, of which the ids of its objects are made,
/// and names the folder of their storage; it stays the same when the class gets another name or another worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NamespaceId(Uuid);

impl NamespaceId {
    /// A new random namespace id.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for NamespaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.simple())
    }
}

impl FromStr for NamespaceId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Uuid::parse_str(text).map(Self).map_err(|_| IdError(format!("`{text}` is not a namespace id")))
    }
}

/// A worker's name: 1 to 63 of letters, digits, `-` and `_`, beginning with a letter or digit.
///
/// It becomes a DNS label, so it is unique without regard to case; it keeps the case it was given.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WorkerName(String);

impl WorkerName {
    /// Longest name: the length of a DNS label.
    pub const MAX: usize = 63;

    /// The name as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as it appears in a host and as it is compared.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl FromStr for WorkerName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if !first || text.len() > Self::MAX || !text.bytes().all(legal) {
            return Err(IdError(format!(
                "Invalid worker name {text:?}: use 1 to {} letters, digits, '-' or '_', beginning with a letter or digit.",
                Self::MAX
            )));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for WorkerName {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<WorkerName> for String {
    fn from(name: WorkerName) -> String {
        name.0
    }
}

impl fmt::Display for WorkerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for WorkerName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for WorkerName {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worker_names_are_dns_labels() {
        for good in ["a", "hello-world", "my_worker", "0abc", "envTest"] {
            assert!(good.parse::<WorkerName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "_a", "a b", "a.b", "a/b", "ü", "a\0", &"a".repeat(64)] {
            assert!(bad.parse::<WorkerName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn names_compare_without_case_and_keep_it() {
        let name: WorkerName = "envTest".parse().unwrap();
        assert_eq!(name, "ENVTEST".parse().unwrap());
        assert_eq!(name.to_string(), "envTest");
    }

    #[test]
    fn a_version_prefix_is_the_head_of_its_id() {
        let id: VersionId = "0f1e2d3c-0000-4000-8000-000000000000".parse().unwrap();
        assert_eq!(id.prefix(), "0f1e2d3c");
    }
}
