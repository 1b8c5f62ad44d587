//! `hearth env`: named servers, and which one commands are for.

use anyhow::{Result, bail};
use serde_json::json;

use crate::targets::{Named, Targets, api_of};

/// Options of `hearth env`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  hearth env add staging --url http://staging.corp.test --token $TOKEN --account 0123…
  hearth env use staging
  hearth env list --json
  hearth deploy --env production
Flags and the variables CLOUDFLARE_API_BASE_URL, CLOUDFLARE_API_TOKEN and CLOUDFLARE_ACCOUNT_ID win over the environment in use.";

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show the environments; `*` is the one in use.
    List {
        /// Print JSON, without tokens
        #[arg(long)]
        json: bool,
    },
    /// Add an environment, or change it. The first one is used at once.
    Add {
        /// What it shall be called
        name: String,
        /// The server, such as http://localhost:8787
        #[arg(long, value_name = "URL")]
        url: url::Url,
        /// API token
        #[arg(long, value_name = "TOKEN", env = "CLOUDFLARE_API_TOKEN", hide_env_values = true)]
        token: Option<String>,
        /// The account to act in [default: the first that the token sees]
        #[arg(long, value_name = "ID", env = "CLOUDFLARE_ACCOUNT_ID")]
        account: Option<String>,
    },
    /// Use an environment from now on.
    Use {
        /// Its name
        name: String,
    },
    /// Forget an environment.
    Remove {
        /// Its name
        name: String,
    },
}

/// Carries out `hearth env …`.
///
/// # Errors
/// When there is no such environment, or the file cannot be used.
pub fn run(args: Args) -> Result<()> {
    let mut targets = Targets::load()?;
    match args.action {
        Action::List { json: true } => {
            let shown = targets.targets.iter().map(|(name, target)| {
                let current = targets.current.as_deref() == Some(name);
                json!({
                    "name": name, "api": target.api, "current": current, "token": target.token.is_some(),
                    "account": target.account,
                })
            });
            println!("{:#}", shown.collect::<serde_json::Value>());
            return Ok(());
        }
        Action::List { json: false } => {
            if targets.targets.is_empty() {
                println!(
                    "There are no environments. Add one: hearth env add local --url http://localhost:8787"
                );
            }
            for (name, target) in &targets.targets {
                let mark = if targets.current.as_deref() == Some(name) { '*' } else { ' ' };
                println!(
                    "{mark} {name:<16} {}  {}",
                    target.api,
                    target.account.as_deref().unwrap_or_default()
                );
            }
            return Ok(());
        }
        Action::Add { name, url, token, account } => {
            let api = api_of(&url);
            targets.current.get_or_insert_with(|| name.clone());
            targets.targets.insert(name, Named { api, token, account });
        }
        Action::Use { name } => {
            targets.choose(Some(&name))?;
            targets.current = Some(name);
        }
        Action::Remove { name } => {
            if targets.targets.remove(&name).is_none() {
                bail!("there is no environment `{name}`");
            }
            targets.current = targets.current.filter(|current| *current != name);
        }
    }
    targets.save()
}
