//! `/workers/services/:name`: whether a worker exists, and its deletion. Not found is 10090 here.

use std::collections::BTreeSet;

use axum::extract::State;
use hearth_model::{Dialect, WorkerName};
use hearth_store::{Account, Borrowed, Entity, StoreError, Worker};
use serde_json::{Value, json};

use crate::auth::InAccount;
use crate::envelope::Reply;
use crate::error::{ApiError, code};
use crate::params::Params;
use crate::query::Query;
use crate::state::Api;
use crate::view;

/// `GET services/:worker`: the existence probe of every deploy.
pub(crate) async fn get(
    State(api): State<Api>,
    InAccount(account): InAccount,
    params: Params,
) -> Result<Reply, ApiError> {
    let worker = find(&api, &account, &params.worker()?).await?;
    let version = api.serving_version(worker.id).await?;
    let environment = json!({
        "environment": "production",
        "created_on": worker.created_on.to_string(),
        "modified_on": worker.modified_on.to_string(),
        "script": view::script(&worker, version.as_ref()),
    });
    Ok(Reply::new(json!({
        "id": worker.name,
        "default_environment": environment,
        "environments": [environment],
        "created_on": worker.created_on.to_string(),
        "modified_on": worker.modified_on.to_string(),
        "usage_model": "standard",
    })))
}

/// `DELETE services/:worker`.
pub(crate) async fn delete(
    State(api): State<Api>,
    InAccount(account): InAccount,
    params: Params,
    query: Query,
) -> Result<Reply, ApiError> {
    let name = params.worker()?;
    let _writer = api.lock(&account, &name).await;
    let worker = find(&api, &account, &name).await?;
    worker.check_spelling(&name)?;
    remove(&api, &account, &worker, query.flag("force")).await
}

/// Deletes a worker. Without `force` not one that others bind: their calls would fail from now on. The caller holds
/// the worker's lock.
pub(crate) async fn remove(
    api: &Api,
    account: &Account,
    worker: &Worker,
    force: bool,
) -> Result<Reply, ApiError> {
    let references = References::to(api, account, worker).await?;
    if !force && !references.is_empty() {
        let names = references.names();
        return Err(ApiError::bad_request(
            code::STILL_REFERENCED,
            format!(
                "Worker '{}' is bound by other Workers ({}). Delete it with force=true, or remove the bindings first.",
                worker.name,
                names.join(", ")
            ),
        ));
    }
    api.remove(worker.id).await?;
    Ok(Reply::null())
}

/// What refers to a worker.
pub(crate) struct References {
    /// The worker itself.
    name: WorkerName,
    /// Workers that bind it as a service.
    services: Vec<WorkerName>,
    /// Bindings of others to its Durable Objects.
    objects: Vec<Borrowed>,
}

impl References {
    /// The references to a worker of Cloudflare's API.
    pub(crate) async fn to(api: &Api, account: &Account, worker: &Worker) -> Result<Self, ApiError> {
        let services = api.store().references(&account.id, &worker.name).await?;
        let objects = api.store().borrowed_namespaces(&account.id, worker.id).await?;
        Ok(Self { name: worker.name.clone(), services, objects })
    }

    /// Of a worker that no binding can name.
    pub(crate) fn none(worker: &Worker) -> Self {
        Self { name: worker.name.clone(), services: Vec::new(), objects: Vec::new() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.services.is_empty() && self.objects.is_empty()
    }

    /// The workers that refer to it, each once.
    fn names(&self) -> Vec<&str> {
        let borrowers = self.objects.iter().map(|borrowed| &borrowed.borrower_name);
        let all = self.services.iter().chain(borrowers).map(WorkerName::as_str);
        all.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// A namespace's name, as Cloudflare makes it.
    fn namespace_name(&self, class: &str) -> String {
        format!("{}_{class}", self.name)
    }

    /// As wrangler's delete asks.
    pub(crate) fn of_script(&self) -> Value {
        let service = |name: &WorkerName| json!({"service": name, "environment": "production"});
        let object = |borrowed: &Borrowed| {
            json!({
                "service": borrowed.borrower_name,
                "environment": "production",
                "durable_object_namespace_id": borrowed.namespace.to_string(),
                "durable_object_namespace_name": self.namespace_name(&borrowed.class),
            })
        };
        json!({
            "services": {
                "incoming": self.services.iter().map(service).collect::<Vec<_>>(),
                "outgoing": [],
                "pages_function": false,
            },
            "durable_objects": self.objects.iter().map(object).collect::<Vec<_>>(),
            "dispatch_outbounds": [],
        })
    }

    /// As `/workers/workers` shows them.
    pub(crate) fn of_worker(&self) -> Value {
        let object = |borrowed: &Borrowed| {
            json!({
                "worker_id": borrowed.borrower,
                "worker_name": borrowed.borrower_name,
                "namespace_id": borrowed.namespace.to_string(),
                "namespace_name": self.namespace_name(&borrowed.class),
            })
        };
        json!({
            "workers": self.services.iter().map(|name| json!({"name": name})).collect::<Vec<_>>(),
            "durable_objects": self.objects.iter().map(object).collect::<Vec<_>>(),
            "domains": [], "dispatch_namespace_outbounds": [], "queues": [],
        })
    }
}

async fn find(api: &Api, account: &Account, name: &WorkerName) -> Result<Worker, ApiError> {
    match api.store().worker_by_name(&account.id, Dialect::Workers, name).await {
        Err(StoreError::NotFound { what: Entity::Worker, .. }) => Err(ApiError::service_not_found()),
        other => Ok(other?),
    }
}
