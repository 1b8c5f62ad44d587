//! What is answered where something does not hold, with Cloudflare's numbers where they are known.

use hearth_api::{ApiError, code};
use http::StatusCode;

/// A project's name that the account has already.
const PROJECT_EXISTS: u32 = 8_000_002;
/// The token of an upload is not valid; wrangler then asks for another one.
const UPLOAD_TOKEN: u32 = 8_000_013;
/// The deployment that serves production.
const IN_PRODUCTION: u32 = 8_000_034;
/// A deployment that an alias leads to.
const ALIASED: u32 = 8_000_035;
/// There is no manifest.
const NO_MANIFEST: u32 = 8_000_096;

/// 400 naming what does not hold.
pub(crate) fn invalid(text: impl Into<String>) -> ApiError {
    ApiError::bad_request(code::INVALID_UPLOAD, text)
}

pub(crate) fn project_exists(name: &str) -> ApiError {
    let text = format!("A project with the name {name:?} already exists. Choose a different project name.");
    ApiError::new(StatusCode::CONFLICT, PROJECT_EXISTS, text)
}

pub(crate) fn upload_token() -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        UPLOAD_TOKEN,
        "The token of this upload is not valid, or has expired. Ask for another one; what was uploaded is kept.",
    )
}

pub(crate) fn in_production() -> ApiError {
    ApiError::bad_request(
        IN_PRODUCTION,
        "This deployment serves production. Deploy or roll back to another one before you delete it.",
    )
}

pub(crate) fn aliased(alias: &str) -> ApiError {
    ApiError::bad_request(
        ALIASED,
        format!(
            "The alias {alias:?} leads to this deployment. Delete it with ?force=true (`--force`) all the same."
        ),
    )
}

pub(crate) fn no_manifest() -> ApiError {
    ApiError::bad_request(
        NO_MANIFEST,
        "A \"manifest\" field was expected in the request body but was not provided: a JSON object of paths and hashes.",
    )
}
