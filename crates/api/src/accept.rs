//! Accepting a version: from what a call asks for to what serves it. plan → probe → blobs → version (and its
//! deployment, together) → data plane.

use std::collections::{BTreeMap, BTreeSet};

use hearth_model::{
    AccountId, Binding, BindingKind, Compatibility, Deployment, DeploymentSource, Dialect, Exports, Format,
    Launch, LaunchModule, Limits, ModuleKind, Namespace, NamespaceId, ProbeError, Probed, Reconciled,
    Version, VersionAssets, VersionId, WorkerId, WorkerName,
};
use hearth_store::{
    Account, Entity, Inserted, NewModule, NewVersion, NewWorker, Origin, Page, Release, ResourceKind,
    StoreError, Worker, WorkerChanges,
};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::auth::Caller;
use crate::envelope::Reply;
use crate::error::{ApiError, code};
use crate::objects::PlannedObjects;
use crate::runtime::Change;
use crate::state::Api;
use crate::upload::{
    Form, Inherit, PlannedBindings, PlannedModule, PlannedSecret, ScriptSettings, WantedObjects, plan,
};

/// Whether an accepted version serves traffic at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// It gets all traffic.
    Deploy,
    /// It waits for a deployment.
    Keep,
}

/// What was accepted.
pub(crate) struct Accepted {
    pub worker: Worker,
    pub version: Version,
    pub deployment: Option<Deployment>,
    /// What became of the Durable Objects that `exports` declare.
    pub reconciled: Option<Reconciled>,
}

/// A version to be, before it is probed.
pub(crate) struct Candidate {
    pub format: Format,
    pub modules: Vec<PlannedModule>,
    pub bindings: PlannedBindings,
    pub compatibility: Compatibility,
    pub limits: Limits,
    /// What the client says of it.
    pub annotations: BTreeMap<String, String>,
    /// `workers/triggered_by`.
    pub trigger: &'static str,
    /// Settings of the worker that come with it.
    pub settings: ScriptSettings,
    /// What becomes of the worker's Durable Objects.
    pub objects: WantedObjects,
    /// Its static assets.
    pub assets: Option<VersionAssets>,
}

/// Who asks, where.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub api: &'a Api,
    pub caller: &'a Caller,
    pub account: &'a Account,
    pub dialect: Dialect,
    pub name: &'a WorkerName,
}

impl<'a> Call<'a> {
    /// About a worker of Cloudflare's API.
    pub fn new(api: &'a Api, caller: &'a Caller, account: &'a Account, name: &'a WorkerName) -> Self {
        Self { api, caller, account, dialect: Dialect::Workers, name }
    }

    /// Accepts an upload. A version that is not to be deployed needs a worker that exists.
    pub async fn upload(self, form: Form, inherit: Inherit, then: Then) -> Result<Accepted, ApiError> {
        let _writer = self.api.lock(self.account, self.name).await;
        let existing = self.api.find_worker(self.account, self.name).await?;
        match &existing {
            Some(worker) => worker.check_spelling(self.name)?,
            None if then == Then::Keep => return Err(ApiError::worker_not_found()),
            None => {}
        }
        let previous = self.latest(existing.as_ref()).await?;
        let before: &[Binding] = previous.as_ref().map_or(&[], |version| &version.bindings);
        let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
        let plan = plan(form, before, inherit, today, self.api.config().max_upload_bytes)?;
        let assets = self
            .api
            .plan_assets(
                self.account,
                self.name,
                plan.assets,
                previous.as_ref(),
                &plan.format,
                &plan.bindings,
            )
            .await?;
        let candidate = Candidate {
            assets,
            format: plan.format,
            modules: plan.modules,
            bindings: plan.bindings,
            compatibility: plan.compatibility,
            limits: plan.limits,
            annotations: plan.annotations,
            trigger: "upload",
            settings: plan.settings,
            objects: plan.objects,
        };
        self.install(existing, previous, candidate, then).await
    }

    /// The newest version of a worker that may not exist.
    pub async fn latest(self, worker: Option<&Worker>) -> Result<Option<Version>, ApiError> {
        match worker {
            Some(worker) => Ok(self.api.store().latest_version(worker.id).await?),
            None => Ok(None),
        }
    }

    /// The modules of a version with their content.
    pub async fn modules_of(self, version: &Version) -> Result<Vec<PlannedModule>, ApiError> {
        let mut modules = Vec::with_capacity(version.modules.len());
        for module in &version.modules {
            let content = self.api.store().module_content(module).await?;
            modules.push(PlannedModule { name: module.name.clone(), kind: module.kind, content });
        }
        Ok(modules)
    }

    /// Probes a candidate, stores it and tells the data plane. The caller holds the worker's lock.
    pub async fn install(
        self,
        existing: Option<Worker>,
        previous: Option<Version>,
        candidate: Candidate,
        then: Then,
    ) -> Result<Accepted, ApiError> {
        self.install_as(VersionId::random(), existing, previous, candidate, then).await
    }

    /// The same under an id that is known before.
    pub async fn install_as(
        self,
        id: VersionId,
        existing: Option<Worker>,
        previous: Option<Version>,
        mut candidate: Candidate,
        then: Then,
    ) -> Result<Accepted, ApiError> {
        // What a binding names is a worker, and another dialect's worker of that name is none.
        if self.dialect == Dialect::Workers {
            for binding in &mut candidate.bindings.bindings {
                binding.own_by(self.name);
            }
        }
        self.check_services(&candidate.bindings).await?;
        self.api.check_tail_workers(self.account, self.name, &candidate.settings).await?;
        self.check_resources(&mut candidate.bindings).await?;
        let mut bindings = self.with_texts(&candidate.bindings, previous.as_ref()).await?;
        let wanted = &candidate.objects;
        let planned = self.plan_migrations(existing.as_ref(), wanted, &mut bindings, then).await?;
        let worker_id = existing.as_ref().map_or_else(WorkerId::random, |worker| worker.id);
        let launch = launch(&self.account.id, worker_id, self.name, id, &candidate, bindings.clone());
        let probed = match candidate.format {
            // There is nothing to start.
            Format::Assets => Probed { exports: Exports::default(), startup_time_ms: 0 },
            _ => self.api.runtime().probe(launch).await.map_err(probe_error)?,
        };
        self.check_consumer(&probed.exports).await?;
        let owner = existing.as_ref().map(|worker| worker.id);
        let workflows = self.declared_workflows(owner, &candidate.bindings, &probed.exports).await?;
        let planned = self.settle_objects(planned, wanted, &probed.exports, &mut bindings, then).await?;
        let others: Vec<WorkerId> = planned.others().collect();
        let PlannedObjects { changes, tag, reconciled, .. } = planned;
        let code_update = candidate.objects.code_update;
        let make = existing.is_none().then(|| NewWorker {
            account: self.account.id.clone(),
            dialect: self.dialect,
            name: self.name.clone(),
        });
        let release = (then == Then::Deploy).then(|| self.release(&candidate.annotations, candidate.trigger));
        let mut annotations = candidate.annotations;
        annotations.insert("workers/triggered_by".to_owned(), candidate.trigger.to_owned());
        let modules = candidate
            .modules
            .into_iter()
            .map(|module| NewModule { name: module.name, kind: module.kind, content: module.content })
            .collect();
        let store = self.api.store();
        let new = NewVersion {
            id,
            worker: worker_id,
            make,
            settings: WorkerChanges { migration_tag: tag.map(Some), ..settings_changes(candidate.settings) },
            origin: self.origin(annotations),
            format: candidate.format,
            modules: store.put_modules(modules).await?,
            bindings,
            secrets_from: None,
            compatibility: candidate.compatibility,
            limits: candidate.limits,
            exports: probed.exports,
            startup_time_ms: probed.startup_time_ms,
            objects: changes,
            assets: candidate.assets,
        };
        let Inserted { worker, version, deployment } = store.insert_version(new, release).await?;
        self.keep_workflows(worker.id, workflows).await?;
        // Who gives namespaces away lets go of them before another takes them.
        for other in others {
            self.api.changed(Change::Worker(other)).await;
        }
        self.api.changed(Change::Deployed(worker.id, code_update)).await;
        Ok(Accepted { worker, version, deployment, reconciled })
    }

    /// Who makes a version.
    pub fn origin(self, annotations: BTreeMap<String, String>) -> Origin {
        Origin { source: self.caller.source.to_owned(), author_email: self.caller.email.clone(), annotations }
    }

    /// Who deploys. Of a version's annotations the message is the deployment's too.
    pub fn release(self, annotations: &BTreeMap<String, String>, trigger: &str) -> Release {
        let mut own: BTreeMap<String, String> = annotations
            .iter()
            .filter(|(key, _)| *key == "workers/message")
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        own.insert("workers/triggered_by".to_owned(), trigger.to_owned());
        Release {
            source: DeploymentSource(self.caller.source.to_owned()),
            author_email: self.caller.email.clone(),
            annotations: own,
        }
    }

    /// Every service binding leads to a worker that exists; a worker may bind itself before it does.
    async fn check_services(self, bindings: &PlannedBindings) -> Result<(), ApiError> {
        for (binding, service) in bindings.services() {
            let target: Option<WorkerName> = service.parse().ok();
            let exists = match &target {
                Some(target) if self.dialect == Dialect::Workers && target == self.name => true,
                Some(target) => self.api.find_worker(self.account, target).await?.is_some(),
                None => false,
            };
            if !exists {
                return Err(ApiError::bad_request(
                    code::SERVICE_BINDING,
                    format!(
                        "Service binding '{binding}' references Worker '{service}' which was not found. Deploy '{service}' first."
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Every binding to data leads to data of this account. One to a queue gets the queue's id and its name of today.
    async fn check_resources(self, planned: &mut PlannedBindings) -> Result<(), ApiError> {
        let store = self.api.store();
        let account = &self.account.id;
        for binding in &mut planned.bindings {
            let (found, error) = match &binding.kind {
                BindingKind::KvNamespace { namespace_id } => (
                    store.resource(ResourceKind::KvNamespace, account, namespace_id).await,
                    ApiError::bad_request(
                        code::KV_NAMESPACE_BINDING,
                        format!("KV namespace '{namespace_id}' (binding {}) not found.", binding.name),
                    ),
                ),
                BindingKind::R2Bucket { bucket_name, .. } => (
                    store.resource_by_name(ResourceKind::R2Bucket, account, bucket_name).await,
                    ApiError::bad_request(
                        code::R2_BUCKET_BINDING,
                        format!("R2 bucket '{bucket_name}' (binding {}) not found.", binding.name),
                    ),
                ),
                // The words are wrangler's cue to explain (wrangler-api.md 13).
                BindingKind::D1 { id } => (
                    store.resource(ResourceKind::D1Database, account, id).await,
                    ApiError::invalid_upload(format!(
                        "binding {} of type d1 must have a valid `id` specified",
                        binding.name
                    )),
                ),
                BindingKind::Queue { queue_name, queue_id, .. } => (
                    match queue_id {
                        Some(id) => store.resource(ResourceKind::Queue, account, id).await,
                        None => store.resource_by_name(ResourceKind::Queue, account, queue_name).await,
                    },
                    ApiError::bad_request(
                        code::QUEUE_NOT_FOUND,
                        format!("Queue '{queue_name}' (binding {}) does not exist.", binding.name),
                    ),
                ),
                _ => continue,
            };
            let found = match found {
                Ok(found) => found,
                Err(StoreError::NotFound { what: Entity::Resource(_), .. }) => return Err(error),
                Err(other) => return Err(other.into()),
            };
            if let BindingKind::Queue { queue_name, queue_id, .. } = &mut binding.kind {
                (*queue_name, *queue_id) = (found.name, Some(found.id));
            }
        }
        Ok(())
    }

    /// A worker that consumes a queue keeps its handler.
    async fn check_consumer(&self, exports: &Exports) -> Result<(), ApiError> {
        if self.dialect != Dialect::Workers || exports.handlers.iter().any(|handler| handler == "queue") {
            return Ok(());
        }
        let queues = self.api.store().resources(ResourceKind::Queue, &self.account.id, Page::ALL).await?;
        let script = self.name.as_str();
        match queues.items.iter().find(|queue| queue.settings["consumer"]["script"] == script) {
            None => Ok(()),
            Some(queue) => Err(ApiError::bad_request(
                code::QUEUE_HANDLER_MISSING,
                format!(
                    "Queue handler is missing: the Worker is the consumer of queue '{}'. Please see our docs for more \
                     information about creating handlers: \
                     https://developers.cloudflare.com/queues/configuration/javascript-apis/#consumer.",
                    queue.name
                ),
            )),
        }
    }

    /// The bindings with their secrets in the clear.
    async fn with_texts(
        self,
        planned: &PlannedBindings,
        previous: Option<&Version>,
    ) -> Result<Vec<Binding>, ApiError> {
        let keeps = planned.secrets.values().any(|secret| matches!(secret, PlannedSecret::Kept(_)));
        let old = match previous.filter(|_| keeps) {
            Some(version) => self.api.store().secret_texts(version.worker, version.id).await?,
            None => BTreeMap::new(),
        };
        let text_of = |name: &str| match planned.secrets.get(name) {
            Some(PlannedSecret::New(text)) => Some(text.clone()),
            Some(PlannedSecret::Kept(from)) => old.get(from).cloned(),
            None => None,
        };
        planned
            .bindings
            .iter()
            .map(|binding| match &binding.kind {
                BindingKind::SecretText { .. } => {
                    let text = text_of(&binding.name).ok_or_else(|| {
                        ApiError::internal(format_args!("secret {} has lost its text", binding.name))
                    })?;
                    let kind = BindingKind::SecretText { text: Some(text) };
                    Ok(Binding { name: binding.name.clone(), kind })
                }
                _ => Ok(binding.clone()),
            })
            .collect()
    }
}

impl Accepted {
    /// What the client should know of a version that was accepted.
    pub fn warning(&self) -> Option<&'static str> {
        let takes_mail = self.version.exports.handlers.iter().any(|handler| handler == "email");
        takes_mail.then_some(
            "This Worker exports an email() handler, which nothing calls: this Hearth does not receive mail yet.",
        )
    }

    /// An answer, with what the client should know.
    pub fn reply(&self, result: Value) -> Reply {
        let reply = Reply::new(result);
        match self.warning() {
            Some(warning) => {
                tracing::warn!(worker = %self.worker.name, version = %self.version.id, "{warning}");
                reply.message(warning)
            }
            None => reply,
        }
    }
}

/// Settings of an upload as changes to the worker.
pub(crate) fn settings_changes(settings: ScriptSettings) -> WorkerChanges {
    WorkerChanges {
        tags: settings.tags,
        logpush: settings.logpush,
        observability: settings.observability.map(Some),
        tail_consumers: settings.tail_consumers.map(Some),
        subdomain: settings.subdomain,
        dialect_settings: settings.dialect,
        ..WorkerChanges::default()
    }
}

fn launch(
    account: &AccountId,
    worker: WorkerId,
    name: &WorkerName,
    version: VersionId,
    candidate: &Candidate,
    bindings: Vec<Binding>,
) -> Launch {
    let modules = candidate
        .modules
        .iter()
        .filter(|module| module.kind != ModuleKind::SourceMap)
        .map(|module| LaunchModule {
            name: module.name.clone(),
            kind: module.kind,
            content: module.content.clone(),
        })
        .collect();
    Launch {
        account: account.clone(),
        worker,
        name: name.clone(),
        version,
        tag: candidate.annotations.get("workers/tag").cloned().unwrap_or_default(),
        created_on: Timestamp::now().to_string(),
        format: candidate.format.clone(),
        modules,
        bindings,
        compatibility: candidate.compatibility.clone(),
        limits: candidate.limits,
        exports: Exports::default(),
        workflows: Vec::new(),
        objects: probe_namespaces(&candidate.bindings.bindings),
    }
}

/// A namespace for every class that is bound: whether they exist is decided when the code has said what it exports.
fn probe_namespaces(bindings: &[Binding]) -> Vec<Namespace> {
    let classes: BTreeSet<&str> = bindings.iter().filter_map(Binding::own_class).collect();
    let namespace =
        |class: &str| Namespace { id: NamespaceId::random(), class: class.to_owned(), sqlite: true };
    classes.into_iter().map(namespace).collect()
}

fn probe_error(error: ProbeError) -> ApiError {
    match error {
        ProbeError::Invalid(text) => ApiError::invalid_upload(text),
        ProbeError::Unavailable(detail) => ApiError::internal(detail),
    }
}
