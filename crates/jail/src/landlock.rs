//! Files in the reduced tier: only the instance's own are there for it, by a kernel rule instead of by a root of its
//! own.

use std::io;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetStatus, Scope,
};

use crate::config::{Folder, Program};
use crate::image::Image;

/// The newest rules that are asked for; older kernels enforce those that they know.
const NEWEST: ABI = ABI::V6;

/// Restricts the calling thread, for good. `no_new_privs` is set with it.
///
/// In `debug/` sockets may be made and nothing removed or renamed: so what once is a socket there stays one.
pub(crate) fn restrict(image: &Image, dir: &Path, folders: &[Folder]) -> io::Result<()> {
    let run = AccessFs::ReadFile | AccessFs::Execute;
    let read = AccessFs::ReadDir | AccessFs::ReadFile;
    let data = AccessFs::from_all(ABI::V3) & !(AccessFs::Execute | AccessFs::MakeBlock | AccessFs::MakeChar);
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(NEWEST)))
        .and_then(|rules| rules.scope(Scope::from_all(NEWEST)))
        .and_then(Ruleset::create)
        .map_err(io::Error::other)?;
    rules = allow(rules, &image.path, run)?;
    for library in &image.libraries {
        rules = allow(rules, library, run)?;
    }
    if image.program == Program::Runtime {
        rules = allow(rules, &dir.join("in"), read)?;
        rules = allow(rules, &dir.join("debug"), AccessFs::MakeSock | AccessFs::ReadDir)?;
    }
    rules = allow(rules, &dir.join("data"), read)?;
    for folder in folders {
        rules = allow(rules, &folder.host, if folder.writable { data } else { read })?;
    }
    rules = allow(rules, Path::new("/dev/null"), AccessFs::ReadFile | AccessFs::WriteFile)?;
    match rules.restrict_self().map_err(io::Error::other)?.ruleset {
        RulesetStatus::NotEnforced => Err(io::Error::from_raw_os_error(libc::ENOSYS)),
        _ => Ok(()),
    }
}

fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: impl Into<BitFlags<AccessFs>>,
) -> io::Result<RulesetCreated> {
    let opened = PathFd::new(path).map_err(io::Error::other)?;
    rules.add_rule(PathBeneath::new(opened, access)).map_err(io::Error::other)
}
