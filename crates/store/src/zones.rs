//! Zones. Hearth has no DNS: a zone is a domain name that an account has claimed by using it.

use hearth_model::{AccountId, Hostname};
use jiff::Timestamp;
use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;

use crate::{Entity, Listing, Page, Result, Store, StoreError, ZoneId, accounts, rows};

/// A zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Its id.
    pub id: ZoneId,
    /// Its apex.
    pub name: Hostname,
    /// The account that claimed it.
    pub account: AccountId,
    /// When it was claimed.
    pub created_on: Timestamp,
}

impl Store {
    /// The zones of these accounts, by name; None: of all. With `name` only that one.
    pub async fn zones(
        &self,
        accounts: Option<&[AccountId]>,
        name: Option<&Hostname>,
        page: Page,
    ) -> Result<Listing<Zone>> {
        let accounts = accounts.map(|accounts| rows::to_json(&accounts)).transpose()?;
        let mut connection = self.read().await?;
        let (limit, offset) = page.bounds();
        let all = sqlx::query(
            "SELECT * FROM zones
             WHERE (?1 IS NULL OR account IN (SELECT value FROM json_each(?1))) AND (?2 IS NULL OR name = ?2)
             ORDER BY name",
        )
        .bind(accounts)
        .bind(name.map(Hostname::as_str))
        .fetch_all(&mut *connection)
        .await?;
        let skip = usize::try_from(offset).unwrap_or(usize::MAX);
        let take = usize::try_from(limit).unwrap_or(usize::MAX);
        Ok(Listing {
            items: all.iter().skip(skip).take(take).map(zone_of).collect::<Result<_>>()?,
            total: all.len() as u64,
        })
    }

    /// One zone.
    ///
    /// # Errors
    /// Not found.
    pub async fn zone(&self, id: &ZoneId) -> Result<Zone> {
        find(&mut *self.read().await?, id).await
    }

    /// The zone that a host falls into: the one with the longest name that the host ends with.
    pub async fn zone_for_host(&self, host: &Hostname) -> Result<Option<Zone>> {
        of_host(&mut *self.read().await?, host).await
    }

    /// Claims a zone. A zone inside or around one of the same account is fine.
    ///
    /// # Errors
    /// Conflict when it exists, or lies inside or around another account's zone; account not found.
    pub async fn create_zone(&self, account: &AccountId, name: &Hostname) -> Result<Zone> {
        let mut transaction = self.write().await?;
        accounts::find(&mut transaction, account).await?;
        if named(&mut transaction, name).await?.is_some() {
            return Err(StoreError::conflict(Entity::Zone, format!("the zone {name} exists already")));
        }
        let zone = insert(&mut transaction, account, name).await?;
        transaction.commit().await?;
        Ok(zone)
    }

    /// Gives up a zone, with its routes and custom domains.
    ///
    /// # Errors
    /// Not found.
    pub async fn delete_zone(&self, id: &ZoneId) -> Result<()> {
        let mut transaction = self.write().await?;
        let done = sqlx::query("DELETE FROM zones WHERE id = ?")
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await?;
        if done.rows_affected() == 0 {
            return Err(StoreError::not_found(Entity::Zone, id));
        }
        Ok(transaction.commit().await?)
    }
}

/// The zone of a route or custom domain of an account: the one it names, else the one its host is in, else a new one.
/// `what` is the kind of thing that errors are about.
pub(crate) async fn resolve(
    connection: &mut SqliteConnection,
    account: &AccountId,
    host: &Hostname,
    zone_id: Option<&ZoneId>,
    zone_name: Option<&Hostname>,
    what: Entity,
) -> Result<Zone> {
    let zone = match (zone_id, zone_name) {
        (Some(id), _) => find(connection, id).await?,
        (None, Some(name)) => match named(connection, name).await? {
            Some(zone) => zone,
            None => {
                check_within(host, name, what)?;
                insert(connection, account, name).await?
            }
        },
        (None, None) => match of_host(connection, host).await? {
            Some(zone) => zone,
            None => match insert(connection, account, &apex(host)).await {
                // The apex would enclose another account's zone: then only the host itself is claimed.
                Err(StoreError::Conflict { .. }) => insert(connection, account, host).await?,
                other => other?,
            },
        },
    };
    check_within(host, &zone.name, what)?;
    check_own(account, host, &zone, what)?;
    Ok(zone)
}

/// Refuses a host that is in another account's zone, whatever lies there.
pub(crate) async fn check_unclaimed(
    connection: &mut SqliteConnection,
    account: &AccountId,
    host: &Hostname,
    what: Entity,
) -> Result<()> {
    match of_host(connection, host).await? {
        Some(zone) => check_own(account, host, &zone, what),
        None => Ok(()),
    }
}

fn check_own(account: &AccountId, host: &Hostname, zone: &Zone, what: Entity) -> Result<()> {
    if zone.account != *account {
        return Err(StoreError::conflict(what, format!("{host} is in a zone of another account")));
    }
    Ok(())
}

/// Whether a host is a zone's apex or below it.
pub(crate) fn check_within(host: &Hostname, zone: &Hostname, what: Entity) -> Result<()> {
    if zone.encloses(host.as_str()) {
        return Ok(());
    }
    Err(StoreError::invalid(what, format!("{host} is not in the zone {zone}")))
}

pub(crate) async fn find(connection: &mut SqliteConnection, id: &ZoneId) -> Result<Zone> {
    let row = sqlx::query("SELECT * FROM zones WHERE id = ?")
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?
        .ok_or_else(|| StoreError::not_found(Entity::Zone, id))?;
    zone_of(&row)
}

async fn named(connection: &mut SqliteConnection, name: &Hostname) -> Result<Option<Zone>> {
    let row = sqlx::query("SELECT * FROM zones WHERE name = ?")
        .bind(name.as_str())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(zone_of).transpose()
}

async fn of_host(connection: &mut SqliteConnection, host: &Hostname) -> Result<Option<Zone>> {
    let row = sqlx::query(
        "SELECT * FROM zones WHERE name IN (SELECT value FROM json_each(?)) ORDER BY length(name) DESC LIMIT 1",
    )
    .bind(rows::to_json(&host.suffixes().collect::<Vec<_>>())?)
    .fetch_optional(connection)
    .await?;
    row.as_ref().map(zone_of).transpose()
}

async fn insert(connection: &mut SqliteConnection, account: &AccountId, name: &Hostname) -> Result<Zone> {
    let others: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM zones WHERE account <> ?1
         AND (name IN (SELECT value FROM json_each(?2)) OR substr(name, -length(?3)) = ?3)",
    )
    .bind(account.as_str())
    .bind(rows::to_json(&name.suffixes().collect::<Vec<_>>())?)
    .bind(format!(".{name}"))
    .fetch_one(&mut *connection)
    .await?;
    if others > 0 {
        let reason = format!("the zone {name} would overlap with a zone of another account");
        return Err(StoreError::conflict(Entity::Zone, reason));
    }
    let zone =
        Zone { id: ZoneId::random(), name: name.clone(), account: account.clone(), created_on: rows::now() };
    sqlx::query("INSERT INTO zones (id, name, account, created_on) VALUES (?, ?, ?, ?)")
        .bind(zone.id.as_str())
        .bind(name.as_str())
        .bind(account.as_str())
        .bind(zone.created_on.as_microsecond())
        .execute(connection)
        .await?;
    Ok(zone)
}

/// A guess at the domain that was registered: the last two labels, three where the last two look like `co.uk`, an
/// address as a whole. A wrong guess costs only an odd name in the list of zones.
fn apex(host: &Hostname) -> Hostname {
    if host.as_str().parse::<std::net::IpAddr>().is_ok() || host.as_str().starts_with('[') {
        return host.clone();
    }
    let labels: Vec<&str> = host.as_str().split('.').collect();
    let keep = match labels.as_slice() {
        [.., second, top] if top.len() == 2 && second.len() <= 3 => 3,
        _ => 2,
    };
    let tail = labels[labels.len().saturating_sub(keep)..].join(".");
    tail.parse().unwrap_or_else(|_| host.clone())
}

fn zone_of(row: &SqliteRow) -> Result<Zone> {
    Ok(Zone {
        id: rows::parsed(row, "id")?,
        name: rows::parsed(row, "name")?,
        account: rows::parsed(row, "account")?,
        created_on: rows::time(row, "created_on")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_apex_is_what_one_registers() {
        for (host, expected) in [
            ("example.com", "example.com"),
            ("a.b.example.com", "example.com"),
            ("www.example.co.uk", "example.co.uk"),
            ("co.uk", "co.uk"),
            ("a.example.com.cn", "example.com.cn"),
            ("shop.example.de", "example.de"),
            ("localhost", "localhost"),
            ("app.localhost", "app.localhost"),
            ("10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!(apex(&host.parse().unwrap()).as_str(), expected, "{host}");
        }
    }
}
