//! Names to addresses.

use std::io;
use std::net::IpAddr;

use async_trait::async_trait;
use tokio::sync::Semaphore;

/// Answers what addresses a name has. Injectable, so that tests can play a hostile name server.
#[async_trait]
pub trait Resolver: Send + Sync + 'static {
    /// All addresses of `host` (lower case, no trailing dot, never an IP literal), in order of preference.
    /// An error and an empty answer both mean that the name does not resolve.
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver (`getaddrinfo`), which honours `/etc/hosts` and `resolv.conf`.
#[derive(Debug)]
pub struct SystemResolver {
    lookups: Semaphore,
}

impl SystemResolver {
    /// A resolver with at most `max_lookups` lookups at once, so that slow name servers cannot take every blocking
    /// thread of the process.
    #[must_use]
    pub fn new(max_lookups: usize) -> Self {
        Self { lookups: Semaphore::new(max_lookups.max(1)) }
    }
}

#[async_trait]
impl Resolver for SystemResolver {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let _permit = self.lookups.acquire().await.map_err(io::Error::other)?;
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}
