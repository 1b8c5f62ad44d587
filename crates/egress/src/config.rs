//! What an operator can set about the way out.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings of [`crate::Egress`]; fixed for the life of the process, unlike [`crate::Policy`].
///
/// Durations are written as `{ secs, nanos }` in serialized form (serde's shape of [`Duration`]).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// PEM file with certificate authorities trusted besides the public web's. Default: none.
    pub extra_ca_file: Option<PathBuf>,
    /// Longest wait for one address to accept a TCP connection, and for one TLS handshake. Default: 10 s.
    pub connect_timeout: Duration,
    /// Longest wait for a response's head once the request is on its way; then 524. Default: 120 s, Cloudflare's
    /// "proxy read timeout".
    pub response_timeout: Duration,
    /// How long an unused upstream connection is kept. Default: 60 s.
    pub idle_timeout: Duration,
    /// Requests, WebSockets and sockets one instance may have open at once; then 503. Default: 512.
    pub max_in_flight_per_instance: usize,
    /// Requests, WebSockets and sockets one instance may begin each second, and twice as many in a burst; then 429.
    /// Default: 5,000, which is more than a process can make use of.
    pub max_requests_per_second_per_instance: u32,
    /// Upstream connections of the whole installation, used and idle together; then 503. Default: 8,192.
    pub max_connections: usize,
    /// Name lookups running at once; more wait their turn. Each holds a blocking thread. Default: 32.
    pub max_lookups: usize,
    /// Longest chain of workers calling workers by their public hosts; then error 1019. Default: 16, Cloudflare's.
    pub max_hops: u32,
    /// Hearth's own listeners (gateway with its control host, S3, metrics), and the public addresses that lead to
    /// them where a NAT or a load balancer stands before. A worker never reaches them, whatever is allowed. Any
    /// address of this machine counts with one of these ports. Default: none.
    pub own: Vec<SocketAddr>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            extra_ca_file: None,
            connect_timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(120),
            idle_timeout: Duration::from_secs(60),
            max_in_flight_per_instance: 512,
            max_requests_per_second_per_instance: 5000,
            max_connections: 8192,
            max_lookups: 32,
            max_hops: 16,
            own: Vec::new(),
        }
    }
}
