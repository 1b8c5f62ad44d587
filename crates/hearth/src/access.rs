//! `hearth access`: who may reach a worker, and the tokens that open it.

use anyhow::{Context, Result, bail};
use hearth_model::Access;
use http::Method;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::{Value, json};

use crate::client::OfWorker;

/// Options of `hearth access`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

const EXAMPLES: &str = "\
Examples:
  hearth access show hello
  hearth access set hello token
  hearth access grant hello ci --expires 30d
  hearth access revoke hello 0f2c…
A worker is named by its name or id, whatever made it.";

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Show a worker's rule and its access tokens.
    Show {
        #[command(flatten)]
        of: OfWorker,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Set the rule: `open` to anybody, to who shows a `token`, or `internal`, to other workers of the account.
    Set {
        #[command(flatten)]
        of: OfWorker,
        /// The rule
        rule: Access,
    },
    /// Make an access token. It is shown once.
    Grant {
        #[command(flatten)]
        of: OfWorker,
        /// What it is called in the list
        name: String,
        /// When it ends: after a time such as `12h` or `30d`, or at one such as `2027-01-01T00:00:00Z` [default: never]
        #[arg(long, value_name = "WHEN", value_parser = expiry)]
        expires: Option<Timestamp>,
    },
    /// End an access token.
    Revoke {
        #[command(flatten)]
        of: OfWorker,
        /// Its id, or its name if no other token has it
        #[arg(value_name = "TOKEN")]
        granted: String,
    },
}

/// Carries out `hearth access …`.
///
/// # Errors
/// What the server says, or that no token is meant.
pub fn run(args: Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(act(args.action))
}

async fn act(action: Action) -> Result<()> {
    match action {
        Action::Show { of, json } => {
            let (client, path) = of.open("/hearth").await?;
            let rule = client.call(Method::GET, &format!("{path}/access"), None).await?;
            let tokens = client.call(Method::GET, &format!("{path}/tokens"), None).await?;
            if json {
                println!("{:#}", json!({ "rule": rule["rule"], "tokens": tokens }));
                return Ok(());
            }
            println!("{} is {}", of.worker, text(&rule, "rule"));
            for token in tokens.as_array().into_iter().flatten() {
                let ends = token["expires_on"].as_str().unwrap_or("never");
                let (id, name, status) = (text(token, "id"), text(token, "name"), text(token, "status"));
                println!("  {id}  {name}  {status}, ends: {ends}");
            }
        }
        Action::Set { of, rule } => {
            let (client, path) = of.open("/hearth").await?;
            let body = json!({ "rule": rule });
            client.call(Method::PUT, &format!("{path}/access"), Some(&body)).await?;
        }
        Action::Grant { of, name, expires } => {
            let (client, path) = of.open("/hearth").await?;
            let body = json!({ "name": name, "expires_on": expires.map(|when| when.to_string()) });
            let token = client.call(Method::POST, &format!("{path}/tokens"), Some(&body)).await?;
            println!("{}", text(&token, "token"));
        }
        Action::Revoke { of, granted } => {
            let (client, path) = of.open("/hearth").await?;
            let all = client.call(Method::GET, &format!("{path}/tokens"), None).await?;
            let id = meant(&all, &granted)?;
            client.call(Method::DELETE, &format!("{path}/tokens/{id}"), None).await?;
        }
    }
    Ok(())
}

/// The id of the token that has this id, or alone has this name.
fn meant<'a>(all: &'a Value, token: &str) -> Result<&'a str> {
    let all = || all.as_array().into_iter().flatten();
    if let Some(found) = all().find(|one| one["id"] == token) {
        return Ok(text(found, "id"));
    }
    let named: Vec<&Value> = all().filter(|one| one["name"] == token).collect();
    match named.as_slice() {
        [one] => Ok(text(one, "id")),
        [] => bail!("the worker has no token {token:?}"),
        _ => bail!("several tokens are called {token:?}; name one by its id"),
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

fn expiry(text: &str) -> Result<Timestamp> {
    if let Ok(when) = text.parse() {
        return Ok(when);
    }
    let span: Span =
        text.parse().context("it is neither a time such as 30d nor a date with a time and a zone")?;
    Ok(Timestamp::now().to_zoned(TimeZone::UTC).checked_add(span)?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_a_span_from_now_or_a_moment() {
        let seconds = |text: &str| expiry(text).unwrap().as_second() - Timestamp::now().as_second();
        assert!((seconds("12h") - 12 * 3600).abs() < 60);
        assert!((seconds("30d") - 30 * 86_400).abs() < 60);
        assert_eq!(expiry("2027-01-01T00:00:00Z").unwrap().to_string(), "2027-01-01T00:00:00Z");
        assert!(expiry("soon").is_err() && expiry("").is_err());
    }

    #[test]
    fn a_token_is_meant_by_its_id_or_a_name_that_it_has_alone() {
        let all = json!([{"id": "1", "name": "a"}, {"id": "2", "name": "b"}, {"id": "3", "name": "b"}]);
        assert_eq!(meant(&all, "2").unwrap(), "2");
        assert_eq!(meant(&all, "a").unwrap(), "1");
        assert!(meant(&all, "b").unwrap_err().to_string().contains("id"));
        assert!(meant(&all, "c").is_err());
    }
}
