//! What a request asks for, in the one canonical spelling that everything else judges by.

use std::fmt;
use std::net::IpAddr;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Uri, Version};
use url::Host;

/// Where a worker wants to go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Destination {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// The host, parsed as the WHATWG URL standard does, so that `2130706433` and `0177.1` are the addresses they mean.
    pub host: Host,
    /// The port, explicit or the scheme's.
    pub port: u16,
}

impl Destination {
    /// From an absolute-form target. `None` if it is not `http(s)://host…` or `ws(s)://host…`.
    pub fn of_url(uri: &Uri) -> Option<Self> {
        let tls = match uri.scheme_str()? {
            "http" | "ws" => false,
            "https" | "wss" => true,
            _ => return None,
        };
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        Some(Self { tls, host: parse_host(uri.host()?)?, port })
    }

    /// From the target of a `CONNECT`. `None` if it is not `host:port`.
    pub fn of_authority(uri: &Uri) -> Option<Self> {
        let authority = uri.authority()?;
        Some(Self { tls: false, host: parse_host(authority.host())?, port: authority.port_u16()? })
    }

    /// From a host, a name or an address, and a port.
    pub fn of_host(host: &str, port: u16) -> Option<Self> {
        let bracketed = host.parse::<std::net::Ipv6Addr>().map(|ip| format!("[{ip}]"));
        Some(Self { tls: false, host: parse_host(bracketed.as_deref().unwrap_or(host))?, port })
    }

    /// The host if it is written as an address.
    pub fn ip(&self) -> Option<IpAddr> {
        match self.host {
            Host::Domain(_) => None,
            Host::Ipv4(ip) => Some(ip.into()),
            Host::Ipv6(ip) => Some(ip.into()),
        }
    }

    /// The host as policies and resolvers know it: no brackets.
    pub fn name(&self) -> String {
        match &self.host {
            Host::Domain(name) => name.clone(),
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        }
    }

    /// `host` or, when the port is not the scheme's own, `host:port`.
    pub fn authority(&self) -> String {
        match (self.tls, self.port) {
            (true, 443) | (false, 80) => self.host.to_string(),
            _ => self.to_string(),
        }
    }

    /// The request target to send upstream: absolute for HTTP/2, where hyper makes pseudo-headers of it, else the path.
    pub fn target(&self, path: Option<&PathAndQuery>, version: Version) -> Option<Uri> {
        let path = path.cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
        if version != Version::HTTP_2 {
            return Some(Uri::from(path));
        }
        let scheme = if self.tls { Scheme::HTTPS } else { Scheme::HTTP };
        let authority = Authority::try_from(self.authority()).ok()?;
        Uri::builder().scheme(scheme).authority(authority).path_and_query(path).build().ok()
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

fn parse_host(text: &str) -> Option<Host> {
    match Host::parse(text).ok()? {
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(&name);
            (!name.is_empty()).then(|| Host::Domain(name.to_owned()))
        }
        // One spelling per address: a mapped one is the IPv4 address that the kernel would connect to.
        Host::Ipv6(ip) => Some(ip.to_ipv4_mapped().map_or(Host::Ipv6(ip), Host::Ipv4)),
        ip => Some(ip),
    }
}
