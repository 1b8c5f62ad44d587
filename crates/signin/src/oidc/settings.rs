//! What an operator says of a provider. Pure.

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::mapping::Rule;
use crate::error::Refusal;

/// Providers at most.
pub const MOST: usize = 20;
/// Bytes of a text at most.
const LONGEST: usize = 500;
/// Rules of one provider at most.
const MOST_RULES: usize = 500;

/// A provider's settings, as they are stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// What people read on the button.
    pub name: String,
    /// Its issuer identifier, exactly as it says itself.
    pub issuer: String,
    /// What it calls us.
    pub client_id: String,
    /// What is asked for beside `openid`.
    #[serde(default = "usual_scopes")]
    pub scopes: Vec<String>,
    /// The claim that has a person's groups.
    #[serde(default = "usual_claim")]
    pub group_claim: String,
    /// Whether its word on addresses is taken though it does not say `email_verified`.
    #[serde(default)]
    pub trusts_email: bool,
    /// Who is let in, as what.
    #[serde(default)]
    pub mapping: Vec<Rule>,
}

fn usual_scopes() -> Vec<String> {
    ["profile", "email"].map(str::to_owned).to_vec()
}

fn usual_claim() -> String {
    "groups".to_owned()
}

impl Settings {
    /// Whether they make sense.
    ///
    /// # Errors
    /// 400 that says what does not.
    pub fn check(&self) -> Result<(), Refusal> {
        let texts = [&self.name, &self.issuer, &self.client_id, &self.group_claim];
        let all = texts.into_iter().chain(&self.scopes).chain(self.mapping.iter().map(|rule| &rule.group));
        for text in all {
            if text.is_empty() || text.len() > LONGEST || text.chars().any(char::is_control) {
                let why = format!("A provider's texts have 1 to {LONGEST} bytes and no control characters.");
                return Err(Refusal::invalid(why));
            }
        }
        check_url(&self.issuer).map_err(|why| Refusal::invalid(format!("issuer: {why}")))?;
        if self.mapping.len() > MOST_RULES || self.scopes.len() > MOST {
            return Err(Refusal::invalid(format!(
                "A provider has at most {MOST_RULES} rules and {MOST} scopes."
            )));
        }
        self.mapping.iter().try_for_each(Rule::check)
    }
}

/// Whether an id may stand in paths.
pub fn is_id(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=40).contains(&text.len()) && text.bytes().all(legal)
}

/// A URL to which secrets may go: by TLS, unless it does not leave this machine.
///
/// # Errors
/// What is wrong with it.
pub fn check_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).map_err(|_| "it is not a URL")?;
    let stays_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => return Err("it names no host"),
    };
    match url.scheme() {
        "https" => Ok(url),
        "http" if stays_here => Ok(url),
        _ => Err("it has to be https: secrets go there"),
    }
}

/// The path, query and fragment of this host to which somebody returns after signing in; None for whatever could lead
/// elsewhere.
pub fn own_path(text: &str) -> Option<&str> {
    let base = Url::parse("http://own.invalid/").ok()?;
    let there = base.join(text).ok()?;
    let plain = text.starts_with('/') && !text.contains('\\') && !text.chars().any(char::is_control);
    (plain
        && there.host_str() == base.host_str()
        && there.scheme() == "http"
        && there.port().is_none()
        && !text.starts_with("//"))
    .then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_returns_to_this_host_alone() {
        for own in ["/", "/workers/a?b=c#d", "/a//b", "/@evil.test", "/%2f%2fevil.test"] {
            assert_eq!(own_path(own), Some(own), "{own}");
        }
        for other in [
            "",
            "//evil.test",
            "///evil.test",
            "/\\evil.test",
            "\\\\evil.test",
            "https://evil.test/",
            "https:evil.test",
            "javascript:alert(1)",
            "evil.test",
            "/\t/evil.test",
            "\n//evil.test",
            "/a\r\nset-cookie: a=b",
            " //evil.test",
        ] {
            assert_eq!(own_path(other), None, "{other:?}");
        }
    }

    #[test]
    fn secrets_leave_this_machine_by_tls_only() {
        for good in [
            "https://id.corp.test",
            "https://10.0.0.1/realms/a",
            "http://localhost:8080",
            "http://127.0.0.1/",
            "http://[::1]:1",
        ] {
            assert!(check_url(good).is_ok(), "{good}");
        }
        for bad in [
            "http://id.corp.test",
            "http://10.0.0.1",
            "ftp://localhost",
            "localhost",
            "",
            "http://localhost.evil.test",
        ] {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_id_is_for_a_path() {
        assert!(is_id("corp-1"));
        for bad in ["", "Corp", "a/b", "..", "a b", &"a".repeat(41)] {
            assert!(!is_id(bad), "{bad}");
        }
    }
}
