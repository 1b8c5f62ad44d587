//! Which database.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

/// A database: the hyphenated UUID that wrangler's `database_id` is. It names the folder too, so it is checked where
/// it enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DatabaseId(Uuid);

impl DatabaseId {
    /// A new random one.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }
}

impl FromStr for DatabaseId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

impl fmt::Display for DatabaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}
