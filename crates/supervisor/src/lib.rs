//! Starts, watches, swaps and stops the processes that run workers.
//!
//! `plan` and `watch` decide and are pure; `supervisor` carries out. `spare` keeps parked processes, `workerd` builds
//! what they are told to run, `process` is one from then to its end, `monitor` looks at all of them, and a [`Lease`]
//! is what the gateway holds while a request is in one.

#![forbid(unsafe_code)]

mod candidate;
mod choose;
mod config;
mod connection;
mod death;
mod divisible;
mod events;
mod function;
mod functions;
mod inquiry;
mod inspect;
mod instance;
mod lease;
mod lifecycle;
mod monitor;
mod output;
mod owners;
mod plan;
mod process;
mod services;
mod shares;
mod spare;
mod standing;
mod stats;
mod storage;
mod stream;
mod supervisor;
mod watch;
mod workerd;

pub use config::{Config, Tails};
pub use connection::ResponseBody;
pub use death::Death;
pub use events::{
    Ended, NoHandler, QueueBatch, QueueEnded, QueueMessage, QueueMetrics, QueueRetry, QueueRetryBatch,
    Scheduled, WorkflowAnswer,
};
pub use function::{Ending, FunctionError, Head, INVOKE_HEADER, Visit};
pub use functions::CallMemory;
pub use inspect::{InspectError, Inspection};
pub use instance::{Instance, InstanceKey, Role};
pub use lease::{AcquireError, Instances, Lease, RequestBody, SendError};
pub use owners::Owner;
pub use plan::Allotment;
pub use services::{CodeSource, Identity, InstanceSockets, Peer, Services};
pub use stats::{START_BOUNDS_US, WorkerStats};
pub use supervisor::Supervisor;
pub use workerd::config::{
    BINDING_ENTRYPOINT, BINDING_HEADER, CACHE_KEY, ENGINE_SERVICE, MAIN_SERVICE, OBJECTS_ENTRYPOINT,
    OBJECTS_SERVICE, WORKFLOWS_KEY, binding_key, binding_props, instances_folder,
};
