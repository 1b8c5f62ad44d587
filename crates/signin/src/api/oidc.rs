//! Signing in by a provider of single sign-on: there and back again.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hearth_api::session::{Peer, cookie, set_cookie};
use hearth_api::{Consequence, Consequences, Params, Query};
use hearth_store::{Entity, Signed, StoreError, User, UserChanges};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rand::Rng;
use rand::distr::Alphanumeric;
use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use super::{Signin, Visitor};
use crate::error::Refusal;
use crate::oidc::client::{Begun, Brought};
use crate::oidc::mapping::{Decision, decide};
use crate::oidc::settings::own_path;
use crate::oidc::{Known, Settings};
use crate::page;

/// The cookie that ties a sign-in to the browser that began it: who begins one cannot have another end it.
const COOKIE: &str = "hearth_oidc";

/// A sign-in that is at the provider.
#[derive(Clone)]
pub struct Pending {
    provider: String,
    begun: Begun,
    /// What the browser's cookie holds.
    browser: String,
    /// Where the person wants to go, on this host.
    after: String,
}

/// `GET /api/session/oidc/:provider?return=/path`.
pub async fn begin(
    State(signin): State<Signin>,
    peer: Peer,
    headers: HeaderMap,
    params: Params,
    query: Query,
) -> Response {
    let visitor = Visitor { peer, headers };
    let id = params.get("provider");
    let after = own_path(query.get("return").unwrap_or("/")).unwrap_or("/");
    match there(&signin, &visitor, id, after).await {
        Ok(response) => response,
        Err(failed) => failed.page(),
    }
}

async fn there(signin: &Signin, visitor: &Visitor, id: &str, after: &str) -> Result<Response, Failed> {
    // Taken back when somebody has signed in.
    let _ = signin.attempt(visitor.peer.ip, None)?;
    let settings = signin.provider(id).await?.ok_or_else(Failed::unknown)?;
    let redirect_uri = signin.redirect_uri(visitor, id);
    let begun = Begun { redirect_uri, nonce: random(), verifier: random() };
    let browser = random();
    let pending = Pending {
        provider: id.to_owned(),
        begun: begun.clone(),
        browser: browser.clone(),
        after: after.to_owned(),
    };
    let state = signin.0.pending.lock().issue(pending, signin.now());
    let url = signin.0.oidc.authorization_url(&settings, &begun, &state).await.map_err(Failed::provider)?;
    Ok(redirect(url.as_str(), &[Some(own_cookie(&browser, visitor.peer))]))
}

/// `GET /api/session/oidc/:provider/callback`: what the provider sends the browser back with.
pub async fn callback(
    State(signin): State<Signin>,
    peer: Peer,
    headers: HeaderMap,
    params: Params,
    query: Query,
) -> Response {
    let visitor = Visitor { peer, headers };
    let mut changes = Vec::new();
    let answered = back(&signin, &visitor, params.get("provider"), &query, &mut changes).await;
    let mut response = answered.unwrap_or_else(Failed::page);
    response.extensions_mut().insert(Consequences(changes));
    response
}

/// What was changed on the way stays changed, whatever comes of it.
async fn back(
    signin: &Signin,
    visitor: &Visitor,
    id: &str,
    query: &Query,
    changes: &mut Vec<Consequence>,
) -> Result<Response, Failed> {
    let state = query.get("state").unwrap_or_default();
    let pending = signin.0.pending.lock().take(state, signin.now()).ok_or_else(Failed::stale)?;
    let browser = cookie(&visitor.headers, COOKIE).unwrap_or_default();
    if pending.provider != id || !bool::from(browser.as_bytes().ct_eq(pending.browser.as_bytes())) {
        return Err(Failed::stale());
    }
    if let Some(error) = query.get("error") {
        return Err(Failed::refused(&format!("The provider says: {error}.")));
    }
    let settings = signin.provider(id).await?.ok_or_else(Failed::unknown)?;
    let secret = signin.store().provider_secret(id).await?;
    let brought = Brought { code: query.get("code").unwrap_or_default(), issuer: query.get("iss") };
    let known = signin.0.oidc.identify(&settings, secret.as_deref(), &pending.begun, &brought).await;
    let known = known.map_err(Failed::provider)?;
    let user = signin.admit(id, &settings, &known, changes).await?;
    signin.forgive_network(visitor.peer.ip);
    let (_, secret) = signin.begin(Signed::User(user), visitor, known.groups).await?;
    let session = set_cookie(&secret, visitor.peer.https);
    Ok(redirect(&pending.after, &[Some(session), Some(own_cookie("", visitor.peer))]))
}

impl Signin {
    /// The settings of a provider.
    async fn provider(&self, id: &str) -> Result<Option<Settings>, Refusal> {
        let found = self.store().providers().await?.into_iter().find(|provider| provider.id == id);
        found.map(|provider| serde_json::from_value(provider.settings).map_err(Refusal::internal)).transpose()
    }

    /// Where a provider sends browsers back to. It has to know that beforehand, letter by letter.
    pub(super) fn redirect_uri(&self, visitor: &Visitor, id: &str) -> String {
        format!("{}/api/session/oidc/{id}/callback", visitor.origin())
    }

    /// Lets somebody in whom a provider knows, and makes of them what their groups say.
    async fn admit(
        &self,
        id: &str,
        settings: &Settings,
        known: &Known,
        changes: &mut Vec<Consequence>,
    ) -> Result<User, Failed> {
        let decision = decide(&settings.mapping, &known.groups);
        let linked = self.store().identified(id, &known.subject).await?;
        if !decision.admitted {
            // What the groups gave before, they take.
            if let Some(user) = &linked {
                self.apply(id, user, &decision, changes).await?;
            }
            return Err(Failed::refused(
                "No group of yours has been let in here. Ask who runs this installation.",
            ));
        }
        let user = match linked {
            Some(user) => user,
            None => self.first_seen(id, settings, known, changes).await?,
        };
        if user.suspended {
            return Err(Failed::refused("You are suspended here. Ask who runs this installation."));
        }
        self.store().identify(id, &known.subject, &user.id).await?;
        self.apply(id, &user, &decision, changes).await?;
        Ok(self.store().user(&user.id).await?)
    }

    /// Who somebody is whom the provider has not signed in before: by their address, if its word on that is good.
    async fn first_seen(
        &self,
        provider: &str,
        settings: &Settings,
        known: &Known,
        changes: &mut Vec<Consequence>,
    ) -> Result<User, Failed> {
        let is_good = known.email_verified || settings.trusts_email;
        let Some(email) = known.email.as_deref().filter(|_| is_good) else {
            let text = "The provider does not say that your address is verified.";
            return Err(Failed::refused(text));
        };
        match self.store().user_by_email(email).await? {
            Some(user) => Ok(user),
            None => {
                let user = self.store().create_user(email, &known.name, false).await?;
                changes.push(Consequence {
                    resource: user.id.to_string(),
                    after: Some(of_person(&user.email, user.is_operator, provider)),
                    ..change("addPerson", &user)
                });
                Ok(user)
            }
        }
    }

    /// Makes of a person what was decided. The last who owns an account, or answers for the installation, stays that.
    async fn apply(
        &self,
        provider: &str,
        user: &User,
        decision: &Decision,
        changes: &mut Vec<Consequence>,
    ) -> Result<(), Failed> {
        if let Some(is_operator) = decision.operator.filter(|operator| *operator != user.is_operator) {
            let wanted = UserChanges { is_operator: Some(is_operator), ..UserChanges::default() };
            if unless_last(self.store().update_user(&user.id, wanted).await)?.is_some() {
                changes.push(Consequence {
                    resource: user.id.to_string(),
                    before: Some(json!({ "email": user.email, "is_operator": user.is_operator })),
                    after: Some(of_person(&user.email, is_operator, provider)),
                    ..change("changePerson", user)
                });
            }
        }
        let present = self.store().memberships(&user.id).await?;
        for (account, role) in &decision.roles {
            let membership = present.iter().map(|(own, _)| own).find(|own| own.account == *account);
            let store = self.store();
            let (operation, done) = match (membership, role) {
                (None, Some(role)) => {
                    let added = store.add_member(account, &user.email, *role).await;
                    ("addMember", added.map(|(membership, _)| membership.id))
                }
                (Some(own), Some(role)) if own.role != *role => {
                    ("updateMember", store.set_role(account, &own.id, *role).await.map(|()| own.id.clone()))
                }
                (Some(own), None) => {
                    ("removeMember", store.remove_member(account, &own.id).await.map(|()| own.id.clone()))
                }
                _ => continue,
            };
            let Some(id) = unless_last(done)? else { continue };
            changes.push(Consequence {
                account: Some(account.clone()),
                resource: id.to_string(),
                before: membership.map(|own| json!({ "email": user.email, "role": own.role })),
                after: role
                    .map(|role| json!({ "email": user.email, "role": role, "single_sign_on": provider })),
                ..change(operation, user)
            });
        }
        Ok(())
    }
}

/// A change that is made because of a person, without what it is.
fn change(operation: &'static str, user: &User) -> Consequence {
    let person = (user.id.to_string(), user.email.clone());
    Consequence { operation, account: None, resource: String::new(), before: None, after: None, person }
}

/// What the audit log shows of a person whom a provider has changed.
fn of_person(email: &str, is_operator: bool, provider: &str) -> Value {
    json!({ "email": email, "is_operator": is_operator, "single_sign_on": provider })
}

/// None for what a rule asks for that cannot be: somebody has to stay, or the account is gone.
fn unless_last<T>(done: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match done {
        Err(error @ StoreError::Conflict { .. }) => {
            tracing::warn!(%error, "what a person's groups say was left undone");
            Ok(None)
        }
        Err(error) if error.is_not_found(Entity::Account) => {
            tracing::warn!(%error, "a rule of single sign-on speaks of an account that is gone");
            Ok(None)
        }
        other => other.map(Some),
    }
}

/// Why nobody was signed in, on a page for whoever tried.
struct Failed {
    status: StatusCode,
    text: String,
}

impl Failed {
    fn unknown() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            text: "There is no such provider of single sign-on.".to_owned(),
        }
    }

    /// A sign-in that nobody began in this browser, or that has ended.
    fn stale() -> Self {
        let text = "This sign-in was not begun in this browser, has ended, or took too long. Begin again.";
        Self { status: StatusCode::BAD_REQUEST, text: text.to_owned() }
    }

    fn refused(text: &str) -> Self {
        Self { status: StatusCode::FORBIDDEN, text: text.to_owned() }
    }

    /// What the provider did; the operator reads it in the log.
    fn provider(why: String) -> Self {
        tracing::warn!(why, "single sign-on failed");
        let text = "The provider's answer is of no use; the server's log says more.";
        Self { status: StatusCode::BAD_GATEWAY, text: text.to_owned() }
    }

    fn page(self) -> Response {
        page::failure(self.status, "You are not signed in", &self.text)
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        let (status, text) = refusal.for_page();
        Self { status, text }
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Refusal::from(error).into()
    }
}

fn redirect(to: &str, cookies: &[Option<HeaderValue>]) -> Response {
    let mut response = StatusCode::SEE_OTHER.into_response();
    let headers = response.headers_mut();
    if let Ok(to) = HeaderValue::try_from(to) {
        headers.insert(header::LOCATION, to);
    }
    for cookie in cookies.iter().flatten() {
        headers.append(header::SET_COOKIE, cookie.clone());
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn own_cookie(value: &str, peer: Peer) -> HeaderValue {
    let secure = if peer.https { "; Secure" } else { "" };
    let age = if value.is_empty() { 0 } else { 600 };
    let text =
        format!("{COOKIE}={value}; Path=/api/session/oidc/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}");
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

fn random() -> String {
    rand::rng().sample_iter(Alphanumeric).take(48).map(char::from).collect()
}
