//! What can go wrong, in a form that the API maps to Cloudflare's codes.

use std::fmt;
use std::io;

use crate::ResourceKind;

/// A result of this crate.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entity {
    /// An account.
    Account,
    /// An API token.
    Token,
    /// A person.
    User,
    /// A person's place in an account.
    Membership,
    /// A browser that is signed in.
    Session,
    /// A one-time link to set a password.
    Invitation,
    /// A provider of single sign-on.
    Provider,
    /// A passkey of a person.
    Passkey,
    /// Something of Access at the gateway.
    Access,
    /// A worker.
    Worker,
    /// A version of a worker.
    Version,
    /// A deployment of a worker.
    Deployment,
    /// A secret binding of a version.
    Secret,
    /// A blob: the content of a module.
    Blob,
    /// A zone.
    Zone,
    /// A route.
    Route,
    /// A custom domain.
    Domain,
    /// What a worker binds and what has data of its own.
    Resource(ResourceKind),
}

impl fmt::Display for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Account => "account",
            Self::Token => "token",
            Self::User => "user",
            Self::Membership => "member",
            Self::Session => "session",
            Self::Invitation => "invitation",
            Self::Provider => "provider",
            Self::Passkey => "passkey",
            Self::Access => "access",
            Self::Worker => "worker",
            Self::Version => "version",
            Self::Deployment => "deployment",
            Self::Secret => "secret",
            Self::Blob => "blob",
            Self::Zone => "zone",
            Self::Route => "route",
            Self::Domain => "domain",
            Self::Resource(kind) => kind.title(),
        })
    }
}

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// It does not exist, or belongs to somebody else.
    #[error("{what} `{name}` does not exist")]
    NotFound {
        /// What was looked for.
        what: Entity,
        /// How it was named.
        name: String,
    },
    /// It clashes with something that exists; the reason names that where it is of the same account.
    #[error("{reason}")]
    Conflict {
        /// What was to be written.
        what: Entity,
        /// A sentence for the caller.
        reason: String,
    },
    /// What was given makes no sense.
    #[error("{reason}")]
    Invalid {
        /// What was to be written.
        what: Entity,
        /// A sentence for the caller.
        reason: String,
    },
    /// The account has as many as it may.
    #[error("{reason}")]
    Quota {
        /// What was to be made.
        what: Entity,
        /// A sentence for the caller.
        reason: String,
    },
    /// Another Hearth has the data folder open.
    #[error("the data folder {0} is in use by another Hearth")]
    Locked(String),
    /// The master key is missing, unreadable, or not the one that the secrets were encrypted with.
    #[error("master key: {0}")]
    Key(String),
    /// Stored data is not what was written: a blob with another digest, a secret that does not decrypt.
    #[error("stored data is corrupt: {0}")]
    Corrupt(String),
    /// The database was made by a newer Hearth.
    #[error(
        "hearth.db has format {found}, this Hearth knows up to {known}: run the newer Hearth that wrote it"
    )]
    TooNew {
        /// The database's format.
        found: i64,
        /// The newest format this program knows.
        known: i64,
    },
    /// The file system refused.
    #[error("{context}: {source}")]
    Io {
        /// What was being done.
        context: String,
        /// Why not.
        source: io::Error,
    },
    /// The database refused.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
}

impl StoreError {
    /// Whether the text is fit for the caller. Of the rest the caller hears that something failed, the operator's
    /// log has the text.
    pub fn is_for_caller(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. } | Self::Conflict { .. } | Self::Invalid { .. } | Self::Quota { .. }
        )
    }

    /// Whether it says that such a thing does not exist.
    pub fn is_not_found(&self, entity: Entity) -> bool {
        matches!(self, Self::NotFound { what, .. } if *what == entity)
    }

    pub(crate) fn not_found(what: Entity, name: impl fmt::Display) -> Self {
        Self::NotFound { what, name: name.to_string() }
    }

    pub(crate) fn conflict(what: Entity, reason: impl Into<String>) -> Self {
        Self::Conflict { what, reason: reason.into() }
    }

    pub(crate) fn invalid(what: Entity, reason: impl Into<String>) -> Self {
        Self::Invalid { what, reason: reason.into() }
    }

    pub(crate) fn io(context: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let context = context.into();
        move |source| Self::Io { context, source }
    }
}
