//! `/api/deploy` and `/api/rollback`: functions whose versions and aliases have hosts, and whose latest version runs.
//!
//! `hello.<base>` is the latest, which a rollback changes too; `v1.hello.<base>` and `<alias>.hello.<base>` are versions.

mod api;
mod view;
mod words;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use hearth_api::{Api, to_its_end};
use hearth_store::Worker;

use crate::Processes;

/// Where the dialect keeps how long a function may be idle.
const IDLE: &str = "idle_timeout_s";

/// How long a function may be unused before it is suspended, where it says so itself.
pub fn idle_timeout(worker: &Worker) -> Option<Duration> {
    worker.dialect_settings[IDLE].as_u64().map(Duration::from_secs)
}

/// What handlers have at hand.
#[derive(Clone)]
struct State {
    api: Api,
    processes: Arc<dyn Processes>,
}

impl AsRef<Api> for State {
    fn as_ref(&self) -> &Api {
        &self.api
    }
}

/// The dialect's paths.
pub fn router(api: Api, processes: Arc<dyn Processes>) -> Router {
    Router::new()
        .route("/api/deploy", get(api::list))
        .route("/api/deploy/{name}", get(api::get).post(api::deploy).delete(api::delete))
        .route("/api/rollback/{name}", post(api::rollback))
        .route("/api/stop/{name}", post(api::stop))
        .layer(from_fn(to_its_end))
        .with_state(State { api, processes })
}
