//! The token of an upload: whose files are sent, and for how long (wrangler reads `max_file_count_allowed` of it).

use hearth_api::jwt;
use hearth_assets::MAX_FILES;
use hearth_model::WorkerId;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How long a token lasts; wrangler asks for another one when it has ended.
const LASTS: SignedDuration = SignedDuration::from_mins(30);

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// The account; no other kind of token names one so.
    account: String,
    /// The project's worker.
    project: String,
    exp: i64,
    max_file_count_allowed: usize,
}

impl Claims {
    /// Of a project, from `now` on.
    pub(crate) fn new(account: &str, project: WorkerId, now: Timestamp) -> Self {
        Self {
            account: account.to_owned(),
            project: project.to_string(),
            exp: (now + LASTS).as_second(),
            max_file_count_allowed: MAX_FILES,
        }
    }

    pub(crate) fn sign(&self, key: &[u8; 32]) -> String {
        jwt::sign(self, key)
    }

    /// The account and the project of a token, if it is one of ours and has not ended.
    pub(crate) fn verify(token: &str, key: &[u8; 32], now: Timestamp) -> Option<(String, WorkerId)> {
        let claims: Self = jwt::verify(token, key, now.as_second())?;
        Some((claims.account, claims.project.parse().ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_its_project_s_and_ends() {
        let (key, now, project) = ([1; 32], Timestamp::now(), WorkerId::random());
        let token = Claims::new("a", project, now).sign(&key);
        assert_eq!(Claims::verify(&token, &key, now), Some(("a".to_owned(), project)));
        assert_eq!(Claims::verify(&token, &key, now + LASTS), None);
        assert_eq!(Claims::verify(&token, &[2; 32], now), None);
        assert_eq!(Claims::verify("a.b.c", &key, now), None);
        // One that the same key has signed for something else.
        let other = jwt::sign(&serde_json::json!({"sub": "x", "good": "upload", "exp": i64::MAX}), &key);
        assert_eq!(Claims::verify(&other, &key, now), None);
    }
}
