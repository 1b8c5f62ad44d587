//! The tiers below full.

use std::fs;

use hearth_jail::{ExitCause, Layers, Signal, Tier};

use crate::bench::{Bench, folder, with};
use crate::harness::Test;

pub const TESTS: &[Test] = &[
    ("the_machine_is_examined", examined),
    ("reduced_keeps_to_its_own_files", files),
    ("reduced_has_sockets_and_a_seal", sockets),
    ("none_runs_and_ends", none),
];

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
