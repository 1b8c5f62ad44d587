//! Who makes a call, and whose things it is about.

use axum::body::{Body, to_bytes};
use hearth_api::session::Peer;
use hearth_api::{Api, Caller, Need, Who, needed};
use hearth_model::{AccountId, Area, SESSION_COOKIES};
use http::request::Parts;
use http::{HeaderMap, Request, header};
use http_body::Body as _;
use serde_json::Value;

use crate::entry::Actor;
use crate::recorder::{Known, MOST, Seen, short};

/// Whoever makes a call; None: nobody that is known.
pub(crate) async fn caller(api: &Api, parts: &Parts) -> Option<Caller> {
    api.caller(parts).await.ok()
}

/// Who makes a call, and from where.
pub(crate) async fn actor(
    api: &Api,
    caller: Option<&Caller>,
    headers: &HeaderMap,
    peer: Option<Peer>,
) -> Actor {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
    let mut actor = Actor {
        kind: "unknown".to_owned(),
        ip: peer.map(|peer| peer.ip.to_string()),
        agent: agent.map(short),
        ..Actor::default()
    };
    let Some(caller) = caller else { return actor };
    actor.email = Some(caller.email.clone());
    actor.kind = kind(caller).to_owned();
    actor.id = caller.user().map(ToString::to_string);
    if let Some(id) = caller.token() {
        actor.token_name = api.store().token(id).await.ok().map(|token| token.terms.name);
        actor.token_id = Some(id.to_string());
    }
    actor
}

fn kind(caller: &Caller) -> &'static str {
    match &caller.who {
        Who::Local => "system",
        Who::Installation(_) | Who::Account { .. } => "account",
        Who::Person { .. } => "user",
    }
}

/// Whose things a call is about. What names no account that exists is the installation's business.
pub(crate) async fn account(
    api: &Api,
    seen: &Seen,
    acting: Option<AccountId>,
    shown: Option<&Value>,
) -> Option<AccountId> {
    // What a function answers says nothing of whose it is.
    if acting.is_some() {
        return acting;
    }
    let store = api.store();
    if let Some(named) = seen.segment("account") {
        return store.account(&named.parse().ok()?).await.ok().map(|account| account.id);
    }
    if let Some(zone) = seen.segment("zone") {
        let zone = store.zone(&zone.parse().ok()?).await.ok();
        if let Some(zone) = zone {
            return Some(zone.account);
        }
    }
    if let Some(id) = shown.and_then(|shown| shown["account"]["id"].as_str()) {
        return store.account(&id.parse().ok()?).await.ok().map(|account| account.id);
    }
    None
}

/// The account that a dialect's call acts in, whose path names none; of one that is refused, the one it would look at.
pub(crate) async fn acting(
    api: &Api,
    known: &Known,
    caller: Option<&Caller>,
    headers: &HeaderMap,
) -> Option<AccountId> {
    let Some(Need::Dialect(right)) = needed(&known.method, &known.path) else { return None };
    for right in [right, Area::Workers.read()] {
        if let Ok(account) = api.account_of(caller?, right, headers).await {
            return Some(account.id);
        }
    }
    None
}

/// Whether a call begins a session.
pub(crate) fn signs_in(path: &str) -> bool {
    path.starts_with("/api/session") || path == "/api/invitation/accept"
}

/// Whom somebody says they are who wants to sign in.
pub(crate) async fn claimed(request: Request<Body>) -> (Request<Body>, Option<String>) {
    if request.body().size_hint().upper().is_none_or(|bytes| bytes > MOST as u64) {
        return (request, None);
    }
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, MOST).await else {
        // What is missing of it the API finds missing too.
        return (Request::from_parts(parts, Body::empty()), None);
    };
    let email = serde_json::from_slice::<Value>(&bytes).ok();
    let email = email.as_ref().and_then(|body| body["email"].as_str()).map(short);
    (Request::from_parts(parts, Body::from(bytes)), email)
}

/// Whom the cookie stands for that an answer gives: a way of signing in whose answer does not say.
pub(crate) async fn signed_in(api: &Api, answer: &HeaderMap, peer: Option<Peer>) -> Option<Caller> {
    let given =
        answer.get_all(header::SET_COOKIE).iter().filter_map(|line| line.to_str().ok()?.split(';').next());
    let is_session = |pair: &&str| {
        let (name, secret) = pair.split_once('=').unwrap_or_default();
        SESSION_COOKIES.contains(&name) && !secret.is_empty()
    };
    let cookie = given.into_iter().find(is_session)?;
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.headers.insert(header::COOKIE, cookie.parse().ok()?);
    if let Some(peer) = peer {
        parts.extensions.insert(peer);
    }
    caller(api, &parts).await
}

/// Who has signed in, as the session says, or who was tried.
pub(crate) fn name_visitor(
    actor: &mut Actor,
    session: Option<&Value>,
    signed_in: Option<&Caller>,
    claimed: Option<String>,
) {
    if let Some(caller) = signed_in {
        actor.kind = kind(caller).to_owned();
        actor.email = Some(caller.email.clone());
    }
    let user = session.map_or(&Value::Null, |session| &session["user"]);
    if let Some(id) = user["id"].as_str() {
        actor.kind = "user".to_owned();
        actor.id = Some(id.to_owned());
        actor.email = user["email"].as_str().map(short);
        return;
    }
    actor.email = actor.email.take().or(claimed);
}
