//! `workers/scripts/:worker/hearth/inspector`: ours, since Cloudflare has no such thing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use hearth_api::{Api, ApiError, InAccount, Json, Operation, Params, Reply, code};
use hearth_gateway::HostName;
use hearth_model::{Dialect, VersionId};
use hearth_store::{Account, Entity, Worker};
use hearth_supervisor::InspectError;
use http::{HeaderMap, Method, StatusCode, header};
use jiff::Timestamp;
use rand::RngCore;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::sessions::{Full, IDLE, LIFE, MOST, MOST_OF_WORKER};
use crate::{Inspector, Process};

/// Ours: there are as many sessions as there may be.
const TOO_MANY: u32 = 10503;

/// Ours: no debugger can be attached to this.
const NOT_INSPECTABLE: u32 = 10504;

const SESSIONS: &str = "/accounts/{account}/workers/scripts/{worker}/hearth/inspector";

pub(crate) fn operations(inspector: &Inspector) -> Vec<Operation> {
    const ONE: &str = "/accounts/{account}/workers/scripts/{worker}/hearth/inspector/{session}";
    vec![
        Operation::new(Method::GET, SESSIONS, list, inspector),
        Operation::new(Method::POST, SESSIONS, begin, inspector),
        Operation::new(Method::DELETE, ONE, end, inspector),
    ]
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Wanted {
    version_id: Option<VersionId>,
}

/// `POST`: the answer is the only place where the key stands.
async fn begin(
    State(inspector): State<Inspector>,
    InAccount(account): InAccount,
    params: Params,
    headers: HeaderMap,
    Json(wanted): Json<Wanted>,
) -> Result<Reply, ApiError> {
    let api = &inspector.0.api;
    let worker = api.find_any(&account, params.get("worker")).await?;
    let version = chosen(api, &worker, wanted.version_id).await?;
    inspector.0.sessions.lock().room(worker.id).map_err(full)?;
    let inspection = inspector.0.supervisor.inspect(worker.id, version).await.map_err(refused)?;
    let process = Arc::new(Process { inspection, over: CancellationToken::new() });
    let (id, key) = (secret(), secret());
    let about = (worker.id, version);
    let added =
        inspector.0.sessions.lock().add(id.clone(), key.clone(), about, Arc::clone(&process), Instant::now());
    added.map_err(full)?;
    inspector.keep(id.clone(), process);
    let mut shown = view(&id, version, Duration::ZERO, 0);
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let (secure, address) = (api.config().public_url.scheme == "https", format!("{host}/inspector/{key}"));
    let (scheme, parameter) = if secure { ("wss", "wss") } else { ("ws", "ws") };
    shown["websocket_url"] = json!(format!("{scheme}://{address}"));
    shown["devtools_url"] = json!(devtools(parameter, &address));
    // Chrome is told hosts and looks for `/json/list` there. Addresses have nothing below them.
    let is_name = HostName::parse(host).is_some_and(|host| host.ip().is_none());
    shown["discovery_host"] = json!(is_name.then(|| format!("inspect-{key}.{host}")));
    shown["url"] = json!(url(api, &account, &worker, &id));
    Ok(Reply::new(shown))
}

/// The version that is asked for, or the one that serves.
async fn chosen(api: &Api, worker: &Worker, wanted: Option<VersionId>) -> Result<VersionId, ApiError> {
    match wanted {
        Some(version) => match api.store().version(worker.id, version).await {
            Err(error) if error.is_not_found(Entity::Version) => Err(ApiError::version_not_found(version)),
            found => Ok(found?.id),
        },
        None => Ok(api.serving_version(worker.id).await?.ok_or_else(ApiError::no_versions)?.id),
    }
}

async fn list(
    State(inspector): State<Inspector>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let worker = inspector.0.api.find_any(&account, params.get("worker")).await?;
    let (sessions, now) = (inspector.0.sessions.lock(), Instant::now());
    let all = sessions.of(worker.id).into_iter().map(|(id, session)| {
        view(id, session.version, now.saturating_duration_since(session.made), session.attached)
    });
    Ok(Reply::new(all.collect()))
}

async fn end(
    State(inspector): State<Inspector>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let worker = inspector.0.api.find_any(&account, params.get("worker")).await?;
    let mut sessions = inspector.0.sessions.lock();
    let known = sessions.get(params.get("session")).is_some_and(|session| session.worker == worker.id);
    let Some(session) = known.then(|| sessions.remove(params.get("session"))).flatten() else {
        let text = "There is no such inspector session of this Worker: it may have ended.";
        return Err(ApiError::not_found(code::BAD_IDENTIFIER, text));
    };
    session.process.over.cancel();
    Ok(Reply::null())
}

fn view(id: &str, version: VersionId, age: Duration, attached: usize) -> Value {
    let left = jiff::SignedDuration::try_from(LIFE.saturating_sub(age)).unwrap_or_default();
    let since = jiff::SignedDuration::try_from(age).unwrap_or_default();
    json!({
        "id": id,
        "version_id": version.to_string(),
        "created_on": (Timestamp::now() - since).to_string(),
        "expires_on": (Timestamp::now() + left).to_string(),
        "idle_timeout_s": IDLE.as_secs(),
        "attached": attached,
    })
}

/// Where Chrome shows its tools for a WebSocket. The address has no scheme; the parameter's name is it.
pub(crate) fn devtools(parameter: &str, address: &str) -> String {
    format!("devtools://devtools/bundled/js_app.html?experiments=true&v8only=true&{parameter}={address}")
}

/// Where requests reach the session. None: the worker has no host of its own, so they name the session in a header.
fn url(api: &Api, account: &Account, worker: &Worker, id: &str) -> Option<String> {
    if worker.dialect != Dialect::Workers || !worker.subdomain.enabled {
        return None;
    }
    let url = api.config().worker_url(&worker.name, account.host_label())?;
    let (scheme, host) = url.split_once("://")?;
    Some(format!("{scheme}://inspect-{id}.{host}"))
}

/// A name that nobody guesses and that fits into a host.
fn secret() -> String {
    let mut bytes = [0; 16];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

fn full(full: Full) -> ApiError {
    let text = match full {
        Full::Worker => format!(
            "This Worker has {MOST_OF_WORKER} inspector sessions, which is as many as one may have. End one first."
        ),
        Full::Installation => format!(
            "This Hearth has {MOST} inspector sessions, which is as many as there may be. Try again when one has ended."
        ),
    };
    ApiError::new(StatusCode::CONFLICT, TOO_MANY, text)
}

fn refused(error: InspectError) -> ApiError {
    match error {
        InspectError::NoWorker => {
            let text = "Only the code of Workers can be debugged: this is a function of another runtime, or has no \
                        code.";
            ApiError::bad_request(NOT_INSPECTABLE, text)
        }
        InspectError::NoNetwork => {
            let text = "The jail of this Hearth's machine is not complete, and the inspector would be open to whoever is \
                        on it. `hearth doctor` says what is missing.";
            ApiError::bad_request(NOT_INSPECTABLE, text)
        }
        InspectError::Acquire(error) => {
            let text = "The process for the debugger does not start. The server's log says more.";
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code::INTERNAL, text).with_detail(error)
        }
    }
}
