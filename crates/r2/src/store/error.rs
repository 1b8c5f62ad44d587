//! What can go wrong, in Cloudflare's codes and words.

use std::fmt::Display;

use http::StatusCode;

use super::types::Object;

/// A result of this crate.
pub type Result<T, E = R2Error> = std::result::Result<T, E>;

/// An error as R2 gives it: [`R2Error::status`], [`R2Error::code`] and the `Display` text are what callers get
/// (developers.cloudflare.com/r2/api/error-codes, and the texts of miniflare where that page has none). What only the
/// operator may read is in [`R2Error::Internal`] and is not part of the text.
#[derive(Debug, thiserror::Error)]
pub enum R2Error {
    /// Something of ours failed; the string is for the operator.
    #[error("We encountered an internal error. Please try again.")]
    Internal(String),
    /// No room on the disk.
    #[error("There is not enough storage left for this operation.")]
    StorageFull,
    /// The room that there is may not be used for it.
    #[error(transparent)]
    NoRoom(#[from] hearth_space::Refusal),
    /// Too much is under way: a queue is full. Trying again later is right.
    #[error("The service is unavailable. Please try again.")]
    Unavailable,
    /// No bucket of that name in the account.
    #[error("The specified bucket does not exist.")]
    NoSuchBucket,
    /// A bucket's name that cannot be one.
    #[error("The specified bucket name is not valid.")]
    InvalidBucketName,
    /// The account has a bucket of that name.
    #[error("The bucket you tried to create already exists, and you own it.")]
    BucketExists,
    /// A bucket that is to be deleted holds objects.
    #[error("The bucket you tried to delete is not empty.")]
    BucketNotEmpty,
    /// No object under that key.
    #[error("The specified key does not exist.")]
    NoSuchKey,
    /// A key that is longer than [`super::MAX_KEY_BYTES`], or empty.
    #[error("The specified object name is not valid.")]
    InvalidObjectName,
    /// A list's limit that is 0 or over [`super::MAX_LIST_KEYS`].
    #[error("MaxKeys params must be positive integer <= 1000.")]
    InvalidMaxKeys,
    /// A list's cursor that no list gave.
    #[error("The specified cursor is not valid.")]
    InvalidCursor,
    /// The body is larger than one object or part may be.
    #[error("Your proposed upload exceeds the maximum allowed object size.")]
    EntityTooLarge,
    /// A part other than the last is smaller than [`super::MIN_PART_BYTES`].
    #[error("Your proposed upload is smaller than the minimum allowed object size.")]
    EntityTooSmall,
    /// Custom metadata over [`super::MAX_METADATA_BYTES`].
    #[error("Your metadata headers exceed the maximum allowed metadata size.")]
    MetadataTooLarge,
    /// Something in the request makes no sense; the sentence says what.
    #[error("{0}")]
    InvalidArgument(String),
    /// No such multipart upload, or it is over.
    #[error("The specified multipart upload does not exist.")]
    NoSuchUpload,
    /// A part that is named on completion was not uploaded, or has another etag.
    #[error("One or more of the specified parts could not be found.")]
    InvalidPart,
    /// The parts named on completion cannot make an object: named twice, or of differing sizes.
    #[error("There was a problem with the multipart upload.")]
    BadUpload,
    /// A condition did not hold.
    #[error("At least one of the pre-conditions you specified did not hold.")]
    PreconditionFailed {
        /// The object as it is, where the operation was a `get` or `head`.
        object: Option<Box<Object>>,
        /// Whether only `If-None-Match` or `If-Modified-Since` failed, which HTTP answers with 304 on reads.
        not_modified: bool,
    },
    /// The body does not have the digest that was given.
    #[error(
        "The {algorithm} checksum you specified did not match what we received.\nYou provided a {algorithm} checksum with value: {given}\nActual {algorithm} was: {actual}"
    )]
    BadDigest {
        /// As Cloudflare writes it: `MD5`, `SHA-1`, `SHA-256`, `SHA-384`, `SHA-512`, or a name of the caller's.
        algorithm: &'static str,
        /// What was given, in hex.
        given: String,
        /// What was computed, in hex.
        actual: String,
    },
    /// The range lies outside of the object.
    #[error("The requested range is not satisfiable")]
    InvalidRange,
    /// A lock rule of the bucket protects the object.
    #[error("The object is locked by the bucket policy.")]
    ObjectLocked,
    /// The object is encrypted with a key of the customer's, and none or another one was given.
    #[error("The SSE-C key you provided does not match the key the object was encrypted with.")]
    WrongCustomerKey,
    /// The body broke off, or was not as long as announced.
    #[error("The request's body ended before it was complete.")]
    IncompleteBody,
}

impl R2Error {
    /// Something of ours failed; `detail` is for the operator.
    pub fn internal(detail: impl Display) -> Self {
        Self::Internal(detail.to_string())
    }

    /// The status of an HTTP answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Internal(_) | Self::BadUpload => StatusCode::INTERNAL_SERVER_ERROR,
            Self::StorageFull | Self::NoRoom(_) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::NoSuchBucket | Self::NoSuchKey => StatusCode::NOT_FOUND,
            Self::BucketExists | Self::BucketNotEmpty => StatusCode::CONFLICT,
            Self::PreconditionFailed { .. } => StatusCode::PRECONDITION_FAILED,
            Self::InvalidRange => StatusCode::RANGE_NOT_SATISFIABLE,
            Self::ObjectLocked | Self::WrongCustomerKey => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Cloudflare's code.
    pub fn code(&self) -> u32 {
        match self {
            Self::Internal(_) => 10001,
            Self::WrongCustomerKey => 10003,
            Self::BucketExists => 10004,
            Self::InvalidBucketName => 10005,
            Self::NoSuchBucket => 10006,
            Self::NoSuchKey => 10007,
            Self::BucketNotEmpty => 10008,
            Self::EntityTooSmall => 10011,
            Self::MetadataTooLarge => 10012,
            Self::InvalidObjectName => 10020,
            Self::InvalidMaxKeys => 10022,
            Self::NoSuchUpload => 10024,
            Self::InvalidPart => 10025,
            Self::InvalidArgument(_) | Self::InvalidCursor => 10029,
            Self::PreconditionFailed { .. } => 10031,
            Self::BadDigest { .. } => 10037,
            Self::InvalidRange => 10039,
            Self::Unavailable | Self::StorageFull | Self::NoRoom(_) => 10043,
            Self::BadUpload => 10048,
            Self::IncompleteBody => 10054,
            Self::ObjectLocked => 10069,
            Self::EntityTooLarge => 100_100,
        }
    }
}
