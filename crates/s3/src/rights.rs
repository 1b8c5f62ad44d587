//! What each operation needs to be allowed.

use hearth_model::{Area, Right};

/// On what an operation acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    /// The bucket in the path.
    Bucket,
    /// The account.
    Account,
}

/// The right that an operation of S3's needs; None for one that R2 does not have.
pub(crate) fn needed(operation: &str) -> Option<(Right, On)> {
    Some(match operation {
        "GetObject"
        | "HeadObject"
        | "ListObjects"
        | "ListObjectsV2"
        | "HeadBucket"
        | "GetBucketLocation"
        | "ListParts"
        | "ListMultipartUploads" => (Area::R2Items.read(), On::Bucket),
        "PutObject"
        | "CopyObject"
        | "DeleteObject"
        | "DeleteObjects"
        | "CreateMultipartUpload"
        | "UploadPart"
        | "UploadPartCopy"
        | "CompleteMultipartUpload"
        | "AbortMultipartUpload" => (Area::R2Items.write(), On::Bucket),
        "GetBucketCors" | "GetBucketLifecycleConfiguration" => (Area::R2Storage.read(), On::Bucket),
        "PutBucketCors"
        | "DeleteBucketCors"
        | "PutBucketLifecycleConfiguration"
        | "DeleteBucketLifecycle" => (Area::R2Storage.write(), On::Bucket),
        "ListBuckets" => (Area::R2Storage.read(), On::Account),
        "CreateBucket" | "DeleteBucket" => (Area::R2Storage.write(), On::Account),
        _ => return None,
    })
}
