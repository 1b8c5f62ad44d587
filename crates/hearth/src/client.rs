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

use crate::targets::Targets;

/// The API of a server that listens where servers listen by default.
pub const DEFAULT_API: &str = "http://localhost:8787/client/v4";

/// Where the server is, and who asks.
#[derive(Debug, Clone, clap::Args)]
pub struct Target {
    /// The server's API [default: the environment's in use, else http://localhost:8787/client/v4]
    #[arg(long, value_name = "URL", env = "CLOUDFLARE_API_BASE_URL")]
    api: Option<String>,
    /// The environment to act on, by its name, whatever else is set [default: the one in use, see `hearth env`]
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// API token [default: the environment's, else the data folder's admin-token]
    #[arg(long, value_name = "TOKEN", env = "CLOUDFLARE_API_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The server's data folder, for its admin token
    #[arg(long, value_name = "DIR", default_value = "data", env = "HEARTH_DATA_DIR")]
    data_dir: PathBuf,
}

/// A worker of an account of that server.
#[derive(Debug, clap::Args)]
pub struct OfWorker {
    /// The worker
    pub worker: String,
    /// The account of the worker or function [default: the environment's, else the first one]
    #[arg(long, value_name = "ID", env = "CLOUDFLARE_ACCOUNT_ID")]
    account: Option<String>,
    #[command(flatten)]
    target: Target,
}

impl OfWorker {
    /// A client, and the path of what is called `below` the worker: empty, or beginning with a slash.
    ///
    /// # Errors
    /// When there is no such environment, or the server cannot be asked for its accounts.
    pub async fn open(&self, below: &str) -> Result<(Client, String)> {
        let client = self.target.client()?;
        let account = client.account(self.account.as_deref()).await?;
        Ok((client, format!("/accounts/{account}/workers/scripts/{}{below}", self.worker)))
    }
}

/// A connection to the API.
#[derive(Clone)]
pub struct Client {
    base: String,
    token: Option<String>,
    /// The environment's.
    account: Option<String>,
    http: Http<HttpConnector, Full<Bytes>>,
}

impl Target {
    /// A client for this target. Without a token it relies on `--dev`.
    ///
    /// # Errors
    /// When there is no such environment.
    pub fn client(&self) -> Result<Client> {
        let targets = Targets::load()?;
        let stored = || std::fs::read_to_string(self.data_dir.join("admin-token")).ok();
        // A token belongs to its server: what is set for one is not sent to another.
        let named = match &self.api {
            Some(_) if self.env.is_none() => None,
            _ => targets.choose(self.env.as_deref())?,
        };
        let (api, token) = match named {
            Some(named) if self.env.is_some() => (named.api.as_str(), named.token.clone()),
            Some(named) => (named.api.as_str(), self.token.clone().or(named.token.clone())),
            None => (self.api.as_deref().unwrap_or(DEFAULT_API), self.token.clone().or_else(stored)),
        };
        Ok(Client {
            base: api.trim_end_matches('/').to_owned(),
            token: token.map(|token| token.trim().to_owned()),
            account: named.and_then(|named| named.account.clone()),
            http: Http::builder(TokioExecutor::new()).build_http(),
        })
    }
}

impl Client {
    /// To a server of this machine that wants no token.
    pub fn local(api: &str) -> Self {
        Self::of(api, None)
    }

    /// To the server of an API, with a token or without one.
    pub fn of(api: &str, token: Option<&str>) -> Self {
        let http = Http::builder(TokioExecutor::new()).build_http();
        Self { base: api.to_owned(), token: token.map(str::to_owned), account: None, http }
    }

    /// The same, with connections of its own.
    pub fn apart(&self) -> Self {
        Self { http: Http::builder(TokioExecutor::new()).build_http(), ..self.clone() }
    }

    /// One call; the answer is the envelope's `result`.
    ///
    /// # Errors
    /// The envelope's messages, or why there was no answer.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let response = self.send(method, path, "application/json", body).await?;
        read_envelope(response).await
    }

    /// Posts a form outside of Cloudflare's API; the answer's status and JSON, whether it says yes or no.
    ///
    /// # Errors
    /// Why there was no answer.
    pub async fn form(&self, path: &str, pairs: &[(&str, &str)]) -> Result<(StatusCode, Value)> {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let kind = "application/x-www-form-urlencoded";
        let response = self.send_to(Method::POST, self.outside(path), kind, form).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        Ok((status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }

    /// A URL of the server by its whole path.
    fn outside(&self, path: &str) -> String {
        format!("{}{path}", self.base.strip_suffix("/client/v4").unwrap_or(&self.base))
    }

    /// One call outside of Cloudflare's API, by its whole path; the answer is JSON as it is, or nothing.
    ///
    /// # Errors
    /// What the server says, or why there was no answer.
    pub async fn plain(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value> {
        let body = body.map(ToString::to_string).unwrap_or_default();
        let response = self.send_to(method, self.outside(path), "application/json", body).await?;
        let status = response.status();
        let bytes = response.into_body().collect().await?.to_bytes();
        if bytes.is_empty() && status.is_success() {
            return Ok(Value::Null);
        }
        let answer: Value = serde_json::from_slice(&bytes)
            .with_context(|| format!("the answer, {status}, is not in the API's form"))?;
        if !status.is_success() {
            bail!("{} ({status})", answer["error"]["message"].as_str().unwrap_or("refused"));
        }
        Ok(answer)
    }

    /// One call with a body of any kind.
    ///
    /// # Errors
    /// Status and text of a refusal; 0 when there was no answer.
    pub async fn call_with(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Bytes,
    ) -> Result<Value, (u16, String)> {
        let broken = |error: anyhow::Error| (0, format!("{error:#}"));
        let response = self.send(method, path, kind, body).await.map_err(broken)?;
        let status = response.status().as_u16();
        read_envelope(response).await.map_err(|error| (status, format!("{error:#}")))
    }

    /// Where the API is.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The token that calls carry.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// What a path holds, as it comes.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn download(&self, path: &str) -> Result<Incoming> {
        let response = self.send(Method::GET, path, "application/json", "").await?;
        if response.status() == StatusCode::OK {
            return Ok(response.into_body());
        }
        read_envelope(response).await?;
        bail!("{path} holds nothing");
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: impl Into<Bytes>,
    ) -> Result<Response<Incoming>> {
        self.send_to(method, format!("{}{path}", self.base), kind, body).await
    }

    async fn send_to(
        &self,
        method: Method,
        url: String,
        kind: &str,
        body: impl Into<Bytes>,
    ) -> Result<Response<Incoming>> {
        let mut request = Request::builder().method(method).uri(url);
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        let request = request.body(Full::new(body.into()))?;
        let sent = self.http.request(request).await;
        sent.with_context(|| format!("no answer from {}: is `hearth serve` running there?", self.base))
    }

    /// The account to act on: the given one, else the environment's, else the first.
    ///
    /// # Errors
    /// As [`Self::call`]; also when there is none.
    pub async fn account(&self, named: Option<&str>) -> Result<String> {
        if let Some(id) = named.or(self.account.as_deref()) {
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
