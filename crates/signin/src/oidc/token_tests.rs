//! Forged, expired and misdirected ID tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use super::*;

const EXPECTED: Expected<'static> =
    Expected { issuer: "https://id.test", client_id: "hearth", nonce: "n0nce" };

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn now() -> u64 {
    jiff::Timestamp::now().as_second().unsigned_abs()
}

/// A provider's key.
pub(in crate::oidc) struct Provider {
    random: SystemRandom,
    keys: EcdsaKeyPair,
}

impl Provider {
    pub(in crate::oidc) fn new() -> Self {
        super::super::ring_verifier::install();
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let keys =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
        Self { random, keys }
    }

    pub(in crate::oidc) fn set(&self) -> JwkSet {
        let (x, y) = self.keys.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        serde_json::from_value(
            json!({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "use": "sig", "x": x, "y": y}]}),
        )
        .unwrap()
    }

    pub(in crate::oidc) fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self.keys.sign(&self.random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

fn header() -> Value {
    json!({"alg": "ES256", "kid": "k"})
}

fn claims() -> Value {
    json!({
        "iss": "https://id.test", "aud": "hearth", "sub": "ann", "nonce": "n0nce",
        "iat": now(), "exp": now() + 600, "groups": ["dev"],
    })
}

fn with(field: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[field] = value;
    claims
}

#[test]
fn the_providers_word_is_taken() {
    let provider = Provider::new();
    let read = |claims: &Value| read(&provider.sign(&header(), claims), &provider.set(), &EXPECTED, now());
    let read_claims = read(&claims()).unwrap();
    assert_eq!((read_claims.sub.as_str(), &read_claims.others["groups"]), ("ann", &json!(["dev"])));
    assert!(read(&with("aud", json!(["hearth"]))).is_ok());
    let mut several = with("aud", json!(["hearth", "other"]));
    several["azp"] = json!("hearth");
    assert!(read(&several).is_ok());
}

#[test]
fn what_is_not_the_providers_for_us_and_of_now_is_refused() {
    let provider = Provider::new();
    let refused = |claims: &Value, why: &str| {
        let found = read(&provider.sign(&header(), claims), &provider.set(), &EXPECTED, now());
        assert!(matches!(found, Err(Bad::Wrong(_))), "{why}: {found:?}");
    };
    refused(&with("iss", json!("https://evil.test")), "another issuer");
    refused(&with("aud", json!("other")), "another audience");
    refused(&with("aud", json!(["other"])), "another audience");
    refused(&with("aud", json!(["hearth", "other"])), "several audiences and no party");
    refused(&with("azp", json!("other")), "another party");
    refused(&with("nonce", json!("other")), "another sign-in's");
    refused(&with("nonce", Value::Null), "no nonce");
    refused(&with("exp", json!(now() - 61)), "expired");
    refused(&with("nbf", json!(now() + 120)), "not yet");
    refused(&with("iat", json!(now() + 120)), "from the future");
    refused(&with("sub", json!("")), "nobody");
    for missing in ["iss", "aud", "sub", "exp", "iat", "nonce"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(missing);
        refused(&claims, missing);
    }
}

#[test]
fn forged_signatures_are_refused() {
    let provider = Provider::new();
    let read = |token: &str| read(token, &provider.set(), &EXPECTED, now());
    let good = provider.sign(&header(), &claims());
    assert!(read(&good).is_ok());
    let (signed, signature) = good.rsplit_once('.').unwrap();

    for alg in ["none", "None", "NONE", ""] {
        let token = format!("{}.{}.", encode(&json!({"alg": alg})), encode(&claims()));
        assert!(read(&token).is_err(), "{alg:?}");
        let token = format!("{}.{}.{signature}", encode(&json!({"alg": alg, "kid": "k"})), encode(&claims()));
        assert!(read(&token).is_err(), "{alg:?}");
    }
    // The public key taken for a shared secret.
    let signed_by_all = format!("{}.{}", encode(&json!({"alg": "HS256", "kid": "k"})), encode(&claims()));
    for secret in [provider.keys.public_key().as_ref(), b"", b"hearth"] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed_by_all.as_bytes());
        assert!(read(&format!("{signed_by_all}.{}", URL_SAFE_NO_PAD.encode(tag))).is_err());
    }
    let other = Provider::new();
    assert!(read(&other.sign(&header(), &claims())).is_err(), "another's key under the same name");
    assert_eq!(
        read(&other.sign(&json!({"alg": "ES256", "kid": "new"}), &claims())).unwrap_err(),
        Bad::UnknownKey
    );
    let changed = signed.rsplit_once('.').unwrap().0.to_owned() + "." + &encode(&with("sub", json!("bob")));
    assert!(read(&format!("{changed}.{signature}")).is_err(), "other claims");
    assert!(read(&format!("{signed}.")).is_err() && read(signed).is_err() && read("").is_err());
    // A key that comes along in the header is nobody's.
    let own = serde_json::to_value(&other.set().keys[0]).unwrap();
    assert!(read(&other.sign(&json!({"alg": "ES256", "jwk": own}), &claims())).is_err());
}

#[test]
fn a_key_without_a_name_has_to_be_the_only_one() {
    let provider = Provider::new();
    let token = provider.sign(&json!({"alg": "ES256"}), &claims());
    assert!(read(&token, &provider.set(), &EXPECTED, now()).is_ok());
    let mut several = Provider::new().set();
    several.keys.extend(provider.set().keys);
    assert_eq!(read(&token, &several, &EXPECTED, now()).unwrap_err(), Bad::UnknownKey);

    // Keys of another kind are no candidates.
    let document = Ed25519KeyPair::generate_pkcs8(&provider.random).unwrap();
    let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
    let edwards = json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}]});
    let edwards: JwkSet = serde_json::from_value(edwards).unwrap();
    let mut mixed = provider.set();
    mixed.keys.extend(edwards.keys);
    assert!(read(&token, &mixed, &EXPECTED, now()).is_ok());
    let signed = format!("{}.{}", encode(&json!({"alg": "EdDSA"})), encode(&claims()));
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(pair.sign(signed.as_bytes()).as_ref()));
    assert!(read(&token, &mixed, &EXPECTED, now()).is_ok());
}
