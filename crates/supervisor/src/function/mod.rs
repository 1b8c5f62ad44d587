//! The driver of functions: processes of Node.js, Python and Go that take one call at a time.
//!
//! A process tells on its control descriptor, in lines of JSON, how far it is: `parked` once its harness is loaded,
//! `listen` when it has the function's code and takes calls, `failed` with an error when the code does not load, and
//! `called` with what became of a call that came over the function's host. It is told its work on stdin. Calls come as
//! HTTP/1.1 on the listening socket that it inherits; those of the API carry [`INVOKE_HEADER`].

mod config;
mod control;
mod meter;
mod park;
mod turns;
mod visit;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) use config::configuration;
pub(crate) use control::{Control, News};
pub(crate) use meter::Metered;
pub(crate) use park::{Parked, Parks};
pub(crate) use turns::{Turn, Turns};
pub(crate) use visit::Visits;
pub use visit::{Ending, Head, Visit};

/// Marks a call of the API: the body is `{"event", "context"}`. No client can send it: the gateway removes it.
pub const INVOKE_HEADER: &str = "x-hearth-invoke";

/// Why a function failed, as its caller is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FunctionError {
    /// The error's class in its own language, or ours: `Timeout`, `OutOfMemory`, `Crashed`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What it says.
    pub message: String,
    /// Where it happened; empty when that is not known.
    #[serde(default)]
    pub stack: String,
}

impl fmt::Display for FunctionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}
