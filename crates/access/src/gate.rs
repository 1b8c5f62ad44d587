//! What the gateway is answered: who goes on to a worker, who signs in first, who does not get in.

use std::time::Instant;

use axum::body::Body as Text;
use hearth_api::jwt;
use hearth_api::session::cookie;
use hearth_gateway::{Asked, CLIENT_ID, CLIENT_SECRET, COOKIE, ControlBody, Guard, NONCE_COOKIE, Verdict};
use hearth_model::AccountId;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use subtle::ConstantTimeEq as _;

use crate::Access;
use crate::access::Entry;
use crate::codes::digest;
use crate::keys::{Claims, Custom, KIND};
use crate::pages::{page, redirect, seal, wants_page};
use crate::policy::{Facts, Outcome, Person, decide};
use crate::table::{App, Before, Place, Token};

const ASSERTION: HeaderName = HeaderName::from_static("cf-access-jwt-assertion");
const EMAIL: HeaderName = HeaderName::from_static("cf-access-authenticated-user-email");

/// Where the pages of Access are, on every host that it stands before.
const PAGES: &str = "/cdn-cgi/access/";

/// How long somebody may take to sign in, in seconds.
const SIGN_IN: i64 = 600;

/// What goes to the control host and back with a browser: nobody else can make one, so nothing in it is an open redirect.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    /// The application.
    pub aud: String,
    /// Host and port that were asked for.
    pub authority: String,
    pub https: bool,
    /// Path and query that were asked for.
    pub target: String,
    pub cookie_path: String,
    /// Where the client was.
    pub country: String,
    /// SHA-256 of what the browser holds, in hex.
    pub nonce: String,
    pub exp: i64,
}

/// Who a token says that somebody is.
struct Known {
    token: String,
    claims: Claims,
    /// The person's address now.
    email: String,
}

impl Guard for Access {
    fn is_idle(&self) -> bool {
        self.0.table.load().is_empty()
    }

    fn check(&self, asked: &Asked<'_>, account: &AccountId) -> Verdict {
        let table = self.0.table.load();
        let path = asked.uri.path();
        let place = Place {
            account,
            host: asked.host,
            path,
            key: asked.key,
            prefix: asked.prefix,
            control: asked.control,
        };
        let before = table.before(&place);
        if before.is_empty() {
            // Where something else of the host is protected, its cookie is no affair of this worker's.
            let protected = match asked.control {
                true => table.stands_before_control(),
                false => table.stands_before(asked.host, asked.key) || asked.prefix > 0,
            };
            return match protected {
                true => Verdict::Pass(Vec::new()),
                false => Verdict::Open,
            };
        }
        let service = service(asked.headers, |id| table.client(id).filter(|token| token.account == *account));
        let mut headers = Vec::new();
        let alone = before.len() == 1;
        for one in &before {
            match self.pass(asked, one, service, alone) {
                Ok(added) => headers.extend(added),
                Err(response) => return Verdict::Answer(response),
            }
        }
        Verdict::Pass(headers)
    }

    fn page(&self, asked: &Asked<'_>) -> Option<Response<ControlBody>> {
        let table = self.0.table.load();
        if asked.control {
            let back =
                ["authorized", "logout"].iter().any(|page| asked.uri.path() == format!("{PAGES}{page}"));
            if !back || !table.stands_before_control() {
                return None;
            }
        } else if !table.stands_before(asked.host, asked.key) && asked.prefix == 0 {
            return None;
        }
        let read = matches!(*asked.method, Method::GET | Method::HEAD);
        Some(match asked.uri.path().rsplit('/').next() {
            Some("certs") if read => json_answer(StatusCode::OK, self.0.keys.load().public()),
            Some("authorized") if read => self.authorized(asked),
            Some("get-identity") if read => self.identity(asked),
            Some("logout") => logout(asked, &table.cookie_paths(asked.host, asked.key, asked.control)),
            _ => answer(page(StatusCode::NOT_FOUND, asked.headers, "Not found", "There is nothing here.")),
        })
    }
}

impl Access {
    /// Whether a request passes one application, and with which headers; else what it gets.
    fn pass(
        &self,
        asked: &Asked<'_>,
        before: &Before,
        service: Option<&Token>,
        alone: bool,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Box<Response<ControlBody>>> {
        let app = &before.app;
        let preflight = asked.method == Method::OPTIONS
            && asked.headers.contains_key(header::ORIGIN)
            && asked.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        if app.passes_preflight && preflight {
            return Ok(Vec::new());
        }
        let known =
            self.known(asked.headers, |claims| claims.aud.iter().any(|aud| *aud == app.aud), app.revoked);
        let person =
            known.as_ref().map(|known| Person { email: &known.email, groups: &known.claims.custom.groups });
        let token = service.map(|token| token.id.as_str());
        let facts = Facts { ip: asked.ip, country: asked.country, person, token };
        match decide(app.policies.iter(), &facts) {
            Outcome::Bypass => Ok(Vec::new()),
            Outcome::Service => Ok(self.of_token(app, service, asked)),
            Outcome::Allow => {
                let Some(known) = known else { return Err(Box::new(refused(asked, app))) };
                let email = HeaderValue::try_from(known.email.as_str());
                let token = HeaderValue::try_from(known.token);
                Ok([token.map(|value| (ASSERTION, value)), email.map(|value| (EMAIL, value))]
                    .into_iter()
                    .flatten()
                    .collect())
            }
            // More than one application at once is asked for by odd spellings of a path alone.
            Outcome::SignIn if alone && is_navigation(asked) => Err(Box::new(self.to_sign_in(asked, before))),
            Outcome::SignIn if service.is_none() => Err(Box::new(unauthorized(asked))),
            Outcome::SignIn | Outcome::Deny => Err(Box::new(refused(asked, app))),
        }
    }

    /// What a worker is told of a service.
    fn of_token(
        &self,
        app: &App,
        service: Option<&Token>,
        asked: &Asked<'_>,
    ) -> Vec<(HeaderName, HeaderValue)> {
        let Some(token) = service else { return Vec::new() };
        let now = Timestamp::now().as_second();
        let minted = self.of_service(&token.id, &app.aud, now, || {
            let claims = Claims {
                common_name: Some(token.client_id.clone()),
                country: Some(asked.country.to_owned()),
                ..self.claims(app, now)
            };
            let until = now + (claims.exp - now) / 2;
            Some((self.0.keys.load().sign(&claims)?, until))
        });
        minted
            .and_then(|token| HeaderValue::try_from(token).ok())
            .map(|value| (ASSERTION, value))
            .into_iter()
            .collect()
    }

    /// What every token of an application says that is issued now.
    fn claims(&self, app: &App, now: i64) -> Claims {
        Claims {
            aud: vec![app.aud.clone()],
            exp: now + app.session,
            iat: now,
            nbf: now,
            iss: self.0.config.control.clone(),
            kind: KIND.to_owned(),
            ..Claims::default()
        }
    }

    /// Who a request's cookies say that somebody is: the first that is good for it.
    fn known(&self, headers: &HeaderMap, is_for: impl Fn(&Claims) -> bool, revoked: i64) -> Option<Known> {
        let (keys, people) = (self.0.keys.load(), self.0.people.load());
        let now = Timestamp::now().as_second();
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let mut tokens = pairs.filter(|(name, _)| *name == COOKIE).map(|(_, token)| token);
        tokens.find_map(|token| {
            let claims = keys.verify(token, &self.0.config.control, now)?;
            if !is_for(&claims) || claims.iat <= revoked {
                return None;
            }
            // Whoever is suspended or gone is nobody any more.
            let email = people.get(&claims.sub)?.clone();
            Some(Known { token: token.to_owned(), claims, email })
        })
    }

    /// Sends a browser to the control host.
    fn to_sign_in(&self, asked: &Asked<'_>, before: &Before) -> Response<ControlBody> {
        let held = cookie(asked.headers, NONCE_COOKIE).filter(|nonce| is_nonce(nonce));
        let nonce = held.map_or_else(|| hex::encode(rand::random::<[u8; 16]>()), str::to_owned);
        let target = asked.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        let state = State {
            aud: before.app.aud.clone(),
            authority: asked.authority.to_owned(),
            https: asked.https,
            target: target.clone(),
            cookie_path: before.cookie_path.clone(),
            country: asked.country.to_owned(),
            nonce: hex::encode(digest(&nonce)),
            exp: Timestamp::now().as_second() + SIGN_IN,
        };
        let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let url = format!(
            "{}/cdn-cgi/access/login/{}?kid={}&redirect_url={}&meta={}",
            self.0.config.control,
            encode(asked.authority),
            before.app.aud,
            encode(&target),
            jwt::sign(&state, &self.0.state_key),
        );
        let mut response = answer(redirect(StatusCode::FOUND, &url));
        let secure = if asked.https { "; Secure" } else { "" };
        let nonce =
            format!("{NONCE_COOKIE}={nonce}; Path=/; HttpOnly; SameSite=Lax; Max-Age={SIGN_IN}{secure}");
        set_cookie(&mut response, &nonce);
        response
    }

    /// The way back: a code becomes a cookie, once, in the browser that asked.
    fn authorized(&self, asked: &Asked<'_>) -> Response<ControlBody> {
        let query = asked.uri.query().unwrap_or_default();
        let code = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "code");
        let nonce = cookie(asked.headers, NONCE_COOKIE);
        let spent = code
            .and_then(|(_, code)| self.0.codes.lock().spend(&code, asked.authority, nonce, Instant::now()));
        let Some(Entry { app, user, groups, target, cookie_path }) = spent else {
            let text = "This link was used already, is too old, or was made for another browser. Open the page that you \
                        want to see again.";
            return answer(page(StatusCode::BAD_REQUEST, asked.headers, "That did not work", text));
        };
        let now = Timestamp::now().as_second();
        let claims = Claims {
            email: self.0.people.load().get(&user).cloned(),
            sub: user,
            country: Some(asked.country.to_owned()),
            identity_nonce: Some(hex::encode(rand::random::<[u8; 8]>())),
            custom: Custom { groups },
            ..self.claims(&app, now)
        };
        let Some(token) = self.0.keys.load().sign(&claims) else {
            let text = "Nothing can be signed at the moment. Please try again.";
            return answer(page(StatusCode::SERVICE_UNAVAILABLE, asked.headers, "That did not work", text));
        };
        let (scheme, secure) = if asked.https { ("https", "; Secure") } else { ("http", "") };
        // With its host, since a path of two slashes would be another's.
        let mut response =
            answer(redirect(StatusCode::FOUND, &format!("{scheme}://{}{target}", asked.authority)));
        let age = app.session;
        set_cookie(
            &mut response,
            &format!("{COOKIE}={token}; Path={cookie_path}; HttpOnly; SameSite=Lax; Max-Age={age}{secure}"),
        );
        response
    }

    /// `get-identity`, of whichever application of this host the browser has a cookie.
    fn identity(&self, asked: &Asked<'_>) -> Response<ControlBody> {
        let table = self.0.table.load();
        let is_known = |claims: &Claims| {
            claims.aud.iter().any(|aud| table.app(aud).is_some_and(|app| claims.iat > app.revoked))
        };
        match self.known(asked.headers, is_known, 0) {
            Some(Known { claims, email, .. }) => json_answer(
                StatusCode::OK,
                json!({
                    "id": claims.sub, "user_uuid": claims.sub, "email": email, "iat": claims.iat, "exp": claims.exp,
                    "ip": asked.ip.to_string(), "geo": { "country": asked.country }, "auth_status": "NONE",
                    "groups": claims.custom.groups, "common_name": "", "service_token_status": false,
                }),
            ),
            None => json_answer(StatusCode::UNAUTHORIZED, json!({ "err": "no app token set" })),
        }
    }
}

/// The service token that a request shows, if it is good.
fn service<'a>(headers: &HeaderMap, known: impl Fn(&str) -> Option<&'a Token>) -> Option<&'a Token> {
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let token = known(text(&CLIENT_ID)?)?;
    let fits: bool = digest(text(&CLIENT_SECRET)?).ct_eq(&token.digest).into();
    (fits && Timestamp::now().as_second() < token.expires).then_some(token)
}

fn is_nonce(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a browser asks for a page, which can be led elsewhere.
fn is_navigation(asked: &Asked<'_>) -> bool {
    matches!(*asked.method, Method::GET | Method::HEAD)
        && wants_page(asked.headers)
        && !asked.headers.contains_key(header::UPGRADE)
        && !asked.headers.contains_key("x-requested-with")
}

fn unauthorized(asked: &Asked<'_>) -> Response<ControlBody> {
    let text = "Sign in with a browser, or show a service token.";
    answer(page(StatusCode::UNAUTHORIZED, asked.headers, "Unauthorized", text))
}

fn refused(asked: &Asked<'_>, app: &App) -> Response<ControlBody> {
    let text = app.deny_message.as_deref().unwrap_or("You do not have access to this application.");
    answer(page(StatusCode::FORBIDDEN, asked.headers, "Forbidden", text))
}

/// Takes the cookies away: each application of the host has its own path.
fn logout(asked: &Asked<'_>, paths: &[String]) -> Response<ControlBody> {
    let text = "You are signed out of this application. Who is signed in to the server can open it again.";
    let mut response = answer(page(StatusCode::OK, asked.headers, "Signed out", text));
    let secure = if asked.https { "; Secure" } else { "" };
    for path in paths {
        set_cookie(
            &mut response,
            &format!("{COOKIE}=; Path={path}; HttpOnly; SameSite=Lax; Max-Age=0{secure}"),
        );
    }
    response
}

fn set_cookie(response: &mut Response<ControlBody>, text: &str) {
    // Paths that no header may hold are none of an application's.
    if let Ok(value) = HeaderValue::try_from(text) {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
}

fn json_answer(status: StatusCode, body: serde_json::Value) -> Response<ControlBody> {
    let mut response = Response::new(Text::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    seal(headers);
    answer(response)
}

pub(crate) fn answer(response: Response<Text>) -> Response<ControlBody> {
    response.map(|body| body.map_err(Into::into).boxed_unsync())
}
