//! The steps of a write, at each of which the crash tests end the process or fail the disk.

use super::super::error::Result;

/// Passes a step. Does nothing outside of this crate's own tests.
#[cfg(not(test))]
#[expect(clippy::unnecessary_wraps, reason = "the tests' twin fails")]
pub(super) fn step(_name: &'static str) -> Result<()> {
    Ok(())
}

/// What a test wants to happen at a step.
#[cfg(test)]
pub(super) enum Fault {
    /// The process dies, as if killed.
    Abort,
    /// The disk is full.
    Full,
}

/// The step that fails, and how.
#[cfg(test)]
pub(super) static FAULT: parking_lot::Mutex<Option<(String, Fault)>> = parking_lot::Mutex::new(None);

#[cfg(test)]
pub(super) fn step(name: &'static str) -> Result<()> {
    match &*FAULT.lock() {
        Some((at, Fault::Abort)) if at == name => std::process::abort(),
        Some((at, Fault::Full)) if at == name => Err(super::super::error::R2Error::StorageFull),
        _ => Ok(()),
    }
}
