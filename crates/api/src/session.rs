//! Browsers that are signed in: their cookie, whom it stands for, and the rule that keeps pages of others from using it.
//!
//! The cookie is `SameSite=Lax`, but hosts of workers are of the control host's site, so it goes along with what their pages
//! do. What keeps them out is the rule: a call that changes something comes from a page of the control host itself and says
//! so in a header, which no page of another origin can make a browser send unasked.

use std::net::IpAddr;

use axum::extract::{FromRequestParts, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hearth_model::{Grants, SESSION_COOKIES};
use hearth_store::{Session, Signed, User};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};

use crate::error::{ApiError, code};
use crate::state::Api;

/// What a call with a cookie carries that changes something; its value is `1`.
pub const CSRF_HEADER: HeaderName = HeaderName::from_static("x-hearth-csrf");

const COOKIE_OVER_TLS: &str = SESSION_COOKIES[0];
const COOKIE: &str = SESSION_COOKIES[1];

/// Operations that look after themselves: a page without scripts posts forms there, which carry no headers.
const OWN_RULES: &str = "/oauth2/";

/// Who is at the other end, as far as trusted proxies can say. The control host's requests carry it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// The client's address.
    pub ip: IpAddr,
    /// Whether the client speaks TLS to us or to a trusted proxy.
    pub https: bool,
}

impl Default for Peer {
    /// What is assumed where nobody says: a client of this machine.
    fn default() -> Self {
        Self { ip: IpAddr::from([127, 0, 0, 1]), https: false }
    }
}

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().copied().unwrap_or_default())
    }
}

/// The secret that a request's cookie holds.
pub fn secret(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, COOKIE_OVER_TLS).or_else(|| cookie(headers, COOKIE))
}

/// A cookie of a request by its name.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(key, _)| *key == name).map(|(_, value)| value).filter(|value| !value.is_empty())
}

/// The header that gives a browser its cookie, or with an empty secret takes it away.
pub fn set_cookie(secret: &str, https: bool) -> HeaderValue {
    let (name, secure) = if https { (COOKIE_OVER_TLS, "; Secure") } else { (COOKIE, "") };
    let age = if secret.is_empty() { "; Max-Age=0" } else { "" };
    let text = format!("{name}={secret}; Path=/; HttpOnly; SameSite=Lax{secure}{age}");
    // Secrets are letters and digits.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("hearth_session=; Path=/; Max-Age=0"))
}

/// Whether a browser makes the call for a page that this host did not serve.
pub fn is_foreign_page(headers: &HeaderMap) -> bool {
    let foreign_origin = headers.contains_key(header::ORIGIN) && !is_own_origin(headers);
    let site = text(headers, "sec-fetch-site");
    foreign_origin || site.is_some_and(|site| site == "cross-site" || site == "same-site")
}

fn is_own_origin(headers: &HeaderMap) -> bool {
    let authority = text(headers, "origin").and_then(|origin| Some(origin.split_once("://")?.1));
    authority.is_some() && authority == text(headers, "host")
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Whether a browser makes the call for a page that this host served.
pub fn is_own_page(headers: &HeaderMap) -> bool {
    match headers.contains_key(header::ORIGIN) {
        true => is_own_origin(headers),
        false => text(headers, "sec-fetch-site") == Some("same-origin"),
    }
}

/// Whether a call may use the cookie that it carries.
fn may_use_cookie(method: &Method, headers: &HeaderMap) -> bool {
    let own_page = is_own_page(headers);
    match *method {
        // A WebSocket is no subject to the rule of the same origin, and carries no headers of a page's choice.
        Method::GET if headers.contains_key(header::UPGRADE) => own_page,
        Method::GET | Method::HEAD => true,
        _ => own_page && text(headers, CSRF_HEADER.as_str()) == Some("1"),
    }
}

/// Refuses calls that another page makes with the cookie, and over TLS passes only the cookie by which it is used there.
pub(crate) async fn guard(mut request: Request, next: Next) -> Response {
    let https = request.extensions().get::<Peer>().is_some_and(|peer| peer.https);
    // HTTP/2 names the host in the path's place; origins are compared with it.
    let authority = request.uri().authority().and_then(|name| HeaderValue::try_from(name.as_str()).ok());
    if let Some(host) = authority.filter(|_| !request.headers().contains_key(header::HOST)) {
        request.headers_mut().insert(header::HOST, host);
    }
    let headers = request.headers();
    if https && cookie(headers, COOKIE).is_some() && cookie(headers, COOKIE_OVER_TLS).is_none() {
        request.headers_mut().remove(header::COOKIE);
    }
    let headers = request.headers();
    let shows_token = headers.contains_key(header::AUTHORIZATION) || headers.contains_key("x-auth-key");
    let rests_on_cookie = !shows_token && secret(headers).is_some();
    if rests_on_cookie
        && !request.uri().path().starts_with(OWN_RULES)
        && !may_use_cookie(request.method(), headers)
    {
        let text = "A call with a session's cookie that changes something comes from a page of this host, with the \
                    header X-Hearth-Csrf: 1.";
        return ApiError::new(StatusCode::FORBIDDEN, code::AUTHENTICATION, text).into_response();
    }
    next.run(request).await
}

/// The session that a request's cookie stands for, if it is one.
///
/// # Errors
/// When the store cannot be asked.
pub async fn session(api: &Api, headers: &HeaderMap) -> Result<Option<Session>, ApiError> {
    match secret(headers) {
        Some(secret) => Ok(api.store().session(secret).await?),
        None => Ok(None),
    }
}

/// Whom a cookie stands for.
pub(crate) enum Shown {
    /// A person, and what they may do.
    Person(Box<User>, Grants),
    /// Whoever has that token, or nobody.
    Token(hearth_store::Shown),
}

/// Who calls by a cookie, from which address.
pub(crate) async fn shown(api: &Api, headers: &HeaderMap, from: Option<IpAddr>) -> Result<Shown, ApiError> {
    let nobody = Shown::Token(hearth_store::Shown::Nobody);
    let Some(session) = session(api, headers).await? else { return Ok(nobody) };
    match session.signed {
        Signed::Token(token) => Ok(Shown::Token(api.store().principal(&token, from).await?)),
        Signed::User(user) => {
            let person = api.store().person(&user.id).await?;
            Ok(person.map_or(nobody, |(user, grants)| Shown::Person(Box::new(user), grants)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        let found = |line: &'static str| secret(&headers(&[("cookie", line)])).map(str::to_owned);
        assert_eq!(found("a=b; hearth_session=s; c=d").as_deref(), Some("s"));
        assert_eq!(found("hearth_session=s; __Host-hearth_session=t").as_deref(), Some("t"));
        for none in ["", "hearth_session=", "xhearth_session=s", "hearth_session"] {
            assert_eq!(found(none), None, "{none}");
        }
        let text = |secret, https| set_cookie(secret, https).to_str().unwrap().to_owned();
        assert_eq!(text("s", false), "hearth_session=s; Path=/; HttpOnly; SameSite=Lax");
        assert_eq!(text("s", true), "__Host-hearth_session=s; Path=/; HttpOnly; SameSite=Lax; Secure");
        assert!(text("", false).ends_with("; Max-Age=0"));
    }

    #[test]
    fn a_page_of_another_origin_is_foreign() {
        let host = ("host", "localhost:8787");
        assert!(!is_foreign_page(&headers(&[host])));
        assert!(!is_foreign_page(&headers(&[host, ("origin", "http://localhost:8787")])));
        for origin in ["http://evil.example", "null", "http://localhost:9999", "http://evil.localhost:8787"] {
            assert!(is_foreign_page(&headers(&[host, ("origin", origin)])), "{origin}");
        }
        assert!(is_foreign_page(&headers(&[host, ("sec-fetch-site", "cross-site")])));
    }

    #[test]
    fn a_cookie_is_used_by_pages_of_this_host_alone() {
        let host = ("host", "hearth.test");
        let own = ("origin", "https://hearth.test");
        let csrf = ("x-hearth-csrf", "1");
        let post = |pairs: &[(&'static str, &'static str)]| may_use_cookie(&Method::POST, &headers(pairs));
        assert!(post(&[host, own, csrf]));
        assert!(post(&[host, ("sec-fetch-site", "same-origin"), csrf]));
        for refused in [
            &[host, own][..],
            &[host, csrf],
            &[host, own, ("x-hearth-csrf", "0")],
            &[host, ("origin", "https://evil.test"), csrf],
            &[host, ("origin", "https://worker.hearth.test"), csrf],
            &[host, ("origin", "null"), csrf],
            &[host, ("origin", "https://evil.test"), ("sec-fetch-site", "same-origin"), csrf],
            &[host, ("sec-fetch-site", "same-site"), csrf],
        ] {
            assert!(!post(refused), "{refused:?}");
        }
        let get = |pairs: &[(&'static str, &'static str)]| may_use_cookie(&Method::GET, &headers(pairs));
        assert!(get(&[host]));
        let upgrade = ("upgrade", "websocket");
        assert!(get(&[host, own, upgrade]));
        assert!(!get(&[host, ("origin", "https://worker.hearth.test"), upgrade]) && !get(&[host, upgrade]));
    }
}
