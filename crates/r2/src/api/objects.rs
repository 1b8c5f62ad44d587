//! Objects.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hearth_api::{ApiError, InAccount, Json, Params, Query, Reply};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::{Value, json};

use super::super::store::{
    Conditional, GetOptions, HttpMetadata, Incoming, ListOptions, Object, PutOptions, R2, R2Error, Range,
    StorageClass,
};

const STORAGE_CLASS: &str = "cf-r2-storage-class";
/// Ours: custom metadata, as a JSON object of strings. Cloudflare's endpoint takes none.
const CUSTOM_METADATA: &str = "cf-r2-custom-metadata";

fn view(object: &Object) -> Value {
    let custom: serde_json::Map<_, _> =
        object.custom.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "key": object.key,
        "etag": object.etag,
        "version": object.version,
        "size": object.size,
        "last_modified": object.uploaded,
        "http_metadata": object.http,
        "custom_metadata": custom,
        "storage_class": object.storage_class.as_str(),
        "ssec": object.customer_key_md5.is_some(),
    })
}

pub(super) async fn list(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
    query: Query,
) -> Result<Response, ApiError> {
    let text = |name| query.get(name).filter(|text| !text.is_empty()).map(str::to_owned);
    let options = ListOptions {
        prefix: text("prefix").unwrap_or_default(),
        delimiter: text("delimiter"),
        start_after: text("start_after"),
        cursor: text("cursor"),
        limit: query.get("per_page").and_then(|text| text.parse().ok()),
        include_http: true,
        include_custom: true,
        max_bytes: None,
    };
    let per_page = options.limit.unwrap_or(super::super::store::MAX_LIST_KEYS);
    let listing = r2.named(&account, &params)?.list(options).await?;
    let info = json!({
        "cursor": listing.cursor.clone().unwrap_or_default(),
        "is_truncated": listing.cursor.is_some(),
        "per_page": per_page,
        "delimited": listing.prefixes,
    });
    let objects: Vec<Value> = listing.objects.iter().map(view).collect();
    // Not [`Reply`]'s `result_info`, whose fields are those of numbered pages.
    let body = json!({
        "success": true, "errors": [], "messages": [], "result": objects, "result_info": info
    });
    Ok(axum::Json(body).into_response())
}

pub(super) async fn get(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let bucket = r2.named(&account, &params)?;
    let range = headers.get(header::RANGE).and_then(|value| value.to_str().ok());
    let range = range.map(|text| Range::Header(text.to_owned()));
    let found = bucket.get(params.get("key"), GetOptions { range, ..GetOptions::default() }).await?;
    let object = &found.object;
    let mut response = Response::new(Body::empty());
    let answer = response.headers_mut();
    let mut set = |name: HeaderName, text: &str| {
        // A text that cannot be a header stays away.
        if let Ok(value) = HeaderValue::from_bytes(text.as_bytes()) {
            answer.insert(name, value);
        }
    };
    set(header::CONTENT_LENGTH, &found.range.length.to_string());
    set(header::ETAG, &format!("\"{}\"", object.etag));
    set(header::ACCEPT_RANGES, "bytes");
    set(HeaderName::from_static(STORAGE_CLASS), object.storage_class.as_str());
    set(header::CONTENT_TYPE, object.http.content_type.as_deref().unwrap_or("application/octet-stream"));
    for (name, value) in [
        (header::CONTENT_LANGUAGE, &object.http.content_language),
        (header::CONTENT_DISPOSITION, &object.http.content_disposition),
        (header::CONTENT_ENCODING, &object.http.content_encoding),
        (header::CACHE_CONTROL, &object.http.cache_control),
    ] {
        if let Some(value) = value {
            set(name, value);
        }
    }
    if let Some(modified) = http_date(object.uploaded) {
        set(header::LAST_MODIFIED, &modified);
    }
    let expires = object.http.cache_expiry.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    if let Some(expires) = expires.and_then(http_date) {
        set(header::EXPIRES, &expires);
    }
    if found.partial {
        let last = found.range.offset + found.range.length - 1;
        set(header::CONTENT_RANGE, &format!("bytes {}-{last}/{}", found.range.offset, object.size));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    *response.body_mut() = Body::from_stream(found.body);
    Ok(response)
}

/// A time as HTTP headers write it.
fn http_date(time: Timestamp) -> Option<String> {
    jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&time).ok()
}

pub(super) async fn put(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Reply, ApiError> {
    let bucket = r2.named(&account, &params)?;
    let text = |name: HeaderName| {
        headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok()).map(str::to_owned)
    };
    let expires = text(header::EXPIRES)
        .map(|text| DateTimeParser::new().parse_timestamp(&text).or_else(|_| text.parse::<Timestamp>()))
        .transpose()
        .map_err(|_| R2Error::InvalidArgument("The Expires header is not a date.".to_owned()))?;
    let class =
        match text(HeaderName::from_static(STORAGE_CLASS)) {
            Some(text) => Some(StorageClass::parse(&text).ok_or_else(|| {
                R2Error::InvalidArgument(format!("The storage class {text:?} is not valid."))
            })?),
            None => None,
        };
    let custom: BTreeMap<String, String> = match text(HeaderName::from_static(CUSTOM_METADATA)) {
        Some(text) => serde_json::from_str(&text).map_err(|error| {
            R2Error::InvalidArgument(format!("{CUSTOM_METADATA} is no JSON object of strings: {error}"))
        })?,
        None => BTreeMap::new(),
    };
    let options = PutOptions {
        custom: custom.into_iter().collect(),
        http: HttpMetadata {
            content_type: text(header::CONTENT_TYPE),
            content_language: text(header::CONTENT_LANGUAGE),
            content_disposition: text(header::CONTENT_DISPOSITION),
            content_encoding: text(header::CONTENT_ENCODING),
            cache_control: text(header::CACHE_CONTROL),
            cache_expiry: expires.map(Timestamp::as_millisecond),
        },
        storage_class: class,
        ..PutOptions::default()
    };
    let length = text(header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
    let body = Incoming::stream(body.into_data_stream(), length);
    let object = bucket.put(params.get("key"), options, body).await?;
    Ok(Reply::new(view(&object)))
}

pub(super) async fn delete(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let key = params.get("key").to_owned();
    let bucket = r2.named(&account, &params)?;
    bucket.delete(vec![key.clone()], Conditional::default()).await?;
    Ok(Reply::new(json!({"key": key})))
}

/// Deletes the keys of a JSON list.
pub(super) async fn delete_many(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
    Json(keys): Json<Vec<String>>,
) -> Result<Reply, ApiError> {
    let bucket = r2.named(&account, &params)?;
    bucket.delete(keys.clone(), Conditional::default()).await?;
    let deleted: Vec<Value> = keys.into_iter().map(|key| json!({"key": key})).collect();
    Ok(Reply::new(json!(deleted)))
}
