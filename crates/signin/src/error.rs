//! What a caller is told when it says no: `{"error":{"code","message"}}`.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use hearth_api::ApiError;
use hearth_store::StoreError;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

/// A refusal.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    code: &'static str,
    message: String,
    /// Seconds.
    retry_after: Option<u64>,
    /// For the operator.
    cause: Option<String>,
}

impl Refusal {
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), retry_after: None, cause: None }
    }

    /// 400: something that was sent makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid", message)
    }

    /// 401: who calls is not signed in.
    pub fn unauthenticated() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthenticated", "Sign in first.")
    }

    /// 401, whatever of the two is wrong and whether such a person exists or not.
    pub fn wrong_password() -> Self {
        let text = "The address or the password is wrong.";
        Self::new(StatusCode::UNAUTHORIZED, "wrong_credentials", text)
    }

    /// 401.
    pub fn wrong_code() -> Self {
        let text = "The code is wrong, or was used already. Wait for the next one.";
        Self::new(StatusCode::UNAUTHORIZED, "wrong_code", text)
    }

    /// 403.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 429.
    pub fn too_many(wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let text = format!("Too many attempts. Try again in {seconds} s.");
        let refusal = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", text);
        Self { retry_after: Some(seconds), ..refusal }
    }

    /// For a page instead of an answer in JSON.
    pub fn for_page(self) -> (StatusCode, String) {
        self.report();
        (self.status, self.message)
    }

    fn report(&self) {
        if let Some(cause) = &self.cause {
            tracing::error!(cause, "a call about signing in failed");
        }
    }

    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let text = "Something failed on the server; its log says more.";
        let refusal = Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", text);
        Self { cause: Some(cause.to_string()), ..refusal }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        self.report();
        let body = json!({"error": {"code": self.code, "message": self.message}});
        let mut response = (self.status, axum::Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let (status, code) = match &error {
            StoreError::NotFound { .. } => (StatusCode::NOT_FOUND, "not_found"),
            StoreError::Conflict { .. } => (StatusCode::CONFLICT, "conflict"),
            StoreError::Invalid { .. } => (StatusCode::BAD_REQUEST, "invalid"),
            _ => return Self::internal(error),
        };
        Self::new(status, code, error.to_string())
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        error.report();
        let code = match error.status() {
            StatusCode::UNAUTHORIZED => return Self::unauthenticated(),
            StatusCode::FORBIDDEN => "forbidden",
            StatusCode::INTERNAL_SERVER_ERROR => "internal",
            _ => "invalid",
        };
        Self::new(error.status(), code, error.message())
    }
}
