//! What the module of the binding (`runtime/bindings/ratelimit.js`) sends: `POST /limit` with JSON, one call each.

use std::time::{Duration, Instant};

use axum::body::{Body, to_bytes};
use hearth_model::RateLimit;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use serde_json::json;

use crate::Limits;

/// Longest call, in bytes: a key has no length of its own on Cloudflare.
const MOST_BODY: usize = 1 << 20;

/// A call. What it leaves out is the binding's.
#[derive(Deserialize)]
struct Call {
    key: String,
    #[serde(default)]
    limit: Option<f64>,
    #[serde(default)]
    period: Option<u32>,
    #[serde(default)]
    delta: Option<u64>,
}

impl Limits {
    /// Answers a call on a binding of an account's worker.
    pub async fn serve(
        &self,
        account: &str,
        namespace: &str,
        simple: RateLimit,
        request: Request<Body>,
    ) -> Response<Body> {
        if request.method() != Method::POST {
            return refusal("A rate limit is asked with POST.");
        }
        let Ok(body) = to_bytes(request.into_body(), MOST_BODY).await else {
            return refusal("The key is too long.");
        };
        let Ok(call) = serde_json::from_slice::<Call>(&body) else {
            return refusal("This is no call of a rate limit.");
        };
        let period = call.period.unwrap_or(simple.period);
        if !matches!(period, 10 | 60) {
            return refusal("The period must be 10 or 60 seconds.");
        }
        // A fraction is reached by the next whole call; less than one lets nobody pass.
        let limit = call.limit.map_or(u64::from(simple.limit), |limit| limit.ceil() as u64);
        let period = Duration::from_secs(period.into());
        let success =
            self.admit(account, namespace, &call.key, limit, period, call.delta.unwrap_or(1), Instant::now());
        let mut response = Response::new(Body::from(json!({ "success": success }).to_string()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

/// The text becomes a JavaScript error's.
fn refusal(text: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIMPLE: RateLimit = RateLimit { limit: 2, period: 60 };

    async fn call(limits: &Limits, account: &str, namespace: &str, body: &str) -> (u16, String) {
        let request = Request::post("http://ratelimit/limit").body(Body::from(body.to_owned())).unwrap();
        let response = limits.serve(account, namespace, SIMPLE, request).await;
        let status = response.status().as_u16();
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn passes(limits: &Limits, account: &str, namespace: &str, body: &str) -> bool {
        let (status, text) = call(limits, account, namespace, body).await;
        assert_eq!(status, 200, "{body}: {text}");
        text == r#"{"success":true}"#
    }

    #[tokio::test]
    async fn accounts_namespaces_periods_and_keys_count_apart() {
        let limits = Limits::default();
        for expected in [true, true, false] {
            assert_eq!(passes(&limits, "a", "1", r#"{"key":"k"}"#).await, expected);
        }
        for (account, namespace, body) in [
            ("b", "1", r#"{"key":"k"}"#),
            ("a", "2", r#"{"key":"k"}"#),
            ("a", "1", r#"{"key":"l"}"#),
            ("a", "1", r#"{"key":"k","period":10}"#),
            ("a", "1", r#"{"key":"k","limit":3,"delta":5}"#),
        ] {
            assert!(passes(&limits, account, namespace, body).await, "{account} {namespace} {body}");
        }
        assert!(!passes(&limits, "a", "1", r#"{"key":"k","limit":3}"#).await);
        assert!(!passes(&limits, "a", "1", r#"{"key":"new","limit":-1}"#).await);
    }

    #[tokio::test]
    async fn what_is_no_call_is_refused() {
        let limits = Limits::default();
        for body in ["", "{}", r#"{"key":1}"#, r#"{"key":"k","period":30}"#, r#"{"key":"k","delta":-1}"#] {
            assert_eq!(call(&limits, "a", "1", body).await.0, 400, "{body}");
        }
    }
}
