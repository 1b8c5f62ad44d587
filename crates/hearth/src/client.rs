//! Talks to a running server's API for the subcommands that change it.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as Http;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Where the server is, and who asks.
#[derive(Debug, Clone, clap::Args)]
pub struct Target {
    /// The server's API
    #[arg(
        long,
        value_name = "URL",
        env = "CLOUDFLARE_API_BASE_URL",
        default_value = "http://localhost:8787/client/v4"
    )]
    api: String,
    /// API token [default: the data folder's admin-token]
    #[arg(long, value_name = "TOKEN", env = "CLOUDFLARE_API_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The server's data folder, for its admin token
    #[arg(long, value_name = "DIR", default_value = "data", env = "HEARTH_DATA_DIR")]
    data_dir: PathBuf,
}

/// A connection to the API.
pub struct Client {
    base: String,
    token: Option<String>,
    http: Http<HttpConnector, Full<Bytes>>,
}

impl Target {
    /// A client for this target. Without a token it relies on `--dev`.
    pub fn client(&self) -> Client {
        let stored = || std::fs::read_to_string(self.data_dir.join("admin-token")).ok();
        let token = self.token.clone().or_else(stored).map(|token| token.trim().to_owned());
        Client {
            base: self.api.trim_end_matches('/').to_owned(),
            token,
            http: Http::builder(TokioExecutor::new()).build_http(),
        }
    }
}

impl Client {
    /// One call; the answer is the envelope's `result`.
    ///
    /// # Errors
    /// The envelope's messages, or why there was no answer.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let response = self.send(method, path, body).await?;
        read_envelope(response).await
    }

    /// What a path holds, as it comes.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn download(&self, path: &str) -> Result<Incoming> {
        let response = self.send(Method::GET, path, String::new()).await?;
        if response.status() == StatusCode::OK {
            return Ok(response.into_body());
        }
        read_envelope(response).await?;
        bail!("{path} holds nothing");
    }

    async fn send(&self, method: Method, path: &str, body: String) -> Result<Response<Incoming>> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.header("content-type", "application/json").body(Full::from(body))?;
        let sent = self.http.request(request).await;
        sent.with_context(|| format!("no answer from {}: is `hearth serve` running there?", self.base))
    }

    /// The account to act on: the given one, else the first.
    ///
    /// # Errors
    /// As [`Self::call`]; also when there is none.
    pub async fn account(&self, named: Option<&str>) -> Result<String> {
        if let Some(id) = named {
            return Ok(id.to_owned());
        }
        let accounts = self.call(Method::GET, "/accounts", None).await?;
        accounts[0]["id"].as_str().map(str::to_owned).context("the token sees no account")
    }
}

/// The `result` of an answer in the API's form.
async fn read_envelope(response: Response<Incoming>) -> Result<Value> {
    let status = response.status();
    let bytes = response.into_body().collect().await?.to_bytes();
    let envelope: Value = serde_json::from_slice(&bytes)
        .with_context(|| format!("the answer, {status}, is not in the API's form"))?;
    if envelope["success"] != Value::Bool(true) {
        let messages = envelope["errors"].as_array().into_iter().flatten();
        let text: Vec<_> = messages.filter_map(|error| error["message"].as_str()).collect();
        bail!("{} ({status})", text.join("; "));
    }
    Ok(envelope["result"].clone())
}
