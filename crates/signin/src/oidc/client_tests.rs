//! A provider that says what a test has it say.

use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use super::*;
use crate::oidc::token::tests::Provider;

const NONCE: &str = "n0nce";
/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

struct Played {
    settings: Settings,
    /// The form that the code was exchanged by.
    form: Arc<Mutex<String>>,
}

fn begun() -> Begun {
    let redirect_uri = "http://localhost/back".to_owned();
    Begun { redirect_uri, nonce: NONCE.to_owned(), verifier: VERIFIER.to_owned() }
}

/// Plays a provider; `change` changes what it says of itself (`discovery`), in the ID token (`claims`), and as `userinfo`.
async fn played(change: impl FnOnce(&mut Value)) -> Played {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let (keys, now) = (Provider::new(), jiff::Timestamp::now().as_second());
    let mut says = json!({
        "discovery": {
            "issuer": issuer, "authorization_endpoint": format!("{issuer}/auth"),
            "token_endpoint": format!("{issuer}/token"), "jwks_uri": format!("{issuer}/keys"),
            "userinfo_endpoint": format!("{issuer}/me"),
        },
        "claims": {"iss": issuer, "aud": "hearth", "sub": "ann", "nonce": NONCE, "iat": now, "exp": now + 600},
        "userinfo": {"sub": "ann", "email": "ann@corp.test", "email_verified": true, "groups": ["dev"]},
    });
    change(&mut says);
    let token = keys.sign(&json!({"alg": "ES256", "kid": "k"}), &says["claims"]);
    let tokens = json!({"id_token": token, "access_token": "a"});
    let form = Arc::new(Mutex::new(String::new()));
    let noted = Arc::clone(&form);
    let answers = |value: Value| get(async move || Json(value));
    let router = Router::new()
        .route("/.well-known/openid-configuration", answers(says["discovery"].clone()))
        .route("/keys", answers(serde_json::to_value(keys.set()).unwrap()))
        .route("/me", answers(says["userinfo"].clone()))
        .route(
            "/token",
            post(async move |body: String| {
                *noted.lock() = body;
                Json(tokens)
            }),
        );
    tokio::spawn(async move { axum::serve(listener, router).await });
    let settings = json!({"name": "Corp", "issuer": issuer, "client_id": "hearth"});
    Played { settings: serde_json::from_value(settings).unwrap(), form }
}

impl Played {
    async fn url(&self) -> Result<Url, String> {
        Client::new(Http::new(None).unwrap()).authorization_url(&self.settings, &begun(), "s").await
    }

    async fn identify(&self, issuer: Option<&str>) -> Result<Known, String> {
        let client = Client::new(Http::new(None).unwrap());
        client.identify(&self.settings, None, &begun(), &Brought { code: "c", issuer }).await
    }
}

#[tokio::test]
async fn a_code_is_worth_nothing_to_who_has_not_asked() {
    let provider = played(|_| {}).await;
    let url = provider.url().await.unwrap();
    let asked: HashMap<_, _> = url.query_pairs().into_owned().collect();
    for (name, value) in [
        ("response_type", "code"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("nonce", NONCE),
        ("state", "s"),
    ] {
        assert_eq!(asked[name], value);
    }
    let known = provider.identify(None).await.unwrap();
    assert_eq!((known.subject.as_str(), known.email.as_deref()), ("ann", Some("ann@corp.test")));
    assert!(known.email_verified && known.groups == ["dev"]);
    let form = provider.form.lock().clone();
    let sent: HashMap<_, _> = url::form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    for (name, value) in
        [("code", "c"), ("code_verifier", VERIFIER), ("redirect_uri", "http://localhost/back")]
    {
        assert_eq!(sent[name], value);
    }
}

#[tokio::test]
async fn what_a_provider_says_of_others_or_others_say_is_refused() {
    for (place, value, why) in [
        ("/discovery/issuer", json!("https://evil.test"), "calls itself"),
        ("/discovery/token_endpoint", json!("http://id.corp.test/token"), "has to be https"),
        ("/discovery/jwks_uri", json!("http://id.corp.test/keys"), "has to be https"),
        ("/discovery/userinfo_endpoint", json!("http://id.corp.test/me"), "has to be https"),
        ("/claims/iss", json!("https://evil.test"), "ID token"),
        ("/claims/aud", json!("other"), "ID token"),
        ("/claims/nonce", json!("other"), "nonce"),
        ("/userinfo/sub", json!("bob"), "somebody else"),
    ] {
        let provider = played(|says| *says.pointer_mut(place).unwrap() = value).await;
        let refused = provider.identify(None).await.unwrap_err();
        assert!(refused.contains(why), "{place}: {refused}");
    }
    let leads_away =
        |says: &mut Value| says["discovery"]["authorization_endpoint"] = json!("http://id.corp.test/");
    assert!(played(leads_away).await.url().await.is_err());
    let provider = played(|_| {}).await;
    assert!(provider.identify(Some(&provider.settings.issuer)).await.is_ok());
    assert!(provider.identify(Some("https://evil.test")).await.unwrap_err().contains("another issuer"));
    let names_itself =
        |says: &mut Value| says["discovery"]["authorization_response_iss_parameter_supported"] = json!(true);
    assert!(played(names_itself).await.identify(None).await.is_err(), "it always says who answers");
    let odd = played(|says| says["userinfo"]["email_verified"] = json!("true")).await;
    assert!(!odd.identify(None).await.unwrap().email_verified, "a text is no truth");
}

#[test]
fn credentials_are_encoded_before_they_are_joined() {
    assert_eq!(basic("a:b", "c d"), format!("Basic {}", STANDARD.encode("a%3Ab:c+d")));
}
