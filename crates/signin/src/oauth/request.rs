//! What a program asks for by way of a browser. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hearth_api::Query;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::Url;

use super::clients::{Client, client};
use super::scopes::{self, Scope};

/// Bytes of a state at most: it comes back in a URL.
const LONGEST_STATE: usize = 2000;

/// A request for access.
#[derive(Clone)]
pub struct Request {
    pub client: &'static Client,
    pub redirect_uri: &'static str,
    pub scopes: Vec<&'static Scope>,
    /// Whether it wants to renew.
    pub renews: bool,
    state: Option<String>,
    /// SHA-256 of what the program keeps to itself, in base64url.
    challenge: String,
}

/// Why it cannot be granted.
#[derive(Debug, PartialEq, Eq)]
pub enum Bad {
    /// Nobody can be told but the person: it is not known whose request it is.
    Page(&'static str),
    /// The program is told, by this URL.
    Redirect(String),
}

impl Request {
    /// Reads a request.
    ///
    /// # Errors
    /// [`Bad`].
    pub fn read(query: &Query) -> Result<Self, Bad> {
        let once = |name: &'static str| {
            let mut all = query.all(name);
            all.next().filter(|_| all.next().is_none())
        };
        let client = once("client_id").and_then(client).ok_or(Bad::Page("No such program is known here."))?;
        let asked = once("redirect_uri").unwrap_or_default();
        let redirect_uri = client.redirect_uris.iter().copied().find(|own| *own == asked);
        let redirect_uri =
            redirect_uri.ok_or(Bad::Page("The program wants you sent where it does not belong."))?;
        let state = once("state").map(str::to_owned);
        if state.as_ref().is_some_and(|state| state.len() > LONGEST_STATE) {
            return Err(Bad::Page("The program's request is too long."));
        }
        let (scopes, renews) = scopes::read(once("scope").unwrap_or_default());
        let challenge = once("code_challenge").unwrap_or_default().to_owned();
        let request = Self { client, redirect_uri, scopes, renews, state, challenge };
        let refuse = |error: &str, why: &str| Err(Bad::Redirect(request.refusal(error, why)));
        if once("response_type") != Some("code") {
            return refuse("unsupported_response_type", "response_type has to be code");
        }
        let is_digest = URL_SAFE_NO_PAD.decode(&request.challenge).is_ok_and(|digest| digest.len() == 32);
        if once("code_challenge_method") != Some("S256") || !is_digest {
            return refuse("invalid_request", "a code_challenge by S256 is needed");
        }
        if request.scopes.is_empty() {
            return refuse("invalid_scope", "no scope that there is");
        }
        Ok(request)
    }

    /// Where the browser is sent with a code.
    pub fn granted(&self, code: &str) -> String {
        self.back(&[("code", code)])
    }

    /// Where the browser is sent when the person, or we, say no.
    pub fn refusal(&self, error: &str, why: &str) -> String {
        self.back(&[("error", error), ("error_description", why)])
    }

    fn back(&self, pairs: &[(&str, &str)]) -> String {
        // The table's URIs are URLs.
        let Ok(mut url) = Url::parse(self.redirect_uri) else { return String::new() };
        let state = self.state.as_deref().map(|state| ("state", state));
        url.query_pairs_mut().extend_pairs(pairs.iter().copied().chain(state));
        url.into()
    }

    /// Whether who shows a code is who asked for it.
    pub fn is_answered_by(&self, verifier: &str) -> bool {
        let shown = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
        (43..=128).contains(&verifier.len()) && bool::from(shown.as_bytes().ct_eq(self.challenge.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERIFIER: &str = "0123456789012345678901234567890123456789012";

    fn asked(changes: &[(&str, Option<&str>)]) -> Result<Request, Bad> {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        let usual = [
            ("response_type", "code"),
            ("client_id", "54d11594-84e4-41aa-b438-e81b8fa78ee7"),
            ("redirect_uri", "http://localhost:8976/oauth/callback"),
            ("scope", "workers:write user:read offline_access nothing"),
            ("state", "st&te"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let mut text = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in usual {
            match changes.iter().find(|(changed, _)| *changed == name) {
                Some((_, Some(value))) => text.append_pair(name, value),
                Some((_, None)) => &mut text,
                None => text.append_pair(name, value),
            };
        }
        for (name, value) in changes {
            if let (false, Some(value)) = (usual.iter().any(|(usual, _)| usual == name), value) {
                text.append_pair(name.trim_end_matches('+'), value);
            }
        }
        Request::read(&Query::parse(&text.finish()))
    }

    #[test]
    fn wranglers_request_is_read() {
        let request = asked(&[]).unwrap_or_else(|bad| panic!("{bad:?}"));
        let names: Vec<&str> = request.scopes.iter().map(|scope| scope.name).collect();
        assert_eq!(
            (request.client.name, names.as_slice(), request.renews),
            ("Wrangler", &["user:read", "workers:write"][..], true)
        );
        assert_eq!(request.granted("c"), "http://localhost:8976/oauth/callback?code=c&state=st%26te");
        assert!(
            request
                .refusal("access_denied", "no")
                .contains("error=access_denied&error_description=no&state=st%26te")
        );
        assert!(request.is_answered_by(VERIFIER));
        assert!(!request.is_answered_by(&VERIFIER.replace('0', "1")) && !request.is_answered_by(""));
    }

    #[test]
    fn nobody_is_sent_where_the_program_does_not_live() {
        for (name, value) in [
            ("client_id", Some("other")),
            ("client_id", None),
            ("redirect_uri", Some("http://localhost:8976/oauth/callback/../evil")),
            ("redirect_uri", Some("http://localhost:8976/oauth/callback?x")),
            ("redirect_uri", Some("https://evil.test/oauth/callback")),
            ("redirect_uri", Some("http://localhost:8976@evil.test/oauth/callback")),
            ("redirect_uri", None),
            ("redirect_uri+", Some("https://evil.test/")),
            ("client_id+", Some("other")),
        ] {
            assert!(matches!(asked(&[(name, value)]), Err(Bad::Page(_))), "{name} {value:?}");
        }
        for (name, value, error) in [
            ("response_type", Some("token"), "unsupported_response_type"),
            ("code_challenge", None, "invalid_request"),
            ("code_challenge", Some(VERIFIER), "invalid_request"),
            ("code_challenge_method", Some("plain"), "invalid_request"),
            ("code_challenge_method", None, "invalid_request"),
            ("scope", Some("nothing offline_access"), "invalid_scope"),
        ] {
            match asked(&[(name, value)]) {
                Err(Bad::Redirect(to)) => {
                    let begin = format!("http://localhost:8976/oauth/callback?error={error}&");
                    assert!(to.starts_with(&begin), "{name} {value:?}: {to}");
                }
                other => panic!("{name} {value:?}: {:?}", other.err()),
            }
        }
    }
}
