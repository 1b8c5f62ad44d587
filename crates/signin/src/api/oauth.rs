//! `/oauth2`: people give programs access, see `oauth/`.

use std::collections::HashMap;
use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hashlink::LruCache;
use hearth_api::Query;
use hearth_api::session::{Peer, is_own_page, session};
use hearth_store::{OauthGrant, Renewal, Signed, TokenOwner, TokenTerms, User, UserId, Validity};
use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use jiff::{SignedDuration, Timestamp};
use rand::Rng;
use serde_json::json;

use super::{Signin, Visitor};
use crate::error::Refusal;
use crate::oauth::clients::{Client, client};
use crate::oauth::request::{Bad, Request};
use crate::oauth::scopes::{self, OFFLINE, Scope};
use crate::page::{escaped, failure, page};

/// Bytes of a form.
const LONGEST_FORM: usize = 1 << 14;
/// How long a device waits for its person.
pub const DEVICE: Duration = Duration::from_secs(900);
/// How often it may ask.
const INTERVAL: Duration = Duration::from_secs(5);
/// Letters of a code that a person types; none that spell words, or are taken for one another.
const LETTERS: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ";
const LETTERS_OF_CODE: usize = 8;

/// What a person is asked to agree to.
#[derive(Clone)]
pub struct Consent {
    user: UserId,
    of: Of,
}

#[derive(Clone)]
enum Of {
    Browser(Request),
    /// By the text that the device has.
    Device(String),
}

/// What a person has agreed to, until the program comes for it.
pub struct Agreed {
    user: UserId,
    request: Request,
}

/// A program without a browser, which waits.
pub struct Device {
    client: &'static Client,
    scopes: Vec<&'static Scope>,
    renews: bool,
    /// None: nobody has decided yet; else who agreed, or nobody.
    decided: Option<Option<UserId>>,
    /// When it asked last.
    asked: Option<Duration>,
}

/// Devices by what people type.
pub fn typed_codes() -> LruCache<String, String> {
    LruCache::new(10_000)
}

/// `GET /oauth2/auth`: asks the person.
pub async fn ask(State(signin): State<Signin>, headers: HeaderMap, uri: Uri, query: Query) -> Response {
    let request = match Request::read(&query) {
        Ok(request) => request,
        Err(Bad::Page(why)) => return failure(StatusCode::BAD_REQUEST, "This request is of no use", why),
        Err(Bad::Redirect(to)) => return redirect(&to),
    };
    let person = match person(&signin, &headers, &uri).await {
        Ok(person) => person,
        Err(response) => return *response,
    };
    let origin = url::Url::parse(request.redirect_uri).map(|url| url.origin().ascii_serialization());
    let (client, scopes) = (request.client, request.scopes.clone());
    let consent = Consent { user: person.id.clone(), of: Of::Browser(request) };
    let ticket = signin.0.consents.lock().issue(consent, signin.now());
    consent_page(client, &scopes, &person, &ticket, &origin.unwrap_or_default())
}

/// `GET /oauth2/device`: asks the person for the code that the device shows, then whether they agree.
pub async fn ask_for_device(
    State(signin): State<Signin>,
    headers: HeaderMap,
    uri: Uri,
    query: Query,
) -> Response {
    let person = match person(&signin, &headers, &uri).await {
        Ok(person) => person,
        Err(response) => return *response,
    };
    let typed = query.get("user_code").map(letters_of).unwrap_or_default();
    let code = signin.0.typed.lock().get(&typed).cloned();
    let found = code.and_then(|code| {
        let mut devices = signin.0.devices.lock();
        let device = devices.get_mut(&code, signin.now()).filter(|device| device.decided.is_none())?;
        Some((code.clone(), device.client, device.scopes.clone()))
    });
    let Some((code, client, scopes)) = found else {
        let wrong = if typed.is_empty() { "" } else { "<p>There is no such code, or it is too old.</p>" };
        let html = format!(
            "{wrong}<p>Type the code that the program shows.</p><form method=\"get\" action=\"/oauth2/device\">\
             <input name=\"user_code\" aria-label=\"Code\" autocomplete=\"off\" autofocus required>\
             <button class=\"first\">Continue</button></form>"
        );
        return page(StatusCode::OK, "A program asks for access", &html, "");
    };
    let consent = Consent { user: person.id.clone(), of: Of::Device(code) };
    let ticket = signin.0.consents.lock().issue(consent, signin.now());
    consent_page(client, &scopes, &person, &ticket, "")
}

/// `POST /oauth2/auth`: what the person says.
pub async fn decide(State(signin): State<Signin>, headers: HeaderMap, body: Body) -> Response {
    let stale = || {
        let text = "This question was answered already, or a while ago. Begin again in the program.";
        failure(StatusCode::BAD_REQUEST, "Too late", text)
    };
    if !is_own_page(&headers) {
        return failure(StatusCode::FORBIDDEN, "Not from there", "Another page cannot agree for you.");
    }
    let form = match form(body).await {
        Ok(form) => form,
        Err(refusal) => return page_of(refusal),
    };
    let signed = match session(signin.api(), &headers).await {
        Ok(signed) => signed.map(|session| session.signed),
        Err(error) => return page_of(error.into()),
    };
    let ticket = form.get("consent").map(String::as_str).unwrap_or_default();
    let consent = signin.0.consents.lock().take(ticket, signin.now());
    let (Some(consent), Some(Signed::User(user))) = (consent, signed) else { return stale() };
    if consent.user != user.id {
        return stale();
    }
    let agrees = form.get("decision").is_some_and(|decision| decision == "allow");
    match consent.of {
        Of::Browser(request) if agrees => {
            let to = request.clone();
            let agreed = Agreed { user: user.id, request };
            let code = signin.0.agreed.lock().issue(agreed, signin.now());
            redirect(&to.granted(&code))
        }
        Of::Browser(request) => redirect(&request.refusal("access_denied", "The person said no.")),
        Of::Device(code) => {
            let mut devices = signin.0.devices.lock();
            let Some(device) = devices.get_mut(&code, signin.now()) else { return stale() };
            device.decided = Some(agrees.then_some(user.id));
            let text =
                if agrees { "You can close this page; the program goes on." } else { "Nothing was given." };
            page(StatusCode::OK, "Done", &format!("<p>{text}</p>"), "")
        }
    }
}

/// `POST /oauth2/device/auth`: a program without a browser begins.
pub async fn begin_device(
    State(signin): State<Signin>,
    peer: Peer,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let visitor = Visitor { peer, headers };
    // Not taken back: who begins much and ends little is slowed down.
    if let Err(refusal) = signin.attempt(peer.ip, None) {
        return refusal.into_response();
    }
    let form = match form(body).await {
        Ok(form) => form,
        Err(_) => return bad("invalid_request", "the form cannot be read"),
    };
    let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let Some(client) = client(text("client_id")) else { return bad("invalid_client", "no such program") };
    let (scopes, renews) = scopes::read(text("scope"));
    if scopes.is_empty() {
        return bad("invalid_scope", "no scope that there is");
    }
    let device = Device { client, scopes, renews, decided: None, asked: None };
    let code = signin.0.devices.lock().issue(device, signin.now());
    let mut rng = rand::rng();
    let typed: String =
        (0..LETTERS_OF_CODE).map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())])).collect();
    signin.0.typed.lock().insert(typed.clone(), code.clone());
    let shown = format!("{}-{}", &typed[..LETTERS_OF_CODE / 2], &typed[LETTERS_OF_CODE / 2..]);
    let place = format!("{}/oauth2/device", visitor.origin());
    uncached(Json(json!({
        "device_code": code,
        "user_code": shown,
        "verification_uri": place,
        "verification_uri_complete": format!("{place}?user_code={shown}"),
        "expires_in": DEVICE.as_secs(),
        "interval": INTERVAL.as_secs(),
    })))
}

/// `POST /oauth2/token`.
pub async fn token(State(signin): State<Signin>, body: Body) -> Response {
    let form = match form(body).await {
        Ok(form) => form,
        Err(_) => return bad("invalid_request", "the form cannot be read"),
    };
    let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let Some(client) = client(text("client_id")) else { return bad("invalid_client", "no such program") };
    let given = match text("grant_type") {
        "authorization_code" => {
            let agreed = signin.0.agreed.lock().take(text("code"), signin.now());
            match agreed {
                Some(Agreed { user, request })
                    if request.client == client
                        && request.redirect_uri == text("redirect_uri")
                        && request.is_answered_by(text("code_verifier")) =>
                {
                    signin.give(&user, client, &request.scopes, request.renews).await
                }
                _ => return bad("invalid_grant", "the code is none, was used, or is somebody else's"),
            }
        }
        "refresh_token" => signin.renew(client, text("refresh_token")).await,
        "urn:ietf:params:oauth:grant-type:device_code" => match signin.waits(client, text("device_code")) {
            Ok((user, device)) => signin.give(&user, client, &device.scopes, device.renews).await,
            Err(error) => return bad(error, "see RFC 8628, 3.5"),
        },
        _ => return bad("unsupported_grant_type", "see /docs"),
    };
    match given {
        Ok(Some(response)) => response,
        Ok(None) => bad("invalid_grant", "the access has ended"),
        Err(refusal) => refusal.into_response(),
    }
}

/// `POST /oauth2/revoke`: ends access. As RFC 7009 wants, it is no error when there is none.
pub async fn revoke(State(signin): State<Signin>, body: Body) -> Response {
    let form = match form(body).await {
        Ok(form) => form,
        Err(_) => return bad("invalid_request", "the form cannot be read"),
    };
    let text = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    match signin.store().end_oauth_grant(text("client_id"), text("token")).await {
        Ok(_) => uncached(Json(json!({}))),
        Err(error) => Refusal::from(error).into_response(),
    }
}

impl Signin {
    /// Gives a program access; None when the person may give none any more.
    async fn give(
        &self,
        user: &UserId,
        client: &Client,
        scopes: &[&Scope],
        renews: bool,
    ) -> Result<Option<Response>, Refusal> {
        let user = self.store().user(user).await?;
        if user.suspended {
            return Ok(None);
        }
        let terms = TokenTerms {
            name: format!("{} (by sign-in)", client.name),
            policies: scopes::policies(scopes, user.id.as_str()),
            validity: until(client.access),
            ..TokenTerms::default()
        };
        let owner = TokenOwner::User(user.id.clone());
        let made = self.store().create_token(&user.email, owner, terms).await?;
        let names: Vec<String> = scopes.iter().map(|scope| scope.name.to_owned()).collect();
        let grant = OauthGrant { token: made.token.id, client: client.id.to_owned(), scopes: names };
        let renews_until = client.renews.filter(|_| renews).map(from_now);
        let renewal = self.store().add_oauth_grant(&grant, renews_until).await?;
        Ok(Some(access(client, &made.text, &grant.scopes, renewal.as_deref())))
    }

    async fn renew(&self, client: &Client, shown: &str) -> Result<Option<Response>, Refusal> {
        let Some(renews) = client.renews else { return Ok(None) };
        let renewal = self.store().renew_oauth_grant(client.id, shown, from_now(renews)).await?;
        let Renewal::Renewed(grant, next) = renewal else { return Ok(None) };
        let token = self.store().token(&grant.token).await?;
        let terms = TokenTerms { validity: until(client.access), ..token.terms };
        self.store().set_token(&grant.token, terms).await?;
        let rolled = self.store().roll_token(&grant.token).await?;
        Ok(Some(access(client, &rolled.text, &grant.scopes, Some(&next))))
    }

    /// Who agreed to what a device waits for. It is told once.
    fn waits(&self, client: &Client, code: &str) -> Result<(UserId, Device), &'static str> {
        let now = self.now();
        let mut devices = self.0.devices.lock();
        let device =
            devices.get_mut(code, now).filter(|device| device.client == client).ok_or("expired_token")?;
        let soon = device.asked.is_some_and(|asked| now.saturating_sub(asked) < INTERVAL / 2);
        device.asked = Some(now);
        match &device.decided {
            None if soon => Err("slow_down"),
            None => Err("authorization_pending"),
            Some(None) => Err("access_denied"),
            Some(Some(user)) => {
                let user = user.clone();
                let device = devices.take(code, now).ok_or("expired_token")?;
                Ok((user, device))
            }
        }
    }
}

/// The person whose browser it is, or a page that says what to do.
async fn person(signin: &Signin, headers: &HeaderMap, uri: &Uri) -> Result<User, Box<Response>> {
    match session(signin.api(), headers).await {
        Ok(Some(session)) => match session.signed {
            Signed::User(user) => Ok(user),
            Signed::Token(_) => Err(Box::new(no_person())),
        },
        Ok(None) if !signin.api().config().require_token => Err(Box::new(no_person())),
        Ok(None) => {
            let back: String = url::form_urlencoded::byte_serialize(uri.to_string().as_bytes()).collect();
            Err(Box::new(redirect(&format!("/sign-in?return={back}"))))
        }
        Err(error) => Err(Box::new(page_of(error.into()))),
    }
}

fn no_person() -> Response {
    let text = "Access for a program is a person's to give. Sign in as one: `hearth users add` makes somebody known. \
                Until then, give the program an API token.";
    failure(StatusCode::FORBIDDEN, "You are not signed in as a person", text)
}

fn consent_page(client: &Client, scopes: &[&Scope], person: &User, ticket: &str, leads_to: &str) -> Response {
    let what: String = scopes
        .iter()
        .filter(|scope| !scope.says.is_empty())
        .map(|scope| format!("<li>{}</li>", escaped(scope.says)))
        .collect();
    let html = format!(
        "<p>It will act for {person}, and may:</p><ul>{what}</ul>\
         <p>Agree only if you have just started it yourself. You can end it among your API tokens.</p>\
         <form method=\"post\" action=\"/oauth2/auth\"><input type=\"hidden\" name=\"consent\" value=\"{ticket}\">\
         <button class=\"first\" name=\"decision\" value=\"allow\">Allow</button>\
         <button name=\"decision\" value=\"deny\">Deny</button></form>",
        person = escaped(&person.email),
        ticket = escaped(ticket),
    );
    page(StatusCode::OK, &format!("{} asks for access", client.name), &html, leads_to)
}

/// RFC 6749, 5.1.
fn access(client: &Client, text: &str, scopes: &[String], renewal: Option<&str>) -> Response {
    let mut names: Vec<&str> = scopes.iter().map(String::as_str).collect();
    if renewal.is_some() {
        names.push(OFFLINE);
    }
    let mut body = json!({
        "access_token": text,
        "token_type": "bearer",
        "expires_in": client.access.as_secs(),
        "scope": names.join(" "),
    });
    if let Some(renewal) = renewal {
        body["refresh_token"] = renewal.into();
    }
    uncached(Json(body))
}

/// RFC 6749, 5.2.
fn bad(error: &str, why: &str) -> Response {
    let body = Json(json!({"error": error, "error_description": why}));
    uncached((StatusCode::BAD_REQUEST, body))
}

fn uncached(response: impl IntoResponse) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], response).into_response()
}

fn redirect(to: &str) -> Response {
    let to = HeaderValue::try_from(to).unwrap_or(HeaderValue::from_static("/"));
    (
        StatusCode::SEE_OTHER,
        [(header::LOCATION, to), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))],
    )
        .into_response()
}

fn page_of(refusal: Refusal) -> Response {
    let (status, text) = refusal.for_page();
    failure(status, "That did not work", &text)
}

async fn form(body: Body) -> Result<HashMap<String, String>, Refusal> {
    let bytes: Bytes = hearth_api::read(body, LONGEST_FORM).await?;
    Ok(url::form_urlencoded::parse(&bytes).into_owned().collect())
}

/// What somebody typed, without what they put between.
fn letters_of(typed: &str) -> String {
    typed.chars().filter(char::is_ascii_alphabetic).map(|letter| letter.to_ascii_uppercase()).collect()
}

fn until(lasts: Duration) -> Validity {
    Validity { not_before: None, expires_on: Some(from_now(lasts)) }
}

fn from_now(lasts: Duration) -> Timestamp {
    let lasts = SignedDuration::try_from(lasts).unwrap_or(SignedDuration::ZERO);
    Timestamp::now().saturating_add(lasts).unwrap_or(Timestamp::MAX)
}
