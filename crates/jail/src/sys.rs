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

/// `struct ifreq` of the kernel: a name and 24 bytes that depend on the request.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    value: [u8; 24],
}

/// `struct in6_ifreq`.
#[repr(C)]
struct AddressV6 {
    address: [u8; 16],
    prefix: u32,
    interface: i32,
}

/// `struct rtentry`.
#[repr(C)]
struct RouteV4 {
    pad1: libc::c_ulong,
    dst: [u8; 16],
    gateway: [u8; 16],
    mask: [u8; 16],
    flags: libc::c_ushort,
    pad2: libc::c_short,
    pad3: libc::c_ulong,
    pad4: *const libc::c_void,
    metric: libc::c_short,
    device: *const libc::c_char,
    mtu: libc::c_ulong,
    window: libc::c_ulong,
    irtt: libc::c_ushort,
}

/// `struct in6_rtmsg`.
#[repr(C)]
struct RouteV6 {
    dst: [u8; 16],
    src: [u8; 16],
    gateway: [u8; 16],
    kind: u32,
    dst_len: u16,
    src_len: u16,
    metric: u32,
    info: libc::c_ulong,
    flags: u32,
    interface: i32,
}

/// `_IOW('T', 202, int)` of `linux/if_tun.h`.
const TUNSETIFF: libc::c_ulong = 0x4004_54ca;

impl InterfaceRequest {
    fn new(name: &str) -> Self {
        let mut request = Self { name: [0; 16], value: [0; 24] };
        request.name[..name.len()].copy_from_slice(name.as_bytes());
        request
    }

    fn with_number(name: &str, number: i32) -> Self {
        let mut request = Self::new(name);
        request.value[..4].copy_from_slice(&number.to_ne_bytes());
        request
    }

    fn with_flags(name: &str, flags: libc::c_int) -> Self {
        Self::with_number(name, flags)
    }

    fn with_address(name: &str, address: std::net::Ipv4Addr) -> Self {
        let mut request = Self::new(name);
        request.value[..16].copy_from_slice(&socket_address(address));
        request
    }
}

/// `struct sockaddr_in`.
fn socket_address(address: std::net::Ipv4Addr) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..2].copy_from_slice(&(libc::AF_INET as u16).to_ne_bytes());
    bytes[4..8].copy_from_slice(&address.octets());
    bytes
}

/// A control request that the kernel reads or writes `argument` for.
fn control<T>(fd: &OwnedFd, request: libc::c_ulong, argument: &mut T) -> io::Result<()> {
    // SAFETY: every caller passes the structure that the request names, which lives through the call.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request as _, std::ptr::from_mut(argument)) }.into()).map(drop)
}

fn control_socket(family: libc::c_int) -> io::Result<OwnedFd> {
    // SAFETY: plain integers.
    let fd = check(unsafe { libc::socket(family, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) }.into())?;
    // SAFETY: the kernel has just opened it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

/// Switches the loopback device of the calling process's network namespace on.
pub(crate) fn raise_loopback() -> io::Result<()> {
    let socket = control_socket(libc::AF_INET)?;
    control(&socket, libc::SIOCSIFFLAGS as _, &mut InterfaceRequest::with_flags("lo", libc::IFF_UP))
}

/// Makes a tunnel device in the calling process's network namespace, gives it addresses and a route for everything, and
/// returns its other end.
pub(crate) fn open_tunnel(v4: std::net::Ipv4Addr, v6: std::net::Ipv6Addr, mtu: u16) -> io::Result<OwnedFd> {
    const NAME: &str = "eth0";
    let flags = libc::O_RDWR | libc::O_CLOEXEC | libc::O_NONBLOCK;
    // SAFETY: the path ends in a zero.
    let fd = check(unsafe { libc::open(c"/dev/net/tun".as_ptr(), flags) }.into())?;
    // SAFETY: the kernel has just opened it for us.
    let device = unsafe { OwnedFd::from_raw_fd(fd as RawFd) };
    let kind = libc::IFF_TUN | libc::IFF_NO_PI;
    control(&device, TUNSETIFF, &mut InterfaceRequest::with_flags(NAME, kind))?;

    let socket = control_socket(libc::AF_INET)?;
    control(&socket, libc::SIOCSIFMTU as _, &mut InterfaceRequest::with_number(NAME, mtu.into()))?;
    control(&socket, libc::SIOCSIFADDR as _, &mut InterfaceRequest::with_address(NAME, v4))?;
    control(&socket, libc::SIOCSIFFLAGS as _, &mut InterfaceRequest::with_flags(NAME, libc::IFF_UP))?;
    let any = socket_address(std::net::Ipv4Addr::UNSPECIFIED);
    let mut route = RouteV4 {
        pad1: 0,
        dst: any,
        gateway: any,
        mask: any,
        flags: libc::RTF_UP,
        pad2: 0,
        pad3: 0,
        pad4: std::ptr::null(),
        metric: 0,
        device: c"eth0".as_ptr(),
        mtu: 0,
        window: 0,
        irtt: 0,
    };
    control(&socket, libc::SIOCADDRT as _, &mut route)?;

    let mut index = InterfaceRequest::new(NAME);
    control(&socket, libc::SIOCGIFINDEX as _, &mut index)?;
    let interface = i32::from_ne_bytes([index.value[0], index.value[1], index.value[2], index.value[3]]);
    let Ok(socket) = control_socket(libc::AF_INET6) else {
        // A kernel without version 6.
        return Ok(device);
    };
    let mut address = AddressV6 { address: v6.octets(), prefix: 64, interface };
    let mut route = RouteV6 {
        dst: [0; 16],
        src: [0; 16],
        gateway: [0; 16],
        kind: 0,
        dst_len: 0,
        src_len: 0,
        metric: 1,
        info: 0,
        flags: libc::RTF_UP.into(),
        interface,
    };
    // Version 6 may be switched off.
    let _ = control(&socket, libc::SIOCSIFADDR as _, &mut address)
        .and_then(|()| control(&socket, libc::SIOCADDRT as _, &mut route));
    Ok(device)
}

/// Watches a descriptor for async code.
pub(crate) fn watch(fd: OwnedFd) -> io::Result<tokio::io::unix::AsyncFd<OwnedFd>> {
    // SAFETY: the descriptor is owned by what is returned, which neither replaces nor closes it before its own end.
    Ok(unsafe { tokio::io::unix::AsyncFd::register(fd) }?)
}

/// Reads one byte from stdin and no more. False: it has ended.
pub(crate) fn read_byte() -> io::Result<bool> {
    let mut byte = 0_u8;
    // SAFETY: the kernel writes at most one byte to `byte`, which lives through the call.
    check(unsafe { libc::read(0, (&raw mut byte).cast(), 1) } as libc::c_long).map(|read| read == 1)
}
