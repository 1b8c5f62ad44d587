//! What the machine offers, found by trying it in forked children.

use std::fs;
use std::io;
use std::os::fd::AsFd;

use rustix::process::{Resource, WaitId, WaitIdOptions, waitid};
use rustix::thread::{CapabilitySet, UnshareFlags};

use crate::cgroup::Cgroups;
use crate::config::{Config, Layers, Program, Tier};
use crate::policy::Policy;
use crate::sys::{self, Forked};
use crate::{mounts, privileges};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is, in a word or two.
    pub name: &'static str,
    /// It is as it should be.
    pub ok: bool,
    /// What was found.
    pub detail: String,
    /// What to do about it; empty when nothing.
    pub remedy: String,
}

/// What the machine offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The best tier here, or the one that is in use.
    pub tier: Tier,
    /// Everything that was looked at.
    pub findings: Vec<Finding>,
}

/// Examines the machine. Needs no jailer and changes nothing.
pub fn examine() -> Report {
    let installation = format!("probe-{}", std::process::id());
    examine_for(&Config { installation, ..Config::default() }).0
}

/// Examines the machine for one configuration; the layers are those that work.
pub(crate) fn examine_for(config: &Config) -> (Report, Layers) {
    let mut findings = Vec::new();
    let mut note = |name, result: Result<String, String>, remedy: &str| {
        let (ok, detail) = match result {
            Ok(detail) => (true, detail),
            Err(detail) => (false, detail),
        };
        let remedy = if ok { String::new() } else { remedy.to_owned() };
        findings.push(Finding { name, ok, detail, remedy });
        ok
    };

    let root = rustix::process::geteuid().is_root();
    note(
        "user",
        Ok(if root {
            "root: each instance gets a uid of its own"
        } else {
            "not root: instances share Hearth's uid"
        }
        .into()),
        "",
    );
    let namespaces = note(
        "namespaces",
        attempt(|| try_namespaces(false)).map(|()| "user, pid, mount, network, ipc and uts".into()),
        "Allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces, \
         kernel.apparmor_restrict_unprivileged_userns=0), or run as root; in Docker add --security-opt \
         seccomp=unconfined --cap-add SYS_ADMIN.",
    );
    let mount = note(
        "mounts",
        attempt(|| try_namespaces(true)).map(|()| "a root of its own can be built".into()),
        "Mounting inside a user namespace is refused: look at AppArmor, SELinux or the container's seccomp profile.",
    );
    let uid = !root
        || note(
            "uids",
            uid_is_mapped(config.base_uid),
            "This container knows only some uids: choose base_uid among those in /proc/self/uid_map.",
        );
    let seccomp = note(
        "seccomp",
        attempt(|| Policy::of(Program::Runtime)?.apply()).map(|()| "filters can be set".into()),
        "The kernel needs CONFIG_SECCOMP_FILTER.",
    );
    let capabilities = note(
        "capabilities",
        attempt(|| privileges::keep_only(CapabilitySet::empty())).map(|()| "can be given up".into()),
        "",
    );
    let cgroup = note(
        "cgroups",
        try_cgroups(config),
        "Give Hearth a cgroup of its own with the memory, cpu and pids controllers: systemd-run --user -p Delegate=yes, \
         or Delegate=yes in its unit; with version 1 run it as root.",
    );
    let landlock = note(
        "landlock",
        match sys::landlock_abi() {
            0 => Err("not offered by this kernel".into()),
            version => Ok(format!("version {version}")),
        },
        "Add landlock to the kernel's lsm= list. Only the tier reduced needs it.",
    );
    note(
        "open files",
        open_files(),
        "Raise the hard limit (LimitNOFILE= in systemd, ulimit -Hn) to 65536 or more.",
    );

    let offered = Layers {
        root: namespaces && mount,
        read_only: true,
        processes: namespaces,
        network: namespaces,
        namespaces,
        uid,
        capabilities,
        seccomp,
        landlock,
        descriptors: true,
        seal: true,
        cgroup,
        rlimits: true,
    };
    let tier = if offered.root && seccomp && capabilities && cgroup {
        Tier::Full
    } else if (landlock || offered.root) && seccomp && capabilities {
        Tier::Reduced
    } else {
        Tier::None
    };
    (Report { tier, findings }, offered)
}

/// Does something in a forked child and says how it went.
pub(crate) fn attempt<E: Into<io::Error>>(what: impl FnOnce() -> Result<(), E>) -> Result<(), String> {
    match sys::fork_into(0, None).map_err(|error| error.to_string())? {
        Forked::Child => sys::exit_now(match what().map_err(Into::into) {
            Ok(()) => 0,
            Err(error) => error.raw_os_error().filter(|code| (1..255).contains(code)).unwrap_or(255),
        }),
        Forked::Parent(_, process) => {
            let ended = waitid(WaitId::PidFd(process.as_fd()), WaitIdOptions::EXITED);
            match ended.ok().flatten().and_then(|status| status.exit_status()) {
                Some(0) => Ok(()),
                Some(255) | None => Err("failed".into()),
                Some(code) => Err(io::Error::from_raw_os_error(code).to_string()),
            }
        }
    }
}

/// As an instance is made: namespaces inside what the jailer has.
fn try_namespaces(with_mounts: bool) -> io::Result<()> {
    mounts::enter_namespace()?;
    let own = rustix::process::geteuid().as_raw();
    sys::unshare(
        UnshareFlags::NEWUSER
            | UnshareFlags::NEWPID
            | UnshareFlags::NEWNS
            | UnshareFlags::NEWNET
            | UnshareFlags::NEWIPC
            | UnshareFlags::NEWUTS,
    )?;
    if with_mounts {
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("0 {own} 1"))?;
        mounts::mount_tmpfs("/".as_ref())?;
    }
    Ok(())
}

fn try_cgroups(config: &Config) -> Result<String, String> {
    let cgroups = Cgroups::new(&config.installation)?;
    cgroups.dissolve();
    Ok(cgroups.version().to_owned())
}

fn uid_is_mapped(base: u32) -> Result<String, String> {
    let map = fs::read_to_string("/proc/self/uid_map").map_err(|error| error.to_string())?;
    // Room for far more instances than fit into memory.
    let last = base.saturating_add(65_535);
    let covers = map.lines().any(|line| {
        let words: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        matches!(words[..], [first, _, count] if first <= u64::from(base) && u64::from(last) < first + count)
    });
    if covers { Ok(format!("{base} and up")) } else { Err(format!("{base} and up are not available")) }
}

fn open_files() -> Result<String, String> {
    const WANTED: u64 = 65_536;
    match rustix::process::getrlimit(Resource::Nofile).maximum {
        Some(limit) if limit < WANTED => Err(format!("at most {limit}")),
        Some(limit) => Ok(format!("at most {limit}")),
        None => Ok("no limit".into()),
    }
}
