//! Listing objects.

use hearth_r2::store::{Bucket, ListOptions, Listing, MAX_LIST_KEYS};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    self, CommonPrefix, ETag, EncodingType, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input,
    ListObjectsV2Output, ObjectStorageClass,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Operations;
use crate::{convert, error};

/// What `encoding-type=url` leaves as it is.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Sorts behind every text that begins with what it is appended to, and goes on with letters that anybody uses.
pub(super) const LAST: char = '\u{10ffff}';

/// How keys are written in an answer.
#[derive(Clone, Copy)]
pub(super) struct Encoding(bool);

impl Encoding {
    pub(super) fn of(encoding: Option<&EncodingType>) -> S3Result<Self> {
        match encoding.map(EncodingType::as_str) {
            None => Ok(Self(false)),
            Some("url") => Ok(Self(true)),
            Some(_) => Err(s3_error!(InvalidArgument, "Invalid Encoding Method specified in Request")),
        }
    }

    pub(super) fn text(self, text: String) -> String {
        if self.0 { utf8_percent_encode(&text, PLAIN).to_string() } else { text }
    }
}

/// How many are wanted at most: 1,000 without a wish, and never more.
pub(super) fn limit(wanted: Option<i32>, name: &str) -> S3Result<usize> {
    let wanted = usize::try_from(wanted.unwrap_or(1000));
    let wanted = wanted.map_err(|_| {
        s3_error!(InvalidArgument, "Argument {name} must be an integer between 0 and 2147483647")
    })?;
    Ok(wanted.min(MAX_LIST_KEYS))
}

async fn page(bucket: &Bucket, mut options: ListOptions, limit: usize) -> S3Result<Listing> {
    if limit == 0 {
        return Ok(Listing::default());
    }
    options.limit = Some(limit);
    bucket.list(options).await.map_err(error::of)
}

fn contents(listing: &mut Listing, encoding: Encoding) -> Vec<dto::Object> {
    let object = |object: hearth_r2::store::Object| dto::Object {
        key: Some(encoding.text(object.key)),
        e_tag: Some(ETag::Strong(object.etag)),
        size: Some(convert::count(object.size)),
        last_modified: Some(convert::stamp(object.uploaded)),
        storage_class: Some(ObjectStorageClass::from(convert::class_name(object.storage_class).to_owned())),
        ..dto::Object::default()
    };
    std::mem::take(&mut listing.objects).into_iter().map(object).collect()
}

pub(super) fn prefixes(prefixes: Vec<String>, encoding: Encoding) -> Vec<CommonPrefix> {
    prefixes.into_iter().map(|prefix| CommonPrefix { prefix: Some(encoding.text(prefix)) }).collect()
}

/// Where a page behind a marker begins. A marker that is a folded prefix has been listed with all that it stands for.
pub(super) fn behind(marker: String, prefix: &str, delimiter: Option<&str>) -> String {
    let below = marker.strip_prefix(prefix);
    let folded = delimiter.is_some_and(|delimiter| {
        !delimiter.is_empty()
            && below.and_then(|below| below.split_once(delimiter)).is_some_and(|(_, rest)| rest.is_empty())
    });
    if folded { format!("{marker}{LAST}") } else { marker }
}

pub(super) async fn first(
    this: &Operations,
    request: S3Request<ListObjectsInput>,
) -> S3Result<S3Response<ListObjectsOutput>> {
    let bucket = this.bucket(&request, &request.input.bucket)?;
    let input = request.input;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let limit = limit(input.max_keys, "max-keys")?;
    let prefix = input.prefix.clone().unwrap_or_default();
    let delimiter = input.delimiter.clone().filter(|text| !text.is_empty());
    let marker = input.marker.clone().filter(|text| !text.is_empty());
    let options = ListOptions {
        start_after: marker.map(|marker| behind(marker, &prefix, delimiter.as_deref())),
        prefix,
        delimiter: delimiter.clone(),
        ..ListOptions::default()
    };
    let mut listing = page(&bucket, options, limit).await?;
    let more = listing.cursor.is_some();
    // Without a delimiter clients take the last key; but there is no harm in saying it.
    let last = listing.objects.last().map(|object| &object.key).max(listing.prefixes.last()).cloned();
    let output = ListObjectsOutput {
        name: Some(input.bucket),
        prefix: Some(encoding.text(input.prefix.unwrap_or_default())),
        marker: Some(encoding.text(input.marker.unwrap_or_default())),
        max_keys: Some(convert::count(limit)),
        is_truncated: Some(more),
        next_marker: last.filter(|_| more).map(|last| encoding.text(last)),
        contents: Some(contents(&mut listing, encoding)),
        common_prefixes: Some(prefixes(listing.prefixes, encoding)),
        delimiter: delimiter.map(|delimiter| encoding.text(delimiter)),
        encoding_type: input.encoding_type,
        request_charged: None,
    };
    Ok(S3Response::new(output))
}

pub(super) async fn second(
    this: &Operations,
    request: S3Request<ListObjectsV2Input>,
) -> S3Result<S3Response<ListObjectsV2Output>> {
    let bucket = this.bucket(&request, &request.input.bucket)?;
    let input = request.input;
    let encoding = Encoding::of(input.encoding_type.as_ref())?;
    let limit = limit(input.max_keys, "max-keys")?;
    let delimiter = input.delimiter.clone().filter(|text| !text.is_empty());
    let options = ListOptions {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: delimiter.clone(),
        start_after: input.start_after.clone().filter(|text| !text.is_empty()),
        cursor: input.continuation_token.clone(),
        ..ListOptions::default()
    };
    let mut listing = page(&bucket, options, limit).await?;
    let next = listing.cursor.take();
    let contents = contents(&mut listing, encoding);
    let common_prefixes = prefixes(listing.prefixes, encoding);
    let output = ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: Some(encoding.text(input.prefix.unwrap_or_default())),
        max_keys: Some(convert::count(limit)),
        key_count: Some(convert::count(contents.len() + common_prefixes.len())),
        continuation_token: input.continuation_token,
        is_truncated: Some(next.is_some()),
        next_continuation_token: next,
        contents: Some(contents),
        common_prefixes: Some(common_prefixes),
        delimiter: delimiter.map(|delimiter| encoding.text(delimiter)),
        encoding_type: input.encoding_type,
        start_after: input.start_after.map(|start| encoding.text(start)),
        request_charged: None,
    };
    Ok(S3Response::new(output))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_that_is_a_folder_is_past() {
        let from = |marker: &str, prefix, delimiter| behind(marker.to_owned(), prefix, delimiter);
        assert_eq!(from("a/", "", Some("/")), format!("a/{LAST}"));
        assert_eq!(from("p/a/", "p/", Some("/")), format!("p/a/{LAST}"));
        assert_eq!(from("a/b", "", Some("/")), "a/b");
        assert_eq!(from("a/b/", "", Some("/")), "a/b/");
        assert_eq!(from("a/", "", None), "a/");
        assert_eq!(from("p/", "p/", Some("/")), "p/");
    }

    #[test]
    fn keys_are_written_so_that_every_client_reads_them() {
        // boto3 takes `+` as it is, Go as a space.
        let url = EncodingType::from("url".to_owned());
        let encoding = Encoding::of(Some(&url)).unwrap();
        assert_eq!(encoding.text("a b+c/ü".to_owned()), "a%20b%2Bc/%C3%BC");
        assert_eq!(Encoding::of(None).unwrap().text("a b".to_owned()), "a b");
        assert!(Encoding::of(Some(&EncodingType::from("x".to_owned()))).is_err());
    }
}
