//! The store's errors in S3's codes (<https://developers.cloudflare.com/r2/api/error-codes/>).

use hearth_model::TooMany;
use hearth_r2::store::{Object, R2Error};
use hearth_store::StoreError;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use s3s::{S3Error, S3ErrorCode, s3_error};

use crate::body::Cause;
use crate::convert;

/// An error of R2's store as S3 gives it.
pub(crate) fn of(error: R2Error) -> S3Error {
    let text = error.to_string();
    let code = match error {
        R2Error::Internal(detail) => return internal(&detail),
        R2Error::PreconditionFailed { object, not_modified } => {
            return failed(object.as_deref(), not_modified);
        }
        R2Error::StorageFull | R2Error::NoRoom(_) => {
            return custom("InsufficientStorage", StatusCode::INSUFFICIENT_STORAGE, text);
        }
        R2Error::ObjectLocked => return custom("ObjectLockedByBucketPolicy", StatusCode::FORBIDDEN, text),
        R2Error::Unavailable => S3ErrorCode::ServiceUnavailable,
        R2Error::NoSuchBucket => S3ErrorCode::NoSuchBucket,
        R2Error::InvalidBucketName => S3ErrorCode::InvalidBucketName,
        R2Error::BucketExists => S3ErrorCode::BucketAlreadyOwnedByYou,
        R2Error::BucketNotEmpty => S3ErrorCode::BucketNotEmpty,
        R2Error::NoSuchKey => S3ErrorCode::NoSuchKey,
        R2Error::InvalidObjectName => S3ErrorCode::KeyTooLongError,
        R2Error::InvalidMaxKeys | R2Error::InvalidCursor | R2Error::InvalidArgument(_) => {
            S3ErrorCode::InvalidArgument
        }
        R2Error::EntityTooLarge => S3ErrorCode::EntityTooLarge,
        R2Error::EntityTooSmall => S3ErrorCode::EntityTooSmall,
        R2Error::MetadataTooLarge => S3ErrorCode::MetadataTooLarge,
        R2Error::NoSuchUpload => S3ErrorCode::NoSuchUpload,
        R2Error::InvalidPart | R2Error::BadUpload => S3ErrorCode::InvalidPart,
        R2Error::BadDigest { .. } => S3ErrorCode::BadDigest,
        R2Error::InvalidRange => S3ErrorCode::InvalidRange,
        R2Error::WrongCustomerKey => S3ErrorCode::AccessDenied,
        R2Error::IncompleteBody => S3ErrorCode::IncompleteBody,
    };
    S3Error::with_message(code, text)
}

/// An error of what changes something: a condition that does not hold is 412 in every case, since nothing is read that
/// could be unmodified.
pub(crate) fn of_change(error: R2Error) -> S3Error {
    of(match error {
        R2Error::PreconditionFailed { object, .. } => {
            R2Error::PreconditionFailed { object, not_modified: false }
        }
        other => other,
    })
}

/// An error of a write, of whose body it may be known why it broke off.
pub(crate) fn of_write(error: R2Error, cause: Option<Cause>) -> S3Error {
    match cause {
        Some(Cause::Signature) => s3_error!(
            SignatureDoesNotMatch,
            "The chunk signature we calculated does not match the signature you provided."
        ),
        Some(Cause::Sha256) => wrong_sha256(),
        Some(Cause::Broken) => of(R2Error::IncompleteBody),
        None => of_change(error),
    }
}

/// The body is not what was signed.
pub(crate) fn wrong_sha256() -> S3Error {
    custom(
        "XAmzContentSHA256Mismatch",
        StatusCode::BAD_REQUEST,
        "The provided 'x-amz-content-sha256' header does not match what was computed.".to_owned(),
    )
}

/// An error of the metadata store.
pub(crate) fn of_store(error: &StoreError) -> S3Error {
    internal(&error.to_string())
}

/// Something of ours failed; the detail is the operator's.
pub(crate) fn internal(detail: &str) -> S3Error {
    tracing::error!(error = detail, "an S3 operation failed");
    s3_error!(InternalError, "We encountered an internal error. Please try again.")
}

/// The account has had as many requests as it may.
pub(crate) fn too_many(refused: TooMany) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::SlowDown, refused.to_string());
    error.set_headers(HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from(refused.wait))]));
    error
}

/// A code that AWS does not have.
fn custom(code: &'static str, status: StatusCode, text: String) -> S3Error {
    let mut error = S3Error::with_message(S3ErrorCode::Custom(code.into()), text);
    error.set_status_code(status);
    error
}

/// A condition that did not hold: 412, or 304 where HTTP reads.
fn failed(object: Option<&Object>, not_modified: bool) -> S3Error {
    if !not_modified {
        return s3_error!(
            PreconditionFailed,
            "At least one of the pre-conditions you specified did not hold."
        );
    }
    let mut error = s3_error!(NotModified, "Not Modified");
    if let Some(object) = object {
        let mut headers = HeaderMap::new();
        let mut set = |name, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        set(header::ETAG, format!("\"{}\"", object.etag));
        set(header::LAST_MODIFIED, convert::http_date(object.uploaded));
        error.set_headers(headers);
    }
    error
}
