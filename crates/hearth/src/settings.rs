//! The one typed configuration: a TOML file, overlaid by the command line, checked before anything starts.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use hearth_model::{Hostname, Quota, Quotas};
use ipnet::IpNet;
use serde::Deserialize;

use crate::serve::Args;

/// Everything an operator can set. Keys are written with hyphens.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// Where everything is kept. Default: `./data`.
    pub data_dir: PathBuf,
    /// Where the gateway and the control host listen. Default: `127.0.0.1:8787`.
    pub listen: SocketAddr,
    /// Where S3 clients reach R2, or `off`. Default: `127.0.0.1:8788`.
    pub s3_listen: S3Listen,
    /// Names of the S3 endpoint: `<bucket>.<name>` is a bucket of it. Default: `localhost`.
    pub s3_hosts: Vec<Hostname>,
    /// Domains below which workers are served; the first one makes the URLs that answers show. Default: `localhost`.
    pub base_domains: Vec<Hostname>,
    /// Further names of the control host.
    pub api_hosts: Vec<Hostname>,
    /// Hosts on which a worker is reached as `/<worker>/…`.
    pub path_hosts: Vec<Hostname>,
    /// Scheme and port of URLs that answers show, such as `https://apps.corp.test`. Default: from `listen`.
    pub public_url: Option<url::Url>,
    /// The workerd binary. Default: the embedded one, else the one that `make setup` installed.
    pub runtime: Option<PathBuf>,
    /// Loopback only, and local callers need no token.
    pub dev: bool,
    /// Refuse to start when the full isolation tier is not to be had.
    pub require_isolation: bool,
    /// Highest isolation tier to use: `full`, `reduced` or `none`. Default: the best there is.
    pub isolation: Option<String>,
    /// Name of this place in `CF-Ray` and `request.cf.colo`. Default: `HRT`.
    pub colo: String,
    /// MaxMind databases that fill `request.cf` and `CF-IPCountry`.
    pub mmdb: Vec<PathBuf>,
    /// Networks whose `X-Forwarded-*` and `CF-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Processes.
    pub processes: Processes,
    /// What workers may reach, beside the public internet.
    pub egress: Egress,
    /// What stands on the server's log.
    pub logs: Logs,
    /// How much of the disk KV, R2 and D1 may use.
    pub storage: Storage,
    /// What each account may have at most, unless it has quotas of its own (`hearth quotas`).
    pub quotas: AccountQuotas,
    /// What is kept of who changed what.
    pub audit: Audit,
    /// How much what workers cache may take.
    pub cache: Cache,
    /// Functions of `/api/functions`.
    pub nexo: Nexo,
    /// What runs functions in Node.js, Python and Go.
    pub functions: Functions,
}

/// Settings of functions with routes (`/api/functions`, `/fn/*`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Nexo {
    /// Requests that those of an account execute at a time; further ones wait up to 10 s, then get 503. Default: 100.
    pub max_concurrent: Option<usize>,
}

/// Settings of functions. The programs are looked for in `PATH` unless they are named.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Functions {
    /// The `node` binary, 18 or newer.
    pub node: Option<PathBuf>,
    /// The `python3` binary, 3.8 or newer.
    pub python: Option<PathBuf>,
    /// The `go` binary.
    pub go: Option<PathBuf>,
    /// The folder of the npm package `amaro`, which takes the types off TypeScript. Default: where `make setup` puts it.
    pub amaro: Option<PathBuf>,
    /// Where npm finds packages, a URL. Default: npm's own.
    pub npm_registry: Option<String>,
    /// Where pip finds packages, a URL. Default: pip's own.
    pub pip_index: Option<String>,
    /// Where Go finds modules, a URL. Default: Go's own.
    pub go_proxy: Option<String>,
    /// Further hosts that an installation of packages may reach, where a registry sends its clients to others.
    pub registry_hosts: Vec<String>,
    /// Parked processes kept ready for each of Node.js and Python, once a function in it was called. Default: 2.
    pub spares: Option<usize>,
    /// Most processes of one function, each of which takes one call at a time. Default: eight for each core.
    pub max_processes: Option<usize>,
    /// Seconds that a call may wait for one of its function's processes. Default: 10.
    pub queue_timeout_s: Option<u64>,
}

/// Settings of the cache. The least recently used goes when there is no room.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Cache {
    /// MiB of small responses in memory. Default: 64.
    pub memory_mb: u64,
    /// MiB of all responses on the disk, each counted as 16 KiB at least. 0: nothing is cached. Default: 1024.
    pub disk_mb: u64,
}

impl Default for Cache {
    fn default() -> Self {
        Self { memory_mb: 64, disk_mb: 1024 }
    }
}

/// Settings of what is kept for workers. What would go beyond them is refused; reading and deleting never is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Storage {
    /// MiB that one account may keep in KV, R2 and D1 together. Default: as much as there is.
    pub account_quota_mb: Option<u64>,
    /// MiB of the data folder's disk that stay free for metadata, so that a server whose disk is full can still be
    /// deployed to. Default: a fiftieth of the disk, at least 256 and at most a quarter of it.
    pub reserve_mb: Option<u64>,
}

/// What each account may have at most. What is absent is not limited; how much it may keep is `account-quota-mb` of
/// `[storage]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AccountQuotas {
    /// Workers, functions and Pages projects together.
    pub workers: Option<u64>,
    /// Processes that serve its workers. One that is idle leaves for another that is wanted.
    pub instances: Option<u64>,
    /// MiB of memory of these.
    pub memory_mb: Option<u64>,
    /// Requests that are let in to its workers in a minute.
    pub requests_per_minute: Option<u64>,
}

/// Settings of the audit log. The oldest entries go, and where there is too much of it those of the account that has most.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Audit {
    /// Days that entries are kept. Default: 365.
    pub retention_days: u32,
    /// MiB of all accounts' entries together. Default: 256.
    pub max_mb: u64,
}

impl Default for Audit {
    fn default() -> Self {
        Self { retention_days: 365, max_mb: 256 }
    }
}

/// Settings of the log.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Logs {
    /// Whose invocations are reported by their processes, so that what they print and throw is on the log with the
    /// request's id: `observed` (workers with `observability.enabled`, with tail workers, or that somebody watches; the
    /// console of others is on the log without the id), `all`, or `none` (no worker's console is on the log).
    /// SPECIFICATION.md says what it costs. Default: `observed`.
    pub workers: hearth_supervisor::Tails,
    /// Days that the logs of workers with `observability.enabled` are kept. Default: 7.
    pub retention_days: Option<u32>,
    /// MiB that one account's kept logs may take; the oldest go. Default: 1024.
    pub account_mb: Option<u64>,
}

/// Settings of processes; absent ones follow from the machine.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Processes {
    /// Parked processes kept ready. Default: 4.
    pub spares: Option<usize>,
    /// MiB that all instances together may use before idle ones leave. Default: half of the machine.
    pub memory_budget_mb: Option<u64>,
    /// Most processes alive at a time. Default: 4096.
    pub max: Option<usize>,
    /// Most processes of one worker version. Default: the number of cores. 1: none gets a second one, however busy.
    pub max_per_worker: Option<usize>,
    /// Cores that must have nothing to do before a busy worker gets another process: what is to be left to others.
    /// Default: 0.5.
    pub spare_cores: Option<f64>,
    /// Seconds that a worker with Durable Objects must have had a process more than it needs before that one leaves.
    /// Default: 30.
    pub cool_down_s: Option<u64>,
    /// Seconds that an unused instance stays while memory lasts. A step of a workflow is a use; one that takes long needs
    /// 15 here. Default: 3600.
    pub idle_timeout_s: Option<u64>,
    /// Milliseconds that requests in a worker with Durable Objects have to finish when another version takes over: those
    /// who come meanwhile wait. Default: 1000.
    pub swap_window_ms: Option<u64>,
}

/// Settings of the way out; networks and hosts are opened by `hearth egress allow` too.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Egress {
    /// PEM file with certificate authorities trusted besides the public web's.
    pub extra_ca_file: Option<PathBuf>,
    /// Networks that workers may reach though they are not public.
    pub allow: Vec<hearth_egress::Allow>,
    /// Internal host names, and where they lead.
    pub hosts: std::collections::BTreeMap<String, hearth_egress::Target>,
}

/// An address to listen on, or `off`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct S3Listen(pub Option<SocketAddr>);

impl FromStr for S3Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        text.parse()
            .map(|address| Self(Some(address)))
            .map_err(|_| format!("`{text}` is neither an address nor `off`"))
    }
}

impl TryFrom<String> for S3Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            data_dir: "data".into(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8787)),
            s3_listen: S3Listen(Some(SocketAddr::from(([127, 0, 0, 1], 8788)))),
            s3_hosts: Vec::new(),
            base_domains: Vec::new(),
            api_hosts: Vec::new(),
            path_hosts: Vec::new(),
            public_url: None,
            runtime: None,
            dev: false,
            require_isolation: false,
            isolation: None,
            colo: "HRT".to_owned(),
            mmdb: Vec::new(),
            trusted_proxies: Vec::new(),
            processes: Processes::default(),
            egress: Egress::default(),
            logs: Logs::default(),
            storage: Storage::default(),
            quotas: AccountQuotas::default(),
            audit: Audit::default(),
            cache: Cache::default(),
            nexo: Nexo::default(),
            functions: Functions::default(),
        }
    }
}

impl Settings {
    /// Reads the file, if one is named, and lays the command line over it.
    ///
    /// # Errors
    /// What is wrong, with the name of the setting.
    pub fn load(args: &Args) -> Result<Self> {
        let mut settings = match &args.config {
            Some(path) => Self::read(path)?,
            None => Self::default(),
        };
        settings.overlay(args);
        settings.check()?;
        Ok(settings)
    }

    fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("the configuration {} cannot be read", path.display()))?;
        toml::from_str(&text).with_context(|| format!("the configuration {} is not valid", path.display()))
    }

    fn overlay(&mut self, args: &Args) {
        fn set<T: Clone>(to: &mut T, from: Option<&T>) {
            if let Some(value) = from {
                *to = value.clone();
            }
        }
        set(&mut self.data_dir, args.data_dir.as_ref());
        set(&mut self.listen, args.listen.as_ref());
        set(&mut self.s3_listen, args.s3_listen.as_ref());
        for (to, from) in [
            (&mut self.base_domains, &args.base_domain),
            (&mut self.api_hosts, &args.api_host),
            (&mut self.path_hosts, &args.path_host),
            (&mut self.s3_hosts, &args.s3_host),
        ] {
            if !from.is_empty() {
                to.clone_from(from);
            }
        }
        self.public_url = args.public_url.clone().or(self.public_url.take());
        self.nexo.max_concurrent = args.nexo_max_concurrent.or(self.nexo.max_concurrent);
        self.runtime = args.runtime.clone().or(self.runtime.take());
        self.isolation = args.isolation.clone().or(self.isolation.take());
        self.dev |= args.dev;
        self.require_isolation |= args.require_isolation;
        for names in [&mut self.base_domains, &mut self.s3_hosts] {
            if names.is_empty() {
                names.push("localhost".parse().expect("`localhost` is a host name"));
            }
        }
    }

    /// What each account may have at most, unless it has quotas of its own.
    pub fn quotas(&self) -> Quotas {
        let mut quotas = Quotas::default();
        for (quota, limit) in [
            (Quota::Workers, self.quotas.workers),
            (Quota::Instances, self.quotas.instances),
            (Quota::MemoryMb, self.quotas.memory_mb),
            (Quota::StorageMb, self.storage.account_quota_mb),
            (Quota::RequestsPerMinute, self.quotas.requests_per_minute),
        ] {
            quotas.set(quota, limit);
        }
        quotas
    }

    fn check(&self) -> Result<()> {
        let addresses = [Some(self.listen), self.s3_listen.0];
        if let Some(address) =
            addresses.into_iter().flatten().find(|address| self.dev && !address.ip().is_loopback())
        {
            bail!(
                "--dev lets local callers in without a token, so it listens on loopback only, not on {address}. \
                 Leave out --dev, or listen on 127.0.0.1."
            );
        }
        if let Some(url) = &self.public_url
            && !matches!(url.scheme(), "http" | "https")
        {
            bail!("public-url must begin with http:// or https://, it is {url}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn load(line: &[&str]) -> Result<Settings> {
        let args = ["serve"].iter().chain(line);
        Settings::load(&Line::try_parse_from(args)?.args)
    }

    #[test]
    fn development_stays_on_loopback() {
        assert!(load(&["--dev"]).is_ok());
        assert!(load(&["--dev", "--listen", "[::1]:80"]).is_ok());
        for address in [["--listen", "0.0.0.0:80"], ["--s3-listen", "0.0.0.0:81"]] {
            let error = load(&["--dev", address[0], address[1]]).unwrap_err();
            assert!(error.to_string().contains("loopback"), "{error}");
        }
    }

    #[test]
    fn s3_listens_unless_it_is_off() {
        assert_eq!(load(&[]).unwrap().s3_listen.0.unwrap().port(), 8788);
        assert_eq!(load(&["--s3-listen", "off"]).unwrap().s3_listen, S3Listen(None));
        assert!(load(&["--s3-listen", "on"]).is_err());
    }

    #[test]
    fn the_command_line_wins_over_the_file() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let text =
            "listen = '127.0.0.1:1'\nbase-domains = ['a.test']\n[egress]\nallow = [{ net = '10.0.0.0/8' }]\n";
        std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
        let path = file.path().to_str().unwrap();
        let settings = load(&["--config", path, "--listen", "127.0.0.1:2"]).unwrap();
        assert_eq!(settings.listen.port(), 2);
        assert_eq!(settings.base_domains[0].as_str(), "a.test");
        assert_eq!(settings.egress.allow.len(), 1);
    }

    #[test]
    fn an_unknown_key_is_named() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, b"listne = '127.0.0.1:1'\n").unwrap();
        let error = load(&["--config", file.path().to_str().unwrap()]).unwrap_err();
        assert!(format!("{error:#}").contains("listne"), "{error:#}");
    }
}
