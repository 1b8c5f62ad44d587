//! `/workers/durable_objects/namespaces`, in the shapes that Cloudflare's SDKs type (`durable_objects` in
//! `cloudflare` 7.3): namespaces by pages, objects by a cursor.

use axum::Json;
use axum::extract::State;
use hearth_api::{ApiError, InAccount, Operation, PageQuery, Params, Query, Reply, code, store_page};
use hearth_model::NamespaceId;
use hearth_store::{Listing, OwnedNamespace};
use http::Method;
use serde_json::{Value, json};

use crate::{Objects, folder};

/// Namespaces of a page where the client does not say.
const PER_PAGE: u64 = 20;

/// Objects of a page where the client does not say, and at most.
const OBJECTS: usize = 1_000;
const MAX_OBJECTS: usize = 10_000;

impl Objects {
    /// What the API can do.
    pub fn operations(&self) -> Vec<Operation> {
        let base = "/accounts/{account}/workers/durable_objects/namespaces";
        vec![
            Operation::new(Method::GET, base, list, self),
            Operation::new(
                Method::GET,
                "/accounts/{account}/workers/durable_objects/namespaces/{namespace}/objects",
                list_objects,
                self,
            ),
        ]
    }

    fn view(&self, owned: &OwnedNamespace) -> Value {
        let OwnedNamespace { namespace, script, .. } = owned;
        json!({
            "id": namespace.id.to_string(),
            "name": format!("{script}_{}", namespace.class),
            "script": script,
            "class": namespace.class,
            "use_sqlite": namespace.sqlite,
            // Ours: bytes on disk when it was last looked.
            "storage_bytes": self.bytes(namespace.id),
        })
    }
}

/// `GET namespaces`.
async fn list(
    State(objects): State<Objects>,
    InAccount(account): InAccount,
    query: Query,
) -> Result<Reply, ApiError> {
    let window = PageQuery::from_query(&query).window(PER_PAGE);
    let Listing { items, total } = objects.0.store.namespaces(&account.id, store_page(&window)).await?;
    let views: Vec<Value> = items.iter().map(|owned| objects.view(owned)).collect();
    let info = window.info(views.len(), total);
    Ok(Reply::page(views, info))
}

/// `GET namespaces/:namespace/objects?limit=&cursor=`.
async fn list_objects(
    State(objects): State<Objects>,
    InAccount(account): InAccount,
    params: Params,
    query: Query,
) -> Result<Json<Value>, ApiError> {
    let unknown =
        || ApiError::not_found(code::BAD_IDENTIFIER, "This Durable Object namespace does not exist.");
    let id: NamespaceId = params.get("namespace").parse().map_err(|_| unknown())?;
    objects.0.store.namespace(&account.id, id).await?.ok_or_else(unknown)?;
    let limit = query.get("limit").map(str::parse::<usize>).transpose();
    let limit = limit.map_err(|_| ApiError::bad_request(code::BAD_BODY, "`limit` is no number."))?;
    let limit = limit.unwrap_or(OBJECTS).clamp(1, MAX_OBJECTS);
    let after = query.get("cursor").unwrap_or_default().to_owned();
    let path = objects.folder_of(id);
    let found = objects.blocking(move || folder::objects(&path, &after, limit)).await;
    let found = found.map_err(ApiError::internal)?;
    let cursor = (found.len() == limit).then(|| found.last().map(|last| last.id.clone())).flatten();
    let views: Vec<Value> =
        found.iter().map(|object| json!({"id": object.id, "hasStoredData": object.has_data})).collect();
    let info = json!({"count": views.len(), "cursor": cursor, "cursors": {"after": cursor}});
    Ok(Json(json!({"success": true, "errors": [], "messages": [], "result": views, "result_info": info})))
}
