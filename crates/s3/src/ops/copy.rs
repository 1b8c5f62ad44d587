//! Copying objects, and making parts of them.

use std::sync::Arc;

use hearth_model::Area;
use hearth_r2::store::{Bucket, CopyOptions, GetOptions, Range};
use s3s::dto::{
    self, CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopyPartResult, CopySource, ETag,
    MetadataDirective, UploadPartCopyInput, UploadPartCopyOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Operations;
use super::multipart::number;
use super::read::no_version;
use crate::access::{self, Caller};
use crate::conditions::{self, Given};
use crate::convert::{self, Kept};
use crate::{checksum, error};

/// R2's own directive: the source's metadata, and what the request says in place of it
/// (<https://developers.cloudflare.com/r2/api/s3/extensions/>).
const MERGE: &str = "MERGE";

pub(super) async fn object(
    this: &Operations,
    request: S3Request<CopyObjectInput>,
) -> S3Result<S3Response<CopyObjectOutput>> {
    let bucket = this.bucket(&request, &request.input.bucket)?;
    let caller = access::caller(&request)?;
    let only_if = conditions::from_headers(&request.headers, "cf-copy-destination-").map_err(error::of)?;
    let input = request.input;
    let (source, source_key) = source(this, &caller, &input.copy_source)?;
    let mut options = CopyOptions {
        source_only_if: Given {
            if_match: input.copy_source_if_match.as_ref(),
            if_none_match: input.copy_source_if_none_match.as_ref(),
            if_modified_since: input.copy_source_if_modified_since.as_ref(),
            if_unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
        }
        .conditional(),
        only_if,
        replace_metadata: None,
        storage_class: convert::storage_class(input.storage_class.as_ref().map(|class| class.as_str()))?,
        source_customer_key: convert::customer_key(
            input.copy_source_sse_customer_algorithm.as_deref(),
            input.copy_source_sse_customer_key.as_deref(),
            input.copy_source_sse_customer_key_md5.as_deref(),
        )
        .map_err(error::of)?,
        customer_key: convert::customer_key(
            input.sse_customer_algorithm.as_deref(),
            input.sse_customer_key.as_deref(),
            input.sse_customer_key_md5.as_deref(),
        )
        .map_err(error::of)?,
    };
    let kept = Kept {
        content_type: input.content_type,
        content_language: input.content_language,
        content_disposition: input.content_disposition,
        content_encoding: input.content_encoding,
        cache_control: input.cache_control,
        expires: input.expires,
    };
    let said = (kept.http(), convert::custom(input.metadata));
    match input.metadata_directive.as_ref().map(MetadataDirective::as_str) {
        None | Some(MetadataDirective::COPY) => {}
        Some(MetadataDirective::REPLACE) => options.replace_metadata = Some(said),
        Some(MERGE) => merge(&source, &source_key, said, &mut options).await?,
        Some(_) => return Err(s3_error!(InvalidArgument, "Unknown metadata directive.")),
    }
    let copied =
        bucket.copy_from(&input.key, &source, &source_key, options).await.map_err(error::of_change)?;
    let checksum = checksum::sent(&copied.extra);
    let result = CopyObjectResult {
        e_tag: Some(ETag::Strong(copied.etag)),
        last_modified: Some(convert::stamp(copied.uploaded)),
        checksum_crc32: checksum.checksum_crc32,
        checksum_crc32c: checksum.checksum_crc32c,
        checksum_crc64nvme: checksum.checksum_crc64nvme,
        checksum_sha1: checksum.checksum_sha1,
        checksum_sha256: checksum.checksum_sha256,
        checksum_type: checksum.checksum_type,
    };
    let output = CopyObjectOutput {
        copy_object_result: Some(result),
        sse_customer_algorithm: copied.customer_key_md5.as_ref().map(|_| "AES256".to_owned()),
        sse_customer_key_md5: copied.customer_key_md5,
        ..CopyObjectOutput::default()
    };
    Ok(S3Response::new(output))
}

/// Lays what a request says over the metadata of the source, and binds the copy to that very source.
async fn merge(
    source: &Bucket,
    source_key: &str,
    (http, custom): (hearth_r2::store::HttpMetadata, hearth_r2::store::CustomMetadata),
    options: &mut CopyOptions,
) -> S3Result {
    let present = source.head(source_key).await.map_err(error::of)?;
    let mut merged = present.http;
    merged.content_type = http.content_type.or(merged.content_type);
    merged.content_language = http.content_language.or(merged.content_language);
    merged.content_disposition = http.content_disposition.or(merged.content_disposition);
    merged.content_encoding = http.content_encoding.or(merged.content_encoding);
    merged.cache_control = http.cache_control.or(merged.cache_control);
    merged.cache_expiry = http.cache_expiry.or(merged.cache_expiry);
    let mut all = present.custom;
    all.retain(|(name, _)| !custom.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)));
    all.extend(custom);
    if options.source_only_if.etag_matches.is_empty() {
        options.source_only_if.etag_matches = vec![hearth_r2::store::EtagMatch::Strong(present.etag)];
    }
    options.replace_metadata = Some((merged, all));
    Ok(())
}

pub(super) async fn part(
    this: &Operations,
    request: S3Request<UploadPartCopyInput>,
) -> S3Result<S3Response<UploadPartCopyOutput>> {
    let bucket = this.bucket(&request, &request.input.bucket)?;
    let caller = access::caller(&request)?;
    let input = request.input;
    let (source, source_key) = source(this, &caller, &input.copy_source)?;
    let options = GetOptions {
        range: input.copy_source_range.as_deref().map(range).transpose()?,
        only_if: Given {
            if_match: input.copy_source_if_match.as_ref(),
            if_none_match: input.copy_source_if_none_match.as_ref(),
            if_modified_since: input.copy_source_if_modified_since.as_ref(),
            if_unmodified_since: input.copy_source_if_unmodified_since.as_ref(),
        }
        .conditional(),
        customer_key: convert::customer_key(
            input.copy_source_sse_customer_algorithm.as_deref(),
            input.copy_source_sse_customer_key.as_deref(),
            input.copy_source_sse_customer_key_md5.as_deref(),
        )
        .map_err(error::of)?,
    };
    let customer_key = convert::customer_key(
        input.sse_customer_algorithm.as_deref(),
        input.sse_customer_key.as_deref(),
        input.sse_customer_key_md5.as_deref(),
    )
    .map_err(error::of)?;
    let number = number(input.part_number)?;
    let copied = bucket
        .copy_part(&input.key, &input.upload_id, number, customer_key, &source, &source_key, options)
        .await
        .map_err(error::of_change)?;
    let result = CopyPartResult {
        e_tag: Some(ETag::Strong(copied.etag)),
        last_modified: Some(convert::stamp(copied.uploaded)),
        ..CopyPartResult::default()
    };
    Ok(S3Response::new(UploadPartCopyOutput {
        copy_part_result: Some(result),
        ..UploadPartCopyOutput::default()
    }))
}

/// The object to copy, which the caller has to be allowed to read.
fn source(this: &Operations, caller: &Caller, source: &CopySource) -> S3Result<(Arc<Bucket>, String)> {
    let CopySource::Bucket { bucket, key, version_id } = source else {
        return Err(s3_error!(NotImplemented, "Copies from access points are not implemented."));
    };
    no_version(version_id.as_deref())?;
    caller.require(Some(bucket), Area::R2Items.read())?;
    Ok((this.r2.bucket(&caller.account, bucket).map_err(error::of)?, key.to_string()))
}

fn range(text: &str) -> S3Result<Range> {
    match dto::Range::parse(text) {
        Ok(range @ dto::Range::Int { last: Some(_), .. }) => Ok(Range::Header(range.to_header_string())),
        _ => Err(s3_error!(
            InvalidArgument,
            "The x-amz-copy-source-range value must be of the form bytes=first-last."
        )),
    }
}
