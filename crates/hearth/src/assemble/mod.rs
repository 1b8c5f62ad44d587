//! Makes a server of the crates.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use futures::future::BoxFuture;
use hearth_access::Access;
use hearth_analytics::Analytics;
use hearth_api::session::Peer;
use hearth_api::{Api, ApiConfig, Assets, Operation, PublicUrl, analytics};
use hearth_assets::{Contents, Sites};
use hearth_audit::Recorder;
use hearth_cache::Cache;
use hearth_cron::Cron;
use hearth_dialects::{deploy, nexo::Nexo};
use hearth_egress::{Egress, Policy};
use hearth_functions::{Builder, Functions, Records, Registries, Toolchains};
use hearth_gateway::{
    Client, Control, ControlBody, Gateway, Guard, Inspections, PublicPaths, RouteTable, TableConfig,
};
use hearth_inspector::Inspector;
use hearth_jail::JailerHandle;
use hearth_kv::Kv;
use hearth_metrics::{Operations, Usage};
use hearth_model::AccountId;
use hearth_objects::Objects;
use hearth_observe::{Hub, Logs, LogsConfig};
use hearth_pages::Pages;
use hearth_queues::Queues;
use hearth_r2::R2;
use hearth_ratelimit::Limits;
use hearth_rpc::RpcThreads;
use hearth_s3::Endpoint;
use hearth_signin::Signin;
use hearth_space::Space;
use hearth_store::{EgressScope, Store};
use hearth_supervisor::Supervisor;
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tower::util::MapResponseLayer;

use crate::doctor::Examination;
use crate::settings::Settings;
use crate::upkeep::collect_garbage;
use crate::wiring::{
    self, Attach, Backup, BucketEvents, Capabilities, Code, Consumers, Counted, Databases, DialectProcesses,
    Engines, Inside, Kept, Lanes, Meters, Outgoing, Platform, ScheduledRuns, parse_policy,
};

/// Threads for calls between workers; Cap'n Proto connections stay on the one they began on.
const RPC_THREADS: usize = 2;

/// Descriptors that one process needs of us: four listeners, two pipes, its heartbeat and a connection.
const FILES_PER_PROCESS: usize = 8;

/// How long what workers logged last may take to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Where static assets lie in the data folder.
pub const ASSETS_FOLDER: &str = "assets";

/// Who changed what, in the data folder.
pub const AUDIT: &str = "audit.db";

/// Where KV's data lies in the data folder.
pub const KV_FOLDER: &str = "kv";

/// Where Analytics Engine's data lies in the data folder.
pub const ANALYTICS_FOLDER: &str = "analytics";

/// What workers did in each minute, in the data folder.
const MINUTES: &str = "minutes.db";

/// Where the cache lies in the data folder.
pub const CACHE_FOLDER: &str = "cache";

/// Where D1's data lies in the data folder.
pub const D1_FOLDER: &str = "d1";

/// Where what was built of functions lies in the data folder, and what is remembered of their calls.
const FUNCTIONS_FOLDER: &str = "functions";

/// Where the queues lie in the data folder.
pub const QUEUES_FOLDER: &str = "queues";

/// Where workers' logs lie in the data folder.
const LOGS_FOLDER: &str = "observe";

/// Where R2's data lies in the data folder.
pub const R2_FOLDER: &str = "r2";

/// Where the storage of Durable Objects lies in the data folder.
pub const OBJECTS_FOLDER: &str = "do";

/// A running server.
pub struct Server {
    supervisor: Supervisor,
    services: Arc<Attach>,
    store: Store,
    databases: Databases,
    analytics: Analytics,
    meters: Meters,
    queues: Queues,
    records: Records,
    audit: hearth_audit::Log,
    hub: Hub,
    serving: JoinHandle<()>,
    closing: CancellationToken,
}

impl Server {
    /// Starts everything, the listener last: what it takes, it can serve.
    ///
    /// # Errors
    /// What could not be started, and why.
    pub async fn start(
        settings: &Settings,
        run_dir: PathBuf,
        jailer: JailerHandle,
        toolchains: Toolchains,
        examined: Examination,
    ) -> Result<Self> {
        let listener = TcpListener::bind(settings.listen).await.with_context(|| {
            format!(
                "cannot listen on {}; is another server there? Choose another with --listen",
                settings.listen
            )
        })?;
        let listen = listener.local_addr()?;
        let s3_listener = s3_listener(settings).await?;
        let mut own = vec![listen];
        own.extend(s3_listener.as_ref().map(TcpListener::local_addr).transpose()?);
        let store = Store::open(&settings.data_dir).await?;
        let default_account = bootstrap(&store, &settings.data_dir).await?;
        store.set_default_quotas(settings.quotas());

        let table = Arc::new(RouteTable::new(
            TableConfig {
                base_domains: settings.base_domains.clone(),
                path_hosts: settings.path_hosts.clone(),
            },
            store.published().await?,
        ));
        let inside = Arc::new(Inside::default());
        let configured =
            Policy { allow: settings.egress.allow.clone(), hosts: settings.egress.hosts.clone() };
        let outgoing = Arc::new(Outgoing::default());
        let counted = Counted { inside: Arc::clone(&inside), outgoing: Arc::clone(&outgoing) };
        let egress = way_out(settings, own, &store, &configured, counted).await?;
        let space = space(settings)?;
        wiring::space::register(&space, &store).await?;
        let hub = Hub::new(logs(settings, &space)?);
        let threads = RpcThreads::new(RPC_THREADS)?;
        let kv = hearth_kv::Config::new(settings.data_dir.join(KV_FOLDER));
        let kv = Kv::open(hearth_kv::Config { space: space.clone(), ..kv }, store.clone()).await?;
        let queues = hearth_queues::Config::new(settings.data_dir.join(QUEUES_FOLDER));
        let queues = hearth_queues::Config { space: space.clone(), ..queues };
        let queues = Queues::open(queues, store.clone()).await?;
        let r2 = hearth_r2::Config::new(settings.data_dir.join(R2_FOLDER));
        let r2 = R2::open(store.clone(), &hearth_r2::Config { space: space.clone(), ..r2 }).await?;
        let jailer = jailer.into_async()?;
        let toolchains = Arc::new(toolchains);
        let builds = std::path::absolute(settings.data_dir.join(FUNCTIONS_FOLDER))?;
        std::fs::create_dir_all(&builds)?;
        let registries = Registries {
            npm: settings.functions.npm_registry.clone(),
            pip: settings.functions.pip_index.clone(),
            hosts: settings.functions.registry_hosts.clone(),
        };
        let (jail, dir, tools) = (jailer.clone(), run_dir.clone(), Arc::clone(&toolchains));
        let builder = Builder::new(jail, dir, builds.clone(), tools, registries);
        let databases = Databases::open(&settings.data_dir, space.clone(), jailer.clone(), run_dir.clone())?;
        let cache = cache(settings, &space)?;
        egress.keep_in(Arc::new(Kept(cache.clone())));
        r2.listen(Arc::new(BucketEvents(queues.clone())));
        let points = hearth_analytics::Config::new(settings.data_dir.join(ANALYTICS_FOLDER));
        let points = Analytics::open(hearth_analytics::Config { space: space.clone(), ..points })?;
        let counts = Arc::new(Operations::default());
        let usage = Arc::new(Usage::default());
        let folder = std::path::absolute(settings.data_dir.join(OBJECTS_FOLDER))?;
        let config = hearth_objects::Config { folder: folder.clone(), space: space.clone() };
        let (objects, keeper) = Objects::new(store.clone(), config);
        let contents = Contents::open(settings.data_dir.join(ASSETS_FOLDER), space.clone())?;
        let known = wiring::KnownAssets::new(store.clone());
        let sites = Sites::new(Arc::new(known), contents.clone());
        let capabilities = Capabilities {
            assets: sites.clone(),
            kv: kv.clone(),
            queues: queues.clone(),
            r2: r2.clone(),
            d1: databases.wire(),
            cache: cache.clone(),
            limits: Limits::default(),
            analytics: points.clone(),
            operations: Arc::clone(&counts),
            usage: Arc::clone(&usage),
            objects: objects.clone(),
        };
        builder.begin(Arc::new(wiring::PackagesWayOut::new(&egress)));
        let services = Attach::new(
            store.clone(),
            egress,
            Arc::clone(&table),
            threads.clone(),
            capabilities,
            hub.clone(),
            settings.logs.workers != hearth_supervisor::Tails::None,
        )?;
        let supervisor = Supervisor::start(
            processes(settings, run_dir, folder),
            jailer,
            Arc::new(Code { store: store.clone(), table: Arc::clone(&table), builder: builder.clone() }),
            Arc::clone(&services) as _,
        );
        wiring::quotas::apply(&store, &space, &table, &supervisor).await?;
        hub.begin(Arc::new(wiring::Seeing::new(&table, &supervisor, &threads)));
        wiring::follow_all(&hub, &store).await?;
        services.begin(supervisor.clone());
        wiring::own_all(&store, &table, &supervisor).await?;
        wiring::keep_all(&store, &table, &supervisor).await?;

        let closing = CancellationToken::new();
        let consumers =
            Consumers::new(store.clone(), Arc::clone(&table), supervisor.clone(), services.losses());
        queues.begin(consumers, closing.clone());
        let runner = ScheduledRuns::new(&table, &supervisor, services.losses());
        let cron = Cron::start(store.clone(), Arc::clone(&runner) as _, closing.clone()).await?;
        let platform = Arc::new(Platform {
            store: store.clone(),
            table: Arc::clone(&table),
            supervisor: supervisor.clone(),
            services: Arc::clone(&services),
            configured,
            cron: cron.clone(),
            hub: hub.clone(),
            objects: objects.clone(),
            space: space.clone(),
            lanes: Lanes::default(),
        });
        let alarmed = wiring::Alarmed { table: Arc::clone(&table), supervisor: supervisor.clone() };
        tokio::spawn(keeper.keep(Arc::new(alarmed), closing.clone()));
        let data_dir = settings.data_dir.clone();
        let audit = audit(settings)?;
        let backup = Backup {
            store: store.clone(),
            kv: kv.clone(),
            queues: queues.clone(),
            r2: r2.clone(),
            d1: databases.d1(),
            analytics: points.clone(),
            objects: objects.clone(),
            assets: contents.clone(),
            audit: audit.clone(),
            data_dir,
        };
        let mut operations = backup.operations()?;
        operations.push(wiring::nodes::operation(&settings.data_dir, listen, examined));
        operations.extend(kv.operations());
        operations.extend(r2.operations());
        operations.extend(points.operations());
        operations.extend(objects.operations());
        operations.extend(cache.operations(&store));
        let records = Records::open(&builds.join("records.db"))?;
        let config = api_config(settings, listen.port());
        let scheme = config.public_url.scheme.clone();
        let d1 = databases.endpoints(store.clone(), &settings.data_dir, scheme).await?;
        operations.extend(d1.operations());
        let minutes = settings.data_dir.join(MINUTES);
        let meters = Meters::new(Arc::clone(&table), supervisor.clone(), outgoing, usage, &minutes)?;
        operations.push(analytics(vec![
            Arc::new(d1.clone()),
            Arc::new(r2.clone()),
            Arc::new(meters.clone()),
        ]));
        let api = Api::new(store.clone(), Arc::clone(&platform) as _, config);
        let assets = Assets::new(api.clone(), contents.clone());
        operations.extend(assets.operations());
        let pages = Pages::new(api.clone(), contents.clone());
        operations.extend(pages.operations());
        let functions = Functions::new(hearth_functions::Config {
            api: api.clone(),
            store: store.clone(),
            runtime: Arc::clone(&platform) as _,
            deployed: Arc::new(wiring::Served(Arc::clone(&table))),
            supervisor: supervisor.clone(),
            builder,
            toolchains,
            records: records.clone(),
            audience: Arc::clone(&services) as _,
        });
        services.begin_functions(functions.clone());
        runner.begin(functions.clone());
        operations.extend(hearth_cron::api::operations(&api, &cron));
        let status = wiring::status::Status {
            api: api.clone(),
            meters: meters.clone(),
            kv: kv.clone(),
            r2: r2.clone(),
            d1: databases.d1(),
            queues: queues.clone(),
            objects: objects.clone(),
        };
        operations.extend(status.operations());
        operations.extend(queues.operations(&api));
        operations.extend(hearth_observe::operations(&api, &hub));
        operations.extend(hearth_audit::operations(&audit));
        let access = Access::open(api.clone(), access_config(settings, api.config())).await?;
        operations.extend(access.operations());
        let inspector = Inspector::new(api.clone(), supervisor.clone(), closing.clone());
        operations.extend(inspector.operations());
        let more = vec![
            Arc::new(wiring::data_points(points.clone())) as _,
            Arc::new(wiring::lost_traces(Arc::clone(&services))) as _,
        ];
        let metrics = wiring::metrics_operation(&api, queues.clone(), meters.clone(), counts, more);
        let processes = DialectProcesses::new(supervisor.clone());
        operations.extend(wiring::trial::operations(&api, Arc::clone(&processes) as _));
        let nexo = Nexo::open(api.clone(), Arc::clone(&processes) as _, nexo_config(settings)).await?;
        let mut plain = d1.signed();
        plain.extend(assets.uploads());
        plain.extend(pages.uploads());
        plain.extend([hearth_observe::connections(&hub), metrics, health()]);
        plain.extend(inspector.attachments());
        plain.extend(access.pages());
        plain.extend(deploy::operations(api.clone(), Arc::clone(&processes) as _));
        plain.extend(nexo.operations());
        plain.extend(hearth_functions::operations(&functions));
        plain.extend(Signin::new(api.clone(), settings.egress.extra_ca_file.as_deref())?.operations());
        let engines = Engines {
            supervisor: supervisor.clone(),
            platform,
            objects: settings.data_dir.join(OBJECTS_FOLDER),
        };
        operations.extend(hearth_workflows::operations(&api, Arc::new(engines)));
        let below: Vec<_> = hearth_api::operations()
            .iter()
            .chain(&operations)
            .map(|operation| (operation.method.clone(), operation.path))
            .collect();
        let v4 = hearth_api::router(api.clone(), operations);
        plain.extend(hearth_dialects::templates::operations(api.clone(), v4.clone()));
        let known = wiring::openapi::known(&below, &plain);
        let plain = hearth_api::plain_router(api.clone(), wiring::openapi::with_document(&below, plain));
        let recorder = Recorder::new(api, audit.clone(), known)?;
        let gateway = Gateway::new(
            gateway_config(settings),
            Arc::new(supervisor.clone()),
            table,
            sites,
            Arc::new(ControlHost::new(recorder.around(v4.merge(plain)), nexo, inspector, access.clone())),
            services.losses(),
        )?;
        inside.begin(Arc::clone(&gateway));
        processes.begin(Arc::clone(&gateway));
        meters.begin(Arc::clone(&gateway));

        let measure = wiring::space::measure(
            space.clone(),
            store.clone(),
            kv,
            queues.clone(),
            r2.clone(),
            databases.d1(),
            contents,
        );
        tokio::spawn(closing.clone().run_until_cancelled_owned(measure));
        tokio::spawn(closing.clone().run_until_cancelled_owned(space.watch()));
        tokio::spawn(closing.clone().run_until_cancelled_owned(points.clone().keep_cleaning()));
        tokio::spawn(closing.clone().run_until_cancelled_owned(meters.clone().keep()));
        tokio::spawn(closing.clone().run_until_cancelled_owned(r2.clone().keep_sweeping()));
        tokio::spawn(closing.clone().run_until_cancelled_owned(collect_garbage(store.clone(), assets)));
        tokio::spawn(closing.clone().run_until_cancelled_owned(hub.clone().keep_sweeping()));
        tokio::spawn(closing.clone().run_until_cancelled_owned(access.keep()));
        tokio::spawn(closing.clone().run_until_cancelled_owned(databases.upkeep(d1)));
        let s3 = Endpoint::new(store.clone(), r2, s3_config(settings, default_account));
        let until = closing.clone();
        let serving = tokio::spawn(async move {
            let s3 = async {
                if let Some(listener) = s3_listener {
                    s3.serve(listener, until.clone()).await;
                }
            };
            tokio::join!(gateway.serve(listener, until.clone()), s3);
        });
        tracing::info!(%listen, s3 = ?settings.s3_listen.0, dev = settings.dev, data = %settings.data_dir.display(), "ready");
        Ok(Self {
            supervisor,
            services,
            store,
            databases,
            analytics: points,
            meters,
            hub,
            queues,
            records,
            audit,
            serving,
            closing,
        })
    }

    /// Stops taking requests, lets those in flight finish, and ends.
    pub async fn stop(self, patience: Duration) {
        self.closing.cancel();
        self.hub.close();
        let workers = self.supervisor.shut_down(patience);
        let _ = tokio::join!(self.serving, workers);
        // What a log that is not read holds up must not hold up the end.
        let _ = tokio::time::timeout(LAST_LINES, self.services.logged()).await;
        // Every handler has ended; what it said is recorded.
        self.queues.stop().await;
        self.records.flush().await;
        self.audit.flush().await;
        let _ = tokio::time::timeout(LAST_LINES, self.hub.logs().flush()).await;
        self.meters.settle().await;
        self.analytics.stop().await;
        self.databases.stop().await;
        self.store.close().await;
    }
}

/// The account and the admin token that every installation has.
async fn bootstrap(store: &Store, data_dir: &Path) -> Result<AccountId> {
    let given = std::env::var("HEARTH_ADMIN_TOKEN").ok();
    let bootstrap = store.bootstrap(given.as_deref()).await?;
    if let Some(token) = bootstrap.generated_token {
        let path = data_dir.join("admin-token");
        write_secret(&path, &token).with_context(|| format!("cannot write {}", path.display()))?;
        tracing::info!(path = %path.display(), "an admin token was made");
    }
    Ok(bootstrap.account.id)
}

async fn s3_listener(settings: &Settings) -> Result<Option<TcpListener>> {
    let Some(address) = settings.s3_listen.0 else { return Ok(None) };
    let bound = TcpListener::bind(address).await.with_context(|| {
        format!(
            "cannot listen on {address} for S3; is another server there? Choose another with --s3-listen, \
             or switch it off with --s3-listen off"
        )
    })?;
    Ok(Some(bound))
}

fn s3_config(settings: &Settings, default_account: AccountId) -> hearth_s3::Config {
    let defaults = hearth_s3::Config::new(settings.s3_hosts.clone(), default_account);
    let max_connections = defaults.max_connections.min(open_files() / 8).max(16);
    hearth_s3::Config { max_connections, ..defaults }
}

/// How much KV, R2 and D1 may still write.
fn space(settings: &Settings) -> Result<Space> {
    let bytes = |mb: u64| mb.saturating_mul(1 << 20);
    let config = hearth_space::Config {
        folder: settings.data_dir.clone(),
        account_quota: settings.storage.account_quota_mb.map(bytes),
        reserve: settings.storage.reserve_mb.map(bytes),
    };
    Space::new(config).context("the data folder's disk cannot be asked what it has free")
}

/// Who changes what.
fn audit(settings: &Settings) -> Result<hearth_audit::Log> {
    let config = hearth_audit::Config {
        path: settings.data_dir.join(AUDIT),
        retention: Duration::from_secs(u64::from(settings.audit.retention_days) * 24 * 3600),
        most_bytes: settings.audit.max_mb.saturating_mul(1 << 20),
    };
    hearth_audit::Log::open(&config).context("the audit log cannot be kept in the data folder")
}

/// What workers cache.
fn cache(settings: &Settings, space: &Space) -> Result<Cache> {
    let bytes = |mb: u64| mb.saturating_mul(1 << 20);
    let folder = settings.data_dir.join(CACHE_FOLDER);
    let config = hearth_cache::Config {
        memory: usize::try_from(bytes(settings.cache.memory_mb)).unwrap_or(usize::MAX),
        disk: bytes(settings.cache.disk_mb),
        space: space.clone(),
        ..hearth_cache::Config::new(folder.clone())
    };
    Cache::open(config).with_context(|| format!("{} cannot be used for the cache", folder.display()))
}

fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let mut file =
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

async fn way_out(
    settings: &Settings,
    own: Vec<std::net::SocketAddr>,
    store: &Store,
    configured: &Policy,
    inside: Counted,
) -> Result<Arc<Egress>> {
    let config = hearth_egress::Config {
        extra_ca_file: settings.egress.extra_ca_file.clone(),
        own,
        ..hearth_egress::Config::default()
    };
    let mut policy = configured.clone();
    if let Some(stored) = store.egress_rules(&EgressScope::Installation).await? {
        policy.extend(parse_policy(stored));
    }
    Ok(Egress::new(config, policy, Arc::new(inside))?)
}

fn processes(settings: &Settings, run_dir: PathBuf, objects: PathBuf) -> hearth_supervisor::Config {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut config = hearth_supervisor::Config::for_machine(run_dir, objects, cores, machine_memory());
    let wanted = &settings.processes;
    config.spares = wanted.spares.unwrap_or(config.spares).max(1);
    config.memory_budget = wanted.memory_budget_mb.map_or(config.memory_budget, |mb| mb << 20);
    let affordable = open_files() / 2 / FILES_PER_PROCESS;
    config.max_processes = wanted.max.unwrap_or(config.max_processes).min(affordable).max(1);
    config.max_per_worker = wanted.max_per_worker.unwrap_or(config.max_per_worker).max(1);
    config.spare_cores = wanted.spare_cores.unwrap_or(config.spare_cores);
    config.cool_down = wanted.cool_down_s.map_or(config.cool_down, Duration::from_secs);
    let functions = &settings.functions;
    config.function_spares = functions.spares.unwrap_or(config.function_spares);
    config.max_per_function = functions.max_processes.unwrap_or(config.max_per_function).max(1);
    config.queue_timeout = functions.queue_timeout_s.map_or(config.queue_timeout, Duration::from_secs);
    config.tails = settings.logs.workers;
    config.idle_timeout = wanted.idle_timeout_s.map_or(config.idle_timeout, Duration::from_secs);
    config.swap_window = wanted.swap_window_ms.map_or(config.swap_window, Duration::from_millis);
    config
}

/// Descriptors that this process may have.
fn open_files() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX)
}

/// What is kept of workers' logs.
fn logs(settings: &Settings, space: &Space) -> Result<Logs> {
    let defaults = LogsConfig::new(settings.data_dir.join(LOGS_FOLDER), space.clone());
    let days = |days: u32| Duration::from_secs(u64::from(days) * 24 * 3600);
    let config = LogsConfig {
        retention: settings.logs.retention_days.map_or(defaults.retention, days),
        account_bytes: settings
            .logs
            .account_mb
            .map_or(defaults.account_bytes, |mb| mb.saturating_mul(1 << 20)),
        ..defaults
    };
    Logs::open(config).context("logs cannot be kept in the data folder")
}

/// Bytes of memory of the machine; 2 GiB where it cannot be read.
fn machine_memory() -> u64 {
    wiring::nodes::memory("MemTotal:").unwrap_or(2 << 30)
}

fn api_config(settings: &Settings, port: u16) -> ApiConfig {
    let public_url = match &settings.public_url {
        Some(url) => PublicUrl { scheme: url.scheme().to_owned(), port: url.port() },
        None => PublicUrl { scheme: "http".to_owned(), port: (port != 80).then_some(port) },
    };
    ApiConfig {
        base_domains: settings.base_domains.iter().map(ToString::to_string).collect(),
        public_url,
        require_token: !settings.dev,
        ..ApiConfig::default()
    }
}

/// Where people sign in for Access, and what it stands before.
fn access_config(settings: &Settings, api: &ApiConfig) -> hearth_access::Config {
    let host = settings.api_hosts.first().map_or("localhost", |host| host.as_str());
    let port = api.public_url.port.map(|port| format!(":{port}")).unwrap_or_default();
    hearth_access::Config {
        control: format!("{}://{host}{port}", api.public_url.scheme),
        base_domains: settings.base_domains.clone(),
        control_hosts: settings.api_hosts.clone(),
    }
}

fn gateway_config(settings: &Settings) -> hearth_gateway::Config {
    let defaults = hearth_gateway::Config::default();
    hearth_gateway::Config {
        colo: settings.colo.clone(),
        mmdb: settings.mmdb.clone(),
        trusted_proxies: settings.trusted_proxies.clone(),
        api_hosts: settings.api_hosts.clone(),
        dev: settings.dev,
        // A client's connection needs another one to its worker.
        max_connections: defaults.max_connections.min(open_files() / 4).max(16),
        ..defaults
    }
}

fn nexo_config(settings: &Settings) -> hearth_dialects::nexo::Config {
    let defaults = hearth_dialects::nexo::Config::default();
    let max_concurrent = settings.nexo.max_concurrent.unwrap_or(defaults.max_concurrent);
    hearth_dialects::nexo::Config { max_concurrent }
}

/// What a load balancer asks.
fn health() -> Operation {
    let well = || async { axum::Json(serde_json::json!({ "status": "ok" })) };
    Operation::new(Method::GET, "/health", well, &()).without_token()
}

/// The control host: the console, the API, dialects, and what a load balancer asks. Whatever answers, browsers are told
/// that it is no page, but the console.
struct ControlHost {
    router: Router,
    nexo: Nexo,
    inspector: Inspector,
    access: Access,
    /// Not on the gateway's threads: what takes long here must not hold up traffic there.
    here: tokio::runtime::Handle,
}

impl ControlHost {
    fn new(router: Router, nexo: Nexo, inspector: Inspector, access: Access) -> Self {
        let router = router.merge(hearth_console::router());
        let router = router.layer(MapResponseLayer::new(|mut response: axum::response::Response| {
            hearth_console::seal(response.headers_mut());
            response
        }));
        Self { router, nexo, inspector, access, here: tokio::runtime::Handle::current() }
    }
}

impl Control for ControlHost {
    fn call(&self, mut request: Request<Incoming>) -> BoxFuture<'static, Response<ControlBody>> {
        if let Some(client) = request.extensions().get::<Client>().copied() {
            request.extensions_mut().insert(Peer { ip: client.ip, https: client.https });
        }
        let invokes = hearth_functions::is_invoke(request.method(), request.uri().path());
        let answer = self.router.clone().oneshot(request.map(axum::body::Body::new));
        if invokes {
            // Traffic in all but its host: what it waits for is a process, as every request here does.
            return Box::pin(async move {
                let Ok(response) = answer.await;
                response.map(|body| body.map_err(Into::into).boxed_unsync())
            });
        }
        let answer = self.here.spawn(answer);
        Box::pin(async move {
            match answer.await {
                Ok(Ok(response)) => response.map(|body| body.map_err(Into::into).boxed_unsync()),
                Ok(Err(never)) => match never {},
                Err(error) => {
                    tracing::error!(%error, "an API call ended in a panic");
                    let mut response =
                        Response::new(http_body_util::Empty::new().map_err(Into::into).boxed_unsync());
                    *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
                    response
                }
            }
        })
    }

    fn guard(&self) -> Option<&dyn Guard> {
        Some(&self.access)
    }

    fn inspections(&self) -> Option<&dyn Inspections> {
        Some(&self.inspector)
    }

    fn public(&self) -> Option<&dyn PublicPaths> {
        Some(&self.nexo)
    }
}
