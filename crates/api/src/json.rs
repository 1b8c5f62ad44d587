//! JSON bodies, whatever their content type: most of wrangler's come as `text/plain` (wrangler-api.md 1.3).

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::StatusCode;
use serde::de::DeserializeOwned;

use crate::error::{ApiError, code};

/// Largest body of a call that is no upload, in bytes.
const MAX_JSON_BYTES: usize = 4 << 20;

/// A JSON body.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        parse(&read(request.into_body(), MAX_JSON_BYTES).await?).map(Self)
    }
}

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// 413 when it is longer, 400 when it breaks off.
pub async fn read(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    to_bytes(body, limit).await.map_err(|error| {
        if is_length_limit(&error) {
            ApiError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                code::TOO_LARGE,
                format!("The request's body is larger than {limit} bytes."),
            )
        } else {
            ApiError::bad_request(code::BAD_BODY, "The request's body ended before it was complete.")
                .with_detail(error)
        }
    })
}

fn is_length_limit(error: &axum::Error) -> bool {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = source {
        if current.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        source = current.source();
    }
    false
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    if body.is_empty() {
        return Err(ApiError::bad_request(code::BAD_BODY, "The request has no body; JSON is expected."));
    }
    serde_json::from_slice(body).map_err(|error| {
        ApiError::bad_request(code::BAD_BODY, format!("Could not read the request's JSON body: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    async fn call(body: &'static str) -> Result<Value, ApiError> {
        let request = Request::builder().header("content-type", "text/plain").body(Body::from(body)).unwrap();
        Json::<Value>::from_request(request, &()).await.map(|Json(value)| value)
    }

    #[tokio::test]
    async fn the_content_type_does_not_matter() {
        assert_eq!(call("{\"a\":1}").await.unwrap()["a"], 1);
    }

    #[tokio::test]
    async fn what_is_no_json_is_refused_with_the_place() {
        for body in ["", "{", "{\"a\":}"] {
            let error = call(body).await.unwrap_err();
            assert_eq!((error.status().as_u16(), error.code()), (400, code::BAD_BODY));
        }
        assert!(call("{\"a\":}").await.unwrap_err().message().contains("column 6"));
    }

    #[tokio::test]
    async fn a_body_over_the_limit_says_so() {
        let error = read(Body::from(vec![0_u8; 11]), 10).await.unwrap_err();
        assert_eq!((error.status().as_u16(), error.code()), (413, code::TOO_LARGE));
        assert!(read(Body::from(vec![0_u8; 10]), 10).await.is_ok());
    }
}
