//! What callers are shown of people and sessions.

use axum::Json;
use axum::response::{IntoResponse, Response};
use hearth_api::Caller;
use hearth_api::session::{Peer, set_cookie};
use hearth_model::Role;
use hearth_store::{Account, Page, Session, Signed, SigninFacts, User};
use http::{StatusCode, header};
use serde_json::{Value, json};

use super::Signin;
use crate::error::Refusal;

/// Accounts that somebody is shown who may touch all: what a person can look through.
const MOST_ACCOUNTS: u64 = 1000;

pub fn user(user: &User, facts: SigninFacts) -> Value {
    json!({
        "id": user.id,
        "email": user.email,
        "name": user.name,
        "is_operator": user.is_operator,
        "suspended": user.suspended,
        "password": facts.password,
        "two_factor": facts.totp,
        "passkeys": facts.passkeys,
        "single_sign_on": facts.linked,
        "invited": facts.invited,
        "created_on": user.created_on,
        "seen_on": facts.seen_on,
    })
}

pub fn session(session: &Session, current: bool) -> Value {
    json!({
        "id": session.id,
        "created_on": session.created_on,
        "seen_on": session.seen_on,
        "expires_on": session.expires_on,
        "address": session.address,
        "agent": session.agent,
        "current": current,
    })
}

impl Signin {
    /// How one person signs in.
    pub(super) async fn facts(&self, user: &User) -> Result<SigninFacts, Refusal> {
        let facts = self.store().signin_facts(std::slice::from_ref(&user.id)).await?;
        Ok(facts.get(&user.id).copied().unwrap_or_default())
    }

    /// A session as whoever has it is shown it.
    pub(super) async fn describe(&self, session: &Session, caller: &Caller) -> Result<Value, Refusal> {
        let (kind, who, memberships) = match &session.signed {
            Signed::User(user) => {
                let facts = self.facts(user).await?;
                let who = json!({
                    "id": user.id,
                    "email": user.email,
                    "name": user.name,
                    "is_operator": user.is_operator,
                    "two_factor": facts.totp,
                });
                ("user", who, self.memberships(Some(user), caller).await?)
            }
            Signed::Token(_) => ("token", Value::Null, self.memberships(None, caller).await?),
        };
        Ok(json!({
            "kind": kind,
            "user": who,
            "operator": caller.require_installation().is_ok(),
            "memberships": memberships,
            "expires_on": session.expires_on,
        }))
    }

    /// Which accounts somebody may touch, as what. Who answers for the installation is shown all of them.
    pub(super) async fn memberships(&self, user: Option<&User>, caller: &Caller) -> Result<Value, Refusal> {
        let own = match user {
            Some(user) => self.store().memberships(&user.id).await?,
            None => Vec::new(),
        };
        let role_in = |account: &Account| {
            let own = own.iter().find(|(membership, _)| membership.account == account.id);
            own.map_or(Role::Owner, |(membership, _)| membership.role)
        };
        let view = |account: &Account, role: Role| json!({"account": {"id": account.id, "name": account.name}, "role": role.as_str()});
        if caller.require_installation().is_ok() {
            let all = self.store().accounts(Page { offset: 0, limit: MOST_ACCOUNTS }).await?;
            return Ok(all.items.iter().map(|account| view(account, role_in(account))).collect());
        }
        if user.is_some() {
            return Ok(own.iter().map(|(membership, account)| view(account, membership.role)).collect());
        }
        let mut accounts = Vec::new();
        for id in caller.grants.accounts().unwrap_or_default() {
            let account = self.store().account(id).await?;
            let role = Role::ALL.into_iter().find(|role| caller.grants.may_give_role(*role, id));
            accounts.push(view(&account, role.unwrap_or(Role::Viewer)));
        }
        Ok(accounts.into())
    }

    /// The answer that signs a browser in.
    pub(super) async fn signed_in(
        &self,
        session: &Session,
        secret: &str,
        peer: Peer,
    ) -> Result<Response, Refusal> {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.headers.insert(header::COOKIE, cookie_for(secret));
        parts.extensions.insert(peer);
        let caller = self.api().caller(&parts).await?;
        let body = self.describe(session, &caller).await?;
        Ok(([(header::SET_COOKIE, set_cookie(secret, peer.https))], Json(body)).into_response())
    }
}

/// The answer that signs a browser out.
pub fn signed_out(peer: Peer) -> Response {
    (StatusCode::OK, [(header::SET_COOKIE, set_cookie("", peer.https))]).into_response()
}

/// What the browser will send from now on.
fn cookie_for(secret: &str) -> http::HeaderValue {
    http::HeaderValue::try_from(format!("hearth_session={secret}"))
        .unwrap_or(http::HeaderValue::from_static(""))
}
