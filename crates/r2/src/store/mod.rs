//! Buckets and objects.
//!
//! [`R2`] knows which buckets there are, [`Bucket`] is what the protocols (the binding, REST, S3) work with: it holds
//! requests against R2's limits and the bucket's rules, and passes them on to an [`Engine`].

mod body;
mod bucket;
mod decide;
mod engine;
mod error;
mod local;
mod registry;
mod rules;
mod types;

pub use body::{BoxError, Incoming, ObjectBody};
pub use bucket::Bucket;
pub use engine::Engine;
pub use error::{R2Error, Result};
pub use local::Local;
pub use registry::{Config, R2};
pub use rules::{BucketSettings, LockCondition, LockRule};
pub use types::{
    ByteRange, Checksums, CompleteOptions, Conditional, CopyOptions, CustomMetadata, CustomerKey, Digests,
    EtagMatch, Expected, Finish, Found, GetOptions, HttpMetadata, ListOptions, ListUploads, Listing,
    MAX_BODY_BYTES, MAX_DELETE_KEYS, MAX_KEY_BYTES, MAX_LIST_KEYS, MAX_METADATA_BYTES, MAX_OBJECT_BYTES,
    MAX_PART_NUMBER, MIN_PART_BYTES, Object, Part, PartOptions, PartTag, PutOptions, Range, StorageClass,
    Upload, UploadOptions, Usage, Verdict, custom_metadata_size,
};
