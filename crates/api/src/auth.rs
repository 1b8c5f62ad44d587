//! Who calls, and whether he may: API tokens as `Authorization: Bearer` or, from clients with a global key, `X-Auth-Key`
//! (wrangler-api.md 1.2). Every operation stands behind [`admit`], with what it needs ([`Need`]); none can be routed
//! without.

use std::convert::Infallible;
use std::net::IpAddr;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hearth_model::{AccountId, Area, Grants, On, Right, ThingKind};
use hearth_store::{
    Account, Entity, Principal, Shown, StoreError, TokenId, TokenOwner, User, UserId, Zone, ZoneId,
};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};

use crate::error::{ApiError, code};
use crate::params::Params;
use crate::rights::Need;
use crate::session::{self, Peer, is_foreign_page};
use crate::state::Api;

/// Who makes a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A local caller under `--dev`.
    Local,
    /// The admin token, or one made with it.
    Installation(TokenId),
    /// A person, in a session or by a token.
    Person {
        /// Their id.
        user: UserId,
        /// Their token; None in a session.
        token: Option<TokenId>,
    },
    /// A token of an account.
    Account {
        /// Whose.
        account: AccountId,
        /// The token.
        token: TokenId,
    },
}

/// Whoever makes a call, and what he may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub who: Who,
    /// The e-mail address of the person, or of who made the token.
    pub email: String,
    /// What he may do.
    pub grants: Grants,
    /// Which client calls, as wrangler prints it: `wrangler`, `terraform` or `api`.
    pub source: &'static str,
}

impl Caller {
    /// The token that was shown.
    pub fn token(&self) -> Option<&TokenId> {
        match &self.who {
            Who::Local => None,
            Who::Installation(token) | Who::Account { token, .. } => Some(token),
            Who::Person { token, .. } => token.as_ref(),
        }
    }

    /// The person that calls.
    pub fn user(&self) -> Option<&UserId> {
        match &self.who {
            Who::Person { user, .. } => Some(user),
            _ => None,
        }
    }

    /// Refuses a call that takes a right which the caller does not have. To whoever has nothing in the account, it is as
    /// if the account did not exist.
    ///
    /// # Errors
    /// 403.
    pub fn require(&self, right: Right, on: On<'_>) -> Result<(), ApiError> {
        if self.grants.allows(right, on) {
            return Ok(());
        }
        if on.account().is_some_and(|account| !self.grants.knows(account)) {
            return Err(ApiError::forbidden());
        }
        Err(ApiError::lacking(&format!("the right `{right}` here")))
    }

    /// Refuses what only who answers for the installation may do.
    ///
    /// # Errors
    /// 403.
    pub fn require_installation(&self) -> Result<(), ApiError> {
        if self.grants.is_everything() {
            return Ok(());
        }
        Err(ApiError::lacking("the admin token or an operator"))
    }

    fn in_session(user: User, grants: Grants, source: &'static str) -> Self {
        Self { who: Who::Person { user: user.id, token: None }, email: user.email, grants, source }
    }

    fn new(principal: Principal, source: &'static str) -> Self {
        let email = principal.email().to_owned();
        let token = principal.token.id;
        let who = match principal.token.owner {
            TokenOwner::Installation => Who::Installation(token),
            TokenOwner::User(user) => Who::Person { user, token: Some(token) },
            TokenOwner::Account(account) => Who::Account { account, token },
        };
        Self { who, email, grants: principal.grants, source }
    }
}

/// The address of whoever makes a call, if it is known.
#[derive(Debug, Clone, Copy)]
pub struct CallFrom(pub Option<IpAddr>);

/// The account that a call is about: the one in its path, or the one that a dialect's call acts in
/// ([`Api::account_of`]).
#[derive(Debug, Clone)]
pub struct InAccount(pub Account);

/// The zone in the path and its account.
#[derive(Debug, Clone)]
pub struct InZone {
    /// The zone.
    pub zone: Zone,
    /// Its account.
    pub account: Account,
}

/// How an operation says no, in the words of its dialect.
pub type Refuse = fn(&ApiError, &Params) -> Response;

/// What stands before an operation.
#[derive(Clone)]
pub(crate) struct Gate {
    pub api: Api,
    pub need: Need,
    /// The kind of thing that the path names, and in which segment.
    pub thing: Option<(ThingKind, &'static str)>,
    pub refuse: Option<Refuse>,
}

/// Lets a call pass with a [`Caller`]: what is refused here never sees which paths there are.
pub(crate) async fn authenticate(State(api): State<Api>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    if let Err(error) = known(&api, &mut parts).await {
        return error.into_response();
    }
    next.run(Request::from_parts(parts, body)).await
}

/// Lets a call pass that its caller may make, with a [`Caller`] and, as its need says, an [`InAccount`] or [`InZone`].
pub(crate) async fn admit(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    if gate.need == Need::Open {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let params = match Params::from_request_parts(&mut parts, &()).await {
        Ok(params) => params,
        Err(error) => return error.into_response(),
    };
    match gate.check(&mut parts, &params).await {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(error) => match gate.refuse {
            Some(refuse) => {
                error.report();
                refuse(&error, &params)
            }
            None => error.into_response(),
        },
    }
}

impl Gate {
    async fn check(&self, parts: &mut Parts, params: &Params) -> Result<(), ApiError> {
        let caller = known(&self.api, parts).await?;
        match self.need {
            Need::Open | Need::Known => {}
            Need::Installation => caller.require_installation()?,
            Need::Own(right) => {
                let themselves = caller.user().map(|user| On::User(user.as_str()));
                if !caller.grants.is_everything()
                    && !themselves.is_some_and(|on| caller.grants.allows(right, on))
                {
                    return Err(ApiError::lacking(&format!("a person with the right `{right}`")));
                }
            }
            Need::Dialect(right) => {
                let account = self.api.account_of(&caller, right, &parts.headers).await?;
                parts.extensions.insert(InAccount(account));
            }
            Need::Zone(right) => {
                let found = self.zone(&caller, params.get("zone"), right).await?;
                parts.extensions.insert(found);
            }
            Need::Within | Need::Account(_) | Need::Zones(_) => {
                let account = self.account(&caller, params).await?;
                parts.extensions.insert(InAccount(account));
            }
        }
        if self.need == Need::Installation && !params.get("account").is_empty() {
            let account = self.api.existing(params.get("account")).await?;
            parts.extensions.insert(InAccount(account));
        }
        Ok(())
    }

    async fn account(&self, caller: &Caller, params: &Params) -> Result<Account, ApiError> {
        let text = params.get("account");
        let id: AccountId = text.parse().map_err(|_| unknown_account(text))?;
        if !caller.grants.knows(&id) {
            return Err(ApiError::forbidden());
        }
        let account = self.api.existing(text).await?;
        match self.need {
            Need::Account(right) => match self.thing {
                Some((kind, segment)) if !caller.grants.allows(right, On::Account(&id)) => {
                    let named = self.named(&account, kind, params.get(segment)).await;
                    caller.require(right, On::Thing(&id, kind, &named))?;
                }
                _ => caller.require(right, On::Account(&id))?,
            },
            Need::Zones(right) => caller.require(right, On::Zones(&id))?,
            _ => {}
        }
        Ok(account)
    }

    /// How rights name the thing that a path names. Workers go by their id there, so that one which takes the name of
    /// another has none of its rights.
    async fn named(&self, account: &Account, kind: ThingKind, text: &str) -> String {
        if kind != ThingKind::Worker {
            return text.to_owned();
        }
        let found = self.api.find_any(account, text).await;
        found.map(|worker| worker.id.to_string()).unwrap_or_default()
    }

    async fn zone(&self, caller: &Caller, text: &str, right: Right) -> Result<InZone, ApiError> {
        let id: ZoneId = text.parse()?;
        let zone = self.api.store().zone(&id).await?;
        if !sees(&caller.grants, &zone) {
            let text = format!("Zone `{text}` does not exist.");
            return Err(ApiError::not_found(code::BAD_IDENTIFIER, text));
        }
        caller.require(right, On::Zone(&zone.account, zone.id.as_str()))?;
        let account = self.api.store().account(&zone.account).await?;
        Ok(InZone { zone, account })
    }
}

/// Whether a zone is there for somebody: he may do something with it.
pub(crate) fn sees(grants: &Grants, zone: &Zone) -> bool {
    let on = On::Zone(&zone.account, zone.id.as_str());
    [Area::Zones, Area::WorkersRoutes, Area::CachePurge].iter().any(|area| grants.allows(area.read(), on))
}

/// Who calls, as it is known already or from what is shown.
async fn known(api: &Api, parts: &mut Parts) -> Result<Caller, ApiError> {
    if let Some(caller) = parts.extensions.get::<Caller>() {
        return Ok(caller.clone());
    }
    let caller = caller(api, parts).await?;
    parts.extensions.insert(caller.clone());
    Ok(caller)
}

pub(crate) async fn caller(api: &Api, parts: &Parts) -> Result<Caller, ApiError> {
    let source = source(&parts.headers);
    let from = parts.extensions.get::<Peer>().map(|peer| peer.ip);
    let shown = match token(&parts.headers) {
        Some(token) => api.store().authenticate(token, from).await?,
        None => match session::shown(api, &parts.headers, from).await? {
            session::Shown::Person(user, grants) => return Ok(Caller::in_session(*user, grants, source)),
            session::Shown::Token(shown) => shown,
        },
    };
    match shown {
        Shown::Good(principal) => Ok(Caller::new(*principal, source)),
        Shown::Elsewhere => Err(ApiError::elsewhere(from)),
        Shown::Nobody if api.is_local_caller(&parts.headers) => Ok(Caller {
            who: Who::Local,
            email: "dev@localhost".to_owned(),
            grants: Grants::everything(),
            source,
        }),
        Shown::Nobody if !api.config().require_token && shows_token(&parts.headers) => {
            let text = format!(
                "Authentication error: this token is good for nothing here. Under --dev show none, or `{NO_TOKEN}` where a \
                 client wants one."
            );
            Err(ApiError::new(StatusCode::UNAUTHORIZED, code::AUTHENTICATION, text))
        }
        Shown::Nobody => Err(ApiError::unauthenticated()),
    }
}

impl Api {
    /// Whether a call that shows nothing that is known is made by somebody at this machine, under `--dev`. Whoever shows a
    /// token is judged by that; a cookie may be left over from another server on the same host.
    fn is_local_caller(&self, headers: &HeaderMap) -> bool {
        !self.config().require_token && !shows_token(headers) && !is_foreign_page(headers)
    }

    /// An account that a path names.
    pub(crate) async fn existing(&self, text: &str) -> Result<Account, ApiError> {
        let id: AccountId = text.parse().map_err(|_| unknown_account(text))?;
        match self.store().account(&id).await {
            Err(StoreError::NotFound { what: Entity::Account, .. }) => Err(unknown_account(text)),
            other => Ok(other?),
        }
    }
}

fn unknown_account(text: &str) -> ApiError {
    ApiError::not_found(
        code::BAD_IDENTIFIER,
        // wrangler remembers the account it chose, in the project's folder, beyond the life of an installation.
        format!(
            "Could not route to /accounts/{text}, perhaps your object identifier is invalid? This Hearth has no such account; if you did not configure it, delete node_modules/.cache/wrangler, where wrangler remembers one."
        ),
    )
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

/// What those show who have no token, to a client that wants one.
const NO_TOKEN: &str = "none";

/// Whether a call shows a token, of whatever kind.
fn shows_token(headers: &HeaderMap) -> bool {
    match token(headers) {
        Some(token) => token != NO_TOKEN,
        None => headers.contains_key(header::AUTHORIZATION) || headers.contains_key("x-auth-key"),
    }
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

impl<S: Sync> FromRequestParts<S> for InZone {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        parts.extensions.get::<Self>().cloned().ok_or_else(ApiError::unauthenticated)
    }
}

impl<S: Sync> FromRequestParts<S> for CallFrom {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<Peer>().map(|peer| peer.ip)))
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
