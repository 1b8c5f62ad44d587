//! Requests as workerd writes them. Numbers of 64 bits come as strings; what has its default is left out.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderMap, header};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::body::Sent;
use crate::store::{
    Conditional, CustomMetadata, CustomerKey, EtagMatch, Expected, HttpMetadata, ListOptions, PartTag,
    R2Error, Range, Result, StorageClass,
};

/// Longest request JSON in bytes: a thousand keys of the longest kind, escaped.
const MAX_REQUEST: usize = 8 << 20;
/// Most bytes of one list's JSON: workerd takes 1 MiB (`r2-rpc.c++`), and this leaves room for what surrounds it.
const MAX_LIST_BYTES: usize = 960 << 10;

/// A call of any method.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Call {
    pub(super) method: String,
    object: String,
    objects: Option<Vec<String>>,
    range: Option<WireRange>,
    range_header: Option<String>,
    only_if: Option<OnlyIf>,
    ssec: Option<Ssec>,
    custom_fields: Vec<Field>,
    http_fields: Option<HttpFields>,
    md5: Option<String>,
    sha1: Option<String>,
    sha256: Option<String>,
    sha384: Option<String>,
    sha512: Option<String>,
    storage_class: Option<String>,
    upload_id: String,
    pub(super) part_number: u32,
    parts: Vec<Published>,
    limit: Option<u32>,
    prefix: String,
    cursor: Option<String>,
    delimiter: Option<String>,
    start_after: Option<String>,
    include: Option<Vec<u16>>,
    new_runtime: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct WireRange {
    #[serde(deserialize_with = "number")]
    offset: Option<u64>,
    #[serde(deserialize_with = "number")]
    length: Option<u64>,
    #[serde(deserialize_with = "number")]
    suffix: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct OnlyIf {
    etag_matches: Vec<Etag>,
    etag_does_not_match: Vec<Etag>,
    #[serde(deserialize_with = "number")]
    uploaded_before: Option<u64>,
    #[serde(deserialize_with = "number")]
    uploaded_after: Option<u64>,
    seconds_granularity: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Etag {
    value: String,
    r#type: String,
}

#[derive(Debug, Deserialize)]
struct Ssec {
    key: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Field {
    k: String,
    v: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Published {
    etag: String,
    part: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HttpFields {
    content_type: Option<String>,
    content_language: Option<String>,
    content_disposition: Option<String>,
    content_encoding: Option<String>,
    cache_control: Option<String>,
    #[serde(deserialize_with = "number")]
    cache_expiry: Option<u64>,
}

/// A number, or a string of its digits.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Number(u64),
        Text(String),
    }
    match Option::<Either>::deserialize(deserializer)? {
        None => Ok(None),
        Some(Either::Number(number)) => Ok(Some(number)),
        Some(Either::Text(text)) => text.parse().map(Some).map_err(serde::de::Error::custom),
    }
}

/// A call, and how long the value behind it is.
pub(super) struct Asked {
    pub(super) call: Call,
    pub(super) value_length: Option<u64>,
}

/// The call of a reading request.
pub(super) fn of_header(headers: &HeaderMap) -> Result<Asked> {
    let text = headers.get("cf-r2-request").ok_or_else(missing)?;
    Ok(Asked { call: parse(text.as_bytes())?, value_length: None })
}

/// The call at the beginning of a writing request's body.
pub(super) async fn of_body(headers: &HeaderMap, sent: &Sent) -> Result<Asked> {
    let digits = |name: &str| headers.get(name)?.to_str().ok()?.parse::<u64>().ok();
    let size = digits("cf-r2-metadata-size").ok_or_else(missing)?;
    let length = usize::try_from(size).ok().filter(|length| *length <= MAX_REQUEST).ok_or_else(missing)?;
    let call = parse(&sent.beginning(length).await?)?;
    let value_length = digits(header::CONTENT_LENGTH.as_str()).and_then(|all| all.checked_sub(size));
    Ok(Asked { call, value_length })
}

fn missing() -> R2Error {
    R2Error::InvalidArgument("Metadata missing or invalid".to_owned())
}

fn parse(text: &[u8]) -> Result<Call> {
    serde_json::from_slice(text)
        .map_err(|error| R2Error::InvalidArgument(format!("Metadata missing or invalid ({error})")))
}

fn time(ms: u64) -> Result<Timestamp> {
    let ms = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    ms.ok_or_else(|| R2Error::InvalidArgument("A time is out of range.".to_owned()))
}

fn hex_digest<const N: usize>(name: &str, text: Option<&String>) -> Result<Option<[u8; N]>> {
    let Some(text) = text else { return Ok(None) };
    let mut digest = [0; N];
    hex::decode_to_slice(text, &mut digest)
        .map_err(|_| R2Error::InvalidArgument(format!("The {name} checksum is not valid.")))?;
    Ok(Some(digest))
}

impl Call {
    pub(super) fn key(&self) -> &str {
        &self.object
    }

    pub(super) fn keys(&self) -> Vec<String> {
        self.objects.clone().unwrap_or_else(|| vec![self.object.clone()])
    }

    pub(super) fn upload(&self) -> &str {
        &self.upload_id
    }

    pub(super) fn tags(&self) -> Vec<PartTag> {
        let tag = |part: &Published| PartTag { number: part.part, etag: part.etag.clone() };
        self.parts.iter().map(tag).collect()
    }

    pub(super) fn range(&self) -> Option<Range> {
        if let Some(header) = &self.range_header {
            return Some(Range::Header(header.clone()));
        }
        match &self.range {
            None => None,
            Some(WireRange { suffix: Some(suffix), .. }) => Some(Range::Suffix(*suffix)),
            // `{}` asks for everything, of an empty object too.
            Some(WireRange { offset: None, length: None, .. }) => None,
            Some(WireRange { offset, length, .. }) => {
                Some(Range::Offset { offset: offset.unwrap_or(0), length: *length })
            }
        }
    }

    pub(super) fn only_if(&self) -> Result<Conditional> {
        let Some(only_if) = &self.only_if else { return Ok(Conditional::default()) };
        let etags = |etags: &[Etag]| -> Vec<EtagMatch> {
            let etag = |etag: &Etag| match etag.r#type.as_str() {
                "wildcard" => EtagMatch::Any,
                "weak" => EtagMatch::Weak(etag.value.clone()),
                _ => EtagMatch::Strong(etag.value.clone()),
            };
            etags.iter().map(etag).collect()
        };
        Ok(Conditional {
            etag_matches: etags(&only_if.etag_matches),
            etag_does_not_match: etags(&only_if.etag_does_not_match),
            uploaded_before: only_if.uploaded_before.map(time).transpose()?,
            uploaded_after: only_if.uploaded_after.map(time).transpose()?,
            seconds_granularity: only_if.seconds_granularity,
        })
    }

    pub(super) fn customer_key(&self) -> Result<Option<CustomerKey>> {
        Ok(hex_digest("SSE-C key", self.ssec.as_ref().map(|ssec| &ssec.key))?.map(CustomerKey))
    }

    pub(super) fn http(&self) -> Result<HttpMetadata> {
        let Some(http) = &self.http_fields else { return Ok(HttpMetadata::default()) };
        Ok(HttpMetadata {
            content_type: http.content_type.clone(),
            content_language: http.content_language.clone(),
            content_disposition: http.content_disposition.clone(),
            content_encoding: http.content_encoding.clone(),
            cache_control: http.cache_control.clone(),
            cache_expiry: http.cache_expiry.map(|ms| time(ms).map(Timestamp::as_millisecond)).transpose()?,
        })
    }

    pub(super) fn custom(&self) -> CustomMetadata {
        self.custom_fields.iter().map(|field| (field.k.clone(), field.v.clone())).collect()
    }

    pub(super) fn expected(&self) -> Result<Expected> {
        let invalid = || R2Error::InvalidArgument("The MD5 checksum is not valid.".to_owned());
        let md5 = match &self.md5 {
            // Base64, unlike the others.
            Some(text) => {
                let digest = BASE64_STANDARD.decode(text).map_err(|_| invalid())?;
                Some(digest.try_into().map_err(|_| invalid())?)
            }
            None => None,
        };
        Ok(Expected {
            md5,
            sha1: hex_digest("SHA-1", self.sha1.as_ref())?,
            sha256: hex_digest("SHA-256", self.sha256.as_ref())?,
            sha384: hex_digest("SHA-384", self.sha384.as_ref())?,
            sha512: hex_digest("SHA-512", self.sha512.as_ref())?,
        })
    }

    pub(super) fn storage_class(&self) -> Result<Option<StorageClass>> {
        let Some(text) = self.storage_class.as_deref().filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let invalid = || R2Error::InvalidArgument(format!("The storage class {text:?} is not valid."));
        StorageClass::parse(text).map(Some).ok_or_else(invalid)
    }

    pub(super) fn list(&self) -> ListOptions {
        // Runtimes of before July 2022 do not say what they want, and want everything (`r2-api.capnp`).
        let include = |field: u16| {
            !self.new_runtime || self.include.as_ref().is_some_and(|include| include.contains(&field))
        };
        ListOptions {
            prefix: self.prefix.clone(),
            delimiter: self.delimiter.clone(),
            start_after: self.start_after.clone(),
            cursor: self.cursor.clone(),
            limit: self.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            include_http: include(0),
            include_custom: include(1),
            max_bytes: Some(MAX_LIST_BYTES),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(text: &str) -> Call {
        parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn numbers_come_as_strings_or_as_numbers() {
        for text in [
            r#"{"version":1,"method":"get","object":"k","range":{"offset":"1","length":"2"}}"#,
            r#"{"version":1,"method":"get","object":"k","range":{"offset":1,"length":2}}"#,
        ] {
            let expected = Range::Offset { offset: 1, length: Some(2) };
            assert_eq!(call(text).range(), Some(expected));
        }
        assert_eq!(call(r#"{"range":{"suffix":"7"}}"#).range(), Some(Range::Suffix(7)));
        assert_eq!(call(r#"{"range":{}}"#).range(), None);
        let header = Range::Header("bytes=1-2".to_owned());
        assert_eq!(call(r#"{"rangeHeader":"bytes=1-2"}"#).range(), Some(header));
        assert!(parse(br#"{"range":{"offset":"x"}}"#).is_err());
    }

    #[test]
    fn conditions_and_metadata_are_read() {
        let call = call(
            r#"{"method":"put","object":"k","customFields":[{"k":"a","v":"ü"},{"k":"b"}],
                "httpFields":{"contentType":"text/plain","cacheExpiry":"1700000000000"},"md5":"nhB9nTcrtoJr2B01QqQZ1g==",
                "onlyIf":{"etagMatches":[{"value":"e","type":"strong"},{"type":"wildcard"}],
                "etagDoesNotMatch":[{"value":"w","type":"weak"}],"uploadedBefore":"1700000000000","secondsGranularity":true}}"#,
        );
        let only_if = call.only_if().unwrap();
        assert_eq!(only_if.etag_matches, [EtagMatch::Strong("e".to_owned()), EtagMatch::Any]);
        assert_eq!(only_if.etag_does_not_match, [EtagMatch::Weak("w".to_owned())]);
        assert_eq!(only_if.uploaded_before.unwrap().as_second(), 1_700_000_000);
        assert!(only_if.seconds_granularity && only_if.uploaded_after.is_none());
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(call.custom(), [pair("a", "ü"), pair("b", "")]);
        assert_eq!(call.http().unwrap().cache_expiry, Some(1_700_000_000_000));
        assert_eq!(hex::encode(call.expected().unwrap().md5.unwrap()), "9e107d9d372bb6826bd81d3542a419d6");
    }

    #[test]
    fn an_old_runtime_wants_all_metadata() {
        let wants = |text| {
            let list = call(text).list();
            (list.include_http, list.include_custom)
        };
        assert_eq!(wants(r#"{"method":"list"}"#), (true, true));
        assert_eq!(wants(r#"{"method":"list","newRuntime":true}"#), (false, false));
        assert_eq!(wants(r#"{"method":"list","newRuntime":true,"include":[1]}"#), (false, true));
    }

    #[test]
    fn what_makes_no_sense_is_an_invalid_argument() {
        for text in [
            r#"{"method":"put","sha1":"00"}"#,
            r#"{"method":"put","md5":"00"}"#,
            r#"{"method":"put","sha256":"zz"}"#,
        ] {
            assert_eq!(call(text).expected().unwrap_err().code(), 10029);
        }
        assert_eq!(call(r#"{"storageClass":"Glacier"}"#).storage_class().unwrap_err().code(), 10029);
        assert_eq!(call(r#"{"ssec":{"key":"00"}}"#).customer_key().unwrap_err().code(), 10029);
    }
}
