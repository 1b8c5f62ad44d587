//! Seeing what workers do: live tails, workers that tail others, and logs that are kept.
//!
//! All three are fed by the traces that processes send (`hearth_rpc::TraceSink`). [`Hub`] knows of each worker who wants
//! them: it tells the supervisor ([`Workers::trace`]), so that a worker nobody watches runs in a process that reports
//! nothing. [`Watch`] stands between one process and the hub. Nothing here holds up a process: whoever does not take
//! what it is offered loses it, and it is counted.

#![forbid(unsafe_code)]

mod circle;
mod consumers;
mod describe;
mod hub;
mod logs;
mod redact;
mod seen;
mod settings;
mod tail;

pub use describe::describe;
pub use hub::{Hub, Marks, Watch, Workers};
pub use logs::{Config as LogsConfig, Logs};
pub use seen::{Seen, Subject, console_text, event_name, request_id};
pub use settings::{Observability, TailConsumer};
pub use tail::connections;

/// Everything below `/client/v4`.
pub fn operations(api: &hearth_api::Api, hub: &Hub) -> Vec<hearth_api::Operation> {
    let mut operations = tail::api::operations(api, hub);
    operations.extend(logs::operations(hub.logs()));
    operations
}
