//! Listing multipart uploads and their parts.

use hearth_r2::store::{Bucket, ListUploads, Upload};
use s3s::dto::{
    self, ETag, ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput,
    MultipartUpload, StorageClass,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Operations;
use super::list::{Encoding, LAST, behind, limit, prefixes};
use crate::{checksum, convert, error};

pub(super) async fn parts(
    this: &Operations,
    request: S3Request<ListPartsInput>,
) -> S3Result<S3Response<ListPartsOutput>> {
    let bucket = this.bucket(&request, &request.input.bucket)?;
    let input = request.input;
    let limit = limit(input.max_parts, "max-parts")?;
    let marker = input.part_number_marker.unwrap_or_default();
    let after = u32::try_from(marker)
        .map_err(|_| s3_error!(InvalidArgument, "Argument part-number-marker must not be negative."))?;
    // One more than is shown says whether there is more.
    let (upload, mut found) =
        bucket.list_parts(&input.key, &input.upload_id, after, limit + 1).await.map_err(error::of)?;
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().map(|part| convert::count(part.number));
    let part = |part: hearth_r2::store::Part| {
        let checksum = checksum::sent(&part.extra);
        dto::Part {
            part_number: Some(convert::count(part.number)),
            e_tag: Some(ETag::Strong(part.etag)),
            size: Some(convert::count(part.size)),
            last_modified: Some(convert::stamp(part.uploaded)),
            checksum_crc32: checksum.checksum_crc32,
            checksum_crc32c: checksum.checksum_crc32c,
            checksum_crc64nvme: checksum.checksum_crc64nvme,
            checksum_sha1: checksum.checksum_sha1,
            checksum_sha256: checksum.checksum_sha256,
        }
    };
    let output = ListPartsOutput {
        bucket: Some(input.bucket),
        key: Some(input.key),
        upload_id: Some(upload.id),
        part_number_marker: Some(marker),
        next_part_number_marker: next.filter(|_| more),
        max_parts: Some(convert::count(limit)),
        is_truncated: Some(more),
        storage_class: Some(StorageClass::from(convert::class_name(upload.storage_class).to_owned())),
        checksum_algorithm: checksum::upload_algorithm(&upload.extra)
            .map(|algorithm| algorithm.name().to_owned().into()),
        checksum_type: checksum::upload_kind(&upload.extra).map(|kind| kind.to_owned().into()),
        parts: Some(found.into_iter().map(part).collect()),
        ..ListPartsOutput::default()
    };
    Ok(S3Response::new(output))
}

pub(super) async fn uploads(
    this: &Operations,
    request: S3Request<ListMultipartUploadsInput>,
) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
    let bucket = this.bucket(&request, &request.input.bucket)?;
    let input = request.input;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let limit = limit(input.max_uploads, "max-uploads")?;
    let prefix = input.prefix.clone().unwrap_or_default();
    let delimiter = input.delimiter.clone().filter(|text| !text.is_empty());
    let key_marker = input.key_marker.clone().filter(|text| !text.is_empty());
    let id_marker = input.upload_id_marker.clone().filter(|text| !text.is_empty());
    let after = key_marker.map(|key| (behind(key, &prefix, delimiter.as_deref()), id_marker));
    let page = folded(&bucket, &prefix, delimiter.as_deref(), after, limit).await?;
    let (next_key, next_id) = page.next.map_or((None, None), |(key, id)| (Some(key), id));
    let output = ListMultipartUploadsOutput {
        bucket: Some(input.bucket),
        prefix: Some(encoding.text(prefix)),
        delimiter: delimiter.map(|delimiter| encoding.text(delimiter)),
        key_marker: Some(encoding.text(input.key_marker.unwrap_or_default())),
        upload_id_marker: input.upload_id_marker,
        next_key_marker: next_key.map(|key| encoding.text(key)),
        is_truncated: Some(next_id.is_some() || page.more),
        next_upload_id_marker: next_id,
        max_uploads: Some(convert::count(limit)),
        encoding_type: input.encoding_type,
        uploads: Some(page.uploads.into_iter().map(|upload| view(upload, encoding)).collect()),
        common_prefixes: Some(prefixes(page.prefixes, encoding)),
        ..ListMultipartUploadsOutput::default()
    };
    Ok(S3Response::new(output))
}

fn view(upload: Upload, encoding: Encoding) -> MultipartUpload {
    MultipartUpload {
        key: Some(encoding.text(upload.key)),
        upload_id: Some(upload.id),
        initiated: Some(convert::stamp(upload.initiated)),
        storage_class: Some(StorageClass::from(convert::class_name(upload.storage_class).to_owned())),
        checksum_algorithm: checksum::upload_algorithm(&upload.extra)
            .map(|algorithm| algorithm.name().to_owned().into()),
        checksum_type: checksum::upload_kind(&upload.extra).map(|kind| kind.to_owned().into()),
        ..MultipartUpload::default()
    }
}

/// One page of uploads.
#[derive(Default)]
struct Folded {
    uploads: Vec<Upload>,
    prefixes: Vec<String>,
    more: bool,
    /// The last entry: a key and an upload's id, or a folded prefix.
    next: Option<(String, Option<String>)>,
}

/// Reads on until a page is full, and past what folds into one prefix in one step.
async fn folded(
    bucket: &Bucket,
    prefix: &str,
    delimiter: Option<&str>,
    mut after: Option<(String, Option<String>)>,
    limit: usize,
) -> S3Result<Folded> {
    let mut page = Folded::default();
    let mut next = None;
    if limit == 0 {
        return Ok(page);
    }
    'read: loop {
        let wanted = limit - page.uploads.len() - page.prefixes.len() + 1;
        let options = ListUploads { prefix: prefix.to_owned(), after: after.clone(), limit: wanted };
        let found = bucket.list_uploads(options).await.map_err(error::of)?;
        let done = found.len() < wanted;
        for upload in found {
            if page.uploads.len() + page.prefixes.len() == limit {
                page.more = true;
                page.next = next;
                return Ok(page);
            }
            let below = upload.key.strip_prefix(prefix).unwrap_or_default();
            match delimiter.and_then(|delimiter| Some((below.split_once(delimiter)?.0, delimiter))) {
                Some((begin, delimiter)) => {
                    let folder = format!("{prefix}{begin}{delimiter}");
                    after = Some((format!("{folder}{LAST}"), None));
                    next = Some((folder.clone(), None));
                    page.prefixes.push(folder);
                    continue 'read;
                }
                None => {
                    next = Some((upload.key.clone(), Some(upload.id.clone())));
                    after.clone_from(&next);
                    page.uploads.push(upload);
                }
            }
        }
        if done {
            return Ok(page);
        }
    }
}
