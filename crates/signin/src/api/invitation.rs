//! One-time links with which people set their password.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use hearth_store::{Entity, StoreError};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::session::first_factor_shown;
use super::{Body, Signin, Visitor};
use crate::error::Refusal;

#[derive(Deserialize)]
pub struct Shown {
    secret: String,
}

/// `POST /api/invitation`: whom an invitation is for.
pub async fn show(
    State(signin): State<Signin>,
    _: Visitor,
    Body(Shown { secret }): Body<Shown>,
) -> Result<Json<Value>, Refusal> {
    let (user, expires_on) = signin.store().invitation(&secret).await.map_err(unknown)?;
    Ok(Json(json!({"email": user.email, "name": user.name, "expires_on": expires_on})))
}

#[derive(Deserialize)]
pub struct Accepted {
    secret: String,
    password: String,
}

/// `POST /api/invitation/accept`: sets the password, and signs in with it.
pub async fn accept(
    State(signin): State<Signin>,
    visitor: Visitor,
    Body(Accepted { secret, password }): Body<Accepted>,
) -> Result<Response, Refusal> {
    // Before the password is hashed: strangers shall not have us work.
    signin.store().invitation(&secret).await.map_err(unknown)?;
    let hash = signin.0.passwords.hash(password).await?;
    let user = signin.store().accept_invitation(&secret, &hash).await.map_err(unknown)?;
    // Whoever had a second factor before is asked for it: the link alone replaces only the password.
    first_factor_shown(&signin, user, &visitor).await
}

fn unknown(error: StoreError) -> Refusal {
    if error.is_not_found(Entity::Invitation) {
        let text = "This invitation was used, replaced, or has expired. Ask for another one.";
        return Refusal::new(StatusCode::NOT_FOUND, "not_found", text);
    }
    error.into()
}
