//! A bucket as the protocols see it.

use std::fmt;
use std::sync::Arc;

use hearth_model::AccountId;
use jiff::Timestamp;

use super::body::Incoming;
use super::engine::Engine;
use super::error::{R2Error, Result};
use super::rules::{BucketSettings, LockRule};
use super::types::{
    CompleteOptions, Conditional, CopyOptions, CustomMetadata, CustomerKey, Found, GetOptions, ListOptions,
    ListUploads, Listing, MAX_BODY_BYTES, MAX_DELETE_KEYS, MAX_KEY_BYTES, MAX_LIST_KEYS, MAX_METADATA_BYTES,
    MAX_PART_NUMBER, Object, Part, PartOptions, PartTag, PutOptions, StorageClass, Upload, UploadOptions,
    Usage, custom_metadata_size,
};
use crate::notify::{Action, CopySource, Ears, Notification, Subject};

/// A bucket. A handle that was taken before a change of the bucket's settings has the settings of before; one that was
/// taken before its deletion answers [`R2Error::NoSuchBucket`].
#[derive(Clone)]
pub struct Bucket {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) account: AccountId,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) created_on: Timestamp,
    pub(super) settings: Arc<BucketSettings>,
    pub(super) ears: Ears,
}

impl Bucket {
    /// Whose it is.
    pub fn account(&self) -> &AccountId {
        &self.account
    }

    /// The id that its data lies under.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its name, unique in the account.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it was made.
    pub fn created_on(&self) -> Timestamp {
        self.created_on
    }

    /// How it is set.
    pub fn settings(&self) -> &BucketSettings {
        &self.settings
    }

    /// What it holds.
    ///
    /// # Errors
    /// Internal ones only.
    pub async fn usage(&self) -> Result<Usage> {
        self.engine.usage(&self.id).await
    }

    /// An object without its content. The key of an encrypted object need not be known.
    ///
    /// # Errors
    /// [`R2Error::NoSuchKey`].
    pub async fn head(&self, key: &str) -> Result<Object> {
        check_key(key)?;
        self.engine.head(&self.id, key).await
    }

    /// An object and its content.
    ///
    /// # Errors
    /// No such key; a failed condition, with the object; a range outside of it; another customer's key.
    pub async fn get(&self, key: &str, options: GetOptions) -> Result<Found> {
        check_key(key)?;
        self.engine.get(&self.id, key, options).await
    }

    /// Writes an object. Content longer than announced is an error, like content that ends early.
    ///
    /// # Errors
    /// A failed condition, a wrong digest, a lock, metadata or content over the limit, a body that breaks off, a full
    /// disk. What was there stays as it was.
    pub async fn put(&self, key: &str, options: PutOptions, body: Incoming) -> Result<Object> {
        let object = self.write(key, options, body).await?;
        self.written(Action::PutObject, &object, None).await;
        Ok(object)
    }

    async fn write(&self, key: &str, mut options: PutOptions, body: Incoming) -> Result<Object> {
        check_key(key)?;
        check_metadata(&options.custom)?;
        check_length(&body)?;
        options.storage_class.get_or_insert(self.settings.storage_class);
        self.engine.put(&self.id, key, options, body, self.locks(&[key])).await
    }

    /// Copies an object into this bucket. A copy onto itself is how S3 clients change metadata.
    ///
    /// # Errors
    /// Those of [`Bucket::get`] for the source and of [`Bucket::put`] for the copy.
    pub async fn copy_from(
        &self,
        key: &str,
        source: &Self,
        source_key: &str,
        options: CopyOptions,
    ) -> Result<Object> {
        let get = GetOptions {
            range: None,
            only_if: options.source_only_if,
            customer_key: options.source_customer_key,
        };
        let found = source.get(source_key, get).await?;
        let (http, custom) = options.replace_metadata.unwrap_or((found.object.http, found.object.custom));
        let extra = found.object.extra;
        let put = PutOptions {
            only_if: options.only_if,
            http,
            custom,
            storage_class: options.storage_class,
            customer_key: options.customer_key,
            finish: Some(Box::new(move |_| Ok(extra))),
            ..PutOptions::default()
        };
        let length = Some(found.range.length);
        let object = self.write(key, put, Incoming::stream(found.body, length)).await?;
        let from = CopySource { bucket: source.name.clone(), object: source_key.to_owned() };
        self.written(Action::CopyObject, &object, Some(from)).await;
        Ok(object)
    }

    /// Deletes keys, all or none of them; those that do not exist count as deleted. `only_if` is for each key, and
    /// empty where there is no condition.
    ///
    /// # Errors
    /// [`R2Error::ObjectLocked`], a failed condition, over [`MAX_DELETE_KEYS`] keys.
    pub async fn delete(&self, keys: Vec<String>, only_if: Conditional) -> Result<()> {
        self.delete_by(Action::DeleteObject, keys, only_if).await
    }

    /// [`Bucket::delete`], as who does it.
    pub(crate) async fn delete_by(
        &self,
        action: Action,
        keys: Vec<String>,
        only_if: Conditional,
    ) -> Result<()> {
        if keys.len() > MAX_DELETE_KEYS {
            return Err(R2Error::InvalidArgument(format!(
                "A maximum of {MAX_DELETE_KEYS} keys can be deleted at once."
            )));
        }
        keys.iter().try_for_each(|key| check_key(key))?;
        let locks = self.locks(&keys.iter().map(String::as_str).collect::<Vec<_>>());
        let heard = if self.settings.notifications.is_empty() { Vec::new() } else { keys.clone() };
        self.engine.delete(&self.id, keys, only_if, locks).await?;
        for key in heard {
            self.tell(action, Subject { key, size: None, e_tag: None }, None).await;
        }
        Ok(())
    }

    /// Tells who listens that an object was written.
    async fn written(&self, action: Action, object: &Object, from: Option<CopySource>) {
        if self.settings.notifications.is_empty() {
            return;
        }
        let subject =
            Subject { key: object.key.clone(), size: Some(object.size), e_tag: Some(object.etag.clone()) };
        self.tell(action, subject, from).await;
    }

    async fn tell(&self, action: Action, object: Subject, copy_source: Option<CopySource>) {
        let notification = Notification {
            account: self.account.clone(),
            action,
            bucket: self.name.clone(),
            object,
            event_time: Timestamp::now(),
            copy_source,
        };
        self.ears.tell(&self.settings.notifications, &notification).await;
    }

    /// One page of the bucket's objects.
    ///
    /// # Errors
    /// [`R2Error::InvalidMaxKeys`], [`R2Error::InvalidCursor`].
    pub async fn list(&self, options: ListOptions) -> Result<Listing> {
        if options.limit.is_some_and(|limit| limit == 0 || limit > MAX_LIST_KEYS) {
            return Err(R2Error::InvalidMaxKeys);
        }
        self.engine.list(&self.id, options).await
    }

    /// Begins a multipart upload.
    ///
    /// # Errors
    /// Metadata over the limit.
    pub async fn create_upload(&self, key: &str, mut options: UploadOptions) -> Result<Upload> {
        check_key(key)?;
        check_metadata(&options.custom)?;
        options.storage_class.get_or_insert(self.settings.storage_class);
        self.engine.create_upload(&self.id, key, options).await
    }

    /// Writes a part; one of the same number is replaced.
    ///
    /// # Errors
    /// No such upload, a number outside of 1 to [`MAX_PART_NUMBER`], a wrong digest, content over the limit, a body that
    /// breaks off, a full disk, another customer's key than the upload's.
    pub async fn upload_part(
        &self,
        key: &str,
        upload: &str,
        number: u32,
        options: PartOptions,
        body: Incoming,
    ) -> Result<Part> {
        check_key(key)?;
        check_length(&body)?;
        if number == 0 || number > MAX_PART_NUMBER {
            return Err(R2Error::InvalidArgument(format!(
                "Part number must be between 1 and {MAX_PART_NUMBER}, inclusive."
            )));
        }
        self.engine.upload_part(&self.id, key, upload, number, options, body).await
    }

    /// Writes a part whose content is an object's, or some of its bytes.
    ///
    /// # Errors
    /// Those of [`Bucket::get`] for the source and of [`Bucket::upload_part`] for the part.
    #[expect(clippy::too_many_arguments, reason = "S3's UploadPartCopy has this many")]
    pub async fn copy_part(
        &self,
        key: &str,
        upload: &str,
        number: u32,
        customer_key: Option<CustomerKey>,
        source: &Self,
        source_key: &str,
        source_options: GetOptions,
    ) -> Result<Part> {
        let found = source.get(source_key, source_options).await?;
        let length = Some(found.range.length);
        let options = PartOptions { customer_key, ..PartOptions::default() };
        self.upload_part(key, upload, number, options, Incoming::stream(found.body, length)).await
    }

    /// Makes an object of parts, in the order of their numbers. The upload is over then.
    ///
    /// # Errors
    /// No such upload, invalid parts, parts too small or of differing sizes, a failed condition, a lock. The upload stays
    /// as it was.
    pub async fn complete_upload(
        &self,
        key: &str,
        upload: &str,
        parts: Vec<PartTag>,
        options: CompleteOptions,
    ) -> Result<Object> {
        check_key(key)?;
        let locks = self.locks(&[key]);
        let object = self.engine.complete_upload(&self.id, key, upload, parts, options, locks).await?;
        self.written(Action::CompleteMultipartUpload, &object, None).await;
        Ok(object)
    }

    /// Drops an upload and its parts.
    ///
    /// # Errors
    /// [`R2Error::NoSuchUpload`] for one that never was; one that is over already counts as dropped.
    pub async fn abort_upload(&self, key: &str, upload: &str) -> Result<()> {
        check_key(key)?;
        self.engine.abort_upload(&self.id, key, upload).await
    }

    /// An upload and its parts with numbers over `after`, by number, at most `limit`.
    ///
    /// # Errors
    /// [`R2Error::NoSuchUpload`].
    pub async fn list_parts(
        &self,
        key: &str,
        upload: &str,
        after: u32,
        limit: usize,
    ) -> Result<(Upload, Vec<Part>)> {
        check_key(key)?;
        self.engine.list_parts(&self.id, key, upload, after, limit).await
    }

    /// Uploads under way, by key, then by id.
    ///
    /// # Errors
    /// Internal ones only.
    pub async fn list_uploads(&self, options: ListUploads) -> Result<Vec<Upload>> {
        self.engine.list_uploads(&self.id, options).await
    }

    /// Moves an object that still is `version` to another storage class.
    ///
    /// # Errors
    /// Internal ones only.
    pub(crate) async fn set_storage_class(
        &self,
        key: &str,
        version: &str,
        class: StorageClass,
    ) -> Result<()> {
        self.engine.set_storage_class(&self.id, key, version, class).await
    }

    /// Forgets uploads that ended before a moment.
    ///
    /// # Errors
    /// Internal ones only.
    pub(crate) async fn forget_uploads(&self, before: Timestamp) -> Result<()> {
        self.engine.forget_uploads(&self.id, before).await
    }

    fn locks(&self, keys: &[&str]) -> Vec<LockRule> {
        let covers = |rule: &&LockRule| keys.iter().any(|key| rule.covers(key));
        self.settings.locks.iter().filter(covers).cloned().collect()
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bucket").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

fn check_key(key: &str) -> Result<()> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES { Err(R2Error::InvalidObjectName) } else { Ok(()) }
}

fn check_metadata(custom: &CustomMetadata) -> Result<()> {
    if custom_metadata_size(custom) > MAX_METADATA_BYTES { Err(R2Error::MetadataTooLarge) } else { Ok(()) }
}

fn check_length(body: &Incoming) -> Result<()> {
    if body.length.is_some_and(|length| length > MAX_BODY_BYTES) {
        Err(R2Error::EntityTooLarge)
    } else {
        Ok(())
    }
}
