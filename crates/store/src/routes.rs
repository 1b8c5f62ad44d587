//! Routes: patterns that lead to workers.

use hearth_model::{Hostname, RoutePattern, WorkerId, WorkerName};

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::zones::Zone;
use crate::{Entity, Result, RouteId, Store, StoreError, ZoneId, rows, workers, zones};

/// A query for whole routes.
macro_rules! sql {
    ($rest:literal) => {
        concat!(
            "SELECT r.id, r.zone, z.name AS zone_name, r.pattern, r.worker, w.name AS script
             FROM routes r JOIN zones z ON z.id = r.zone LEFT JOIN workers w ON w.id = r.worker ",
            $rest
        )
    };
}

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
        let all = sqlx::query(sql!("WHERE r.zone = ? ORDER BY r.pattern"))
            .bind(zone.as_str())
            .fetch_all(&mut *self.read().await?)
            .await?;
        all.iter().map(route_of).collect()
    }

    /// The routes of a worker, by pattern.
    pub async fn routes_of_worker(&self, worker: WorkerId) -> Result<Vec<Route>> {
        of_worker(&mut *self.read().await?, worker).await
    }

    /// One route of a zone.
    ///
    /// # Errors
    /// Not found.
    pub async fn route(&self, zone: &ZoneId, id: &RouteId) -> Result<Route> {
        find(&mut *self.read().await?, zone, id).await
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
        let mut transaction = self.write().await?;
        let zone = zones::find(&mut transaction, zone).await?;
        check(&mut transaction, &zone, pattern, worker).await?;
        let id = insert(&mut transaction, &zone, pattern, worker).await?;
        let route = find(&mut transaction, &zone.id, &id).await?;
        transaction.commit().await?;
        Ok(route)
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
        let mut transaction = self.write().await?;
        let zone = zones::find(&mut transaction, zone).await?;
        find(&mut transaction, &zone.id, id).await?;
        check(&mut transaction, &zone, pattern, worker).await?;
        check_free(&mut transaction, pattern, Some(id)).await?;
        sqlx::query("UPDATE routes SET pattern = ?, canonical = ?, worker = ? WHERE id = ?")
            .bind(pattern.as_str())
            .bind(pattern.canonical())
            .bind(worker.map(|worker| worker.to_string()))
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await?;
        let route = find(&mut transaction, &zone.id, id).await?;
        transaction.commit().await?;
        Ok(route)
    }

    /// Removes a route.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete_route(&self, zone: &ZoneId, id: &RouteId) -> Result<()> {
        let mut transaction = self.write().await?;
        let done = sqlx::query("DELETE FROM routes WHERE id = ? AND zone = ?")
            .bind(id.as_str())
            .bind(zone.as_str())
            .execute(&mut *transaction)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::not_found(Entity::Route, id));
        }
        Ok(transaction.commit().await?)
    }

    /// Makes these the routes of a worker, all or nothing: what is listed and exists keeps its id, the worker's
    /// others go.
    ///
    /// # Errors
    /// As [`Store::insert_route`]; invalid when no zone can be told from the pattern; conflict when the host is in
    /// another account's zone.
    pub async fn replace_routes(&self, worker: WorkerId, routes: Vec<RouteSpec>) -> Result<Vec<Route>> {
        let mut transaction = self.write().await?;
        let account = workers::find(&mut transaction, worker).await?.account;
        let before = of_worker(&mut transaction, worker).await?;
        let wanted: Vec<String> = routes.iter().map(|spec| spec.pattern.canonical()).collect();
        for old in before.iter().filter(|old| !wanted.contains(&old.pattern.canonical())) {
            sqlx::query("DELETE FROM routes WHERE id = ?")
                .bind(old.id.as_str())
                .execute(&mut *transaction)
                .await?;
        }
        for (index, spec) in routes.iter().enumerate() {
            let host = zone_host(&spec.pattern)?;
            let (id, name) = (spec.zone_id.as_ref(), spec.zone_name.as_ref());
            let zone = zones::resolve(&mut transaction, &account, &host, id, name, Entity::Route).await?;
            let repeated = wanted[..index].contains(&wanted[index]);
            let kept =
                before.iter().any(|old| old.pattern.canonical() == wanted[index] && old.zone == zone.id);
            if repeated || kept {
                continue;
            }
            sqlx::query("DELETE FROM routes WHERE canonical = ? AND worker = ?")
                .bind(&wanted[index])
                .bind(worker.to_string())
                .execute(&mut *transaction)
                .await?;
            insert(&mut transaction, &zone, &spec.pattern, Some(worker)).await?;
        }
        let after = of_worker(&mut transaction, worker).await?;
        transaction.commit().await?;
        Ok(after)
    }
}

async fn of_worker(connection: &mut SqliteConnection, worker: WorkerId) -> Result<Vec<Route>> {
    let all = sqlx::query(sql!("WHERE r.worker = ? ORDER BY r.pattern"))
        .bind(worker.to_string())
        .fetch_all(connection)
        .await?;
    all.iter().map(route_of).collect()
}

async fn find(connection: &mut SqliteConnection, zone: &ZoneId, id: &RouteId) -> Result<Route> {
    let row = sqlx::query(sql!("WHERE r.id = ? AND r.zone = ?"))
        .bind(id.as_str())
        .bind(zone.as_str())
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| StoreError::not_found(Entity::Route, id))?;
    route_of(&row)
}

/// The host that a pattern's zone is looked up by.
fn zone_host(pattern: &RoutePattern) -> Result<Hostname> {
    pattern.host_suffix().parse().map_err(|_| {
        StoreError::invalid(
            Entity::Route,
            format!("route pattern `{pattern}` names no host, so it is in no zone"),
        )
    })
}

async fn check(
    connection: &mut SqliteConnection,
    zone: &Zone,
    pattern: &RoutePattern,
    worker: Option<WorkerId>,
) -> Result<()> {
    zones::check_within(&zone_host(pattern)?, &zone.name, Entity::Route)?;
    if let Some(id) = worker {
        let worker = workers::find(connection, id).await?;
        if worker.account != zone.account {
            return Err(StoreError::conflict(
                Entity::Route,
                format!(
                    "the zone {} belongs to another account than the worker `{}`",
                    zone.name, worker.name
                ),
            ));
        }
    }
    Ok(())
}

async fn check_free(
    connection: &mut SqliteConnection,
    pattern: &RoutePattern,
    except: Option<&RouteId>,
) -> Result<()> {
    let row = sqlx::query(sql!("WHERE r.canonical = ? AND r.id IS NOT ?"))
        .bind(pattern.canonical())
        .bind(except.map(RouteId::as_str))
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(()) };
    let owner = match route_of(&row)?.script {
        Some(script) => format!("is already assigned to the worker `{script}`"),
        None => "exists already, without a worker".to_owned(),
    };
    Err(StoreError::conflict(Entity::Route, format!("route pattern `{pattern}` {owner}")))
}

async fn insert(
    connection: &mut SqliteConnection,
    zone: &Zone,
    pattern: &RoutePattern,
    worker: Option<WorkerId>,
) -> Result<RouteId> {
    check_free(connection, pattern, None).await?;
    let id = RouteId::random();
    sqlx::query("INSERT INTO routes (id, zone, pattern, canonical, worker) VALUES (?, ?, ?, ?, ?)")
        .bind(id.as_str())
        .bind(zone.id.as_str())
        .bind(pattern.as_str())
        .bind(pattern.canonical())
        .bind(worker.map(|worker| worker.to_string()))
        .execute(connection)
        .await?;
    Ok(id)
}

fn route_of(row: &SqliteRow) -> Result<Route> {
    Ok(Route {
        id: rows::parsed(row, "id")?,
        zone: rows::parsed(row, "zone")?,
        zone_name: rows::parsed(row, "zone_name")?,
        pattern: rows::parsed(row, "pattern")?,
        worker: rows::parsed_option(row, "worker")?,
        script: rows::parsed_option(row, "script")?,
    })
}
