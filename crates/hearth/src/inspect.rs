//! `hearth inspect`: a debugger for a worker that is deployed.

use std::io::Write as _;

use anyhow::{Result, bail};
use http::Method;
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::client::{Client, OfWorker};

/// How often the session is asked for.
const LOOK: std::time::Duration = std::time::Duration::from_secs(5);

/// Options of `hearth inspect`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    of: OfWorker,
    /// Debug this version [default: the one that serves]
    #[arg(long, value_name = "ID")]
    version_id: Option<String>,
    /// Print the session as a line of JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  hearth inspect hello
  hearth inspect hello --json | jq -r .websocket_url
The session has a process of its own, so a breakpoint holds up no other requests. It ends with this command, after an
hour, or when nobody has used it for ten minutes. Durable Objects in it are empty and end with it; everything else that
the worker has is real.";

/// Carries out `hearth inspect`, until it is interrupted or the session ends.
///
/// # Errors
/// What the server says, or that the session ended.
pub fn run(args: &Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(inspect(args))
}

async fn inspect(args: &Args) -> Result<()> {
    let (client, path) = args.of.open("/hearth/inspector").await?;
    let session = client.call(Method::POST, &path, Some(&json!({ "version_id": args.version_id }))).await?;
    if args.json {
        println!("{session}");
    } else {
        print!("{}", for_people(&args.of.worker, &session));
    }
    std::io::stdout().flush()?;
    let id = session["id"].as_str().unwrap_or_default();
    let mut terminated = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = ended(&client, &path, id) => return ended,
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
    // One that has just ended by itself is no error.
    if let Err(error) = client.call(Method::DELETE, &format!("{path}/{id}"), None).await {
        tracing::debug!(%error, "the session is over already");
    }
    Ok(())
}

/// Waits until the session is over without us.
async fn ended(client: &Client, path: &str, id: &str) -> Result<()> {
    loop {
        tokio::time::sleep(LOOK).await;
        let all = client.call(Method::GET, path, None).await?;
        if !all.as_array().into_iter().flatten().any(|session| session["id"] == id) {
            bail!("the session is over: it was not used, its hour has passed, or its process has ended");
        }
    }
}

fn for_people(worker: &str, session: &Value) -> String {
    let text = |name: &str| session[name].as_str().unwrap_or_default();
    let requests = match session["url"].as_str() {
        Some(url) => url.to_owned(),
        None => format!("the worker's own hosts, with the header `Hearth-Inspector: {}`", text("id")),
    };
    let discovery = session["discovery_host"].as_str();
    let discovery =
        discovery.map(|host| format!("  chrome://inspect   {host}, below Configure\n")).unwrap_or_default();
    format!(
        "A session of {worker} (version {}) until {}.\n\n  Send requests to   {requests}\n\n  Chrome             {}\n\
         {discovery}  VS Code            an `attach` configuration of type `node` with \"websocketAddress\": \
         \"{}\"\n\nWhoever has these addresses can run code in the worker. Stop with Ctrl-C.\n",
        text("version_id"),
        text("expires_on"),
        text("devtools_url"),
        text("websocket_url"),
    )
}
