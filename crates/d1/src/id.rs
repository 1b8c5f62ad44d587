//! Which database.

use std::fmt;
use std::io;
use std::path::Path;
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

    /// The databases that have a folder in `folder`, which may be missing.
    ///
    /// # Errors
    /// It cannot be read.
    pub(crate) fn folders(folder: &Path) -> io::Result<Vec<Self>> {
        let entries = match std::fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let mut found = Vec::new();
        for entry in entries {
            found.extend(entry?.file_name().to_str().and_then(|name| name.parse::<Self>().ok()));
        }
        Ok(found)
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
