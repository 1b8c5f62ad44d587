//! How the endpoint is set up.

use std::time::Duration;

use hearth_model::{AccountId, Hostname};

/// How the endpoint is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// Its names. Below each, `<bucket>.<name>` and `<bucket>.<account id>.<name>` are virtual-host style.
    pub hosts: Vec<Hostname>,
    /// Whose buckets a key means that is for all accounts, where the host names none.
    pub default_account: AccountId,
    /// Most connections at a time; more wait in the kernel's backlog.
    pub max_connections: usize,
    /// How long a client may take for a request's head.
    pub header_read_timeout: Duration,
    /// How long a body may stand still.
    pub body_timeout: Duration,
    /// How long requests in flight may take when the server stops.
    pub shutdown_grace: Duration,
}

impl Config {
    /// The defaults.
    pub fn new(hosts: Vec<Hostname>, default_account: AccountId) -> Self {
        Self {
            hosts,
            default_account,
            max_connections: 1024,
            header_read_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            shutdown_grace: Duration::from_secs(30),
        }
    }
}
