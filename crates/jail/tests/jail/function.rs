//! What a function's jail adds to the others: a root with what a toolchain shows, a `/tmp` of its own, and a network device
//! whose other end is here.

use std::fs;
use std::time::Duration;

use hearth_jail::{ADDRESS_V4, Device, Folder, Layers, Tier};

use crate::bench::{Bench, with};
use crate::harness::Test;

pub const TESTS: &[Test] = &[
    ("a_function_sees_what_is_shown_and_writes_to_its_tmp", root),
    ("a_functions_packets_arrive_here_and_nowhere_else", network),
    ("a_function_makes_no_process_and_no_raw_socket", seccomp),
    ("what_a_function_is_shown_can_be_run_only_where_it_says_so", executable),
];

const NO_SECCOMP: Layers = Layers { seccomp: false, ..Layers::ALL };

fn full<F: Future<Output = ()>>(layers: Layers, test: impl FnOnce(Bench) -> F) {
    with(Some(Tier::Full), layers, test);
}

fn root() {
    full(Layers::ALL, |bench| async move {
        let (mut probe, _device) = bench.function("a").await;
        assert_eq!(probe.can("list /").await.replace("lib,lib64", "lib"), "data,dev,etc,lib,runtime,tmp");
        assert_eq!(probe.can("list /runtime").await, "bin,shown");
        assert_eq!(probe.can("read /etc/link").await, "127.0.0.1 localhost");
        assert_eq!(probe.can("list /data").await, "");
        for written in ["/x", "/etc/hosts", "/runtime/x", "/runtime/shown", "/data/x"] {
            probe.cannot(&format!("write {written} x")).await;
        }
        probe.can("write /tmp/x text").await;
        let (mut other, _device) = bench.function("b").await;
        other.cannot("read /tmp/x").await;
        assert_eq!(probe.can("read /tmp/x").await, "text");
        // Files of a megabyte each, of which there is a limited number.
        let mut filled = 0;
        while filled < 100
            && probe.tries(&format!("fill /tmp/{filled} 1000000")).await.is_some_and(|did| did.is_ok())
        {
            filled += 1;
        }
        assert!(filled < 100, "a function can fill more than its /tmp");
    });
}

fn network() {
    full(Layers::ALL, |bench| async move {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (mut probe, device) = bench.function("a").await;
        // Its loopback is not the machine's.
        probe.cannot(&format!("tcp {}", listener.local_addr().unwrap())).await;
        let device = Device::new(device).unwrap();
        let asked = tokio::spawn(async move { probe.tries("tcp 192.0.2.1:80").await });
        let packet = tokio::time::timeout(Duration::from_secs(20), async {
            loop {
                let packets = device.read().await.unwrap();
                // Version 6 says of itself that it is there, without being asked.
                if let Some(packet) = packets.into_iter().find(|packet| packet[0] >> 4 == 4) {
                    return packet;
                }
            }
        });
        let packet = packet.await.expect("its packet arrives");
        assert_eq!(
            (packet[9], &packet[12..16], &packet[16..20]),
            (6, &ADDRESS_V4.octets()[..], &[192, 0, 2, 1][..])
        );
        asked.abort();
    });
}

fn seccomp() {
    const ATTACKS: [&str; 4] = ["socket netlink raw", "userns", "outlive", "fork"];
    full(Layers::ALL, |bench| async move {
        let (mut probe, _device) = bench.function("a").await;
        for attack in ATTACKS.into_iter().chain(["socket inet raw", "socket packet raw", "ptrace 1"]) {
            probe.cannot(attack).await;
        }
        probe.can("socket inet stream").await;
        probe.can("socket unix stream").await;
        probe.can("threads 2").await;
    });
    full(NO_SECCOMP, |bench| async move {
        let (mut probe, _device) = bench.function("a").await;
        for attack in ATTACKS {
            probe.can(attack).await;
        }
    });
}

fn executable() {
    full(Layers::ALL, |bench| async move {
        let (mut probe, _device) = bench.function("a").await;
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "text").unwrap();
        let shown = |name: &str, executable| Folder {
            host: folder.path().into(),
            name: name.into(),
            writable: false,
            executable,
        };
        bench.jailer.show("a", shown("plain", false)).await.unwrap();
        bench.jailer.show("a", shown("loaded", true)).await.unwrap();
        assert_eq!(probe.can("read /data/loaded/file").await, "text");
        probe.cannot("write /data/loaded/file x").await;
        probe.can("executable /data/loaded").await;
        probe.cannot("executable /data/plain").await;
        probe.cannot("executable /tmp").await;
    });
}
