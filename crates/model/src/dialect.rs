//! Whose words a worker was made with.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{IdError, WorkerName};

/// The HTTP API that a worker belongs to. Each lists and names its own, so two dialects may use one name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    /// Cloudflare's: a worker.
    #[default]
    Workers,
    /// `/api/deploy`: a function with versions and aliases in its hosts.
    Deploy,
    /// `/api/v1/functions`: a function in Node.js, Python or Go.
    Functions,
    /// `/api/functions` and `/fn/*`: a handler with a route.
    Nexo,
    /// Cloudflare's Pages: a project, whose versions are its deployments.
    Pages,
}

impl Dialect {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Workers, Self::Deploy, Self::Functions, Self::Nexo, Self::Pages];

    /// The label of a host that stands behind a project's name: `<project>.pages.<base-domain>`.
    pub const PAGES_LABEL: &str = "pages";

    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Workers => "workers",
            Self::Deploy => "deploy",
            Self::Functions => "functions",
            Self::Nexo => "nexo",
            Self::Pages => "pages",
        }
    }

    /// Whether what it makes is served on `<name>.<base-domain>`: among these dialects a name has one owner.
    pub fn owns_host(self) -> bool {
        matches!(self, Self::Workers | Self::Deploy)
    }

    /// Whether what it makes has a host of its own below the base domains.
    pub fn has_host(self) -> bool {
        self.owns_host() || self == Self::Pages
    }

    /// A worker's name among those of all dialects, for counts and charts: where a name has a host it has one owner.
    pub fn qualified(self, name: &WorkerName) -> String {
        if self.owns_host() { name.to_string() } else { format!("{self}/{name}") }
    }

    /// What one of its workers is called.
    pub fn title(self) -> &'static str {
        match self {
            Self::Workers => "worker",
            Self::Deploy => "function of /api/deploy",
            Self::Functions => "function of /api/v1/functions",
            Self::Nexo => "function of /api/functions",
            Self::Pages => "Pages project",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Dialect {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let found = Self::ALL.into_iter().find(|dialect| dialect.as_str() == text);
        found.ok_or_else(|| IdError(format!("`{text}` is not a dialect")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qualified_name_is_one_worker_s() {
        let name = "hello".parse().unwrap();
        let names: Vec<_> = Dialect::ALL.into_iter().map(|dialect| dialect.qualified(&name)).collect();
        assert_eq!(names, ["hello", "hello", "functions/hello", "nexo/hello", "pages/hello"]);
    }

    #[test]
    fn a_dialect_is_read_as_it_is_written() {
        for dialect in Dialect::ALL {
            assert_eq!(dialect.as_str().parse(), Ok(dialect));
            assert_eq!(serde_json::to_value(dialect).unwrap(), dialect.as_str());
        }
        assert!("Workers".parse::<Dialect>().is_err());
    }
}
