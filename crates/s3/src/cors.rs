//! Which CORS headers a bucket's rules give to an answer (<https://developers.cloudflare.com/r2/buckets/cors/>), and
//! those rules between R2's JSON, in which the bucket keeps them, and S3's XML.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use s3s::dto::{CORSConfiguration, CORSRule};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Seconds that a preflight's answer is good for where the rule does not say.
const MAX_AGE: u32 = 5;
/// Most rules of a bucket, as in S3.
const MAX_RULES: usize = 100;

/// A rule as the bucket keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Rule {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    allowed: Allowed,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    expose_headers: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_age_seconds: Option<u32>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Allowed {
    origins: Vec<String>,
    methods: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    headers: Vec<String>,
}

impl Rule {
    fn matches(&self, origin: &str, method: &str) -> bool {
        self.allowed.origins.iter().any(|pattern| wildcard(pattern, origin))
            && self.allowed.methods.iter().any(|allowed| allowed.eq_ignore_ascii_case(method))
    }

    fn allows_headers(&self, asked: &str) -> bool {
        let mut names = asked.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.all(|name| {
            let name = name.to_ascii_lowercase();
            self.allowed.headers.iter().any(|pattern| wildcard(&pattern.to_ascii_lowercase(), &name))
        })
    }

    /// The origin to name: all where all are allowed, since then nothing depends on who asks.
    fn origin<'a>(&self, origin: &'a str) -> &'a str {
        if self.allowed.origins.iter().any(|pattern| pattern == "*") { "*" } else { origin }
    }
}

/// The rules of a bucket; those that cannot be read allow nothing.
pub(crate) fn rules(kept: Option<&[Value]>) -> Vec<Rule> {
    kept.unwrap_or_default().iter().filter_map(|rule| serde_json::from_value(rule.clone()).ok()).collect()
}

/// Headers for the answer to a request of a page.
pub(crate) fn actual(rules: &[Rule], method: &Method, request: &HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let Some(origin) = text(request, &header::ORIGIN) else { return headers };
    if let Some(rule) = rules.iter().find(|rule| rule.matches(origin, method.as_str())) {
        set(&mut headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, rule.origin(origin));
        if !rule.expose_headers.is_empty() {
            set(&mut headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, &rule.expose_headers.join(", "));
        }
    }
    headers.insert(header::VARY, HeaderValue::from_static("Origin"));
    headers
}

/// Headers for the answer to a preflight; None where no rule allows it.
pub(crate) fn preflight(rules: &[Rule], request: &HeaderMap) -> Option<HeaderMap> {
    let origin = text(request, &header::ORIGIN)?;
    let method = text(request, &header::ACCESS_CONTROL_REQUEST_METHOD)?;
    let asked = text(request, &header::ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default();
    let rule = rules.iter().find(|rule| rule.matches(origin, method) && rule.allows_headers(asked))?;
    let mut headers = HeaderMap::new();
    set(&mut headers, header::ACCESS_CONTROL_ALLOW_ORIGIN, rule.origin(origin));
    set(&mut headers, header::ACCESS_CONTROL_ALLOW_METHODS, &rule.allowed.methods.join(", "));
    if !asked.is_empty() {
        set(&mut headers, header::ACCESS_CONTROL_ALLOW_HEADERS, asked);
    }
    if !rule.expose_headers.is_empty() {
        set(&mut headers, header::ACCESS_CONTROL_EXPOSE_HEADERS, &rule.expose_headers.join(", "));
    }
    set(&mut headers, header::ACCESS_CONTROL_MAX_AGE, &rule.max_age_seconds.unwrap_or(MAX_AGE).to_string());
    set(&mut headers, header::VARY, "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
    Some(headers)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Whether a text is what a pattern with at most one `*` says.
fn wildcard(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((begin, end)) => {
            text.len() >= begin.len() + end.len() && text.starts_with(begin) && text.ends_with(end)
        }
    }
}

/// S3's rules as the bucket keeps them.
///
/// # Errors
/// What is wrong, in a sentence for the caller.
pub(crate) fn from_s3(configuration: CORSConfiguration) -> Result<Vec<Value>, String> {
    if configuration.cors_rules.is_empty() || configuration.cors_rules.len() > MAX_RULES {
        return Err(format!("A CORS configuration has 1 to {MAX_RULES} rules."));
    }
    configuration.cors_rules.into_iter().map(|rule| rule_from_s3(rule).map(|rule| json!(rule))).collect()
}

fn rule_from_s3(rule: CORSRule) -> Result<Rule, String> {
    for method in &rule.allowed_methods {
        if !["GET", "PUT", "POST", "DELETE", "HEAD"].contains(&method.as_str()) {
            return Err(format!(
                "Found unsupported HTTP method in CORS config. Unsupported method is {method}"
            ));
        }
    }
    let headers = rule.allowed_headers.unwrap_or_default();
    if let Some(many) = rule.allowed_origins.iter().chain(&headers).find(|text| text.matches('*').count() > 1)
    {
        return Err(format!("\"{many}\" can not have more than one wildcard."));
    }
    if rule.allowed_origins.is_empty() || rule.allowed_methods.is_empty() {
        return Err("A CORS rule needs an origin and a method.".to_owned());
    }
    Ok(Rule {
        id: rule.id,
        allowed: Allowed { origins: rule.allowed_origins, methods: rule.allowed_methods, headers },
        expose_headers: rule.expose_headers.unwrap_or_default(),
        max_age_seconds: rule.max_age_seconds.and_then(|seconds| u32::try_from(seconds).ok()),
    })
}

/// The bucket's rules as S3 writes them.
pub(crate) fn to_s3(rules: Vec<Rule>) -> Vec<CORSRule> {
    let some = |list: Vec<String>| (!list.is_empty()).then_some(list);
    rules
        .into_iter()
        .map(|rule| CORSRule {
            id: rule.id,
            allowed_origins: rule.allowed.origins,
            allowed_methods: rule.allowed.methods,
            allowed_headers: some(rule.allowed.headers),
            expose_headers: some(rule.expose_headers),
            max_age_seconds: rule.max_age_seconds.and_then(|seconds| i32::try_from(seconds).ok()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(origins: &[&str], headers: &[&str]) -> Rule {
        let own = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
        Rule {
            allowed: Allowed { origins: own(origins), methods: own(&["GET", "PUT"]), headers: own(headers) },
            expose_headers: own(&["ETag"]),
            ..Rule::default()
        }
    }

    fn asking(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_preflight_is_allowed_by_origin_method_and_headers() {
        let rules = [rule(&["https://*.corp.test"], &["x-amz-*", "Content-Type"])];
        let ask = |origin: &str, method: &str, headers: &str| {
            let request = asking(&[
                ("origin", origin),
                ("access-control-request-method", method),
                ("access-control-request-headers", headers),
            ]);
            preflight(&rules, &request)
        };
        let answer = ask("https://a.corp.test", "PUT", "X-Amz-Date, content-type").unwrap();
        assert_eq!(answer["access-control-allow-origin"], "https://a.corp.test");
        assert_eq!(answer["access-control-allow-methods"], "GET, PUT");
        assert!(ask("https://a.evil.test", "PUT", "").is_none());
        assert!(ask("https://a.corp.test", "DELETE", "").is_none());
        assert!(ask("https://a.corp.test", "PUT", "x-other").is_none());
    }

    #[test]
    fn an_answer_names_the_origin_that_may_read_it() {
        let rules = [rule(&["https://a.test"], &[]), rule(&["*"], &[])];
        let from = |origin| actual(&rules, &Method::GET, &asking(&[("origin", origin)]));
        assert_eq!(from("https://a.test")["access-control-allow-origin"], "https://a.test");
        assert_eq!(from("https://b.test")["access-control-allow-origin"], "*");
        assert_eq!(from("https://b.test")["access-control-expose-headers"], "ETag");
        assert!(actual(&rules, &Method::GET, &HeaderMap::new()).is_empty());
        let other = actual(&rules, &Method::DELETE, &asking(&[("origin", "https://a.test")]));
        assert!(!other.contains_key("access-control-allow-origin"));
    }

    #[test]
    fn wildcards_do_not_overlap() {
        assert!(wildcard("*", "") && wildcard("a*c", "abc") && wildcard("a*c", "ac"));
        assert!(!wildcard("aba*aba", "aba") && !wildcard("a", "b"));
    }
}
