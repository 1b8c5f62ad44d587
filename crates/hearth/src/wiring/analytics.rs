//! Bindings → Analytics Engine: which dataset a binding leads to.

use axum::body::Body;
use hearth_analytics::Analytics;
use hearth_model::Binding;
use hearth_supervisor::Identity;
use http::{Request, Response};

/// Answers a request on a binding to a dataset, which has the binding's name where it was given none.
pub async fn serve(
    analytics: &Analytics,
    identity: &Identity,
    binding: &Binding,
    dataset: Option<&str>,
    request: Request<Body>,
) -> Response<Body> {
    analytics.serve(&identity.account, dataset.unwrap_or(&binding.name), request).await
}
