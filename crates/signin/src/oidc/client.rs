//! What is asked of a provider: where its endpoints are (OpenID Connect Discovery 1.0), its keys, and who somebody is for
//! the code that their browser brought.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use jsonwebtoken::jwk::JwkSet;
use parking_lot::Mutex;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use url::Url;
use url::form_urlencoded::{Serializer, byte_serialize};

use super::http::{Call, Http};
use super::mapping::groups;
use super::settings::{Settings, check_url};
use super::token::{self, Bad, Expected};

/// How long what a provider says of itself is taken for true.
const FRESH: Duration = Duration::from_secs(600);
/// How soon keys are read anew because there is one that is not known: anybody can claim that.
const AGAIN: Duration = Duration::from_secs(30);

/// What a provider says of itself.
#[derive(Clone, Deserialize)]
pub struct Metadata {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    userinfo_endpoint: Option<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

/// What a sign-in was begun with, kept on the server until its end.
#[derive(Debug, Clone)]
pub struct Begun {
    /// Where the provider sends the browser.
    pub redirect_uri: String,
    /// In the ID token.
    pub nonce: String,
    /// What the code is worth nothing without.
    pub verifier: String,
}

/// What the browser brought from the provider.
pub struct Brought<'a> {
    /// To be exchanged.
    pub code: &'a str,
    /// Who says to have sent it (RFC 9207).
    pub issuer: Option<&'a str>,
}

/// Somebody as a provider knows them.
#[derive(Debug)]
pub struct Known {
    pub subject: String,
    pub email: Option<String>,
    pub email_verified: bool,
    pub name: String,
    pub groups: Vec<String>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
    access_token: Option<String>,
}

struct Cached {
    metadata: Metadata,
    keys: Arc<JwkSet>,
    read_on: Instant,
}

/// A client of all providers.
pub struct Client {
    http: Http,
    /// By issuer: operators have said which, so it does not grow.
    cache: Mutex<HashMap<String, Cached>>,
}

impl Client {
    /// Over these connections.
    pub fn new(http: Http) -> Self {
        super::ring_verifier::install();
        Self { http, cache: Mutex::default() }
    }

    /// Where a browser goes to sign in.
    ///
    /// # Errors
    /// Why the provider is of no use, for the operator.
    pub async fn authorization_url(
        &self,
        settings: &Settings,
        begun: &Begun,
        state: &str,
    ) -> Result<Url, String> {
        let (metadata, _) = self.provider(&settings.issuer, FRESH).await?;
        let mut url = check_url(&metadata.authorization_endpoint)
            .map_err(|why| format!("authorization_endpoint: {why}"))?;
        let scope = ["openid"].into_iter().chain(settings.scopes.iter().map(String::as_str));
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&begun.verifier));
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &settings.client_id)
            .append_pair("redirect_uri", &begun.redirect_uri)
            .append_pair("scope", &scope.collect::<Vec<_>>().join(" "))
            .append_pair("state", state)
            .append_pair("nonce", &begun.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        Ok(url)
    }

    /// Who somebody is.
    ///
    /// # Errors
    /// Why that is not known, for the operator.
    pub async fn identify(
        &self,
        settings: &Settings,
        secret: Option<&str>,
        begun: &Begun,
        brought: &Brought<'_>,
    ) -> Result<Known, String> {
        let (metadata, keys) = self.provider(&settings.issuer, FRESH).await?;
        let named = brought.issuer.is_some() || metadata.authorization_response_iss_parameter_supported;
        if named && brought.issuer != Some(settings.issuer.as_str()) {
            return Err("the answer comes from another issuer".to_owned());
        }
        let tokens = self.exchange(settings, &metadata, secret, begun, brought.code).await?;
        let expected =
            Expected { issuer: &settings.issuer, client_id: &settings.client_id, nonce: &begun.nonce };
        let now = || jiff::Timestamp::now().as_second().unsigned_abs();
        let claims = match token::read(&tokens.id_token, &keys, &expected, now()) {
            Err(Bad::UnknownKey) => {
                let (_, keys) = self.provider(&settings.issuer, AGAIN).await?;
                token::read(&tokens.id_token, &keys, &expected, now())
            }
            read => read,
        };
        let claims = claims.map_err(|bad| match bad {
            Bad::UnknownKey => "the ID token is signed with none of the provider's keys".to_owned(),
            Bad::Wrong(why) => format!("the ID token is of no use: {why}"),
        })?;
        let mut all = claims.others;
        let is_whole = all.contains_key("email") && all.contains_key(&settings.group_claim);
        if let (false, Some(endpoint), Some(token)) =
            (is_whole, &metadata.userinfo_endpoint, &tokens.access_token)
        {
            let more = self.userinfo(endpoint, token, &claims.sub).await?;
            for (claim, value) in more {
                all.entry(claim).or_insert(value);
            }
        }
        let text = |claim: &str| all.get(claim).and_then(Value::as_str).map(str::to_owned);
        Ok(Known {
            email: text("email"),
            email_verified: all.get("email_verified") == Some(&Value::Bool(true)),
            name: text("name").or_else(|| text("preferred_username")).unwrap_or_default(),
            groups: groups(all.get(&settings.group_claim)),
            subject: claims.sub,
        })
    }

    async fn exchange(
        &self,
        settings: &Settings,
        metadata: &Metadata,
        secret: Option<&str>,
        begun: &Begun,
        code: &str,
    ) -> Result<Tokens, String> {
        let url = check_url(&metadata.token_endpoint).map_err(|why| format!("token_endpoint: {why}"))?;
        let (form, authorization) = request_for(settings, metadata, secret, begun, code);
        let (status, body) = self.http.call(&url, &Call { form: Some(&form), authorization }).await?;
        if !status.is_success() {
            return Err(format!("the code was not taken: {status} {}", shortened(&body)));
        }
        parsed(&body, "the token endpoint")
    }

    async fn userinfo(
        &self,
        endpoint: &str,
        token: &str,
        subject: &str,
    ) -> Result<Map<String, Value>, String> {
        let url = check_url(endpoint).map_err(|why| format!("userinfo_endpoint: {why}"))?;
        let call = Call { authorization: Some(format!("Bearer {token}")), ..Call::default() };
        let (status, body) = self.http.call(&url, &call).await?;
        if !status.is_success() {
            return Err(format!("the userinfo endpoint refused: {status} {}", shortened(&body)));
        }
        let claims: Map<String, Value> = parsed(&body, "the userinfo endpoint")?;
        // It could be somebody else's (Core, 5.3.2).
        if claims.get("sub").and_then(Value::as_str) != Some(subject) {
            return Err("the userinfo endpoint speaks of somebody else".to_owned());
        }
        Ok(claims)
    }

    /// What a provider says of itself, not older than that.
    async fn provider(&self, issuer: &str, age: Duration) -> Result<(Metadata, Arc<JwkSet>), String> {
        if let Some(cached) = self.cache.lock().get(issuer)
            && cached.read_on.elapsed() < age
        {
            return Ok((cached.metadata.clone(), Arc::clone(&cached.keys)));
        }
        let place = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let metadata: Metadata = self.read(&place, "the discovery document").await?;
        if metadata.issuer != issuer {
            return Err(format!("the provider calls itself {:?}, and not {issuer:?}", metadata.issuer));
        }
        let keys: Arc<JwkSet> = Arc::new(self.read(&metadata.jwks_uri, "the key set").await?);
        let cached = Cached { metadata: metadata.clone(), keys: Arc::clone(&keys), read_on: Instant::now() };
        self.cache.lock().insert(issuer.to_owned(), cached);
        Ok((metadata, keys))
    }

    async fn read<T: DeserializeOwned>(&self, url: &str, what: &str) -> Result<T, String> {
        let url = check_url(url).map_err(|why| format!("{what}: {why}"))?;
        let (status, body) = self.http.call(&url, &Call::default()).await?;
        if !status.is_success() {
            return Err(format!("{what} is not there: {status}"));
        }
        parsed(&body, what)
    }
}

/// The form that exchanges a code, and the header beside it.
fn request_for(
    settings: &Settings,
    metadata: &Metadata,
    secret: Option<&str>,
    begun: &Begun,
    code: &str,
) -> (String, Option<String>) {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "authorization_code")
        .append_pair("code", code)
        .append_pair("redirect_uri", &begun.redirect_uri)
        .append_pair("client_id", &settings.client_id)
        .append_pair("code_verifier", &begun.verifier);
    let supports = |method: &str| {
        let methods = metadata.token_endpoint_auth_methods_supported.as_deref();
        methods.is_some_and(|methods| methods.iter().any(|other| other == method))
    };
    // Where nothing is said it is `client_secret_basic` (Discovery, 3).
    let in_form = supports("client_secret_post") && !supports("client_secret_basic");
    let authorization = match secret {
        Some(secret) if in_form => {
            form.append_pair("client_secret", secret);
            None
        }
        Some(secret) => Some(basic(&settings.client_id, secret)),
        None => None,
    };
    (form.finish(), authorization)
}

/// RFC 6749, 2.3.1: both are encoded as in a form first.
fn basic(id: &str, secret: &str) -> String {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    format!("Basic {}", STANDARD.encode(format!("{}:{}", encoded(id), encoded(secret))))
}

fn parsed<T: DeserializeOwned>(body: &Bytes, what: &str) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("{what} cannot be read: {error}"))
}

/// The begin of what a provider said, for the log.
fn shortened(body: &Bytes) -> String {
    String::from_utf8_lossy(body).chars().filter(|letter| !letter.is_control()).take(300).collect()
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
