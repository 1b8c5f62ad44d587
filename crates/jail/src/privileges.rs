//! Giving up capabilities, in the process that faces the network and in every instance.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::process::{Gid, Uid};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, set_thread_groups, set_thread_res_gid,
    set_thread_res_uid,
};

use crate::config::{Context, Result};
use crate::mounts;
use crate::report::attempt;

/// A user of the host with its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct User {
    /// The uid.
    pub uid: u32,
    /// The gid.
    pub gid: u32,
}

impl User {
    pub(crate) fn is_root(self) -> bool {
        self.uid == 0
    }

    /// Who calls.
    pub(crate) fn current() -> Self {
        Self { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() }
    }
}

/// Finds the user that a Hearth started by root becomes: the owner of its data folder. A folder of root's own is first
/// given to the user `own`, with what is in it, if that is nothing yet or Hearth's.
///
/// `None` when nothing is to be changed: we are not root. And where it cannot be done, which is logged: then the process
/// that faces the network stays uid 0, without capabilities, but owner of all of root's files.
///
/// # Errors
/// When the folder's owner cannot be read or changed.
pub fn settle(data_dir: &Path, own: u32) -> Result<Option<User>> {
    if !User::current().is_root() {
        return Ok(None);
    }
    let metadata = fs::metadata(data_dir).step("looking at the data folder")?;
    let mut user = User { uid: metadata.uid(), gid: metadata.gid() };
    let is_roots = user.is_root();
    if is_roots {
        user = User { uid: own, gid: own };
    }
    let stays = |why: &str| {
        let folder = data_dir.display();
        tracing::warn!(%folder, uid = user.uid, "the server stays uid 0, without capabilities: {why}");
        Ok(None)
    };
    if is_roots && !is_ours(data_dir).step("looking into the data folder")? {
        return stays("the data folder is root's and holds something else than Hearth's data");
    }
    // Tried out by the very process that would be in trouble.
    let reaches = attempt(|| {
        drop_privileges(Some(user))?;
        // Walks through every folder above it.
        data_dir.canonicalize().map(drop).step("reaching the data folder")
    });
    if let Err(why) = reaches {
        return stays(&format!("that user cannot reach the data folder, or we cannot become it: {why}"));
    }
    if is_roots {
        for entry in fs::read_dir(data_dir).step("looking into the data folder")? {
            let path = entry.step("looking into the data folder")?.path();
            // The runtime stays out of the server's hands.
            if path.file_name() != Some(RUNTIME.as_ref()) {
                mounts::own_all(&path, user).step("changing the data folder's owner")?;
            }
        }
        // Last: what was begun is begun again at the next start.
        mounts::own(data_dir, user).step("changing the data folder's owner")?;
    }
    Ok(Some(user))
}

/// Where an embedded runtime is unpacked to.
const RUNTIME: &str = "runtime";

/// Nobody gave us a folder by mistake: there is nothing in it but what Hearth makes at its first start, or its database.
fn is_ours(data_dir: &Path) -> io::Result<bool> {
    if data_dir.join("hearth.db").exists() {
        return Ok(true);
    }
    for entry in fs::read_dir(data_dir)? {
        if ![RUNTIME, "run"].iter().any(|known| entry.as_ref().is_ok_and(|entry| entry.file_name() == *known))
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Becomes the owner of a data folder for good, when started by root: for commands that work on it without a server, so
/// that what they write belongs to who reads it. Before any thread exists.
///
/// # Errors
/// When the kernel refuses.
pub fn become_owner(data_dir: &Path) -> Result<()> {
    match fs::metadata(data_dir) {
        Ok(metadata) if User::current().is_root() && metadata.uid() != 0 => {
            drop_privileges(Some(User { uid: metadata.uid(), gid: metadata.gid() }))
        }
        _ => Ok(()),
    }
}

/// Gives up what the process that faces the network does not need: as root, uid 0 itself where there is a `user` to
/// become, and every capability but the one that listens on ports below 1024, for good; for any user the right to gain
/// privileges by executing something.
///
/// To be called after [`start`](crate::start) and before any thread exists, since all this belongs to threads.
///
/// # Errors
/// When the kernel refuses.
pub fn drop_privileges(user: Option<User>) -> Result<()> {
    if let Some(user) = user {
        become_user(user).step("leaving uid 0")?;
    }
    let held = rustix::thread::capabilities(None).step("reading the capabilities")?;
    keep_only(held.permitted & CapabilitySet::NET_BIND_SERVICE).step("giving up capabilities")?;
    rustix::thread::set_no_new_privs(true).step("setting no_new_privs")
}

/// Changes uid and gid of this thread for good; capabilities stay.
pub(crate) fn become_user(user: User) -> io::Result<()> {
    // Else they would go with uid 0.
    rustix::thread::set_capabilities_secure_bits(CapabilitiesSecureBits::NO_SETUID_FIXUP)?;
    let (uid, gid) = (Uid::from_raw(user.uid), Gid::from_raw(user.gid));
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, gid, gid)?;
    Ok(set_thread_res_uid(uid, uid, uid)?)
}

/// Reduces all sets of this thread to `kept`.
pub(crate) fn keep_only(kept: CapabilitySet) -> io::Result<()> {
    let held = rustix::thread::capabilities(None)?;
    if held.effective.contains(CapabilitySet::SETPCAP) {
        // Else a program that uid 0 executes would get all of the bounding set.
        for bit in (0..64).map(|bit| CapabilitySet::from_bits_retain(1 << bit)) {
            if kept.contains(bit) {
                continue;
            }
            match rustix::thread::remove_capability_from_bounding_set(bit) {
                Ok(()) => {}
                // Past the last capability that this kernel knows.
                Err(rustix::io::Errno::INVAL) => break,
                Err(error) => return Err(error.into()),
            }
        }
        rustix::thread::set_capabilities_secure_bits(
            CapabilitiesSecureBits::NO_ROOT
                | CapabilitiesSecureBits::NO_ROOT_LOCKED
                | CapabilitiesSecureBits::NO_SETUID_FIXUP
                | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
                | CapabilitiesSecureBits::KEEP_CAPS_LOCKED,
        )?;
    }
    rustix::thread::clear_ambient_capability_set()?;
    rustix::thread::set_capabilities(
        None,
        CapabilitySets { effective: kept, permitted: kept, inheritable: CapabilitySet::empty() },
    )?;
    Ok(())
}
