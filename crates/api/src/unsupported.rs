//! What Cloudflare's API has and this installation does not yet: refused by name rather than as an unknown path.

use axum::extract::Request;
use http::Uri;

use crate::error::{ApiError, code};
use crate::path::PREFIX;

/// The first path segments below an account, or further down, and what they stand for.
const RESOURCES: [(&str, &str); 24] = [
    ("storage/kv", "Workers KV is"),
    ("d1", "D1 is"),
    ("r2", "R2 is"),
    ("queues", "Queues are"),
    ("event_subscriptions", "Event subscriptions are"),
    ("workflows", "Workflows are"),
    ("hyperdrive", "Hyperdrive is"),
    ("vectorize", "Vectorize is"),
    ("secrets_store", "The Secrets Store is"),
    ("mtls_certificates", "mTLS certificates are"),
    ("pipelines", "Pipelines are"),
    ("pages", "Pages is"),
    ("ai", "Workers AI is"),
    ("ai-search", "AI Search is"),
    ("images", "Images is"),
    ("stream", "Stream is"),
    ("containers", "Containers are"),
    ("email", "Email routing is"),
    ("cfd_tunnel", "Tunnels are"),
    ("triggers", "Event triggers are"),
    ("workers/dispatch", "Workers for Platforms is"),
    ("workers/assets", "Static assets are"),
    ("workers/observability", "Workers Observability is"),
    ("workers/durable_objects", "Durable Objects are"),
];

/// `POST scripts/:worker/tails`.
pub(crate) async fn tails() -> ApiError {
    ApiError::not_supported("Live tails (`wrangler tail`) are")
}

/// `POST scripts/:worker/assets-upload-session`.
pub(crate) async fn assets() -> ApiError {
    ApiError::not_supported("Static assets are")
}

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
    unrouted(request.uri())
}

/// The path is there, with other methods.
pub(crate) async fn method_not_allowed(request: Request) -> ApiError {
    let message = format!("Method {} not available for that URI.", request.method());
    ApiError::new(http::StatusCode::METHOD_NOT_ALLOWED, code::NO_METHOD, message)
}

fn unrouted(uri: &Uri) -> ApiError {
    let inner = uri.path().strip_prefix(PREFIX).unwrap_or_default().trim_start_matches('/');
    let resource = match inner.strip_prefix("accounts/") {
        Some(rest) => rest.split_once('/').map_or("", |(_, resource)| resource),
        None => inner,
    };
    let named = RESOURCES.iter().find(|(prefix, _)| {
        resource.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    match named {
        Some((_, what)) => ApiError::not_supported(what),
        None => ApiError::not_found(code::NO_ROUTE, "No route for that URI"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_named_and_other_paths_are_not() {
        for (path, expected) in [
            (
                "/client/v4/accounts/a/storage/kv/namespaces",
                "Workers KV is not supported by this Hearth yet.",
            ),
            ("/client/v4/accounts/a/d1", "D1 is not supported by this Hearth yet."),
            ("/client/v4/pages/assets/upload", "Pages is not supported by this Hearth yet."),
            ("/client/v4/accounts/a/d11", "No route for that URI"),
            ("/client/v4/accounts/a", "No route for that URI"),
            ("/client/v4/nothing", "No route for that URI"),
        ] {
            assert_eq!(unrouted(&path.parse().unwrap()).message(), expected, "{path}");
        }
    }
}
