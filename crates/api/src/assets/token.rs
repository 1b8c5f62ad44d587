//! The tokens of uploads; wrangler reads their `exp`.

use serde::{Deserialize, Serialize};

use crate::jwt;

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Good {
    /// To upload contents.
    Upload,
    /// To make a version with them.
    Deploy,
}

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Claims {
    /// The session.
    pub sub: String,
    /// What it is good for.
    pub good: Good,
    /// When it ends: seconds since 1970.
    pub exp: i64,
    /// wrangler then uploads each content by itself and as it is.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wrangler_single_asset_uploads: bool,
    /// How many of these at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge_kv_upload_concurrency: Option<u32>,
}

impl Claims {
    /// The token.
    pub(super) fn sign(&self, key: &[u8; 32]) -> String {
        jwt::sign(self, key)
    }

    /// What a token says, if it is one of ours and has not ended at `now`.
    pub(super) fn verify(token: &str, key: &[u8; 32], now: i64) -> Option<Self> {
        jwt::verify(token, key, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    #[test]
    fn only_our_own_tokens_count_and_only_in_time() {
        let claims = Claims {
            sub: "session".to_owned(),
            good: Good::Upload,
            exp: 100,
            wrangler_single_asset_uploads: true,
            edge_kv_upload_concurrency: Some(6),
        };
        let (key, other) = ([1; 32], [2; 32]);
        let token = claims.sign(&key);
        assert_eq!(Claims::verify(&token, &key, 99), Some(claims.clone()));
        assert_eq!(Claims::verify(&token, &key, 100), None, "it has ended");
        assert_eq!(Claims::verify(&token, &other, 99), None, "of another key");
        let longer = Claims { exp: 10_000, ..claims }.sign(&other);
        let (_, body, _) = {
            let mut p = longer.split('.');
            (p.next(), p.next().unwrap(), p.next())
        };
        let (head, rest) = token.split_once('.').unwrap();
        let tag = rest.split_once('.').unwrap().1;
        assert_eq!(Claims::verify(&format!("{head}.{body}.{tag}"), &key, 99), None, "changed");
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        for bad in ["", "a.b", "a.b.c", &format!("{none}.{body}.")] {
            assert_eq!(Claims::verify(bad, &key, 0), None, "{bad}");
        }
    }
}
