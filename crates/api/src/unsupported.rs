//! What Cloudflare's API has and this installation does not yet: refused by name rather than as an unknown path.

use axum::extract::Request;

use crate::error::{ApiError, code};
use crate::path::PREFIX;

/// The first path segments below an account, or further down, and what they stand for.
const RESOURCES: [(&str, &str); 17] = [
    ("r2-catalog", "The R2 Data Catalog is"),
    ("workflows", "Workflows are"),
    ("hyperdrive", "Hyperdrive is"),
    ("vectorize", "Vectorize is"),
    ("secrets_store", "The Secrets Store is"),
    ("mtls_certificates", "mTLS certificates are"),
    ("pipelines", "Pipelines are"),
    ("ai", "Workers AI is"),
    ("ai-search", "AI Search is"),
    ("images", "Images is"),
    ("stream", "Stream is"),
    ("containers", "Containers are"),
    ("email", "Email routing is"),
    ("cfd_tunnel", "Tunnels are"),
    ("triggers", "Event triggers are"),
    ("workers/dispatch", "Workers for Platforms is"),
    ("workers/observability", "This part of Workers Observability is"),
];

/// `scripts/:worker/edge-preview` and its kin.
pub(crate) async fn remote_dev() -> ApiError {
    ApiError::not_supported("Remote development (`wrangler dev --remote`) is")
}

/// `workers/:worker/previews`.
pub(crate) async fn previews() -> ApiError {
    ApiError::not_supported("`wrangler preview` is")
}

/// No such path, or one of a resource that is not there yet.
pub(crate) async fn fallback(request: Request) -> ApiError {
    let unknown = || ApiError::not_found(code::NO_ROUTE, "No route for that URI");
    resource(request.uri().path()).map_or_else(unknown, ApiError::not_supported)
}

/// The path is there, with other methods.
pub(crate) async fn method_not_allowed(request: Request) -> ApiError {
    resource(request.uri().path()).map_or_else(
        || {
            let message = format!("Method {} not available for that URI.", request.method());
            ApiError::new(http::StatusCode::METHOD_NOT_ALLOWED, code::NO_METHOD, message)
        },
        ApiError::not_supported,
    )
}

/// The resource of ours-to-come that a path belongs to.
fn resource(path: &str) -> Option<&'static str> {
    let inner = path.strip_prefix(PREFIX)?.trim_start_matches('/');
    let rest = match inner.strip_prefix("accounts/") {
        Some(rest) => rest.split_once('/').map_or("", |(_, resource)| resource),
        None => inner,
    };
    let within = |prefix: &str| {
        rest.strip_prefix(prefix).is_some_and(|below| below.is_empty() || below.starts_with('/'))
    };
    RESOURCES.iter().find(|(prefix, _)| within(prefix)).map(|(_, what)| *what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_named_and_other_paths_are_not() {
        for (path, expected) in [
            ("/client/v4/accounts/a/hyperdrive", Some("Hyperdrive is")),
            ("/client/v4/accounts/a/hyperdrive/configs", Some("Hyperdrive is")),
            ("/client/v4/pages/assets/upload", None),
            ("/client/v4/accounts/a/hyperdrives", None),
            ("/client/v4/accounts/a", None),
            ("/client/v4/nothing", None),
        ] {
            assert_eq!(resource(path), expected, "{path}");
        }
    }
}
