//! How an account's workers are, and what it keeps: what the console's overview shows beside the minutes of GraphQL.

use axum::extract::State;
use hearth_api::{ApiError, InAccount, Operation, Reply};
use hearth_openapi::{Document, Family, array, get, integer, map, object, reference, string};
use hearth_space::{Kind, Space};
use http::Method;
use serde_json::{Map, Value, json};

use super::metrics::{Live, Meters};

const PATH: &str = "/accounts/{account}/hearth/status";

/// What is asked.
#[derive(Clone)]
pub struct Status {
    pub meters: Meters,
    pub space: Space,
}

impl Status {
    /// The operation.
    pub fn operations(self) -> Vec<Operation> {
        vec![Operation::new(Method::GET, PATH, show, &self)]
    }
}

async fn show(State(status): State<Status>, InAccount(account): InAccount) -> Result<Reply, ApiError> {
    let workers: Vec<Value> = status.meters.live(&account.id).into_iter().map(view).collect();
    // The same ledger that quotas are held against.
    let of = |kind: Kind| (kind.as_str().to_owned(), json!(status.space.held(&account.id, kind)));
    let storage: Map<String, Value> = Kind::ALL.into_iter().map(of).collect();
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
    let storage = Kind::ALL.into_iter().fold(object(), |all, kind| all.has(kind.as_str(), integer()));
    section.add(
        get(PATH, "Show status")
            .about(
                "Workers that live or have failed since the server began, and bytes that the account keeps, which \
                 together are what its storage quota counts.",
            )
            .gives(object().has("workers", array(reference("LiveWorker"))).has("storage_bytes", storage)),
    );
}
