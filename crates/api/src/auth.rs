//! Who calls: API tokens as `Authorization: Bearer` or, from clients with a global key, `X-Auth-Key`
//! (wrangler-api.md 1.2). It happens before routing, so that no route can be reached around it.

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hearth_model::AccountId;
use hearth_store::{Account, Entity, Principal, Scope, StoreError};
use http::header;
use http::request::Parts;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;

use crate::error::{ApiError, code};
use crate::path;
use crate::r2_rights;
use crate::session::{self, is_foreign_page};
use crate::state::Api;

/// Who makes a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The e-mail of the token's owner.
    pub email: String,
    /// What it may touch.
    pub scope: Scope,
    /// The token's id; None for a local caller under `--dev`.
    pub token_id: Option<String>,
    /// Which client calls, as wrangler prints it: `wrangler`, `terraform` or `api`.
    pub source: &'static str,
}

impl Caller {
    /// Refuses what only an installation-wide token may do.
    ///
    /// # Errors
    /// 403.
    pub fn require_installation(&self) -> Result<(), ApiError> {
        match self.scope {
            Scope::Installation => Ok(()),
            Scope::Accounts(_) | Scope::R2(_) => Err(ApiError::forbidden()),
        }
    }

    /// Whether a call below an account may be made.
    fn may(&self, account: &AccountId, method: &Method, path: &str) -> bool {
        match &self.scope {
            Scope::R2(_) if path.ends_with("/tokens/verify") => {
                self.scope.accounts().is_some_and(|named| named.contains(&account))
            }
            Scope::R2(_) => r2_rights::needed(method, path).is_some_and(|(action, bucket)| {
                let bucket = bucket.map(|text| percent_decode_str(text).decode_utf8_lossy());
                self.scope.allows_r2(account, bucket.as_deref(), action)
            }),
            scope => scope.allows(account),
        }
    }
}

/// The account in the path, which the caller may touch.
#[derive(Debug, Clone)]
pub struct InAccount(pub Account);

/// Lets a call pass with a [`Caller`], and with an [`InAccount`] when its path names an account.
pub(crate) async fn authenticate(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    match check(&api, request.headers(), request.method(), request.uri().path()).await {
        Ok((caller, account)) => {
            request.extensions_mut().insert(caller);
            if let Some(account) = account {
                request.extensions_mut().insert(InAccount(account));
            }
            next.run(request).await
        }
        Err(error) => error.into_response(),
    }
}

async fn check(
    api: &Api,
    headers: &HeaderMap,
    method: &Method,
    path: &str,
) -> Result<(Caller, Option<Account>), ApiError> {
    let caller = caller(api, headers).await?;
    let account = match path::account(path) {
        Some(text) => Some(account(api, &caller, text, method, path).await?),
        None => None,
    };
    Ok((caller, account))
}

pub(crate) async fn caller(api: &Api, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let source = source(headers);
    let principal = match token(headers) {
        Some(token) => api.store().authenticate(token).await?,
        None => None,
    };
    if token(headers).is_none()
        && let Some(caller) = session::caller(api, headers, source).await?
    {
        return Ok(caller);
    }
    match principal {
        Some(Principal { token_id, email, scope }) => {
            Ok(Caller { email, scope, token_id: Some(token_id.to_string()), source })
        }
        None if !api.config().require_token && !is_foreign_page(headers) => Ok(Caller {
            email: "dev@localhost".to_owned(),
            scope: Scope::Installation,
            token_id: None,
            source,
        }),
        None => Err(ApiError::unauthenticated()),
    }
}

async fn account(
    api: &Api,
    caller: &Caller,
    text: &str,
    method: &Method,
    path: &str,
) -> Result<Account, ApiError> {
    let unknown = || {
        ApiError::not_found(
            code::BAD_IDENTIFIER,
            // wrangler remembers the account it chose, in the project's folder, beyond the life of an installation.
            format!(
                "Could not route to /accounts/{text}, perhaps your object identifier is invalid? This Hearth has no such account; if you did not configure it, delete node_modules/.cache/wrangler, where wrangler remembers one."
            ),
        )
    };
    let id: AccountId = text.parse().map_err(|_| unknown())?;
    if !caller.may(&id, method, path) {
        return Err(ApiError::forbidden());
    }
    match api.store().account(&id).await {
        Err(StoreError::NotFound { what: Entity::Account, .. }) => Err(unknown()),
        other => Ok(other?),
    }
}

/// The token that a call shows.
fn token(headers: &HeaderMap) -> Option<&str> {
    let text = |name| headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    if let Some(authorization) = text(header::AUTHORIZATION.as_str()) {
        let (scheme, token) = authorization.split_once(' ')?;
        return scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
            .filter(|token| !token.is_empty());
    }
    text("x-auth-key").map(str::trim).filter(|token| !token.is_empty())
}

fn source(headers: &HeaderMap) -> &'static str {
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let agent = agent.to_ascii_lowercase();
    if agent.starts_with("wrangler/") {
        "wrangler"
    } else if agent.contains("terraform") {
        "terraform"
    } else {
        "api"
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(ApiError::unauthenticated)
    }
}

impl<S: Sync> FromRequestParts<S> for InAccount {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(ApiError::unauthenticated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn both_kinds_of_credentials_are_read() {
        assert_eq!(token(&headers(&[("authorization", "Bearer abc")])), Some("abc"));
        assert_eq!(token(&headers(&[("authorization", "bearer  abc ")])), Some("abc"));
        assert_eq!(token(&headers(&[("x-auth-key", "abc"), ("x-auth-email", "a@b")])), Some("abc"));
        for none in [
            headers(&[]),
            headers(&[("authorization", "Basic abc")]),
            headers(&[("authorization", "Bearer ")]),
        ] {
            assert_eq!(token(&none), None);
        }
    }

    #[test]
    fn the_client_is_told_by_its_agent() {
        assert_eq!(source(&headers(&[("user-agent", "wrangler/4.164.0")])), "wrangler");
        assert_eq!(source(&headers(&[("user-agent", "Terraform/1.9 cloudflare")])), "terraform");
        assert_eq!(source(&headers(&[("user-agent", "Cloudflare/JS 7.3.0")])), "api");
    }
}
