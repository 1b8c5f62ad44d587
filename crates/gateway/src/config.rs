//! What an operator can set about the gateway.

use std::path::PathBuf;
use std::time::Duration;

use hearth_model::Hostname;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Settings of [`crate::Gateway`]; fixed for the life of the process.
///
/// Durations are written as `{ secs, nanos }` in serialized form (serde's shape of [`Duration`]).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The name of this place in `CF-Ray` and `request.cf.colo`: three capital letters on Cloudflare. Default: `HRT`.
    pub colo: String,
    /// MaxMind databases (cities, countries, ASNs) that fill `request.cf` and `CF-IPCountry`; the first that knows a
    /// field gives it. Default: none.
    pub mmdb: Vec<PathBuf>,
    /// Networks whose `X-Forwarded-For`, `X-Forwarded-Proto` and `CF-*` headers are believed. Default: none.
    pub trusted_proxies: Vec<IpNet>,
    /// Further names of the control host, besides `localhost` and the listen address. Default: none.
    pub api_hosts: Vec<Hostname>,
    /// Development: the control host answers local callers only (`Host` and `Origin` are checked), since it lets them
    /// in without a token. Default: false.
    pub dev: bool,
    /// Whether responses are compressed for clients that accept it, as Cloudflare does. Default: true.
    pub compression: bool,
    /// Threads that connections are spread over. Default: half the number of cores, since workers need the others; with
    /// as many threads as cores each wakes for fewer requests at a time, and throughput fell by half.
    pub threads: usize,
    /// Client connections open at once; further ones wait in the kernel's backlog. Each request may need a second
    /// descriptor towards its worker. Default: 16,384.
    pub max_connections: usize,
    /// Requests and WebSockets of one account in flight at once; then 503. Default: 8,192.
    pub max_in_flight_per_account: usize,
    /// Largest request head in bytes; then 431. It is the size of the read buffer too, which is why it is not larger.
    /// Default: 128 KiB, Cloudflare's.
    pub max_header_bytes: usize,
    /// How long a client may take to send a request's head, and how long a connection may idle. Default: 60 s.
    pub header_read_timeout: Duration,
    /// Requests of one HTTP/2 connection at once. Default: 128.
    pub max_concurrent_streams: u32,
    /// How long a shutdown waits for responses, and a closing WebSocket for its peer. Default: 30 s.
    pub shutdown_grace: Duration,
    /// Longest chain of workers calling workers by their public hosts; then error 1019. Default: 16, Cloudflare's.
    pub max_hops: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            colo: "HRT".to_owned(),
            mmdb: Vec::new(),
            trusted_proxies: Vec::new(),
            api_hosts: Vec::new(),
            dev: false,
            compression: true,
            threads: std::thread::available_parallelism().map_or(1, |cores| usize::from(cores).div_ceil(2)),
            max_connections: 16_384,
            max_in_flight_per_account: 8_192,
            max_header_bytes: 128 << 10,
            header_read_timeout: Duration::from_secs(60),
            max_concurrent_streams: 128,
            shutdown_grace: Duration::from_secs(30),
            max_hops: 16,
        }
    }
}

/// What can be wrong with a [`Config`].
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A MaxMind database cannot be used.
    #[error("gateway: cannot use mmdb {path}: {source}")]
    Mmdb {
        /// The configured path.
        path: PathBuf,
        /// Why.
        source: maxminddb::MaxMindDbError,
    },
    /// The colo's name does not fit into a header.
    #[error("gateway: colo {0:?} must be 1 to 8 ASCII letters or digits")]
    Colo(String),
}
