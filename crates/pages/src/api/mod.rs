//! The calls, and what they have at hand.

mod deployments;
mod domains;
mod files;
mod projects;

use std::sync::Arc;

use hearth_api::{Api, ApiError, Operation, Params};
use hearth_assets::Contents;
use hearth_store::{Account, DomainFilter, Page, Worker};
use http::Method;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::sync::Semaphore;

use crate::names::read_name;
use crate::settings::Settings;
use crate::view::{Known, Place};

/// Uploads of files that are taken at once.
const UPLOADS: usize = 3;

/// Pages. Clones are the same.
#[derive(Clone)]
pub struct Pages {
    api: Api,
    contents: Contents,
    uploads: Arc<Semaphore>,
}

impl Pages {
    /// Pages over the API's workers and the accounts' contents.
    pub fn new(api: Api, contents: Contents) -> Self {
        Self { api, contents, uploads: Arc::new(Semaphore::new(UPLOADS)) }
    }

    /// What the API can do.
    pub fn operations(&self) -> Vec<Operation> {
        const PROJECTS: &str = "/accounts/{account}/pages/projects";
        const PROJECT: &str = "/accounts/{account}/pages/projects/{project}";
        const DEPLOYMENTS: &str = "/accounts/{account}/pages/projects/{project}/deployments";
        const DEPLOYMENT: &str = "/accounts/{account}/pages/projects/{project}/deployments/{deployment}";
        const DOMAINS: &str = "/accounts/{account}/pages/projects/{project}/domains";
        const DOMAIN: &str = "/accounts/{account}/pages/projects/{project}/domains/{domain}";
        let (get, post, patch, delete) = (Method::GET, Method::POST, Method::PATCH, Method::DELETE);
        vec![
            Operation::new(get.clone(), PROJECTS, projects::list, self),
            Operation::new(post.clone(), PROJECTS, projects::create, self),
            Operation::new(get.clone(), PROJECT, projects::get, self),
            Operation::new(patch.clone(), PROJECT, projects::patch, self),
            Operation::new(delete.clone(), PROJECT, projects::delete, self),
            Operation::new(
                get.clone(),
                "/accounts/{account}/pages/projects/{project}/upload-token",
                projects::upload_token,
                self,
            ),
            Operation::new(
                post.clone(),
                "/accounts/{account}/pages/projects/{project}/purge_build_cache",
                projects::purge_build_cache,
                self,
            ),
            Operation::new(get.clone(), DEPLOYMENTS, deployments::list, self),
            Operation::new(post.clone(), DEPLOYMENTS, deployments::create, self),
            Operation::new(get.clone(), DEPLOYMENT, deployments::get, self),
            Operation::new(delete.clone(), DEPLOYMENT, deployments::delete, self),
            Operation::new(
                post.clone(),
                "/accounts/{account}/pages/projects/{project}/deployments/{deployment}/retry",
                deployments::retry,
                self,
            ),
            Operation::new(
                post.clone(),
                "/accounts/{account}/pages/projects/{project}/deployments/{deployment}/rollback",
                deployments::rollback,
                self,
            ),
            Operation::new(
                get.clone(),
                "/accounts/{account}/pages/projects/{project}/deployments/{deployment}/history/logs",
                deployments::logs,
                self,
            ),
            Operation::new(get.clone(), DOMAINS, domains::list, self),
            Operation::new(post, DOMAINS, domains::add, self),
            Operation::new(get, DOMAIN, domains::get, self),
            Operation::new(patch, DOMAIN, domains::get, self),
            Operation::new(delete, DOMAIN, domains::delete, self),
        ]
    }

    /// The uploads of files, with whole paths: they show a project's token instead of an API token.
    pub fn uploads(&self) -> Vec<Operation> {
        vec![
            Operation::new(Method::POST, "/client/v4/pages/assets/check-missing", files::check_missing, self)
                .without_token(),
            Operation::new(Method::POST, "/client/v4/pages/assets/upload", files::upload, self)
                .without_token(),
            Operation::new(Method::POST, "/client/v4/pages/assets/upsert-hashes", files::upsert_hashes, self)
                .without_token(),
        ]
    }

    fn place<'a>(&'a self, account: &'a Account) -> Place<'a> {
        Place { config: self.api.config(), account }
    }

    /// The project that a call's path names.
    async fn find(&self, account: &Account, params: &Params) -> Result<Worker, ApiError> {
        let name = read_name(params.get("project")).map_err(|_| ApiError::project_not_found())?;
        self.api.project(account, &name).await
    }

    /// The same for a call that writes, with its lock held. The project is read under it: the name before it may be another
    /// spelling, or be gone by then.
    async fn locked(
        &self,
        account: &Account,
        params: &Params,
    ) -> Result<(impl Drop + use<>, Worker), ApiError> {
        let name = self.find(account, params).await?.name;
        let writer = self.api.lock(account, &name).await;
        Ok((writer, self.find(account, params).await?))
    }

    /// A project with its deployments.
    async fn known(&self, account: &Account, params: &Params) -> Result<Known, ApiError> {
        let worker = self.find(account, params).await?;
        self.known_of(account, worker).await
    }

    async fn known_of(&self, account: &Account, worker: Worker) -> Result<Known, ApiError> {
        let store = self.api.store();
        let canonical = store.current_deployment(worker.id).await?;
        let filter = DomainFilter { worker: Some(worker.id), ..DomainFilter::default() };
        Ok(Known {
            settings: Settings::of(&worker.dialect_settings)?,
            deployments: store.versions(worker.id, Page::ALL).await?.items,
            canonical: canonical.and_then(|deployment| deployment.split.shares().first().map(|(id, _)| *id)),
            domains: store.domains(&account.id, &filter).await?,
            worker,
        })
    }
}

/// The deployment that a call's path names.
fn deployment<'a>(known: &'a Known, params: &Params) -> Result<&'a hearth_model::Version, ApiError> {
    let id = params.get("deployment");
    known.deployment(id).ok_or_else(|| ApiError::deployment_not_found(id))
}

fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}
