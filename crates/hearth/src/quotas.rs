//! `hearth quotas`: what an account may have at most, and has.

use anyhow::{Context, Result};
use hearth_model::{Quota, Quotas};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Client, Target};

/// Options of `hearth quotas`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  hearth quotas show
  hearth quotas set workers=50 requests-per-minute=6000 --account 0123…
  hearth quotas set memory-mb=none storage-mb=default
There are workers, instances, memory-mb, storage-mb and requests-per-minute. `none` is no limit; `default` is what the
server's configuration says.";

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show what the account may have, and has.
    Show {
        #[command(flatten)]
        of: OfAccount,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Change limits. What an account has already, it keeps.
    Set {
        /// NAME=LIMIT; others stay as they are
        #[arg(required = true, value_name = "NAME=LIMIT", value_parser = change)]
        changes: Vec<Change>,
        #[command(flatten)]
        of: OfAccount,
    },
}

#[derive(Debug, clap::Args)]
struct OfAccount {
    /// The account [default: the environment's, else the first one]
    #[arg(long, value_name = "ID", env = "CLOUDFLARE_ACCOUNT_ID")]
    account: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl OfAccount {
    async fn open(&self) -> Result<(Client, String)> {
        let client = self.target.client()?;
        let account = client.account(self.account.as_deref()).await?;
        Ok((client, format!("/accounts/{account}/hearth/quotas")))
    }
}

/// What is to become of a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Change {
    Set(Quota, Option<u64>),
    Forget(Quota),
}

fn change(text: &str) -> Result<Change> {
    let (name, limit) = text.split_once('=').context("write NAME=LIMIT, such as workers=50")?;
    let quota = name.parse::<Quota>()?;
    Ok(match limit {
        "default" => Change::Forget(quota),
        "none" => Change::Set(quota, None),
        number => {
            let number = number.parse().context("a limit is a whole number, `none` or `default`")?;
            Change::Set(quota, Some(number))
        }
    })
}

/// Carries out `hearth quotas …`.
///
/// # Errors
/// What the server says.
pub fn run(args: Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(act(args.action))
}

async fn act(action: Action) -> Result<()> {
    match action {
        Action::Show { of, json } => {
            let (client, path) = of.open().await?;
            let shown = client.call(Method::GET, &path, None).await?;
            if json {
                println!("{shown:#}");
            } else {
                print!("{}", table(&shown));
            }
        }
        Action::Set { changes, of } => {
            let (client, path) = of.open().await?;
            let mut quotas = own(&client.call(Method::GET, &path, None).await?);
            for change in changes {
                match change {
                    Change::Set(quota, limit) => quotas.set(quota, limit),
                    Change::Forget(quota) => quotas.forget(quota),
                }
            }
            let shown = client.call(Method::PUT, &path, Some(&json!(quotas))).await?;
            print!("{}", table(&shown));
        }
    }
    Ok(())
}

/// What is set for the account itself.
fn own(shown: &Value) -> Quotas {
    let mut quotas = Quotas::default();
    for quota in Quota::ALL {
        let value = &shown[quota.as_str()];
        if value["own"] == true {
            quotas.set(quota, value["limit"].as_u64());
        }
    }
    quotas
}

fn table(shown: &Value) -> String {
    let mut text = format!("{:<20} {:>12} {:>12}\n", "", "used", "limit");
    for quota in Quota::ALL {
        let value = &shown[quota.as_str()];
        let limit = value["limit"].as_u64().map_or("none".to_owned(), |limit| limit.to_string());
        let whose = if value["own"] == true { "" } else { "  (default)" };
        let name = quota.as_str().replace('_', "-");
        text += &format!("{name:<20} {:>12} {limit:>12}{whose}\n", value["used"].as_u64().unwrap_or(0));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_a_number_none_or_the_default() {
        assert_eq!(change("memory-mb=512").unwrap(), Change::Set(Quota::MemoryMb, Some(512)));
        assert_eq!(change("workers=none").unwrap(), Change::Set(Quota::Workers, None));
        assert_eq!(change("workers=default").unwrap(), Change::Forget(Quota::Workers));
        for wrong in ["workers", "workers=", "workers=-1", "cpus=1", "=1"] {
            assert!(change(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_what_is_the_accounts_own_is_sent_back() {
        let of = |limit: Value, own: bool| json!({"limit": limit, "used": 1, "own": own});
        let shown = json!({
            "workers": of(json!(5), true), "instances": of(json!(9), false), "memory_mb": of(Value::Null, true),
            "storage_mb": of(Value::Null, false), "requests_per_minute": of(Value::Null, false),
        });
        assert_eq!(json!(own(&shown)), json!({"workers": 5, "memory_mb": null}));
        let text = table(&shown);
        assert!(text.contains("instances") && text.contains("9  (default)"), "{text}");
    }
}
