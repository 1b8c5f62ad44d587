//! System calls that no safe crate offers. All of the crate's unsafe code that is not about descriptors is here.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use rustix::process::Pid;

/// Mount flags of `mount_setattr`, from the kernel's `linux/mount.h`.
pub(crate) const READ_ONLY: u64 = 0x1;
pub(crate) const NO_SUID: u64 = 0x2;
pub(crate) const NO_DEVICES: u64 = 0x4;
pub(crate) const NO_EXEC: u64 = 0x8;
const OWNERS_MAPPED: u64 = 0x10_0000;

const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Which side of a fork this is.
pub(crate) enum Forked {
    /// The new process.
    Child,
    /// The old one, with the new one's pid and a descriptor of it.
    Parent(Pid, OwnedFd),
}

/// `struct clone_args` of the kernel, version 2.
#[repr(C, align(8))]
#[derive(Default)]
struct CloneArgs {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
    set_tid: u64,
    set_tid_size: u64,
    cgroup: u64,
}

/// A fork into new namespaces, `flags` being `CLONE_NEW*`, and where given into a cgroup (v2, by its folder).
///
/// The caller must be the only thread of its process: then every lock is free, and the child may do what any process
/// may.
pub(crate) fn fork_into(flags: libc::c_int, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Forked> {
    let mut pidfd: RawFd = -1;
    let into_cgroup = if cgroup.is_some() { CLONE_INTO_CGROUP } else { 0 };
    let args = CloneArgs {
        flags: flags as u32 as u64 | libc::CLONE_PIDFD as u64 | into_cgroup,
        cgroup: cgroup.map_or(0, |fd| fd.as_raw_fd() as u64),
        pidfd: &raw mut pidfd as u64,
        exit_signal: libc::SIGCHLD as u64,
        ..CloneArgs::default()
    };
    // SAFETY: the kernel reads `args` and writes one descriptor to `pidfd`, both alive. Without CLONE_VM the child has
    // a copy of all memory, like after fork.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone3, &raw const args, size_of::<CloneArgs>()) })?;
    match Pid::from_raw(pid as i32) {
        None => Ok(Forked::Child),
        // SAFETY: the kernel has just opened it for us.
        Some(pid) => Ok(Forked::Parent(pid, unsafe { OwnedFd::from_raw_fd(pidfd) })),
    }
}

/// Moves this process, which must be single-threaded, into new namespaces.
pub(crate) fn unshare(flags: rustix::thread::UnshareFlags) -> io::Result<()> {
    debug_assert!(!flags.contains(rustix::thread::UnshareFlags::FILES));
    // SAFETY: only unsharing the descriptor table is unsafe, and no caller does that.
    Ok(unsafe { rustix::thread::unshare_unsafe(flags) }?)
}

/// `struct mount_attr` of the kernel.
#[repr(C)]
struct MountAttr {
    set: u64,
    clear: u64,
    propagation: u64,
    userns: u64,
}

/// Changes the mount that `mount` is the root of. `set` are `MOUNT_ATTR_*`; `userns` maps its files' owners.
pub(crate) fn mount_setattr(
    mount: BorrowedFd<'_>,
    set: u64,
    userns: Option<BorrowedFd<'_>>,
    recursive: bool,
) -> io::Result<()> {
    let mut attr = MountAttr { set, clear: 0, propagation: 0, userns: 0 };
    if let Some(userns) = userns {
        attr.set |= OWNERS_MAPPED;
        attr.userns = userns.as_raw_fd() as u64;
    }
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path is empty and ends in a zero, `attr` lives through the call and has the size that is named.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attr,
            size_of::<MountAttr>(),
        )
    })
    .map(drop)
}

/// Puts `fd` at `number` for the program that will be executed, replacing what is there.
///
/// Only for the moment before `exec`: whatever owns `number` in this process is not told.
pub(crate) fn place(fd: BorrowedFd<'_>, number: RawFd) -> io::Result<()> {
    // SAFETY: plain integers; the process only goes on to `exec` or `exit`.
    check(unsafe { libc::dup2(fd.as_raw_fd(), number) }.into()).map(drop)
}

/// Closes every descriptor from `first` on, or marks them to be closed by `exec`.
pub(crate) fn close_from(first: RawFd, at_exec: bool) -> io::Result<()> {
    let flags = if at_exec { libc::CLOSE_RANGE_CLOEXEC } else { 0 };
    // SAFETY: plain integers. Callers close only what nothing in this process uses any more.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, flags) }).map(drop)
}

/// Replaces this process by a program. Returns only on failure.
pub(crate) fn exec(program: &CString, args: &[CString], env: &[CString]) -> io::Error {
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (args, env) = (pointers(args), pointers(env));
    // SAFETY: all three are zero-terminated strings or null-terminated arrays of such, alive through the call.
    unsafe { libc::execve(program.as_ptr(), args.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

/// Ends this process at once, running no destructor: for forked children, which own nothing of what they inherited.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: takes a plain integer and does not return.
    unsafe { libc::_exit(code) }
}

/// Gives every signal its default action and unblocks all: handlers of the process that forked us mean nothing here.
pub(crate) fn reset_signals() {
    for signal in 1..=64 {
        // SAFETY: SIG_DFL is no function pointer of ours; errors (SIGKILL, SIGSTOP, libc's own) change nothing.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: an all-zero sigset_t is a valid value and is initialised by sigemptyset before use.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Ignores a signal.
pub(crate) fn ignore_signal(signal: libc::c_int) {
    // SAFETY: SIG_IGN is no function pointer of ours.
    unsafe { libc::signal(signal, libc::SIG_IGN) };
}

/// The version of landlock that the kernel offers; 0 is none.
pub(crate) fn landlock_abi() -> i64 {
    // SAFETY: with LANDLOCK_CREATE_RULESET_VERSION (1) the kernel takes a null pointer and the size 0.
    let version = unsafe {
        libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<libc::c_void>(), 0usize, 1u32)
    };
    version.max(0)
}

/// The processor's time stamp counter, where it has one that user code may read.
#[cfg(target_arch = "x86_64")]
pub(crate) fn time_stamp() -> Option<u64> {
    // SAFETY: RDTSC exists on every x86-64 processor and touches no memory.
    Some(unsafe { core::arch::x86_64::_rdtsc() })
}

/// The processor's time stamp counter, where it has one that user code may read.
#[cfg(not(target_arch = "x86_64"))]
pub(crate) fn time_stamp() -> Option<u64> {
    None
}

/// Closes every descriptor from 3 on but one.
pub(crate) fn close_all_but(kept: &OwnedFd) -> io::Result<()> {
    let kept = kept.as_raw_fd();
    if kept > 3 {
        // SAFETY: plain integers; a forked process closes what it inherited and never uses.
        check(unsafe { libc::syscall(libc::SYS_close_range, 3u32, kept as u32 - 1, 0u32) })?;
    }
    close_from(kept + 1, false)
}
