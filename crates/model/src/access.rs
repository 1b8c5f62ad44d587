//! Who may reach a worker from outside.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::IdError;

/// A worker's rule at the gateway. It holds for all of its hosts, routes, previews and paths; calls by service bindings
/// pass it by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Access {
    /// Anybody.
    #[default]
    Open,
    /// Whoever shows one of the worker's access tokens.
    Token,
    /// Other workers of the account.
    Internal,
}

impl Access {
    /// All rules.
    pub const ALL: [Self; 3] = [Self::Open, Self::Token, Self::Internal];

    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Token => "token",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Access {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let found = Self::ALL.into_iter().find(|rule| rule.as_str() == text);
        found.ok_or_else(|| IdError(format!("`{text}` is not an access rule: use open, token or internal")))
    }
}

/// The digest (SHA-256) of an access token: all that is kept of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash")
    }
}

/// An access token as the gateway knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessToken {
    /// Its digest.
    pub hash: TokenHash,
    /// From when on it opens nothing, in microseconds since 1970; None: until it is revoked.
    pub expires_us: Option<i64>,
}

/// A worker's rule with what the gateway needs to follow it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PublishedAccess {
    /// The rule.
    pub rule: Access,
    /// Its access tokens; loaded only where the rule asks for them.
    pub tokens: Vec<AccessToken>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_as_it_is_written() {
        for rule in Access::ALL {
            assert_eq!(rule.as_str().parse(), Ok(rule));
            assert_eq!(serde_json::to_value(rule).unwrap(), rule.as_str());
        }
        assert!("closed".parse::<Access>().unwrap_err().to_string().contains("internal"));
    }
}
