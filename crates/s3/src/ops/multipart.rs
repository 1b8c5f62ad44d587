//! Multipart uploads.

use std::collections::BTreeMap;

use hearth_r2::store::{
    Bucket, CompleteOptions, Expected, MAX_PART_NUMBER, Part, PartOptions, PartTag, R2Error, Upload,
    UploadOptions,
};
use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, Checksum, CompleteMultipartUploadInput,
    CompleteMultipartUploadOutput, CompletedPart, CreateMultipartUploadInput, CreateMultipartUploadOutput,
    ETag, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Operations;
use super::write::length;
use crate::checksum::{self, Algorithm, Announced};
use crate::conditions;
use crate::convert::{self, Kept};
use crate::{body, error};

/// Parts that are asked for at once.
const PAGE: usize = 1000;

pub(super) async fn create(
    this: &Operations,
    request: S3Request<CreateMultipartUploadInput>,
) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
    let bucket = this.bucket(&request, &request.input.bucket)?;
    let input = request.input;
    let extra = checksum::of_upload(
        input.checksum_algorithm.as_ref().map(|name| name.as_str()),
        input.checksum_type.as_ref().map(|kind| kind.as_str()),
    );
    let options = UploadOptions {
        http: Kept {
            content_type: input.content_type,
            content_language: input.content_language,
            content_disposition: input.content_disposition,
            content_encoding: input.content_encoding,
            cache_control: input.cache_control,
            expires: input.expires,
        }
        .http(),
        custom: convert::custom(input.metadata),
        storage_class: convert::storage_class(input.storage_class.as_ref().map(|class| class.as_str()))?,
        customer_key: convert::customer_key(
            input.sse_customer_algorithm.as_deref(),
            input.sse_customer_key.as_deref(),
            input.sse_customer_key_md5.as_deref(),
        )
        .map_err(error::of)?,
        extra: extra.map_err(error::of)?,
    };
    let upload = bucket.create_upload(&input.key, options).await.map_err(error::of)?;
    let output = CreateMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(upload.id),
        checksum_algorithm: checksum::upload_algorithm(&upload.extra)
            .map(|algorithm| algorithm.name().to_owned().into()),
        checksum_type: checksum::upload_kind(&upload.extra).map(|kind| kind.to_owned().into()),
        sse_customer_algorithm: upload.customer_key_md5.as_ref().map(|_| "AES256".to_owned()),
        sse_customer_key_md5: upload.customer_key_md5,
        ..CreateMultipartUploadOutput::default()
    };
    Ok(S3Response::new(output))
}

pub(super) async fn upload(
    this: &Operations,
    request: S3Request<UploadPartInput>,
) -> S3Result<S3Response<UploadPartOutput>> {
    let bucket = this.bucket(&request, &request.input.bucket)?;
    let announced = Announced::read(&request.headers).map_err(error::of)?;
    let input = request.input;
    let customer_key = convert::customer_key(
        input.sse_customer_algorithm.as_deref(),
        input.sse_customer_key.as_deref(),
        input.sse_customer_key_md5.as_deref(),
    )
    .map_err(error::of)?;
    let customer_key_md5 = customer_key.as_ref().and(input.sse_customer_key_md5);
    let expected =
        Expected { md5: convert::content_md5(input.content_md5.as_deref())?, ..Expected::default() };
    let length = length(input.content_length)?;
    let number = number(input.part_number)?;
    let secret = customer_key.is_some();
    let (incoming, finish, watched) =
        body::take(input.body, length, announced, request.trailing_headers, secret);
    let options = PartOptions { expected, customer_key, finish: Some(finish) };
    let written = bucket.upload_part(&input.key, &input.upload_id, number, options, incoming).await;
    let part = written.map_err(|error| error::of_write(error, watched.cause()))?;
    let checksum = checksum::sent(&part.extra);
    let output = UploadPartOutput {
        e_tag: Some(ETag::Strong(part.etag)),
        checksum_crc32: checksum.checksum_crc32,
        checksum_crc32c: checksum.checksum_crc32c,
        checksum_crc64nvme: checksum.checksum_crc64nvme,
        checksum_sha1: checksum.checksum_sha1,
        checksum_sha256: checksum.checksum_sha256,
        sse_customer_algorithm: customer_key_md5.as_ref().map(|_| "AES256".to_owned()),
        sse_customer_key_md5: customer_key_md5,
        ..UploadPartOutput::default()
    };
    Ok(S3Response::new(output))
}

/// A part's number.
pub(super) fn number(number: i32) -> S3Result<u32> {
    u32::try_from(number).ok().filter(|number| (1..=MAX_PART_NUMBER).contains(number)).ok_or_else(|| {
        s3_error!(
            InvalidArgument,
            "Part number must be an integer between 1 and {MAX_PART_NUMBER}, inclusive."
        )
    })
}

pub(super) async fn complete(
    this: &Operations,
    request: S3Request<CompleteMultipartUploadInput>,
) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
    let bucket = this.bucket(&request, &request.input.bucket)?;
    let only_if = conditions::from_headers(&request.headers, "").map_err(error::of)?;
    let host =
        request.headers.get(http::header::HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let location = format!("http://{host}{}", request.uri.path());
    let input = request.input;
    let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
    let tags = tags(&named)?;
    let (upload, present) = all_parts(&bucket, &input.key, &input.upload_id).await?;
    check_parts(&named, &present)?;
    let chosen = || tags.iter().filter_map(|tag| present.get(&tag.number));
    if let Some(size) = input.mpu_object_size
        && u64::try_from(size).ok() != Some(chosen().map(|part| part.size).sum())
    {
        return Err(s3_error!(
            InvalidRequest,
            "The size of the object is not what x-amz-mp-object-size says."
        ));
    }
    let whole = checksum::of_parts(&upload.extra, chosen());
    let said = Checksum {
        checksum_crc32: input.checksum_crc32,
        checksum_crc32c: input.checksum_crc32c,
        checksum_crc64nvme: input.checksum_crc64nvme,
        checksum_sha1: input.checksum_sha1,
        checksum_sha256: input.checksum_sha256,
        checksum_type: None,
    };
    checksum::check_whole(whole.as_ref(), &said).map_err(error::of)?;
    let extra = whole.map(|(algorithm, value)| (algorithm.key().to_owned(), value)).into_iter().collect();
    let options = CompleteOptions { only_if, equal_sizes: false, extra };
    let object = bucket
        .complete_upload(&input.key, &input.upload_id, tags, options)
        .await
        .map_err(error::of_change)?;
    let checksum = checksum::sent(&object.extra);
    let output = CompleteMultipartUploadOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        location: Some(location),
        e_tag: Some(ETag::Strong(object.etag)),
        checksum_crc32: checksum.checksum_crc32,
        checksum_crc32c: checksum.checksum_crc32c,
        checksum_crc64nvme: checksum.checksum_crc64nvme,
        checksum_sha1: checksum.checksum_sha1,
        checksum_sha256: checksum.checksum_sha256,
        checksum_type: checksum.checksum_type,
        ..CompleteMultipartUploadOutput::default()
    };
    Ok(S3Response::new(output))
}

/// The parts that a client names, which have to be in order.
fn tags(named: &[CompletedPart]) -> S3Result<Vec<PartTag>> {
    let tag = |part: &CompletedPart| match (part.part_number, &part.e_tag) {
        (Some(part_number), Some(etag)) => {
            Ok(PartTag { number: number(part_number)?, etag: etag.value().to_owned() })
        }
        _ => Err(s3_error!(MalformedXML, "Each part needs its number and its ETag.")),
    };
    let tags: Vec<PartTag> = named.iter().map(tag).collect::<S3Result<_>>()?;
    if tags.is_empty() {
        return Err(s3_error!(MalformedXML, "You must specify at least one part."));
    }
    if tags.windows(2).any(|pair| pair[0].number >= pair[1].number) {
        return Err(s3_error!(InvalidPartOrder, "The list of parts was not in ascending order."));
    }
    Ok(tags)
}

async fn all_parts(bucket: &Bucket, key: &str, id: &str) -> S3Result<(Upload, BTreeMap<u32, Part>)> {
    let mut all = BTreeMap::new();
    let mut after = 0;
    loop {
        let (upload, page) = bucket.list_parts(key, id, after, PAGE).await.map_err(error::of)?;
        let full = page.len() == PAGE;
        all.extend(page.into_iter().map(|part| (part.number, part)));
        match all.last_key_value() {
            Some((last, _)) if full => after = *last,
            _ => return Ok((upload, all)),
        }
    }
}

/// Holds the checksums that a client names with its parts against those that were computed.
fn check_parts(named: &[CompletedPart], present: &BTreeMap<u32, Part>) -> S3Result {
    for part in named {
        let said = Checksum {
            checksum_crc32: part.checksum_crc32.clone(),
            checksum_crc32c: part.checksum_crc32c.clone(),
            checksum_crc64nvme: part.checksum_crc64nvme.clone(),
            checksum_sha1: part.checksum_sha1.clone(),
            checksum_sha256: part.checksum_sha256.clone(),
            checksum_type: None,
        };
        let number = part.part_number.and_then(|number| u32::try_from(number).ok()).unwrap_or_default();
        let Some(present) = present.get(&number) else { return Err(error::of(R2Error::InvalidPart)) };
        let differs = |algorithm: Algorithm| match (algorithm.of(&said), present.extra.get(algorithm.key())) {
            (Some(said), Some(kept)) => said != kept,
            _ => false,
        };
        if Algorithm::ALL.into_iter().any(differs) {
            return Err(error::of(R2Error::InvalidPart));
        }
    }
    Ok(())
}

pub(super) async fn abort(
    this: &Operations,
    request: S3Request<AbortMultipartUploadInput>,
) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
    let bucket = this.bucket(&request, &request.input.bucket)?;
    let input = request.input;
    bucket.abort_upload(&input.key, &input.upload_id).await.map_err(error::of)?;
    Ok(S3Response::new(AbortMultipartUploadOutput::default()))
}
