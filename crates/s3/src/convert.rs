//! Between the types of `s3s` and those of the store.

use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hearth_r2::store::{CustomMetadata, CustomerKey, HttpMetadata, R2Error, StorageClass};
use jiff::Timestamp;
use s3s::crypto::{Checksum as _, Md5};
use s3s::dto::{self, TimestampFormat};
use s3s::{S3Result, s3_error};

/// A time of the store's.
pub(crate) fn stamp(time: Timestamp) -> dto::Timestamp {
    SystemTime::from(time).into()
}

/// A time of `s3s`'s; 1970 where it is out of the range that can be stored.
pub(crate) fn time(stamp: &dto::Timestamp) -> Timestamp {
    let mut text = Vec::new();
    if stamp.format(TimestampFormat::EpochSeconds, &mut text).is_err() {
        return Timestamp::UNIX_EPOCH;
    }
    let seconds = String::from_utf8_lossy(&text).parse::<f64>().unwrap_or_default();
    Timestamp::from_millisecond((seconds * 1000.0).round() as i64).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A time as HTTP headers write it.
pub(crate) fn http_date(time: Timestamp) -> String {
    let mut text = Vec::new();
    let written = stamp(time).format(TimestampFormat::HttpDate, &mut text);
    written.map(|()| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
}

/// A time of an HTTP header.
pub(crate) fn parse_http_date(text: &str) -> Option<Timestamp> {
    dto::Timestamp::parse(TimestampFormat::HttpDate, text).ok().as_ref().map(time)
}

/// A count as S3 writes it.
pub(crate) fn count<N: TryInto<M>, M: Bounded>(number: N) -> M {
    number.try_into().unwrap_or(M::MAX)
}

/// Integers that S3's types are made of.
pub(crate) trait Bounded {
    const MAX: Self;
}

impl Bounded for i32 {
    const MAX: Self = i32::MAX;
}

impl Bounded for i64 {
    const MAX: Self = i64::MAX;
}

/// The headers of an upload that are kept with the object.
pub(crate) struct Kept {
    pub(crate) content_type: Option<String>,
    pub(crate) content_language: Option<String>,
    pub(crate) content_disposition: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) cache_control: Option<String>,
    pub(crate) expires: Option<dto::Timestamp>,
}

impl Kept {
    /// As the store takes them.
    pub(crate) fn http(self) -> HttpMetadata {
        HttpMetadata {
            content_type: self.content_type,
            content_language: self.content_language,
            content_disposition: self.content_disposition,
            content_encoding: self.content_encoding.and_then(|text| without_chunking(&text)),
            cache_control: self.cache_control,
            cache_expiry: self.expires.as_ref().map(|stamp| time(stamp).as_millisecond()),
        }
    }
}

/// `aws-chunked` says how the body was sent, not what it is.
fn without_chunking(encoding: &str) -> Option<String> {
    let parts: Vec<&str> = encoding
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty() && !part.eq_ignore_ascii_case("aws-chunked"))
        .collect();
    (!parts.is_empty()).then(|| parts.join(","))
}

/// `x-amz-meta-*`, in the order of the names.
pub(crate) fn custom(metadata: Option<dto::Metadata>) -> CustomMetadata {
    let mut all: CustomMetadata = metadata.unwrap_or_default().into_iter().collect();
    all.sort_unstable();
    all
}

/// Custom metadata as headers; of names that differ in case only the last one counts.
pub(crate) fn metadata(custom: CustomMetadata) -> Option<dto::Metadata> {
    let all: dto::Metadata =
        custom.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    (!all.is_empty()).then_some(all)
}

/// A storage class that a request names.
///
/// # Errors
/// One that R2 does not have.
pub(crate) fn storage_class(name: Option<&str>) -> S3Result<Option<StorageClass>> {
    name.map(|name| {
        StorageClass::parse(name)
            .ok_or_else(|| s3_error!(InvalidStorageClass, "The storage class {name} is not valid."))
    })
    .transpose()
}

/// A storage class in S3's spelling.
pub(crate) fn class_name(class: StorageClass) -> &'static str {
    match class {
        StorageClass::Standard => "STANDARD",
        StorageClass::InfrequentAccess => "STANDARD_IA",
    }
}

/// The customer's key of a request's three headers.
///
/// # Errors
/// One without the others, another cipher than AES256, a key that is no 32 bytes or has another digest.
pub(crate) fn customer_key(
    algorithm: Option<&str>,
    key: Option<&str>,
    md5: Option<&str>,
) -> Result<Option<CustomerKey>, R2Error> {
    let invalid = |text: &str| R2Error::InvalidArgument(text.to_owned());
    let (algorithm, key, md5) = match (algorithm, key, md5) {
        (None, None, None) => return Ok(None),
        (Some(algorithm), Some(key), Some(md5)) => (algorithm, key, md5),
        _ => {
            return Err(invalid(
                "Requests with a customer's key need its algorithm, the key and the key's MD5.",
            ));
        }
    };
    if algorithm != "AES256" {
        return Err(invalid("The encryption algorithm of a customer's key has to be AES256."));
    }
    let bytes = BASE64_STANDARD.decode(key).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let key = bytes.ok_or_else(|| invalid("A customer's key has to be 32 bytes in base64."))?;
    if BASE64_STANDARD.encode(Md5::checksum(&key)) != md5 {
        return Err(invalid("The MD5 of the customer's key does not match the key."));
    }
    Ok(Some(CustomerKey(key)))
}

/// `Content-MD5`.
///
/// # Errors
/// A value that is no MD5.
pub(crate) fn content_md5(text: Option<&str>) -> S3Result<Option<[u8; 16]>> {
    text.map(|text| {
        let bytes = BASE64_STANDARD.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| s3_error!(InvalidDigest, "The Content-MD5 you specified is not valid."))
    })
    .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_keep_their_milliseconds() {
        let moment = Timestamp::from_millisecond(1_763_683_200_123).unwrap();
        assert_eq!(time(&stamp(moment)), moment);
        let whole = Timestamp::from_second(1_763_683_200).unwrap();
        assert_eq!(parse_http_date(&http_date(moment)), Some(whole));
        assert_eq!(parse_http_date("yesterday"), None);
    }

    #[test]
    fn chunking_is_no_encoding_of_the_content() {
        assert_eq!(without_chunking("aws-chunked"), None);
        assert_eq!(without_chunking("gzip, aws-chunked").as_deref(), Some("gzip"));
        assert_eq!(without_chunking("gzip").as_deref(), Some("gzip"));
    }

    #[test]
    fn a_customers_key_is_whole_or_not_there() {
        let key = BASE64_STANDARD.encode([7; 32]);
        let md5 = BASE64_STANDARD.encode(Md5::checksum(&[7; 32]));
        assert_eq!(customer_key(None, None, None).unwrap(), None);
        assert_eq!(customer_key(Some("AES256"), Some(&key), Some(&md5)).unwrap(), Some(CustomerKey([7; 32])));
        assert!(customer_key(Some("AES256"), Some(&key), None).is_err());
        assert!(customer_key(Some("AES256"), Some(&key), Some(&key)).is_err());
        assert!(customer_key(Some("aws:kms"), Some(&key), Some(&md5)).is_err());
        assert!(customer_key(Some("AES256"), Some("AAAA"), Some(&md5)).is_err());
    }
}
