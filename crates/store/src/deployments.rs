//! Deployments: which versions serve a worker, from when on.

use std::collections::BTreeMap;

use hearth_model::{Deployment, DeploymentSource, Split, WorkerId};
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use uuid::Uuid;

use crate::{Entity, Listing, Page, Result, Store, StoreError, rows};

/// Who deploys, and what is said about it.
#[derive(Debug, Clone)]
pub struct Release {
    /// Which client.
    pub source: DeploymentSource,
    /// The e-mail of the token's owner.
    pub author_email: String,
    /// `workers/message`, `workers/triggered_by`.
    pub annotations: BTreeMap<String, String>,
}

impl Store {
    /// Puts a split in force.
    ///
    /// # Errors
    /// Worker not found; version not found when one is not the worker's.
    pub async fn deploy(&self, worker: WorkerId, split: Split, release: Release) -> Result<Deployment> {
        let mut transaction = self.write().await?;
        let deployment = insert(&mut transaction, worker, split, release).await?;
        transaction.commit().await?;
        Ok(deployment)
    }

    /// The deployments of a worker, newest first.
    pub async fn deployments(&self, worker: WorkerId, page: Page) -> Result<Listing<Deployment>> {
        let mut connection = self.read().await?;
        let (limit, offset) = page.bounds();
        let items =
            sqlx::query("SELECT * FROM deployments WHERE worker = ? ORDER BY number DESC LIMIT ? OFFSET ?")
                .bind(worker.to_string())
                .bind(limit)
                .bind(offset)
                .fetch_all(&mut *connection)
                .await?;
        let total = sqlx::query("SELECT count(*) AS n FROM deployments WHERE worker = ?")
            .bind(worker.to_string())
            .fetch_one(&mut *connection)
            .await?;
        Ok(Listing {
            items: items.iter().map(deployment_of).collect::<Result<_>>()?,
            total: rows::count(&total, "n")?,
        })
    }

    /// One deployment of a worker.
    ///
    /// # Errors
    /// Not found when it is not that worker's.
    pub async fn deployment(&self, worker: WorkerId, id: uuid::Uuid) -> Result<Deployment> {
        let row = sqlx::query("SELECT * FROM deployments WHERE id = ? AND worker = ?")
            .bind(id.to_string())
            .bind(worker.to_string())
            .fetch_optional(&mut *self.read().await?)
            .await?
            .ok_or_else(|| StoreError::not_found(Entity::Deployment, id))?;
        deployment_of(&row)
    }

    /// The deployment in force; None for a worker that was never deployed.
    pub async fn current_deployment(&self, worker: WorkerId) -> Result<Option<Deployment>> {
        let row = sqlx::query("SELECT * FROM deployments WHERE worker = ? ORDER BY number DESC LIMIT 1")
            .bind(worker.to_string())
            .fetch_optional(&mut *self.read().await?)
            .await?;
        row.as_ref().map(deployment_of).transpose()
    }
}

pub(crate) async fn insert(
    connection: &mut SqliteConnection,
    worker: WorkerId,
    split: Split,
    release: Release,
) -> Result<Deployment> {
    let created_on = rows::now();
    let number: i64 = sqlx::query(
        "UPDATE workers SET last_deployment = last_deployment + 1, last_deployed_from = ?, modified_on = ?
         WHERE id = ? RETURNING last_deployment",
    )
    .bind(&release.source.0)
    .bind(created_on.as_microsecond())
    .bind(worker.to_string())
    .fetch_optional(&mut *connection)
    .await?
    .ok_or_else(|| StoreError::not_found(Entity::Worker, worker))?
    .try_get(0)?;
    for (version, _) in split.shares() {
        sqlx::query("SELECT 1 FROM versions WHERE id = ? AND worker = ?")
            .bind(version.to_string())
            .bind(worker.to_string())
            .fetch_optional(&mut *connection)
            .await?
            .ok_or_else(|| StoreError::not_found(Entity::Version, version))?;
    }
    let deployment = Deployment {
        id: Uuid::new_v4(),
        created_on,
        source: release.source,
        author_email: release.author_email,
        annotations: release.annotations,
        split,
    };
    sqlx::query(
        "INSERT INTO deployments (worker, number, id, created_on, source, author_email, annotations, split)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(worker.to_string())
    .bind(number)
    .bind(deployment.id.to_string())
    .bind(created_on.as_microsecond())
    .bind(&deployment.source.0)
    .bind(&deployment.author_email)
    .bind(rows::to_json(&deployment.annotations)?)
    .bind(rows::to_json(&deployment.split)?)
    .execute(connection)
    .await?;
    Ok(deployment)
}

fn deployment_of(row: &SqliteRow) -> Result<Deployment> {
    Ok(Deployment {
        id: rows::parsed(row, "id")?,
        created_on: rows::time(row, "created_on")?,
        source: DeploymentSource(rows::text(row, "source")?),
        author_email: rows::text(row, "author_email")?,
        annotations: rows::json(row, "annotations")?,
        split: rows::json(row, "split")?,
    })
}
