//! How an account's workers are, and what it keeps: what the console's overview shows beside the minutes of GraphQL.

use axum::extract::State;
use hearth_api::{Api, ApiError, InAccount, Operation, Reply};
use hearth_d1::D1;
use hearth_kv::Kv;
use hearth_model::AccountId;
use hearth_objects::Objects;
use hearth_openapi::{Document, Family, array, get, integer, map, object, reference, string};
use hearth_queues::Queues;
use hearth_r2::R2;
use hearth_store::{Page, Resource, ResourceKind, Store};
use http::Method;
use serde_json::{Value, json};

use super::metrics::{Live, Meters};

const PATH: &str = "/accounts/{account}/hearth/status";

/// What is asked.
#[derive(Clone)]
pub struct Status {
    pub api: Api,
    pub meters: Meters,
    pub kv: Kv,
    pub r2: R2,
    pub d1: D1,
    pub queues: Queues,
    pub objects: Objects,
}

impl Status {
    /// The operation.
    pub fn operations(self) -> Vec<Operation> {
        vec![Operation::new(Method::GET, PATH, show, &self)]
    }

    fn store(&self) -> &Store {
        self.api.store()
    }

    /// Bytes by kind. What cannot be read now is not in it; its own page says why.
    async fn storage(&self, account: &AccountId) -> Result<Value, ApiError> {
        let of = |kind| async move {
            let listing = self.store().resources(kind, account, Page::ALL).await?;
            Ok::<Vec<Resource>, ApiError>(listing.items)
        };
        let (mut kv, mut queues, mut d1, mut r2) = (0, 0, 0, 0);
        for namespace in of(ResourceKind::KvNamespace).await? {
            kv += self.kv.usage(&namespace.id).await.map_or(0, |usage| usage.bytes);
        }
        for queue in of(ResourceKind::Queue).await? {
            queues += self.queues.usage(&queue.id).await.unwrap_or(0);
        }
        for database in of(ResourceKind::D1Database).await? {
            let Ok(id) = database.id.parse() else { continue };
            d1 += tokio::fs::metadata(self.d1.file(id)).await.map_or(0, |found| found.len());
        }
        for bucket in self.r2.all().iter().filter(|bucket| bucket.account() == account) {
            r2 += bucket.usage().await.map_or(0, |usage| usage.bytes + usage.upload_bytes);
        }
        let namespaces = self.store().namespaces(account, Page::ALL).await?;
        let objects: u64 =
            namespaces.items.iter().filter_map(|owned| self.objects.bytes(owned.namespace.id)).sum();
        Ok(json!({"kv": kv, "r2": r2, "d1": d1, "queues": queues, "durable_objects": objects}))
    }
}

async fn show(State(status): State<Status>, InAccount(account): InAccount) -> Result<Reply, ApiError> {
    let workers: Vec<Value> = status.meters.live(&account.id).into_iter().map(view).collect();
    let storage = status.storage(&account.id).await?;
    Ok(Reply::new(json!({"workers": workers, "storage_bytes": storage})))
}

fn view(live: Live) -> Value {
    json!({
        "name": live.name,
        "processes": live.processes,
        "in_flight": live.in_flight,
        "websockets": live.websockets,
        "memory_bytes": live.memory,
        "failed_starts": live.failed_starts,
        "ends": live.ends,
    })
}

/// Describes the operation.
pub fn describe(document: &mut Document) {
    let about = "How an account's workers are.";
    let mut section = document.section("Status", about, Family::cloudflare());
    section.schema(
        "LiveWorker",
        object()
            .has("name", string().about("With its API before it where it is no worker of wrangler's."))
            .has("processes", integer().about("That live."))
            .has("in_flight", integer().about("Requests and calls in them."))
            .has("websockets", integer())
            .has("memory_bytes", integer())
            .has("failed_starts", integer().about("Processes that did not come to listen, since the server began."))
            .has(
                "ends",
                map(integer()).about(
                    "Processes that ended without being told to, since the server began, by why: `cpu_budget`, \
                     `stuck`, `memory`, `timeout`, `start_timeout`, `crashed`.",
                ),
            ),
    );
    let storage = object()
        .has("kv", integer())
        .has("r2", integer())
        .has("d1", integer())
        .has("queues", integer())
        .has("durable_objects", integer());
    section.add(
        get(PATH, "Show status")
            .about(
                "Workers that live or have failed since the server began, and bytes that the account keeps.",
            )
            .gives(object().has("workers", array(reference("LiveWorker"))).has("storage_bytes", storage)),
    );
}
