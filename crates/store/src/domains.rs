//! Custom domains: hosts that belong to a worker as a whole.

use hearth_model::{AccountId, Hostname, WorkerId, WorkerName};
use jiff::Timestamp;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::{DomainId, Entity, Result, Store, StoreError, ZoneId, rows, workers, zones};

/// A query for whole domains.
macro_rules! sql {
    ($rest:literal) => {
        concat!(
            "SELECT d.*, z.name AS zone_name, w.name AS script
             FROM domains d JOIN zones z ON z.id = d.zone JOIN workers w ON w.id = d.worker ",
            $rest
        )
    };
}

/// A custom domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// Its id.
    pub id: DomainId,
    /// The host; unique in the installation.
    pub hostname: Hostname,
    /// The zone it belongs to.
    pub zone: ZoneId,
    /// That zone's name.
    pub zone_name: Hostname,
    /// The worker's id.
    pub worker: WorkerId,
    /// The worker's name.
    pub script: WorkerName,
    /// wrangler's `enabled`; a disabled domain is kept and not served.
    pub enabled: bool,
    /// wrangler's `previews_enabled`; stored and shown.
    pub previews_enabled: bool,
    /// When it was made.
    pub created_on: Timestamp,
}

/// A custom domain as a deploy asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainSpec {
    /// The host.
    pub hostname: Hostname,
    /// The zone, when it was named by id.
    pub zone_id: Option<ZoneId>,
    /// The zone, when it was named by its apex. Without either, the host's zone; it is claimed if there is none.
    pub zone_name: Option<Hostname>,
    /// Whether it is served.
    pub enabled: bool,
    /// Stored and shown.
    pub previews_enabled: bool,
}

/// How [`Store::write_domains`] treats what is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DomainWrite {
    /// The worker's domains that are not listed go (wrangler's `override_scope`).
    pub replace: bool,
    /// Domains of other workers of the account move here (wrangler's `override_existing_origin`).
    pub take_over: bool,
}

/// What writing domains would do, as wrangler asks before it does it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainChangeset {
    /// Not there yet.
    pub added: Vec<DomainSpec>,
    /// Would go.
    pub removed: Vec<Domain>,
    /// The worker's own, with whether it would change.
    pub updated: Vec<(Domain, bool)>,
    /// Another worker's.
    pub conflicting: Vec<Domain>,
}

/// Which domains a listing shows; absent fields do not narrow it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DomainFilter {
    /// Of this worker.
    pub worker: Option<WorkerId>,
    /// In this zone.
    pub zone: Option<ZoneId>,
    /// This host.
    pub hostname: Option<Hostname>,
}

impl Store {
    /// The custom domains of an account, by host.
    pub async fn domains(&self, account: &AccountId, filter: &DomainFilter) -> Result<Vec<Domain>> {
        let all = sqlx::query(sql!(
            "WHERE w.account = ?1 AND (?2 IS NULL OR d.worker = ?2) AND (?3 IS NULL OR d.zone = ?3)
             AND (?4 IS NULL OR d.hostname = ?4) ORDER BY d.hostname"
        ))
        .bind(account.as_str())
        .bind(filter.worker.map(|worker| worker.to_string()))
        .bind(filter.zone.as_ref().map(ZoneId::as_str))
        .bind(filter.hostname.as_ref().map(Hostname::as_str))
        .fetch_all(&mut *self.read().await?)
        .await?;
        all.iter().map(domain_of).collect()
    }

    /// One custom domain of an account.
    ///
    /// # Errors
    /// Not found.
    pub async fn domain(&self, account: &AccountId, id: &DomainId) -> Result<Domain> {
        find(&mut *self.read().await?, account, id).await
    }

    /// Removes a custom domain.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete_domain(&self, account: &AccountId, id: &DomainId) -> Result<()> {
        let mut transaction = self.write().await?;
        find(&mut transaction, account, id).await?;
        delete(&mut transaction, id).await?;
        Ok(transaction.commit().await?)
    }

    /// What [`Store::write_domains`] with these would do. With `replace` the worker's others are `removed`.
    ///
    /// # Errors
    /// Worker not found; conflict when a host is in another account's zone: what that has there is told to nobody else.
    pub async fn domain_changeset(
        &self,
        worker: WorkerId,
        wanted: &[DomainSpec],
        replace: bool,
    ) -> Result<DomainChangeset> {
        let mut connection = self.read().await?;
        let account = workers::find(&mut connection, worker).await?.account;
        let mut changes = DomainChangeset::default();
        for spec in wanted {
            zones::check_unclaimed(&mut connection, &account, &spec.hostname, Entity::Domain).await?;
            match on_host(&mut connection, &spec.hostname).await? {
                None => changes.added.push(spec.clone()),
                Some(domain) if domain.worker != worker => changes.conflicting.push(domain),
                Some(domain) => {
                    let modified =
                        (domain.enabled, domain.previews_enabled) != (spec.enabled, spec.previews_enabled);
                    changes.updated.push((domain, modified));
                }
            }
        }
        if replace {
            changes.removed = of_worker(&mut connection, worker).await?;
            changes.removed.retain(|domain| !wanted.iter().any(|spec| spec.hostname == domain.hostname));
        }
        Ok(changes)
    }

    /// Adds or changes custom domains of a worker, all or nothing, and returns those it has then.
    ///
    /// # Errors
    /// Worker or zone not found; invalid when a host lies outside the named zone; conflict, naming the owner, when
    /// a host is another worker's and may not be taken over, or is in another account's zone.
    pub async fn write_domains(
        &self,
        worker: WorkerId,
        wanted: Vec<DomainSpec>,
        how: DomainWrite,
    ) -> Result<Vec<Domain>> {
        let mut transaction = self.write().await?;
        let account = workers::find(&mut transaction, worker).await?.account;
        if how.replace {
            for old in of_worker(&mut transaction, worker).await? {
                if !wanted.iter().any(|spec| spec.hostname == old.hostname) {
                    delete(&mut transaction, &old.id).await?;
                }
            }
        }
        for spec in &wanted {
            let (id, name) = (spec.zone_id.as_ref(), spec.zone_name.as_ref());
            let zone =
                zones::resolve(&mut transaction, &account, &spec.hostname, id, name, Entity::Domain).await?;
            let present = on_host(&mut transaction, &spec.hostname).await?;
            if let Some(owner) = present.as_ref().filter(|owner| owner.worker != worker && !how.take_over) {
                return Err(StoreError::conflict(
                    Entity::Domain,
                    format!("{} is already a custom domain of the worker `{}`", spec.hostname, owner.script),
                ));
            }
            let (id, created_on) =
                present.map_or_else(|| (DomainId::random(), rows::now()), |old| (old.id, old.created_on));
            sqlx::query(
                "INSERT OR REPLACE INTO domains
                 (id, hostname, zone, worker, enabled, previews_enabled, created_on) VALUES (?, ?, ?, ?, ?, ?, ?)",
            )
            .bind(id.as_str())
            .bind(spec.hostname.as_str())
            .bind(zone.id.as_str())
            .bind(worker.to_string())
            .bind(spec.enabled)
            .bind(spec.previews_enabled)
            .bind(created_on.as_microsecond())
            .execute(&mut *transaction)
            .await?;
        }
        let after = of_worker(&mut transaction, worker).await?;
        transaction.commit().await?;
        Ok(after)
    }
}

async fn find(connection: &mut SqliteConnection, account: &AccountId, id: &DomainId) -> Result<Domain> {
    let row = sqlx::query(sql!("WHERE d.id = ? AND w.account = ?"))
        .bind(id.as_str())
        .bind(account.as_str())
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| StoreError::not_found(Entity::Domain, id))?;
    domain_of(&row)
}

async fn on_host(connection: &mut SqliteConnection, hostname: &Hostname) -> Result<Option<Domain>> {
    let row =
        sqlx::query(sql!("WHERE d.hostname = ?")).bind(hostname.as_str()).fetch_optional(connection).await?;
    row.as_ref().map(domain_of).transpose()
}

async fn of_worker(connection: &mut SqliteConnection, worker: WorkerId) -> Result<Vec<Domain>> {
    let all = sqlx::query(sql!("WHERE d.worker = ? ORDER BY d.hostname"))
        .bind(worker.to_string())
        .fetch_all(connection)
        .await?;
    all.iter().map(domain_of).collect()
}

async fn delete(connection: &mut SqliteConnection, id: &DomainId) -> Result<()> {
    sqlx::query("DELETE FROM domains WHERE id = ?").bind(id.as_str()).execute(connection).await?;
    Ok(())
}

fn domain_of(row: &SqliteRow) -> Result<Domain> {
    Ok(Domain {
        id: rows::parsed(row, "id")?,
        hostname: rows::parsed(row, "hostname")?,
        zone: rows::parsed(row, "zone")?,
        zone_name: rows::parsed(row, "zone_name")?,
        worker: rows::parsed(row, "worker")?,
        script: rows::parsed(row, "script")?,
        enabled: rows::flag(row, "enabled")?,
        previews_enabled: rows::flag(row, "previews_enabled")?,
        created_on: rows::time(row, "created_on")?,
    })
}
