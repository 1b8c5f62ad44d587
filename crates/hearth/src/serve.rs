//! `hearth serve`.

use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hearth_functions::{Places, Toolchains};
use hearth_jail::{Report, Tier};
use hearth_model::Hostname;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::assemble::Server;
use crate::doctor::Examination;
use crate::runtime;
use crate::settings::{S3Listen, Settings};

/// What is logged unless `RUST_LOG` says otherwise. `s3s` calls every refused request an error; the access log has them.
const LOGGED: &str = "info,access=info,s3s=off";

/// How long workers get to finish when the server stops.
const PATIENCE: Duration = Duration::from_secs(30);

/// Options of `hearth serve`; each is a key of the configuration file too.
#[derive(Debug, Clone, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Configuration file (TOML)
    #[arg(long, value_name = "FILE", env = "HEARTH_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where everything is kept [default: ./data]
    #[arg(long, value_name = "DIR", env = "HEARTH_DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where the gateway and the API listen [default: 127.0.0.1:8787]
    #[arg(long, value_name = "ADDR", env = "HEARTH_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Where S3 clients reach R2, or `off` [default: 127.0.0.1:8788]
    #[arg(long, value_name = "ADDR", env = "HEARTH_S3_LISTEN")]
    pub s3_listen: Option<S3Listen>,
    /// A name of the S3 endpoint, below which buckets have names; may be repeated [default: localhost]
    #[arg(long, value_name = "HOST")]
    pub s3_host: Vec<Hostname>,
    /// Serve workers below this domain; may be repeated [default: localhost]
    #[arg(long, value_name = "DOMAIN")]
    pub base_domain: Vec<Hostname>,
    /// Another name of the control host; may be repeated
    #[arg(long, value_name = "HOST")]
    pub api_host: Vec<Hostname>,
    /// A host on which workers are reached as /<worker>/...; may be repeated
    #[arg(long, value_name = "HOST")]
    pub path_host: Vec<Hostname>,
    /// Scheme and port of the URLs that answers show
    #[arg(long, value_name = "URL")]
    pub public_url: Option<url::Url>,
    /// The workerd binary
    #[arg(long, value_name = "PATH", env = "HEARTH_RUNTIME")]
    pub runtime: Option<PathBuf>,
    /// Loopback only; local callers need no token
    #[arg(long)]
    pub dev: bool,
    /// Requests that an account's functions of /api/functions execute at a time [default: 100]
    #[arg(long, value_name = "N", env = "NEXO_MAX_CONCURRENT")]
    pub nexo_max_concurrent: Option<usize>,
    /// Refuse to start with less than full isolation
    #[arg(long)]
    pub require_isolation: bool,
    /// Stop when standard input, a pipe, ends: whoever holds its other end is gone
    #[arg(long, hide = true)]
    pub until_stdin_ends: bool,
    /// Use no more than this isolation tier: full, reduced or none
    #[arg(long, value_name = "TIER", hide = true)]
    pub isolation: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  hearth serve --dev
  hearth serve --listen 0.0.0.0:80 --base-domain apps.corp.test --data-dir /var/lib/hearth
  HEARTH_ADMIN_TOKEN=... hearth serve --config /etc/hearth.toml";

/// Runs the server until it is told to stop.
///
/// # Errors
/// When it cannot start; the text says what to do.
pub fn run(args: Args) -> Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOGGED)))
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr)
        .init();
    let settings = Settings::load(&args)?;
    // Other users of the machine have no business in it. Processes of workers walk through where they have no root of their
    // own.
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(&settings.data_dir)
        .with_context(|| format!("the data folder {} cannot be made", settings.data_dir.display()))?;
    let user = hearth_jail::settle(&settings.data_dir, hearth_jail::DEFAULT_UID)
        .with_context(|| format!("the data folder {} cannot be used", settings.data_dir.display()))?;
    raise_open_files();
    let runtime = runtime::find(settings.runtime.as_deref(), &settings.data_dir)?;
    let run_dir = run_dir(&settings)?;
    let toolchains = Toolchains::find(&places(&settings));

    let jail = hearth_jail::Config {
        run_dir: run_dir.clone(),
        runtime,
        helper: None,
        user,
        tier: settings.isolation.as_deref().map(tier).transpose()?,
        installation: installation(&settings)?,
        base_uid: hearth_jail::DEFAULT_BASE_UID,
        toolchains: toolchains.programs.clone(),
    };
    // Before any thread exists: the jailer is a fork of this process.
    let found = jail.runtime.clone();
    let (jailer, report) = hearth_jail::start(jail).context("the jailer cannot start")?;
    announce(&report, settings.require_isolation)?;
    let examined = Examination::new(report, Ok(&found), &toolchains, &settings.data_dir);
    hearth_jail::drop_privileges(user).context("privileges cannot be given up")?;

    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async move {
        let server = Server::start(&settings, run_dir, jailer, toolchains, examined).await?;
        tokio::select! {
            signal = wait_for_signal() => signal?,
            ended = stdin_ends(), if args.until_stdin_ends => ended?,
        }
        tracing::info!("stopping: requests in flight may finish; a second signal ends them");
        tokio::select! {
            () = server.stop(PATIENCE) => {}
            again = wait_for_signal() => again?,
        }
        Ok(())
    })
}

/// Where to look for what runs functions.
fn places(settings: &Settings) -> Places {
    Places {
        node: settings.functions.node.clone(),
        python: settings.functions.python.clone(),
        go: settings.functions.go.clone(),
        amaro: settings.functions.amaro.clone(),
        go_proxy: settings.functions.go_proxy.clone(),
        extra_ca_file: settings.egress.extra_ca_file.clone(),
    }
}

/// Takes as many descriptors as the kernel gives: every connection and every process needs some. As root that is more
/// than the limit we were started with; jailed processes inherit it.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let most = std::fs::read_to_string("/proc/sys/fs/nr_open").ok().and_then(|text| text.trim().parse().ok());
    for limit in [most, getrlimit(Resource::Nofile).maximum] {
        if setrlimit(Resource::Nofile, Rlimit { current: limit, maximum: limit }).is_ok() {
            return;
        }
    }
}

fn tier(name: &str) -> Result<Tier> {
    Ok(match name {
        "full" => Tier::Full,
        "reduced" => Tier::Reduced,
        "none" => Tier::None,
        _ => bail!("isolation must be full, reduced or none, not {name:?}"),
    })
}

/// Says which isolation there is, and refuses to go on where more was required.
fn announce(report: &Report, required: bool) -> Result<()> {
    for finding in report.findings.iter().filter(|finding| !finding.ok) {
        tracing::warn!(name = finding.name, remedy = finding.remedy, "isolation: {}", finding.detail);
    }
    match report.tier {
        Tier::Full => tracing::info!(tier = %report.tier, "workers are isolated"),
        _ if required => bail!(
            "--require-isolation: this machine offers the tier {} only. `hearth doctor` says what is missing.",
            report.tier
        ),
        _ => tracing::warn!(tier = %report.tier, "workers are not fully isolated; `hearth doctor` says why"),
    }
    Ok(())
}

/// What names this installation among others on the machine: a digest of its data folder's path.
fn installation(settings: &Settings) -> Result<String> {
    let path = settings.data_dir.canonicalize()?;
    let digest = blake3::hash(path.as_os_str().as_bytes()).to_hex();
    Ok(digest[..16].to_owned())
}

/// A socket's path has room for 107 bytes; below the folder we use up to 30.
const MAX_RUN_DIR: usize = 76;

/// The folder for sockets: in the data folder where its path is short enough, else in `/run` or the temporary folder.
fn run_dir(settings: &Settings) -> Result<PathBuf> {
    let inside = settings.data_dir.canonicalize()?.join("run");
    let name = format!("hearth-{}", installation(settings)?);
    let candidates = [inside, PathBuf::from("/run").join(&name), std::env::temp_dir().join(&name)];
    let short = |path: &PathBuf| path.as_os_str().len() <= MAX_RUN_DIR;
    let usable = |path: &PathBuf| std::fs::create_dir_all(path).is_ok();
    candidates
        .into_iter()
        .filter(short)
        .find(usable)
        .context("no folder for sockets can be made in the data folder, in /run or in the temporary folder")
}

/// Waits for the end of standard input.
async fn stdin_ends() -> Result<()> {
    let stdin = rustix::io::dup(std::io::stdin()).context("there is no standard input")?;
    let mut stdin = pipe::Receiver::from_owned_fd(stdin).context("standard input is no pipe")?;
    tokio::io::copy(&mut stdin, &mut tokio::io::sink()).await?;
    Ok(())
}

/// Waits for SIGTERM or SIGINT.
///
/// # Errors
/// When signals cannot be had.
pub async fn wait_for_signal() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
