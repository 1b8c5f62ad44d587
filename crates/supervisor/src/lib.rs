//! Starts, watches, swaps and stops the processes that run workers.
//!
//! The plan is pure (events in, effects out); the rest carries it out.

#![forbid(unsafe_code)]

mod connection;
mod death;
mod instance;
mod lease;

pub use connection::ResponseBody;
pub use death::Death;
pub use instance::{Instance, InstanceKey, Role};
pub use lease::{AcquireError, Instances, Lease, RequestBody, SendError};
