//! What kind of network an address belongs to.
//!
//! Sources: IANA's special-purpose address registries (RFC 6890 and its updates) and the multicast registry. IPv6 is
//! judged the other way round from IPv4: only `2000::/3` is global unicast, so whatever lies outside it is refused
//! without having to be listed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not the public internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    Unspecified,
    Loopback,
    Private,
    LinkLocal,
    SharedNat,
    Multicast,
    Broadcast,
    Documentation,
    Benchmark,
    Reserved,
    CloudPlatform,
    Translated,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unspecified => "unspecified",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::SharedNat => "shared NAT (100.64.0.0/10)",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Documentation => "documentation",
            Self::Benchmark => "benchmark",
            Self::Reserved => "reserved",
            Self::CloudPlatform => "cloud platform services",
            Self::Translated => "IPv4 translation or tunnel",
        })
    }
}

/// `None` for an address of the public internet.
pub(crate) fn classify(ip: IpAddr) -> Option<Class> {
    match ip.to_canonical() {
        IpAddr::V4(ip) => classify_v4(ip),
        IpAddr::V6(ip) => classify_v6(ip),
    }
}

fn classify_v4(ip: Ipv4Addr) -> Option<Class> {
    Some(match ip.octets() {
        [0, 0, 0, 0] => Class::Unspecified,
        [127, ..] => Class::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Class::Private,
        [169, 254, ..] => Class::LinkLocal,
        [100, 64..=127, ..] => Class::SharedNat,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Class::Documentation,
        [198, 18..=19, ..] => Class::Benchmark,
        [192, 88, 99, _] => Class::Translated,
        // A public address by registry, but on Azure it is the host's own service endpoint (credentials, DNS).
        [168, 63, 129, 16] => Class::CloudPlatform,
        [224..=239, ..] => Class::Multicast,
        [255, 255, 255, 255] => Class::Broadcast,
        [0, ..] | [192, 0, 0, _] | [240..=255, ..] => Class::Reserved,
        _ => return None,
    })
}

fn classify_v6(ip: Ipv6Addr) -> Option<Class> {
    // RFC 6052: a gateway turns this prefix into the IPv4 address in its last 32 bits, so the answer is that one's.
    if let Some(v4) = nat64(ip) {
        return classify_v4(v4);
    }
    Some(match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Class::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Class::Loopback,
        [0xfe80..=0xfebf, ..] => Class::LinkLocal,
        [0xfc00..=0xfdff, ..] | [0xfec0..=0xfeff, ..] => Class::Private,
        [0xff00..=0xffff, ..] => Class::Multicast,
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Class::Documentation,
        // Teredo (2001::/32) and 6to4 (2002::/16) hide an IPv4 destination; both are retired, so none is let through.
        [0x2001, 0, ..] | [0x2002, ..] => Class::Translated,
        [0x2001, 2, 0, ..] => Class::Benchmark,
        [0x2001, 0..=0x01ff, ..] => Class::Reserved,
        [0x0064, 0xff9b, ..] | [0, 0, 0, 0, ..] => Class::Translated,
        [0x2000..=0x3fff, ..] => return None,
        _ => Class::Reserved,
    })
}

fn nat64(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    match ip.segments() {
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => Some(join(high, low)),
        _ => None,
    }
}

/// The IPv4 address that packets to `ip` end at through a translator or tunnel, if there may be one.
pub(crate) fn embedded_v4(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(v6) = ip else { return None };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0xffff | 0, high, low] if high != 0 => Some(join(high, low)),
        [0, 0, 0, 0, 0xffff, 0, high, low] => Some(join(high, low)),
        [0x0064, 0xff9b, .., high, low] => Some(join(high, low)),
        [0x2002, high, low, ..] => Some(join(high, low)),
        // RFC 4380: Teredo carries the client's address with every bit inverted.
        [0x2001, 0, .., high, low] => Some(join(!high, !low)),
        _ => None,
    }
}

fn join(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}
