//! Routes: patterns that lead to workers.

use hearth_model::{Hostname, RoutePattern, WorkerId, WorkerName};

use crate::{Result, RouteId, Store, ZoneId};

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Its id.
    pub id: RouteId,
    /// The zone it belongs to.
    pub zone: ZoneId,
    /// That zone's name.
    pub zone_name: Hostname,
    /// What it matches. Unique in the installation, without regard to the case of its host.
    pub pattern: RoutePattern,
    /// The worker's id; None for a route that switches workers off.
    pub worker: Option<WorkerId>,
    /// The worker's name.
    pub script: Option<WorkerName>,
}

/// A route as a deploy asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteSpec {
    /// What it matches.
    pub pattern: RoutePattern,
    /// The zone, when it was named by id.
    pub zone_id: Option<ZoneId>,
    /// The zone, when it was named by its apex. Without either, the host's zone; it is claimed if there is none.
    pub zone_name: Option<Hostname>,
}

impl Store {
    /// The routes of a zone, by pattern.
    pub async fn routes_of_zone(&self, zone: &ZoneId) -> Result<Vec<Route>> {
        unimplemented!()
    }

    /// The routes of a worker, by pattern.
    pub async fn routes_of_worker(&self, worker: WorkerId) -> Result<Vec<Route>> {
        unimplemented!()
    }

    /// One route of a zone.
    ///
    /// # Errors
    /// Not found.
    pub async fn route(&self, zone: &ZoneId, id: &RouteId) -> Result<Route> {
        unimplemented!()
    }

    /// Adds a route to a zone; without a worker it switches workers off for what it matches.
    ///
    /// # Errors
    /// Zone or worker not found; invalid when the pattern lies outside the zone; conflict when the pattern is
    /// taken, naming the worker that has it, or when the worker is of another account than the zone.
    pub async fn insert_route(
        &self,
        zone: &ZoneId,
        pattern: &RoutePattern,
        worker: Option<WorkerId>,
    ) -> Result<Route> {
        unimplemented!()
    }

    /// Changes a route.
    ///
    /// # Errors
    /// As [`Store::insert_route`]; route not found.
    pub async fn update_route(
        &self,
        zone: &ZoneId,
        id: &RouteId,
        pattern: &RoutePattern,
        worker: Option<WorkerId>,
    ) -> Result<Route> {
        unimplemented!()
    }

    /// Removes a route.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete_route(&self, zone: &ZoneId, id: &RouteId) -> Result<()> {
        unimplemented!()
    }

    /// Makes these the routes of a worker, all or nothing: what is listed and exists keeps its id, the worker's
    /// others go.
    ///
    /// # Errors
    /// As [`Store::insert_route`]; invalid when no zone can be told from the pattern; conflict when the host is in
    /// another account's zone.
    pub async fn replace_routes(&self, worker: WorkerId, routes: Vec<RouteSpec>) -> Result<Vec<Route>> {
        unimplemented!()
    }
}
