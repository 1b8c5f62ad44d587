//! What happens to instances around their runs: folders shown later, sealing, ends of Hearth.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use hearth_jail::{Config, DEFAULT_UID, Layers, User};
use rustix::process::Uid;

use crate::bench::{self, Bench, PATIENCE, folder, isolated};
use crate::harness::Test;

pub const TESTS: &[Test] = &[
    ("a_folder_is_shown_to_a_parked_process", show),
    ("a_sealed_debug_folder_stays_as_it_is", seal),
    ("seal_refuses_what_is_no_socket", seal_refuses),
    ("killing_hearth_leaves_no_process", killed),
    ("what_outlives_hearth_is_ended_by_the_next", reaped),
    ("dropped_privileges_are_gone", privileges),
    ("a_data_folder_is_given_to_who_works_on_it", settled),
];

/// Tests that only other tests start.
pub const HELPERS: &[Test] = &[("helper_hearth", helper), ("helper_dropped", dropped)];

const FOLDER: &str = "HEARTH_TEST_FOLDER";
const LEAVES: &str = "HEARTH_TEST_LEAVES_ROOT";

fn show() {
    isolated(Layers::ALL, |bench| async move {
        let host = bench.folder.path().join("storage");
        fs::create_dir(&host).unwrap();
        fs::set_permissions(&host, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(host.join("before"), "old").unwrap();
        fs::set_permissions(host.join("before"), fs::Permissions::from_mode(0o600)).unwrap();
        let (mut probe, mut other) = (bench.probe("a").await, bench.probe("b").await);
        probe.cannot("list /data/ns").await;

        bench.jailer.show("a", folder(&host, "ns", true)).await.unwrap();
        assert_eq!(probe.can("read /data/ns/before").await, "old");
        probe.can("write /data/ns/after new").await;
        assert_eq!(fs::read_to_string(host.join("after")).unwrap(), "new");
        assert_eq!(fs::metadata(host.join("after")).unwrap().uid(), rustix::process::geteuid().as_raw());
        assert_eq!(other.can("list /data").await, "");

        bench.jailer.show("a", folder(&host, "ro", false)).await.unwrap();
        assert_eq!(probe.can("read /data/ro/before").await, "old");
        probe.cannot("write /data/ro/x x").await;

        bench.jailer.hide("a", "ro").await.unwrap();
        probe.cannot("read /data/ro/before").await;
        for name in ["..", "a/b", "", "/"] {
            bench.jailer.show("a", folder(&host, name, true)).await.unwrap_err();
        }
        bench.jailer.show("a", folder(&host, "ns", true)).await.unwrap_err();
        bench.jailer.show("nobody", folder(&host, "ns", true)).await.unwrap_err();
        probe.leave();
        probe.exit().await;
        // The end of an instance takes its view away, not the folder.
        assert_eq!(fs::read_to_string(host.join("before")).unwrap(), "old");
    });
}

fn seal() {
    isolated(Layers::ALL, |bench| async move {
        let mut probe = bench.probe("a").await;
        probe.can("listen /run/debug/debug.sock").await;
        probe.can("write /run/debug/before x").await;
        bench.jailer.seal("a").await.unwrap();
        for attack in ["write /run/debug/after x", "remove /run/debug/debug.sock", "link /x /run/debug/y"] {
            probe.cannot(attack).await;
        }
        std::os::unix::net::UnixStream::connect(probe.dir.join("debug/debug.sock")).unwrap();
    });
    isolated(Layers { seal: false, ..Layers::ALL }, |bench| async move {
        let mut probe = bench.probe("a").await;
        probe.can("listen /run/debug/debug.sock").await;
        bench.jailer.seal("a").await.unwrap();
        probe.can("write /run/debug/after x").await;
        probe.can("remove /run/debug/debug.sock").await;
    });
}

fn seal_refuses() {
    // The system call policy stops links too; here it is about the seal.
    isolated(Layers { seccomp: false, ..Layers::ALL }, |bench| async move {
        let mut probe = bench.probe("a").await;
        probe.can("link /run/hearth/bindings.sock /run/debug/debug.sock").await;
        let error = bench.jailer.seal("a").await.unwrap_err().to_string();
        assert!(error.contains("not a socket"), "{error}");

        let mut probe = bench.probe("b").await;
        probe.can("write /run/debug/debug.sock x").await;
        bench.jailer.seal("b").await.unwrap_err();

        // What it has open for writing it could still change.
        let mut probe = bench.probe("c").await;
        probe.can("listen /run/debug/debug.sock").await;
        probe.can("hold /run/debug/file").await;
        bench.jailer.seal("c").await.unwrap_err();
    });
}

/// Plays Hearth in a process that can be killed: prints the pids of the jailer's child and waits.
fn helper() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let layers = Layers { seccomp: false, ..Layers::ALL };
    let user = rustix::process::geteuid().is_root().then_some(User { uid: DEFAULT_UID, gid: DEFAULT_UID });
    let config = Config { user, ..bench::config(&folder, None) };
    let (handle, _) = hearth_jail::start_with(config, layers).unwrap();
    // The jailer must die with a Hearth that is nobody to it.
    hearth_jail::drop_privileges(user).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let jailer = handle.into_async().unwrap();
        let bench = Bench { jailer, folder: tempfile::tempdir().unwrap() };
        let mut obedient = bench.probe_in(&folder, "obedient").await;
        let mut stubborn = bench.probe_in(&folder, "stubborn").await;
        for probe in [&mut obedient, &mut stubborn] {
            probe.can("stay").await;
        }
        stubborn.can("outlive").await;
        println!("pids {} {}", obedient.spawned.pid, stubborn.spawned.pid);
        std::future::pending::<()>().await;
    });
}

/// Starts a Hearth with an instance that cannot outlive it and one that can, and kills it.
fn kill_hearth(folder: &Path) -> Option<[String; 2]> {
    let mut hearth = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "helper_hearth"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(hearth.stdout.take().unwrap()).lines();
    let pids = lines.map_while(Result::ok).find_map(|line| Some(line.strip_prefix("pids ")?.to_owned()));
    let pids = pids.as_deref().and_then(|pids| pids.split_once(' '));
    let pids = pids.map(|(one, two)| [one.to_owned(), two.to_owned()]);
    // Otherwise the jailer may be quick enough to see its socket close and end its instances in order, and nothing would
    // be said of what happens when it is not.
    if let Some([one, _]) = &pids {
        stop(&parent_of(one));
    }
    // SIGKILL.
    hearth.kill().unwrap();
    hearth.wait().unwrap();
    if pids.is_none() {
        eprintln!("SKIPPED, NOTHING IS TESTED HERE: the full tier is not available");
    }
    pids
}

pub fn parent_of(pid: &str) -> String {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim().to_owned()
}

fn stop(pid: &str) {
    let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
}

fn lives(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie waits for whoever adopted it.
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

fn ends(pid: &str) -> bool {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if !lives(pid) {
            return true;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    false
}

fn killed() {
    let folder = tempfile::tempdir().unwrap();
    let Some([obedient, stubborn]) = kill_hearth(folder.path()) else { return };
    assert!(ends(&obedient), "{obedient} outlives Hearth");
    // Without the binding to Hearth's life, which the system call policy otherwise protects, it would live on.
    assert!(lives(&stubborn));
    drop(hearth_jail::start(bench::config(folder.path(), None)).unwrap());
}

fn reaped() {
    let folder = tempfile::tempdir().unwrap();
    let Some([_, stubborn]) = kill_hearth(folder.path()) else { return };
    assert!(lives(&stubborn));
    let left = folder.path().join("run/i/stubborn");
    assert!(left.exists());
    if hearth_jail::examine().findings.iter().any(|finding| finding.name == "cgroups" && finding.ok) {
        // Its note is gone, so that only the cgroup leads to it. Elsewhere there is only the note.
        fs::remove_file(left.join("pid")).unwrap();
    }
    let jailer = hearth_jail::start(bench::config(folder.path(), None)).unwrap();
    assert!(ends(&stubborn));
    assert!(!left.exists());
    drop(jailer);
}

/// The process that faces the network, after it has given up what it does not need: says what it can still do.
fn dropped() {
    let folder = PathBuf::from(std::env::var_os(FOLDER).unwrap());
    let user = std::env::var_os(LEAVES).map(|_| User { uid: DEFAULT_UID, gid: DEFAULT_UID });
    hearth_jail::drop_privileges(user).unwrap();
    let reads = |name: &str| fs::read_to_string(folder.join(name)).is_ok();
    let held = rustix::thread::capabilities(None).unwrap();
    let kept = rustix::thread::CapabilitySet::NET_BIND_SERVICE;
    let none = (held.effective - kept).is_empty() && (held.permitted - kept).is_empty();
    // Not by executing something either.
    let executed = Command::new("cat").arg(folder.join("other")).stderr(Stdio::null()).output().unwrap();
    let back = rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).is_ok();
    println!(
        "other {} executed {} capabilities {} root {} back {} groups {}",
        reads("other"),
        executed.status.success(),
        !none || !rustix::thread::no_new_privs().unwrap(),
        reads("root"),
        back,
        rustix::process::getgroups().unwrap().len(),
    );
}

fn privileges() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED, NOTHING IS TESTED HERE: there are no privileges to give up");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).unwrap();
    for (name, uid) in [("root", 0), ("other", 65_534)] {
        let path = folder.path().join(name);
        fs::write(&path, "x").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        std::os::unix::fs::chown(&path, Some(uid), Some(uid)).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "x");
    }
    let after = |leaves: bool| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "helper_dropped"]).env(FOLDER, folder.path());
        if leaves {
            command.env(LEAVES, "1");
        }
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    };
    let said = after(true);
    assert_eq!(said, "other false executed false capabilities false root false back false groups 0\n");
    // Without leaving uid 0 all that is root's stays open, /etc/shadow among it.
    let said = after(false);
    assert!(said.starts_with("other false executed false capabilities false root true back true"), "{said}");
}

fn settled() {
    let folder = tempfile::tempdir().unwrap();
    let own = DEFAULT_UID;
    let data = folder.path().join("data");
    for part in ["blobs", "runtime"] {
        fs::create_dir_all(data.join(part)).unwrap();
    }
    fs::write(data.join("blobs/one"), "x").unwrap();
    let settle = || hearth_jail::settle(&data, own).unwrap().map(|user| user.uid);
    if !rustix::process::geteuid().is_root() {
        assert_eq!(settle(), None);
        return;
    }
    let owner = |path: &str| fs::metadata(data.join(path)).unwrap().uid();
    let open = |mode| fs::set_permissions(folder.path(), fs::Permissions::from_mode(mode)).unwrap();
    open(0o711);
    assert_eq!(settle(), None, "somebody else's folder");
    fs::write(data.join("hearth.db"), "x").unwrap();
    open(0o700);
    assert_eq!(settle(), None, "out of reach");
    assert_eq!((owner("."), owner("blobs/one")), (0, 0));
    open(0o711);
    assert_eq!(settle(), Some(own));
    assert_eq!([".", "hearth.db", "blobs", "blobs/one", "runtime"].map(owner), [own, own, own, own, 0]);
    assert_eq!(settle(), Some(own));
    // Whom the operator gave it to.
    std::os::unix::fs::chown(&data, Some(65_534), Some(65_534)).unwrap();
    assert_eq!(settle(), Some(65_534));
}
