//! Joins the crates: each asks for what it needs by a trait, and what answers it stands here.

mod analytics;
mod backup;
mod bindings;
mod cache;
mod calls;
mod code;
mod databases;
mod dialects;
mod functions;
mod internal;
mod logs;
mod metrics;
mod objects;
mod observe;
mod platform;
mod queues;
mod scheduled;
mod services;
pub mod space;
mod workflows;

pub use backup::Backup;
pub use bindings::Capabilities;
pub use cache::Kept;
pub use code::Code;
pub use databases::{Databases, ENGINE};
pub use dialects::{DialectProcesses, keep_all};
pub use functions::{PackagesWayOut, Served};
pub use internal::Inside;
pub use metrics::{Counted, Meters, Outgoing, data_points, lost_traces, router as metrics_router};
pub use objects::Alarmed;
pub use observe::{Seeing, follow_all};
pub use platform::{Lanes, Platform, own_all};
pub use queues::{BucketEvents, Consumers};
pub use scheduled::ScheduledRuns;
pub use services::{Attach, parse_policy};
pub use workflows::Engines;
