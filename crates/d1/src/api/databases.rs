//! `d1/database`: create, list, look at, change, delete.

use axum::extract::State;
use hearth_api::{ApiError, InAccount, Json, PageQuery, Params, Query, Reply, store_page};
use hearth_space::Kind;
use hearth_store::{Page, Resource, ResourceKind};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Endpoints;
use super::error::{self, bad_request};
use crate::{DatabaseId, Size};

/// Databases that an account may have, as on Cloudflare's paid plan.
const MOST: u64 = 50_000;
/// Longest name, in characters.
const LONGEST_NAME: usize = 255;
const PER_PAGE: u64 = 100;

/// `POST D`. What of it says where the database should lie is kept and shown; there is one place.
#[derive(Deserialize)]
pub struct New {
    name: String,
    #[serde(default)]
    jurisdiction: Option<String>,
    #[serde(default)]
    primary_location_hint: Option<String>,
    #[serde(default)]
    read_replication: Option<Replication>,
}

/// `PATCH D/:id` and `PUT D/:id`.
#[derive(Deserialize)]
pub struct Change {
    read_replication: Replication,
}

/// There is one copy, so both modes are the same here.
#[derive(Deserialize)]
struct Replication {
    mode: String,
}

impl Replication {
    fn mode(&self) -> Result<&str, ApiError> {
        match self.mode.as_str() {
            mode @ ("auto" | "disabled") => Ok(mode),
            other => {
                Err(bad_request(format!("read_replication.mode must be auto or disabled, not {other:?}")))
            }
        }
    }
}

/// `GET D`: by name, with the filter `name`.
pub async fn list(
    State(endpoints): State<Endpoints>,
    account: InAccount,
    query: Query,
) -> Result<Reply, ApiError> {
    let store = &endpoints.0.store;
    let window = PageQuery::from_query(&query).window(PER_PAGE);
    let Some(name) = query.get("name").filter(|name| !name.is_empty()) else {
        let found = store.resources(ResourceKind::D1Database, &account.0.id, store_page(&window)).await?;
        let info = window.info(found.items.len(), found.total);
        return Ok(Reply::page(found.items.iter().map(view).collect(), info));
    };
    let mut matching = Vec::new();
    let mut page = Page { offset: 0, limit: hearth_api::MAX_PER_PAGE };
    loop {
        let found = store.resources(ResourceKind::D1Database, &account.0.id, page).await?;
        let last = found.items.is_empty();
        matching.extend(found.items.into_iter().filter(|resource| resource.name.contains(name)));
        if last {
            break;
        }
        page.offset += page.limit;
    }
    let (items, info) = window.cut(matching);
    Ok(Reply::page(items.iter().map(view).collect(), info))
}

/// `POST D`.
pub async fn create(
    State(endpoints): State<Endpoints>,
    account: InAccount,
    Json(new): Json<New>,
) -> Result<Reply, ApiError> {
    let length = new.name.chars().count();
    if length == 0 || length > LONGEST_NAME || new.name.chars().any(|c| c.is_control() || c == '/') {
        return Err(bad_request(format!(
            "Invalid property: name => a database's name has 1 to {LONGEST_NAME} characters, none of them a slash or a control character"
        )));
    }
    if new.name.parse::<DatabaseId>().is_ok() {
        return Err(bad_request("Invalid property: name => a UUID would be taken for a database's id"));
    }
    let store = &endpoints.0.store;
    let first = Page { offset: 0, limit: 1 };
    if store.resources(ResourceKind::D1Database, &account.0.id, first).await?.total >= MOST {
        let message = format!("You have reached the maximum number of databases for your account: {MOST}");
        return Err(ApiError::new(StatusCode::FORBIDDEN, error::TOO_MANY, message));
    }
    let mode = new.read_replication.as_ref().map(Replication::mode).transpose()?.unwrap_or("disabled");
    let settings = json!({
        "jurisdiction": new.jurisdiction,
        "primary_location_hint": new.primary_location_hint,
        "read_replication": {"mode": mode},
    });
    let id = DatabaseId::random();
    let account = &account.0.id;
    let resource = store
        .create_resource(ResourceKind::D1Database, account, &id.to_string(), &new.name, settings)
        .await?;
    endpoints.0.d1.space().opened(&id.to_string(), account, Kind::D1);
    if let Err(error) = endpoints.0.d1.create(id).await {
        endpoints.0.d1.space().closed(&id.to_string());
        store.delete_resource(ResourceKind::D1Database, account, &id.to_string()).await?;
        return Err(error::database(&error));
    }
    Ok(Reply::new(with_size(&resource, Size::default())))
}

/// `GET D/:idOrName`; with `fields`, only these.
pub async fn get(
    State(endpoints): State<Endpoints>,
    account: InAccount,
    params: Params,
    query: Query,
) -> Result<Reply, ApiError> {
    let (resource, id) = endpoints.database(&account, &params).await?;
    let fields: Vec<&str> = query.get("fields").map(|fields| fields.split(',').collect()).unwrap_or_default();
    let needs_size =
        fields.is_empty() || fields.iter().any(|field| matches!(*field, "file_size" | "num_tables"));
    let mut found = if needs_size {
        with_size(&resource, endpoints.0.d1.size(id).await.map_err(|error| error::database(&error))?)
    } else {
        view(&resource)
    };
    if let Value::Object(members) = &mut found
        && !fields.is_empty()
    {
        members.retain(|name, _| fields.contains(&name.as_str()));
    }
    Ok(Reply::new(found))
}

/// `PATCH D/:id`, `PUT D/:id`.
pub async fn change(
    State(endpoints): State<Endpoints>,
    account: InAccount,
    params: Params,
    Json(change): Json<Change>,
) -> Result<Reply, ApiError> {
    let (resource, id) = endpoints.database(&account, &params).await?;
    let mode = change.read_replication.mode()?;
    let changed = endpoints
        .0
        .store
        .change_resource(ResourceKind::D1Database, &account.0.id, &resource.id, |settings| {
            settings["read_replication"] = json!({"mode": mode});
        })
        .await?;
    let size = endpoints.0.d1.size(id).await.map_err(|error| error::database(&error))?;
    Ok(Reply::new(with_size(&changed, size)))
}

/// `DELETE D/:id`. What an interruption leaves behind, [`Endpoints::sweep`] removes.
pub async fn delete(
    State(endpoints): State<Endpoints>,
    account: InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let (resource, id) = endpoints.database(&account, &params).await?;
    let shared = &endpoints.0;
    shared.store.delete_resource(ResourceKind::D1Database, &account.0.id, &resource.id).await?;
    shared.transfers.forget(id);
    shared.insights.forget(id);
    shared.d1.delete(id).await.map_err(|error| error::database(&error))?;
    shared.history.forget(id).await.map_err(ApiError::internal)?;
    Ok(Reply::null())
}

fn view(resource: &Resource) -> Value {
    json!({
        "uuid": resource.id,
        "name": resource.name,
        "created_at": resource.created_on.to_string(),
        "version": "production",
        "jurisdiction": resource.settings["jurisdiction"],
    })
}

fn with_size(resource: &Resource, size: Size) -> Value {
    let mut view = view(resource);
    view["file_size"] = json!(size.bytes);
    view["num_tables"] = json!(size.tables);
    view["read_replication"] = resource.settings["read_replication"].clone();
    view
}
