//! What the jail of a process has to which a debugger is to be attached: a loopback device that is its own, on which whoever
//! holds its sockets reaches it, and nobody else.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};

use hearth_jail::{LOOPBACK_SOCKETS, Layers, Tier};

use crate::bench::{Bench, with};
use crate::harness::Test;

pub const TESTS: &[Test] = &[
    ("an_inspected_process_is_reached_by_its_own_sockets_alone", loopback),
    ("an_inspected_process_has_no_other_sockets", seccomp),
    ("no_process_is_inspected_without_a_network_of_its_own", refused),
];

fn full<F: Future<Output = ()>>(layers: Layers, test: impl FnOnce(Bench) -> F) {
    with(Some(Tier::Full), layers, test);
}

fn loopback() {
    full(Layers::ALL, |bench| async move {
        // Free here; over there everything is.
        let here = TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = here.local_addr().unwrap();
        let (mut probe, mut sockets) = bench.inspected("a").await.unwrap();
        assert_eq!(sockets.len(), LOOPBACK_SOCKETS);
        probe.cannot(&format!("tcp {taken}")).await;
        probe.can(&format!("serve {taken}")).await;
        let connect = |socket: TcpStream| tokio::net::TcpSocket::from_std_stream(socket).connect(taken);
        connect(sockets.pop().unwrap()).await.expect("its own socket reaches it");
        // Another one's sockets, and the machine's.
        let (_other, mut theirs) = bench.inspected("b").await.unwrap();
        connect(theirs.pop().unwrap()).await.expect_err("another's socket does not");
        drop(here);
        TcpStream::connect(taken).expect_err("nor does the machine's");
        let elsewhere = SocketAddr::new(Ipv4Addr::new(192, 0, 2, 1).into(), 80);
        probe.cannot(&format!("tcp {elsewhere}")).await;
    });
}

fn seccomp() {
    const ATTACKS: [&str; 2] = ["socket netlink raw", "userns"];
    full(Layers::ALL, |bench| async move {
        let (mut probe, _sockets) = bench.inspected("a").await.unwrap();
        for attack in ATTACKS.into_iter().chain(["socket inet raw", "socket packet raw"]) {
            probe.cannot(attack).await;
        }
        probe.can("socket inet stream").await;
        let mut usual = bench.probe("b").await;
        usual.cannot("socket inet stream").await;
    });
    full(Layers { seccomp: false, ..Layers::ALL }, |bench| async move {
        let (mut probe, _sockets) = bench.inspected("a").await.unwrap();
        for attack in ATTACKS {
            probe.can(attack).await;
        }
    });
}

/// It would listen where everybody of the machine can connect.
fn refused() {
    full(Layers { network: false, ..Layers::ALL }, |bench| async move {
        assert!(!bench.jailer.has_loopback());
        let error = bench.inspected("a").await.err().expect("it is refused");
        assert!(error.to_string().contains("a loopback device of its own"), "{error}");
    });
}
