//! The functions of an installation: made, changed, removed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hearth_api::{Api, Caller, Change, Runtime};
use hearth_model::{
    AccountId, Binding, BindingKind, CodeUpdate, Compatibility, Deployment, DeploymentSource, Dialect,
    Exports, Format, FunctionRuntime, Launch, LaunchModule, Limits, TooMany, Version, VersionId, WorkerId,
    WorkerName,
};
use hearth_store::{
    DomainSpec, DomainWrite, NewModule, NewVersion, NewWorker, Origin, Page, Release, RouteSpec, Store,
    StoreError, Worker, WorkerChanges,
};
use hearth_supervisor::Supervisor;
use http::StatusCode;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::audience::Audience;
use crate::build::{Builder, Built, Source};
use crate::draft::{Declared, Draft};
use crate::error::Refusal;
use crate::records::Records;
use crate::toolchain::Toolchains;

/// Locks for changes of one function at a time; functions share them by their names.
const LANES: usize = 16;

/// What the data plane serves of a worker.
pub trait Deployed: Send + Sync + 'static {
    /// The account and the version of a function, if it is one and has one.
    fn function(&self, id: WorkerId) -> Option<(AccountId, WorkerName, VersionId)>;

    /// Counts a call over the API among its account's requests of this minute.
    ///
    /// # Errors
    /// There have been as many as there may be.
    fn arrive(&self, account: &AccountId) -> Result<(), TooMany>;

    /// Counts a call over the API among the function's requests: the status that a visitor would have got, how long it
    /// took, and the bytes of its answer.
    fn called(&self, id: WorkerId, status: StatusCode, took: Duration, bytes: usize);
}

/// What functions need of the rest.
pub struct Config {
    /// The API whose tokens open this one.
    pub api: Api,
    /// The metadata.
    pub store: Store,
    /// The data plane, as the API drives it.
    pub runtime: Arc<dyn Runtime>,
    /// The data plane, as traffic sees it.
    pub deployed: Arc<dyn Deployed>,
    /// The processes.
    pub supervisor: Supervisor,
    /// What makes functions ready.
    pub builder: Builder,
    /// What there is on this machine.
    pub toolchains: Arc<Toolchains>,
    /// What is remembered of calls.
    pub records: Records,
    /// Who watches.
    pub audience: Arc<dyn Audience>,
}

/// The functions. Clones are the same.
#[derive(Clone)]
pub struct Functions(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub config: Config,
    lanes: Vec<Mutex<()>>,
}

/// A function as it is deployed.
pub(crate) struct Function {
    pub worker: Worker,
    pub version: Version,
}

/// Annotations of a version, with what its answers repeat.
const WARNINGS: &str = "hearth/warnings";

impl Functions {
    /// The functions of an installation.
    pub fn new(config: Config) -> Self {
        let lanes = (0..LANES).map(|_| Mutex::new(())).collect();
        Self(Arc::new(Inner { config, lanes }))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.config.store
    }

    async fn lane(&self, name: &str) -> tokio::sync::MutexGuard<'_, ()> {
        let sum = name.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        self.0.lanes[sum % LANES].lock().await
    }

    /// All functions of an account, by name.
    pub(crate) async fn list(&self, account: &AccountId) -> Result<Vec<Function>, Refusal> {
        let workers = self.store().workers(account, Some(Dialect::Functions), Page::ALL).await?.items;
        let mut functions = Vec::with_capacity(workers.len());
        for worker in workers {
            if let Some(version) = self.store().latest_version(worker.id).await? {
                functions.push(Function { worker, version });
            }
        }
        Ok(functions)
    }

    /// A function of an account.
    pub(crate) async fn find(&self, account: &AccountId, id: &str) -> Result<Function, Refusal> {
        let unknown = || Refusal::unknown(id);
        let worker = self.store().worker(id.parse().map_err(|_| unknown())?).await?;
        if worker.account != *account || worker.dialect != Dialect::Functions {
            return Err(unknown());
        }
        let version = self.store().latest_version(worker.id).await?.ok_or_else(unknown)?;
        Ok(Function { worker, version })
    }

    /// Makes a function.
    pub(crate) async fn create(
        &self,
        caller: &Caller,
        account: AccountId,
        draft: Draft,
    ) -> Result<Function, Refusal> {
        let missing = |field| move || Refusal::field(field, "it is missing");
        let name = draft.name.clone().ok_or_else(missing("name"))?;
        let runtime = draft.runtime.ok_or_else(missing("runtime"))?;
        let code = draft.code.clone().ok_or_else(missing("code"))?;
        let handler = draft.handler.clone().ok_or_else(missing("handler"))?;
        let _lane = self.lane(name.as_str()).await;
        match self.store().worker_by_name(&account, Dialect::Functions, &name).await {
            Ok(_) => {
                let text = format!("there is a function `{name}` already");
                return Err(Refusal::field("name", text).with_status(StatusCode::CONFLICT));
            }
            Err(StoreError::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let source = Source {
            runtime,
            typescript: draft.typescript,
            handler,
            code,
            dependencies: draft.dependencies.clone().flatten(),
        };
        let make = NewWorker { account: account.clone(), dialect: Dialect::Functions, name };
        let id = WorkerId::random();
        let made = self.deploy(caller, id, Some(make.clone()), make, source, settings(&draft, None)).await?;
        if let Err(refusal) = self.place(id, &draft).await {
            // All of it or nothing.
            self.store().delete_worker(id).await?;
            self.0.config.runtime.changed(Change::WorkerGone(id)).await;
            return Err(refusal);
        }
        Ok(made)
    }

    /// Puts a function where it is to answer requests, if that was said.
    async fn place(&self, id: WorkerId, draft: &Draft) -> Result<(), Refusal> {
        let config = &self.0.config;
        if let Some(host) = &draft.host {
            let spec = |hostname: &hearth_model::Hostname| DomainSpec {
                hostname: hostname.clone(),
                zone_id: None,
                zone_name: None,
                enabled: true,
                previews_enabled: false,
            };
            let wanted = host.iter().map(spec).collect();
            let how = DomainWrite { replace: true, take_over: false };
            let written = config.store.write_domains(id, wanted, how).await;
            written.map_err(|error| Refusal::from(error).about("host"))?;
            config.runtime.changed(Change::Domains).await;
        }
        if let Some(route) = &draft.route {
            let mut wanted = Vec::new();
            if let Some(pattern) = route {
                let checked = config.api.config().check_pattern(pattern);
                checked.map_err(|error| Refusal::from(error).about("route"))?;
                wanted.push(RouteSpec { pattern: pattern.clone(), zone_id: None, zone_name: None });
            }
            let written = config.store.replace_routes(id, wanted).await;
            written.map_err(|error| Refusal::from(error).about("route"))?;
            config.runtime.changed(Change::Routes).await;
        }
        Ok(())
    }

    /// Changes a function: only what is sent.
    pub(crate) async fn update(
        &self,
        caller: &Caller,
        account: AccountId,
        id: &str,
        draft: Draft,
    ) -> Result<Function, Refusal> {
        let Function { worker, .. } = self.find(&account, id).await?;
        let _lane = self.lane(worker.name.as_str()).await;
        let Function { mut worker, version } = self.find(&account, id).await?;
        if let Some(name) = draft.name.as_ref().filter(|name| name.as_str() != worker.name.as_str()) {
            worker = self.store().rename_worker(worker.id, name).await?;
            self.0.config.runtime.changed(Change::Worker(worker.id)).await;
        }
        self.place(worker.id, &draft).await?;
        let same = Draft { name: None, host: None, route: None, ..draft };
        if same == Draft::default() {
            return Ok(Function { worker, version });
        }
        let before = self.source(&version).await?;
        let runtime = same.runtime.unwrap_or(before.runtime);
        let dependencies = match &same.dependencies {
            Some(dependencies) => dependencies.clone(),
            None if runtime == before.runtime => before.dependencies,
            None => None,
        };
        let source = Source {
            runtime,
            typescript: same.typescript.or(before.typescript.filter(|_| same.code.is_none())),
            handler: same.handler.clone().unwrap_or(before.handler),
            code: same.code.clone().unwrap_or(before.code),
            dependencies,
        };
        let of = NewWorker { account, dialect: Dialect::Functions, name: worker.name.clone() };
        self.deploy(caller, worker.id, None, of, source, settings(&same, Some(&version))).await
    }

    /// Removes a function with all that it has.
    pub(crate) async fn delete(&self, account: AccountId, id: &str) -> Result<Function, Refusal> {
        let function = self.find(&account, id).await?;
        let _lane = self.lane(function.worker.name.as_str()).await;
        self.store().delete_worker(function.worker.id).await?;
        self.0.config.runtime.changed(Change::WorkerGone(function.worker.id)).await;
        self.0.config.records.forget(function.worker.id);
        Ok(function)
    }

    /// What a version was made of.
    pub(crate) async fn source(&self, version: &Version) -> Result<Source, Refusal> {
        let function =
            version.format.function().ok_or_else(|| Refusal::internal("the version is no function"))?;
        let mut files = BTreeMap::new();
        for module in &version.modules {
            let content = self.store().module_content(module).await?;
            files.insert(module.name.clone(), String::from_utf8_lossy(&content).into_owned());
        }
        Source::of(function, files).ok_or_else(|| Refusal::internal("the version has lost its code"))
    }

    /// Builds a version and loads it aside from all traffic.
    async fn attempt(&self, place: &Place<'_>, source: Source) -> Result<(Built, Duration), Refusal> {
        let built = self.0.config.builder.build(source).await?;
        let candidate = Launch {
            account: place.of.account.clone(),
            worker: place.worker,
            name: place.of.name.clone(),
            version: place.id,
            tag: String::new(),
            created_on: String::new(),
            format: Format::Function(built.function.clone()),
            modules: built
                .modules
                .iter()
                .map(|module| LaunchModule {
                    name: module.name.clone(),
                    kind: module.kind,
                    content: module.content.clone(),
                })
                .collect(),
            bindings: place.bindings.to_vec(),
            compatibility: compatibility(),
            limits: place.limits,
            exports: Exports::default(),
            objects: Vec::new(),
            workflows: Vec::new(),
        };
        let took = self.0.config.supervisor.try_function(&candidate, &built.function).await?;
        Ok((built, took))
    }

    /// Builds, tries, stores and serves a version.
    async fn deploy(
        &self,
        caller: &Caller,
        worker: WorkerId,
        make: Option<NewWorker>,
        of: NewWorker,
        source: Source,
        (limits, bindings): (Limits, Vec<Binding>),
    ) -> Result<Function, Refusal> {
        let config = &self.0.config;
        if !config.supervisor.runs_functions() {
            return Err(Refusal::new(
                StatusCode::NOT_IMPLEMENTED,
                "functions need the isolation tier `full`, which this server does not have; `hearth doctor` says what \
                 is missing",
            ));
        }
        if let Err(why) = config.toolchains.check(source.runtime) {
            return Err(Refusal::field(
                "runtime",
                format!("{} cannot be used: {why}", source.runtime.name()),
            ));
        }
        let id = VersionId::random();
        let place = Place { id, worker, of: &of, limits, bindings: &bindings };
        let detects = source.runtime == FunctionRuntime::Nodejs && source.typescript.is_none();
        let typed = Source { typescript: Some(true), ..source.clone() };
        let (Built { function, modules, warnings }, took) = match self.attempt(&place, source).await {
            // What is no JavaScript may be TypeScript. If it is neither, what was said first is clearer.
            Err(refusal) if detects && refusal.is_about_syntax() => {
                self.attempt(&place, typed).await.map_err(|_| refusal)?
            }
            attempted => attempted?,
        };
        let mut annotations = BTreeMap::from([("workers/triggered_by".to_owned(), "upload".to_owned())]);
        let release = Release {
            source: DeploymentSource(caller.source.to_owned()),
            author_email: caller.email.clone(),
            annotations: annotations.clone(),
        };
        if !warnings.is_empty() {
            annotations.insert(WARNINGS.to_owned(), json!(warnings).to_string());
        }
        let new = NewVersion {
            id,
            worker,
            make,
            settings: WorkerChanges::default(),
            origin: Origin {
                source: caller.source.to_owned(),
                author_email: caller.email.clone(),
                annotations,
            },
            format: Format::Function(function),
            modules: config.store.put_modules(modules).await?,
            bindings,
            secrets_from: None,
            compatibility: compatibility(),
            limits,
            exports: Exports::default(),
            startup_time_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            objects: Vec::new(),
            assets: None,
        };
        let inserted = config.store.insert_version(new, Some(release)).await?;
        let _: Option<Deployment> = inserted.deployment;
        config.runtime.changed(Change::Deployed(worker, CodeUpdate::Immediate)).await;
        // Whoever calls it first does not wait for it to be read.
        if let Err(error) = config.store.launch(id).await {
            tracing::warn!(%error, version = %id, "a version that was just stored cannot be read");
        }
        Ok(Function { worker: inserted.worker, version: inserted.version })
    }
}

/// What a version will be beside its code.
struct Place<'a> {
    id: VersionId,
    worker: WorkerId,
    of: &'a NewWorker,
    limits: Limits,
    bindings: &'a [Binding],
}

/// No workerd runs it, so it says nothing.
fn compatibility() -> Compatibility {
    Compatibility { date: Compatibility::OLDEST.to_owned(), flags: Vec::new() }
}

/// Limits and environment of a version: those of the one before, with what was sent.
fn settings(draft: &Draft, before: Option<&Version>) -> (Limits, Vec<Binding>) {
    let old = before.map(|version| version.limits).unwrap_or_default();
    let limits = Limits {
        memory_mb: Some(draft.memory_mb.unwrap_or_else(|| old.memory_mb())),
        timeout_ms: Some(draft.timeout_s.map_or_else(|| old.timeout_ms(), |seconds| seconds * 1000)),
        ..old
    };
    let bindings = match (&draft.environment, before) {
        (Some(environment), _) => environment
            .iter()
            .map(|(name, text)| Binding {
                name: name.clone(),
                kind: BindingKind::PlainText { text: text.clone() },
            })
            .collect(),
        (None, Some(version)) => version.bindings.clone(),
        (None, None) => Vec::new(),
    };
    (limits, bindings)
}

impl Function {
    /// The function as the API shows it.
    pub(crate) fn shown(&self) -> Value {
        let Self { worker, version } = self;
        let function = version.format.function();
        let environment: BTreeMap<&str, &str> = version
            .bindings
            .iter()
            .filter_map(|binding| match &binding.kind {
                BindingKind::PlainText { text } => Some((binding.name.as_str(), text.as_str())),
                _ => None,
            })
            .collect();
        let warnings = version.annotations.get(WARNINGS);
        let warnings: Vec<String> =
            warnings.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        json!({
            "id": worker.id.to_string(),
            "name": worker.name.as_str(),
            "runtime": function.map(|function| function.runtime.name()),
            "handler": function.map(|function| function.handler.as_str()),
            "timeout": version.limits.timeout_ms() / 1000,
            "memory": version.limits.memory_mb(),
            "environment": environment,
            "status": "active",
            "version": version.number,
            "created_at": worker.created_on.to_string(),
            "updated_at": worker.modified_on.to_string(),
            "warnings": warnings,
        })
    }

    /// The same with what it was made of, in the form that a change may send it back.
    pub(crate) fn shown_with(&self, source: &Source) -> Value {
        let mut shown = self.shown();
        let typescript = source.typescript == Some(true);
        shown["language"] = json!(match source.runtime {
            FunctionRuntime::Nodejs if typescript => "typescript",
            FunctionRuntime::Nodejs => "javascript",
            FunctionRuntime::Python => "python",
            FunctionRuntime::Go => "go",
        });
        shown["code"] = json!(source.code);
        shown["dependencies"] = match source.dependencies.as_ref().map(|dependencies| &dependencies.declared)
        {
            None => Value::Null,
            Some(Declared::Named(named)) => json!(named),
            Some(Declared::File(text)) => json!(text),
        };
        shown
    }
}

/// A module of text.
pub(crate) fn text_module(name: &str, text: &str) -> NewModule {
    NewModule { name: name.to_owned(), kind: hearth_model::ModuleKind::Text, content: text.to_owned().into() }
}
