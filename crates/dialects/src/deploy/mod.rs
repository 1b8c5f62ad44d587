//! `/api/deploy` and `/api/rollback`: functions whose versions and aliases have hosts, and whose latest version runs.
//!
//! `hello.<base>` is the latest, which a rollback changes too; `v1.hello.<base>` and `<alias>.hello.<base>` are versions.

mod api;
mod describe;
mod view;
mod words;

use std::sync::Arc;
use std::time::Duration;

use hearth_api::{Api, Operation};
use hearth_store::Worker;
use http::Method;

use crate::Processes;
use crate::session::refused_as;

pub use describe::describe;

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

/// The dialect's operations, with whole paths.
pub fn operations(api: Api, processes: Arc<dyn Processes>) -> Vec<Operation> {
    const FUNCTION: &str = "/api/deploy/{name}";
    let state = &State { api, processes };
    let all = vec![
        Operation::new(Method::GET, "/api/deploy", api::list, state),
        Operation::new(Method::GET, FUNCTION, api::get, state),
        Operation::new(Method::POST, FUNCTION, api::deploy, state),
        Operation::new(Method::DELETE, FUNCTION, api::delete, state),
        Operation::new(Method::POST, "/api/rollback/{name}", api::rollback, state),
        Operation::new(Method::POST, "/api/stop/{name}", api::stop, state),
    ];
    let refused = |operation: Operation| operation.to_its_end().refused_as(refused_as::<view::Deploying>);
    all.into_iter().map(refused).collect()
}
