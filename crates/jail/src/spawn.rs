//! Starting one instance: what the jailer does outside, and what the new process does to itself before it becomes its
//! program.

use std::ffi::CString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Pid, Resource, Rlimit};
use rustix::thread::{CapabilitySet, UnshareFlags};

use crate::cgroup::Entrance;
use crate::config::{Context, Error, Folder, Layers, Limits, Program, Result};
use crate::image::Image;
use crate::policy::Policy;
use crate::privileges::{self, User};
use crate::sys::{self, Forked};
use crate::{landlock, mounts, network};

/// What a new process becomes.
pub(crate) struct Plan<'a> {
    pub layers: Layers,
    pub image: &'a Image,
    pub policy: &'a Policy,
    pub slot: u32,
    pub dir: &'a Path,
    pub args: &'a [String],
    pub folders: &'a [Folder],
    /// Who it is outside, where that is not the jailer's own user.
    pub user: Option<User>,
    pub limits: &'a Limits,
    pub entrance: Option<Entrance>,
    /// Where its network device is sent.
    pub device: Option<&'a OwnedFd>,
    /// Where sockets for its loopback device are sent.
    pub loopback: Option<&'a OwnedFd>,
}

/// Starts it and waits until its program executes.
pub(crate) fn spawn(plan: &Plan<'_>, fds: &[OwnedFd]) -> Result<(Pid, OwnedFd)> {
    let (go_reader, go) = pipe().step("making a pipe")?;
    let (status, status_writer) = pipe().step("making a pipe")?;
    let mut flags = 0;
    if plan.layers.namespaces {
        flags |= libc::CLONE_NEWUSER | libc::CLONE_NEWIPC | libc::CLONE_NEWUTS;
        for (layer, flag) in [
            (plan.layers.root, libc::CLONE_NEWNS),
            (plan.layers.processes, libc::CLONE_NEWPID),
            (plan.layers.network, libc::CLONE_NEWNET),
        ] {
            flags |= if layer { flag } else { 0 };
        }
    }
    let cgroup = match &plan.entrance {
        Some(Entrance::Birth(folder)) => Some(folder.as_fd()),
        _ => None,
    };
    let (pid, pidfd) = match sys::fork_into(flags, cgroup).step("forking into new namespaces")? {
        Forked::Child => {
            drop((go, status));
            // An unwinding panic would run the jailer's code in the instance.
            let failure = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                become_program(plan, fds, go_reader, &status_writer)
            }));
            if plan.image.program == Program::Compiled && rustix::io::fcntl_getfd(&status_writer).is_err() {
                // It waited, and what it waited for does not run.
                sys::exit_now(127)
            }
            let words =
                failure.map_or_else(|_| "panic while setting up".to_owned(), |error| error.to_string());
            let _ = fs::File::from(status_writer).write_all(words.as_bytes());
            sys::exit_now(127)
        }
        Forked::Parent(pid, pidfd) => (pid, pidfd),
    };
    drop((go_reader, status_writer));
    let started = (|| {
        if plan.layers.namespaces {
            map_owner(pid, plan.user).step("mapping the uid")?;
        }
        let mut go = fs::File::from(go);
        go.write_all(&[1]).step("releasing the process")?;
        let mut words = String::new();
        // Ends when the program executes, since the other end closes then. `go` stays open until here: by it the
        // process knows that the jailer lives.
        fs::File::from(status).read_to_string(&mut words).step("waiting for the process")?;
        drop(go);
        if words.is_empty() { Ok(()) } else { Err(Error::Invalid(words)) }
    })();
    if let Err(error) = started {
        let _ = rustix::process::pidfd_send_signal(&pidfd, rustix::process::Signal::KILL);
        let _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::empty());
        return Err(error);
    }
    Ok((pid, pidfd))
}

fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?)
}

/// Makes uid and gid 0 of the new namespace the plain outside ones.
fn map_owner(pid: Pid, user: Option<User>) -> io::Result<()> {
    let proc = format!("/proc/{}", pid.as_raw_nonzero());
    let User { uid, gid } = user.unwrap_or_else(User::current);
    if user.is_none() {
        // Without privileges over other groups a group may only be mapped when none can be given up any more.
        fs::write(format!("{proc}/setgroups"), "deny")?;
    }
    fs::write(format!("{proc}/uid_map"), format!("0 {uid} 1"))?;
    fs::write(format!("{proc}/gid_map"), format!("0 {gid} 1"))
}

/// Runs in the new process. Returns only when something failed.
fn become_program(plan: &Plan<'_>, fds: &[OwnedFd], go: OwnedFd, status: &OwnedFd) -> Error {
    match prepare(plan, fds, go, status) {
        Ok((path, args, env)) => {
            if plan.image.program == Program::Compiled {
                wait_for_program(fds.len());
            }
            Error::Step { step: "executing the program".into(), source: sys::exec(&path, &args, &env) }
        }
        Err(error) => error,
    }
}

/// Waits, jailed, until a byte comes on stdin: the program is shown meanwhile. For the jailer the process has started. Nobody
/// hears a failure from here on but by the process's end.
fn wait_for_program(fds: usize) {
    let first = i32::try_from(fds).unwrap_or(3);
    if sys::close_from(first, false).is_err() || !sys::read_byte().unwrap_or(false) {
        sys::exit_now(0);
    }
}

type Execution = (CString, Vec<CString>, Vec<CString>);

fn prepare(plan: &Plan<'_>, fds: &[OwnedFd], go: OwnedFd, status: &OwnedFd) -> Result<Execution> {
    let layers = plan.layers;
    sys::reset_signals();
    let mut byte = [0];
    if rustix::io::read(&go, &mut byte).step("waiting for the jailer")? == 0 {
        sys::exit_now(0);
    }
    if let Some(Entrance::Doors(doors)) = &plan.entrance {
        for mut door in doors {
            door.write_all(b"0").step("entering the cgroup")?;
        }
    }
    if let Some(to) = plan.device.filter(|_| layers.network) {
        // As who forked: on many machines only root may open the device.
        network::bring_up(to).step("making its network device")?;
    }
    if let Some(to) = plan.loopback.filter(|_| layers.network) {
        network::raise_loopback(to).step("making its loopback device")?;
    }
    take_owner(plan).step("taking its uid")?;
    if layers.namespaces {
        if layers.cgroup {
            sys::unshare(UnshareFlags::NEWCGROUP).step("making a cgroup namespace")?;
        }
        rustix::system::sethostname(b"hearth").step("naming the host")?;
    }
    if layers.root {
        mounts::enter_root(plan.slot, plan.image.program, layers.read_only).step("entering its root")?;
    }
    rustix::process::setsid().step("making a session")?;

    let (go, status) = arrange(fds, &go, status, layers.descriptors).step("arranging descriptors")?;
    if layers.rlimits {
        limit(plan.limits).step("setting resource limits")?;
    }
    let execution = execution(plan)?;
    if layers.capabilities {
        privileges::keep_only(CapabilitySet::empty()).step("giving up capabilities")?;
        rustix::thread::set_no_new_privs(true).step("setting no_new_privs")?;
    }
    if layers.landlock {
        landlock::restrict(plan.image, plan.dir, plan.folders).step("restricting files with landlock")?;
    }
    // After the last change of uid or capabilities, since those clear it.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .step("binding its life to the jailer's")?;
    if !jailer_lives(&go) {
        sys::exit_now(0);
    }
    if layers.seccomp {
        plan.policy.apply().step("setting the system call policy")?;
    }
    // They close when the program executes, which is the sign that it does.
    std::mem::forget((go, status));
    Ok(execution)
}

/// Takes the uid inside: 0 of a user namespace, which is a plain one outside, or the plain one itself.
fn take_owner(plan: &Plan<'_>) -> io::Result<()> {
    use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
    let User { uid, gid } = match (plan.layers.namespaces, plan.user) {
        (true, _) => User { uid: 0, gid: 0 },
        (false, Some(user)) => user,
        (false, None) => return Ok(()),
    };
    if plan.user.is_some() {
        set_thread_groups(&[])?;
    }
    let (uid, gid) = (rustix::process::Uid::from_raw(uid), rustix::process::Gid::from_raw(gid));
    set_thread_res_gid(gid, gid, gid)?;
    Ok(set_thread_res_uid(uid, uid, uid)?)
}

/// Puts the descriptors at 0, 1, 2… and, for these to be `alone`, marks all others to be closed. Returns the two that the set-up still needs.
fn arrange(fds: &[OwnedFd], go: &OwnedFd, status: &OwnedFd, alone: bool) -> io::Result<(OwnedFd, OwnedFd)> {
    let count = i32::try_from(fds.len()).map_err(io::Error::other)?;
    let aside =
        fds.iter().map(|fd| fcntl_dupfd_cloexec(fd, count)).collect::<rustix::io::Result<Vec<_>>>()?;
    let kept = (fcntl_dupfd_cloexec(go, count)?, fcntl_dupfd_cloexec(status, count)?);
    for (fd, number) in aside.iter().zip(0..) {
        sys::place(fd.as_fd(), number)?;
    }
    if alone {
        sys::close_from(count, true)?;
    }
    // Their numbers may be those of objects of the jailer's that this process has a copy of.
    std::mem::forget(aside);
    Ok(kept)
}

fn limit(limits: &Limits) -> io::Result<()> {
    apply_rlimits(None, limits)?;
    rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}

/// Sets the limits that belong to a process; `None` is the calling one.
pub(crate) fn apply_rlimits(pid: Option<Pid>, limits: &Limits) -> io::Result<()> {
    let held = rustix::process::getrlimit(Resource::Nofile).maximum;
    let files = Some(held.map_or(limits.nofile, |held| held.min(limits.nofile)));
    let size = (limits.fsize_bytes != 0).then_some(limits.fsize_bytes);
    rustix::process::prlimit(pid, Resource::Nofile, Rlimit { current: files, maximum: files })?;
    if size.is_some() {
        rustix::process::prlimit(pid, Resource::Fsize, Rlimit { current: size, maximum: size })?;
    }
    Ok(())
}

fn execution(plan: &Plan<'_>) -> Result<Execution> {
    let zero = |_| Error::Invalid("a path or an argument holds a zero byte".into());
    let path = if plan.layers.root { &plan.image.inside } else { &plan.image.path };
    let path = CString::new(path.as_os_str().as_bytes()).map_err(zero)?;
    let args = plan.args.iter().map(|arg| CString::new(arg.as_bytes()).map_err(zero));
    let args = std::iter::once(Ok(path.clone())).chain(args).collect::<Result<_>>()?;
    let mut env = Vec::new();
    if plan.layers.root
        && let Some(folders) = plan.image.library_path()
    {
        env.push(CString::new(format!("LD_LIBRARY_PATH={folders}")).map_err(zero)?);
    }
    for (name, value) in &plan.image.env {
        env.push(CString::new(format!("{name}={value}")).map_err(zero)?);
    }
    for (name, value) in &plan.image.env {
        env.push(CString::new(format!("{name}={value}")).map_err(zero)?);
    }
    Ok((path, args, env))
}

/// The jailer holds the other end open until the program executes.
fn jailer_lives(go: &OwnedFd) -> bool {
    let mut wait = [rustix::event::PollFd::new(go, rustix::event::PollFlags::IN)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    debug_assert!(go.as_raw_fd() > 2);
    matches!(rustix::event::poll(&mut wait, Some(&now)), Ok(0))
}
