//! The jail: a small process, forked before the async runtime starts, that keeps the privileges and starts instances:
//! workerd with a worker's code, or Hearth itself as a helper with tenants' data. The process that faces the network
//! gives its privileges up.
//!
//! ```text
//! main()  start(config) ──fork──▶ jailer (one thread) ──▶ instance: namespaces, root, cgroup, seccomp, then its program
//!         drop_privileges()          ▲
//!         tokio: into_async() ───────┘ unix socket; descriptors travel with the orders
//! ```
//!
//! Every instance dies with the jailer, the jailer with Hearth's main thread, even by `kill -9`. What an earlier run
//! left all the same is ended at the next start. Under systemd use `KillMode=mixed`, so that only Hearth is asked to
//! stop. Needs Linux 5.13.
//!
//! This is the only crate of Hearth with unsafe code, and all of it is in one file, `sys.rs`.

#![deny(unsafe_code)]

mod cgroup;
mod client;
mod config;
mod image;
mod landlock;
mod leftovers;
mod mounts;
mod network;
mod peer;
mod policy;
mod privileges;
mod report;
mod server;
mod spawn;
mod start;
#[expect(unsafe_code, reason = "the calls that no safe crate offers; each block says why it is sound")]
mod sys;
mod usage;
mod wire;

pub use client::Jailer;
pub use config::{
    Command, Config, DEFAULT_BASE_UID, DEFAULT_UID, Error, Exit, ExitCause, Folder, InstancePaths, Layers,
    Limits, Program, Result, Signal, Spawned, Tier, Toolchain,
};
pub use network::{
    ADDRESS_V4, ADDRESS_V6, DEVICE_MTU, Device, LOOPBACK_SOCKETS, receive_device, receive_sockets,
};
pub use peer::peer_is;
pub use privileges::{User, become_owner, drop_privileges, settle};
pub use report::{Finding, Report, examine};
pub use start::{JailerHandle, start, start_with};
pub use usage::{PeakReader, Usage, UsageReader};
