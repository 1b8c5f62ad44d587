//! Where a worker may connect to. Pure: no I/O, no clock.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::address::{Class, classify, embedded_v4};

/// Rules that open what is refused by default. Empty means: the public internet only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Networks that may be reached though the default refuses them.
    pub allow: Vec<Allow>,
    /// Internal host names: an exact name or `*.suffix` (any depth, not the suffix itself; the longest wins), in lower
    /// case and without a trailing dot, and where it leads. It takes the place of DNS and allows that address for that
    /// name.
    pub hosts: BTreeMap<String, Target>,
}

/// One opened network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allow {
    /// The addresses, for example `10.1.0.0/16`.
    pub net: IpNet,
    /// The ports; absent means every port but 25, which must be named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<u16>>,
}

/// Where an internal host name leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Target {
    /// This address, at the port that the worker asked for.
    Ip(IpAddr),
    /// This address and port, whatever port the worker asked for.
    Socket(SocketAddr),
}

/// Why a destination was refused. For the operator's log, never for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// One of Hearth's own listeners; no rule opens it.
    Own,
    /// Port 25, which only a rule that names it opens (Cloudflare refuses it too).
    Mail,
    /// Not the public internet, and no rule opens it.
    Network(Class),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => f.write_str("own listener"),
            Self::Mail => f.write_str("port 25"),
            Self::Network(class) => write!(f, "{class} network"),
        }
    }
}

const MAIL_PORT: u16 = 25;

/// Every rule that applies to one caller.
pub(crate) struct Rules<'a> {
    /// [`crate::Config::own`].
    pub own: &'a [SocketAddr],
    /// The caller's rules (account, worker), which win where both name a host.
    pub caller: &'a Policy,
    /// The installation's rules.
    pub installation: &'a Policy,
}

impl Rules<'_> {
    /// Where an internal host name leads, if it is one. `host` is in canonical form (lower case, no trailing dot).
    pub fn target(&self, host: &str) -> Option<Target> {
        self.caller.target(host).or_else(|| self.installation.target(host))
    }

    /// Whether a connection for `host` may be made to `address`. `is_local` says whether an address is this machine's.
    pub fn judge(
        &self,
        host: &str,
        address: SocketAddr,
        is_local: impl Fn(IpAddr) -> bool,
    ) -> Result<(), Refusal> {
        let ip = address.ip().to_canonical();
        let port = address.port();
        let ends = [Some(ip), embedded_v4(ip).map(IpAddr::V4)];
        if ends.into_iter().flatten().any(|end| self.is_own(end, port, &is_local)) {
            return Err(Refusal::Own);
        }
        let named = match self.target(host) {
            Some(Target::Ip(target)) => target.to_canonical() == ip && port != MAIL_PORT,
            Some(Target::Socket(target)) => target.ip().to_canonical() == ip && target.port() == port,
            None => false,
        };
        if named || self.caller.opens(ip, port) || self.installation.opens(ip, port) {
            return Ok(());
        }
        if port == MAIL_PORT {
            return Err(Refusal::Mail);
        }
        classify(ip).map_or(Ok(()), |class| Err(Refusal::Network(class)))
    }

    /// Whether a connection made earlier for `host` is still where the host leads: an override that has been set since
    /// then wins over what DNS had said.
    pub fn leads_to(&self, host: &str, address: SocketAddr) -> bool {
        match self.target(host) {
            Some(Target::Ip(ip)) => ip.to_canonical() == address.ip().to_canonical(),
            Some(Target::Socket(target)) => {
                target.ip().to_canonical() == address.ip().to_canonical() && target.port() == address.port()
            }
            None => true,
        }
    }

    fn is_own(&self, ip: IpAddr, port: u16, is_local: &impl Fn(IpAddr) -> bool) -> bool {
        let mut same_port = self.own.iter().filter(|own| own.port() == port).peekable();
        if same_port.peek().is_none() {
            return false;
        }
        // A listener's own address is not compared alone: it may be a wildcard, and one machine has many addresses.
        ip.is_unspecified()
            || ip.is_loopback()
            || same_port.any(|own| own.ip().to_canonical() == ip)
            || is_local(ip)
    }
}

impl Policy {
    /// Adds narrower rules: their networks are open too, their host names win.
    pub fn extend(&mut self, narrower: Self) {
        self.allow.extend(narrower.allow);
        self.hosts.extend(narrower.hosts);
    }

    fn target(&self, host: &str) -> Option<Target> {
        if let Some(target) = self.hosts.get(host) {
            return Some(*target);
        }
        // Cutting at the first dot first finds the longest suffix first.
        let mut rest = host;
        while let Some((_, suffix)) = rest.split_once('.') {
            if let Some(target) = self.hosts.get(&format!("*.{suffix}")) {
                return Some(*target);
            }
            rest = suffix;
        }
        None
    }

    fn opens(&self, ip: IpAddr, port: u16) -> bool {
        self.allow.iter().any(|rule| {
            rule.net.contains(&ip)
                && rule.ports.as_ref().map_or(port != MAIL_PORT, |ports| ports.contains(&port))
        })
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
