//! `hearth vars`: a worker's plain variables and secrets.

use anyhow::{Context, Result, bail};
use http::Method;
use serde_json::{Value, json};

use crate::client::{Client, OfWorker};

/// Options of `hearth vars`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  hearth vars list hello
  hearth vars set hello LEVEL=debug REGION=eu
  hearth vars set hello API_KEY --secret < key.txt
  hearth vars delete hello LEVEL API_KEY
A change makes a version that serves at once.";

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show a worker's variables; of secrets only the names.
    List {
        #[command(flatten)]
        of: OfWorker,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Set variables, or one secret.
    Set {
        #[command(flatten)]
        of: OfWorker,
        /// NAME=TEXT; or with --secret one NAME, whose text comes from the input
        #[arg(required = true)]
        vars: Vec<String>,
        /// Encrypted at rest, and never shown again
        #[arg(long)]
        secret: bool,
    },
    /// Remove variables and secrets.
    Delete {
        #[command(flatten)]
        of: OfWorker,
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
    },
}

/// Carries out `hearth vars …`.
///
/// # Errors
/// What the server says, or what is wrong with a variable.
pub fn run(args: Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(act(args.action))
}

async fn act(action: Action) -> Result<()> {
    match action {
        Action::List { of, json } => {
            let (client, path) = of.open("").await?;
            let all = bindings(&client, &path).await?;
            let shown: Vec<&Value> = all.iter().filter(|one| is_variable(one)).collect();
            if json {
                println!("{:#}", json!(shown));
                return Ok(());
            }
            for one in shown {
                println!("{}={}", one["name"].as_str().unwrap_or_default(), text_of(one));
            }
        }
        Action::Set { of, vars, secret: true } => {
            let [name] = &vars[..] else { bail!("--secret takes one NAME, and its text from the input") };
            if name.contains('=') {
                bail!("a secret's text comes from the input, where no list of processes shows it");
            }
            let (client, path) = of.open("").await?;
            let text = std::io::read_to_string(std::io::stdin()).context("the input cannot be read")?;
            let body = json!({"name": name, "text": text.trim_end_matches('\n'), "type": "secret_text"});
            client.call(Method::PUT, &format!("{path}/secrets"), Some(&body)).await?;
        }
        Action::Set { of, vars, secret: false } => {
            let set = vars.iter().map(|var| parse(var)).collect::<Result<Vec<_>>>()?;
            let (client, path) = of.open("").await?;
            let before = bindings(&client, &path).await?;
            let names: Vec<&str> = set.iter().map(|(name, _)| *name).collect();
            let mut wanted = kept(&before, &names);
            wanted.extend(
                set.iter().map(|(name, text)| json!({"type": "plain_text", "name": name, "text": text})),
            );
            change(&client, &path, &wanted).await?;
        }
        Action::Delete { of, names } => {
            let (client, path) = of.open("").await?;
            let before = bindings(&client, &path).await?;
            let unknown = names
                .iter()
                .find(|name| !before.iter().any(|one| one["name"] == ***name && is_variable(one)));
            if let Some(name) = unknown {
                bail!("{} has no variable {name}", of.worker);
            }
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            change(&client, &path, &kept(&before, &names)).await?;
        }
    }
    Ok(())
}

async fn bindings(client: &Client, path: &str) -> Result<Vec<Value>> {
    let settings = client.call(Method::GET, &format!("{path}/settings"), None).await?;
    Ok(settings["bindings"].as_array().cloned().unwrap_or_default())
}

async fn change(client: &Client, path: &str, bindings: &[Value]) -> Result<()> {
    let settings = json!({"bindings": bindings});
    client.call(Method::PATCH, &format!("{path}/settings"), Some(&settings)).await.map(drop)
}

/// All bindings but those of these names, as they are.
fn kept(before: &[Value], names: &[&str]) -> Vec<Value> {
    let others = before.iter().filter(|one| !names.iter().any(|name| one["name"] == *name));
    others.map(|one| json!({"type": "inherit", "name": one["name"]})).collect()
}

fn is_variable(binding: &Value) -> bool {
    matches!(binding["type"].as_str(), Some("plain_text" | "json" | "secret_text"))
}

fn text_of(binding: &Value) -> String {
    match binding["type"].as_str() {
        Some("plain_text") => binding["text"].as_str().unwrap_or_default().to_owned(),
        Some("json") => binding["json"].to_string(),
        _ => "(secret)".to_owned(),
    }
}

fn parse(var: &str) -> Result<(&str, &str)> {
    let pair = var.split_once('=').filter(|(name, _)| !name.is_empty());
    pair.with_context(|| format!("{var:?} is not NAME=TEXT"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_changed_is_inherited() {
        let before = [
            json!({"type": "plain_text", "name": "A", "text": "1"}),
            json!({"type": "kv_namespace", "name": "KV", "namespace_id": "x"}),
        ];
        assert_eq!(kept(&before, &["A"]), [json!({"type": "inherit", "name": "KV"})]);
        assert!(is_variable(&before[0]) && !is_variable(&before[1]));
    }

    #[test]
    fn a_variable_is_a_name_and_a_text() {
        assert_eq!(parse("A=b=c").unwrap(), ("A", "b=c"));
        assert_eq!(parse("A=").unwrap(), ("A", ""));
        assert!(parse("A").is_err() && parse("=b").is_err());
    }
}
