//! Who changed what: a log of every call that writes, kept in a file of its own.
//!
//! [`Recorder`] stands around the whole API, so that no operation can forget it. What an operation is called it has from
//! the OpenAPI document; what it changed it learns by asking the API itself, before and after ([`watch`] decides, and is
//! pure), and leaves secrets out of that ([`redact`], pure). [`Log`] keeps it, and is read as Cloudflare's audit logs are.
//!
//! What workers do with their bindings, and S3 clients with objects, are no calls of the API and are not in it.

#![forbid(unsafe_code)]

mod api;
mod describe;
mod entry;
mod file;
mod flood;
mod log;
mod query;
mod recorder;
mod redact;
mod view;
mod watch;
mod who;

pub use api::operations;
pub use describe::describe;
pub use entry::{Actor, Entry, Outcome};
pub use log::{Config, Log, LogError};
pub use query::{Filter, Scope};
pub use recorder::{Known, Recorder};
