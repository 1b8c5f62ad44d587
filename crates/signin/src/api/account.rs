//! A person's own credentials.

use axum::Json;
use axum::extract::State;
use hearth_api::session::Peer;
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, MaybeBody, Own, Signin, view};
use crate::error::Refusal;
use crate::{recovery, totp};

/// The password, where it has to be said again.
#[derive(Default, Deserialize)]
pub struct Confirmation {
    pub password: Option<String>,
}

/// `GET /api/account`.
pub async fn show(State(signin): State<Signin>, own: Own) -> Result<Json<Value>, Refusal> {
    let facts = signin.facts(&own.user).await?;
    let mut shown = view::user(&own.user, facts);
    shown["recovery_codes"] = signin.store().recovery_codes(&own.user.id).await?.into();
    Ok(Json(shown))
}

#[derive(Deserialize)]
pub struct NewPassword {
    /// The password so far, for those who have one.
    current: Option<String>,
    password: String,
}

/// `PUT /api/account/password`. Whoever else is signed in as this person is not any more.
pub async fn set_password(
    State(signin): State<Signin>,
    peer: Peer,
    own: Own,
    Body(new): Body<NewPassword>,
) -> Result<StatusCode, Refusal> {
    let has_one = signin.store().password(&own.user.id).await?.is_some();
    if has_one && new.current.is_none() {
        return Err(Refusal::invalid("Send the `current` password too."));
    }
    own.confirm(&signin, peer, new.current.filter(|_| has_one)).await?;
    let hash = signin.0.passwords.hash(new.password).await?;
    signin.store().set_password(&own.user, &hash, Some(&own.session.id)).await?;
    Ok(StatusCode::OK)
}

/// `POST /api/account/totp`: a new secret, which is not asked for before it is confirmed.
pub async fn begin_totp(
    State(signin): State<Signin>,
    peer: Peer,
    own: Own,
    MaybeBody(Confirmation { password }): MaybeBody<Confirmation>,
) -> Result<Json<Value>, Refusal> {
    own.confirm(&signin, peer, password).await?;
    let secret = totp::new_secret();
    let url = totp::url(&secret, &own.user.email).ok_or_else(|| Refusal::internal("no URL of a secret"))?;
    signin.store().begin_totp(&own.user.id, &secret).await?;
    Ok(Json(json!({"secret": secret, "url": url})))
}

#[derive(Deserialize)]
pub struct FirstCode {
    code: String,
}

/// `PUT /api/account/totp`: the authenticator's first code. Gives the recovery codes, which are not shown again.
pub async fn confirm_totp(
    State(signin): State<Signin>,
    own: Own,
    Body(FirstCode { code }): Body<FirstCode>,
) -> Result<Json<Value>, Refusal> {
    let begun = signin.store().totp(&own.user.id).await?.filter(|totp| !totp.confirmed);
    let nothing = || Refusal::new(StatusCode::CONFLICT, "conflict", "There is no authenticator to confirm.");
    let begun = begun.ok_or_else(nothing)?;
    signin.attempt_code(&own.user.id)?;
    let now = Timestamp::now().as_second().unsigned_abs();
    let step = totp::step_of(&begun.secret, &code, now).ok_or_else(Refusal::wrong_code)?;
    let (codes, digests) = new_codes();
    if !signin.store().confirm_totp(&own.user.id, step, &digests).await? {
        return Err(nothing());
    }
    signin.forgive_code(&own.user.id);
    Ok(Json(json!({"recovery_codes": codes})))
}

/// `POST /api/account/recovery-codes`: others, which are not shown again. Those before are worth nothing any more.
pub async fn renew_recovery_codes(
    State(signin): State<Signin>,
    peer: Peer,
    own: Own,
    MaybeBody(Confirmation { password }): MaybeBody<Confirmation>,
) -> Result<Json<Value>, Refusal> {
    own.confirm(&signin, peer, password).await?;
    let (codes, digests) = new_codes();
    if !signin.store().renew_recovery_codes(&own.user.id, &digests).await? {
        let text = "Recovery codes stand for an authenticator, and none is in use.";
        return Err(Refusal::new(StatusCode::CONFLICT, "conflict", text));
    }
    Ok(Json(json!({"recovery_codes": codes})))
}

/// Recovery codes, and what is kept of them.
fn new_codes() -> (Vec<String>, Vec<[u8; 32]>) {
    let codes = recovery::new_codes();
    let digests = codes.iter().map(|code| recovery::digest(code)).collect();
    (codes, digests)
}

/// `DELETE /api/account/totp`.
pub async fn remove_totp(
    State(signin): State<Signin>,
    peer: Peer,
    own: Own,
    MaybeBody(Confirmation { password }): MaybeBody<Confirmation>,
) -> Result<StatusCode, Refusal> {
    own.confirm(&signin, peer, password).await?;
    signin.store().remove_totp(&own.user.id).await?;
    Ok(StatusCode::OK)
}
