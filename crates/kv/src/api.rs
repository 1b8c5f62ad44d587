//! Workers KV in Cloudflare's API (wrangler-api.md 5). Errors have Cloudflare's codes (`rules::code`).
//!
//! `GET …/namespaces` is paged: the npm SDK, which wrangler's `kv namespace list` uses, asks for further pages until one
//! is empty. `DELETE …/bulk` has a body, as wrangler sends it; `POST …/bulk/delete` is the same for the SDKs.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hearth_api::{ApiError, InAccount, Json, Operation, PageQuery, Params, Query, Reply};
use hearth_space::Kind;
use hearth_store::{Account, Entity, Page, Resource, ResourceKind, StoreError};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::kv::{Held, Kv};
use crate::rules::{self, Key, MAX_VALUE, Refusal, code};
use crate::store::{Change, EngineError};
use crate::wire;

const KIND: ResourceKind = ResourceKind::KvNamespace;
/// Namespaces of a page, where the client does not say.
const PER_PAGE: u64 = 20;
/// Longest title, in bytes.
const MAX_TITLE: usize = 512;
/// Most keys of a bulk call that writes.
const MAX_BULK: usize = 10_000;
/// Longest body of a bulk call, in bytes.
const MAX_BULK_BODY: usize = 100 << 20;
/// What one transaction of a bulk call writes at most: keys, and bytes.
const PART: (usize, usize) = (1000, 4 << 20);

pub(crate) fn operations(kv: &Kv) -> Vec<Operation> {
    const NAMESPACES: &str = "/accounts/{account}/storage/kv/namespaces";
    const NAMESPACE: &str = "/accounts/{account}/storage/kv/namespaces/{namespace}";
    const KEYS: &str = "/accounts/{account}/storage/kv/namespaces/{namespace}/keys";
    const VALUE: &str = "/accounts/{account}/storage/kv/namespaces/{namespace}/values/{*key}";
    const METADATA: &str = "/accounts/{account}/storage/kv/namespaces/{namespace}/metadata/{*key}";
    const BULK: &str = "/accounts/{account}/storage/kv/namespaces/{namespace}/bulk";
    const BULK_DELETE: &str = "/accounts/{account}/storage/kv/namespaces/{namespace}/bulk/delete";
    const BULK_GET: &str = "/accounts/{account}/storage/kv/namespaces/{namespace}/bulk/get";
    vec![
        Operation::new(Method::GET, NAMESPACES, list_namespaces, kv),
        Operation::new(Method::POST, NAMESPACES, create, kv),
        Operation::new(Method::GET, NAMESPACE, show, kv),
        Operation::new(Method::PUT, NAMESPACE, rename, kv),
        Operation::new(Method::DELETE, NAMESPACE, delete, kv),
        Operation::new(Method::GET, KEYS, list_keys, kv),
        Operation::new(Method::GET, VALUE, get_value, kv),
        Operation::new(Method::PUT, VALUE, put_value, kv),
        Operation::new(Method::DELETE, VALUE, delete_value, kv),
        Operation::new(Method::GET, METADATA, get_metadata, kv),
        Operation::new(Method::PUT, BULK, bulk_put, kv),
        Operation::new(Method::DELETE, BULK, bulk_delete, kv),
        Operation::new(Method::POST, BULK_DELETE, bulk_delete, kv),
        Operation::new(Method::POST, BULK_GET, bulk_get, kv),
    ]
}

/// What an operation is refused with.
struct No(ApiError);

impl From<ApiError> for No {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl From<Refusal> for No {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal.code {
            code::NAMESPACE_NOT_FOUND => StatusCode::NOT_FOUND,
            _ => refusal.status,
        };
        Self(ApiError::new(status, refusal.code, refusal.message))
    }
}

impl From<EngineError> for No {
    fn from(error: EngineError) -> Self {
        Refusal::from(error).into()
    }
}

impl From<StoreError> for No {
    fn from(error: StoreError) -> Self {
        match &error {
            StoreError::NotFound { what: Entity::Resource(KIND), .. } => {
                Self(ApiError::not_found(code::NAMESPACE_NOT_FOUND, "namespace not found"))
            }
            StoreError::Conflict { what: Entity::Resource(KIND), .. } => Self(ApiError::bad_request(
                code::TITLE_TAKEN,
                "a namespace with this account ID and title already exists",
            )),
            _ => Self(error.into()),
        }
    }
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

type Answer = Result<Reply, No>;

/// The namespace of a path, which the account has.
async fn namespace(kv: &Kv, account: &Account, params: &Params) -> Result<String, No> {
    Ok(kv.store().resource(KIND, &account.id, params.get("namespace")).await?.id)
}

fn view(namespace: &Resource) -> Value {
    json!({ "id": namespace.id, "title": namespace.name, "supports_url_encoding": true })
}

async fn list_namespaces(State(kv): State<Kv>, InAccount(account): InAccount, query: Query) -> Answer {
    let mut all = kv.store().resources(KIND, &account.id, Page::ALL).await?.items;
    if query.get("order") == Some("id") {
        all.sort_by(|a, b| a.id.cmp(&b.id));
    }
    if query.get("direction") == Some("desc") {
        all.reverse();
    }
    let (page, info) = PageQuery::from_query(&query).window(PER_PAGE).cut(all);
    Ok(Reply::page(page.iter().map(view).collect(), info))
}

/// A namespace that is made or renamed.
#[derive(Deserialize)]
struct Title {
    #[serde(default)]
    title: String,
}

impl Title {
    fn check(&self) -> Result<&str, No> {
        match self.title.trim() {
            "" => Err(ApiError::bad_request(code::NO_TITLE, "missing title").into()),
            title if title.len() > MAX_TITLE => {
                let message = format!("a title has at most {MAX_TITLE} bytes");
                Err(ApiError::bad_request(code::BAD_REQUEST, message).into())
            }
            title => Ok(title),
        }
    }
}

async fn create(State(kv): State<Kv>, InAccount(account): InAccount, Json(body): Json<Title>) -> Answer {
    let id = Uuid::new_v4().simple().to_string();
    let title = body.check()?;
    let made = kv.store().create_resource(KIND, &account.id, &id, title, json!({})).await?;
    kv.space().opened(&id, &account.id, Kind::Kv);
    kv.engine().create(&id).await?;
    Ok(Reply::new(view(&made)))
}

async fn show(State(kv): State<Kv>, InAccount(account): InAccount, params: Params) -> Answer {
    Ok(Reply::new(view(&kv.store().resource(KIND, &account.id, params.get("namespace")).await?)))
}

async fn rename(
    State(kv): State<Kv>,
    InAccount(account): InAccount,
    params: Params,
    Json(body): Json<Title>,
) -> Answer {
    let id = params.get("namespace");
    Ok(Reply::new(view(&kv.store().rename_resource(KIND, &account.id, id, body.check()?).await?)))
}

async fn delete(State(kv): State<Kv>, InAccount(account): InAccount, params: Params) -> Answer {
    let id = params.get("namespace");
    kv.store().delete_resource(KIND, &account.id, id).await?;
    kv.engine().destroy(id).await?;
    kv.space().closed(id);
    Ok(Reply::null())
}

async fn list_keys(
    State(kv): State<Kv>,
    InAccount(account): InAccount,
    params: Params,
    query: Query,
) -> Result<Response, No> {
    let namespace = namespace(&kv, &account, &params).await?;
    let listing = kv.engine().list(&namespace, wire::query(&query, "limit")?).await?;
    let cursor = wire::cursor(&listing).unwrap_or_default();
    let keys: Vec<Value> = listing
        .keys
        .into_iter()
        .map(|listed| {
            let mut key = json!({ "name": listed.key.as_str() });
            if let Some(at) = listed.attributes.expiration {
                key["expiration"] = at.into();
            }
            if let Some(metadata) = listed.attributes.metadata {
                key["metadata"] = parsed(&metadata);
            }
            key
        })
        .collect();
    let info = json!({ "count": keys.len(), "cursor": cursor });
    let body = json!({ "success": true, "errors": [], "messages": [], "result": keys, "result_info": info });
    Ok(axum::Json(body).into_response())
}

/// Metadata that storage holds: it was checked when it was written.
fn parsed(metadata: &str) -> Value {
    serde_json::from_str(metadata).unwrap_or_default()
}

fn key_not_found() -> No {
    ApiError::not_found(code::KEY_NOT_FOUND, "get: 'key not found'").into()
}

async fn get_value(
    State(kv): State<Kv>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Response, No> {
    let namespace = namespace(&kv, &account, &params).await?;
    let key = Key::new(params.get("key"))?;
    let entry = kv.engine().get(&namespace, &key).await?.ok_or_else(key_not_found)?;
    let mut response = Response::new(wire::body(entry.value));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    if let Some(at) = entry.attributes.expiration {
        headers.insert(HeaderName::from_static("expiration"), HeaderValue::from(at));
    }
    Ok(response)
}

async fn get_metadata(State(kv): State<Kv>, InAccount(account): InAccount, params: Params) -> Answer {
    let namespace = namespace(&kv, &account, &params).await?;
    let key = Key::new(params.get("key"))?;
    let entry = kv.engine().get(&namespace, &key).await?.ok_or_else(key_not_found)?;
    Ok(Reply::new(entry.attributes.metadata.map_or(Value::Null, |text| parsed(&text))))
}

/// A raw body is the value. A multipart one has it in `value`, with `metadata` beside it.
async fn put_value(
    State(kv): State<Kv>,
    InAccount(account): InAccount,
    params: Params,
    query: Query,
    request: Request,
) -> Answer {
    let (parts, body) = request.into_parts();
    let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let boundary = kind.and_then(|kind| multer::parse_boundary(kind).ok());
    let now = kv.now();
    let attributes = |metadata: Option<&str>| {
        rules::attributes(now, query.get("expiration"), query.get("expiration_ttl"), metadata)
    };
    if let Some(boundary) = boundary {
        let namespace = namespace(&kv, &account, &params).await?;
        let key = Key::new(params.get("key"))?;
        let _permit = kv.large_call().await?;
        let (value, metadata) = fields(body, boundary).await?;
        let attributes = attributes(metadata.as_deref())?;
        kv.engine().apply(&namespace, vec![Change::Put { key, value, attributes }]).await?;
        return Ok(Reply::null());
    }
    let upload = wire::Upload::new(body);
    let put = async {
        let namespace = namespace(&kv, &account, &params).await?;
        let key = Key::new(params.get("key"))?;
        let attributes = attributes(None)?;
        wire::put_upload(&kv, &namespace, key, attributes, &parts.headers, &upload).await?;
        Ok(Reply::null())
    };
    let put = put.await;
    if put.is_err() {
        upload.finish().await;
    }
    put
}

/// The fields `value` and `metadata` of a form, in whatever order.
async fn fields(body: Body, boundary: String) -> Result<(Bytes, Option<String>), Refusal> {
    let unreadable =
        |error: multer::Error| Refusal::bad(code::BAD_VALUE, format!("Could not read the form: {error}"));
    let limits = multer::SizeLimit::new().for_field("value", MAX_VALUE).for_field("metadata", 64 << 10);
    let constraints = multer::Constraints::new().size_limit(limits);
    let mut form = multer::Multipart::with_constraints(body.into_data_stream(), boundary, constraints);
    let (mut value, mut metadata) = (None, None);
    while let Some(field) = form.next_field().await.map_err(unreadable)? {
        match field.name() {
            Some("value") => {
                value = Some(field.bytes().await.map_err(|error| match error {
                    multer::Error::FieldSizeExceeded { .. } => {
                        Refusal::too_large(format!("Value length exceeds limit of {MAX_VALUE}."))
                    }
                    other => unreadable(other),
                })?);
            }
            Some("metadata") => metadata = Some(field.text().await.map_err(unreadable)?),
            _ => {}
        }
    }
    let value = value.ok_or_else(|| Refusal::bad(code::BAD_VALUE, "The form has no field `value`."))?;
    Ok((value, metadata))
}

async fn delete_value(State(kv): State<Kv>, InAccount(account): InAccount, params: Params) -> Answer {
    let namespace = namespace(&kv, &account, &params).await?;
    let key = Key::new(params.get("key"))?;
    kv.engine().apply(&namespace, vec![Change::Delete(key)]).await?;
    Ok(Reply::null())
}

/// One entry of a bulk put.
#[derive(Deserialize)]
struct Pair {
    key: String,
    value: String,
    #[serde(default)]
    base64: bool,
    #[serde(default)]
    metadata: Option<Value>,
    #[serde(default)]
    expiration: Option<f64>,
    #[serde(default)]
    expiration_ttl: Option<f64>,
}

impl Pair {
    fn change(self, now: i64) -> Result<Change, Refusal> {
        let key = Key::new(self.key)?;
        let text = |number: Option<f64>| number.map(|number| number.to_string());
        let metadata = self.metadata.map(|metadata| metadata.to_string());
        let (expiration, ttl) = (text(self.expiration), text(self.expiration_ttl));
        let attributes = rules::attributes(now, expiration.as_deref(), ttl.as_deref(), metadata.as_deref())?;
        let value: Bytes = if self.base64 {
            let decoded = BASE64_STANDARD.decode(self.value).map_err(|_| {
                Refusal::bad(code::BAD_VALUE, format!("The value of `{}` is not base64.", key.as_str()))
            })?;
            decoded.into()
        } else {
            self.value.into()
        };
        if value.len() as u64 > MAX_VALUE {
            return Err(Refusal::value_too_large(value.len() as u64));
        }
        Ok(Change::Put { key, value, attributes })
    }
}

/// The JSON array that a bulk call has as its body.
async fn bulk<T: serde::de::DeserializeOwned>(body: Body) -> Result<Vec<T>, No> {
    let body = to_bytes(body, MAX_BULK_BODY).await.map_err(|_| {
        Refusal::too_large(format!("A bulk request has at most {} MiB.", MAX_BULK_BODY >> 20))
    })?;
    let items: Vec<T> = serde_json::from_slice(&body)
        .map_err(|error| Refusal::bad(code::BAD_REQUEST, format!("could not parse the request: {error}")))?;
    if items.len() > MAX_BULK {
        let message = format!("A bulk request has at most {MAX_BULK} keys.");
        return Err(Refusal::bad(code::BAD_REQUEST, message).into());
    }
    Ok(items)
}

/// Makes changes in parts of a bounded size. Nothing is written unless all of them are valid; what a part wrote stays
/// when a later one fails.
async fn make(kv: &Kv, namespace: &str, changes: Vec<Change>) -> Answer {
    let count = changes.len();
    let (mut part, mut bytes) = (Vec::new(), 0);
    for change in changes {
        if let Change::Put { value, .. } = &change {
            bytes += value.len();
        }
        part.push(change);
        if part.len() == PART.0 || bytes >= PART.1 {
            kv.engine().apply(namespace, std::mem::take(&mut part)).await?;
            bytes = 0;
        }
    }
    if !part.is_empty() {
        kv.engine().apply(namespace, part).await?;
    }
    Ok(Reply::new(json!({ "successful_key_count": count, "unsuccessful_keys": [] })))
}

async fn bulk_put(
    State(kv): State<Kv>,
    InAccount(account): InAccount,
    params: Params,
    request: Request,
) -> Answer {
    let namespace = namespace(&kv, &account, &params).await?;
    let _permit = kv.large_call().await?;
    let pairs: Vec<Pair> = bulk(request.into_body()).await?;
    let now = kv.now();
    let changes = pairs.into_iter().map(|pair| pair.change(now)).collect::<Result<_, _>>()?;
    make(&kv, &namespace, changes).await
}

async fn bulk_delete(
    State(kv): State<Kv>,
    InAccount(account): InAccount,
    params: Params,
    request: Request,
) -> Answer {
    let namespace = namespace(&kv, &account, &params).await?;
    let _permit = kv.large_call().await?;
    let keys: Vec<String> = bulk(request.into_body()).await?;
    let delete = |key| Key::new(key).map(Change::Delete);
    make(&kv, &namespace, keys.into_iter().map(delete).collect::<Result<_, _>>()?).await
}

/// The body of a bulk get.
#[derive(Deserialize)]
struct BulkGet {
    keys: Vec<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    #[serde(default, rename = "withMetadata")]
    with_metadata: bool,
}

async fn bulk_get(
    State(kv): State<Kv>,
    InAccount(account): InAccount,
    params: Params,
    Json(wanted): Json<BulkGet>,
) -> Result<Response, No> {
    let namespace = namespace(&kv, &account, &params).await?;
    let is_json = rules::bulk_is_json(wanted.kind.as_deref())?;
    let keys = rules::bulk_keys(wanted.keys)?;
    let (found, permit) = kv.get_many(&namespace, keys.clone()).await?;
    let values = wire::bulk_answer(&keys, found, is_json, wanted.with_metadata)?;
    // Written around the values rather than parsed: they may have many MiB.
    let (head, tail) =
        (&br#"{"success":true,"errors":[],"messages":[],"result":{"values":"#[..], &br"}}"[..]);
    let text = [head, values.as_slice(), tail].concat();
    let body = Body::from(Held::bytes(text, permit));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}
