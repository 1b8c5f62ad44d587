//! Identifiers of what only the store makes: 32 lower-case hex digits, as Cloudflare's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Entity, StoreError};

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $entity:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            pub(crate) fn random() -> Self {
                Self(Uuid::new_v4().simple().to_string())
            }

            /// The id as it stands in a URL.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = StoreError;

            /// An id of another form names nothing, so it is *not found*.
            fn from_str(text: &str) -> Result<Self, StoreError> {
                let legal = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
                if text.len() != 32 || !text.bytes().all(legal) {
                    return Err(StoreError::not_found($entity, text));
                }
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = StoreError;

            fn try_from(text: String) -> Result<Self, StoreError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

hex_id!(
    /// An API token's identity; not the token.
    TokenId,
    Entity::Token
);
hex_id!(
    /// A zone.
    ZoneId,
    Entity::Zone
);
hex_id!(
    /// A route.
    RouteId,
    Entity::Route
);
hex_id!(
    /// A custom domain.
    DomainId,
    Entity::Domain
);
hex_id!(
    /// A person.
    UserId,
    Entity::User
);
hex_id!(
    /// A person's place in an account.
    MembershipId,
    Entity::Membership
);
hex_id!(
    /// A browser that is signed in; not what its cookie holds.
    SessionId,
    Entity::Session
);
