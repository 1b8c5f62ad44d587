//! What `runtime/bindings/analytics.js` speaks on a binding: a POST of an array of points. Nobody waits for more than
//! its arrival in memory.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};

use hearth_model::AccountId;

use crate::Analytics;

/// Largest batch, in bytes: as many points as are kept, as large as they may be, and JSON's escapes.
const MAX_BATCH: usize = 16 << 20;

/// Answers a request on a binding of `account` to `dataset`.
pub async fn serve(
    analytics: &Analytics,
    account: &AccountId,
    dataset: &str,
    request: Request<Body>,
) -> Response {
    if request.method() != Method::POST {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let Ok(body) = Limited::new(request.into_body(), MAX_BATCH).collect().await else {
        analytics.refused(1);
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    match crate::point::read(&body.to_bytes()) {
        Ok((points, dropped)) => {
            analytics.refused(dropped);
            analytics.write(account, dataset, points);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}
