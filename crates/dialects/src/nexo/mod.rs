//! `/api/functions`, `/stats` and `/fn/*`: a function `handler(request, { env })` with a route and methods.
//!
//! Requests to `/fn/*` go to workers as any request does, through the gateway ([`hearth_gateway::PublicPaths`]): here is
//! said which function has the route, and how many requests run at a time.

mod api;
mod code;
mod describe;
mod routes;
mod stats;
mod traffic;
mod view;

use std::collections::HashMap;
use std::sync::Arc;

use hearth_api::{Api, Operation};
use hearth_model::{AccountId, Dialect};
use hearth_store::StoreError;
use http::Method;
use tokio::sync::{Mutex, Semaphore};

use crate::Processes;
use crate::session::refused_as;
pub use describe::describe;
use routes::Routes;
use stats::Tally;

/// How the dialect is set.
#[derive(Debug, Clone)]
pub struct Config {
    /// Requests that an account's functions execute at a time (`NEXO_MAX_CONCURRENT`); further ones wait up to 10 s.
    pub max_concurrent: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_concurrent: 100 }
    }
}

/// The dialect. Clones are the same.
#[derive(Clone)]
pub struct Nexo(Arc<Inner>);

struct Inner {
    api: Api,
    processes: Arc<dyn Processes>,
    config: Config,
    /// Which function has which route. Written by one call at a time, under `changing`.
    routes: parking_lot::RwLock<Routes>,
    changing: Mutex<()>,
    places: parking_lot::Mutex<HashMap<AccountId, Arc<Semaphore>>>,
    tally: Tally,
}

impl Nexo {
    /// The dialect, with the functions that are stored.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub async fn open(api: Api, processes: Arc<dyn Processes>, config: Config) -> Result<Self, StoreError> {
        let mut routes = Routes::default();
        for worker in api.store().workers_of(Dialect::Nexo).await? {
            routes.set(&worker.account, worker.id, view::Served::of(&worker));
        }
        Ok(Self(Arc::new(Inner {
            api,
            processes,
            routes: routes.into(),
            changing: Mutex::default(),
            places: parking_lot::Mutex::default(),
            config,
            tally: Tally::default(),
        })))
    }

    /// The operations of the dialect, with whole paths.
    pub fn operations(&self) -> Vec<Operation> {
        const FUNCTIONS: &str = "/api/functions";
        const FUNCTION: &str = "/api/functions/{id}";
        let all = vec![
            Operation::new(Method::GET, "/stats", api::stats, self),
            Operation::new(Method::GET, FUNCTIONS, api::list, self),
            Operation::new(Method::POST, FUNCTIONS, api::create, self),
            Operation::new(Method::GET, FUNCTION, api::get, self),
            Operation::new(Method::PUT, FUNCTION, api::update, self),
            Operation::new(Method::DELETE, FUNCTION, api::delete, self),
            Operation::new(Method::POST, "/api/functions/{id}/invoke", api::invoke, self),
            Operation::new(Method::GET, "/api/functions/{id}/stats", api::stats_of, self),
        ];
        let refused = |operation: Operation| operation.to_its_end().refused_as(refused_as::<view::Nexoing>);
        all.into_iter().map(refused).collect()
    }
}
