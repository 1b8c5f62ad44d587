//! `hearth egress`: what workers may reach beside the public internet.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context, Result, bail};
use hearth_egress::{Allow, Policy, Target as Address};
use http::Method;
use ipnet::IpNet;
use serde_json::json;

use crate::client::{Client, Target};

/// Options of `hearth egress`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  hearth egress list
  hearth egress allow 10.20.0.0/16 --port 443 --port 5432
  hearth egress allow db.corp.test=10.20.3.4
  hearth egress allow 10.9.0.0/16 --worker reports
  hearth egress remove 10.20.0.0/16";

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show what is open.
    List {
        #[command(flatten)]
        scope: Scope,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Open a network (CIDR or address), or an internal host name (NAME=ADDRESS or NAME=ADDRESS:PORT).
    Allow {
        /// What to open
        rule: String,
        /// Only this port of the network; may be repeated
        #[arg(long)]
        port: Vec<u16>,
        #[command(flatten)]
        scope: Scope,
    },
    /// Close a network or forget a host name again.
    Remove {
        /// A network or a host name, as `list` shows it
        rule: String,
        #[command(flatten)]
        scope: Scope,
    },
}

#[derive(Debug, clap::Args)]
struct Scope {
    /// For this account's workers only
    #[arg(long, value_name = "ID", env = "CLOUDFLARE_ACCOUNT_ID")]
    account: Option<String>,
    /// For this worker only
    #[arg(long, value_name = "NAME")]
    worker: Option<String>,
    #[command(flatten)]
    target: Target,
}

/// Carries out `hearth egress …`.
///
/// # Errors
/// What the server says, or what is wrong with a rule.
pub fn run(args: Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(act(args.action))
}

async fn act(action: Action) -> Result<()> {
    match action {
        Action::List { scope, json } => {
            let (policy, _, _) = load(&scope).await?;
            if json {
                println!("{:#}", serde_json::to_value(&policy)?);
            } else {
                show(&policy);
            }
        }
        Action::Allow { rule, port, scope } => {
            let (mut policy, client, path) = load(&scope).await?;
            open(&mut policy, &rule, port)?;
            store(&client, &path, &policy).await?;
            show(&policy);
        }
        Action::Remove { rule, scope } => {
            let (mut policy, client, path) = load(&scope).await?;
            close(&mut policy, &rule)?;
            store(&client, &path, &policy).await?;
            show(&policy);
        }
    }
    Ok(())
}

async fn load(scope: &Scope) -> Result<(Policy, Client, String)> {
    let client = scope.target.client()?;
    let path = match (&scope.worker, &scope.account) {
        (None, None) => "/installation/egress".to_owned(),
        (None, Some(account)) => format!("/accounts/{account}/hearth/egress"),
        (Some(worker), account) => {
            let account = client.account(account.as_deref()).await?;
            format!("/accounts/{account}/workers/scripts/{worker}/hearth/egress")
        }
    };
    let stored = client.call(Method::GET, &path, None).await?;
    let policy = if stored.is_null() { Policy::default() } else { serde_json::from_value(stored)? };
    Ok((policy, client, path))
}

async fn store(client: &Client, path: &str, policy: &Policy) -> Result<()> {
    client.call(Method::PUT, path, Some(&json!(policy))).await.map(drop)
}

fn open(policy: &mut Policy, rule: &str, ports: Vec<u16>) -> Result<()> {
    if let Some((host, address)) = rule.split_once('=') {
        policy.hosts.insert(host.trim_end_matches('.').to_ascii_lowercase(), parse_address(address)?);
        return Ok(());
    }
    let net = parse_net(rule)?;
    policy.allow.retain(|allow| allow.net != net);
    policy.allow.push(Allow { net, ports: (!ports.is_empty()).then_some(ports) });
    Ok(())
}

fn close(policy: &mut Policy, rule: &str) -> Result<()> {
    let before = policy.allow.len() + policy.hosts.len();
    policy.hosts.remove(&rule.to_ascii_lowercase());
    if let Ok(net) = parse_net(rule) {
        policy.allow.retain(|allow| allow.net != net);
    }
    if policy.allow.len() + policy.hosts.len() == before {
        bail!("{rule} is not open here; `hearth egress list` shows what is");
    }
    Ok(())
}

fn parse_net(text: &str) -> Result<IpNet> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse::<IpNet>()
        .or_else(|_| address())
        .map(|net| net.trunc())
        .with_context(|| format!("{text:?} is neither a network such as 10.0.0.0/8 nor NAME=ADDRESS"))
}

fn parse_address(text: &str) -> Result<Address> {
    let socket = text.parse::<SocketAddr>().map(Address::Socket);
    socket
        .or_else(|_| text.parse::<IpAddr>().map(Address::Ip))
        .with_context(|| format!("{text:?} is not an IP address, with or without a port"))
}

fn show(policy: &Policy) {
    if policy.allow.is_empty() && policy.hosts.is_empty() {
        println!("Only the public internet is reachable. Open more with `hearth egress allow 10.0.0.0/8`.");
    }
    for Allow { net, ports } in &policy.allow {
        let ports = ports.as_ref().map_or("every port but 25".to_owned(), |ports| format!("ports {ports:?}"));
        println!("{net:<24} {ports}");
    }
    for (host, target) in &policy.hosts {
        let address = match target {
            Address::Ip(ip) => ip.to_string(),
            Address::Socket(socket) => socket.to_string(),
        };
        println!("{host:<24} -> {address}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_open_and_close() {
        let mut policy = Policy::default();
        open(&mut policy, "10.1.2.3/8", vec![443]).unwrap();
        open(&mut policy, "Db.Corp.test=10.0.0.1:5432", vec![]).unwrap();
        assert_eq!(policy.allow[0].net.to_string(), "10.0.0.0/8");
        assert!(policy.hosts.contains_key("db.corp.test"));
        close(&mut policy, "10.0.0.0/8").unwrap();
        close(&mut policy, "db.corp.test").unwrap();
        assert_eq!(policy, Policy::default());
        assert!(close(&mut policy, "10.0.0.0/8").is_err());
        assert!(open(&mut policy, "nonsense", vec![]).is_err());
        assert!(open(&mut policy, "a=b", vec![]).is_err());
    }
}
