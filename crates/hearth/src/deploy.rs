//! `hearth deploy`: a project's worker, onto a server. Wrangler does it where the project has it; a project that needs no
//! bundler does without.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, bail};
use async_trait::async_trait;
use bytes::Bytes;
use hearth_dialects::project::{self, Calls, File, Project};
use http::Method;
use serde_json::Value;

use crate::client::{Client, Target};

/// Files that are looked at for modules; a project with more has a build.
const MAX_FILES: usize = 2000;

/// Options of `hearth deploy`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The project's folder
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Deploy without wrangler, though the project has it
    #[arg(long)]
    without_wrangler: bool,
    /// The account [default: the environment's, else the first one]
    #[arg(long, value_name = "ID", env = "CLOUDFLARE_ACCOUNT_ID")]
    account: Option<String>,
    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  hearth deploy
  hearth deploy hello --env staging
A project with wrangler in its node_modules is deployed by that; TypeScript and packages of npm need it.";

/// Carries out `hearth deploy`.
///
/// # Errors
/// What the server says, or what needs wrangler.
pub fn run(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = args.target.client()?;
    let account = runtime.block_on(client.account(args.account.as_deref()))?;
    once(&args.dir, &client, &account, args.without_wrangler)
}

/// Deploys a project. It blocks.
///
/// # Errors
/// What the server says, or what needs wrangler.
pub fn once(dir: &Path, client: &Client, account: &str, without_wrangler: bool) -> Result<()> {
    if let Some(wrangler) = wrangler_of(dir).filter(|_| !without_wrangler) {
        return run_wrangler(&wrangler, dir, client, account);
    }
    let project = read(dir)?;
    // On a runtime of its own: connections that another one made stand still without it.
    let calls = Outside(client.apart());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(project::deploy(&project, &calls, account));
    let served = served.map_err(|(status, text)| anyhow!("{text} ({status})"))?;
    match served["url"].as_str().filter(|_| served["enabled"] == true) {
        Some(url) => println!("{} is deployed: {url}", project.name()),
        None => println!("{} is deployed.", project.name()),
    }
    Ok(())
}

/// The wrangler of the project, or of a folder above it, as node finds it.
fn wrangler_of(dir: &Path) -> Option<PathBuf> {
    let dir = dir.canonicalize().ok()?;
    let all = dir.ancestors().map(|folder| folder.join("node_modules/.bin/wrangler"));
    all.into_iter().find(|path| path.exists())
}

fn run_wrangler(wrangler: &Path, dir: &Path, client: &Client, account: &str) -> Result<()> {
    let mut command = Command::new(wrangler);
    command
        .arg("deploy")
        .current_dir(dir)
        .env("CLOUDFLARE_API_BASE_URL", client.base())
        .env("CLOUDFLARE_ACCOUNT_ID", account);
    // Wrangler wants one where `--dev` does not, which takes this word for none.
    command.env("CLOUDFLARE_API_TOKEN", client.token().unwrap_or("none"));
    let status = command.status().with_context(|| format!("{} does not start", wrangler.display()))?;
    if !status.success() {
        bail!("wrangler ended with {status}");
    }
    Ok(())
}

/// The text of a project's configuration.
///
/// # Errors
/// When there is none.
pub fn config_of(dir: &Path) -> Result<String> {
    let known = ["wrangler.jsonc", "wrangler.json"].map(|name| dir.join(name));
    let Some(config) = known.into_iter().find(|path| path.exists()) else {
        if dir.join("wrangler.toml").exists() {
            bail!("wrangler.toml needs wrangler: npm install --save-dev wrangler");
        }
        bail!("{} has no wrangler.jsonc; `hearth init` makes a project", dir.display());
    };
    std::fs::read_to_string(&config).with_context(|| format!("{} cannot be read", config.display()))
}

fn read(dir: &Path) -> Result<Project> {
    let text = config_of(dir)?;
    let mut files = Vec::new();
    collect(dir, dir, &mut files)?;
    Project::read(&text, &files).map_err(|refusal| anyhow!(refusal))
}

fn collect(root: &Path, folder: &Path, files: &mut Vec<File>) -> Result<()> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let path = entry.path();
        if name.to_string_lossy().starts_with('.') || name == "node_modules" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            collect(root, &path, files)?;
        } else if let Some(relative) = path.strip_prefix(root).ok().and_then(Path::to_str) {
            if files.len() == MAX_FILES {
                bail!("the project has more than {MAX_FILES} files; a project of this size needs wrangler");
            }
            let content =
                std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
            files.push((relative.to_owned(), content.into()));
        }
    }
    Ok(())
}

struct Outside(Client);

#[async_trait]
impl Calls for Outside {
    async fn call(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> Result<Value, (u16, String)> {
        self.0.call_with(method, path, kind, body).await
    }
}
