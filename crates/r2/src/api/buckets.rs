//! Buckets.

use axum::extract::State;
use hearth_api::{ApiError, InAccount, Json, Params, Query, Reply};
use http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};

use super::super::store::{Bucket, BucketSettings, R2, R2Error, StorageClass};

/// Most buckets of one page, and how many there are where the client does not say.
const PAGE: usize = 1000;

fn view(bucket: &Bucket) -> Value {
    let settings = bucket.settings();
    json!({
        "name": bucket.name(),
        "creation_date": bucket.created_on(),
        "location": settings.location.as_deref().unwrap_or("local").to_uppercase(),
        "storage_class": settings.storage_class.as_str(),
        "jurisdiction": settings.jurisdiction.as_deref().unwrap_or("default"),
    })
}

pub(super) async fn list(State(r2): State<R2>, account: InAccount, query: Query) -> Reply {
    let mut buckets = r2.buckets(&account.0.id);
    if let Some(part) = query.get("name_contains") {
        buckets.retain(|bucket| bucket.name().contains(part));
    }
    if query.get("direction") == Some("desc") {
        buckets.reverse();
    } else if let Some(after) = query.get("cursor").or_else(|| query.get("start_after")) {
        buckets.retain(|bucket| bucket.name() > after);
    }
    let limit = query.get("per_page").and_then(|text| text.parse().ok()).unwrap_or(PAGE).clamp(1, PAGE);
    let shown: Vec<Value> = buckets.iter().take(limit).map(|bucket| view(bucket)).collect();
    Reply::new(json!({"buckets": shown}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Create {
    name: String,
    #[serde(alias = "storage_class")]
    storage_class: Option<String>,
    location_hint: Option<String>,
}

fn storage_class(text: Option<&str>) -> Result<StorageClass, R2Error> {
    let invalid = || R2Error::InvalidArgument("The storage class is not valid.".to_owned());
    text.map_or(Ok(StorageClass::default()), |text| StorageClass::parse(text).ok_or_else(invalid))
}

pub(super) async fn create(
    State(r2): State<R2>,
    account: InAccount,
    headers: HeaderMap,
    Json(create): Json<Create>,
) -> Result<Reply, ApiError> {
    let jurisdiction = headers.get("cf-r2-jurisdiction").and_then(|value| value.to_str().ok());
    let settings = BucketSettings {
        storage_class: storage_class(create.storage_class.as_deref())?,
        location: create.location_hint,
        jurisdiction: jurisdiction.map(str::to_owned),
        ..BucketSettings::default()
    };
    let bucket = r2.create_bucket(&account.0.id, &create.name, settings).await?;
    Ok(Reply::new(view(&bucket)))
}

pub(super) async fn get(State(r2): State<R2>, account: InAccount, params: Params) -> Result<Reply, ApiError> {
    Ok(Reply::new(view(&*r2.named(&account, &params)?)))
}

/// What the bucket holds, in the fields of Cloudflare's `usage` endpoint.
pub(super) async fn usage(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let usage = r2.named(&account, &params)?.usage().await?;
    Ok(Reply::new(json!({
        "objectCount": usage.objects.to_string(),
        "payloadSize": usage.bytes.to_string(),
        "uploadCount": usage.uploads.to_string(),
        "uploadSize": usage.upload_bytes.to_string(),
    })))
}

pub(super) async fn patch(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
    headers: HeaderMap,
) -> Result<Reply, ApiError> {
    let wanted = headers.get("cf-r2-storage-class").and_then(|value| value.to_str().ok());
    let class = storage_class(wanted)?;
    let changed = r2
        .change(&account, &params, |settings| {
            settings.storage_class = class;
            Ok(())
        })
        .await?;
    Ok(Reply::new(view(&changed)))
}

pub(super) async fn delete(
    State(r2): State<R2>,
    account: InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    r2.delete_bucket(&account.0.id, params.get("bucket")).await?;
    Ok(Reply::new(json!({})))
}
