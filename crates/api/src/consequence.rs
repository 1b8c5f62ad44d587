//! What a call changes beside what it was made for.

use hearth_model::AccountId;
use serde_json::Value;

/// One change, as the operation has it that makes it alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Consequence {
    /// That operation's id in the OpenAPI document.
    pub operation: &'static str,
    /// Whose things it is about; None: the installation's.
    pub account: Option<AccountId>,
    /// The id of what was changed.
    pub resource: String,
    /// What was there before.
    pub before: Option<Value>,
    /// What is there now.
    pub after: Option<Value>,
    /// The id and the address of mail of the person because of whom it was changed.
    pub person: (String, String),
}

/// An extension of a response, from which the audit log takes an entry for each.
#[derive(Debug, Clone, Default)]
pub struct Consequences(pub Vec<Consequence>);
