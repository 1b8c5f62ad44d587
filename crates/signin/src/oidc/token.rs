//! What an ID token says, once it is known to be the provider's, for us, and of now (OpenID Connect Core 1.0, 3.1.3.7). Pure.

use jsonwebtoken::jwk::{JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

/// Seconds by which clocks may be apart.
const LEEWAY: u64 = 60;
/// Bytes of a subject at most (Core, 2).
const LONGEST_SUBJECT: usize = 255;

/// Signatures that only the provider can make: none by a shared secret, and no `none`.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// What an ID token is held against.
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: &'a str,
}

/// What it says.
#[derive(Debug, Deserialize)]
pub struct Claims {
    pub sub: String,
    aud: Value,
    azp: Option<String>,
    nonce: Option<String>,
    iat: u64,
    #[serde(flatten)]
    pub others: Map<String, Value>,
}

/// Why an ID token is none of use.
#[derive(Debug, PartialEq, Eq)]
pub enum Bad {
    /// The provider has no such key; it may have new ones.
    UnknownKey,
    /// What is wrong, for the operator.
    Wrong(String),
}

fn wrong(why: impl ToString) -> Bad {
    Bad::Wrong(why.to_string())
}

/// Reads an ID token.
///
/// # Errors
/// [`Bad`].
pub fn read(token: &str, keys: &JwkSet, expected: &Expected<'_>, now: u64) -> Result<Claims, Bad> {
    let header = decode_header(token).map_err(wrong)?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(wrong(format!("{:?} is a signature that others could make", header.alg)));
    }
    let is_for_signatures =
        |key: &&jsonwebtoken::jwk::Jwk| !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
    let fits = |key: &&jsonwebtoken::jwk::Jwk| {
        DecodingKey::from_jwk(key).is_ok_and(|key| key.family() == header.alg.family())
    };
    let mut candidates = keys.keys.iter().filter(is_for_signatures).filter(fits);
    let key = match &header.kid {
        Some(kid) => candidates.find(|key| key.common.key_id.as_deref() == Some(kid)),
        // Without a name it is clear only where there is one (Core, 10.1).
        None => candidates.next().filter(|_| candidates.next().is_none()),
    };
    let key = DecodingKey::from_jwk(key.ok_or(Bad::UnknownKey)?).map_err(wrong)?;
    let mut validation = Validation::new(header.alg);
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    validation.set_issuer(&[expected.issuer]);
    validation.set_audience(&[expected.client_id]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let claims = decode::<Claims>(token, &key, &validation).map_err(wrong)?.claims;
    let several = claims.aud.as_array().is_some_and(|all| all.len() > 1);
    let party = claims.azp.as_deref();
    if party.is_some_and(|party| party != expected.client_id) || (several && party.is_none()) {
        return Err(wrong("it was made for another client"));
    }
    let nonce = claims.nonce.as_deref().unwrap_or_default();
    if !bool::from(nonce.as_bytes().ct_eq(expected.nonce.as_bytes())) {
        return Err(wrong("its nonce is not the one that was sent"));
    }
    if claims.iat > now + LEEWAY {
        return Err(wrong("it comes from the future"));
    }
    if claims.sub.is_empty() || claims.sub.len() > LONGEST_SUBJECT {
        return Err(wrong("its subject is none"));
    }
    Ok(claims)
}

#[cfg(test)]
#[path = "token_tests.rs"]
pub(super) mod tests;
