//! The steps of writes and snapshots, at each of which the tests end the process, fail the disk or do something else
//! meanwhile.

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
    /// This happens meanwhile, once.
    Run(Box<dyn FnOnce() + Send>),
}

/// The step that fails, and how.
#[cfg(test)]
pub(super) static FAULT: parking_lot::Mutex<Option<(String, Fault)>> = parking_lot::Mutex::new(None);

#[cfg(test)]
pub(super) fn step(name: &'static str) -> Result<()> {
    let mut fault = FAULT.lock();
    match &*fault {
        Some((at, Fault::Abort)) if at == name => std::process::abort(),
        Some((at, Fault::Full)) if at == name => Err(super::super::error::R2Error::StorageFull),
        Some((at, Fault::Run(_))) if at == name => {
            let taken = fault.take();
            drop(fault);
            if let Some((_, Fault::Run(work))) = taken {
                work();
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
