//! Errors of databases in Cloudflare's codes.

use hearth_api::{ApiError, code};
use http::StatusCode;

use crate::D1Error;
use crate::history::HistoryError;

/// The request does not make sense.
pub const BAD_REQUEST: u32 = 7400;
/// The account has as many databases as it may.
pub const TOO_MANY: u32 = 7406;
/// A query failed.
pub const QUERY: u32 = 7500;

/// 400, 7400.
pub fn bad_request(message: impl Into<String>) -> ApiError {
    ApiError::bad_request(BAD_REQUEST, message)
}

/// What went wrong with a database, for the caller.
pub fn database(error: &D1Error) -> ApiError {
    let (status, code) = match error {
        D1Error::Sql(_) => (StatusCode::BAD_REQUEST, QUERY),
        D1Error::NotFound => (StatusCode::NOT_FOUND, code::D1_NOT_FOUND),
        D1Error::TooManyQueued | D1Error::QueuedTooLong | D1Error::TooManyActive => {
            (StatusCode::TOO_MANY_REQUESTS, QUERY)
        }
        D1Error::Timeout | D1Error::Memory => (StatusCode::BAD_REQUEST, QUERY),
        D1Error::Died | D1Error::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, QUERY),
    };
    let answer = ApiError::new(status, code, error.to_string());
    match error {
        D1Error::Internal(cause) => answer.with_detail(cause),
        _ => answer,
    }
}

/// What went wrong with time travel, for the caller.
pub fn history(error: HistoryError) -> ApiError {
    match error {
        HistoryError::Unreachable(reason) => bad_request(capital(&reason.to_string())),
        HistoryError::Database(error) => database(&error),
        HistoryError::Files(cause) => ApiError::internal(cause),
        HistoryError::Unsound(found) => {
            let message =
                "The state of that point does not pass SQLite's check; the database stays as it is.";
            ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, QUERY, message).with_detail(found)
        }
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
