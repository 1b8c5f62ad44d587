//! Passkeys: making, showing and removing one.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_api::Params;
use hearth_api::session::Peer;
use hearth_store::{Passkey, Signed, UserId};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::account::Confirmation;
use super::{Body, MaybeBody, Own, Signin, Visitor};
use crate::error::Refusal;
use crate::webauthn::{ALGORITHMS, Created, Expected, Shown};

/// Characters of a name.
const LONGEST_NAME: usize = 100;
/// How long a browser may ask its person, in milliseconds.
const PATIENCE_MS: u64 = 120_000;

/// `GET /api/account/passkeys`.
pub async fn list(State(signin): State<Signin>, own: Own) -> Result<Json<Value>, Refusal> {
    let all = signin.store().passkeys(&own.user.id).await?;
    Ok(Json(json!({"passkeys": all.iter().map(view).collect::<Value>()})))
}

/// `POST /api/account/passkeys/options`: what the browser is asked for a new one.
pub async fn creation_options(
    State(signin): State<Signin>,
    peer: Peer,
    visitor: Visitor,
    own: Own,
    MaybeBody(Confirmation { password }): MaybeBody<Confirmation>,
) -> Result<Json<Value>, Refusal> {
    own.confirm(&signin, peer, password).await?;
    let known = signin.store().passkeys(&own.user.id).await?;
    let challenge = signin.0.challenges.lock().issue(Some(own.user.id.clone()), signin.now());
    let name = if own.user.name.is_empty() { &own.user.email } else { &own.user.name };
    let algorithms = ALGORITHMS.iter().map(|number| json!({"type": "public-key", "alg": number}));
    let known = known.iter().map(|passkey| json!({"type": "public-key", "id": passkey.id}));
    Ok(Json(json!({"publicKey": {
        "challenge": URL_SAFE_NO_PAD.encode(challenge),
        "rp": {"id": visitor.host_name(), "name": "Hearth"},
        "user": {
            "id": URL_SAFE_NO_PAD.encode(own.user.id.as_str()),
            "name": own.user.email,
            "displayName": name,
        },
        "pubKeyCredParams": algorithms.collect::<Value>(),
        "excludeCredentials": known.collect::<Value>(),
        "authenticatorSelection": {"residentKey": "required", "requireResidentKey": true, "userVerification": "required"},
        "attestation": "none",
        "timeout": PATIENCE_MS,
    }})))
}

#[derive(Deserialize)]
pub struct New {
    name: String,
    credential: Created,
}

/// `POST /api/account/passkeys`: the new one, as the browser gives it.
pub async fn add(
    State(signin): State<Signin>,
    visitor: Visitor,
    own: Own,
    Body(New { name, credential }): Body<New>,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        let text = format!("A passkey's name has 1 to {LONGEST_NAME} characters.");
        return Err(Refusal::invalid(text));
    }
    let challenge = credential.challenge().map_err(unusable)?;
    if signin.asked(&challenge)? != Some(own.user.id.clone()) {
        return Err(unusable("it was asked of somebody else"));
    }
    let (origin, host) = (visitor.origin(), visitor.host_name());
    let expected = Expected { challenge: &challenge, origin: &origin, host: &host };
    let made = credential.read(&expected).map_err(unusable)?;
    let kept =
        signin.store().add_passkey(&own.user.id, &made.id, name, &made.public_key, made.counter).await?;
    Ok((StatusCode::CREATED, Json(view(&kept))))
}

/// `DELETE /api/account/passkeys/:passkey`.
pub async fn remove(
    State(signin): State<Signin>,
    peer: Peer,
    own: Own,
    params: Params,
    MaybeBody(Confirmation { password }): MaybeBody<Confirmation>,
) -> Result<StatusCode, Refusal> {
    own.confirm(&signin, peer, password).await?;
    signin.store().remove_passkey(&own.user.id, params.get("passkey")).await?;
    Ok(StatusCode::OK)
}

/// `POST /api/session/passkey/options`: what the browser is asked to sign in. It says by itself whose passkey it has.
pub async fn options(State(signin): State<Signin>, visitor: Visitor) -> Json<Value> {
    let challenge = signin.0.challenges.lock().issue(None, signin.now());
    Json(json!({"publicKey": {
        "challenge": URL_SAFE_NO_PAD.encode(challenge),
        "rpId": visitor.host_name(),
        "allowCredentials": [],
        "userVerification": "required",
        "timeout": PATIENCE_MS,
    }}))
}

#[derive(Deserialize)]
pub struct Proof {
    credential: Shown,
}

/// `POST /api/session/passkey`: a session. A passkey stands for password and second factor.
pub async fn sign_in(
    State(signin): State<Signin>,
    visitor: Visitor,
    Body(Proof { credential }): Body<Proof>,
) -> Result<Response, Refusal> {
    let attempt = signin.attempt(visitor.peer.ip, None)?;
    let challenge = credential.challenge().map_err(unusable)?;
    if signin.asked(&challenge)?.is_some() {
        return Err(unusable("it was asked for something else"));
    }
    let (origin, host) = (visitor.origin(), visitor.host_name());
    let expected = Expected { challenge: &challenge, origin: &origin, host: &host };
    let known = signin.store().passkey(&credential.id).await?;
    let (passkey, user) =
        known.filter(|(_, user)| !user.suspended).ok_or_else(|| unusable("nobody has it here"))?;
    let counter = credential.check(&passkey.public_key, user.id.as_str(), &expected).map_err(unusable)?;
    if !signin.store().use_passkey(&passkey.id, counter).await? {
        tracing::warn!(user = %user.id, "a passkey says that it was used less often than it was: there may be a copy");
        return Err(unusable("it was used before"));
    }
    attempt.forgive();
    let (session, secret) = signin.begin(Signed::User(user), &visitor, Vec::new()).await?;
    signin.signed_in(&session, &secret, visitor.peer).await
}

impl Signin {
    /// Whom a challenge was given to, to make a passkey; None: anybody, to sign in. It is answered once.
    fn asked(&self, challenge: &[u8]) -> Result<Option<UserId>, Refusal> {
        let name = std::str::from_utf8(challenge).unwrap_or_default();
        let asked = self.0.challenges.lock().take(name, self.now());
        asked.ok_or_else(|| unusable("it answers nothing that was asked, or too late"))
    }
}

fn view(passkey: &Passkey) -> Value {
    json!({
        "id": passkey.id,
        "name": passkey.name,
        "created_on": passkey.created_on,
        "used_on": passkey.used_on,
    })
}

/// 401. What exactly is wrong stands in the log.
fn unusable(why: &'static str) -> Refusal {
    tracing::info!(why, "a passkey was not taken");
    let text = "The passkey was not taken. Try again, or sign in another way.";
    Refusal::new(StatusCode::UNAUTHORIZED, "wrong_passkey", text)
}
