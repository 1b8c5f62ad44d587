//! Beginning a session, seeing it and ending it.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hearth_api::Params;
use hearth_api::session::{Peer, is_foreign_page, secret};
use hearth_store::{SessionId, Signed, User};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Own, Signin, Visitor, view};
use crate::error::Refusal;
use crate::{recovery, totp};

/// `GET /api/session/methods`: how one may sign in, and whether one has to.
pub async fn methods(State(signin): State<Signin>, headers: HeaderMap) -> Result<Json<Value>, Refusal> {
    let required = signin.api().config().require_token || is_foreign_page(&headers);
    let providers = signin.store().providers().await?;
    let named =
        providers.iter().map(|provider| json!({"id": provider.id, "name": provider.settings["name"]}));
    let providers: Value = named.collect();
    Ok(Json(
        json!({"password": true, "passkey": true, "providers": providers, "token": true, "required": required}),
    ))
}

/// `GET /api/session`: who calls, by whatever they show.
pub async fn show(State(signin): State<Signin>, parts: Parts) -> Result<Json<Value>, Refusal> {
    let caller = signin.api().caller(&parts).await?;
    let headers = parts.headers;
    let shows_token = headers.contains_key(header::AUTHORIZATION) || headers.contains_key("x-auth-key");
    if !shows_token && let Some(session) = hearth_api::session::session(signin.api(), &headers).await? {
        return Ok(Json(signin.describe(&session, &caller).await?));
    }
    let kind = if caller.token().is_some() { "token" } else { "dev" };
    let memberships = signin.memberships(None, &caller).await?;
    let operator = caller.require_installation().is_ok();
    Ok(Json(
        json!({"kind": kind, "user": null, "operator": operator, "memberships": memberships, "expires_on": null}),
    ))
}

#[derive(Deserialize)]
pub struct Credentials {
    email: String,
    password: String,
}

/// `POST /api/session`: a session, or a ticket where a second factor is asked for.
pub async fn by_password(
    State(signin): State<Signin>,
    visitor: Visitor,
    Body(Credentials { email, password }): Body<Credentials>,
) -> Result<Response, Refusal> {
    let attempt = signin.attempt(visitor.peer.ip, Some(&email))?;
    let user = signin.store().user_by_email(&email).await?;
    let stored = match &user {
        Some(user) => signin.store().password(&user.id).await?,
        None => None,
    };
    // As long whether there is such a person or not.
    let right = signin.0.passwords.verify(stored, password).await?;
    let user = user.filter(|user| right && !user.suspended).ok_or_else(Refusal::wrong_password)?;
    attempt.forgive();
    first_factor_shown(&signin, user, &visitor).await
}

/// What becomes of somebody who has shown who they are by one thing.
pub async fn first_factor_shown(signin: &Signin, user: User, visitor: &Visitor) -> Result<Response, Refusal> {
    let authenticator = signin.store().totp(&user.id).await?;
    if authenticator.is_some_and(|totp| totp.confirmed) {
        let mut factors = vec!["totp", "recovery"];
        if !signin.store().passkeys(&user.id).await?.is_empty() {
            factors.push("passkey");
        }
        let ticket = signin.0.tickets.lock().issue(user, signin.now());
        let body = json!({"ticket": ticket, "second_factors": factors});
        return Ok((StatusCode::ACCEPTED, Json(body)).into_response());
    }
    let (session, secret) = signin.begin(Signed::User(user), visitor, Vec::new()).await?;
    signin.signed_in(&session, &secret, visitor.peer).await
}

#[derive(Deserialize)]
pub struct SecondFactor {
    ticket: String,
    totp: Option<String>,
    recovery: Option<String>,
}

/// `POST /api/session/second`: a session for a ticket and a code.
pub async fn by_second_factor(
    State(signin): State<Signin>,
    visitor: Visitor,
    Body(shown): Body<SecondFactor>,
) -> Result<Response, Refusal> {
    let user = signin.0.tickets.lock().try_at(&shown.ticket, signin.now()).cloned();
    let user = user.ok_or_else(spent)?;
    signin.attempt_code(&user.id)?;
    let right = match (&shown.totp, &shown.recovery) {
        (Some(code), None) => takes_code(&signin, &user, code).await?,
        (None, Some(code)) => signin.store().spend_recovery_code(&user.id, &recovery::digest(code)).await?,
        _ => return Err(Refusal::invalid("Send either `totp` or `recovery`.")),
    };
    if !right {
        return Err(Refusal::wrong_code());
    }
    // Of two that come at once with codes that are both right, one gets the session.
    signin.0.tickets.lock().take(&shown.ticket, signin.now()).ok_or_else(spent)?;
    signin.forgive_code(&user.id);
    let user = signin.store().user(&user.id).await?;
    if user.suspended {
        return Err(spent());
    }
    let (session, secret) = signin.begin(Signed::User(user), &visitor, Vec::new()).await?;
    signin.signed_in(&session, &secret, visitor.peer).await
}

/// Whether an authenticator's code is right now; it is spent by that.
pub async fn takes_code(signin: &Signin, user: &User, code: &str) -> Result<bool, Refusal> {
    let Some(authenticator) = signin.store().totp(&user.id).await? else { return Ok(false) };
    let now = Timestamp::now().as_second().unsigned_abs();
    match totp::step_of(&authenticator.secret, code, now) {
        Some(step) => Ok(signin.store().spend_totp_step(&user.id, step).await?),
        None => Ok(false),
    }
}

fn spent() -> Refusal {
    let text = "The ticket was used, is too old, or was tried too often. Begin with the password again.";
    Refusal::new(StatusCode::UNAUTHORIZED, "wrong_ticket", text)
}

#[derive(Deserialize)]
pub struct ShownToken {
    token: String,
}

/// `POST /api/session/token`: a session of an API token.
pub async fn by_token(
    State(signin): State<Signin>,
    visitor: Visitor,
    Body(ShownToken { token }): Body<ShownToken>,
) -> Result<Response, Refusal> {
    let attempt = signin.attempt(visitor.peer.ip, None)?;
    let shown = signin.store().authenticate(token.trim(), Some(visitor.peer.ip)).await?;
    let text = "The token is none, or is not good now.";
    let wrong = || Refusal::new(StatusCode::UNAUTHORIZED, "wrong_credentials", text);
    let principal = shown.good().ok_or_else(wrong)?;
    attempt.forgive();
    let (session, secret) = signin.begin(Signed::Token(principal.token.id), &visitor, Vec::new()).await?;
    signin.signed_in(&session, &secret, visitor.peer).await
}

/// `DELETE /api/session`: signs out.
pub async fn end(State(signin): State<Signin>, visitor: Visitor) -> Result<Response, Refusal> {
    if let Some(secret) = secret(&visitor.headers)
        && let Some(session) = signin.store().session(secret).await?
    {
        signin.store().end_session(&session.id).await?;
    }
    Ok(view::signed_out(visitor.peer))
}

/// `GET /api/sessions`: the person's own.
pub async fn list(State(signin): State<Signin>, own: Own) -> Result<Json<Value>, Refusal> {
    let sessions = signin.store().sessions(&own.user.id).await?;
    let all = sessions.iter().map(|session| view::session(session, session.id == own.session.id));
    Ok(Json(json!({"sessions": all.collect::<Value>()})))
}

/// `DELETE /api/sessions`: signs out everywhere.
pub async fn end_all(State(signin): State<Signin>, peer: Peer, own: Own) -> Result<Response, Refusal> {
    signin.store().end_sessions(&own.session.signed, None).await?;
    Ok(view::signed_out(peer))
}

/// `DELETE /api/sessions/:session`.
pub async fn end_one(State(signin): State<Signin>, own: Own, params: Params) -> Result<StatusCode, Refusal> {
    let id: SessionId = params.get("session").parse()?;
    signin.store().end_session_of(&own.user.id, &id).await?;
    Ok(StatusCode::OK)
}
