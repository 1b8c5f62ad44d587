//! One call that changed something, or tried to.

use hearth_model::AccountId;
use serde_json::Value;
use uuid::Uuid;

/// A call, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its id.
    pub id: Uuid,
    /// When it was answered, in microseconds since 1970.
    pub at: i64,
    /// Whose things it was about; None: the installation's.
    pub account: Option<AccountId>,
    /// Who made it.
    pub actor: Actor,
    /// The operation's id in the OpenAPI document.
    pub operation: String,
    /// Its title there.
    pub title: String,
    /// The section that it stands in there.
    pub product: String,
    /// The method.
    pub method: String,
    /// The path, without its query.
    pub path: String,
    /// What kind of thing it was about: the last word of the path.
    pub resource_type: String,
    /// Which one, where that is known.
    pub resource_id: Option<String>,
    /// The answer's status.
    pub status: u16,
    /// The code of an error, where it has one.
    pub code: Option<i64>,
    /// What was there before, without secrets.
    pub before: Option<Value>,
    /// What was there afterwards, or what was answered, without secrets.
    pub after: Option<Value>,
}

/// Who makes a call, and from where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Actor {
    /// `user`, `account` (a token), `system` (a local caller under `--dev`, or single sign-on by the groups of a person) or
    /// `unknown`.
    pub kind: String,
    /// A person's id, where it is a person.
    pub id: Option<String>,
    /// The e-mail address of the person, or of the token.
    pub email: Option<String>,
    /// The token's id.
    pub token_id: Option<String>,
    /// The token's name.
    pub token_name: Option<String>,
    /// The client's address.
    pub ip: Option<String>,
    /// What the client says it is.
    pub agent: Option<String>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was done.
    Done,
    /// It was not.
    Failed,
    /// Its caller may not.
    Refused,
}

impl Outcome {
    /// Of an answer's status.
    pub fn of(status: u16) -> Self {
        match status {
            401 | 403 => Self::Refused,
            400.. => Self::Failed,
            _ => Self::Done,
        }
    }

    /// As it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "success",
            Self::Failed => "failure",
            Self::Refused => "refused",
        }
    }
}
