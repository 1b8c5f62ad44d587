//! The calls, and what they have at hand.

mod account;
mod invitation;
mod oauth;
mod oidc;
mod passkeys;
mod providers;
mod session;
mod users;
mod view;

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::response::IntoResponse;
use hashlink::LruCache;
use hearth_api::session::{Peer, is_foreign_page, secret};
use hearth_api::{Api, ApiError, Json, Operation, Params};
use hearth_store::{Begun, Session, Signed, Store, User, UserId};
use http::request::Parts;
use http::{HeaderMap, Method, header};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;

use crate::error::Refusal;
use crate::oidc::{Client, Http};
use crate::password::Passwords;
use crate::throttle::{Rate, Throttle, network, person};
use crate::tickets::Tickets;

/// Wrong passwords for one address of mail, from wherever.
const BY_PERSON: Rate = Rate { burst: 10, every: Duration::from_secs(30) };
/// Wrong passwords from one address of the network, for whomever. A proxy that is not trusted is one.
const BY_NETWORK: Rate = Rate { burst: 30, every: Duration::from_secs(5) };
/// Wrong codes of one person: whoever gets that far has the password.
const BY_CODE: Rate = Rate { burst: 10, every: Duration::from_secs(300) };
/// How long somebody may take for a second factor, or for a passkey.
const SECOND_FACTOR: Duration = Duration::from_secs(300);
/// How long somebody may take at a provider of single sign-on.
const AT_PROVIDER: Duration = Duration::from_secs(600);
/// How long a program may take to fetch what was agreed to.
const CODE: Duration = Duration::from_secs(60);
/// Keys that each of these remembers.
const ROOM: usize = 20_000;

/// How old a session may be to change how its person signs in, without the password being said again.
const FRESH: jiff::SignedDuration = jiff::SignedDuration::from_mins(15);

/// Bytes of a browser's name that are kept.
const LONGEST_AGENT: usize = 200;

/// Signing in. Clones are the same.
#[derive(Clone)]
pub struct Signin(Arc<Inner>);

struct Inner {
    api: Api,
    passwords: Passwords,
    began: Instant,
    people: Mutex<Throttle<[u8; 32]>>,
    networks: Mutex<Throttle<u128>>,
    codes: Mutex<Throttle<UserId>>,
    tickets: Mutex<Tickets<User>>,
    pending: Mutex<Tickets<oidc::Pending>>,
    /// For whose new passkey a challenge is; None: for anybody's, to sign in.
    challenges: Mutex<Tickets<Option<UserId>>>,
    oidc: Client,
    consents: Mutex<Tickets<oauth::Consent>>,
    agreed: Mutex<Tickets<oauth::Agreed>>,
    devices: Mutex<Tickets<oauth::Device>>,
    /// Devices by the codes that people type.
    typed: Mutex<LruCache<String, String>>,
}

impl Signin {
    /// Signing in to the installation of that API. Providers of single sign-on may have certificates of the authorities in a
    /// file, beside the usual ones.
    ///
    /// # Errors
    /// When there is no randomness, or the file cannot be read.
    pub fn new(api: Api, extra_ca_file: Option<&Path>) -> std::io::Result<Self> {
        let passwords = Passwords::new().map_err(|refusal| std::io::Error::other(format!("{refusal:?}")))?;
        Ok(Self(Arc::new(Inner {
            api,
            passwords,
            began: Instant::now(),
            people: Mutex::new(Throttle::new(BY_PERSON, ROOM)),
            networks: Mutex::new(Throttle::new(BY_NETWORK, ROOM)),
            codes: Mutex::new(Throttle::new(BY_CODE, ROOM)),
            tickets: Mutex::new(Tickets::good_for(SECOND_FACTOR)),
            pending: Mutex::new(Tickets::good_for(AT_PROVIDER)),
            challenges: Mutex::new(Tickets::good_for(SECOND_FACTOR)),
            oidc: Client::new(Http::new(extra_ca_file)?),
            consents: Mutex::new(Tickets::good_for(AT_PROVIDER)),
            agreed: Mutex::new(Tickets::good_for(CODE)),
            devices: Mutex::new(Tickets::good_for(oauth::DEVICE)),
            typed: Mutex::new(oauth::typed_codes()),
        })))
    }

    /// What it answers, with whole paths.
    pub fn operations(&self) -> Vec<Operation> {
        let (get, post, put) = (Method::GET, Method::POST, Method::PUT);
        let (patch, delete) = (Method::PATCH, Method::DELETE);
        // What is a person's own asks for a session, and for more than that.
        let own = vec![
            Operation::new(get.clone(), "/api/session/methods", session::methods, self),
            Operation::new(get.clone(), "/api/session", session::show, self),
            Operation::new(post.clone(), "/api/session", session::by_password, self),
            Operation::new(post.clone(), "/api/session/second", session::by_second_factor, self),
            Operation::new(post.clone(), "/api/session/token", session::by_token, self),
            Operation::new(post.clone(), "/api/session/passkey/options", passkeys::options, self),
            Operation::new(post.clone(), "/api/session/passkey", passkeys::sign_in, self),
            Operation::new(get.clone(), "/api/session/oidc/{provider}", oidc::begin, self),
            Operation::new(get.clone(), "/api/session/oidc/{provider}/callback", oidc::callback, self),
            Operation::new(delete.clone(), "/api/session", session::end, self),
            Operation::new(get.clone(), "/api/sessions", session::list, self),
            Operation::new(delete.clone(), "/api/sessions", session::end_all, self),
            Operation::new(delete.clone(), "/api/sessions/{session}", session::end_one, self),
            Operation::new(post.clone(), "/api/invitation", invitation::show, self),
            Operation::new(post.clone(), "/api/invitation/accept", invitation::accept, self),
            Operation::new(get.clone(), "/oauth2/auth", oauth::ask, self),
            Operation::new(post.clone(), "/oauth2/auth", oauth::decide, self),
            Operation::new(get.clone(), "/oauth2/device", oauth::ask_for_device, self),
            Operation::new(post.clone(), "/oauth2/device/auth", oauth::begin_device, self),
            Operation::new(post.clone(), "/oauth2/token", oauth::token, self),
            Operation::new(post.clone(), "/oauth2/revoke", oauth::revoke, self),
            Operation::new(get.clone(), "/api/account", account::show, self),
            Operation::new(put.clone(), "/api/account/password", account::set_password, self),
            Operation::new(post.clone(), "/api/account/totp", account::begin_totp, self),
            Operation::new(put.clone(), "/api/account/totp", account::confirm_totp, self),
            Operation::new(delete.clone(), "/api/account/totp", account::remove_totp, self),
            Operation::new(post.clone(), "/api/account/recovery-codes", account::renew_recovery_codes, self),
            Operation::new(get.clone(), "/api/account/passkeys", passkeys::list, self),
            Operation::new(post.clone(), "/api/account/passkeys/options", passkeys::creation_options, self),
            Operation::new(post.clone(), "/api/account/passkeys", passkeys::add, self),
            Operation::new(delete.clone(), "/api/account/passkeys/{passkey}", passkeys::remove, self),
        ];
        let operators = vec![
            Operation::new(get.clone(), "/api/users", users::list, self),
            Operation::new(post.clone(), "/api/users", users::create, self),
            Operation::new(get.clone(), "/api/signin/providers", providers::list, self),
            Operation::new(put, "/api/signin/providers", providers::replace, self),
            Operation::new(get, "/api/users/{user}", users::show, self),
            Operation::new(patch, "/api/users/{user}", users::change, self),
            Operation::new(delete, "/api/users/{user}", users::remove, self),
            Operation::new(post.clone(), "/api/users/{user}/invitation", users::invite, self),
            Operation::new(post, "/api/users/{user}/reset", users::reset, self),
        ];
        let refused = |error: &ApiError, _: &Params| Refusal::from(error.clone()).into_response();
        let own = own.into_iter().map(Operation::without_token);
        own.chain(operators.into_iter().map(|operation| operation.refused_as(refused))).collect()
    }

    fn api(&self) -> &Api {
        &self.0.api
    }

    fn store(&self) -> &Store {
        self.0.api.store()
    }

    /// Time since the server began.
    fn now(&self) -> Duration {
        self.0.began.elapsed()
    }

    /// Counts an attempt to sign in, before its outcome is known; as one at that person's, if it is at one's.
    fn attempt(&self, ip: IpAddr, email: Option<&str>) -> Result<Attempt<'_>, Refusal> {
        let attempt = Attempt { signin: self, network: network(ip), person: email.map(person) };
        self.0.networks.lock().attempt(attempt.network, self.now()).map_err(Refusal::too_many)?;
        if let Some(person) = attempt.person {
            self.0.people.lock().attempt(person, self.now()).map_err(Refusal::too_many)?;
        }
        Ok(attempt)
    }

    /// Takes back an attempt that was at nobody's address.
    fn forgive_network(&self, ip: IpAddr) {
        self.0.networks.lock().forgive(&network(ip));
    }

    /// Counts a code that somebody tries who has the password of that person.
    fn attempt_code(&self, user: &UserId) -> Result<(), Refusal> {
        self.0.codes.lock().attempt(user.clone(), self.now()).map_err(Refusal::too_many)
    }

    fn forgive_code(&self, user: &UserId) {
        self.0.codes.lock().forgive(user);
    }

    /// Begins a session, which has a new secret, and ends the one that the browser has: what was in its cookie before,
    /// somebody else may have put there.
    async fn begin(
        &self,
        signed: Signed,
        visitor: &Visitor,
        groups: Vec<String>,
    ) -> Result<(Session, String), Refusal> {
        if let Some(before) = secret(&visitor.headers)
            && let Some(session) = self.store().session(before).await?
        {
            self.store().end_session(&session.id).await?;
        }
        let agent =
            visitor.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let agent = agent.chars().take(LONGEST_AGENT).collect();
        let begun = Begun { address: visitor.peer.ip.to_string(), agent, groups };
        Ok(self.store().begin_session(signed, begun).await?)
    }
}

/// An attempt that was counted.
struct Attempt<'a> {
    signin: &'a Signin,
    network: u128,
    person: Option<[u8; 32]>,
}

impl Attempt<'_> {
    /// It was right.
    fn forgive(self) {
        self.signin.0.networks.lock().forgive(&self.network);
        if let Some(person) = &self.person {
            self.signin.0.people.lock().forgive(person);
        }
    }
}

/// Where a call comes from: never a page of another origin, which could sign a browser in as somebody of its choice.
struct Visitor {
    peer: Peer,
    headers: HeaderMap,
}

impl<S: Sync> FromRequestParts<S> for Visitor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        if is_foreign_page(&parts.headers) {
            return Err(Refusal::forbidden("A page of another origin cannot sign anybody in."));
        }
        let Ok(peer) = Peer::from_request_parts(parts, state).await;
        Ok(Self { peer, headers: parts.headers.clone() })
    }
}

impl Visitor {
    /// The origin of the control host, as whoever calls it does: `https://hearth.corp.test`.
    fn origin(&self) -> String {
        format!("{}://{}", if self.peer.https { "https" } else { "http" }, self.host())
    }

    fn host(&self) -> &str {
        self.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost")
    }

    /// The same without the port.
    fn host_name(&self) -> String {
        let name = url::Url::parse(&self.origin()).ok().and_then(|url| Some(url.host_str()?.to_owned()));
        name.unwrap_or_default()
    }
}

/// A person who is signed in by a cookie, and calls for themselves.
struct Own {
    user: User,
    session: Session,
}

impl FromRequestParts<Signin> for Own {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, signin: &Signin) -> Result<Self, Refusal> {
        let session = hearth_api::session::session(signin.api(), &parts.headers).await?;
        let session = session.ok_or_else(Refusal::unauthenticated)?;
        match &session.signed {
            Signed::User(user) => Ok(Self { user: user.clone(), session }),
            Signed::Token(_) => Err(Refusal::forbidden(
                "You are signed in by a token, which is no person. Sign in as a person.",
            )),
        }
    }
}

impl Own {
    /// Whether this person may change how they sign in: with a session that is new, or by saying the password again.
    ///
    /// # Errors
    /// 403 with the code `confirm`; 401 when the password is wrong, 429 when it was so too often.
    async fn confirm(&self, signin: &Signin, peer: Peer, password: Option<String>) -> Result<(), Refusal> {
        let Some(password) = password else {
            let age = jiff::Timestamp::now().duration_since(self.session.created_on);
            return if age < FRESH { Ok(()) } else { Err(confirm()) };
        };
        let attempt = signin.attempt(peer.ip, Some(&self.user.email))?;
        let stored = signin.store().password(&self.user.id).await?;
        if !signin.0.passwords.verify(stored, password).await? {
            return Err(Refusal::wrong_password());
        }
        attempt.forgive();
        Ok(())
    }
}

fn confirm() -> Refusal {
    let text = "It is a while ago that you signed in: say your `password` again, or sign in anew.";
    Refusal::new(http::StatusCode::FORBIDDEN, "confirm", text)
}

/// A JSON body.
struct Body<T>(T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let Json(value) = Json::from_request(request, state).await?;
        Ok(Self(value))
    }
}

/// A JSON body that may be absent.
struct MaybeBody<T>(T);

impl<T: DeserializeOwned + Default, S: Sync> FromRequest<S> for MaybeBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &S) -> Result<Self, Refusal> {
        let bytes = hearth_api::read(request.into_body(), 1 << 16).await?;
        if bytes.is_empty() {
            return Ok(Self(T::default()));
        }
        let parsed = serde_json::from_slice(&bytes);
        parsed
            .map(Self)
            .map_err(|error| Refusal::invalid(format!("The request's JSON cannot be read: {error}")))
    }
}
