//! `hearth login` and `hearth logout`: access to a server for this machine's user, kept as `hearth env` keeps it.

use std::io::Read;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use http::Method;
use serde_json::{Value, json};

use crate::client::Client;
use crate::targets::{Named, Targets, api_of};

/// What the server knows this program by.
const CLIENT_ID: &str = "hearth";

/// The environment that is made where none is in use.
const FIRST: &str = "default";

/// Options of `hearth login`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// The server [default: that of the environment, else http://localhost:8787]
    #[arg(long, value_name = "URL")]
    url: Option<url::Url>,
    /// The environment to keep it in, see `hearth env` [default: the one in use]
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// An API token instead of a browser; `-` reads it from standard input
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Examples:
  hearth login --url http://hearth.corp.test
  hearth login --url http://hearth.corp.test --env staging
  hearth login --token - < token.txt
Without --token it prints a link to open in any browser. The link's page asks whether this may be.";

/// Options of `hearth logout`.
#[derive(Debug, clap::Args)]
pub struct LogoutArgs {
    /// The environment to sign out of [default: the one in use]
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
}

/// Carries out `hearth login`.
///
/// # Errors
/// What the server says, or that nobody agreed in time.
pub fn run(args: Args) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(log_in(args))
}

async fn log_in(args: Args) -> Result<()> {
    let mut targets = Targets::load()?;
    let name = args.env.or_else(|| targets.current.clone()).unwrap_or_else(|| FIRST.to_owned());
    let api = match (&args.url, targets.targets.get(&name)) {
        (Some(url), _) => api_of(url),
        (None, Some(named)) => named.api.clone(),
        (None, None) => crate::client::DEFAULT_API.to_owned(),
    };
    let token = match args.token.as_deref() {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            text.trim().to_owned()
        }
        Some(token) => token.to_owned(),
        None => by_browser(&Client::of(&api, None)).await?,
    };
    let client = Client::of(&api, Some(&token));
    let session = client.plain(Method::GET, "/api/session", None).await?;
    if session["kind"] == "dev" {
        bail!("the server takes the token for none; under --dev it lets this machine in without one");
    }
    // Signing in anew changes who calls, not where.
    let before = targets.targets.get(&name).filter(|before| before.api == api);
    let account = before.and_then(|before| before.account.clone());
    targets.targets.insert(name.clone(), Named { api: api.clone(), token: Some(token), account });
    targets.current = Some(name.clone());
    targets.save()?;
    let user = client.call(Method::GET, "/user", None).await?;
    if args.json {
        println!("{:#}", json!({"api": api, "environment": name, "email": user["email"]}));
    } else {
        let email = user["email"].as_str().unwrap_or("whoever has the token");
        println!("Signed in to {api} as {email}. Commands are for it now (environment `{name}`).");
    }
    Ok(())
}

/// A token that somebody agrees to in a browser (RFC 8628).
async fn by_browser(client: &Client) -> Result<String> {
    let asked = [("client_id", CLIENT_ID), ("scope", "all")];
    let (status, begun) = client.form("/oauth2/device/auth", &asked).await?;
    let text = |value: &Value, field: &str| value[field].as_str().map(str::to_owned);
    let (Some(device), Some(link)) = (text(&begun, "device_code"), text(&begun, "verification_uri_complete"))
    else {
        bail!("the server does not let programs in this way ({status}); use --token");
    };
    let code = text(&begun, "user_code").unwrap_or_default();
    eprintln!("Open this link in a browser, and agree to the code {code}:\n\n  {link}\n");
    let mut pause = Duration::from_secs(begun["interval"].as_u64().unwrap_or(5));
    let end = Instant::now() + Duration::from_secs(begun["expires_in"].as_u64().unwrap_or(900));
    let asked = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
        ("device_code", device.as_str()),
        ("client_id", CLIENT_ID),
    ];
    while Instant::now() < end {
        tokio::time::sleep(pause).await;
        let (_, answer) = client.form("/oauth2/token", &asked).await?;
        if let Some(token) = text(&answer, "access_token") {
            return Ok(token);
        }
        match answer["error"].as_str() {
            Some("authorization_pending") => {}
            Some("slow_down") => pause += Duration::from_secs(5),
            Some("access_denied") => bail!("it was denied in the browser"),
            Some(error) => bail!("the server says: {error}"),
            None => bail!("the server's answer cannot be read"),
        }
    }
    bail!("nobody agreed in time; run `hearth login` again")
}

/// Carries out `hearth logout`.
///
/// # Errors
/// When there is no such environment, or the server cannot be told.
pub fn run_logout(args: &LogoutArgs) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(log_out(args))
}

async fn log_out(args: &LogoutArgs) -> Result<()> {
    let mut targets = Targets::load()?;
    let name = args.env.clone().or_else(|| targets.current.clone());
    let name = name.context("no environment is in use")?;
    let named =
        targets.targets.get_mut(&name).with_context(|| format!("there is no environment `{name}`"))?;
    let Some(token) = named.token.take() else { bail!("there is no token in the environment `{name}`") };
    let client = Client::of(&named.api, None);
    let (status, _) = client.form("/oauth2/revoke", &[("client_id", CLIENT_ID), ("token", &token)]).await?;
    if !status.is_success() {
        bail!("the server could not end the access ({status})");
    }
    targets.save()
}
