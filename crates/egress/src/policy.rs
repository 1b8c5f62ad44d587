//! Where a worker may connect to. Pure: no I/O, no clock.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Rules that open what is refused by default. Empty means: the public internet only.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Networks that may be reached though the default refuses them.
    pub allow: Vec<Allow>,
    /// Internal host names: an exact name or `*.suffix` (any depth, not the suffix itself), and where it leads. It
    /// takes the place of DNS and allows that address for that name.
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
