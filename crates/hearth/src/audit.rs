//! `hearth audit`: who changed what.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context, Result};
use http::Method;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde_json::Value;

use crate::client::{Client, Target};

/// How often it is asked what is new.
const EVERY: Duration = Duration::from_secs(1);

/// Entries whose ids are remembered, so that none is shown twice.
const REMEMBERED: usize = 2000;

/// Options of `hearth audit`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The account [default: the environment's, else the first one]
    #[arg(long, value_name = "ID", env = "CLOUDFLARE_ACCOUNT_ID")]
    account: Option<String>,
    /// What is everybody's business, as its operator
    #[arg(long)]
    installation: bool,
    /// Not before: a time such as `2h` or `7d` ago, or a moment such as 2026-11-30T12:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = moment)]
    since: Option<Timestamp>,
    /// By whom, an e-mail address
    #[arg(long, value_name = "EMAIL")]
    actor: Option<String>,
    /// What: an operation such as deployWorker, or create, update or delete
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// So many of the newest
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: usize,
    /// Go on with what happens
    #[arg(long)]
    follow: bool,
    /// Print JSON, an entry a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  hearth audit --since 24h
  hearth audit --action deployWorker --json
  hearth audit --installation --follow";

/// Carries out `hearth audit`.
///
/// # Errors
/// What the server says.
pub fn run(args: Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(act(args))
}

async fn act(args: Args) -> Result<()> {
    let client = args.target.client()?;
    let path = match args.installation {
        true => "/installation/audit_logs?all=true".to_owned(),
        false => format!("/accounts/{}/audit_logs?", client.account(args.account.as_deref()).await?),
    };
    let path = path + &parameters(&args);
    let most = args.limit.clamp(1, 1000);
    let mut entries = list(&client, &format!("{path}&per_page={most}"), args.since).await?;
    entries.reverse();
    let mut shown: VecDeque<Value> = VecDeque::new();
    let mut last = args.since.unwrap_or_else(Timestamp::now);
    loop {
        for entry in &entries {
            if shown.contains(&entry["id"]) {
                continue;
            }
            println!("{}", if args.json { entry.to_string() } else { line(entry) });
            shown.push_back(entry["id"].clone());
            if let Some(when) = entry["when"].as_str().and_then(|when| when.parse().ok()) {
                last = when;
            }
        }
        while shown.len() > REMEMBERED {
            shown.pop_front();
        }
        if !args.follow {
            return Ok(());
        }
        tokio::time::sleep(EVERY).await;
        entries = list(&client, &format!("{path}&direction=asc&per_page=1000"), Some(last)).await?;
    }
}

fn parameters(args: &Args) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in [("actor.email", &args.actor), ("action.type", &args.action)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    match query.finish() {
        text if text.is_empty() => text,
        text => format!("&{text}"),
    }
}

async fn list(client: &Client, path: &str, since: Option<Timestamp>) -> Result<Vec<Value>> {
    let since = since.map(|since| format!("&since={since}")).unwrap_or_default();
    let found = client.call(Method::GET, &format!("{path}{since}"), None).await?;
    Ok(found.as_array().cloned().unwrap_or_default())
}

/// When, who, what, about what, how it ended.
fn line(entry: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let actor = &entry["actor"];
    let who = match (actor["email"].as_str(), entry["metadata"]["token_name"].as_str()) {
        (Some(email), Some(token)) => format!("{email} ({token})"),
        (Some(email), None) => email.to_owned(),
        (None, _) => "unknown".to_owned(),
    };
    let when = text(&entry["when"]);
    let when = when.split('.').next().unwrap_or_default().trim_end_matches('Z').replace('T', " ");
    let resource = match entry["resource"]["id"].as_str() {
        Some(id) => format!("{} {id}", text(&entry["resource"]["type"])),
        None => text(&entry["resource"]["type"]),
    };
    let outcome = text(&entry["metadata"]["outcome"]);
    let ip = text(&actor["ip"]);
    format!("{when}  {who:<32} {ip:<15} {:<28} {resource}  {outcome}", text(&entry["action"]["type"]))
        // What comes from clients must not write to a terminal.
        .replace(char::is_control, "?")
}

fn moment(text: &str) -> Result<Timestamp> {
    if let Ok(when) = text.parse() {
        return Ok(when);
    }
    let span: Span =
        text.parse().context("it is neither a time such as 2h nor a moment such as 2026-11-30T12:00:00Z")?;
    Ok(Timestamp::now().to_zoned(TimeZone::UTC).checked_sub(span)?.timestamp())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_says_who_did_what_and_writes_nothing_to_a_terminal() {
        let entry = json!({
            "when": "2026-11-30T12:00:00.123Z",
            "actor": {"email": "a@x.test", "ip": "10.0.0.1"},
            "action": {"type": "deployWorker"},
            "resource": {"type": "scripts", "id": "\u{1b}[31mred"},
            "metadata": {"token_name": "ci", "outcome": "success"},
        });
        let line = line(&entry);
        assert!(line.starts_with("2026-11-30 12:00:00  a@x.test (ci)"), "{line}");
        assert!(line.contains("deployWorker") && line.ends_with("scripts ?[31mred  success"), "{line}");
    }

    #[test]
    fn a_moment_is_one_or_lies_back() {
        let ago = Timestamp::now().as_second() - moment("2h").unwrap().as_second();
        assert!((ago - 7200).abs() < 60);
        assert_eq!(moment("2027-01-01T00:00:00Z").unwrap().to_string(), "2027-01-01T00:00:00Z");
        assert!(moment("soon").is_err());
    }
}
