//! The tiers below full.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use hearth_jail::{ExitCause, Layers, Signal, Tier};

use crate::bench::{self, Bench, PROBE, folder, with};
use crate::harness::Test;

pub const TESTS: &[Test] = &[
    ("the_machine_is_examined", examined),
    ("reduced_keeps_to_its_own_files", files),
    ("reduced_has_sockets_and_a_seal", sockets),
    ("reduced_keeps_neighbours_apart_by_uid", neighbours),
    ("reduced_hides_neighbours_of_the_same_uid", hidden_neighbours),
    ("reduced_says_what_instances_cannot_reach", out_of_reach),
    ("none_runs_and_ends", none),
];

/// Tests that only other tests start.
pub const HELPERS: &[Test] = &[("helper_same_uid", same_uid)];

fn examined() {
    let report = hearth_jail::examine();
    for finding in &report.findings {
        eprintln!("{} {}: {} {}", finding.ok, finding.name, finding.detail, finding.remedy);
        assert!(finding.ok || !finding.remedy.is_empty() || finding.name == "capabilities");
    }
    eprintln!("tier {}", report.tier);
    let full = ["namespaces", "mounts", "seccomp", "capabilities", "cgroups"];
    let missing = report.findings.iter().any(|finding| full.contains(&finding.name) && !finding.ok);
    assert_eq!(report.tier == Tier::Full, !missing);
}

fn secret(bench: &Bench) -> String {
    let path = bench.folder.path().join("secret");
    fs::write(&path, "s3cret").unwrap();
    format!("read {}", path.display())
}

fn files() {
    with(Some(Tier::Reduced), Layers::ALL, |bench| async move {
        if !hearth_jail::examine().findings.iter().any(|finding| finding.name == "landlock" && finding.ok) {
            eprintln!("SKIPPED, NOTHING IS TESTED HERE: there is no landlock");
            return;
        }
        let mut probe = bench.probe("a").await;
        probe.cannot(&secret(&bench)).await;
        probe.cannot("read /etc/passwd").await;
        probe.cannot("tcp 127.0.0.1:1").await;
        probe.cannot(&format!("write {} x", probe.dir.join("debug/file").display())).await;
    });
    with(Some(Tier::Reduced), Layers { landlock: false, ..Layers::ALL }, |bench| async move {
        assert_eq!(bench.probe("a").await.can(&secret(&bench)).await, "s3cret");
    });
}

fn sockets() {
    with(Some(Tier::Reduced), Layers::ALL, |bench| async move {
        let mut probe = bench.probe("a").await;
        probe.can(&format!("unix {}", probe.paths.hearth.join("bindings.sock").display())).await;
        let debug = probe.paths.debug.join("debug.sock");
        probe.can(&format!("listen {}", debug.display())).await;
        bench.jailer.seal("a").await.unwrap();
        probe.cannot(&format!("remove {}", debug.display())).await;
        probe.cannot(&format!("listen {}", probe.paths.debug.join("other").display())).await;
        std::os::unix::net::UnixStream::connect(&debug).unwrap();
        probe.leave();
        assert_eq!(probe.exit().await.cause, ExitCause::Exited(0));
    });
}

/// Root gives each instance a uid of its own, and the files let nobody else connect.
fn neighbours() {
    if !rustix::process::geteuid().is_root() {
        eprintln!(
            "SKIPPED, NOTHING IS TESTED HERE: instances have uids of their own only when Hearth is root"
        );
        return;
    }
    for (uid, reached) in [(true, false), (false, true)] {
        with(Some(Tier::Reduced), Layers { uid, ..Layers::ALL }, |bench| async move {
            let (mut one, mut two) = (bench.probe("a").await, bench.probe("b").await);
            two.can(&format!("listen {}", two.paths.debug.join("debug.sock").display())).await;
            bench.jailer.seal("b").await.unwrap();
            for socket in ["in/bindings.sock", "debug/debug.sock"] {
                let attack = format!("unix {}", two.dir.join(socket).display());
                assert_eq!(one.tries(&attack).await.unwrap().is_ok(), reached, "{attack}");
            }
        });
    }
}

/// Else each would start, and fail at the first thing it reaches for.
fn out_of_reach() {
    if !rustix::process::geteuid().is_root() {
        eprintln!(
            "SKIPPED, NOTHING IS TESTED HERE: instances have uids of their own only when Hearth is root"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let config = bench::config(folder.path(), Some(Tier::Reduced));
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let error = hearth_jail::start(config).unwrap_err().to_string();
    assert!(error.contains("chmod o+x") && error.contains("run/i"), "{error}");
}

/// Without root all have Hearth's uid and could connect to each other: they must not learn where.
fn hidden_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    let copy = |program: &Path, name: &str| {
        let copy = folder.path().join(name);
        fs::copy(program, &copy).unwrap();
        copy
    };
    let program = copy(&std::env::current_exe().unwrap(), "tests");
    let mut command = Command::new(program);
    command.args(["--exact", "helper_same_uid"]).env(PROBE, copy(&bench::probe(), "probe"));
    if rustix::process::geteuid().is_root() {
        const USER: u32 = 1_899_000_000;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
        command.uid(USER).gid(USER);
    }
    assert!(command.status().unwrap().success());
}

fn same_uid() {
    assert!(!rustix::process::geteuid().is_root());
    for (landlock, hidden) in [(true, true), (false, false)] {
        with(Some(Tier::Reduced), Layers { landlock, ..Layers::ALL }, |bench| async move {
            let (mut one, two) = (bench.probe("a").await, bench.probe("b").await);
            assert_eq!(one.spawned.uid, two.spawned.uid);
            let pid = two.spawned.pid;
            for attack in [
                format!("list {}", bench.folder.path().join("run/i").display()),
                format!("list {}", two.dir.display()),
                format!("list /proc/{pid}/fd"),
                format!("read /proc/{pid}/cmdline"),
                format!("read {}", two.dir.join("pid").display()),
                "read /proc/net/unix".to_owned(),
                format!("signal {pid}"),
                format!("signal {}", std::process::id()),
            ] {
                let tried = one.tries(&attack).await.unwrap();
                assert_eq!(tried.is_err(), hidden, "{attack}: {tried:?}");
            }
        });
    }
}

fn none() {
    with(Some(Tier::None), Layers::ALL, |bench| async move {
        let host = bench.folder.path().join("storage");
        fs::create_dir(&host).unwrap();
        let mut probe = bench.probe("a").await;
        bench.jailer.show("a", folder(&host, "ns", true)).await.unwrap();
        probe.can(&format!("write {} x", probe.paths.data.join("ns/file").display())).await;
        assert!(host.join("file").exists());
        assert!(!probe.spawned.usage.memory_is_limited());
        bench.jailer.kill("a", Signal::Terminate).await.unwrap();
        assert_eq!(probe.exit().await.cause, ExitCause::Signaled(15));
        assert!(host.join("file").exists(), "the end took what was shown");
    });
}
