//! Forking the jailer, and Hearth's end of the connection until the async runtime exists.

use std::fs;
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::config::{Config, Context, Error, Layers, Result, Tier};
use crate::report::{self, Report};
use crate::wire::{self, News};
use crate::{server, sys};

/// A jailer that runs, before the async runtime does. Instances and the jailer end when this is dropped.
#[derive(Debug)]
pub struct JailerHandle {
    pub(crate) socket: OwnedFd,
    pub(crate) process: OwnedFd,
    pub(crate) layers: Layers,
    pub(crate) tier: Tier,
}

/// Starts the jailer, ending and removing what an earlier run of the same installation left. The jailer is bound to
/// the life of the calling thread.
///
/// # Errors
/// When other threads exist already, the configuration is unusable, or the machine does not offer the tier.
pub fn start(config: Config) -> Result<(JailerHandle, Report)> {
    start_with(config, Layers::ALL)
}

/// Like [`start`], without the protections that `layers` leaves out: for tests, which must see each attack succeed
/// without its layer.
///
/// # Errors
/// Those of [`start`].
pub fn start_with(config: Config, layers: Layers) -> Result<(JailerHandle, Report)> {
    check(&config)?;
    fs::create_dir_all(&config.run_dir).step("making the run folder")?;
    let (report, available) = report::examine_for(&config);
    let tier = config.tier.unwrap_or(report.tier);
    if tier > report.tier {
        let missing = report.findings.iter().filter(|finding| !finding.ok).map(|finding| finding.name);
        return Err(Error::Unavailable { wanted: tier, missing: missing.collect::<Vec<_>>().join(", ") });
    }
    let layers = of(tier, config.tier.is_some(), available).and(layers);

    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .step("making a socket")?;
    let process = match sys::fork_into(0, None).step("forking the jailer")? {
        sys::Forked::Child => become_jailer(config, layers, theirs),
        sys::Forked::Parent(_, process) => process,
    };
    drop(theirs);
    match wire::receive::<News>(&ours).step("waiting for the jailer")? {
        Some((News::Ready(Ok(())), _)) => {
            Ok((JailerHandle { socket: ours, process, layers, tier }, Report { tier, ..report }))
        }
        Some((News::Ready(Err(words)), _)) => Err(Error::Remote(words)),
        _ => Err(Error::Gone),
    }
}

/// The layers of a tier on a machine that offers `available`.
fn of(tier: Tier, asked_for: bool, available: Layers) -> Layers {
    let mut layers = match tier {
        Tier::None => Layers::PLAIN,
        // Asked for by name it is what the name says; otherwise the machine lacks something, and the rest is used.
        Tier::Reduced if asked_for => Layers { namespaces: false, ..available },
        _ => available,
    };
    layers = layers.and(Layers::ALL);
    if layers.root {
        layers.landlock = false;
    }
    layers
}

fn become_jailer(config: Config, layers: Layers, socket: OwnedFd) -> ! {
    sys::reset_signals();
    // Hearth decides when instances end, not a terminal or a service manager that signals the whole group.
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGPIPE] {
        sys::ignore_signal(signal);
    }
    if let Some(user) = config.user {
        // The signal that ends us with the server comes from the server's user, who needs the right to send it: its uid
        // as one of ours. It can do nothing else with it.
        let (root, server) = (rustix::process::Uid::ROOT, rustix::process::Uid::from_raw(user.uid));
        if rustix::thread::set_thread_res_uid(root, root, server).is_err() {
            sys::exit_now(1);
        }
    }
    let bound = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let alone = rustix::process::setsid();
    let named = rustix::thread::set_name(c"hearth-jailer");
    if bound.and(alone.map(drop)).and(named).is_err() {
        sys::exit_now(1);
    }
    let socket = match rustix::io::fcntl_dupfd_cloexec(&socket, 3) {
        Ok(copy) => {
            std::mem::forget(socket);
            copy
        }
        Err(_) => sys::exit_now(1),
    };
    // Nothing that Hearth has open is the jailer's business.
    if layers.descriptors && sys::close_all_but(&socket).is_err() {
        sys::exit_now(1);
    }
    // A panic must not unwind into the main program's code, of which this process holds a copy.
    let run = std::panic::AssertUnwindSafe(|| server::run(config, layers, socket));
    match std::panic::catch_unwind(run) {
        Ok(never) => never,
        Err(_) => sys::exit_now(1),
    }
}

fn check(config: &Config) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if config.installation.is_empty() || !config.installation.chars().all(plain) {
        return Err(Error::Invalid(format!("the installation's id {:?} is not plain", config.installation)));
    }
    if !config.run_dir.is_absolute() || !config.runtime.is_absolute() {
        return Err(Error::Invalid("run_dir and runtime must be absolute paths".into()));
    }
    let status = fs::read_to_string("/proc/self/status").step("reading /proc/self/status")?;
    let threads = status.lines().find_map(|line| line.strip_prefix("Threads:"));
    match threads.map(str::trim) {
        Some("1") => Ok(()),
        _ => Err(Error::Invalid("the jailer must be started before any thread".into())),
    }
}
