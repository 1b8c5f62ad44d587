//! The named segments of a path, percent-decoded once.

use axum::extract::{FromRequestParts, RawPathParams};
use hearth_model::{IdError, VersionId, WorkerName};
use http::request::Parts;

use crate::error::{ApiError, code};

/// The named segments of the matched path.
pub struct Params(Vec<(String, String)>);

impl Params {
    /// A segment by the name that the route table gives it; empty when the table has none of that name.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// The segment `{worker}`.
    ///
    /// # Errors
    /// 400 when it cannot be a name.
    pub fn worker(&self) -> Result<WorkerName, ApiError> {
        Ok(self.get("worker").parse::<WorkerName>()?)
    }

    /// The segment `{version}`.
    ///
    /// # Errors
    /// 404 when it cannot be an id.
    pub fn version(&self) -> Result<VersionId, ApiError> {
        let text = self.get("version");
        text.parse().map_err(|_: IdError| ApiError::version_not_found(format_args!("{text:?}")))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let raw = RawPathParams::from_request_parts(parts, state).await.map_err(|error| {
            ApiError::bad_request(code::BAD_IDENTIFIER, "The path is not valid UTF-8 once it is decoded.")
                .with_detail(error)
        })?;
        Ok(Self(raw.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()))
    }
}
