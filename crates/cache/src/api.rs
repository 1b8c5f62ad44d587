//! `POST zones/:zone/purge_cache`, as Cloudflare's API has it; `DELETE`, which older clients send, is the same.

use axum::extract::State;
use hearth_api::{ApiError, InZone, Json, Operation, Reply};
use hearth_store::{Page, Store, Zone};
use http::{Method, StatusCode};
use serde_json::json;

use crate::cache::Cache;
use crate::purge::{Body, Purge};

/// What the handler works on.
#[derive(Clone)]
struct Purging {
    cache: Cache,
    store: Store,
}

impl Cache {
    /// Its operations of Cloudflare's API.
    pub fn operations(&self, store: &Store) -> Vec<Operation> {
        const PURGE: &str = "/zones/{zone}/purge_cache";
        let purging = Purging { cache: self.clone(), store: store.clone() };
        vec![
            Operation::new(Method::POST, PURGE, purge, &purging),
            Operation::new(Method::DELETE, PURGE, purge, &purging),
        ]
    }
}

/// A zone has the entries of its hosts, and those of hosts that are in no zone of its account: made-up names, which a
/// worker takes for keys, and hosts below a base domain.
async fn purge(
    State(Purging { cache, store }): State<Purging>,
    InZone { zone, .. }: InZone,
    Json(body): Json<Body>,
) -> Result<Reply, ApiError> {
    let others = store.zones(Some(std::slice::from_ref(&zone.account)), None, Page::ALL).await?.items;
    let is_here = |host: &str| {
        let around = others.iter().filter(|other| other.name.encloses(host));
        around.max_by_key(|other| other.name.as_str().len()).is_none_or(|around: &Zone| around.id == zone.id)
    };
    let purge = Purge::read(body, is_here)
        .map_err(|bad| ApiError::new(StatusCode::BAD_REQUEST, bad.code, bad.message))?;
    cache.purge(zone.account.as_str(), |seen| purge.takes(seen, is_here)).await;
    Ok(Reply::new(json!({ "id": zone.id.as_str() })))
}
