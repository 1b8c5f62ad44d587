use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

/// Written as networks, where the code matches on octets: two ways to the same answer.
const REFUSED: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "168.63.129.16/32",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
    "::/3",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "4000::/2",
    "8000::/1",
];

const NAT64: &str = "64:ff9b::/96";

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn expect_refused(ip: IpAddr) -> bool {
    let ip = ip.to_canonical();
    if let IpAddr::V6(v6) = ip
        && net(NAT64).contains(&ip)
    {
        let [.., a, b, c, d] = v6.octets();
        return expect_refused(Ipv4Addr::new(a, b, c, d).into());
    }
    REFUSED.iter().any(|refused| net(refused).contains(&ip))
}

fn judge(policy: &Policy, own: &[SocketAddr], address: SocketAddr) -> Result<(), Refusal> {
    named(policy, own, "host.test", address)
}

fn named(policy: &Policy, own: &[SocketAddr], host: &str, address: SocketAddr) -> Result<(), Refusal> {
    let local: IpAddr = "192.168.7.7".parse().unwrap();
    Rules { own, caller: &Policy::default(), installation: policy }.judge(host, address, |ip| ip == local)
}

fn everything() -> Policy {
    let rule = |all, ports| Allow { net: net(all), ports };
    let mail = || Some(vec![25]);
    Policy {
        allow: vec![
            rule("0.0.0.0/0", None),
            rule("::/0", None),
            rule("0.0.0.0/0", mail()),
            rule("::/0", mail()),
        ],
        hosts: BTreeMap::new(),
    }
}

fn any_ip() -> impl Strategy<Value = IpAddr> {
    let inside = |text: &'static str| {
        any::<[u8; 16]>().prop_map(move |random| match net(text) {
            IpNet::V4(net) => {
                let bits = u32::from_be_bytes([random[0], random[1], random[2], random[3]]);
                let host = u32::from(net.hostmask());
                IpAddr::V4((u32::from(net.network()) | bits & host).into())
            }
            IpNet::V6(net) => {
                let host = u128::from(net.hostmask());
                IpAddr::V6((u128::from(net.network()) | u128::from_be_bytes(random) & host).into())
            }
        })
    };
    let interesting: Vec<_> = REFUSED
        .iter()
        .chain(&[NAT64, "2000::/3", "::ffff:0:0/96"])
        .map(|text| inside(text).boxed())
        .collect();
    prop_oneof![
        any::<u32>().prop_map(|bits| IpAddr::V4(bits.into())),
        any::<u128>().prop_map(|bits| IpAddr::V6(bits.into())),
        proptest::strategy::Union::new(interesting),
        (any_embedding(), any::<u32>()).prop_map(|(embed, bits)| IpAddr::V6(embed(bits.into()))),
    ]
}

type Embed = fn(Ipv4Addr) -> Ipv6Addr;

fn any_embedding() -> impl Strategy<Value = Embed> {
    fn high_low(ip: Ipv4Addr) -> (u16, u16) {
        let bits = u32::from(ip);
        ((bits >> 16) as u16, bits as u16)
    }
    let all: [Embed; 5] = [
        |ip| ip.to_ipv6_mapped(),
        |ip| {
            let (high, low) = high_low(ip);
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low)
        },
        |ip| {
            let (high, low) = high_low(ip);
            Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, high, low)
        },
        |ip| {
            let (high, low) = high_low(ip);
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1)
        },
        |ip| {
            let (high, low) = high_low(ip);
            Ipv6Addr::new(0x2001, 0, 1, 2, 0, 3, !high, !low)
        },
    ];
    proptest::sample::select(all.to_vec())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn only_the_public_internet_is_open_by_default(ip in any_ip(), port in any::<u16>()) {
        let open = judge(&Policy::default(), &[], SocketAddr::new(ip, port)).is_ok();
        prop_assert_eq!(open, !expect_refused(ip) && port != 25);
    }

    #[test]
    fn a_refused_v4_address_stays_refused_in_every_disguise(ip in any_ip(), embed in any_embedding()) {
        if let IpAddr::V4(v4) = ip && expect_refused(ip) {
            let disguised = SocketAddr::new(embed(v4).into(), 443);
            prop_assert!(judge(&Policy::default(), &[], disguised).is_err());
        }
    }

    #[test]
    fn own_listeners_are_never_open_whatever_is_allowed(
        v4 in any::<u32>().prop_map(Ipv4Addr::from), embed in any_embedding(), port in 1..u16::MAX,
    ) {
        let own = [SocketAddr::new(v4.into(), port)];
        for ip in [IpAddr::V4(v4), embed(v4).into()] {
            prop_assert_eq!(judge(&everything(), &own, SocketAddr::new(ip, port)), Err(Refusal::Own));
        }
        prop_assert!(judge(&everything(), &own, SocketAddr::new(v4.into(), port + 1)).is_ok());
    }

    #[test]
    fn a_rule_opens_its_network_and_ports_and_nothing_else(ip in any_ip(), port in any::<u16>(), open in any::<u16>()) {
        let rule = Allow { net: net("10.1.0.0/16"), ports: Some(vec![open]) };
        let policy = Policy { allow: vec![rule], ..Policy::default() };
        for ip in [ip, "10.1.2.3".parse().unwrap(), "10.2.0.1".parse().unwrap()] {
            let address = SocketAddr::new(ip, port);
            let opened = net("10.1.0.0/16").contains(&ip.to_canonical()) && port == open;
            let default = judge(&Policy::default(), &[], address);
            prop_assert_eq!(judge(&policy, &[], address), if opened { Ok(()) } else { default });
        }
    }
}

#[test]
fn own_ports_are_closed_on_every_address_of_the_machine() {
    for own in ["127.0.0.1:8787", "0.0.0.0:8787", "[::]:8787", "[::1]:8787"] {
        let own = [own.parse().unwrap()];
        for address in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "192.168.7.7",
            "64:ff9b::7f00:1",
        ] {
            let ip: IpAddr = address.parse().unwrap();
            let refusal = judge(&everything(), &own, SocketAddr::new(ip, 8787));
            assert_eq!(refusal, Err(Refusal::Own), "{address} with own {own:?}");
            assert_eq!(judge(&everything(), &own, SocketAddr::new(ip, 8788)), Ok(()), "{address}");
        }
        assert_eq!(judge(&everything(), &own, "192.168.7.8:8787".parse().unwrap()), Ok(()));
    }
}

#[test]
fn an_internal_name_opens_its_address_for_that_name_only() {
    let policy: Policy = serde_json::from_str(
        r#"{"hosts": {"db.corp": "10.0.0.5", "*.corp": "10.0.0.6:8080", "*.eu.corp": "10.0.0.7", "mail.corp": "10.0.0.8:25"}}"#,
    )
    .unwrap();
    let target = |host| Rules { own: &[], caller: &Policy::default(), installation: &policy }.target(host);
    assert_eq!(target("db.corp"), Some(Target::Ip("10.0.0.5".parse().unwrap())));
    assert_eq!(target("x.y.corp"), Some(Target::Socket("10.0.0.6:8080".parse().unwrap())));
    assert_eq!(target("a.eu.corp"), Some(Target::Ip("10.0.0.7".parse().unwrap())));
    assert_eq!((target("corp"), target("xcorp")), (None, None));

    let ok = |host, address: &str| named(&policy, &[], host, address.parse().unwrap()).is_ok();
    assert!(ok("db.corp", "10.0.0.5:5432"));
    assert!(!ok("db.corp", "10.0.0.6:5432"));
    assert!(!ok("other.test", "10.0.0.5:5432"));
    assert!(ok("x.corp", "10.0.0.6:8080"));
    assert!(!ok("x.corp", "10.0.0.6:8081"));
    assert!(!ok("db.corp", "10.0.0.5:25"));
    assert!(ok("mail.corp", "10.0.0.8:25"));
}

#[test]
fn port_25_opens_only_by_name() {
    let mut policy =
        Policy { allow: vec![Allow { net: net("0.0.0.0/0"), ports: None }], ..Policy::default() };
    let mail = "8.8.8.8:25".parse().unwrap();
    assert_eq!(judge(&policy, &[], mail), Err(Refusal::Mail));
    policy.allow[0].ports = Some(vec![25]);
    assert_eq!(judge(&policy, &[], mail), Ok(()));
}

#[test]
fn the_callers_names_win_over_the_installations() {
    let one: Policy = serde_json::from_str(r#"{"hosts": {"db": "10.0.0.1"}}"#).unwrap();
    let two: Policy = serde_json::from_str(r#"{"hosts": {"db": "10.0.0.2"}}"#).unwrap();
    let rules = Rules { own: &[], caller: &one, installation: &two };
    assert_eq!(rules.target("db"), Some(Target::Ip("10.0.0.1".parse().unwrap())));
    assert!(rules.leads_to("db", "10.0.0.1:80".parse().unwrap()));
    assert!(!rules.leads_to("db", "10.0.0.2:80".parse().unwrap()));
}

#[test]
fn what_is_misspelt_in_a_policy_is_an_error() {
    for text in [r#"{"alow": []}"#, r#"{"allow": [{"net": "10.0.0.1/33"}]}"#, r#"{"hosts": {"a": "b"}}"#] {
        assert!(serde_json::from_str::<Policy>(text).is_err(), "{text}");
    }
}
