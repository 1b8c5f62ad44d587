//! `hearth dev`: a project on a server of its own, on this machine only, deployed again whenever one of its files changes.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use tokio::process::{Child, Command};

use crate::client::Client;
use crate::deploy;
use crate::serve::wait_for_signal;

/// How often files are looked at.
const LOOK: Duration = Duration::from_millis(300);

/// How long the server may take to start.
const START: Duration = Duration::from_secs(60);

/// Options of `hearth dev`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The project's folder
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where the server listens, on this machine only
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// Where the server keeps everything [default: `.hearth` in the project's folder]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  hearth init hello && hearth dev hello
  hearth dev --port 8080";

/// Carries out `hearth dev`, until it is interrupted.
///
/// # Errors
/// When the server does not start, or ends.
pub fn run(args: Args) -> Result<()> {
    // What is wrong with the project is said before a server starts; what becomes wrong with it later is only said.
    deploy::config_of(&args.dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(develop(args))
}

async fn develop(args: Args) -> Result<()> {
    let data_dir = args.data_dir.unwrap_or_else(|| args.dir.join(".hearth"));
    let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let mut server = Command::new(std::env::current_exe()?)
        .args(["serve", "--dev", "--listen", &listen.to_string(), "--s3-listen", "off", "--data-dir"])
        .arg(&data_dir)
        // So it ends with this process, whatever ends that.
        .arg("--until-stdin-ends")
        .stdin(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("the server does not start")?;
    // Waiting would close it.
    let _held = server.stdin.take();
    let client = Client::local(&format!("http://localhost:{}/client/v4", args.port));
    let outcome = tokio::select! {
        ended = server.wait() => bail!("the server ended: {}", ended?),
        signal = wait_for_signal() => signal,
        outcome = follow(&args.dir, client) => outcome,
    };
    stop(server).await?;
    outcome
}

/// Deploys the project now and after each change.
async fn follow(dir: &Path, client: Client) -> Result<()> {
    let began = tokio::time::Instant::now();
    let account = loop {
        match client.account(None).await {
            Ok(account) => break account,
            Err(error) if began.elapsed() > START => return Err(error),
            Err(_) => tokio::time::sleep(LOOK).await,
        }
    };
    let mut deployed = None;
    loop {
        let now = stamp(dir);
        if deployed != Some(now) {
            deployed = Some(now);
            let (dir, client, account) = (dir.to_owned(), client.clone(), account.clone());
            let deploy = move || deploy::once(&dir, &client, &account, false);
            if let Err(error) = tokio::task::spawn_blocking(deploy).await? {
                eprintln!("not deployed: {error:#}");
            }
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// How many files a project has, and when one of them last changed.
fn stamp(dir: &Path) -> (usize, SystemTime) {
    let mut found = (0, SystemTime::UNIX_EPOCH);
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let (Ok(kind), Ok(metadata)) = (entry.file_type(), entry.metadata()) else { continue };
        if name.to_string_lossy().starts_with('.') || name == "node_modules" {
            continue;
        }
        let (files, changed) = match kind.is_dir() {
            true => stamp(&entry.path()),
            false => (1, metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH)),
        };
        found = (found.0 + files, found.1.max(changed));
    }
    found
}

/// Lets the server finish.
async fn stop(mut server: Child) -> Result<()> {
    let pid = server.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed()));
    if let Some(pid) = pid {
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        server.wait().await?;
    }
    Ok(())
}
