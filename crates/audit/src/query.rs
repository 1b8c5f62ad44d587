//! Which entries are asked for.

use hearth_model::AccountId;

/// Whose entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// One account's.
    Account(AccountId),
    /// Those that are no account's: the installation's own.
    Installation,
    /// All there are.
    Everything,
}

/// Entries that are asked for. What is None or empty does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Whose.
    pub scope: Scope,
    /// The first moment, in microseconds since 1970.
    pub since: Option<i64>,
    /// The moment after the last one.
    pub before: Option<i64>,
    /// One entry.
    pub id: Option<String>,
    /// Who, by address.
    pub email: Option<String>,
    /// From where.
    pub ip: Option<String>,
    /// With which token.
    pub token_id: Option<String>,
    /// What: an operation, or `create`, `update` or `delete`.
    pub action: Option<String>,
    /// With this method.
    pub method: Option<String>,
    /// About which thing.
    pub resource: Option<String>,
    /// About which kind of thing.
    pub resource_type: Option<String>,
    /// Whether it was done.
    pub done: Option<bool>,
    /// The oldest first.
    pub ascending: bool,
}

impl Filter {
    /// Everything of a scope, the newest first.
    pub fn of(scope: Scope) -> Self {
        Self {
            scope,
            since: None,
            before: None,
            id: None,
            email: None,
            ip: None,
            token_id: None,
            action: None,
            method: None,
            resource: None,
            resource_type: None,
            done: None,
            ascending: false,
        }
    }
}

/// What a method does, in Cloudflare's words.
pub(crate) fn verb(method: &str) -> &'static str {
    match method {
        "POST" => "create",
        "DELETE" => "delete",
        _ => "update",
    }
}
