//! `workers/scripts/:worker/tails`, the same of a deployment of Pages, and `workers/tails/by-consumer/:worker` (wrangler-api.md 3 and 10).

use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::extract::State;
use hearth_api::{Api, ApiError, CallFrom, InAccount, Json, Operation, Params, Reply, code};
use hearth_store::{Account, Entity, Worker};
use http::{HeaderMap, Method, header};
use jiff::Timestamp;
use rand::RngCore;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Viewer;
use super::filter::Filters;
use super::registry::{LIFE, MAX_TAILS};
use crate::hub::Hub;

/// Ours: Cloudflare's number for it is not known.
const TOO_MANY_TAILS: u32 = 10502;

#[derive(Clone)]
struct Calls {
    api: Api,
    hub: Hub,
    /// `ws` or `wss`.
    scheme: &'static str,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    filters: Vec<Value>,
}

/// The operations below `/client/v4`.
pub(crate) fn operations(api: &Api, hub: &Hub) -> Vec<Operation> {
    const TAILS: &str = "/accounts/{account}/workers/scripts/{worker}/tails";
    const PAGES_TAILS: &str = "/accounts/{account}/pages/projects/{project}/deployments/{deployment}/tails";
    let scheme = if api.config().public_url.scheme == "https" { "wss" } else { "ws" };
    let calls = Calls { api: api.clone(), hub: hub.clone(), scheme };
    vec![
        Operation::new(Method::POST, PAGES_TAILS, create_of_deployment, &calls),
        Operation::new(
            Method::DELETE,
            "/accounts/{account}/pages/projects/{project}/deployments/{deployment}/tails/{tail}",
            delete_of_deployment,
            &calls,
        ),
        Operation::new(Method::GET, TAILS, list, &calls),
        Operation::new(Method::POST, TAILS, create, &calls),
        Operation::new(
            Method::DELETE,
            "/accounts/{account}/workers/scripts/{worker}/tails/{tail}",
            delete,
            &calls,
        ),
        Operation::new(
            Method::GET,
            "/accounts/{account}/workers/tails/by-consumer/{worker}",
            producers,
            &calls,
        ),
    ]
}

async fn create(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    params: Params,
    CallFrom(caller): CallFrom,
    headers: HeaderMap,
    Json(wanted): Json<Wanted>,
) -> Result<Reply, ApiError> {
    let worker = calls.api.find_any(&account, params.get("worker")).await?;
    calls.open(&worker, &wanted.filters, caller, &headers).await
}

/// A tail of one deployment of a project: of its worker, that version alone.
async fn create_of_deployment(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    params: Params,
    CallFrom(caller): CallFrom,
    headers: HeaderMap,
    Json(mut wanted): Json<Wanted>,
) -> Result<Reply, ApiError> {
    let project = calls.project(&account, &params).await?;
    let unknown = || ApiError::deployment_not_found(params.get("deployment"));
    let version = params.get("deployment").parse().map_err(|_| unknown())?;
    match calls.api.store().version(project.id, version).await {
        Err(error) if error.is_not_found(Entity::Version) => return Err(unknown()),
        found => drop(found?),
    }
    wanted.filters.push(json!({"scriptVersion": version.to_string()}));
    calls.open(&project, &wanted.filters, caller, &headers).await
}

async fn delete_of_deployment(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let project = calls.project(&account, &params).await?;
    calls.close(&project, params.get("tail"));
    Ok(Reply::null())
}

impl Calls {
    async fn project(&self, account: &Account, params: &Params) -> Result<Worker, ApiError> {
        let name = params.get("project").parse().map_err(|_| ApiError::project_not_found())?;
        self.api.project(account, &name).await
    }

    async fn open(
        &self,
        worker: &Worker,
        filters: &[Value],
        caller: Option<IpAddr>,
        headers: &HeaderMap,
    ) -> Result<Reply, ApiError> {
        let filters =
            Filters::read(filters, caller).map_err(|error| ApiError::bad_request(code::BAD_BODY, error))?;
        let id = add(&self.hub, worker, filters)?;
        // Who is told that the tail is there may count on seeing the next request.
        self.hub.settled(worker.id).await;
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
        Ok(Reply::new(json!({
            "id": id,
            "url": format!("{}://{host}/tail/{id}", self.scheme),
            "expires_at": expiry(Duration::ZERO),
        })))
    }

    /// A tail ends with its viewer too, and wrangler ends it after that: it must not fail then.
    fn close(&self, worker: &Worker, tail: &str) {
        if self.hub.tails().lock().remove(tail, worker.id) {
            self.hub.reseat(worker.id);
        }
    }
}

fn add(hub: &Hub, worker: &Worker, filters: Filters) -> Result<String, ApiError> {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    let id = hex::encode(bytes);
    let (viewer, messages) = Viewer::new(worker.name.as_str(), filters);
    let added = hub.tails().lock().add(id.clone(), worker.id, viewer, messages, Instant::now());
    if !added {
        return Err(ApiError::bad_request(
            TOO_MANY_TAILS,
            format!("This Worker has {MAX_TAILS} tails, which is as many as one may have. Close one first."),
        ));
    }
    hub.reseat(worker.id);
    Ok(id)
}

async fn list(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let worker = calls.api.find_any(&account, params.get("worker")).await?;
    let tails = calls.hub.tails().lock().list(worker.id, Instant::now());
    // The id is a secret of whoever made it; the list is for seeing and ending them.
    let view = |(id, age, connected): (String, Duration, bool)| json!({ "id": id, "expires_at": expiry(age), "connected": connected });
    Ok(Reply::new(tails.into_iter().map(view).collect()))
}

async fn delete(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let worker = calls.api.find_any(&account, params.get("worker")).await?;
    calls.close(&worker, params.get("tail"));
    Ok(Reply::null())
}

/// Who tells a worker of its invocations: what `wrangler delete` asks before.
async fn producers(
    State(calls): State<Calls>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let found = calls.hub.producers(&account.id, &params.worker()?);
    let view = |name: hearth_model::WorkerName| json!({ "producer": { "script": name.as_str() } });
    Ok(Reply::new(found.into_iter().map(view).collect()))
}

/// When a tail that is so old ends.
fn expiry(age: Duration) -> String {
    let left = jiff::SignedDuration::try_from(LIFE.saturating_sub(age)).unwrap_or_default();
    format!("{:.0}", Timestamp::now() + left)
}
