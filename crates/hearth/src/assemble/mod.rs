//! Makes a server of the crates.

mod configs;
mod control;
mod state;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use hearth_access::Access;
use hearth_analytics::Analytics;
use hearth_api::{Api, Assets, analytics};
use hearth_assets::Sites;
use hearth_audit::Recorder;
use hearth_cron::Cron;
use hearth_dialects::{deploy, nexo::Nexo};
use hearth_egress::{Egress, Policy};
use hearth_functions::{Builder, Functions, Records, Registries, Toolchains};
use hearth_gateway::{Gateway, RouteTable, TableConfig};
use hearth_inspector::Inspector;
use hearth_jail::JailerHandle;
use hearth_metrics::{Operations, Usage};
use hearth_model::AccountId;
use hearth_observe::Hub;
use hearth_pages::Pages;
use hearth_queues::Queues;
use hearth_ratelimit::Limits;
use hearth_rpc::RpcThreads;
use hearth_s3::Endpoint;
use hearth_signin::Signin;
use hearth_store::{EgressScope, Store};
use hearth_supervisor::Supervisor;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::control::{ControlHost, health};
use self::state::State;
use crate::doctor::Examination;
use crate::settings::Settings;
use crate::upkeep::collect_garbage;
use crate::wiring::{
    self, Attach, Capabilities, Code, Consumers, Counted, Databases, DialectProcesses, Engines, Inside, Kept,
    Lanes, Meters, Outgoing, Platform, ScheduledRuns, parse_policy,
};

/// Threads for calls between workers; Cap'n Proto connections stay on the one they began on.
const RPC_THREADS: usize = 2;

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

/// Where what D1's databases were lies in the data folder.
pub const D1_HISTORY_FOLDER: &str = "d1-history";

/// Where what was built of functions lies in the data folder, and what is remembered of their calls.
const FUNCTIONS_FOLDER: &str = "functions";

/// Where the queues lie in the data folder.
pub const QUEUES_FOLDER: &str = "queues";

/// Where workers' logs lie in the data folder.
pub const LOGS_FOLDER: &str = "observe";

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
        wiring::departed::remove(&settings.data_dir, &store).await;
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
        let threads = RpcThreads::new(RPC_THREADS)?;
        let jailer = jailer.into_async()?;
        let (state, keeper) = State::open(settings, store.clone(), jailer.clone(), &run_dir).await?;
        egress.keep_in(Arc::new(Kept(state.cache.clone())));
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
        let counts = Arc::new(Operations::default());
        let usage = Arc::new(Usage::default());
        let known = wiring::KnownAssets::new(store.clone());
        let sites = Sites::new(Arc::new(known), state.assets.clone());
        let capabilities = Capabilities {
            assets: sites.clone(),
            kv: state.kv.clone(),
            queues: state.queues.clone(),
            r2: state.r2.clone(),
            d1: state.databases.wire(),
            cache: state.cache.clone(),
            limits: Limits::default(),
            analytics: state.analytics.clone(),
            operations: Arc::clone(&counts),
            usage: Arc::clone(&usage),
            objects: state.objects.clone(),
        };
        builder.begin(Arc::new(wiring::PackagesWayOut::new(&egress)));
        let services = Attach::new(
            store.clone(),
            egress,
            Arc::clone(&table),
            threads.clone(),
            capabilities,
            state.hub.clone(),
            settings.logs.workers != hearth_supervisor::Tails::None,
        )?;
        let supervisor = Supervisor::start(
            configs::processes(settings, run_dir, state.objects_folder.clone()),
            jailer,
            Arc::new(Code { store: store.clone(), table: Arc::clone(&table), builder: builder.clone() }),
            Arc::clone(&services) as _,
        );
        wiring::quotas::apply(&store, &state.space, &table, &supervisor).await?;
        state.hub.begin(Arc::new(wiring::Seeing::new(&table, &supervisor, &threads)));
        wiring::follow_all(&state.hub, &store).await?;
        services.begin(supervisor.clone());
        wiring::own_all(&store, &table, &supervisor).await?;
        wiring::keep_all(&store, &table, &supervisor).await?;

        let closing = CancellationToken::new();
        let consumers =
            Consumers::new(store.clone(), Arc::clone(&table), supervisor.clone(), services.losses());
        state.queues.begin(consumers, closing.clone());
        let runner = ScheduledRuns::new(&table, &supervisor, services.losses());
        let cron = Cron::start(store.clone(), Arc::clone(&runner) as _, closing.clone()).await?;
        let code = wiring::space::CodeChanged::default();
        let platform = Arc::new(Platform {
            store: store.clone(),
            table: Arc::clone(&table),
            supervisor: supervisor.clone(),
            services: Arc::clone(&services),
            configured,
            cron: cron.clone(),
            hub: state.hub.clone(),
            objects: state.objects.clone(),
            space: state.space.clone(),
            code: code.clone(),
            lanes: Lanes::default(),
            data_dir: settings.data_dir.clone(),
        });
        let alarmed = wiring::Alarmed { table: Arc::clone(&table), supervisor: supervisor.clone() };
        tokio::spawn(keeper.keep(Arc::new(alarmed), closing.clone()));
        let mut operations = state.backup().operations()?;
        operations.push(wiring::nodes::operation(&settings.data_dir, listen, examined));
        operations.extend(state.kv.operations());
        operations.extend(state.r2.operations());
        operations.extend(state.analytics.operations());
        operations.extend(state.objects.operations());
        operations.extend(state.cache.operations(&store));
        let records = Records::open(&builds.join("records.db"))?;
        let config = configs::api(settings, listen.port());
        let scheme = config.public_url.scheme.clone();
        let d1 = state.databases.endpoints(store.clone(), &settings.data_dir, scheme).await?;
        operations.extend(d1.operations());
        let minutes = settings.data_dir.join(MINUTES);
        let meters = Meters::new(Arc::clone(&table), supervisor.clone(), outgoing, usage, &minutes)?;
        operations.push(analytics(vec![
            Arc::new(d1.clone()),
            Arc::new(state.r2.clone()),
            Arc::new(meters.clone()),
        ]));
        let api = Api::new(store.clone(), Arc::clone(&platform) as _, config);
        let assets = Assets::new(api.clone(), state.assets.clone());
        operations.extend(assets.operations());
        let pages = Pages::new(api.clone(), state.assets.clone());
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
        let status = wiring::status::Status { meters: meters.clone(), space: state.space.clone() };
        operations.extend(status.operations());
        operations.extend(state.queues.operations(&api));
        operations.extend(hearth_observe::operations(&api, &state.hub));
        operations.extend(hearth_audit::operations(&state.audit));
        let access = Access::open(api.clone(), configs::access(settings, api.config())).await?;
        operations.extend(access.operations());
        let inspector = Inspector::new(api.clone(), supervisor.clone(), closing.clone());
        operations.extend(inspector.operations());
        let more = vec![
            Arc::new(wiring::data_points(state.analytics.clone())) as _,
            Arc::new(wiring::lost_traces(Arc::clone(&services))) as _,
        ];
        let metrics = wiring::metrics_operation(&api, state.queues.clone(), meters.clone(), counts, more);
        let processes = DialectProcesses::new(supervisor.clone());
        operations.extend(wiring::trial::operations(&api, Arc::clone(&processes) as _));
        let nexo = Nexo::open(api.clone(), Arc::clone(&processes) as _, configs::nexo(settings)).await?;
        let mut plain = d1.signed();
        plain.extend(assets.uploads());
        plain.extend(pages.uploads());
        plain.extend([hearth_observe::connections(&state.hub), metrics, health()]);
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
        let recorder = Recorder::new(api, state.audit.clone(), known)?;
        let gateway = Gateway::new(
            configs::gateway(settings),
            Arc::new(supervisor.clone()),
            Arc::clone(&table),
            sites,
            Arc::new(ControlHost::new(recorder.around(v4.merge(plain)), nexo, inspector, access.clone())),
            services.losses(),
        )?;
        inside.begin(Arc::clone(&gateway));
        processes.begin(Arc::clone(&gateway));
        meters.begin(Arc::clone(&gateway));

        let measure = wiring::space::measure(
            state.space.clone(),
            store.clone(),
            state.kv.clone(),
            state.queues.clone(),
            state.r2.clone(),
            state.d1(),
            state.assets.clone(),
        );
        tokio::spawn(closing.clone().run_until_cancelled_owned(measure));
        let count_code = wiring::space::count_code(state.space.clone(), store.clone(), code);
        tokio::spawn(closing.clone().run_until_cancelled_owned(count_code));
        tokio::spawn(closing.clone().run_until_cancelled_owned(state.space.watch()));
        tokio::spawn(closing.clone().run_until_cancelled_owned(state.analytics.clone().keep_cleaning()));
        tokio::spawn(closing.clone().run_until_cancelled_owned(meters.clone().keep()));
        tokio::spawn(closing.clone().run_until_cancelled_owned(state.r2.clone().keep_sweeping()));
        tokio::spawn(closing.clone().run_until_cancelled_owned(collect_garbage(
            store.clone(),
            assets,
            settings.data_dir.clone(),
        )));
        tokio::spawn(closing.clone().run_until_cancelled_owned(state.hub.clone().keep_sweeping()));
        tokio::spawn(closing.clone().run_until_cancelled_owned(access.keep()));
        tokio::spawn(closing.clone().run_until_cancelled_owned(state.databases.upkeep(d1)));
        let arriving = Arc::new(wiring::quotas::Arriving(Arc::clone(&table)));
        let s3 = Endpoint::new(store.clone(), state.r2, arriving, configs::s3(settings, default_account));
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
            databases: state.databases,
            analytics: state.analytics,
            meters,
            hub: state.hub,
            queues: state.queues,
            records,
            audit: state.audit,
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
