//! Giving up capabilities, in the process that faces the network and in every instance.

use std::io;

use rustix::thread::{CapabilitiesSecureBits, CapabilitySet, CapabilitySets};

use crate::config::{Context, Result};

/// Gives up what the process that faces the network does not need: as root every capability but the one that listens
/// on ports below 1024, for good; for any user the right to gain privileges by executing something.
///
/// To be called after [`start`](crate::start) and before any thread exists, since capabilities belong to threads.
///
/// # Errors
/// When the kernel refuses.
pub fn drop_privileges() -> Result<()> {
    let held = rustix::thread::capabilities(None).step("reading the capabilities")?;
    keep_only(held.permitted & CapabilitySet::NET_BIND_SERVICE).step("giving up capabilities")?;
    rustix::thread::set_no_new_privs(true).step("setting no_new_privs")
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
