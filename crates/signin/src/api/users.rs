//! People, for who answers for the installation.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hearth_api::{PageQuery, Params, Query, store_page};
use hearth_model::{AccountId, Role};
use hearth_store::{User, UserChanges, UserId};
use http::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Body, Signin, Visitor, view};
use crate::error::Refusal;

/// People of a page where the caller does not say.
const PER_PAGE: u64 = 100;
/// How long an invitation is good.
const INVITATION: SignedDuration = SignedDuration::from_hours(7 * 24);

/// `GET /api/users`.
pub async fn list(State(signin): State<Signin>, query: Query) -> Result<Json<Value>, Refusal> {
    let window = PageQuery::from_query(&query).window(PER_PAGE);
    let found = signin.store().users(store_page(&window)).await?;
    let ids: Vec<UserId> = found.items.iter().map(|user| user.id.clone()).collect();
    let facts = signin.store().signin_facts(&ids).await?;
    let shown =
        found.items.iter().map(|user| view::user(user, facts.get(&user.id).copied().unwrap_or_default()));
    Ok(Json(json!({"users": shown.collect::<Value>(), "total": found.total})))
}

#[derive(Deserialize)]
pub struct NewUser {
    email: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    is_operator: bool,
    /// What they are to be, where.
    #[serde(default)]
    memberships: Vec<NewMembership>,
}

#[derive(Deserialize)]
pub struct NewMembership {
    account: String,
    role: String,
}

/// `POST /api/users`.
pub async fn create(State(signin): State<Signin>, Body(new): Body<NewUser>) -> Result<Response, Refusal> {
    let mut places: Vec<(AccountId, Role)> = Vec::with_capacity(new.memberships.len());
    for NewMembership { account, role } in &new.memberships {
        let unknown = |_| Refusal::invalid(format!("There is no account {account:?}."));
        let account: AccountId = account.parse().map_err(unknown)?;
        signin.store().account(&account).await?;
        let role =
            role.parse().map_err(|_| Refusal::invalid(format!("There is no role {role:?}: {}.", roles())))?;
        places.push((account, role));
    }
    let user = signin.store().create_user(&new.email, &new.name, new.is_operator).await?;
    for (account, role) in places {
        signin.store().add_member(&account, &user.email, role).await?;
    }
    Ok((StatusCode::CREATED, shown(&signin, &user).await?).into_response())
}

/// `GET /api/users/:user`.
pub async fn show(State(signin): State<Signin>, params: Params) -> Result<Json<Value>, Refusal> {
    let user = signin.store().user(&id_of(&params)?).await?;
    shown(&signin, &user).await
}

#[derive(Deserialize)]
pub struct Changes {
    name: Option<String>,
    is_operator: Option<bool>,
    suspended: Option<bool>,
}

/// `PATCH /api/users/:user`.
pub async fn change(
    State(signin): State<Signin>,
    params: Params,
    Body(Changes { name, is_operator, suspended }): Body<Changes>,
) -> Result<Json<Value>, Refusal> {
    let changes = UserChanges { name, is_operator, suspended };
    let user = signin.store().update_user(&id_of(&params)?, changes).await?;
    shown(&signin, &user).await
}

/// `DELETE /api/users/:user`.
pub async fn remove(State(signin): State<Signin>, params: Params) -> Result<StatusCode, Refusal> {
    signin.store().delete_user(&id_of(&params)?).await?;
    Ok(StatusCode::OK)
}

/// `POST /api/users/:user/invitation`: a one-time link to set a password.
pub async fn invite(
    State(signin): State<Signin>,
    visitor: Visitor,
    params: Params,
) -> Result<Json<Value>, Refusal> {
    let user = signin.store().user(&id_of(&params)?).await?;
    invitation(&signin, &visitor, &user).await
}

/// `POST /api/users/:user/reset`: forgets all by which somebody signs in, and invites them anew.
pub async fn reset(
    State(signin): State<Signin>,
    visitor: Visitor,
    params: Params,
) -> Result<Json<Value>, Refusal> {
    let user = signin.store().user(&id_of(&params)?).await?;
    signin.store().forget_credentials(&user).await?;
    invitation(&signin, &visitor, &user).await
}

async fn invitation(signin: &Signin, visitor: &Visitor, user: &User) -> Result<Json<Value>, Refusal> {
    let expires_on = Timestamp::now().saturating_add(INVITATION).unwrap_or(Timestamp::MAX);
    let secret = signin.store().invite(&user.id, expires_on).await?;
    Ok(Json(json!({"url": format!("{}/invitation/{secret}", visitor.origin()), "expires_on": expires_on})))
}

async fn shown(signin: &Signin, user: &User) -> Result<Json<Value>, Refusal> {
    Ok(Json(view::user(user, signin.facts(user).await?)))
}

fn id_of(params: &Params) -> Result<UserId, Refusal> {
    Ok(params.get("user").parse()?)
}

fn roles() -> String {
    Role::ALL.map(Role::as_str).join(", ")
}
