//! Where people sign in for an application: pages of the control host. Who has a session there is sent back with a code.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use hearth_api::session::{self, Peer};
use hearth_api::{Operation, jwt};
use hearth_store::Signed;
use http::{HeaderMap, Method, StatusCode, Uri};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::Access;
use crate::access::Entry;
use crate::gate;
use crate::pages::{page, redirect, seal};
use crate::policy::{Facts, Outcome, Person, decide};

pub(crate) fn operations(access: &Access) -> Vec<Operation> {
    // Keys are for everybody; who comes to sign in has nothing to show yet.
    vec![
        Operation::new(Method::GET, "/cdn-cgi/access/certs", certs, access).without_token(),
        Operation::new(Method::GET, "/cdn-cgi/access/login/{host}", login, access).without_token(),
    ]
}

async fn certs(State(access): State<Access>) -> Response {
    let mut response = Json(access.0.keys.load().public()).into_response();
    seal(response.headers_mut());
    response
}

fn shown(status: StatusCode, headers: &HeaderMap, title: &str, text: &str) -> Response {
    page::<Body>(status, headers, title, text)
}

async fn login(
    State(access): State<Access>,
    Path(host): Path<String>,
    peer: Peer,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let query = uri.query().unwrap_or_default();
    let meta = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "meta");
    let now = Timestamp::now().as_second();
    let state: Option<gate::State> = meta.and_then(|(_, meta)| jwt::verify(&meta, &access.0.state_key, now));
    // The application has said where it is; what the address says beside that is for people.
    let Some(state) = state.filter(|state| state.authority == host) else {
        let text =
            "This link is too old, or was not made by this server. Open the page that you want to see again.";
        return shown(StatusCode::BAD_REQUEST, &headers, "That did not work", text);
    };
    let signed = match session::session(&access.0.api, &headers).await {
        Ok(found) => found,
        Err(error) => return error.into_response(),
    };
    let (user, groups) = match signed.map(|session| (session.signed, session.groups)) {
        Some((Signed::User(user), groups)) => (user, groups),
        Some((Signed::Token(_), _)) => {
            let text = "You are signed in with an API token, which is nobody in particular. Sign out, sign in as \
                        yourself, and open the page again.";
            return shown(StatusCode::FORBIDDEN, &headers, "Who are you?", text);
        }
        None => {
            let back = format!("{}?{query}", uri.path());
            let back = utf8_percent_encode(&back, NON_ALPHANUMERIC);
            return redirect::<Body>(StatusCode::SEE_OTHER, &format!("/sign-in?return={back}"));
        }
    };
    let Some(app) = access.0.table.load().app(&state.aud).cloned() else {
        let text = "This application is no longer protected. Open it again.";
        return shown(StatusCode::NOT_FOUND, &headers, "That did not work", text);
    };
    let person = Person { email: &user.email, groups: &groups };
    // The application asks again, where the country is known.
    let facts = Facts { ip: peer.ip, country: &state.country, person: Some(person), token: None };
    if !matches!(decide(app.policies.iter(), &facts), Outcome::Allow | Outcome::Bypass) {
        let usual = format!("You are signed in as {}, and have no access to {}.", user.email, app.name);
        let text = app.deny_message.as_deref().unwrap_or(&usual);
        return shown(StatusCode::FORBIDDEN, &headers, "Forbidden", text);
    }
    if !access.0.people.load().contains_key(user.id.as_str())
        && let Err(error) = access.reload().await
    {
        tracing::error!(%error, "access cannot be read: somebody new waits for the next look");
    }
    let nonce: Result<[u8; 32], _> = hex::decode(&state.nonce).unwrap_or_default().try_into();
    let Ok(nonce) = nonce else { return StatusCode::BAD_REQUEST.into_response() };
    let entry = Entry {
        app,
        user: user.id.to_string(),
        groups,
        target: state.target,
        cookie_path: state.cookie_path,
    };
    let scheme = if state.https { "https" } else { "http" };
    let to = format!("{scheme}://{}/cdn-cgi/access/authorized?code=", state.authority);
    redirect::<Body>(StatusCode::SEE_OTHER, &format!("{to}{}", access.grant(state.authority, nonce, entry)))
}
