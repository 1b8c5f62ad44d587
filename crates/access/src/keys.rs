//! Tokens that workers can verify: JSON Web Tokens signed with RSA, as Cloudflare's are (RFC 7515, 7517, 7519; Cloudflare's
//! documentation, "Application token").

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use ring::rand::SystemRandom;
use ring::rsa::{KeyPair, PublicKeyComponents};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// How many days a key signs where nobody says, as Cloudflare's.
pub(crate) const USUAL_DAYS: u32 = 42;

/// How long what a key signed is good for after it has signed last: as long as any session.
pub(crate) const OVERLAP: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Bits of a key, as Cloudflare's.
const BITS: usize = 2048;

/// What a token says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub aud: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    pub exp: i64,
    pub iat: i64,
    pub nbf: i64,
    pub iss: String,
    #[serde(rename = "type")]
    pub kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity_nonce: Option<String>,
    /// The person's id; empty of a service.
    pub sub: String,
    /// Of a service: what its token calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// What a provider of single sign-on said: `{groups}`.
    #[serde(default)]
    pub custom: Custom,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Custom {
    #[serde(default)]
    pub groups: Vec<String>,
}

/// The type of tokens for applications.
pub(crate) const KIND: &str = "app";

/// A key that signs, or has signed.
pub(crate) struct Key {
    pub id: String,
    pub created_on: Timestamp,
    pair: KeyPair,
    public: PublicKeyComponents<Vec<u8>>,
}

/// The keys that there are, newest first.
#[derive(Default)]
pub(crate) struct Keys(pub Vec<Key>);

impl Key {
    /// A key of its stored form.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn open(id: String, created_on: Timestamp, private: &str) -> io::Result<Self> {
        let bad =
            |error: &dyn std::fmt::Display| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
        let bytes = STANDARD.decode(private).map_err(|error| bad(&error))?;
        let pair = KeyPair::from_pkcs8(&bytes).map_err(|error| bad(&error))?;
        let public = PublicKeyComponents::from(pair.public());
        Ok(Self { id, created_on, pair, public })
    }

    fn public(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({
            "kid": self.id, "kty": "RSA", "alg": "RS256", "use": "sig",
            "e": text(&self.public.e), "n": text(&self.public.n),
        })
    }
}

/// A new key in its stored form. It takes a while.
///
/// # Errors
/// When there is no randomness.
pub(crate) fn generate() -> io::Result<String> {
    use rsa::pkcs8::EncodePrivateKey as _;
    // Only made here; `ring` signs, and makes none.
    let key = rsa::PrivateKey::new(&mut getrandom::SysRng, BITS).map_err(io::Error::other)?;
    let bytes = key.to_pkcs8_der().map_err(io::Error::other)?;
    Ok(STANDARD.encode(bytes.as_bytes()))
}

impl Keys {
    /// Whether there is to be a new key, where one signs for `days`.
    pub(crate) fn due(&self, days: u32, now: Timestamp) -> bool {
        self.0.first().is_none_or(|newest| now.duration_since(newest.created_on) >= time(days))
    }

    /// When another key must have followed one, for nothing that it signed to be good any more.
    pub(crate) fn ended(now: Timestamp) -> Timestamp {
        now.saturating_sub(OVERLAP).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// The days until there is to be a new key, begun ones among them.
    pub(crate) fn days_left(&self, days: u32, now: Timestamp) -> i64 {
        let Some(newest) = self.0.first() else { return 0 };
        let left = time(days) - now.duration_since(newest.created_on);
        (left.as_secs().max(0) + DAY - 1) / DAY
    }

    /// The public halves, as `/cdn-cgi/access/certs` shows them.
    pub(crate) fn public(&self) -> Value {
        json!({ "keys": self.0.iter().map(Key::public).collect::<Vec<_>>() })
    }

    /// Signs with the newest key. None: there is none.
    pub(crate) fn sign(&self, claims: &Claims) -> Option<String> {
        let key = self.0.first()?;
        let head = json!({ "alg": "RS256", "kid": key.id, "typ": "JWT" });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&head), part(&serde_json::to_value(claims).ok()?));
        let mut signature = vec![0; key.pair.public().modulus_len()];
        key.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).ok()?;
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// What a token says, if one of the keys has signed it and it is good at `now`, in seconds. For whom it is, and whether it
    /// was revoked, is still to be looked at.
    pub(crate) fn verify(&self, token: &str, issuer: &str, now: i64) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (head, body) = signed.split_once('.')?;
        #[derive(Deserialize)]
        struct Head {
            alg: String,
            kid: String,
        }
        let head: Head = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).ok()?).ok()?;
        let key = self.0.iter().find(|key| key.id == head.kid).filter(|_| head.alg == "RS256")?;
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        key.public.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature).ok()?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).ok()?).ok()?;
        let good = claims.kind == KIND && claims.iss == issuer && claims.nbf <= now && now < claims.exp;
        good.then_some(claims)
    }
}

/// Seconds of a day.
const DAY: i64 = 24 * 3600;

fn time(days: u32) -> SignedDuration {
    SignedDuration::from_secs(i64::from(days) * DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ISSUER: &str = "https://hearth.test";

    fn keys(private: &str, id: &str) -> Keys {
        Keys(vec![Key::open(id.to_owned(), Timestamp::UNIX_EPOCH, private).unwrap()])
    }

    #[test]
    fn a_token_is_good_as_it_was_signed_and_no_other_way() {
        let private = generate().unwrap();
        let keys = keys(&private, "k");
        let claims = Claims {
            aud: vec!["aud".into()],
            email: Some("a@a.test".into()),
            exp: 200,
            iat: 100,
            nbf: 100,
            iss: ISSUER.into(),
            kind: KIND.into(),
            sub: "u".into(),
            ..Claims::default()
        };
        let token = keys.sign(&claims).unwrap();
        assert_eq!(keys.verify(&token, ISSUER, 150), Some(claims.clone()));
        assert_eq!(keys.verify(&token, ISSUER, 200), None, "expired");
        assert_eq!(keys.verify(&token, ISSUER, 99), None, "not yet");
        assert_eq!(keys.verify(&token, "https://other.test", 150), None, "another issuer");
        let parts: Vec<&str> = token.split('.').collect();
        let encode = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let none = encode(json!({"alg": "none", "kid": "k"}));
        let hmac = encode(json!({"alg": "HS256", "kid": "k"}));
        let body = encode(
            serde_json::to_value(Claims { email: Some("b@a.test".into()), ..claims.clone() }).unwrap(),
        );
        for forged in [
            format!("{none}.{}.", parts[1]),
            format!("{none}.{}.{}", parts[1], parts[2]),
            format!("{hmac}.{}.{}", parts[1], parts[2]),
            format!("{}.{body}.{}", parts[0], parts[2]),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}.{}", parts[0], parts[1]),
            String::new(),
            "a.b.c".into(),
        ] {
            assert_eq!(keys.verify(&forged, ISSUER, 150), None, "{forged}");
        }
        let stranger = self::keys(&generate().unwrap(), "k");
        assert_eq!(stranger.verify(&token, ISSUER, 150), None, "another key of the same name");
        let shown = keys.public();
        assert_eq!((&shown["keys"][0]["kid"], &shown["keys"][0]["e"]), (&json!("k"), &json!("AQAB")));
        assert!(!shown.to_string().contains("\"d\""));
    }

    #[test]
    fn keys_are_followed_by_others_before_they_are_forgotten() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        assert!(Keys::default().due(USUAL_DAYS, now));
        assert_eq!(Keys::default().days_left(USUAL_DAYS, now), 0);
        let made = now - time(21);
        let keys = Keys(vec![Key::open("k".into(), made, &generate().unwrap()).unwrap()]);
        assert_eq!((keys.due(21, now), keys.due(22, now)), (true, false));
        assert_eq!((keys.days_left(21, now), keys.days_left(22, now)), (0, 1));
        assert_eq!(keys.days_left(22, now - SignedDuration::from_secs(1)), 2, "a day that has begun");
        assert!(Keys::ended(now) <= now - SignedDuration::from_hours(730), "a session lasts as long");
    }
}
