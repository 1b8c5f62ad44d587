//! File systems of the full tier.
//!
//! The jailer has a mount namespace of its own, and in it a *stage*: a tmpfs with the root that all instances share
//! (`root`, read-only), and for each instance (`i/<slot>`) its folder, only while it starts, and its `data`. Each
//! instance's namespace is a slave of `data`: what is mounted there later appears inside. The stage is the jailer's
//! working directory, since an instance, born with a copy of the namespace, may not walk through the folders above.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use rustix::fs::{AtFlags, CWD, FileType, Gid, Mode, OFlags, Uid};
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags, mount, mount_change,
    move_mount, open_tree, unmount,
};
use rustix::process::{WaitId, WaitIdOptions, waitid};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use crate::config::{Context, Error, Folder, Program, Result, Toolchain};
use crate::image::Image;
use crate::privileges::User;
use crate::sys::{self, Forked, NO_DEVICES, NO_EXEC, NO_SUID, READ_ONLY};

/// The private `/tmp` of a function, in memory that is charged to it.
const ROOM: &std::ffi::CStr = c"mode=0700,size=64m,nr_inodes=16k";
/// The same where a function is compiled.
const ROOM_TO_BUILD: &std::ffi::CStr = c"mode=0700,size=1g,nr_inodes=256k";

const TSC: &str = "sys/devices/system/cpu/cpu0/tsc_freq_khz";

/// The jailer's own namespace and stage.
pub(crate) struct Stage {
    /// The jailer's mount namespace, to come back to.
    own: OwnedFd,
    /// The stage's folder.
    folder: OwnedFd,
    /// Oldest first.
    mappings: RefCell<Vec<Mapping>>,
}

/// A user namespace, and whom it maps.
struct Mapping {
    files: User,
    instance: User,
    namespace: Rc<OwnedFd>,
}

/// User namespaces that are kept: each is a descriptor.
const MAPPINGS: usize = 512;

/// Moves the calling process to a mount namespace of its own, with a user namespace where privileges are missing.
pub(crate) fn enter_namespace() -> io::Result<()> {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    if sys::unshare(UnshareFlags::NEWNS).is_err() {
        sys::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS)?;
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("{uid} {uid} 1"))?;
        fs::write("/proc/self/gid_map", format!("{gid} {gid} 1"))?;
    }
    Ok(mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?)
}

/// Mounts a tmpfs.
pub(crate) fn mount_tmpfs(at: &Path) -> io::Result<()> {
    Ok(mount("hearth", at, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=0711")?)
}

/// Shows the tree at `source` at `target` too.
fn bind(source: &Path, target: &Path, attributes: u64, recursive: bool) -> io::Result<()> {
    let tree = tree(source, recursive)?;
    sys::mount_setattr(tree.as_fd(), attributes, None, false)?;
    attach(&tree, target)
}

fn tree(source: &Path, recursive: bool) -> io::Result<OwnedFd> {
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    Ok(open_tree(CWD, source, flags)?)
}

fn attach(tree: &OwnedFd, target: &Path) -> io::Result<()> {
    Ok(move_mount(tree, "", CWD, target, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}

impl Stage {
    /// Sets the stage up, in the calling process's mount namespace.
    pub(crate) fn new(run_dir: &Path, images: &[&Image], read_only: bool) -> Result<Self> {
        enter_namespace().step("making the jailer's mount namespace")?;
        let path = run_dir.join("jail");
        fs::create_dir_all(&path).step("making the stage's folder")?;
        mount_tmpfs(&path).step("mounting the stage")?;
        std::env::set_current_dir(&path).step("entering the stage")?;
        make_folder(Path::new("i")).step("making the stage's folders")?;
        make_root(images, read_only).step("making the root that instances share")?;
        let open = |path: &str| rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        Ok(Self {
            own: open("/proc/self/ns/mnt").step("opening the mount namespace")?,
            folder: open(".").step("opening the stage")?,
            mappings: RefCell::default(),
        })
    }

    /// Makes what the instance in `slot` needs on the stage: its folder until [`Stage::started`], and `data`.
    pub(crate) fn prepare(&self, slot: u32, dir: &Path) -> io::Result<()> {
        let place = place(slot);
        for part in [place.clone(), place.join("host"), place.join("data")] {
            make_folder(&part)?;
        }
        // It may see the names of what it is shown.
        fs::set_permissions(place.join("data"), fs::Permissions::from_mode(0o755))?;
        let limits = NO_SUID | NO_DEVICES | NO_EXEC;
        bind(dir, &place.join("host"), limits, false)?;
        let data = place.join("data");
        bind(&data, &data, limits, false)?;
        Ok(mount_change(&data, MountPropagationFlags::SHARED)?)
    }

    /// The instance has its own copy of everything.
    pub(crate) fn started(&self, slot: u32) -> io::Result<()> {
        Ok(unmount(place(slot).join("host"), UnmountFlags::DETACH)?)
    }

    /// Removes what is left of an instance. What is gone already does not matter.
    pub(crate) fn clear(&self, slot: u32) {
        let place = place(slot);
        let shown =
            fs::read_dir(place.join("data")).into_iter().flatten().flatten().map(|entry| entry.path());
        for mounted in shown.chain([place.join("data"), place.join("host")]) {
            // EINVAL: nothing is mounted there (any more).
            let _ = unmount(&mounted, UnmountFlags::DETACH);
        }
        // Only empty folders are removed: a mount that stayed keeps its host folder safe.
        let below =
            fs::read_dir(place.join("data")).into_iter().flatten().flatten().map(|entry| entry.path());
        for folder in below.chain([place.join("data"), place.join("host"), place.clone()]) {
            let _ = fs::remove_dir(folder);
        }
    }

    /// Shows a host folder to an instance as `/data/<name>`. `owners` is given where the instance runs as another user
    /// than the one whose the files are: these two, the files' first.
    pub(crate) fn show(&self, slot: u32, folder: &Folder, owners: Option<(User, User)>) -> io::Result<()> {
        let target = place(slot).join("data").join(&folder.name);
        let tree = tree(&folder.host, false)?;
        let attributes = NO_SUID
            | NO_DEVICES
            | if folder.executable { 0 } else { NO_EXEC }
            | if folder.writable { 0 } else { READ_ONLY };
        let userns = owners.map(|(files, instance)| self.mapping(files, instance)).transpose()?;
        // Complete before it is attached: later changes do not travel to the instance.
        sys::mount_setattr(tree.as_fd(), attributes, userns.as_ref().map(|fd| fd.as_fd()), false)?;
        fs::create_dir(&target)?;
        attach(&tree, &target).inspect_err(|_| drop(fs::remove_dir(&target)))
    }

    /// A user namespace in which `files` is what `instance` is outside. It takes a fork, so it is kept: whose slot
    /// becomes free is somebody else's user next.
    pub(crate) fn mapping(&self, files: User, instance: User) -> io::Result<Rc<OwnedFd>> {
        let mut mappings = self.mappings.borrow_mut();
        if let Some(kept) = mappings.iter().find(|kept| kept.files == files && kept.instance == instance) {
            return Ok(Rc::clone(&kept.namespace));
        }
        let made = Rc::new(mapping(files, instance)?);
        if mappings.len() == MAPPINGS {
            mappings.remove(0);
        }
        mappings.push(Mapping { files, instance, namespace: Rc::clone(&made) });
        Ok(made)
    }

    /// Takes a shown folder away. Fails while files in it are open.
    pub(crate) fn hide(&self, slot: u32, name: &str) -> io::Result<()> {
        let target = place(slot).join("data").join(name);
        unmount(&target, UnmountFlags::DETACH)?;
        fs::remove_dir(&target)
    }

    /// Makes the instance's `/run/debug` read-only. Fails while it has a file there open for writing.
    pub(crate) fn seal(&self, pid: i32) -> io::Result<()> {
        let theirs = fs::File::open(format!("/proc/{pid}/ns/mnt"))?;
        let enter = |namespace| move_into_link_name_space(namespace, Some(LinkNameSpaceType::Mount));
        enter(theirs.as_fd())?;
        let sealed = open_tree(CWD, "/run/debug", OpenTreeFlags::OPEN_TREE_CLOEXEC)
            .map_err(io::Error::from)
            .and_then(|debug| sys::mount_setattr(debug.as_fd(), READ_ONLY, None, false));
        // Elsewhere than in its own namespace the jailer must not do anything more.
        let back = enter(self.own.as_fd()).and_then(|()| rustix::process::fchdir(&self.folder));
        if let Err(error) = back {
            tracing::error!(%error, "the jailer cannot come back to its namespace");
            sys::exit_now(1);
        }
        sealed
    }
}

/// A user namespace in which `files` is what `instance` is outside.
fn mapping(files: User, instance: User) -> io::Result<OwnedFd> {
    let (wait, hold) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let (pid, process) = match sys::fork_into(libc::CLONE_NEWUSER, None)? {
        Forked::Child => {
            drop(hold);
            // Ends when the jailer has what it wants, or is gone.
            let _ = rustix::io::read(&wait, &mut [0]);
            sys::exit_now(0);
        }
        Forked::Parent(pid, process) => (pid.as_raw_nonzero(), process),
    };
    let mapped = fs::write(format!("/proc/{pid}/uid_map"), format!("{} {} 1", files.uid, instance.uid))
        .and_then(|()| fs::write(format!("/proc/{pid}/gid_map"), format!("{} {} 1", files.gid, instance.gid)))
        .and_then(|()| fs::File::open(format!("/proc/{pid}/ns/user")));
    drop(hold);
    waitid(WaitId::PidFd(process.as_fd()), WaitIdOptions::EXITED)?;
    Ok(mapped?.into())
}

fn place(slot: u32) -> PathBuf {
    PathBuf::from(format!("i/{slot}"))
}

/// A folder that anybody may walk through and only the jailer change.
fn make_folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => fs::set_permissions(path, fs::Permissions::from_mode(0o711)),
    }
}

/// Makes `root` on the stage, the read-only root of every instance.
fn make_root(images: &[&Image], read_only: bool) -> io::Result<()> {
    let root = Path::new("root");
    fs::create_dir(root)?;
    mount_tmpfs(root)?;
    for folder in ["bin", "dev", "run/hearth", "run/debug", "data"] {
        fs::create_dir_all(root.join(folder))?;
    }
    copy_libraries(root, images)?;
    if let Some(khz) = tsc_khz() {
        fs::create_dir_all(root.join(TSC).parent().unwrap_or(root))?;
        fs::write(root.join(TSC), format!("{khz}\n"))?;
    }
    let programs = images
        .iter()
        .map(|image| (image.path.as_path(), below(root, &image.inside), READ_ONLY | NO_SUID | NO_DEVICES));
    let null = (Path::new("/dev/null"), root.join("dev/null"), READ_ONLY | NO_SUID | NO_EXEC);
    for (source, target, attributes) in programs.chain([null]) {
        fs::write(&target, "")?;
        bind(source, &target, attributes, false)?;
    }
    walkable(root)?;
    close(root, read_only)
}

/// Makes the root of a toolchain's instances on the stage.
pub(crate) fn make_toolchain_root(
    program: Program,
    image: &Image,
    toolchain: &Toolchain,
    read_only: bool,
) -> io::Result<()> {
    let root = Path::new(program.root());
    fs::create_dir(root)?;
    mount_tmpfs(root)?;
    for folder in ["dev", "data", "tmp"] {
        fs::create_dir(root.join(folder))?;
    }
    copy_libraries(root, &[image])?;
    for (path, text) in &toolchain.files {
        write_file(&below(root, path), text)?;
    }
    for (path, target) in &toolchain.links {
        let path = below(root, path);
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        std::os::unix::fs::symlink(target, path)?;
    }
    let mut shown: Vec<(&Path, PathBuf, u64)> = Vec::new();
    let program = toolchain.path.as_ref().map(|path| (path, &toolchain.inside));
    for (source, inside) in toolchain.shown.iter().map(|(source, inside)| (source, inside)).chain(program) {
        let target = below(root, inside);
        if source.is_dir() {
            fs::create_dir_all(&target)?
        } else {
            write_file(&target, "")?
        }
        shown.push((source, target, READ_ONLY | NO_SUID | NO_DEVICES));
    }
    for device in ["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom"] {
        let target = below(root, Path::new(device));
        fs::write(&target, "")?;
        shown.push((Path::new(device), target, READ_ONLY | NO_SUID | NO_EXEC));
    }
    // Modes first: what is shown keeps its own.
    walkable(root)?;
    for (source, target, attributes) in shown {
        bind(source, &target, attributes, false)?;
    }
    close(root, read_only)
}

fn close(root: &Path, read_only: bool) -> io::Result<()> {
    let mounted = open_tree(CWD, root, OpenTreeFlags::OPEN_TREE_CLOEXEC)?;
    let closed = if read_only { READ_ONLY } else { 0 };
    sys::mount_setattr(mounted.as_fd(), closed | NO_SUID | NO_DEVICES, None, false)
}

/// Where a path inside is on the stage.
fn below(root: &Path, inside: &Path) -> PathBuf {
    root.join(inside.strip_prefix("/").unwrap_or(inside))
}

fn write_file(path: &Path, text: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o444))
}

fn copy_libraries(root: &Path, images: &[&Image]) -> io::Result<()> {
    let libraries: BTreeSet<&PathBuf> = images.iter().flat_map(|image| &image.libraries).collect();
    for library in libraries {
        let target = below(root, library);
        fs::create_dir_all(target.parent().unwrap_or(root))?;
        fs::copy(library, &target)?;
        fs::set_permissions(&target, fs::Permissions::from_mode(0o555))?;
    }
    Ok(())
}

/// Folders get their mode from here, not from the umask of whoever started Hearth.
fn walkable(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o555))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            walkable(&entry.path())?;
        } else if entry.path().ends_with("tsc_freq_khz") {
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(0o444))?;
        }
    }
    Ok(())
}

/// Frequency of the time stamp counter. A program that finds it in the file named above need not measure it for 3 ms
/// at each start (workerd.md 6.1).
fn tsc_khz() -> Option<u64> {
    if let Ok(text) = fs::read_to_string(Path::new("/").join(TSC)) {
        return text.trim().parse().ok();
    }
    let (clock, count) = (std::time::Instant::now(), sys::time_stamp()?);
    std::thread::sleep(std::time::Duration::from_millis(10));
    let (ticks, elapsed) = (sys::time_stamp()?.checked_sub(count)?, clock.elapsed());
    u64::try_from(u128::from(ticks) * 1_000_000 / elapsed.as_nanos()).ok()
}

/// Builds and enters the root of an instance; runs in the instance itself, in its own namespaces.
pub(crate) fn enter_root(slot: u32, program: Program, read_only: bool) -> io::Result<()> {
    let (root, place) = (Path::new(program.root()), place(slot));
    let closed = if read_only { READ_ONLY } else { 0 };
    let limits = NO_SUID | NO_DEVICES | NO_EXEC;
    attach(&tree(root, true)?, root)?;
    if program.is_toolchain() {
        let options = if program == Program::Go { ROOM_TO_BUILD } else { ROOM };
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount("hearth", root.join("tmp"), "tmpfs", flags, options)?;
    }
    if program == Program::Runtime {
        bind(&place.join("host/in"), &root.join("run/hearth"), limits | closed, false)?;
        bind(&place.join("host/debug"), &root.join("run/debug"), limits, false)?;
    }
    // With what is shown already; only the folder itself is read-only.
    bind(&place.join("data"), &root.join("data"), limits | closed, true)?;
    std::env::set_current_dir(root)?;
    rustix::process::pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    // A compiler begins where what it compiles is.
    let begins = Path::new("/data/app");
    std::env::set_current_dir(if program == Program::Go && begins.is_dir() { begins } else { Path::new("/") })
}

/// Gives an instance's sockets and its `debug/` to the user it will be.
pub(crate) fn hand_over(dir: &Path, program: Program, user: User) -> io::Result<()> {
    fs::set_permissions(dir, fs::Permissions::from_mode(0o711))?;
    if program != Program::Runtime {
        return Ok(());
    }
    fs::set_permissions(dir.join("in"), fs::Permissions::from_mode(0o711))?;
    for entry in fs::read_dir(dir.join("in"))? {
        own(&entry?.path(), user)?;
    }
    own(&dir.join("debug"), user)
}

/// Changes the owner of a file, or of a link itself.
pub(crate) fn own(path: &Path, user: User) -> io::Result<()> {
    let (owner, group) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    Ok(rustix::fs::chownat(CWD, path, Some(owner), Some(group), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Gives a whole folder to a user. No instance may see it meanwhile.
pub(crate) fn own_all(path: &Path, user: User) -> io::Result<()> {
    own(path, user)?;
    if fs::symlink_metadata(path)?.is_dir() {
        for entry in fs::read_dir(path)? {
            own_all(&entry?.path(), user)?;
        }
    }
    Ok(())
}

/// Takes an instance's debug socket over for `user`, after checking that it is one: a link could lead anywhere.
pub(crate) fn take_socket(dir: &Path, user: User) -> Result<()> {
    let path = dir.join("debug/debug.sock");
    let metadata = fs::symlink_metadata(&path).step("looking at debug.sock")?;
    if FileType::from_raw_mode(metadata.mode()) != FileType::Socket {
        return Err(Error::Invalid("debug.sock is not a socket".into()));
    }
    if metadata.uid() == user.uid { Ok(()) } else { own(&path, user).step("taking debug.sock over") }
}
