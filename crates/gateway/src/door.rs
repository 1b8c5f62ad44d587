//! Who may come in: a worker's access rule, for all of its hosts, routes, previews and paths.

use std::time::{SystemTime, UNIX_EPOCH};

use hearth_model::{Access, AccessToken, AccountId, TokenHash};
use http::{HeaderMap, HeaderName, header};
use sha2::{Digest, Sha256};

use crate::failure::Failure;
use crate::table::Served;

/// Where a token may stand besides `Authorization: Bearer`, which the worker may want for itself.
const ACCESS_TOKEN: HeaderName = HeaderName::from_static("x-hearth-access-token");

/// Lets a request in, or says why not. `account` is that of the worker that makes it; None: it comes from outside. A
/// token that opened the door does not go on to the worker.
pub(crate) fn admit(
    served: &Served,
    headers: &mut HeaderMap,
    account: Option<&AccountId>,
) -> Result<(), Failure> {
    let worker = &served.worker;
    match worker.access.rule {
        Access::Open => Ok(()),
        Access::Internal if account == Some(&worker.account) => Ok(()),
        Access::Internal => Err(Failure::Internals(worker.name.to_string())),
        Access::Token => take_token(headers, &worker.access.tokens, now_us())
            .then_some(())
            .ok_or_else(|| Failure::NoToken(worker.name.to_string())),
    }
}

/// Microseconds since 1970.
fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

fn take_token(headers: &mut HeaderMap, known: &[AccessToken], now_us: i64) -> bool {
    let is_known = |token: &str| {
        // Digests are compared, which nobody can steer towards a known one.
        let hash = TokenHash(Sha256::digest(token.trim()).into());
        let opens = |token: &AccessToken| token.expires_us.is_none_or(|expiry| now_us < expiry);
        known.iter().any(|token| token.hash == hash && opens(token))
    };
    let text = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if text(&ACCESS_TOKEN).is_some_and(is_known) {
        return true;
    }
    let bearer = text(&header::AUTHORIZATION).and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token)
    });
    let opens = bearer.is_some_and(is_known);
    if opens {
        headers.remove(header::AUTHORIZATION);
    }
    opens
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())])
    }

    #[test]
    fn a_token_opens_in_either_header_and_stays_outside() {
        let known = [AccessToken { hash: TokenHash(Sha256::digest("abc").into()), expires_us: Some(100) }];
        for (name, value) in [
            ("authorization", "Bearer abc"),
            ("authorization", "bearer  abc "),
            ("x-hearth-access-token", "abc"),
        ] {
            let mut headers = headers(name, value);
            assert!(!take_token(&mut headers, &known, 100), "it has expired");
            assert!(take_token(&mut headers, &known, 99), "{name}: {value}");
            assert!(!headers.contains_key(header::AUTHORIZATION));
            assert!(!take_token(&mut headers, &[], 0), "no token is known");
        }
        for (name, value) in
            [("authorization", "Basic abc"), ("authorization", "abc"), ("x-hearth-access-token", "ab")]
        {
            let mut headers = headers(name, value);
            assert!(!take_token(&mut headers, &known, 0), "{name}: {value}");
            assert_eq!(headers.len(), 1, "what opens nothing is the worker's");
        }
    }
}
