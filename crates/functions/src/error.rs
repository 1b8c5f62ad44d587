//! What a caller of the API is told when it says no.

use axum::response::{IntoResponse, Response};
use hearth_api::ApiError;
use hearth_model::TooMany;
use hearth_store::{Entity, StoreError};
use hearth_supervisor::{AcquireError, FunctionError};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

/// A refusal: a sentence, and the field that it is about.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    field: Option<&'static str>,
    message: String,
    details: Option<Box<FunctionError>>,
    /// Seconds after which another try is worth it.
    retry_after: Option<u64>,
    /// For the operator.
    cause: Option<String>,
}

impl Refusal {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(1);
        Self { status, field: None, message: message.into(), details: None, retry_after, cause: None }
    }

    /// 400: something is wrong with a field.
    pub fn field(field: &'static str, message: impl std::fmt::Display) -> Self {
        Self { field: Some(field), ..Self::new(StatusCode::BAD_REQUEST, format!("{field}: {message}")) }
    }

    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// 400: the code does not load, and why.
    pub fn code(error: FunctionError) -> Self {
        let field = if error.kind == "HandlerNotFound" { "handler" } else { "code" };
        let message = match error.message.strip_prefix("handler: ") {
            Some(rest) => rest.to_owned(),
            None => error.to_string(),
        };
        Self { details: Some(Box::new(error)), ..Self::field(field, message) }
    }

    pub fn unknown(id: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("id: there is no function {id}"))
            .with_status(StatusCode::NOT_FOUND)
            .about("id")
    }

    /// Whether the code cannot be read.
    pub fn is_about_syntax(&self) -> bool {
        self.details.as_ref().is_some_and(|error| error.kind == "SyntaxError")
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    /// Names the field that it is about.
    pub fn about(self, field: &'static str) -> Self {
        Self { field: Some(field), ..self }
    }

    pub fn internal(cause: impl std::fmt::Display) -> Self {
        let message = "Something failed on the server; its log says more.";
        Self { cause: Some(cause.to_string()), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, message) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if let Some(cause) = &self.cause {
            tracing::error!(cause, "a call of the functions API failed");
        }
        let mut body = json!({ "error": self.message });
        if let Some(field) = self.field {
            body["field"] = field.into();
        }
        if let Some(details) = &self.details {
            body["details"] = json!(details);
        }
        let mut response = (self.status, axum::Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NotFound { what: Entity::Worker, name } => Self::unknown(name),
            StoreError::Conflict { what: Entity::Worker, .. } => {
                Self::field("name", &error).with_status(StatusCode::CONFLICT)
            }
            StoreError::NotFound { .. } => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            StoreError::Conflict { .. } => Self::new(StatusCode::CONFLICT, error.to_string()),
            StoreError::Invalid { .. } => Self::new(StatusCode::BAD_REQUEST, error.to_string()),
            StoreError::Quota { .. } => Self::new(StatusCode::FORBIDDEN, error.to_string()),
            _ => Self::internal(&error),
        }
    }
}

impl From<TooMany> for Refusal {
    fn from(refused: TooMany) -> Self {
        let wait = Some(refused.wait);
        Self { retry_after: wait, ..Self::new(StatusCode::TOO_MANY_REQUESTS, refused.to_string()) }
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self::new(error.status(), error.message())
    }
}

impl From<AcquireError> for Refusal {
    fn from(error: AcquireError) -> Self {
        match error {
            AcquireError::Refused(error) => Self::code(error),
            AcquireError::Quota(text) => Self::new(StatusCode::SERVICE_UNAVAILABLE, text),
            AcquireError::Overloaded(text) => Self::new(StatusCode::SERVICE_UNAVAILABLE, text),
            AcquireError::ShuttingDown | AcquireError::NoSuchVersion(_) => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "The server or the function is just changing; try again.",
            ),
            AcquireError::Died(death) => Self::new(StatusCode::SERVICE_UNAVAILABLE, death.explanation()),
            AcquireError::Internal(cause) => Self::internal(cause),
            error @ AcquireError::NoCode => Self::internal(error),
        }
    }
}
