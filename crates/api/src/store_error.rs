//! The store's errors in Cloudflare's codes.

use hearth_store::{Entity, ResourceKind, StoreError};
use http::StatusCode;

use crate::error::{ApiError, code};

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NotFound { what: Entity::Worker, .. } => Self::worker_not_found(),
            StoreError::NotFound { what: Entity::Version, name } => Self::version_not_found(name),
            StoreError::NotFound { what, .. } => Self::not_found(not_found(*what), sentence(&error)),
            StoreError::Conflict { what, .. } => {
                Self::new(StatusCode::CONFLICT, conflict(*what), sentence(&error))
            }
            StoreError::Quota { .. } => Self::new(StatusCode::FORBIDDEN, code::TOO_MANY, sentence(&error)),
            StoreError::Invalid { what, .. } => Self::bad_request(invalid(*what), sentence(&error)),
            _ => Self::internal(&error),
        }
    }
}

fn not_found(what: Entity) -> u32 {
    match what {
        Entity::Secret => code::SECRET_NOT_FOUND,
        Entity::Deployment => code::VERSION_NOT_FOUND,
        Entity::Route | Entity::Domain => code::ROUTE_NOT_FOUND,
        Entity::Resource(ResourceKind::KvNamespace) => code::KV_NAMESPACE_NOT_FOUND,
        Entity::Resource(ResourceKind::R2Bucket) => code::R2_BUCKET_NOT_FOUND,
        Entity::Resource(ResourceKind::D1Database) => code::D1_NOT_FOUND,
        _ => code::BAD_IDENTIFIER,
    }
}

fn conflict(what: Entity) -> u32 {
    match what {
        Entity::Account => code::SUBDOMAIN_TAKEN,
        Entity::Secret | Entity::Version => code::BINDING_NAME_TAKEN,
        Entity::Worker => code::BAD_WORKER_NAME,
        Entity::Resource(ResourceKind::KvNamespace) => code::KV_TITLE_TAKEN,
        Entity::Resource(ResourceKind::R2Bucket) => code::R2_BUCKET_TAKEN,
        Entity::Resource(ResourceKind::D1Database) => code::D1_NAME_TAKEN,
        _ => code::ROUTE_TAKEN,
    }
}

fn invalid(what: Entity) -> u32 {
    match what {
        Entity::Route | Entity::Domain | Entity::Zone => code::BAD_ROUTE,
        Entity::Version | Entity::Secret => code::INVALID_UPLOAD,
        Entity::Deployment => code::BAD_DEPLOYMENT,
        _ => code::BAD_BODY,
    }
}

/// The store's sentence, as an answer writes it.
fn sentence(error: &StoreError) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    let rest = letters.as_str();
    let stop = if rest.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{rest}{stop}")
}
