//! Tokens of ours that clients look into: JSON Web Tokens, signed with HMAC-SHA256 (RFC 7515, 7519).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// `{"alg":"HS256","typ":"JWT"}`.
const HEAD: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";

/// When a token ends: what every one of ours says.
#[derive(Deserialize)]
struct Ends {
    exp: i64,
}

/// The token that makes these claims. They have an `exp`, in seconds since 1970.
pub fn sign(claims: &impl Serialize, key: &[u8; 32]) -> String {
    // A structure of texts and numbers serializes without fail.
    let body = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims).unwrap_or_default());
    let signed = format!("{HEAD}.{body}");
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// What a token claims, if it is one of ours, of this kind, and has not ended at `now`.
pub fn verify<T: DeserializeOwned>(token: &str, key: &[u8; 32], now: i64) -> Option<T> {
    let (signed, tag) = token.rsplit_once('.')?;
    let (head, body) = signed.split_once('.')?;
    let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes(), &tag).ok()?;
    let body = URL_SAFE_NO_PAD.decode(body).ok()?;
    let Ends { exp } = serde_json::from_slice(&body).ok()?;
    if head == HEAD && exp > now { serde_json::from_slice(&body).ok() } else { None }
}
