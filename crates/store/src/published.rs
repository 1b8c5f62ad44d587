//! What the data plane loads: everything at start, single entries after changes.

use std::collections::HashSet;

use hearth_model::{
    AccessToken, Published, PublishedAccess, PublishedDomain, PublishedRoute, PublishedVersion,
    PublishedWorker, TokenHash, WorkerId,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

use crate::{Result, Store, StoreError, rows};

/// One row a worker, with `id`, whether there are assets and code, `label` and `alias` of its versions, newest first, as lines of one text: rows are what a start
/// with many workers spends its time on. A worker with Durable Objects has no previews, as on Cloudflare: two versions of
/// it would share their storage.
macro_rules! workers_sql {
    ($rest:literal) => {
        concat!(
            "SELECT w.id, w.name, w.account, iif(a.is_default, NULL, a.subdomain),
                    w.subdomain_enabled,
                    w.previews_enabled AND NOT EXISTS (SELECT 1 FROM object_namespaces n WHERE n.worker = w.id),
                    d.split,
                    (SELECT group_concat(v.id || ' ' || (v.assets IS NOT NULL) || ' ' || v.code || ' ' || coalesce(v.label, '') || ' ' || coalesce(v.alias, ''), char(10) ORDER BY v.number DESC)
                     FROM versions v WHERE v.worker = w.id),
                    w.dialect,
                    w.access,
                    iif(w.access = 'token',
                        (SELECT group_concat(hex(t.hash) || ' ' || coalesce(t.expires_on, ''), char(10))
                         FROM worker_tokens t WHERE t.worker = w.id), NULL)
             FROM workers w
             JOIN accounts a ON a.id = w.account
             LEFT JOIN deployments d ON d.worker = w.id AND d.number = w.last_deployment
             WHERE w.last_version > 0 ",
            $rest
        )
    };
}

impl Store {
    /// Everything that is served.
    pub async fn published(&self) -> Result<Published> {
        let mut connection = self.read().await?;
        let workers = sqlx::query(workers_sql!("")).fetch_all(&mut *connection).await?;
        Ok(Published {
            workers: workers.iter().map(worker_of).collect::<Result<_>>()?,
            routes: routes(&mut connection).await?,
            domains: domains(&mut connection).await?,
        })
    }

    /// One worker; None when it does not exist or has no version.
    pub async fn published_worker(&self, id: WorkerId) -> Result<Option<PublishedWorker>> {
        let row = sqlx::query(workers_sql!("AND w.id = ?"))
            .bind(id.to_string())
            .fetch_optional(&mut *self.read().await?)
            .await?;
        row.as_ref().map(worker_of).transpose()
    }

    /// All routes.
    pub async fn published_routes(&self) -> Result<Vec<PublishedRoute>> {
        routes(&mut *self.read().await?).await
    }

    /// All custom domains that are enabled.
    pub async fn published_domains(&self) -> Result<Vec<PublishedDomain>> {
        domains(&mut *self.read().await?).await
    }
}

/// By position: looking columns up by name would be a tenth of a start.
fn worker_of(row: &SqliteRow) -> Result<PublishedWorker> {
    let split: Option<&str> = row.try_get(6)?;
    let versions: &str = row.try_get(7)?;
    Ok(PublishedWorker {
        id: rows::from_text(row.try_get(0)?, "id")?,
        dialect: rows::from_text(row.try_get(8)?, "dialect")?,
        name: rows::from_text(row.try_get(1)?, "name")?,
        account: rows::from_text(row.try_get(2)?, "account")?,
        account_label: row.try_get(3)?,
        subdomain: row.try_get(4)?,
        previews: row.try_get(5)?,
        access: PublishedAccess {
            rule: rows::from_text(row.try_get(9)?, "access")?,
            tokens: tokens_of(row.try_get(10)?)?,
        },
        split: split.map(|split| rows::from_json(split, "split")).transpose()?,
        versions: versions_of(versions)?,
    })
}

fn versions_of(lines: &str) -> Result<Vec<PublishedVersion>> {
    let mut taken = HashSet::new();
    let mut versions = Vec::new();
    for line in lines.lines() {
        let mut words = line.splitn(5, ' ');
        let mut word = || words.next().unwrap_or_default();
        let (id, assets, code, label, alias) = (word(), word() == "1", word() == "1", word(), word());
        let alias = (!alias.is_empty() && taken.insert(alias)).then(|| alias.to_owned());
        let label = (!label.is_empty()).then(|| label.to_owned());
        versions.push(PublishedVersion { id: rows::from_text(id, "versions")?, label, alias, assets, code });
    }
    Ok(versions)
}

fn tokens_of(lines: Option<&str>) -> Result<Vec<AccessToken>> {
    let corrupt = |why: &dyn std::fmt::Display| StoreError::Corrupt(format!("an access token: {why}"));
    let read = |line: &str| {
        let (digest, expiry) = line.split_once(' ').unwrap_or((line, ""));
        let mut hash = [0; 32];
        hex::decode_to_slice(digest, &mut hash).map_err(|error| corrupt(&error))?;
        let expires_us = (!expiry.is_empty()).then(|| expiry.parse()).transpose();
        Ok(AccessToken { hash: TokenHash(hash), expires_us: expires_us.map_err(|error| corrupt(&error))? })
    };
    lines.unwrap_or_default().lines().map(read).collect()
}

async fn routes(connection: &mut SqliteConnection) -> Result<Vec<PublishedRoute>> {
    let all =
        sqlx::query("SELECT r.pattern, z.name AS zone, r.worker FROM routes r JOIN zones z ON z.id = r.zone")
            .fetch_all(connection)
            .await?;
    let route_of = |row: &SqliteRow| {
        Ok(PublishedRoute {
            pattern: rows::parsed(row, "pattern")?,
            zone: rows::parsed(row, "zone")?,
            worker: rows::parsed_option(row, "worker")?,
        })
    };
    all.iter().map(route_of).collect()
}

async fn domains(connection: &mut SqliteConnection) -> Result<Vec<PublishedDomain>> {
    let all =
        sqlx::query("SELECT hostname, worker FROM domains WHERE enabled = 1").fetch_all(connection).await?;
    let domain_of = |row: &SqliteRow| {
        Ok(PublishedDomain { hostname: rows::parsed(row, "hostname")?, worker: rows::parsed(row, "worker")? })
    };
    all.iter().map(domain_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_has_the_alias() {
        let ids: Vec<String> = (0..3).map(|_| hearth_model::VersionId::random().to_string()).collect();
        let lines = format!("{} 0 1 v3 \n{} 1 0  staging\n{} 1 1 v1 staging", ids[0], ids[1], ids[2]);
        let versions = versions_of(&lines).unwrap();
        let aliases: Vec<_> = versions.iter().map(|version| version.alias.as_deref()).collect();
        assert_eq!(aliases, [None, Some("staging"), None]);
        let labels: Vec<_> = versions.iter().map(|version| version.label.as_deref()).collect();
        assert_eq!(labels, [Some("v3"), None, Some("v1")]);
        let files: Vec<_> = versions.iter().map(|version| (version.assets, version.code)).collect();
        assert_eq!(files, [(false, true), (true, false), (true, true)]);
        assert_eq!(versions[2].id.to_string(), ids[2]);
    }
}
