//! What the store takes and gives. Times are in whole milliseconds, sizes in bytes, digests in lower-case hex.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::body::ObjectBody;
use super::error::Result;

/// Longest key, in bytes of UTF-8.
pub const MAX_KEY_BYTES: usize = 1024;
/// Most keys of one page of a list.
pub const MAX_LIST_KEYS: usize = 1000;
/// Most keys of one deletion.
pub const MAX_DELETE_KEYS: usize = 1000;
/// Largest body of one `put` or part: 5 GiB less 5 MiB (developers.cloudflare.com/r2/platform/limits).
pub const MAX_BODY_BYTES: u64 = (5 << 30) - (5 << 20);
/// Largest object that parts make: 5 TiB less 5 GiB (same page).
pub const MAX_OBJECT_BYTES: u64 = (5 << 40) - (5 << 30);
/// Smallest part but the last.
pub const MIN_PART_BYTES: u64 = 5 << 20;
/// Highest number of a part; the lowest is 1.
pub const MAX_PART_NUMBER: u32 = 10_000;
/// Most custom metadata of one object, names and values together, as [`custom_metadata_size`] counts.
pub const MAX_METADATA_BYTES: usize = 8192;

/// Where an object is kept. A label only: everything lies on the same disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StorageClass {
    /// `Standard`.
    #[default]
    Standard,
    /// `InfrequentAccess`.
    InfrequentAccess,
}

impl StorageClass {
    /// As R2 writes it: `Standard` or `InfrequentAccess`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "Standard",
            Self::InfrequentAccess => "InfrequentAccess",
        }
    }

    /// From R2's or S3's spelling (`STANDARD`, `STANDARD_IA`); None for another text.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "Standard" | "STANDARD" => Some(Self::Standard),
            "InfrequentAccess" | "STANDARD_IA" => Some(Self::InfrequentAccess),
            _ => None,
        }
    }
}

/// HTTP headers that are kept with an object and given back with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpMetadata {
    /// `Content-Type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// `Content-Language`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_language: Option<String>,
    /// `Content-Disposition`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_disposition: Option<String>,
    /// `Content-Encoding`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_encoding: Option<String>,
    /// `Cache-Control`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// `Expires`, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_expiry: Option<i64>,
}

/// Names and values in the order they were given; names differ.
pub type CustomMetadata = Vec<(String, String)>;

/// How much of [`MAX_METADATA_BYTES`] some metadata takes: a text counts a byte for each character while all are
/// Latin-1, and two for each UTF-16 unit otherwise (what miniflare counts).
pub fn custom_metadata_size(metadata: &CustomMetadata) -> usize {
    let size = |text: &String| {
        let wide = text.chars().any(|letter| u32::from(letter) > 255);
        if wide { text.encode_utf16().count() * 2 } else { text.chars().count() }
    };
    metadata.iter().map(|(name, value)| size(name) + size(value)).sum()
}

/// Digests of an object's whole content, in hex. Of an object encrypted with a customer's key there are none, since a
/// digest tells what it was made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Checksums {
    /// MD5; always there for an object that one `put` wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub md5: Option<String>,
    /// SHA-1, when the writer gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha1: Option<String>,
    /// SHA-256, when the writer gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// SHA-384, when the writer gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha384: Option<String>,
    /// SHA-512, when the writer gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha512: Option<String>,
}

/// An object without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its key.
    pub key: String,
    /// Names this very content and metadata: 32 hex digits, never used again.
    pub version: String,
    /// Bytes of its content.
    pub size: u64,
    /// Without quotes: the content's MD5, or `<md5 of the parts' md5s>-<parts>` for a multipart upload. Random digits in
    /// the place of digests where a customer's key is used.
    pub etag: String,
    /// When it was written.
    pub uploaded: Timestamp,
    /// Headers kept with it.
    pub http: HttpMetadata,
    /// Custom metadata.
    pub custom: CustomMetadata,
    /// Digests.
    pub checksums: Checksums,
    /// Its storage class.
    pub storage_class: StorageClass,
    /// Base64 MD5 of the customer's key that it is encrypted with.
    pub customer_key_md5: Option<String>,
    /// What a protocol keeps with the object for itself ([`Finish`]); not shown by other protocols.
    pub extra: BTreeMap<String, String>,
    /// How many parts made it; None for one `put`.
    pub parts: Option<u32>,
}

/// One condition on an etag. Etags stand without quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EtagMatch {
    /// `*`: any object.
    Any,
    /// `"etag"`.
    Strong(String),
    /// `W/"etag"`: equal to the object's on `If-None-Match` only.
    Weak(String),
}

/// Conditions that must hold for an operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditional {
    /// `If-Match`: one of them must match; not checked when empty.
    pub etag_matches: Vec<EtagMatch>,
    /// `If-None-Match`: none may match; not checked when empty.
    pub etag_does_not_match: Vec<EtagMatch>,
    /// `If-Unmodified-Since`.
    pub uploaded_before: Option<Timestamp>,
    /// `If-Modified-Since`.
    pub uploaded_after: Option<Timestamp>,
    /// Whether times are compared in whole seconds, as those of HTTP headers have to be.
    pub seconds_granularity: bool,
}

/// What a [`Conditional`] comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Holds,
    /// Only `If-None-Match` or `If-Modified-Since` does not: 304 where HTTP reads.
    NotModified,
    /// It does not hold.
    Failed,
}

/// Which bytes of an object are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Range {
    /// From `offset`, at most `length` bytes, to the end without one.
    Offset {
        /// First byte, from 0.
        offset: u64,
        /// Most bytes; the object's end ends it earlier.
        length: Option<u64>,
    },
    /// The last bytes; all when there are fewer.
    Suffix(u64),
    /// The text of a `Range` header. One that is malformed, or names more than one range, means the whole object.
    Header(String),
    /// One of the parts that made the object, from 1 in their order; the first and only one of an object that no parts
    /// made is the object.
    Part(u32),
}

/// A range as it was found to be: `offset + length <= size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// First byte.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
}

/// A key of 32 bytes that the customer brings with each request (SSE-C). Never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct CustomerKey(pub [u8; 32]);

impl fmt::Debug for CustomerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CustomerKey(…)")
    }
}

/// How an object is read.
#[derive(Debug, Clone, Default)]
pub struct GetOptions {
    /// Which bytes; all without it.
    pub range: Option<Range>,
    /// Conditions; when they fail the error carries the object.
    pub only_if: Conditional,
    /// The key it is encrypted with, if it is.
    pub customer_key: Option<CustomerKey>,
}

/// An object and its content.
#[derive(Debug)]
pub struct Found {
    /// The object.
    pub object: Object,
    /// The bytes that `body` gives.
    pub range: ByteRange,
    /// Whether a range was asked for (and could be read): the answer to `Range` is 206 then.
    pub partial: bool,
    /// The content; exactly `range.length` bytes unless it fails.
    pub body: ObjectBody,
}

/// Digests of a body, computed while it was stored. `md5` always; the others only when they were asked for, by being
/// expected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Digests {
    /// MD5.
    pub md5: [u8; 16],
    /// SHA-1.
    pub sha1: Option<[u8; 20]>,
    /// SHA-256.
    pub sha256: Option<[u8; 32]>,
    /// SHA-384.
    pub sha384: Option<[u8; 48]>,
    /// SHA-512.
    pub sha512: Option<[u8; 64]>,
}

/// Digests that a body must have. Each that is given is checked before anything is visible, and kept as
/// [`Object::checksums`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// MD5.
    pub md5: Option<[u8; 16]>,
    /// SHA-1.
    pub sha1: Option<[u8; 20]>,
    /// SHA-256.
    pub sha256: Option<[u8; 32]>,
    /// SHA-384.
    pub sha384: Option<[u8; 48]>,
    /// SHA-512.
    pub sha512: Option<[u8; 64]>,
}

/// Runs when a body's last byte has been taken and hashed, before anything is visible. It may refuse, and what it returns
/// is kept as [`Object::extra`] or [`Part::extra`]: for checksums that a protocol sends behind the body (S3's trailers)
/// or computes itself.
pub type Finish = Box<dyn FnOnce(&Digests) -> Result<BTreeMap<String, String>> + Send>;

/// How an object is written.
#[derive(Default)]
pub struct PutOptions {
    /// Conditions on what is there, decided at the moment of the commit and exactly.
    pub only_if: Conditional,
    /// Headers to keep.
    pub http: HttpMetadata,
    /// Custom metadata to keep.
    pub custom: CustomMetadata,
    /// Digests that the body must have.
    pub expected: Expected,
    /// The storage class; the bucket's own without it.
    pub storage_class: Option<StorageClass>,
    /// The key to encrypt with.
    pub customer_key: Option<CustomerKey>,
    /// Runs behind the last byte.
    pub finish: Option<Finish>,
}

/// How an object is copied. The copy is a new version with the source's content.
#[derive(Default)]
pub struct CopyOptions {
    /// Conditions on the source.
    pub source_only_if: Conditional,
    /// Conditions on what is there at the destination.
    pub only_if: Conditional,
    /// Other metadata than the source's: HTTP and custom together, as S3 replaces them.
    pub replace_metadata: Option<(HttpMetadata, CustomMetadata)>,
    /// The storage class; the bucket's own without it.
    pub storage_class: Option<StorageClass>,
    /// The key that the source is encrypted with.
    pub source_customer_key: Option<CustomerKey>,
    /// The key to encrypt the copy with.
    pub customer_key: Option<CustomerKey>,
}

/// What a list shows. Keys come in the order of their UTF-8 bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// Only keys that begin with this.
    pub prefix: String,
    /// Keys with this text behind the prefix are folded into one entry of [`Listing::prefixes`].
    pub delimiter: Option<String>,
    /// Only keys behind this one. With a cursor, whichever is further counts.
    pub start_after: Option<String>,
    /// [`Listing::cursor`] of the page before.
    pub cursor: Option<String>,
    /// Most objects and prefixes together: 1 to [`MAX_LIST_KEYS`], which is the default.
    pub limit: Option<usize>,
    /// Whether [`Object::http`] is filled in.
    pub include_http: bool,
    /// Whether [`Object::custom`] is filled in.
    pub include_custom: bool,
    /// Ends the page early when keys and metadata come to more than this many bytes as JSON.
    pub max_bytes: Option<usize>,
}

/// One page of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Objects.
    pub objects: Vec<Object>,
    /// Folded keys: prefix and text up to and with the delimiter.
    pub prefixes: Vec<String>,
    /// Where the next page begins; None on the last. Opaque.
    pub cursor: Option<String>,
}

/// How a multipart upload is begun: what the object will have.
#[derive(Debug, Clone, Default)]
pub struct UploadOptions {
    /// Headers to keep.
    pub http: HttpMetadata,
    /// Custom metadata to keep.
    pub custom: CustomMetadata,
    /// The storage class; the bucket's own without it.
    pub storage_class: Option<StorageClass>,
    /// The key to encrypt with; each part needs the same.
    pub customer_key: Option<CustomerKey>,
    /// What a protocol keeps with the upload and the object for itself.
    pub extra: BTreeMap<String, String>,
}

/// A multipart upload that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its id.
    pub id: String,
    /// The key it is for.
    pub key: String,
    /// When it was begun.
    pub initiated: Timestamp,
    /// The object's storage class.
    pub storage_class: StorageClass,
    /// Base64 MD5 of the customer's key that it is encrypted with.
    pub customer_key_md5: Option<String>,
    /// As given in [`UploadOptions::extra`].
    pub extra: BTreeMap<String, String>,
}

/// How a part is written.
#[derive(Default)]
pub struct PartOptions {
    /// Digests that the body must have.
    pub expected: Expected,
    /// The key that the upload was begun with.
    pub customer_key: Option<CustomerKey>,
    /// Runs behind the last byte.
    pub finish: Option<Finish>,
}

/// A part of a multipart upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 1.
    pub number: u32,
    /// Its etag, without quotes: MD5 of its content.
    pub etag: String,
    /// Bytes of its content.
    pub size: u64,
    /// When it was written.
    pub uploaded: Timestamp,
    /// What [`Finish`] returned.
    pub extra: BTreeMap<String, String>,
}

/// A part as it is named on completion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartTag {
    /// Its number.
    pub number: u32,
    /// The etag that writing it gave, without quotes.
    pub etag: String,
}

/// How parts become an object.
#[derive(Debug, Clone, Default)]
pub struct CompleteOptions {
    /// Conditions on what is there, decided at the moment of the commit and exactly.
    pub only_if: Conditional,
    /// Whether all parts but the last must have one size, as R2 demands of its binding. S3 clients may send others.
    pub equal_sizes: bool,
    /// Added to the object's [`Object::extra`].
    pub extra: BTreeMap<String, String>,
}

/// Which uploads are listed: by key, then by id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListUploads {
    /// Only keys that begin with this.
    pub prefix: String,
    /// Only uploads behind this key, or of this key and behind this id.
    pub after: Option<(String, Option<String>)>,
    /// Most uploads.
    pub limit: usize,
}

/// What a bucket holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Objects.
    pub objects: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Multipart uploads under way.
    pub uploads: u64,
    /// Bytes of their parts.
    pub upload_bytes: u64,
}
