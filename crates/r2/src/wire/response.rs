//! Answers as workerd reads them.

use axum::body::Body;
use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{HeaderName, HeaderValue, Response, header};
use serde_json::{Map, Value, json};

use crate::store::{ByteRange, HttpMetadata, Listing, Object, ObjectBody, R2Error};

const METADATA_SIZE: HeaderName = HeaderName::from_static("cf-r2-metadata-size");
const ERROR: HeaderName = HeaderName::from_static("cf-r2-error");

/// An answer of JSON alone.
pub(super) fn json(value: &Value) -> Response<Body> {
    let text = value.to_string();
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(METADATA_SIZE, HeaderValue::from(text.len()));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *response.body_mut() = Body::from(text);
    response
}

/// An answer of JSON and a content behind it.
pub(super) fn with_body(value: &Value, body: ObjectBody) -> Response<Body> {
    let text = value.to_string();
    let length = text.len() as u64 + body.len();
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(METADATA_SIZE, HeaderValue::from(text.len()));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    let first = stream::iter([Ok(Bytes::from(text))]);
    *response.body_mut() = Body::from_stream(first.chain(body));
    response
}

/// An error. A failed condition carries the object, where there is one to see.
pub(super) fn failure(error: &R2Error) -> Response<Body> {
    if let R2Error::Internal(detail) = error {
        tracing::error!(%detail, "an R2 call failed");
    }
    let mut response = match error {
        R2Error::PreconditionFailed { object: Some(found), .. } => {
            let whole = ByteRange { offset: 0, length: found.size };
            json(&object(found, Some(whole)))
        }
        _ => Response::new(Body::empty()),
    };
    *response.status_mut() = error.status();
    let text = json!({"version": 1, "v4code": error.code(), "message": error.to_string()}).to_string();
    if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
        response.headers_mut().insert(ERROR, value);
    }
    response
}

/// An object's head.
pub(super) fn object(object: &Object, range: Option<ByteRange>) -> Value {
    let custom: Vec<Value> =
        object.custom.iter().map(|(name, value)| json!({"k": name, "v": value})).collect();
    let checksums = &object.checksums;
    let digests = [&checksums.md5, &checksums.sha1, &checksums.sha256, &checksums.sha384, &checksums.sha512];
    let numbered = digests.into_iter().enumerate();
    let given = numbered.filter_map(|(number, digest)| Some((number.to_string(), json!(digest.as_ref()?))));
    let mut head = json!({
        "name": object.key,
        "version": object.version,
        "size": object.size.to_string(),
        "etag": object.etag,
        "uploaded": object.uploaded.as_millisecond().to_string(),
        "httpFields": http(&object.http),
        "customFields": custom,
        "checksums": given.collect::<Map<_, _>>(),
        "storageClass": object.storage_class.as_str(),
    });
    if let Some(range) = range {
        head["range"] = json!({"offset": range.offset.to_string(), "length": range.length.to_string()});
    }
    if let Some(md5) = &object.customer_key_md5 {
        head["ssec"] = ssec(md5);
    }
    head
}

/// How an object is encrypted.
pub(super) fn ssec(key_md5: &str) -> Value {
    json!({"algorithm": "AES256", "keyMd5": key_md5})
}

fn http(http: &HttpMetadata) -> Value {
    let mut fields = json!(http);
    if let Some(expiry) = http.cache_expiry {
        fields["cacheExpiry"] = json!(expiry.to_string());
    }
    fields
}

/// A page of a list.
pub(super) fn listing(listing: &Listing) -> Value {
    let objects: Vec<Value> = listing.objects.iter().map(|found| object(found, None)).collect();
    let mut page = json!({
        "objects": objects,
        "truncated": listing.cursor.is_some(),
        "delimitedPrefixes": listing.prefixes,
    });
    if let Some(cursor) = &listing.cursor {
        page["cursor"] = json!(cursor);
    }
    page
}
