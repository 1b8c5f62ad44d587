//! What keeps objects: the trait behind which the embedded engine stands, and behind which an S3-compatible one can.

use async_trait::async_trait;
use jiff::Timestamp;

use super::body::Incoming;
use super::error::Result;
use super::rules::LockRule;
use super::types::{
    CompleteOptions, Conditional, Found, GetOptions, ListOptions, ListUploads, Listing, Object, Part,
    PartOptions, PartTag, PutOptions, StorageClass, Upload, UploadOptions, Usage,
};

/// Keeps the objects of buckets. A bucket is named by its resource's id, never by its name, so that names can be used
/// again. What is passed in has been checked against R2's limits.
///
/// Every write is durable when it returns. A reader sees an object before or after a write, never between.
#[async_trait]
pub trait Engine: Send + Sync {
    /// Makes an empty bucket. One that is there already stays as it is.
    async fn create_bucket(&self, bucket: &str) -> Result<()>;

    /// Takes an empty bucket out of use: from then on it is [`super::R2Error::NoSuchBucket`], until it is made again.
    ///
    /// # Errors
    /// [`super::R2Error::BucketNotEmpty`] while it holds an object. Uploads under way do not count.
    async fn close_bucket(&self, bucket: &str) -> Result<()>;

    /// Reclaims the space of a bucket that was closed.
    async fn reclaim_bucket(&self, bucket: &str) -> Result<()>;

    /// Reclaims the space of every bucket that is not among `known`.
    async fn retain_buckets(&self, known: &[String]) -> Result<()>;

    /// What a bucket holds. Kept, not counted.
    async fn usage(&self, bucket: &str) -> Result<Usage>;

    /// An object without its content.
    ///
    /// # Errors
    /// [`super::R2Error::NoSuchKey`].
    async fn head(&self, bucket: &str, key: &str) -> Result<Object>;

    /// An object and its content.
    ///
    /// # Errors
    /// No such key, a failed condition (with the object), a range outside of it, another customer's key.
    async fn get(&self, bucket: &str, key: &str, options: GetOptions) -> Result<Found>;

    /// Writes an object. `locks` are the bucket's rules that apply to the key.
    ///
    /// # Errors
    /// A failed condition, a wrong digest, a lock, a body that breaks off, a full disk.
    async fn put(
        &self,
        bucket: &str,
        key: &str,
        options: PutOptions,
        body: Incoming,
        locks: Vec<LockRule>,
    ) -> Result<Object>;

    /// Deletes keys, all or none of them. Those that do not exist count as deleted. `only_if` is for each key.
    ///
    /// # Errors
    /// A lock, a failed condition.
    async fn delete(
        &self,
        bucket: &str,
        keys: Vec<String>,
        only_if: Conditional,
        locks: Vec<LockRule>,
    ) -> Result<()>;

    /// One page of a bucket's objects.
    ///
    /// # Errors
    /// [`super::R2Error::InvalidCursor`].
    async fn list(&self, bucket: &str, options: ListOptions) -> Result<Listing>;

    /// Begins a multipart upload.
    async fn create_upload(&self, bucket: &str, key: &str, options: UploadOptions) -> Result<Upload>;

    /// Writes a part; one of the same number is replaced.
    ///
    /// # Errors
    /// [`super::R2Error::NoSuchUpload`], a wrong digest, a body that breaks off, a full disk.
    async fn upload_part(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        number: u32,
        options: PartOptions,
        body: Incoming,
    ) -> Result<Part>;

    /// Makes an object of parts. The upload is over then.
    ///
    /// # Errors
    /// No such upload, invalid parts, parts too small or of differing sizes, a failed condition, a lock.
    async fn complete_upload(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        parts: Vec<PartTag>,
        options: CompleteOptions,
        locks: Vec<LockRule>,
    ) -> Result<Object>;

    /// Drops an upload and its parts. One that is over already counts as dropped.
    ///
    /// # Errors
    /// [`super::R2Error::NoSuchUpload`] for one that never was.
    async fn abort_upload(&self, bucket: &str, key: &str, upload: &str) -> Result<()>;

    /// An upload and its parts with numbers over `after`, by number, at most `limit`.
    ///
    /// # Errors
    /// [`super::R2Error::NoSuchUpload`].
    async fn list_parts(
        &self,
        bucket: &str,
        key: &str,
        upload: &str,
        after: u32,
        limit: usize,
    ) -> Result<(Upload, Vec<Part>)>;

    /// Uploads under way.
    async fn list_uploads(&self, bucket: &str, options: ListUploads) -> Result<Vec<Upload>>;

    /// Moves an object that still has `version` to another storage class. It stays the same version.
    async fn set_storage_class(
        &self,
        bucket: &str,
        key: &str,
        version: &str,
        class: StorageClass,
    ) -> Result<()>;

    /// Forgets uploads that ended before a moment; aborting one then is [`super::R2Error::NoSuchUpload`].
    async fn forget_uploads(&self, bucket: &str, before: Timestamp) -> Result<()>;
}
