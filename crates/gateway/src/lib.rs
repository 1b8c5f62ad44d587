//! Where requests come in: listeners, the table of what is served, the choice of a version, the way to an instance
//! and back, WebSockets, the access log.
//!
//! The way of a request: [`Gateway::serve`] accepts it, `strict` refuses what can be read in two ways, `control` sees
//! whether it is for the control host, [`RouteTable`] finds the worker, `headers` takes away what the client may not
//! claim and adds what the worker may know, `proxy` chooses the version, `assets` answers what is the version's files'
//! to answer, `proxy` streams the rest, `encoding` negotiates, `access` remembers, `losses` tells of what a process took
//! along. Nothing on this way waits for a database.

#![forbid(unsafe_code)]

mod access;
mod assets;
mod body;
mod caps;
mod cf;
mod config;
mod control;
mod door;
mod encoding;
mod failure;
mod frames;
mod framing;
mod gateway;
mod guard;
mod headers;
mod host;
mod inspect;
mod internal;
mod lineage;
mod linger;
mod listener;
mod losses;
mod proxy;
mod public;
mod ray;
mod strict;
mod table;
mod whole;
mod ws;

pub use access::{CountersSnapshot, LATENCY_BOUNDS_US};
pub use body::{Body, BoxError};
pub use config::{Config, ConfigError};
pub use control::{Control, ControlBody};
pub use gateway::Gateway;
pub use guard::{Asked, CLIENT_ID, CLIENT_SECRET, COOKIE, Guard, NONCE_COOKIE, Verdict};
pub use headers::Client;
pub use host::HostName;
pub use inspect::{INSPECTOR_PATH, Inspected, Inspections};
pub use internal::Caller;
pub use lineage::Nested;
pub use losses::{Losses, Lost, Ongoing, Sent};
pub use public::{Admission, PublicPaths, Visit, Way};
pub use table::{Match, RouteTable, Served, TableConfig, Target};
