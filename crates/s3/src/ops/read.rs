//! Reading objects.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hearth_r2::store::{CustomerKey, GetOptions, Object, R2Error, Range, Verdict};
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{
    Checksum, ETag, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, StreamingBlob,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Operations;
use crate::conditions::Given;
use crate::{checksum, convert, error};

pub(super) async fn get(
    this: &Operations,
    request: S3Request<GetObjectInput>,
) -> S3Result<S3Response<GetObjectOutput>> {
    let bucket = this.bucket(&request, &request.input.bucket)?;
    let input = request.input;
    no_version(input.version_id.as_deref())?;
    let customer_key = convert::customer_key(
        input.sse_customer_algorithm.as_deref(),
        input.sse_customer_key.as_deref(),
        input.sse_customer_key_md5.as_deref(),
    );
    let given = Given {
        if_match: input.if_match.as_ref(),
        if_none_match: input.if_none_match.as_ref(),
        if_modified_since: input.if_modified_since.as_ref(),
        if_unmodified_since: input.if_unmodified_since.as_ref(),
    };
    let options = GetOptions {
        range: wanted_bytes(input.range, input.part_number)?,
        only_if: given.conditional(),
        customer_key: customer_key.map_err(error::of)?,
    };
    let found = bucket.get(&input.key, options).await.map_err(error::of)?;
    let object = found.object;
    // A checksum is of the whole.
    let checksum =
        if found.partial { Checksum::default() } else { wanted(&object, input.checksum_mode.as_ref()) };
    let range = found.range;
    let content_range = found
        .partial
        .then(|| format!("bytes {}-{}/{}", range.offset, range.offset + range.length - 1, object.size));
    let output = GetObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        cache_control: object.http.cache_control,
        checksum_crc32: checksum.checksum_crc32,
        checksum_crc32c: checksum.checksum_crc32c,
        checksum_crc64nvme: checksum.checksum_crc64nvme,
        checksum_sha1: checksum.checksum_sha1,
        checksum_sha256: checksum.checksum_sha256,
        checksum_type: checksum.checksum_type,
        content_disposition: object.http.content_disposition,
        content_encoding: object.http.content_encoding,
        content_language: object.http.content_language,
        content_length: Some(convert::count(range.length)),
        content_range,
        content_type: object.http.content_type,
        e_tag: Some(ETag::Strong(object.etag)),
        expires: object.http.cache_expiry.and_then(expires),
        last_modified: Some(convert::stamp(object.uploaded)),
        metadata: convert::metadata(object.custom),
        parts_count: input.part_number.and(object.parts).map(convert::count),
        sse_customer_algorithm: object.customer_key_md5.as_ref().map(|_| "AES256".to_owned()),
        sse_customer_key_md5: object.customer_key_md5,
        storage_class: class(object.storage_class),
        body: Some(StreamingBlob::wrap(found.body)),
        ..GetObjectOutput::default()
    };
    Ok(S3Response::new(output))
}

pub(super) async fn head(
    this: &Operations,
    request: S3Request<HeadObjectInput>,
) -> S3Result<S3Response<HeadObjectOutput>> {
    let bucket = this.bucket(&request, &request.input.bucket)?;
    let input = request.input;
    no_version(input.version_id.as_deref())?;
    let customer_key = convert::customer_key(
        input.sse_customer_algorithm.as_deref(),
        input.sse_customer_key.as_deref(),
        input.sse_customer_key_md5.as_deref(),
    );
    let object = bucket.head(&input.key).await.map_err(error::of)?;
    let customer_key = customer_key.map_err(error::of)?;
    check_key(&object, customer_key.as_ref())?;
    let given = Given {
        if_match: input.if_match.as_ref(),
        if_none_match: input.if_none_match.as_ref(),
        if_modified_since: input.if_modified_since.as_ref(),
        if_unmodified_since: input.if_unmodified_since.as_ref(),
    };
    let verdict = given.conditional().verdict(Some((&object.etag, object.uploaded)));
    if verdict != Verdict::Holds {
        let not_modified = verdict == Verdict::NotModified;
        return Err(error::of(R2Error::PreconditionFailed { object: Some(Box::new(object)), not_modified }));
    }
    let range = match wanted_bytes(input.range, input.part_number)? {
        // Where a part is, only who reads it is told.
        range @ Some(Range::Part(_)) => {
            let options = GetOptions { range, customer_key, ..GetOptions::default() };
            let found = bucket.get(&input.key, options).await.map_err(error::of)?;
            found.partial.then_some(found.range)
        }
        range => range.map(|range| range.resolve(object.size)).transpose().map_err(error::of)?.flatten(),
    };
    let checksum =
        if range.is_some() { Checksum::default() } else { wanted(&object, input.checksum_mode.as_ref()) };
    let output = HeadObjectOutput {
        accept_ranges: Some("bytes".to_owned()),
        cache_control: input.response_cache_control.or(object.http.cache_control),
        checksum_crc32: checksum.checksum_crc32,
        checksum_crc32c: checksum.checksum_crc32c,
        checksum_crc64nvme: checksum.checksum_crc64nvme,
        checksum_sha1: checksum.checksum_sha1,
        checksum_sha256: checksum.checksum_sha256,
        checksum_type: checksum.checksum_type,
        content_disposition: input.response_content_disposition.or(object.http.content_disposition),
        content_encoding: input.response_content_encoding.or(object.http.content_encoding),
        content_language: input.response_content_language.or(object.http.content_language),
        content_length: Some(convert::count(range.map_or(object.size, |range| range.length))),
        content_range: range.map(|range| {
            format!("bytes {}-{}/{}", range.offset, range.offset + range.length - 1, object.size)
        }),
        content_type: input.response_content_type.or(object.http.content_type),
        e_tag: Some(ETag::Strong(object.etag)),
        expires: input.response_expires.or_else(|| object.http.cache_expiry.and_then(expires)),
        last_modified: Some(convert::stamp(object.uploaded)),
        metadata: convert::metadata(object.custom),
        parts_count: input.part_number.and(object.parts).map(convert::count),
        sse_customer_algorithm: object.customer_key_md5.as_ref().map(|_| "AES256".to_owned()),
        sse_customer_key_md5: object.customer_key_md5,
        storage_class: class(object.storage_class),
        ..HeadObjectOutput::default()
    };
    let mut response = S3Response::new(output);
    response.status = range.map(|_| http::StatusCode::PARTIAL_CONTENT);
    Ok(response)
}

/// There are no versions, so nothing can be meant by one.
pub(super) fn no_version(version: Option<&str>) -> S3Result {
    match version {
        None | Some("" | "null") => Ok(()),
        Some(_) => Err(s3_error!(NotImplemented, "Search parameter versionId not implemented")),
    }
}

/// Which bytes are asked for: a range, or a part by its place among the object's parts.
fn wanted_bytes(range: Option<s3s::dto::Range>, part: Option<i32>) -> S3Result<Option<Range>> {
    match (range, part) {
        (None, None) => Ok(None),
        (Some(range), None) => Ok(Some(Range::Header(range.to_header_string()))),
        (None, Some(part @ 1..=10_000)) => Ok(Some(Range::Part(part.unsigned_abs()))),
        (None, Some(_)) => {
            Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive"))
        }
        (Some(_), Some(_)) => {
            Err(s3_error!(InvalidRequest, "Cannot specify both Range header and partNumber query parameter"))
        }
    }
}

fn check_key(object: &Object, key: Option<&CustomerKey>) -> S3Result {
    let given = key.map(|key| BASE64_STANDARD.encode(Md5::checksum(&key.0)));
    if given == object.customer_key_md5 { Ok(()) } else { Err(error::of(R2Error::WrongCustomerKey)) }
}

fn wanted(object: &Object, mode: Option<&s3s::dto::ChecksumMode>) -> Checksum {
    match mode {
        Some(_) => checksum::sent(&object.extra),
        None => Checksum::default(),
    }
}

fn expires(milliseconds: i64) -> Option<s3s::dto::Timestamp> {
    jiff::Timestamp::from_millisecond(milliseconds).ok().map(convert::stamp)
}

/// Only what is not the usual one is named, as in S3.
fn class(class: hearth_r2::store::StorageClass) -> Option<s3s::dto::StorageClass> {
    (class != hearth_r2::store::StorageClass::Standard)
        .then(|| s3s::dto::StorageClass::from(convert::class_name(class).to_owned()))
}
