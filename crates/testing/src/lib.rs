//! Starts the real `hearth` binary and drives it with the real clients.
//!
//! [`Hearth::start`] runs the binary that `HEARTH_BIN` names (the Makefile sets it) on a free port with a temporary data
//! folder. [`Hearth::app`] copies a folder of `tests/apps/` and gives a [`Project`] in which a pinned wrangler runs, with
//! the pinned Node and an environment that holds nothing of the caller's. [`Hearth::get`] and its neighbours send
//! requests to the listen address with whatever `Host` a test wants, so no name has to resolve.
//!
//! When a test fails, the end of the server's log is printed; with `HEARTH_KEEP=1` the server and its folder stay.
#![forbid(unsafe_code)]

mod alike;
mod api;
mod browser;
mod client;
mod dev;
mod hearth;
mod origin;
mod project;
mod steps;
mod tail;
mod torture;

use std::path::PathBuf;

pub use alike::{Findings, Question};
pub use api::{BOUNDARY, Envelope, Form};
pub use browser::Browser;
pub use client::{Answer, Socket, send_to};
pub use dev::Dev;
pub use hearth::{Hearth, Options, command, free_address, is_runtime, may_mount};
pub use origin::{Asked, Authority, Origin};
pub use project::{Project, Ran, Wrangler, clean};
pub use steps::check_app;
pub use tail::Printed;
pub use torture::Ledger;

/// The root of the checkout.
#[must_use]
pub fn checkout() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the checkout exists")
}

/// A path below the folder that holds the apps, the pinned clients and their settings.
///
/// # Panics
/// If it does not exist: `make setup-tests` has not run.
#[must_use]
pub fn tests_folder(below: &str) -> PathBuf {
    let path = checkout().join("tests").join(below);
    assert!(path.exists(), "{} is missing: run `make setup-tests`", path.display());
    path
}
