//! The full tier, layer by layer.

use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::time::Instant;

use hearth_jail::{Exit, ExitCause, Layers, Limits, Signal, Tier};

use crate::bench::{Bench, LIMITS, isolated, with};
use crate::harness::Test;
use crate::life::parent_of;

pub const TESTS: &[Test] = &[
    ("an_instance_starts_runs_and_leaves_nothing", life),
    ("host_files_are_out_of_sight", host_files),
    ("its_root_is_read_only", read_only),
    ("the_network_is_out_of_reach", network),
    ("other_processes_are_out_of_sight", processes),
    ("its_uid_is_its_own", uid),
    ("it_has_no_capabilities", capabilities),
    ("system_calls_are_filtered", seccomp),
    ("memory_is_limited_and_neighbours_live", memory),
    ("memory_limits_can_be_changed", changed_memory),
    ("threads_are_limited", pids),
    ("cpu_is_limited", cpu),
    ("file_size_and_open_files_are_limited", rlimits),
    ("only_given_descriptors_arrive", descriptors),
    ("unusable_commands_are_refused", refusals),
];

const NONE_OF_NETWORK: Layers = Layers { network: false, ..Layers::ALL };
const NO_SECCOMP: Layers = Layers { seccomp: false, ..Layers::ALL };

fn full<F: Future<Output = ()>>(layers: Layers, test: impl FnOnce(Bench) -> F) {
    with(Some(Tier::Full), layers, test);
}

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED IN PART: instances have uids of their own only when Hearth is root");
    }
    root
}

fn life() {
    isolated(Layers::ALL, |bench| async move {
        let mut probe = bench.probe("a").await;
        assert_eq!(probe.can("pid").await, "1");
        assert_eq!(probe.can("list /").await.replace("lib,lib64", "lib"), "bin,data,dev,lib,run,sys");
        probe.can("unix /run/hearth/bindings.sock").await;
        assert!(probe.paths.hearth.ends_with("run/hearth"));
        let usage = probe.spawned.usage.read().unwrap();
        assert!(usage.memory_bytes > 0, "{usage:?}");
        probe.leave();
        assert_eq!(probe.exit().await, Exit { id: "a".into(), cause: ExitCause::Exited(0), oom: false });
        assert!(!probe.dir.exists());
        assert!(probe.spawned.usage.read().is_err(), "its cgroup or process stays");

        // The same id and slot again.
        let second = bench.probe("a").await;
        assert_eq!(second.spawned.uid, probe.spawned.uid);
        bench.jailer.kill("a", Signal::Kill).await.unwrap();
        assert_eq!(second.exit().await.cause, ExitCause::Signaled(9));
        assert!(bench.jailer.kill("a", Signal::Kill).await.is_err());
    });
}

fn host_files() {
    let attack = |bench: &Bench| {
        let path = bench.folder.path().join("secret");
        fs::write(&path, "s3cret").unwrap();
        format!("read {}", path.display())
    };
    isolated(Layers::ALL, |bench| async move {
        let mut probe = bench.probe("a").await;
        probe.cannot(&attack(&bench)).await;
        probe.cannot("read /etc/passwd").await;
        probe.cannot("list /proc").await;
    });
    isolated(Layers { root: false, ..Layers::ALL }, |bench| async move {
        let mut probe = bench.probe("a").await;
        assert_eq!(probe.can(&attack(&bench)).await, "s3cret");
    });
}

fn read_only() {
    isolated(Layers::ALL, |bench| async move {
        let mut probe = bench.probe("a").await;
        for path in ["/x", "/bin/x", "/run/x", "/run/hearth/x", "/data/x", "/dev/x"] {
            probe.cannot(&format!("write {path} x")).await;
        }
        probe.cannot("remove /run/hearth/bindings.sock").await;
        // The one place that is its own.
        probe.can("write /run/debug/x x").await;
    });
    // As Hearth's own uid and with capabilities, which nothing but the mounts can stop.
    let owner = Layers { uid: false, capabilities: false, seccomp: false, ..Layers::ALL };
    let attacks = ["write /x x", "write /bin/x x", "write /run/hearth/x x", "write /data/x x"];
    isolated(owner, |bench| async move {
        let mut probe = bench.probe("a").await;
        for attack in attacks {
            probe.cannot(attack).await;
        }
    });
    isolated(Layers { read_only: false, ..owner }, |bench| async move {
        let mut probe = bench.probe("a").await;
        for attack in attacks {
            probe.can(attack).await;
        }
    });
}

fn network() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("hearth-test-{}", std::process::id());
    let _abstract = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let tcp = format!("tcp {}", listener.local_addr().unwrap());
    let named = format!("abstract {name}");
    let (tcp, named) = (tcp.as_str(), named.as_str());

    isolated(NO_SECCOMP, |bench| async move {
        let mut probe = bench.probe("a").await;
        probe.cannot(tcp).await;
        probe.cannot(named).await;
    });
    isolated(NONE_OF_NETWORK, |bench| async move {
        let mut probe = bench.probe("a").await;
        // The filter alone stops TCP, not abstract names.
        probe.cannot(tcp).await;
        probe.can(named).await;
    });
    isolated(Layers { seccomp: false, ..NONE_OF_NETWORK }, |bench| async move {
        bench.probe("a").await.can(tcp).await;
    });
}

fn processes() {
    let attack = format!("signal {}", std::process::id());
    let attack = attack.as_str();
    // With Hearth's own uid, so that only sight decides.
    let same_uid = Layers { uid: false, ..Layers::ALL };
    isolated(same_uid, |bench| async move {
        bench.probe("a").await.cannot(attack).await;
    });
    isolated(Layers { processes: false, ..same_uid }, |bench| async move {
        bench.probe("a").await.can(attack).await;
    });
}

fn uid() {
    if !is_root() {
        return;
    }
    let attack = format!("signal {}", std::process::id());
    let attack = attack.as_str();
    let in_sight = Layers { processes: false, ..Layers::ALL };
    isolated(in_sight, |bench| async move {
        let (mut one, two) = (bench.probe("a").await, bench.probe("b").await);
        assert_ne!(one.spawned.uid, two.spawned.uid);
        assert_ne!(one.spawned.uid, 0);
        one.cannot(attack).await;
        one.cannot(&format!("signal {}", two.spawned.pid)).await;
    });
    isolated(Layers { uid: false, ..in_sight }, |bench| async move {
        let (mut one, two) = (bench.probe("a").await, bench.probe("b").await);
        one.can(attack).await;
        one.can(&format!("signal {}", two.spawned.pid)).await;
    });
}

fn capabilities() {
    isolated(NO_SECCOMP, |bench| async move {
        let mut probe = bench.probe("a").await;
        for attack in ["mount", "hostname", "socket packet raw", "privileges"] {
            if attack == "privileges" {
                assert_eq!(probe.can(attack).await, "false");
            } else {
                probe.cannot(attack).await;
            }
        }
        assert_eq!(probe.can("capabilities").await, "0 0 false");
    });
    isolated(Layers { capabilities: false, ..NO_SECCOMP }, |bench| async move {
        let mut probe = bench.probe("a").await;
        for attack in ["mount", "hostname", "socket packet raw"] {
            probe.can(attack).await;
        }
        assert_ne!(probe.can("capabilities").await, "0 0 false");
    });
}

fn seccomp() {
    const ATTACKS: [&str; 5] = ["socket inet stream", "socket netlink raw", "userns", "outlive", "fork"];
    isolated(Layers::ALL, |bench| async move {
        let mut probe = bench.probe("a").await;
        for attack in ATTACKS {
            probe.cannot(attack).await;
        }
        probe.cannot("ptrace 1").await;
        probe.can("socket unix stream").await;
        probe.can("threads 2").await;
    });
    isolated(NO_SECCOMP, |bench| async move {
        let mut probe = bench.probe("a").await;
        for attack in ATTACKS {
            probe.can(attack).await;
        }
    });
}

fn memory() {
    full(Layers::ALL, |bench| async move {
        let (mut greedy, mut neighbour) = (bench.probe("a").await, bench.probe("b").await);
        assert_eq!(greedy.tries("memory 200").await, None);
        assert_eq!(greedy.exit().await, Exit { id: "a".into(), cause: ExitCause::Signaled(9), oom: true });
        neighbour.can("memory 20").await;
        assert!(neighbour.spawned.usage.memory_is_limited());
    });
    full(Layers { cgroup: false, ..Layers::ALL }, |bench| async move {
        let mut probe = bench.probe("a").await;
        probe.can("memory 200").await;
        // What the supervisor has to do itself then.
        assert!(!probe.spawned.usage.memory_is_limited());
        assert!(probe.spawned.usage.read().unwrap().memory_bytes > 0);
    });
}

fn changed_memory() {
    full(Layers::ALL, |bench| async move {
        let mut probe = bench.probe("a").await;
        bench.jailer.set_limits("a", Limits { memory_bytes: 400 << 20, ..LIMITS }).await.unwrap();
        probe.can("memory 200").await;
        bench.jailer.set_limits("a", Limits { memory_bytes: 48 << 20, ..LIMITS }).await.unwrap();
        assert_eq!(probe.tries("memory 200").await, None);
        assert!(probe.exit().await.oom);
    });
}

fn pids() {
    full(Layers::ALL, |bench| async move {
        let mut probe = bench.probe("a").await;
        assert!(probe.cannot("threads 40").await.contains("threads:"));
        bench.probe("b").await.can("threads 10").await;
    });
    full(Layers { cgroup: false, ..Layers::ALL }, |bench| async move {
        bench.probe("a").await.can("threads 40").await;
    });
}

fn cpu() {
    /// The share of one core that it gets while it wants all.
    async fn share(bench: &Bench, id: &str) -> f64 {
        let limits = Limits { cpu_cores: Some(0.2), ..LIMITS };
        let mut probe = bench.probe_with(id, limits, Vec::new()).await;
        let (start, before) = (Instant::now(), probe.spawned.usage.read().unwrap().cpu);
        probe.can("spin 1000").await;
        (probe.spawned.usage.read().unwrap().cpu - before).as_secs_f64() / start.elapsed().as_secs_f64()
    }
    full(Layers::ALL, |bench| async move {
        let share = share(&bench, "a").await;
        assert!(share < 0.3, "{share}");
    });
    full(Layers { cgroup: false, ..Layers::ALL }, |bench| async move {
        // Other programs may want the processor too, so it gets several chances.
        for turn in 0..10 {
            if share(&bench, &turn.to_string()).await > 0.3 {
                return;
            }
        }
        panic!("the attack never succeeds");
    });
}

fn rlimits() {
    const ATTACK: &str = "fill /run/debug/big 2000000";
    isolated(Layers::ALL, |bench| async move {
        let mut probe = bench.probe("a").await;
        assert_eq!(probe.can("nofile").await, "Some(256)");
        probe.can("fill /run/debug/small 1000").await;
        // Either SIGXFSZ ends it or, where that is ignored, the call fails.
        if let Some(answer) = probe.tries(ATTACK).await {
            answer.unwrap_err();
        } else {
            assert_eq!(probe.exit().await.cause, ExitCause::Signaled(25));
        }
    });
    isolated(Layers { rlimits: false, ..Layers::ALL }, |bench| async move {
        let mut probe = bench.probe("a").await;
        probe.can(ATTACK).await;
        assert_ne!(probe.can("nofile").await, "Some(256)");
    });
}

fn descriptors() {
    // One that is not closed by exec, as a careless library might leave it.
    let leak = fs::File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    let number = leak.as_raw_fd();
    isolated(Layers::ALL, |bench| async move {
        let given = |count| (0..count).map(|_| leak.as_fd().try_clone_to_owned().unwrap()).collect();
        let mut probe = bench.probe_with("a", LIMITS, given(0)).await;
        for fd in 3..64.max(number + 1) {
            probe.cannot(&format!("open {fd}")).await;
        }
        let mut probe = bench.probe_with("b", LIMITS, given(5)).await;
        for fd in 3..8 {
            probe.can(&format!("open {fd}")).await;
        }
        probe.cannot("open 8").await;
    });
    // A high number, where no descriptor of the jailer's own comes to lie.
    let leak = rustix::io::fcntl_dupfd_cloexec(fs::File::open("/dev/null").unwrap(), 200).unwrap();
    rustix::io::fcntl_setfd(&leak, rustix::io::FdFlags::empty()).unwrap();
    let number = leak.as_raw_fd();
    for (descriptors, closed) in [(true, true), (false, false)] {
        isolated(Layers { descriptors, ..Layers::ALL }, |bench| async move {
            let mut probe = bench.probe("a").await;
            assert_eq!(probe.tries(&format!("open {number}")).await.unwrap().is_err(), closed);
            let jailer = parent_of(&probe.spawned.pid.to_string());
            let held = fs::symlink_metadata(format!("/proc/{jailer}/fd/{number}"));
            assert_eq!(held.is_err(), closed);
        });
    }
}

fn refusals() {
    isolated(Layers::ALL, |bench| async move {
        let _probe = bench.probe("a").await;
        let elsewhere = bench.folder.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        let inside = bench.folder.path().join("run/i");
        for (id, dir) in [
            ("a", inside.join("b")),
            ("../b", inside.join("b")),
            ("", inside.join("b")),
            ("b", elsewhere.clone()),
            ("b", inside.join("../../elsewhere")),
            ("b", bench.folder.path().join("run")),
        ] {
            assert!(bench.tries_to_spawn(id, &dir).await.is_err(), "{id} {}", dir.display());
        }
        assert!(elsewhere.exists());
        assert!(bench.folder.path().join("run").exists());
        // A step that fails leaves nothing: this folder has no in/.
        fs::create_dir(inside.join("c")).unwrap();
        bench.tries_to_spawn("c", &inside.join("c")).await.unwrap_err();
        assert!(!inside.join("c").exists());
    });
}
