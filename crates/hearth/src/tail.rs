//! `hearth tail`: what a worker does, as it happens.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};

use anyhow::{Context, Result, bail};
use futures::{SinkExt as _, StreamExt as _};
use http::Method;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::client::{Client, Target};

/// The subprotocol of tails.
const PROTOCOL: &str = "trace-v1";

/// Options of `hearth tail`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The worker
    worker: String,
    /// Print each invocation as a line of JSON [default: when the output is no terminal]
    #[arg(long)]
    json: bool,
    /// Print for people, whatever the output is
    #[arg(long, conflicts_with = "json")]
    pretty: bool,
    /// Only invocations that ended like this; may be repeated
    #[arg(long, value_name = "STATUS")]
    status: Vec<Status>,
    /// Only requests with this method; may be repeated
    #[arg(long)]
    method: Vec<String>,
    /// Only requests with this header, or with this text in it: NAME or NAME:TEXT
    #[arg(long, value_name = "NAME[:TEXT]")]
    header: Option<String>,
    /// Only requests from this address, or `self`; may be repeated
    #[arg(long, value_name = "ADDRESS")]
    ip: Vec<String>,
    /// Only invocations whose console says this
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
    /// Only this share of the invocations, between 0 and 1
    #[arg(long, value_name = "SHARE")]
    sampling_rate: Option<f64>,
    /// Only this version
    #[arg(long, value_name = "ID")]
    version_id: Option<String>,
    /// The account of the worker or function [default: the environment's, else the first one]
    #[arg(long, value_name = "ID", env = "CLOUDFLARE_ACCOUNT_ID")]
    account: Option<String>,
    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  hearth tail hello
  hearth tail hello --status error
  hearth tail hello --method POST --header x-debug:1 --search timeout
  hearth tail hello --json | jq .event.request.url";

/// How an invocation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Status {
    Ok,
    Error,
    Canceled,
}

impl Status {
    /// The outcomes that wrangler means by it.
    fn outcomes(self) -> &'static [&'static str] {
        match self {
            Self::Ok => &["ok"],
            Self::Error => &["exception", "exceededCpu", "exceededMemory", "unknown"],
            Self::Canceled => &["canceled"],
        }
    }
}

/// Carries out `hearth tail`, until it is interrupted or the tail ends.
///
/// # Errors
/// What the server says, or that it went away.
pub fn run(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(follow(args))
}

async fn follow(args: &Args) -> Result<()> {
    let client = args.target.client()?;
    let account = client.account(args.account.as_deref()).await?;
    let tails = format!("/accounts/{account}/workers/scripts/{}/tails", args.worker);
    let tail = client.call(Method::POST, &tails, Some(&json!({ "filters": filters(args) }))).await?;
    let (id, url) = (tail["id"].as_str().unwrap_or_default(), tail["url"].as_str().unwrap_or_default());
    let shown = tokio::select! {
        shown = show(args, url) => shown,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    end(&client, &format!("{tails}/{id}")).await;
    shown
}

/// The tail would end by itself when nobody looks.
async fn end(client: &Client, path: &str) {
    if let Err(error) = client.call(Method::DELETE, path, None).await {
        tracing::debug!(%error, "the tail is left to end by itself");
    }
}

async fn show(args: &Args, url: &str) -> Result<()> {
    let mut request = url.into_client_request().context("the server names no address for the tail")?;
    request.headers_mut().insert("sec-websocket-protocol", PROTOCOL.parse()?);
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.context("no tail at the server")?;
    let as_json = args.json || !args.pretty && !std::io::stdout().is_terminal();
    let color = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    if !as_json {
        println!("Watching {}. Stop with Ctrl-C.", args.worker);
    }
    while let Some(message) = socket.next().await {
        match message.context("the server is gone")? {
            Message::Text(text) if as_json => println!("{text}"),
            Message::Text(text) => print!("{}", pretty(&serde_json::from_str(&text)?, color)),
            Message::Close(Some(frame)) if frame.code == CloseCode::Normal => return Ok(()),
            Message::Close(_) => bail!("the server ended the tail"),
            _ => {}
        }
        std::io::stdout().flush()?;
        // Answers to pings wait for this.
        socket.flush().await?;
    }
    bail!("the server is gone")
}

fn filters(args: &Args) -> Vec<Value> {
    let mut filters = Vec::new();
    filters.extend(args.sampling_rate.map(|rate| json!({ "sampling_rate": rate })));
    if !args.status.is_empty() {
        let outcomes: Vec<_> = args.status.iter().flat_map(|status| status.outcomes()).collect();
        filters.push(json!({ "outcome": outcomes }));
    }
    if !args.method.is_empty() {
        filters.push(json!({ "method": args.method }));
    }
    filters.extend(args.header.as_ref().map(|header| match header.split_once(':') {
        Some((key, query)) => json!({ "header": { "key": key, "query": query.trim() } }),
        None => json!({ "header": { "key": header } }),
    }));
    if !args.ip.is_empty() {
        filters.push(json!({ "client_ip": args.ip }));
    }
    filters.extend(args.search.as_ref().map(|text| json!({ "query": text })));
    filters.extend(args.version_id.as_ref().map(|id| json!({ "scriptVersion": id })));
    filters
}

/// An invocation for people: a line for itself, and one for each thing it said.
fn pretty(message: &Value, color: bool) -> String {
    let event = &message["event"];
    let text = |value: &Value| printable(value.as_str().unwrap_or_default());
    let what = if event["request"].is_object() {
        let status = event["response"]["status"].as_u64().map_or_else(String::new, |code| format!(" {code}"));
        format!("{} {}{status}", text(&event["request"]["method"]), text(&event["request"]["url"]))
    } else if let Some(cron) = event["cron"].as_str() {
        format!("cron {}", printable(cron))
    } else if event["queue"].is_string() {
        format!("queue {} ({} messages)", text(&event["queue"]), event["batchSize"])
    } else if event["rpcMethod"].is_string() {
        format!("{}.{}", text(&message["entrypoint"]), text(&event["rpcMethod"]))
    } else if event["mailFrom"].is_string() {
        format!("email from {} to {}", text(&event["mailFrom"]), text(&event["rcptTo"]))
    } else if event["consumedEvents"].is_array() {
        "tail".to_owned()
    } else if event["getWebSocketEvent"].is_object() {
        format!("websocket {}", text(&event["getWebSocketEvent"]["webSocketEventType"]))
    } else if event["scheduledTime"].is_string() {
        format!("alarm of {}", text(&event["scheduledTime"]))
    } else if event["type"].is_string() {
        return format!("{}\n", paint(&text(&event["message"]), "33", color));
    } else {
        "event".to_owned()
    };
    let outcome = text(&message["outcome"]);
    let outcome = paint(&outcome, if outcome == "ok" { "32" } else { "31" }, color);
    let at = message["eventTimestamp"].as_i64().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    let at = at
        .map_or_else(String::new, |at| at.to_zoned(TimeZone::system()).strftime("%H:%M:%S%.3f").to_string());
    let mut out = format!("{at} {what} - {outcome} ({} ms)\n", message["wallTime"]);
    for log in message["logs"].as_array().into_iter().flatten() {
        let arguments = log["message"].as_array().into_iter().flatten().map(|argument| match argument {
            Value::String(plain) => printable(plain),
            other => printable(&other.to_string()),
        });
        let level = log["level"].as_str().unwrap_or_default();
        let code = match level {
            "error" => "31",
            "warn" => "33",
            _ => "2",
        };
        let said = arguments.collect::<Vec<_>>().join(" ");
        // Writing to a string does not fail.
        let _ = writeln!(out, "  {} {said}", paint(&format!("({level})"), code, color));
    }
    for exception in message["exceptions"].as_array().into_iter().flatten() {
        let said = format!("{}: {}", text(&exception["name"]), text(&exception["message"]));
        // Writing to a string does not fail.
        let _ = writeln!(out, "  {}", paint(&said, "31", color));
        for line in text(&exception["stack"]).lines() {
            let _ = writeln!(out, "  {line}");
        }
    }
    out
}

fn paint(text: &str, code: &str, color: bool) -> String {
    if color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// What a worker logs must not speak to the terminal: control characters but line feeds and tabs are spelled out.
fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' | '\t' => out.push(char),
            char if char.is_control() => out.extend(char.escape_default()),
            char => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn options_become_the_filters_that_wrangler_sends() {
        let line = [
            "tail",
            "w",
            "--sampling-rate",
            "0.5",
            "--status",
            "error",
            "--status",
            "ok",
            "--method",
            "GET",
            "--header",
            "X-A: b",
            "--ip",
            "self",
            "--search",
            "needle",
            "--version-id",
            "v",
        ];
        let args = Line::try_parse_from(line).unwrap().args;
        let expected = json!([
            {"sampling_rate": 0.5},
            {"outcome": ["exception", "exceededCpu", "exceededMemory", "unknown", "ok"]},
            {"method": ["GET"]},
            {"header": {"key": "X-A", "query": "b"}},
            {"client_ip": ["self"]},
            {"query": "needle"},
            {"scriptVersion": "v"},
        ]);
        assert_eq!(Value::Array(filters(&args)), expected);
        assert!(filters(&Line::try_parse_from(["tail", "w"]).unwrap().args).is_empty());
    }

    #[test]
    fn an_invocation_reads_well_and_cannot_drive_the_terminal() {
        let message = json!({
            "outcome": "exception", "eventTimestamp": 0, "wallTime": 12, "entrypoint": "default",
            "event": {"request": {"method": "GET", "url": "http://a.test/"}, "response": {"status": 500}},
            "logs": [{"level": "warn", "message": ["hi\u{1b}[2J", {"a": 1}]}],
            "exceptions": [{"name": "Error", "message": "boom", "stack": "    at x"}],
        });
        let shown = pretty(&message, false);
        assert!(shown.contains("GET http://a.test/ 500 - exception (12 ms)\n"), "{shown}");
        assert!(shown.contains("  (warn) hi\\u{1b}[2J {\"a\":1}\n  Error: boom\n      at x\n"), "{shown}");
        let notice = json!({"event": {"type": "overload", "message": "sampling"}});
        assert_eq!(pretty(&notice, false), "sampling\n");
    }
}
