//! What each operation needs to be allowed.

use hearth_store::R2Action;

/// On what an operation acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    /// The bucket in the path.
    Bucket,
    /// The account.
    Account,
}

/// The right that an operation of S3's needs; None for one that R2 does not have.
pub(crate) fn needed(operation: &str) -> Option<(R2Action, On)> {
    Some(match operation {
        "GetObject"
        | "HeadObject"
        | "ListObjects"
        | "ListObjectsV2"
        | "HeadBucket"
        | "GetBucketLocation"
        | "ListParts"
        | "ListMultipartUploads" => (R2Action::ReadItems, On::Bucket),
        "PutObject"
        | "CopyObject"
        | "DeleteObject"
        | "DeleteObjects"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload"
        | "AbortMultipartUpload" => (R2Action::WriteItems, On::Bucket),
        "GetBucketCors" | "GetBucketLifecycleConfiguration" => (R2Action::ReadStorage, On::Bucket),
        "PutBucketCors"
        | "DeleteBucketCors"
        | "PutBucketLifecycleConfiguration"
        | "DeleteBucketLifecycle" => (R2Action::WriteStorage, On::Bucket),
        "ListBuckets" => (R2Action::ReadStorage, On::Account),
        "CreateBucket" | "DeleteBucket" => (R2Action::WriteStorage, On::Account),
        _ => return None,
    })
}
