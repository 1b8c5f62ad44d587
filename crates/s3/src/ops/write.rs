//! Writing objects.

use hearth_r2::store::{Conditional, Expected, PutOptions};
use s3s::dto::{ETag, PutObjectInput, PutObjectOutput};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Operations;
use crate::checksum::{self, Announced};
use crate::conditions;
use crate::convert::{self, Kept};
use crate::{body, error};

pub(super) async fn put(
    this: &Operations,
    request: S3Request<PutObjectInput>,
) -> S3Result<S3Response<PutObjectOutput>> {
    let bucket = this.bucket(&request, &request.input.bucket)?;
    // `s3s` has no place for the conditions on time, which R2 takes on writes too.
    let only_if: Conditional = conditions::from_headers(&request.headers, "").map_err(error::of)?;
    let announced = Announced::read(&request.headers).map_err(error::of)?;
    let input = request.input;
    let customer_key = convert::customer_key(
        input.sse_customer_algorithm.as_deref(),
        input.sse_customer_key.as_deref(),
        input.sse_customer_key_md5.as_deref(),
    )
    .map_err(error::of)?;
    let expected =
        Expected { md5: convert::content_md5(input.content_md5.as_deref())?, ..Expected::default() };
    let length = length(input.content_length)?;
    let secret = customer_key.is_some();
    let (incoming, finish, watched) =
        body::take(input.body, length, announced, request.trailing_headers, secret);
    let options = PutOptions {
        only_if,
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
        expected,
        storage_class: convert::storage_class(input.storage_class.as_ref().map(|class| class.as_str()))?,
        customer_key,
        finish: Some(finish),
    };
    let written = bucket.put(&input.key, options, incoming).await;
    let object = written.map_err(|error| error::of_write(error, watched.cause()))?;
    let checksum = checksum::sent(&object.extra);
    let output = PutObjectOutput {
        e_tag: Some(ETag::Strong(object.etag)),
        checksum_crc32: checksum.checksum_crc32,
        checksum_crc32c: checksum.checksum_crc32c,
        checksum_crc64nvme: checksum.checksum_crc64nvme,
        checksum_sha1: checksum.checksum_sha1,
        checksum_sha256: checksum.checksum_sha256,
        checksum_type: checksum.checksum_type,
        sse_customer_algorithm: object.customer_key_md5.as_ref().map(|_| "AES256".to_owned()),
        sse_customer_key_md5: object.customer_key_md5,
        ..PutObjectOutput::default()
    };
    Ok(S3Response::new(output))
}

/// The length that a body has to have. R2 wants to know it beforehand, as S3 does.
pub(super) fn length(content_length: Option<i64>) -> S3Result<Option<u64>> {
    match content_length.map(u64::try_from) {
        Some(Ok(length)) => Ok(Some(length)),
        Some(Err(_)) => Err(s3_error!(InvalidArgument, "The Content-Length is not valid.")),
        None => Err(s3_error!(MissingContentLength, "You must provide the Content-Length HTTP header.")),
    }
}
