//! Settings of the API.

use hearth_model::{Hostname, MAX_SCRIPT_BYTES, RoutePattern, WorkerName};

use crate::error::{ApiError, code};

/// How hosts of this installation are turned into URLs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    /// `http` or `https`.
    pub scheme: String,
    /// The port that clients use; None when it is the scheme's own.
    pub port: Option<u16>,
}

/// Settings of the API.
#[derive(Debug, Clone)]
pub struct ApiConfig {
    /// Domains below which workers have hosts; the first one stands in answers.
    pub base_domains: Vec<String>,
    /// How such hosts are reached.
    pub public_url: PublicUrl,
    /// Whether a call needs a token. False only under `--dev`, which serves loopback alone: a caller without a valid
    /// token then acts for the whole installation, unless a web page of another origin makes the call.
    pub require_token: bool,
    /// Largest code of one version, in bytes, source maps not counted. Default: 64 MiB.
    pub max_upload_bytes: u64,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            base_domains: vec!["localhost".to_owned()],
            public_url: PublicUrl { scheme: "http".to_owned(), port: Some(8787) },
            require_token: true,
            max_upload_bytes: MAX_SCRIPT_BYTES as u64,
        }
    }
}

impl ApiConfig {
    /// Largest body of an upload, in bytes: source maps come on top of the code and are often larger.
    pub fn max_body_bytes(&self) -> usize {
        usize::try_from(self.max_upload_bytes.saturating_mul(3)).unwrap_or(usize::MAX).max(1 << 20)
    }

    /// `demo.localhost:8787`, or `demo.team.localhost:8787` for an account with a host label. None without a base
    /// domain.
    fn authority(&self, worker: &WorkerName, label: Option<&str>) -> Option<String> {
        let base = self.base_domains.first()?;
        let account = label.map(|label| format!(".{label}")).unwrap_or_default();
        let port = self.public_url.port.map(|port| format!(":{port}")).unwrap_or_default();
        Some(format!("{}{account}.{base}{port}", worker.folded()))
    }

    /// Refuses a host below a base domain for a zone or a custom domain: workers have their own hosts there, and
    /// another account's worker may be, or become, the one that is meant.
    ///
    /// # Errors
    /// 400.
    pub fn check_host(&self, host: &Hostname) -> Result<(), ApiError> {
        self.refuse_ours(host.as_str(), host.suffixes().skip(1))
    }

    /// Refuses a route on such hosts.
    ///
    /// # Errors
    /// 400.
    pub fn check_pattern(&self, pattern: &RoutePattern) -> Result<(), ApiError> {
        let Ok(host) = pattern.host_suffix().parse::<Hostname>() else { return Ok(()) };
        let apex = if pattern.exact_host().is_some() { 1 } else { 0 };
        self.refuse_ours(pattern.as_str(), host.suffixes().skip(apex))
    }

    fn refuse_ours<'a>(
        &self,
        asked: &str,
        mut enclosing: impl Iterator<Item = &'a str>,
    ) -> Result<(), ApiError> {
        let Some(base) = enclosing.find(|name| self.base_domains.iter().any(|base| base == name)) else {
            return Ok(());
        };
        Err(ApiError::bad_request(
            code::BAD_ROUTE,
            format!(
                "`{asked}` is below `{base}`, where this Hearth serves each Worker under its own name. Use a host of \
                 another domain, or set `workers_dev` and give the Worker that name."
            ),
        ))
    }

    /// Where a worker is served without routes.
    pub fn worker_url(&self, worker: &WorkerName, label: Option<&str>) -> Option<String> {
        Some(format!("{}://{}", self.public_url.scheme, self.authority(worker, label)?))
    }

    /// What wrangler puts behind a version's first eight digits to make its preview host.
    pub fn preview_suffix(&self, worker: &WorkerName, label: Option<&str>) -> Option<String> {
        Some(format!("-{}", self.authority(worker, label)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_below_a_base_domain_is_ours() {
        let config = ApiConfig { base_domains: vec!["apps.example".into()], ..ApiConfig::default() };
        for (host, refused) in [
            ("x.apps.example", true),
            ("v.x.apps.example", true),
            ("apps.example", false),
            ("myapps.example", false),
            ("example", false),
        ] {
            assert_eq!(config.check_host(&host.parse().unwrap()).is_err(), refused, "{host}");
        }
        for (pattern, refused) in [
            ("x.apps.example/*", true),
            ("*.apps.example/*", true),
            ("*apps.example/*", true),
            ("*.x.apps.example/*", true),
            ("apps.example/*", false),
            ("*.example/*", false),
            ("*/*", false),
        ] {
            assert_eq!(config.check_pattern(&pattern.parse().unwrap()).is_err(), refused, "{pattern}");
        }
    }

    #[test]
    fn urls_name_this_installation() {
        let config = ApiConfig::default();
        let name: WorkerName = "Demo".parse().unwrap();
        assert_eq!(config.worker_url(&name, None).unwrap(), "http://demo.localhost:8787");
        assert_eq!(config.preview_suffix(&name, Some("team")).unwrap(), "-demo.team.localhost:8787");
        let https = PublicUrl { scheme: "https".into(), port: None };
        let public = ApiConfig { public_url: https, base_domains: vec!["apps.example".into()], ..config };
        assert_eq!(public.worker_url(&name, None).unwrap(), "https://demo.apps.example");
    }
}
