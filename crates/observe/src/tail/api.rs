//! `workers/scripts/:worker/tails` and `workers/tails/by-consumer/:worker` (wrangler-api.md 3 and 10).

use std::convert::Infallible;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::extract::{FromRequestParts, State};
use hearth_api::{Api, ApiError, InAccount, Json, Operation, Params, Reply, code};
use hearth_store::Worker;
use http::request::Parts;
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

/// The address of whoever makes a call; an extension of the request. Without one `self` stands for nobody.
#[derive(Debug, Clone, Copy)]
pub struct CallerIp(pub IpAddr);

/// The caller's address, if it is known.
struct From(Option<IpAddr>);

impl<S: Sync> FromRequestParts<S> for From {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<CallerIp>().map(|ip| ip.0)))
    }
}

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
    let scheme = if api.config().public_url.scheme == "https" { "wss" } else { "ws" };
    let calls = Calls { api: api.clone(), hub: hub.clone(), scheme };
    vec![
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
    From(caller): From,
    headers: HeaderMap,
    Json(wanted): Json<Wanted>,
) -> Result<Reply, ApiError> {
    let worker = calls.api.find_any(&account, params.get("worker")).await?;
    let filters = Filters::read(&wanted.filters, caller)
        .map_err(|error| ApiError::bad_request(code::BAD_BODY, error))?;
    let id = add(&calls.hub, &worker, filters)?;
    // Who is told that the tail is there may count on seeing the next request.
    calls.hub.settled(worker.id).await;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    Ok(Reply::new(json!({
        "id": id,
        "url": format!("{}://{host}/tail/{id}", calls.scheme),
        "expires_at": expiry(Duration::ZERO),
    })))
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
    // A tail ends with its viewer too, and wrangler ends it after that: it must not fail then.
    if calls.hub.tails().lock().remove(params.get("tail"), worker.id) {
        calls.hub.reseat(worker.id);
    }
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
