//! D1's REST endpoints, as wrangler and the SDKs call them (wrangler-api.md 6), and the two signed URLs that files go
//! by.

mod databases;
mod describe;
mod error;
mod export;
mod graphql;
mod import;
mod query;
mod signature;
mod transfers;
mod travel;

use std::collections::HashSet;
use std::io;
use std::sync::Arc;

use hearth_api::{ApiError, InAccount, Operation, Params, code};
use hearth_store::{Resource, ResourceKind, Store, StoreError};
use http::Method;

use self::signature::Signer;
use self::transfers::Transfers;
use crate::history::History;
use crate::insights::Insights;
use crate::{D1, DatabaseId};

pub use self::describe::describe;
pub use self::transfers::TransferConfig;

/// What the endpoints stand on. Cheap to clone.
#[derive(Clone)]
pub struct Endpoints(Arc<Shared>);

struct Shared {
    store: Store,
    d1: D1,
    history: History,
    insights: Insights,
    transfers: Transfers,
    signer: Signer,
}

impl Endpoints {
    /// Endpoints over these parts. Files that an earlier server left behind are removed.
    ///
    /// # Errors
    /// The folder for files cannot be made.
    pub fn new(
        store: Store,
        d1: D1,
        history: History,
        insights: Insights,
        transfers: TransferConfig,
    ) -> io::Result<Self> {
        let signer = Signer::new(transfers.scheme.clone());
        let transfers = Transfers::new(transfers)?;
        Ok(Self(Arc::new(Shared { store, d1, history, insights, transfers, signer })))
    }

    /// The operations below `/client/v4`.
    pub fn operations(&self) -> Vec<Operation> {
        const DATABASES: &str = "/accounts/{account}/d1/database";
        const DATABASE: &str = "/accounts/{account}/d1/database/{database}";
        let (get, post, patch) = (Method::GET, Method::POST, Method::PATCH);
        vec![
            Operation::new(get.clone(), DATABASES, databases::list, self),
            Operation::new(post.clone(), DATABASES, databases::create, self),
            Operation::new(get.clone(), DATABASE, databases::get, self),
            Operation::new(Method::DELETE, DATABASE, databases::delete, self),
            Operation::new(patch, DATABASE, databases::change, self),
            Operation::new(Method::PUT, DATABASE, databases::change, self),
            Operation::new(
                post.clone(),
                "/accounts/{account}/d1/database/{database}/query",
                query::query,
                self,
            ),
            Operation::new(post.clone(), "/accounts/{account}/d1/database/{database}/raw", query::raw, self),
            Operation::new(
                post.clone(),
                "/accounts/{account}/d1/database/{database}/export",
                export::post,
                self,
            ),
            Operation::new(
                post.clone(),
                "/accounts/{account}/d1/database/{database}/import",
                import::post,
                self,
            ),
            Operation::new(
                get,
                "/accounts/{account}/d1/database/{database}/time_travel/bookmark",
                travel::bookmark,
                self,
            ),
            Operation::new(
                post.clone(),
                "/accounts/{account}/d1/database/{database}/time_travel/restore",
                travel::restore,
                self,
            ),
        ]
    }

    /// The signed URLs, for the control host. They need no token: each is good for one file of one database, in one
    /// direction, for a time.
    pub fn signed(&self) -> Vec<Operation> {
        vec![
            Operation::new(Method::PUT, signature::UPLOAD, transfers::upload, self)
                .with_body_limit(None)
                .without_token(),
            Operation::new(Method::GET, signature::DOWNLOAD, transfers::download, self).without_token(),
        ]
    }

    /// Removes what databases left behind whose deletion was interrupted. For the start, before anything is served.
    ///
    /// # Errors
    /// The metadata cannot be read, or something cannot be removed.
    pub async fn sweep(&self) -> io::Result<()> {
        let known = self.0.store.all_resources(ResourceKind::D1Database).await.map_err(io::Error::other)?;
        let known: HashSet<DatabaseId> =
            known.iter().filter_map(|resource| resource.id.parse().ok()).collect();
        let mut found: HashSet<DatabaseId> = self.0.history.known().await?.into_iter().collect();
        found.extend(self.0.d1.known().await.map_err(io::Error::other)?);
        for id in found.difference(&known) {
            tracing::info!(%id, "removing what a deleted D1 database left behind");
            self.0.d1.delete(*id).await.map_err(io::Error::other)?;
            self.0.history.forget(*id).await?;
        }
        Ok(())
    }

    /// Removes files that nobody came for, until it is dropped.
    pub async fn keep(self) {
        self.0.transfers.keep().await;
    }

    /// The database that the path names by its id or its name.
    async fn database(
        &self,
        account: &InAccount,
        params: &Params,
    ) -> Result<(Resource, DatabaseId), ApiError> {
        let text = params.get("database");
        let (store, account) = (&self.0.store, &account.0.id);
        let found = match text.parse::<DatabaseId>() {
            Ok(id) => store.resource(ResourceKind::D1Database, account, &id.to_string()).await,
            Err(_) => store.resource_by_name(ResourceKind::D1Database, account, text).await,
        };
        let resource = found.map_err(|error| match error {
            StoreError::NotFound { .. } => {
                let message = format!("The database {text} could not be found");
                ApiError::not_found(code::D1_NOT_FOUND, message)
            }
            other => other.into(),
        })?;
        let id = resource.id.parse().map_err(ApiError::internal)?;
        Ok((resource, id))
    }
}
